"""The generalised Pareto likelihood profiled at a given quantile or expected shortfall, compiled."""

from __future__ import annotations

from math import expm1, inf, log

from numba import njit

from riskparams.tails.likelihood import gpd_log_likelihood
from riskparams.terms import FloatArray

_GOLDEN = 0.6180339887498949
_CELLS = 60


@njit(cache=True, nogil=True)
def excess_per_scale(shape: float, beyond: float, shortfall: bool) -> float:
    """Return what a share `beyond` of the excesses goes beyond, in units of the scale, or the mean excess there."""
    rise = -log(beyond)
    quantile = rise if abs(shape) < 1e-9 else expm1(shape * rise) / shape
    return (quantile + 1.0) / (1.0 - shape) if shortfall else quantile


@njit(cache=True, nogil=True)
def profile_at(excesses: FloatArray, excess: float, beyond: float, shortfall: bool, highest: float) -> float:
    """Return the largest log likelihood of laws whose quantile (or shortfall) lies `excess` above the threshold.

    Shapes from -0.99 to `highest` are tried on a grid and by golden section between the best one's neighbours.
    """
    low, high = -0.99, highest
    best, at = -inf, 0
    for step in range(_CELLS + 1):
        shape = low + (high - low) * step / _CELLS
        value = gpd_log_likelihood(excesses, shape, excess / excess_per_scale(shape, beyond, shortfall))
        if value > best:
            best, at = value, step
    cell = (high - low) / _CELLS
    left, right = low + cell * max(at - 1, 0), low + cell * min(at + 1, _CELLS)
    for _ in range(60):
        inner, outer = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
        first = gpd_log_likelihood(excesses, inner, excess / excess_per_scale(inner, beyond, shortfall))
        second = gpd_log_likelihood(excesses, outer, excess / excess_per_scale(outer, beyond, shortfall))
        best = max(best, first, second)
        if first > second:
            right = outer
        else:
            left = inner
        if right - left < 1e-9:
            break
    return best
