"""The tail of the weekly losses: value at risk and expected shortfall of bad debt, and of debt liquidated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riskparams.backtest.metric import Metric, binomial_bound, interval, resampled_rows
from riskparams.errors import ConfigError
from riskparams.terms import FloatArray

WEEK = 7  # days
LEVEL = 0.99
UNIT = "bp of average debt, a week"
NONE_LENT = "no position had debt"


def value_at_risk(losses: FloatArray, level: float) -> FloatArray:
    """Return the smallest loss that at least `level` of the last axis does not exceed.

    >>> float(value_at_risk(np.arange(1.0, 201.0), 0.99))
    198.0
    """
    _check(level)
    return np.asarray(np.sort(losses, axis=-1)[..., _rank(losses.shape[-1], level)], dtype=np.float64)


def expected_shortfall(losses: FloatArray, level: float) -> FloatArray:
    """Return the mean of the worst `1 - level` of the last axis; the loss at the boundary counts with the part inside.

    With fewer than `1 / (1 - level)` losses that is the worst one (Acerbi & Tasche 2002).

    >>> float(expected_shortfall(np.arange(1.0, 201.0), 0.99)), float(expected_shortfall(np.array([0.0, 3.0]), 0.99))
    (199.5, 3.0)
    """
    _check(level)
    ordered, count = np.sort(losses, axis=-1), losses.shape[-1]
    rank, below = _rank(count, level), round(count * level, 9)
    inside = rank + 1 - below
    return np.asarray((ordered[..., rank + 1 :].sum(axis=-1) + inside * ordered[..., rank]) / (count - below))


def _check(level: float) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"level {level} of a tail of losses: expected a probability between 0 and 1, such as 0.99")


def _rank(count: int, level: float) -> int:
    """Return the place, from 0, of the value at risk among `count` losses in order; 0.99 x 100 is 99, whatever the bits say."""
    return max(0, math.ceil(round(count * level, 9)) - 1)


@dataclass(frozen=True, slots=True)
class _Tail:
    """A metric as a tail of one weekly column, over the average debt."""

    name: str
    column: str
    what: str
    shortfall: bool = False

    def of(self, weeks: Mapping[str, FloatArray]) -> FloatArray:
        tail = (expected_shortfall if self.shortfall else value_at_risk)(weeks[self.column], LEVEL)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1e4 * tail * weeks["hours"].sum(axis=-1) / weeks["debt_hours"].sum(axis=-1))


TAILS = (
    _Tail("loss_var_bps", "bad_debt", "bad debt"),
    _Tail("loss_es_bps", "bad_debt", "bad debt", shortfall=True),
    _Tail("weekly_liquidated_var_bps", "liquidated_debt", "liquidated debt"),
)


def by_week(days: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return the sums of daily columns over seven days each, from the first; a last week cut short counts as it stands."""
    weeks = {}
    for name in ("bad_debt", "liquidated_debt", "debt_hours", "hours"):
        weeks[name] = np.add.reduceat(days[name], np.arange(0, len(days[name]), WEEK))
    return weeks


def _resampled(weeks: Mapping[str, FloatArray], *, mean_block_days: float, draws: int, seed: int) -> dict[str, FloatArray]:
    rows = resampled_rows(len(weeks["hours"]), mean_block=max(1.0, mean_block_days / WEEK), draws=draws, seed=seed)
    return {name: values[rows] for name, values in weeks.items()}


def measure_weeks(
    days: Mapping[str, FloatArray], *, seed: int, draws: int, mean_block_days: float, alpha: float
) -> dict[str, Metric]:
    """Return the weekly tails of pooled daily columns; `exposure` counts the weeks, which are resampled in blocks."""
    weeks = by_week(days)
    samples = _resampled(weeks, mean_block_days=mean_block_days, draws=draws, seed=seed)
    count = len(weeks["hours"])
    found = {}
    for tail in TAILS:
        lossy = int(np.sum(weeks[tail.column] > 0))
        low: float | None
        high: float | None
        if weeks["debt_hours"].sum() <= 0:
            point, low, high, note = None, None, None, NONE_LENT
        elif not lossy:
            point, low, high = 0.0, 0.0, None
            note = (
                f"none of {count} weeks holds {tail.what}: at most {binomial_bound(count, alpha):.1%} of weeks do "
                "(3 / weeks), which bounds no amount"
            )
        else:
            point = float(tail.of(weeks))
            low, high, lost = interval(point, tail.of(samples), alpha)
            note = "; ".join(part for part in (_few(tail, lossy, count), lost) if part)
        found[tail.name] = Metric(name=tail.name, unit=UNIT, point=point, low=low, high=high, exposure=float(count), note=note)
    return found


def _few(tail: _Tail, lossy: int, count: int) -> str:
    """Return what so few weeks can say of their worst hundredth."""
    worst = count * (1 - LEVEL)
    rests = "it is the worst week" if worst <= 1 + 1e-9 else f"it rests on the worst {math.ceil(worst - 1e-9)} weeks"
    return f"{lossy} of {count} weeks hold {tail.what}; at {LEVEL:.0%} {rests}, and worse ones are possible"


def compare_weeks(
    ours: Mapping[str, FloatArray],
    theirs: Mapping[str, FloatArray],
    *,
    seed: int,
    draws: int,
    mean_block_days: float,
    alpha: float,
) -> dict[str, Metric]:
    """Return the differences of the weekly tails, ours less theirs, on the same resampled weeks."""
    weeks = [by_week(side) for side in (ours, theirs)]
    samples = [_resampled(side, mean_block_days=mean_block_days, draws=draws, seed=seed) for side in weeks]
    count = len(weeks[1]["hours"])
    found = {}
    for tail in TAILS:
        point, low, high, note = None, None, None, f"{NONE_LENT} on one side"
        if all(side["debt_hours"].sum() > 0 for side in weeks):
            point = float(tail.of(weeks[0]) - tail.of(weeks[1]))
            if any(side[tail.column].any() for side in weeks):
                low, high, note = interval(point, tail.of(samples[0]) - tail.of(samples[1]), alpha)
            else:
                note = "it happened on neither side, so the difference has no interval"
        found[tail.name] = Metric(name=tail.name, unit=UNIT, point=point, low=low, high=high, exposure=float(count), note=note)
    return found
