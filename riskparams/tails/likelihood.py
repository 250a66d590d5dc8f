"""The generalised Pareto likelihood and where it is largest, compiled.

Excesses y are positive; D = 1 + shape * y / scale. In `ratio` = shape / scale the maximum over the other parameter is
known, shape = mean(log(1 + ratio * y)), so that one number is searched (Grimshaw 1993).
"""

from __future__ import annotations

from math import expm1, inf, log, log1p, sqrt

import numpy as np
from numba import njit

from riskparams.terms import FloatArray

MAXIMUM_LIKELIHOOD, PENALISED_LIKELIHOOD, PEER_PRIOR, PROBABILITY_WEIGHTED = 0, 1, 2, 3

_STEP = 10.0**0.25  # between neighbours of the search grid
_CELLS = 8  # of the grid over the shape


@njit(cache=True, nogil=True)
def gpd_log_likelihood(excesses: FloatArray, shape: float, scale: float) -> float:
    """Return the generalised Pareto log likelihood; minus infinity where an excess is impossible.

    At shape -1 the law is uniform up to the scale, itself included.
    """
    n = len(excesses)
    total = 0.0
    if shape == -1.0:
        return -n * log(scale) if excesses.max() <= scale else -inf
    if abs(shape) < 1e-9:
        for i in range(n):
            total += excesses[i]
        return -n * log(scale) - total / scale
    for i in range(n):
        inside = shape * excesses[i] / scale
        if inside <= -1.0:
            return -inf
        total += log1p(inside)
    return -n * log(scale) - (1.0 + 1.0 / shape) * total


@njit(cache=True, nogil=True)
def _mean_log(excesses: FloatArray, ratio: float) -> float:
    """mean(log(1 + ratio * y)), from logarithms of products of eight, multiplied in pairs."""
    total, rest, y = 0.0, 1.0, excesses
    whole = len(y) - len(y) % 8
    for i in range(0, whole, 8):
        first = (1.0 + ratio * y[i]) * (1.0 + ratio * y[i + 1]) * ((1.0 + ratio * y[i + 2]) * (1.0 + ratio * y[i + 3]))
        second = (1.0 + ratio * y[i + 4]) * (1.0 + ratio * y[i + 5]) * ((1.0 + ratio * y[i + 6]) * (1.0 + ratio * y[i + 7]))
        total += log(first * second)
    for i in range(whole, len(y)):
        rest *= 1.0 + ratio * y[i]
    return (total + log(rest)) / len(y)


@njit(cache=True, nogil=True)
def _profile(excesses: FloatArray, ratio: float) -> tuple[float, float]:
    """The log likelihood per excess at a ratio, and the shape there."""
    shape = _mean_log(excesses, ratio)
    return -log(shape / ratio) - shape - 1.0, shape


@njit(cache=True, nogil=True)
def _stationary(excesses: FloatArray, low: float, mid: float, high: float) -> float:
    """The ratio between low and high where the profile is flat; mid is better than both.

    Safeguarded Newton on h = (1 + mean log D) * mean(1 / D) - 1, which has the sign of the profile's slope.
    """
    n = len(excesses)
    ratio = mid
    for _ in range(100):
        shape, inverse, square = 0.0, 0.0, 0.0
        for i in range(n):
            inside = ratio * excesses[i]
            share = 1.0 / (1.0 + inside)
            shape += log1p(inside)
            inverse += share
            square += share * share
        shape, inverse, square = shape / n, inverse / n, square / n
        slope = (1.0 + shape) * inverse - 1.0
        if slope > 0.0:
            low = ratio
        else:
            high = ratio
        curve = (inverse * (1.0 - inverse) - (inverse - square) * (1.0 + shape)) / ratio
        following = ratio - slope / curve if curve != 0.0 else low
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - ratio) <= 1e-13 * abs(ratio):
            return following
        ratio = following
    return ratio


@njit(cache=True, nogil=True)
def _heavy_maximum(excesses: FloatArray, mean: float, largest: float) -> tuple[float, float, float]:
    """The best profile value over shapes above 0, with shape and scale; the exponential law where none is better."""
    exponential = -log(mean) - 1.0
    best, at, ratio = -inf, -1, 1e-5 / mean
    peak = ratio
    for step in range(400):
        value, _ = _profile(excesses, ratio)
        if value > best:
            best, at, peak = value, step, ratio
        elif step >= 33:  # the grid reaches 1e3 / mean, and beyond while the likelihood still rises
            break
        ratio *= _STEP
        if ratio * largest > 1e30:
            break
    if at == 0 or best <= exponential + 1e-12:
        return exponential, 0.0, mean
    peak = _stationary(excesses, peak / _STEP, peak, peak * _STEP)
    best, shape = _profile(excesses, peak)
    return best, shape, shape / peak


@njit(cache=True, nogil=True)
def _light_maximum(excesses: FloatArray, largest: float) -> tuple[float, float, float]:
    """The best profile value over shapes in [-1, 0), with shape and scale; at -1 the law is uniform up to the largest."""
    best, at = -log(largest), -1
    spots = np.empty(42)
    for step in range(21):
        spots[step] = -0.5 / _STEP ** (20 - step) / largest
        spots[21 + step] = -(1.0 - 0.5 / _STEP ** (step + 1)) / largest
    for step in range(42):
        value, shape = _profile(excesses, spots[step])
        if shape <= -1.0:
            break
        if value > best:
            best, at = value, step
    if at == -1:
        return best, -1.0, largest
    if at == 0:  # rising towards the exponential law
        return -inf, 0.0, largest
    peak = _stationary(excesses, spots[at + 1] if at < 41 else -1.0 / largest, spots[at], spots[at - 1])
    value, shape = _profile(excesses, peak)
    if shape <= -1.0:
        return -log(largest), -1.0, largest
    return value, shape, shape / peak


@njit(cache=True, nogil=True)
def maximise(excesses: FloatArray, floored: bool) -> tuple[float, float]:
    """Return the shape and scale of maximum likelihood, over shapes from 0 if floored and from -1 if not."""
    mean, largest = 0.0, 0.0
    for i in range(len(excesses)):
        mean += excesses[i]
        largest = max(largest, excesses[i])
    mean /= len(excesses)
    best, shape, scale = _heavy_maximum(excesses, mean, largest)
    if not floored:
        value, light, light_scale = _light_maximum(excesses, largest)
        if value > best:
            return light, light_scale
    return shape, scale


@njit(cache=True, nogil=True)
def scale_at(excesses: FloatArray, shape: float, low: float, mean: float, start: float) -> float:
    """Return the likeliest scale at a shape >= 0, between the smallest excess `low` and (1 + shape) * mean.

    It solves mean((1 + shape) * y / (scale + shape * y)) = 1, whose left side falls in the scale.
    """
    high = (1.0 + shape) * mean
    scale = min(max(start, low), high)
    for _ in range(100):
        value, slope = 0.0, 0.0
        for i in range(len(excesses)):
            part = (1.0 + shape) * excesses[i] / (scale + shape * excesses[i])
            value += part
            slope += part / (scale + shape * excesses[i])
        value = value / len(excesses) - 1.0
        if value > 0.0:
            low = scale
        else:
            high = scale
        following = scale + value * len(excesses) / slope
        if not low < following < high:
            following = sqrt(low * high)
        if abs(following - scale) <= 1e-13 * scale:
            return following
        scale = following
    return scale


@njit(cache=True, nogil=True)
def _shape_slope(excesses: FloatArray, shape: float, scale: float) -> float:
    """The derivative of the log likelihood in the shape, at a fixed scale."""
    total = 0.0
    for i in range(len(excesses)):
        w = excesses[i] / scale
        if shape < 1e-5:
            total += w * (0.5 * w - 1.0) + shape * w * w * (1.0 - 2.0 * w / 3.0)
        else:
            total += log1p(shape * w) / (shape * shape) - (1.0 + 1.0 / shape) * w / (1.0 + shape * w)
    return total


@njit(cache=True, nogil=True)
def _log_weight(shape: float, method: int, centre: float, deviation: float) -> tuple[float, float]:
    """The logarithm of the weight of a shape and its derivative: Coles & Dixon's penalty, or a normal prior."""
    if method == PENALISED_LIKELIHOOD:
        if shape >= 1.0:
            return -inf, -inf
        return 1.0 - 1.0 / (1.0 - shape), -1.0 / (1.0 - shape) ** 2
    score = (shape - centre) / deviation
    return -0.5 * score * score, -score / deviation


@njit(cache=True, nogil=True)
def maximise_weighted(excesses: FloatArray, method: int, centre: float, deviation: float) -> tuple[float, float]:
    """Return the shape >= 0 and scale that maximise the likelihood times a weight of the shape.

    The maximum lies between the likelihood's and the weight's own: a grid finds the cell, regula falsi the place in it.
    """
    likely, scale = maximise(excesses, True)
    first, last = min(max(centre, 0.0), likely), max(centre, likely)
    if method == PENALISED_LIKELIHOOD:
        first, last = 0.0, min(likely, 1.0)
    if last <= first:
        return likely, scale
    mean, smallest = 0.0, excesses[0]
    for i in range(len(excesses)):
        mean += excesses[i]
        smallest = min(smallest, excesses[i])
    mean /= len(excesses)
    cell = (last - first) / _CELLS
    best, at = -inf, 0
    for step in range(_CELLS + 1):
        shape = first + cell * step
        weight, _ = _log_weight(shape, method, centre, deviation)
        if weight > -inf:
            scale = scale_at(excesses, shape, smallest, mean, scale)
            logs = _mean_log(excesses, shape / scale) * (1.0 + 1.0 / shape) if shape > 1e-9 else mean / scale
            value = weight - len(excesses) * (log(scale) + logs)
            if value > best:
                best, at = value, step
    shape = first + cell * at
    scale = scale_at(excesses, shape, smallest, mean, scale)
    slope = _shape_slope(excesses, shape, scale) + _log_weight(shape, method, centre, deviation)[1]
    if slope == 0.0 or (at == 0 and slope < 0.0) or (at == _CELLS and slope > 0.0):
        return shape, scale
    # an end whose slope is not known yet, or is not finite, is given the opposite one: the first step bisects
    low, low_slope = (shape, slope) if slope > 0.0 else (shape - cell, -slope)
    high, high_slope = (shape, slope) if slope < 0.0 else (shape + cell, -slope)
    for _ in range(100):
        shape = (low * high_slope - high * low_slope) / (high_slope - low_slope)
        scale = scale_at(excesses, shape, smallest, mean, scale)
        slope = _shape_slope(excesses, shape, scale) + _log_weight(shape, method, centre, deviation)[1]
        if slope > 0.0:
            step_taken = shape - low
            low, low_slope, high_slope = shape, slope, 0.5 * high_slope
        else:
            step_taken = high - shape
            high, high_slope, low_slope = shape, slope, 0.5 * low_slope
        if abs(slope) <= 1e-10 * len(excesses) or step_taken <= 1e-14:
            break
    return shape, scale


@njit(cache=True, nogil=True)
def weighted_moments(ordered: FloatArray, offset: float, unbiased: bool) -> tuple[float, float]:
    """Return the mean a0 of ascending excesses, and a1 = mean((1 - p) * y).

    p is (i - offset) / n, or with `unbiased` (i - 1) / (n - 1), for i = 1..n (Hosking & Wallis 1987).
    """
    n = len(ordered)
    first, second = 0.0, 0.0
    for i in range(n):
        above = (n - 1.0 - i) / (n - 1.0) if unbiased else 1.0 - (i + 1.0 - offset) / n
        first += ordered[i]
        second += above * ordered[i]
    return first / n, second / n


@njit(cache=True, nogil=True)
def estimate(ordered: FloatArray, method: int, centre: float, deviation: float) -> tuple[float, float]:
    """Return the shape, at least 0, and the scale of ascending excesses by one of the methods named above."""
    if method == MAXIMUM_LIKELIHOOD:
        return maximise(ordered, True)
    if method == PROBABILITY_WEIGHTED:
        first, second = weighted_moments(ordered, 0.0, True)
        rest = first - 2.0 * second
        if rest <= 0.0 or 2.0 - first / rest <= 0.0:
            return 0.0, first
        return 2.0 - first / rest, 2.0 * first * second / rest
    return maximise_weighted(ordered, method, centre, deviation)


@njit(cache=True, nogil=True)
def information(excesses: FloatArray, shape: float, scale: float) -> tuple[float, float, float]:
    """Return minus the second derivatives of the log likelihood: in shape twice, in shape and scale, in scale twice."""
    shape_shape, shape_scale, scale_scale = 0.0, 0.0, 0.0
    for i in range(len(excesses)):
        w = excesses[i] / scale
        d = 1.0 + shape * w
        if abs(shape) < 1e-5:
            shape_shape -= w * w * (1.0 - 2.0 * w / 3.0)
        else:
            part = (1.0 + 1.0 / shape) * w * w / (d * d) + 2.0 * w / (shape * shape * d)
            shape_shape -= part - 2.0 * log(d) / shape**3
        shape_scale -= w * (1.0 - w) / (scale * d * d)
        scale_scale -= (1.0 - (1.0 + shape) * w * (1.0 + d) / (d * d)) / (scale * scale)
    return shape_shape, shape_scale, scale_scale


@njit(cache=True, nogil=True)
def quantile_excess(shape: float, scale: float, beyond: float) -> float:
    """Return the excess that a share `beyond` of all excesses goes beyond: scale * (beyond**-shape - 1) / shape."""
    if abs(shape) < 1e-9:
        return -scale * log(beyond)
    return scale / shape * expm1(-shape * log(beyond))
