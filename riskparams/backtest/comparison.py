"""Which forecaster scores better, and which cannot be told from the best; time is resampled, all series of a bar together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riskparams.backtest.block_bootstrap import resampled_sums
from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.terms import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """Mean score of the first less that of the second: negative when the first is better.

    `p_lower` is the chance of so low a difference were there none, `p_higher` of so high a one, `p_value` of one so far
    from 0; `low` and `high` bound the difference. `scores` counts those pooled, over `times`.
    """

    difference: float
    low: float
    high: float
    p_lower: float
    p_higher: float
    p_value: float
    times: int
    scores: int


def compare_scores(
    first: FloatArray, second: FloatArray, *, mean_block: float, seed: int, draws: int = 1999, alpha: float = 0.05
) -> PairedComparison:
    """Return the paired comparison of two forecasters' scores, (time,) or (time, series), gaps NaN at the same places.

    The mean is over all known scores, the variance that of a stationary bootstrap over time with blocks of `mean_block`
    rows (Diebold & Mariano 1995; Politis & Romano 1994), numerator and denominator together.
    Raises `DataError` where the gaps differ, `InsufficientData` with fewer than two blocks of times.
    """
    sums, counts = _by_time(_paired({"first": first, "second": second}))
    pooled = np.column_stack([sums[0] - sums[1], counts])
    mean = float(pooled[:, 0].sum() / counts.sum())
    drawn = resampled_sums(pooled, mean_block=mean_block, draws=draws, seed=seed)
    drawn = drawn[drawn[:, 1] > 0.5]
    centred = drawn[:, 0] / drawn[:, 1] - mean
    if sums[0].tolist() == sums[1].tolist():
        centred = np.zeros_like(centred)
    lower = float((1 + np.sum(centred <= mean)) / (1 + len(centred)))
    higher = float((1 + np.sum(centred >= mean)) / (1 + len(centred)))
    low, high = np.quantile(centred + mean, [alpha / 2, 1 - alpha / 2])
    return PairedComparison(
        difference=mean,
        low=float(low),
        high=float(high),
        p_lower=lower,
        p_higher=higher,
        p_value=min(1.0, 2 * min(lower, higher)),
        times=len(counts),
        scores=int(counts.sum()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceSet:
    """The models that hold the best one with probability `1 - size`, and each model's p-value; both best score first."""

    size: float
    kept: tuple[str, ...]
    p_values: Mapping[str, float]
    mean_scores: Mapping[str, float]


def model_confidence_set(
    scores: Mapping[str, FloatArray], *, mean_block: float, seed: int, size: float = 0.1, draws: int = 1000
) -> ConfidenceSet:
    """Return the model confidence set (Hansen, Lunde & Nason 2011, range statistic, stationary bootstrap by time).

    Scores are (time,) or (time, series) with gaps NaN at the same places in every model; series of a time are summed, so
    that the mean is over all known scores. Models with the very same scores stand or fall together.
    """
    if not 0 < size < 1:
        raise ConfigError(f"size {size} of the model confidence set: expected between 0 and 1")
    if not scores:
        raise DataError("no model to compare: give at least one")
    from arch.bootstrap import MCS

    sums, counts = _by_time(_paired(scores))
    if len(counts) < 2 * mean_block:
        raise InsufficientData(f"{len(counts)} times hold fewer than two blocks of {mean_block:g}: score a longer period")
    by_time = sums / counts.mean()
    distinct, which = np.unique(by_time, axis=0, return_inverse=True)
    which = which.reshape(-1)
    p_values = np.ones(len(distinct))
    if len(distinct) > 1:
        found = MCS(distinct.T, size=size, reps=draws, block_size=max(1, round(mean_block)), bootstrap="stationary", seed=seed)
        found.compute()
        p_values = found.pvalues["Pvalue"].sort_index().to_numpy()  # indexed by the column of the model
    means = by_time.mean(axis=1)
    names = [name for _, name in sorted(zip(means, scores, strict=True))]
    p_of = {name: float(p_values[which[row]]) for row, name in enumerate(scores)}
    mean_of = {name: float(means[row]) for row, name in enumerate(scores)}
    return ConfidenceSet(
        size=size,
        kept=tuple(name for name in names if p_of[name] > size),
        p_values={name: p_of[name] for name in names},
        mean_scores={name: mean_of[name] for name in names},
    )


def _paired(scores: Mapping[str, FloatArray]) -> FloatArray:
    """Return (model, time, series); raise `DataError` where a score is infinite, or known in one model only."""
    arrays = {name: np.asarray(array, dtype=np.float64) for name, array in scores.items()}
    if len({array.shape for array in arrays.values()}) != 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(f"the scores have shapes {shapes}: expected one and the same, time by series")
    stacked = np.stack([array.reshape(len(array), -1) for array in arrays.values()])
    gaps = np.isnan(stacked)
    wrong = np.isinf(stacked).any(axis=(0, 2)) | (gaps != gaps[0]).any(axis=(0, 2))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"at row {row} a score is infinite, or known for one of {list(arrays)} and not for another "
            f"({int(wrong.sum())} such rows): compare models on the same bars"
        )
    return stacked


def _by_time(stacked: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the sum by model and time, and the number of scores at each time; times without a score are left out."""
    counts = (~np.isnan(stacked[0])).sum(axis=1).astype(np.float64)
    some = counts > 0
    if not some.any():
        raise InsufficientData(f"none of the {len(counts)} times holds a score: score at least one forecast")
    return np.nansum(stacked[:, some], axis=2), counts[some]
