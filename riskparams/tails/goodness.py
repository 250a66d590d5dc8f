"""The Anderson-Darling distance of excesses from a Pareto law, and refits of many samples, compiled."""

from __future__ import annotations

from math import expm1, log, log1p

import numpy as np
from numba import njit

from riskparams.tails.likelihood import maximise, quantile_excess
from riskparams.terms import FloatArray


@njit(cache=True, nogil=True)
def anderson_darling(ordered: FloatArray, shape: float, scale: float) -> float:
    """Return A2 = -n - (1 / n) sum((2i - 1) (log F(y_i) + log(1 - F(y_{n+1-i})))) of ascending excesses."""
    n = len(ordered)
    total = 0.0
    for i in range(n):
        w = ordered[i] / scale
        log_above = -w if abs(shape) < 1e-9 else -log1p(max(shape * w, -1.0 + 1e-12)) / shape
        total += (2.0 * i + 1.0) * log(-expm1(log_above)) + (2.0 * (n - i) - 1.0) * log_above
    return -n - total / n


@njit(cache=True, nogil=True)
def refitted_distances(uniforms: FloatArray, shape: float) -> FloatArray:
    """Return A2 of each parametric sample at its own fit; rows of `uniforms` descend in (0, 1], scale 1."""
    draws, n = uniforms.shape
    distance = np.empty(draws)
    sample = np.empty(n)
    for draw in range(draws):
        for i in range(n):
            sample[i] = quantile_excess(shape, 1.0, uniforms[draw, i])
        refit, scale = maximise(sample, False)
        distance[draw] = anderson_darling(sample, refit, scale)
    return distance


@njit(cache=True, nogil=True)
def refitted(samples: FloatArray) -> FloatArray:
    """Return the maximum-likelihood shape and scale of each row of excesses, shape (draws, 2)."""
    found = np.empty((len(samples), 2))
    for draw in range(len(samples)):
        found[draw] = maximise(samples[draw], False)
    return found
