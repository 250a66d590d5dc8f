"""The stationary bootstrap of sums over time: blocks of geometric length, all columns of a row together."""

from __future__ import annotations

import numpy as np

from riskparams.errors import ConfigError, InsufficientData
from riskparams.terms import FloatArray

CELLS = 2_000_000  # blocks held at once


def default_block(sample: int) -> float:
    """Return the cube root of the sample: the rate at which the best mean block grows (Politis & White 2004).

    >>> default_block(1000)
    10.0
    """
    return float(max(1.0, round(sample ** (1 / 3), 6)))


def variance_of_mean(values: FloatArray, *, mean_block: float) -> float:
    """Return the variance of the mean over stationary bootstrap samples of `values`, shape (n,), without drawing any.

    (1 / n) [C(0) + 2 sum (1 - i / n) (1 - 1 / b)^i C(i)], C the circular autocovariance, b the mean block in rows
    (Politis & Romano 1994, lemma 1).
    """
    n = len(values)
    _check(n, mean_block)
    spectrum = np.fft.rfft(values - values.mean())
    covariance = np.fft.irfft((spectrum * spectrum.conj()).real, n) / n
    lag = np.arange(n)
    weight = (1 - lag / n) * (1 - 1 / mean_block) ** lag
    return max(0.0, float(2 * weight @ covariance - covariance[0]) / n)


def resampled_sums(columns: FloatArray, *, mean_block: float, draws: int, seed: int) -> FloatArray:
    """Return the column sums of `draws` stationary bootstrap samples of the rows of (n, k), shape (draws, k).

    Blocks start anywhere and wrap around; each sum is read from running totals, so a long block costs what a short one
    does (Politis & Romano 1994).
    """
    n, _ = columns.shape
    _check(n, mean_block)
    rng = np.random.default_rng(seed)
    totals = np.concatenate([np.zeros((1, columns.shape[1])), np.cumsum(np.concatenate([columns, columns]), axis=0)])
    blocks = int(n / mean_block + 6 * np.sqrt(n / mean_block) + 10)
    found = np.empty((draws, columns.shape[1]))
    step = max(1, CELLS // blocks)
    for first in range(0, draws, step):
        count = min(step, draws - first)
        length = rng.geometric(1 / mean_block, (count, blocks))
        while (length.sum(axis=1) < n).any():
            length = np.concatenate([length, rng.geometric(1 / mean_block, (count, blocks))], axis=1)
        end = np.minimum(np.cumsum(length, axis=1), n)
        length = np.diff(end, axis=1, prepend=0)  # blocks past the n-th row are empty
        start = rng.integers(n, size=length.shape)
        for column in range(columns.shape[1]):
            running = totals[:, column]
            found[first : first + count, column] = (running[start + length] - running[start]).sum(axis=1)
    return found


def _check(n: int, mean_block: float) -> None:
    if not mean_block >= 1:
        raise ConfigError(f"mean block {mean_block} is below one row: expected at least 1")
    if n < 2 * mean_block:
        raise InsufficientData(
            f"{n} rows hold fewer than two blocks of {mean_block:g}: give a longer sample or a shorter block"
        )
