"""Several forecasters on the same bars of several assets: pooled scores, who is worse than the first, who stays in the set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riskparams.backtest.comparison import ConfidenceSet, PairedComparison, compare_scores, model_confidence_set
from riskparams.backtest.scores import fz0_losses
from riskparams.errors import DataError, InsufficientData
from riskparams.terms import DAY, FloatArray, IntArray, frozen

WEEKS = 4  # mean block of the stationary bootstrap, as everywhere in the backtest
RESELECT = 182 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """FZ0 losses of every forecaster, shape (time, asset) each, NaN where an asset has no bar; times are bar closes."""

    assets: tuple[str, ...]
    time: IntArray
    scores: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        frozen(self.time)
        for array in self.scores.values():
            frozen(array)

    def block(self) -> float:
        """Return the mean block in rows: four weeks."""
        weeks = (int(self.time[-1]) - int(self.time[0])) / (7 * DAY)
        return max(1.0, len(self.time) / max(weeks, 1.0) * WEEKS)

    def by_day(self) -> Scored:
        """Return the sums of each UTC day: the confidence set needs no finer time."""
        day = (self.time - 1) // DAY
        days, row = np.unique(day, return_inverse=True)
        summed = {}
        for name, array in self.scores.items():
            total = np.zeros((len(days), 1))
            np.add.at(total[:, 0], row, np.nansum(array, axis=1))
            summed[name] = total
        return Scored(assets=("all",), time=(days + 1) * DAY, scores=summed)


def score_forecasts(
    forecasts: Mapping[str, Mapping[str, tuple[IntArray, FloatArray, FloatArray, FloatArray]]], level: float
) -> Scored:
    """Return the FZ0 losses of forecasts by model and asset: times, losses, value at risk, expected shortfall, shape (n,) each.

    Every model must have forecast the same bars of the same assets; raises `DataError` naming one that did not.
    """
    first = next(iter(forecasts.values()))
    time = np.unique(np.concatenate([series[0] for series in first.values()]))
    scores = {}
    for model, by_asset in forecasts.items():
        if by_asset.keys() != first.keys():
            raise DataError(
                f"{next(iter(forecasts))} forecast {', '.join(first)}, and {model} {', '.join(by_asset)}: score the same assets"
            )
        table = np.full((len(time), len(first)), np.nan)
        for column, (asset, (known, *_)) in enumerate(first.items()):
            if not np.array_equal(by_asset[asset][0], known):
                raise DataError(f"{model} and {next(iter(forecasts))} forecast different bars of {asset}: score the same ones")
            when, losses, value_at_risk, shortfall = by_asset[asset]
            table[np.searchsorted(time, when), column] = fz0_losses(losses, value_at_risk, shortfall, level)
        scores[model] = table
    return Scored(assets=tuple(first), time=time, scores=scores)


def against_first(scored: Scored, *, seed: int) -> dict[str, PairedComparison]:
    """Return, for every forecaster but the first, the first's mean score less its own: negative when the first is better."""
    ours, *others = scored.scores
    block = scored.block()
    return {other: compare_scores(scored.scores[ours], scored.scores[other], mean_block=block, seed=seed) for other in others}


def confidence_set(scored: Scored, *, seed: int, size: float = 0.1) -> ConfidenceSet:
    """Return the model confidence set of the daily sums of scores."""
    days = scored.by_day()
    return model_confidence_set(days.scores, mean_block=7 * WEEKS, seed=seed, size=size)


def members_over_time(scored: Scored, *, seed: int) -> list[tuple[int, tuple[str, ...]]]:
    """Return who was in the confidence set, from each date on; every half year, on the scores known by then.

    Until a half year has been scored every forecaster is in it.
    """
    chosen: list[tuple[int, tuple[str, ...]]] = [(int(scored.time[0]) - 1, tuple(scored.scores))]
    for date in range(int(scored.time[0]) + RESELECT, int(scored.time[-1]), RESELECT):
        known = int(np.searchsorted(scored.time, date, side="right"))
        past = Scored(
            assets=scored.assets,
            time=scored.time[:known].copy(),
            scores={name: array[:known].copy() for name, array in scored.scores.items()},
        )
        try:
            chosen.append((date, confidence_set(past, seed=seed).kept))
        except InsufficientData:
            continue
    return chosen


def average_of_members(
    time: IntArray, forecasts: Mapping[str, FloatArray], members: list[tuple[int, tuple[str, ...]]]
) -> FloatArray:
    """Return the mean forecast of those in the confidence set at each time; arrays of shape (n, ...) by forecaster."""
    averaged = np.empty_like(next(iter(forecasts.values())))
    begins = np.array([date for date, _ in members])
    term = np.searchsorted(begins, time, side="left") - 1
    for number, (_, names) in enumerate(members):
        rows = term == number
        averaged[rows] = np.mean(
            [forecasts[name][rows] for name in sorted(names)], axis=0
        )  # one order: the last bit is the same
    return averaged
