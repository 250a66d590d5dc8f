"""Out-of-sample forecasts of one series: refit on a rolling window, filter bar by bar, one bar ahead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riskparams.errors import ConfigError, ConstantSeries, InsufficientData, ModelError
from riskparams.forecasts.model import ForecastModel
from riskparams.forecasts.residual_tail import residual_tail
from riskparams.returns import MIN_RETURNS, Returns, hour_factor
from riskparams.terms import FloatArray, IntArray, frozen, iso
from riskparams.volatility import component, recursions
from riskparams.volatility.ewma import fit_ewma
from riskparams.volatility.garch import backcast
from riskparams.volatility.innovations import InnovationLaw
from riskparams.volatility.model import ComponentFit, Convergence, EwmaSpec, GarchFit
from riskparams.volatility.rolling import fit_rolling

LEVELS = (0.975, 0.99)
BACKCAST = 75  # returns of a segment that say where its variance begins


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSchedule:
    """When to refit and on what: durations in nanoseconds. The window grows from `min_window` to `window`.

    The first forecast is for the first bar that closes after `start`, or once `min_window` has passed, if that is later.
    Raises `ConfigError` for durations that are out of order.
    """

    window: int
    min_window: int
    refit: int
    start: int | None = None

    def __post_init__(self) -> None:
        if not (0 < self.min_window <= self.window and self.refit > 0):
            raise ConfigError(
                f"window {self.window}, min_window {self.min_window}, refit {self.refit} ns: expected durations above 0, and "
                "min_window no longer than window"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """One model's forecasts of one asset; losses are log and positive when the price fell, a row per forecast bar.

    `time` is the close of the bar that is forecast, `made_at` that of the last bar known then. `value_at_risk` and
    `expected_shortfall` have shape (n, levels). `flags` counts refits by what a reader should be warned of.
    """

    asset: str
    model: str
    bar: int
    levels: tuple[float, ...]
    time: IntArray
    made_at: IntArray
    realised: FloatArray
    value_at_risk: FloatArray
    expected_shortfall: FloatArray
    refits: int
    flags: Mapping[str, int]

    def __post_init__(self) -> None:
        for name in ("time", "made_at", "realised", "value_at_risk", "expected_shortfall"):
            frozen(getattr(self, name))

    def __len__(self) -> int:
        return len(self.time)


def refit_blocks(time: IntArray, schedule: ForecastSchedule) -> IntArray:
    """Return rows of (first of window, first forecast, end of forecasts) as indices into bar closes, oldest first."""
    begin = int(time[0]) + schedule.min_window
    if schedule.start is not None:
        begin = max(begin, schedule.start)
    rows = []
    for at in range(begin, int(time[-1]), schedule.refit):
        first = int(np.searchsorted(time, at - schedule.window, side="right"))
        known, end = (int(np.searchsorted(time, moment, side="right")) for moment in (at, at + schedule.refit))
        if end > known:
            rows.append((first, known, end))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def walk_forecasts(
    returns: Returns, model: ForecastModel, schedule: ForecastSchedule, *, levels: tuple[float, ...] = LEVELS
) -> Forecasts:
    """Return a model's forecasts of every bar from the schedule's start; none looks ahead.

    After a long gap the filter begins anew, from the window's mean square until 75 returns are known. Raises `InsufficientData`
    when the history ends before the first forecast, or a window holds fewer than 100 returns, `ConstantSeries` when none of
    these moves, and `ModelError` where a model forecasts no loss at all.
    """
    blocks = refit_blocks(returns.time, schedule)
    _refuse(returns, blocks)
    seasons = [_season(returns, model, first, known) for first, known, _ in blocks]
    fits = _fits(returns, model, blocks, seasons)
    flags: Counter[str] = Counter()
    parts = []
    for (first, known, end), season, fit in zip(blocks.tolist(), seasons, fits, strict=True):
        factor = season[returns.slot[first:end]]
        e = returns.value[first:end] / factor
        sigma = np.ones(end - first)
        law = InnovationLaw()
        if fit is not None:
            variance = _variance(e, fit, returns.segment[first:end], known - first)
            sigma = np.sqrt(np.maximum(variance[:-1], 1e-12 * fit.variance))
            if isinstance(fit, GarchFit):
                law = InnovationLaw(nu=fit.nu, skew=fit.skew)
            if fit.convergence not in (Convergence.CONVERGED, Convergence.NOT_NEEDED):
                flags[f"search: {fit.convergence}"] += 1
            if fit.persistence >= 0.9995 - 1e-6 and not isinstance(fit.spec, EwmaSpec):
                flags["near_integrated"] += 1
        inside = known - first
        tail, warned = residual_tail(
            -e[:inside] / sigma[:inside], law, model.tail, levels, share=model.tail_share, refit_law=np.isinf(law.nu)
        )
        flags.update(warned)
        size = (sigma * factor)[inside:, None]
        parts.append((size * tail[:, 0], size * tail[:, 1]))
    value_at_risk, shortfall = (np.concatenate(side) for side in zip(*parts, strict=True))
    begin, end = int(blocks[0, 1]), int(blocks[-1, 2])
    if not value_at_risk.min() > 0:
        row = int(np.argmin(value_at_risk.min(axis=1)))
        raise ModelError(
            f"{returns.pair}: {model.name} forecasts no loss at {iso(int(returns.time[begin + row]))}: the window before it "
            "hardly moves, or never falls; declare the series pegged or leave it out"
        )
    return Forecasts(
        asset=str(returns.pair.collateral),
        model=model.name,
        bar=returns.bar,
        levels=levels,
        time=returns.time[begin:end].copy(),
        made_at=returns.time[begin - 1 : end - 1].copy(),
        realised=-returns.value[begin:end],
        value_at_risk=value_at_risk,
        expected_shortfall=shortfall,
        refits=len(blocks),
        flags=dict(flags),
    )


def _refuse(returns: Returns, blocks: IntArray) -> None:
    if not len(blocks):
        raise InsufficientData(
            f"{returns.pair}: the history from {iso(int(returns.time[0]))} to {iso(int(returns.time[-1]))} ends before the "
            "first forecast: shorten min_window, start earlier or give a later end"
        )
    for first, known, _ in blocks.tolist():
        window = f"{returns.pair}: the window before {iso(int(returns.time[known]))}"
        if known - first < MIN_RETURNS:
            raise InsufficientData(
                f"{window} holds {known - first} returns, and at least {MIN_RETURNS} are needed: lengthen the window, or begin "
                "after the gap"
            )
        if not returns.value[first:known].any():
            raise ConstantSeries(f"{window} holds {known - first} returns, all of them 0: a dead feed, or too short a window")


def _variance(e: FloatArray, fit: GarchFit | ComponentFit, segment: IntArray, known: int) -> FloatArray:
    """Return n + 1 conditional variances, begun anew in each segment from what was known of it at the refit."""
    begins = np.flatnonzero(np.diff(segment, prepend=segment[0] - 1))
    ends = np.minimum(np.append(begins[1:], len(e)), known)
    levels = np.array(
        [
            backcast(e[first:last]) if last - first >= BACKCAST else fit.variance
            for first, last in zip(begins, ends, strict=True)
        ]
    )
    if isinstance(fit, ComponentFit):
        theta = np.array([getattr(fit, name) for name in component.PARAMETERS])
        return np.asarray(recursions.component_filter(e, begins, theta, levels))
    return np.asarray(recursions.gjr_filter(e - fit.mu, begins, fit.omega, fit.alpha, fit.gamma, fit.beta, levels))


def _season(returns: Returns, model: ForecastModel, first: int, known: int) -> FloatArray:
    return hour_factor(returns.rows(first, known)) if model.seasonal else np.ones(returns.slots)


def _fits(
    returns: Returns, model: ForecastModel, blocks: IntArray, seasons: list[FloatArray]
) -> list[GarchFit | ComponentFit | None]:
    spec = model.spec(returns.bar)
    if spec is None:
        return [None] * len(blocks)
    if isinstance(spec, EwmaSpec):
        return [fit_ewma(returns.value[first:known], spec) for first, known, _ in blocks]
    windows = blocks[:, :2].copy()
    e = returns.value
    if model.seasonal and returns.slots > 1:  # each window has a factor of its own: lay them end to end
        lengths = windows[:, 1] - windows[:, 0]
        ends = np.cumsum(lengths)
        e = np.concatenate(
            [
                returns.value[first:known] / season[returns.slot[first:known]]
                for (first, known), season in zip(windows, seasons, strict=True)
            ]
        )
        windows = np.column_stack([ends - lengths, ends])
    found = fit_rolling(e, spec, windows, run=1)  # refits are few: no window need inherit a local maximum
    return [found[row] for row in range(len(found))]
