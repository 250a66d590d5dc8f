"""Scores of value at risk and expected shortfall that a truthful forecast minimises on average: lower is better."""

from __future__ import annotations

import numpy as np

from riskparams.backtest.forecasts import miss_probability, series, shortfall_series
from riskparams.terms import FloatArray


def pinball_losses(losses: FloatArray, value_at_risk: FloatArray, level: float) -> FloatArray:
    """Return the quantile loss of each bar, shape (n,), in the units of the losses (Koenker & Bassett 1978).

    (L - v)(1[L >= v] - p), never negative. Raises `DataError` naming a row that is not finite.

    >>> pinball_losses(np.array([0.0, 3.0]), np.array([2.0, 2.0]), 0.75).tolist()
    [0.5, 0.75]
    """
    p = miss_probability(level)
    losses = series("losses", losses)
    value_at_risk = series("value at risk", value_at_risk, like=losses)
    return np.asarray((losses - value_at_risk) * ((losses >= value_at_risk) - p))


def fz0_losses(losses: FloatArray, value_at_risk: FloatArray, expected_shortfall: FloatArray, level: float) -> FloatArray:
    """Return the joint loss of value at risk and shortfall, shape (n,) (Patton, Ziegel & Chen 2019, FZ0).

    1[L >= v](L - v) / (p e) + v / e + log(e) - 1 for positive losses. Differences between forecasters do not depend on
    the units of the losses; the level of the score does. Raises `DataError` naming a row that is no forecast.

    >>> fz0_losses(np.array([0.0, 3.0]), np.array([2.0, 2.0]), np.array([2.5, 2.5]), 0.75).round(4).tolist()
    [0.7163, 2.3163]
    """
    p = miss_probability(level)
    losses, value_at_risk, expected_shortfall = shortfall_series(losses, value_at_risk, expected_shortfall)
    beyond = np.maximum(losses - value_at_risk, 0.0)
    return np.asarray((beyond / p + value_at_risk) / expected_shortfall + np.log(expected_shortfall) - 1)


def actual_over_expected(failures: int, sample: int, level: float) -> float:
    """Return the failures over those expected; 1 for a right forecast.

    >>> round(actual_over_expected(26, 1000, 0.99), 6)
    2.6
    """
    return failures / (sample * miss_probability(level))


def deviations(losses: FloatArray, value_at_risk: FloatArray) -> tuple[float, float] | None:
    """Return the mean and the largest distance of the hits from their value at risk; None without a hit.

    In the units of the losses (McAleer & da Veiga 2008).
    """
    losses = series("losses", losses)
    beyond = losses - series("value at risk", value_at_risk, like=losses)
    beyond = beyond[beyond > 0]
    return (float(beyond.mean()), float(beyond.max())) if len(beyond) else None
