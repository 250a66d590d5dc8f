"""Rolling volatility from open, high, low and close: what a bar's range tells beyond its close."""

from __future__ import annotations

from enum import StrEnum
from math import log

import numpy as np

from riskparams.errors import DataError, InsufficientData
from riskparams.terms import FloatArray

YANG_ZHANG_ALPHA = 1.34


class RangeEstimator(StrEnum):
    """How a window of bars becomes one volatility."""

    CLOSE_TO_CLOSE = "close to close"
    PARKINSON = "Parkinson"
    GARMAN_KLASS = "Garman-Klass"
    ROGERS_SATCHELL = "Rogers-Satchell"
    GARMAN_KLASS_YANG_ZHANG = "Garman-Klass-Yang-Zhang"
    YANG_ZHANG = "Yang-Zhang"


def range_volatility(
    estimator: RangeEstimator,
    *,
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    window: int,
    bars_per_year: float = 1.0,
) -> FloatArray:
    """Return the volatility of each window of `window` bars, shape (n - window,), a fraction per year.

    Prices are shape (n,). Entry i ends at bar `window + i`, so that the close before the window is known and the last
    entry ends at the last bar; it knows nothing later. With `bars_per_year=1` it is per bar. With the logs of open
    over the close before (o), and of high, low and close over the open (u, d, c), the variance per bar is the mean of

    - Parkinson (1980): (u - d)**2 / (4 log 2), for prices without drift or jump between bars
    - Garman & Klass (1980): (u - d)**2 / 2 - (2 log 2 - 1) c**2, likewise; with o**2 added, the form for such jumps
    - Rogers & Satchell (1991): u (u - c) + d (d - c), for any drift

    Close to close is the sample variance of the window's `window - 1` returns. Yang & Zhang (2000) is the sample
    variance of o, plus k times that of c, plus 1 - k times Rogers & Satchell, k = 0.34 / (1.34 + (window + 1) / (window - 1)).

    Raises `DataError` for prices that are not positive and finite or lie outside their bar's range, and
    `InsufficientData` for a window under 3 bars or a history that does not hold one window and the bar before.

    >>> close = np.array([100.0, 101.0, 99.0, 100.0])
    >>> bars = {"open": close, "high": close * 1.01, "low": close / 1.01, "close": close}
    >>> range_volatility(RangeEstimator.PARKINSON, **bars, window=3).round(6)
    array([0.011952])
    """
    _check(open, high, low, close, window)
    o = np.log(open[1:] / close[:-1])
    u, d, c = (np.log(price[1:] / open[1:]) for price in (high, low, close))
    rogers_satchell = u * (u - c) + d * (d - c)
    garman_klass = (u - d) ** 2 / 2 - (2 * log(2) - 1) * c**2
    match estimator:
        case RangeEstimator.CLOSE_TO_CLOSE:
            variance = _windows((o + c)[1:], window - 1).var(axis=1, ddof=1)
        case RangeEstimator.PARKINSON:
            variance = _windows((u - d) ** 2, window).mean(axis=1) / (4 * log(2))
        case RangeEstimator.GARMAN_KLASS:
            variance = _windows(garman_klass, window).mean(axis=1)
        case RangeEstimator.ROGERS_SATCHELL:
            variance = _windows(rogers_satchell, window).mean(axis=1)
        case RangeEstimator.GARMAN_KLASS_YANG_ZHANG:
            variance = _windows(o**2 + garman_klass, window).mean(axis=1)
        case RangeEstimator.YANG_ZHANG:
            share = (YANG_ZHANG_ALPHA - 1) / (YANG_ZHANG_ALPHA + (window + 1) / (window - 1))
            overnight, within = (_windows(x, window).var(axis=1, ddof=1) for x in (o, c))
            variance = overnight + share * within + (1 - share) * _windows(rogers_satchell, window).mean(axis=1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0) * bars_per_year))  # a flat bar may round to -1e-20


def _windows(values: FloatArray, window: int) -> FloatArray:
    """Return every run of `window` values as a row, without copying."""
    return np.lib.stride_tricks.sliding_window_view(values, window)


def _check(open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, window: int) -> None:
    prices = {"open": open, "high": high, "low": low, "close": close}
    lengths = {name: len(values) for name, values in prices.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"prices have different lengths {lengths}: expected one value of each for every bar")
    for name, values in prices.items():
        wrong = ~((values > 0) & (values < np.inf))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"{name} of bar {row} is {values[row]}: expected a positive, finite price; correct or remove the bar"
            )
    wrong = (high < np.maximum(open, close)) | (low > np.minimum(open, close))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"bar {row} opens at {open[row]} and closes at {close[row]} outside its range of {low[row]} to {high[row]}: "
            "expected low <= open, close <= high; correct or remove the bar"
        )
    if window < 3 or len(close) <= window:
        raise InsufficientData(
            f"{len(close)} bars cannot fill a window of {window} and the bar before: expected a window of at least 3 bars "
            "and a longer history"
        )
