"""The conformal factor: how much recent misses ask a published drop to be multiplied by."""

from __future__ import annotations

import numpy as np

from riskparams.errors import DataError
from riskparams.paths.model import PathModel
from riskparams.terms import FloatArray

RATE = 0.1
MISSES = 0.01


def conformal_factors(losses: FloatArray, forecasts: FloatArray, *, misses: float = MISSES, rate: float = RATE) -> FloatArray:
    """Return the factor in force before each loss and after the last, shape (n + 1,), never below 1.

    c <- max(1, c + rate (1[loss > c forecast] - misses)), beginning at 1; a loss and its forecast are drops of the same
    window. The average miss is at most misses + (c_n - c_0) / (rate n): a guarantee over time, marginal, not for any one date
    (after Gibbs & Candes 2021, with the level held fixed: adapting it would ask for an infinite quantile). Raises `DataError`
    for arrays of different lengths.

    >>> conformal_factors(np.array([0.1, 0.0, 0.0]), np.array([0.05, 0.05, 0.05])).round(3).tolist()
    [1.0, 1.099, 1.098, 1.097]
    """
    if losses.shape != forecasts.shape:
        raise DataError(f"{losses.shape} losses and {forecasts.shape} forecasts: expected one forecast for each loss")
    factors = np.empty(len(losses) + 1)
    factors[0] = 1.0
    for t, (loss, forecast) in enumerate(zip(losses, forecasts, strict=True)):
        factors[t + 1] = max(1.0, factors[t] + rate * (float(loss > factors[t] * forecast) - misses))
    return factors


def conformal_factor(model: PathModel, *, wait: int, misses: float = MISSES) -> float:
    """Return the factor in force as of a model's last bar, tracked over its fit window.

    The losses are drops over windows of `max(wait, 1)` bars that do not overlap, newest last, each against the quantile of all
    such windows in units of the sigma its first bar was met with; the outcome of every window is known by then.
    """
    bars = max(wait, 1)
    own = model.own
    first = int(np.searchsorted(own.returns.time, model.fit.first))
    count = (len(own.returns) - first) // bars
    rows = slice(len(own.returns) - count * bars, len(own.returns))
    value = own.returns.value[rows].reshape(count, bars).sum(axis=1)
    slot = own.returns.slot[rows].reshape(count, bars)
    sigma = np.sqrt(own.state.sigma2[rows].reshape(count, bars)[:, 0] * np.sum(model.fit.hour_factor[slot] ** 2, axis=1))
    quantile = float(np.quantile(-value / sigma, 1 - misses))
    return float(conformal_factors(1 - np.exp(value), 1 - np.exp(-quantile * sigma), misses=misses)[-1])
