"""Trigger coverage: how often the drop after a trigger exceeded the drop that had been published before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from riskparams.backtest.metric import interval, resampled_rows
from riskparams.backtest.schedule import PublishedDrops, rows_in_force
from riskparams.errors import ConfigError, InsufficientData
from riskparams.prices.panel import Candles
from riskparams.terms import DAY, BoolArray, FloatArray, IntArray, day, frozen, iso

WEEK = 7 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerOutcomes:
    """Each virtual position of one asset that was triggered, by opening and then multiple; arrays are read-only.

    `drop` is simple, from the barrier to the close that executes: negative when the price had recovered by then.
    `published[i, j]` is the drop published at `levels[j]` and in force over the bar of trigger `i`.
    """

    asset: str
    levels: tuple[float, ...]
    multiples: tuple[float, ...]
    positions: int  # opened, triggered or not
    opened: IntArray
    triggered: IntArray
    multiple: IntArray  # row of `multiples`
    drop: FloatArray
    published: FloatArray
    missed: BoolArray

    def __post_init__(self) -> None:
        for name in ("opened", "triggered", "multiple", "drop", "published", "missed"):
            frozen(getattr(self, name))

    def __len__(self) -> int:
        return len(self.drop)


def trigger_coverage(
    candles: Candles,
    published: PublishedDrops,
    *,
    execution_bars: int,
    follow_bars: int,
    every: int,
    multiples: tuple[float, ...] = (1.0, 2.0, 4.0),
    asset: str = "",
) -> TriggerOutcomes:
    """Return what followed the triggers of virtual positions opened every `every` bars, one per multiple of m*.

    A position opens at a close, with m* as then in force, and is followed for `follow_bars` bars. It is triggered by the
    first bar whose low touches `close x exp(-m)`; it executes at the close `execution_bars` later. A history that ends,
    or breaks off, before that leaves the position out.
    """
    from riskparams.backtest.kernels import first_touches

    if execution_bars < 0 or follow_bars < 1 or every < 1:
        raise ConfigError(
            f"execution_bars {execution_bars}, follow_bars {follow_bars}, every {every}: expected 0, 1 and 1 or more bars"
        )
    row = rows_in_force(published.effective, candles.time)
    known = np.flatnonzero(row >= 0)
    if not len(known):
        raise InsufficientData(
            f"no bar closes after {iso(int(published.effective[0]))}, when drops were first published: extend the prices"
        )
    opening = np.repeat(np.arange(known[0], len(candles), every), len(multiples))
    multiple = np.tile(np.arange(len(multiples)), len(opening) // len(multiples))
    barrier = candles.close[opening] * np.exp(-published.touch_move[row[opening]] * np.array(multiples)[multiple])
    touch = first_touches(candles.low, candles.segment, opening, barrier, follow_bars, execution_bars)
    hit = touch >= 0
    drop = 1 - candles.close[touch[hit] + execution_bars] / barrier[hit]
    stated = published.drop[row[touch[hit]]]
    return TriggerOutcomes(
        asset=asset,
        levels=published.levels,
        multiples=multiples,
        positions=len(opening),
        opened=candles.time[opening[hit]],
        triggered=candles.time[touch[hit]],
        multiple=multiple[hit],
        drop=drop,
        published=stated,
        missed=drop[:, None] > stated,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageTest:
    """Miss shares at each level, pooled over assets; tuples follow `levels`, `target` is `1 - level`.

    Misses come by the crash day: `trigger_days` counts the distinct UTC dates with a trigger of any asset, and is the
    sample size to have in mind, not `triggers`. `worst_day_share` is the largest miss share of a single date. Where
    nothing was missed `low` is 0 and `high` is `3 / trigger_days`, at most 1.
    """

    assets: tuple[str, ...]
    levels: tuple[float, ...]
    target: tuple[float, ...]
    triggers: int
    trigger_days: int
    misses: tuple[int, ...]
    miss_share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    misses_by_day: Mapping[str, tuple[int, ...]]  # dates with a miss at any level
    worst_day: tuple[str | None, ...]
    worst_day_share: tuple[float, ...]
    mean_block_weeks: float
    alpha: float


def pooled_coverage(
    outcomes: Sequence[TriggerOutcomes],
    *,
    seed: int,
    draws: int = 999,
    mean_block_weeks: float = 4,
    alpha: float = 0.05,
) -> CoverageTest:
    """Return the share of triggers whose drop exceeded the published one, with its interval, over all assets.

    Weeks of triggers are resampled in blocks (stationary bootstrap), all assets together, misses with triggers.
    Raises `InsufficientData` when nothing was triggered.
    """
    levels = {outcome.levels for outcome in outcomes}
    if len(levels) != 1:
        raise ConfigError(f"the outcomes to pool have levels {sorted(levels)}: expected one and the same set")
    triggered = np.concatenate([outcome.triggered for outcome in outcomes])
    missed = np.concatenate([outcome.missed for outcome in outcomes])
    if not len(triggered):
        positions = sum(outcome.positions for outcome in outcomes)
        raise InsufficientData(f"none of {positions} positions was triggered: follow them for longer or over a longer history")
    (quantiles,) = levels

    dates, date = np.unique((triggered - 1) // DAY, return_inverse=True)
    by_date, misses_by_date = _counted(date, missed, len(dates))
    week = (triggered - 1) // WEEK - (triggered.min() - 1) // WEEK
    by_week, misses_by_week = _counted(week, missed, int(week.max()) + 1)
    rows = resampled_rows(len(by_week), mean_block=mean_block_weeks, draws=draws, seed=seed)
    with np.errstate(invalid="ignore"):
        samples = misses_by_week[rows].sum(axis=1) / by_week[rows].sum(axis=1)[:, None]

    misses, shares = missed.sum(axis=0), missed.mean(axis=0)
    bounds = [interval(float(share), samples[:, column], alpha) for column, share in enumerate(shares)]
    daily_share = misses_by_date / by_date[:, None]
    worst = daily_share.argmax(axis=0)
    names = [day(int(number) * DAY) for number in dates]
    return CoverageTest(
        assets=tuple(outcome.asset for outcome in outcomes),
        levels=quantiles,
        target=tuple(round(1 - level, 12) for level in quantiles),
        triggers=len(triggered),
        trigger_days=len(dates),
        misses=tuple(int(count) for count in misses),
        miss_share=tuple(float(share) for share in shares),
        low=tuple(low for low, _, _ in bounds),
        high=tuple(high if count else min(1.0, 3 / len(dates)) for (_, high, _), count in zip(bounds, misses, strict=True)),
        misses_by_day={
            name: tuple(int(count) for count in counts)
            for name, counts in zip(names, misses_by_date, strict=True)
            if counts.any()
        },
        worst_day=tuple(names[row] if count else None for row, count in zip(worst, misses, strict=True)),
        worst_day_share=tuple(float(share) for share in daily_share.max(axis=0)),
        mean_block_weeks=mean_block_weeks,
        alpha=alpha,
    )


def _counted(group: IntArray, missed: BoolArray, groups: int) -> tuple[FloatArray, FloatArray]:
    """Return triggers per group, and misses per group and level."""
    misses = [np.bincount(group, weights=column, minlength=groups) for column in missed.T]
    return np.bincount(group, minlength=groups).astype(np.float64), np.stack(misses, axis=1)
