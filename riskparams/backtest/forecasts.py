"""Forecasts of value at risk and expected shortfall beside what came: signs, alignment and what is refused.

Losses are positive when the price fell, and so are both forecasts; a hit is a loss above the value at risk forecast for
its own bar. A level is written 0.99, and misses are expected with probability `1 - level`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.terms import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A test's statistic and the chance of one at least as extreme under a right forecast.

    `degrees` are those of the chi-squared law the chance was read from, 0 where it comes from another law.
    """

    statistic: float
    p_value: float
    degrees: int = 0


def miss_probability(level: float) -> float:
    """Return `1 - level`; raise `ConfigError` unless the level is in (0.5, 1).

    >>> round(miss_probability(0.99), 12)
    0.01
    """
    if not 0.5 < level < 1:
        raise ConfigError(f"level {level} is not in (0.5, 1): write 0.99 for the value at risk missed once in a hundred bars")
    return 1 - level


def series(name: str, values: ArrayLike, *, like: FloatArray | None = None) -> FloatArray:
    """Return values as a float array, shape (n,); raise `DataError` naming the first row that is not finite.

    Raises `InsufficientData` where there is no value at all, `DataError` where the length is not that of `like`.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise DataError(f"{name} has shape {array.shape}: expected one value per bar")
    if not len(array):
        raise InsufficientData(f"{name} is empty: score at least one forecast")
    if like is not None and len(array) != len(like):
        raise DataError(f"{name} has {len(array)} rows where the losses have {len(like)}: align them by the bar's close")
    unknown = ~np.isfinite(array)
    if unknown.any():
        row = int(unknown.argmax())
        raise DataError(
            f"{name} is {array[row]} at row {row} ({int(unknown.sum())} such rows of {len(array)}): "
            "leave out the bars without a forecast or an outcome before judging"
        )
    return array


def hits_of(losses: ArrayLike, value_at_risk: ArrayLike) -> BoolArray:
    """Return where the loss was above its forecast, shape (n,); raise `DataError` naming a row that is not finite.

    >>> hits_of([0.01, 0.05, 0.02], [0.02, 0.02, 0.02]).tolist()
    [False, True, False]
    """
    losses = series("losses", losses)
    return np.asarray(losses > series("value at risk", value_at_risk, like=losses))


def shortfall_series(
    losses: ArrayLike, value_at_risk: ArrayLike, expected_shortfall: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return losses, value at risk and expected shortfall as arrays, shape (n,).

    Raises `DataError` naming the first row that is not finite, or whose shortfall is not positive or below its value at risk.
    """
    losses = series("losses", losses)
    value_at_risk = series("value at risk", value_at_risk, like=losses)
    expected_shortfall = series("expected shortfall", expected_shortfall, like=losses)
    rounding = 1e-9 * np.abs(value_at_risk)
    wrong = (expected_shortfall <= 0) | (expected_shortfall < value_at_risk - rounding)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"at row {row} expected shortfall is {expected_shortfall[row]:.6g} and value at risk {value_at_risk[row]:.6g} "
            f"({int(wrong.sum())} such rows of {len(losses)}): expected a positive shortfall, at or above the value at risk"
        )
    return losses, value_at_risk, expected_shortfall
