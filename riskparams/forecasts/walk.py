"""Out-of-sample forecasts of one series: refit on a rolling window, filter bar by bar, one bar ahead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riskparams.errors import InsufficientData, ModelError
from riskparams.forecasts.model import ForecastModel
from riskparams.forecasts.residual_tail import residual_tail
from riskparams.returns import Returns, hour_factor
from riskparams.terms import FloatArray, IntArray, frozen, iso
from riskparams.volatility.component import component_variance
from riskparams.volatility.ewma import fit_ewma
from riskparams.volatility.garch import conditional_variance
from riskparams.volatility.innovations import InnovationLaw
from riskparams.volatility.model import ComponentFit, Convergence, EwmaSpec, GarchFit
from riskparams.volatility.rolling import fit_rolling

LEVELS = (0.975, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSchedule:
    """When to refit and on what: durations in nanoseconds. The window grows from `min_window` to `window`.

    The first forecast is for the first bar that closes after `start`, or once `min_window` has passed, if that is later.
    """

    window: int
    min_window: int
    refit: int
    start: int | None = None


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

    Raises `InsufficientData` when the history ends before the first forecast, or a window holds fewer than 100 returns, and
    `ModelError` where a model forecasts no loss at all.
    """
    blocks = refit_blocks(returns.time, schedule)
    if not len(blocks):
        raise InsufficientData(
            f"{returns.pair}: the history from {iso(int(returns.time[0]))} to {iso(int(returns.time[-1]))} ends before the "
            "first forecast: shorten min_window or give a later end"
        )
    if blocks[0, 1] - blocks[0, 0] < 100:
        raise InsufficientData(
            f"{returns.pair}: the first window holds {blocks[0, 1] - blocks[0, 0]} returns: at least 100 are needed"
        )
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
            starts = np.flatnonzero(np.diff(returns.segment[first:end], prepend=returns.segment[first] - 1))
            variance = (
                component_variance(e, fit, starts) if isinstance(fit, ComponentFit) else conditional_variance(e, fit, starts)
            )
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
            "hardly moves; declare the series pegged or leave it out"
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
    found = fit_rolling(e, spec, windows)
    return [found[row] for row in range(len(found))]
