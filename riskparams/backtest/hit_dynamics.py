"""Whether hits could have been foreseen: from earlier hits and forecasts, and from the time since the last one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import chdtrc, xlogy

from riskparams.backtest.forecasts import Finding, miss_probability, series
from riskparams.errors import InsufficientData
from riskparams.terms import BoolArray, FloatArray

SHAPE_BOUNDS = (0.01, 10.0)  # of the Weibull law; hits on every bar, or in one pair, would send it beyond


def dynamic_quantile(
    hits: BoolArray,
    level: float,
    *,
    value_at_risk: FloatArray | None = None,
    losses: FloatArray | None = None,
    lags: int = 4,
) -> Finding:
    """Return the test that `hit - p` is unrelated to a constant and its own last `lags` values (Engle & Manganelli 2004).

    `value_at_risk` adds the bar's forecast to the instruments, and `losses` the square of the bar before it: both
    together are the instruments of the R package GAS. H'X (X'X)^- X'H / (p (1 - p)), chi-squared with the rank of X as
    degrees, so that constant instruments cost a degree and not the answer. The first `lags` bars are conditioned on.

    Raises `InsufficientData` unless more bars than instruments are left.
    """
    p, n = miss_probability(level), len(hits)
    first = max(lags, 0 if losses is None else 1)
    width = 1 + lags + (value_at_risk is not None) + (losses is not None)
    if n - first <= width:
        raise InsufficientData(
            f"{n} bars are too few for {width} instruments after {first} lags: score at least {first + width + 1}"
        )
    excess = np.asarray(hits - p, dtype=np.float64)
    columns = [np.ones(n - first), *(excess[first - lag : n - lag] for lag in range(1, lags + 1))]
    if value_at_risk is not None:
        columns.append(series("value at risk", value_at_risk, like=excess)[first:])
    if losses is not None:
        columns.append(series("losses", losses, like=excess)[first - 1 : n - 1] ** 2)
    instruments = np.column_stack(columns)
    size = np.sqrt((instruments**2).sum(axis=0))
    instruments /= np.where(size > 0, size, 1.0)
    left, spread, _ = np.linalg.svd(instruments, full_matrices=False)
    rank = int(np.sum(spread > spread[0] * 1e-9))
    projected = left[:, :rank].T @ excess[first:]
    statistic = float(projected @ projected) / (p * (1 - p))
    return Finding(statistic=statistic, p_value=float(chdtrc(rank, statistic)), degrees=rank)


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationTest:
    """Weibull durations between hits against memoryless ones; a `shape` below 1 says that hits come in clusters.

    `durations` counts the complete ones; with none there is nothing to tell by, and the p-value is 1.
    """

    statistic: float
    p_value: float
    shape: float
    log_likelihood: float
    memoryless_log_likelihood: float
    durations: int


def duration_test(hits: BoolArray) -> DurationTest:
    """Return the likelihood ratio of shape 1, chi-squared(1) (Christoffersen & Pelletier 2004); censored at both ends.

    Density a^b b d^(b - 1) exp(-(a d)^b) of the bars d from hit to hit. The run before the first hit and the run after
    the last are censored; the scale is concentrated out, a^b = (complete durations) / sum d^b.
    """
    at = np.flatnonzero(hits)
    complete = np.diff(at).astype(np.float64)
    n = len(complete)
    if not n:
        return DurationTest(
            statistic=0.0, p_value=1.0, shape=1.0, log_likelihood=0.0, memoryless_log_likelihood=0.0, durations=0
        )
    before = [float(at[0] + 1)] if at[0] else []
    after = [float(len(hits) - 1 - at[-1])] if at[-1] < len(hits) - 1 else []
    every = np.concatenate([before, complete, after])
    longest, sum_of_logs = every.max(), float(np.log(complete).sum())

    def log_likelihood(shape: float) -> float:
        log_total = shape * np.log(longest) + np.log(((every / longest) ** shape).sum())
        return float(xlogy(n, n * shape) - n * log_total + (shape - 1) * sum_of_logs - n)

    low, high = np.log(SHAPE_BOUNDS)
    found = minimize_scalar(
        lambda log_shape: -log_likelihood(np.exp(log_shape)), bounds=(low, high), method="bounded", options={"xatol": 1e-10}
    )
    memoryless = log_likelihood(1.0)
    shape, best = (float(np.exp(found.x)), -float(found.fun)) if -found.fun > memoryless else (1.0, memoryless)
    statistic = 2 * (best - memoryless)
    return DurationTest(
        statistic=statistic,
        p_value=float(chdtrc(1, statistic)),
        shape=shape,
        log_likelihood=best,
        memoryless_log_likelihood=memoryless,
        durations=n,
    )
