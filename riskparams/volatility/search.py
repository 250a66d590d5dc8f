"""Projected Newton search for the maximum of a GARCH likelihood, compiled: bounds are bounds, not penalties.

The search moves in `x`, and `y = origin + chart @ x` is `(mu, omega, rise, fall, beta, 1 / nu, skew)`: a model that ties
parameters together (a targeted intercept, one response to rises and falls) is another chart, not another search. One unit
of each coordinate is a natural step, and `walls @ x` stays at or below `limit`. `spread`, the inverse of the curvature and
so the covariance of the estimate, starts as differences of the gradient and learns from every step (Broyden, Fletcher,
Goldfarb & Shanno). A search continued on the next window keeps it: a bar more and a bar less hardly change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numba import njit

from riskparams.terms import FloatArray, IntArray, frozen
from riskparams.volatility.recursions import CENTRED_T, NU, SKEWED_T, STUDENT_T, likelihood

CONVERGED, ITERATION_LIMIT, FAILED = 0, 1, 2
FAR = 0.05  # log likelihood per return by which the start without memory may begin below the best and still be worth a climb


@dataclass(frozen=True, slots=True)
class Problem:
    """What a spec lets the search move: `y = origin + chart @ x`, inside `walls @ x <= limit`, for mean square 1."""

    law: int
    origin: FloatArray
    chart: FloatArray
    walls: FloatArray
    limit: FloatArray
    starts: FloatArray  # a point of the chart in each row

    def __post_init__(self) -> None:
        for name in ("origin", "chart", "walls", "limit", "starts"):
            frozen(getattr(self, name))


@njit(cache=True, nogil=True)
def ascent(
    e: FloatArray, law: int, origin: FloatArray, chart: FloatArray, start: FloatArray, x: FloatArray, slope: FloatArray
) -> float:
    """Return the log likelihood at `x` and write its gradient there into `slope`."""
    theta, full = origin.copy(), np.empty(7)
    for i in range(7):
        for j in range(len(x)):
            theta[i] += chart[i, j] * x[j]
    if law in (STUDENT_T, SKEWED_T, CENTRED_T):
        theta[NU] = 1.0 / theta[NU]
    value = likelihood(e, law, theta, start, full)
    if law in (STUDENT_T, SKEWED_T, CENTRED_T):
        full[NU] *= -theta[NU] * theta[NU]
    for j in range(len(x)):
        slope[j] = 0.0
        for i in range(7):
            if chart[i, j] != 0.0:
                slope[j] += full[i] * chart[i, j]
    return value


@njit(cache=True, nogil=True)
def inverse_curvature(
    e: FloatArray, law: int, origin: FloatArray, chart: FloatArray, start: FloatArray, x: FloatArray, slope: FloatArray
) -> FloatArray:
    """Return the inverse of minus the second derivatives at `x`, made positive definite, from differences of the gradient."""
    k = len(x)
    second, moved = np.empty((k, k)), np.empty(k)
    for i in range(k):
        aside = x.copy()
        aside[i] += 1e-4
        ascent(e, law, origin, chart, start, aside, moved)
        for j in range(k):
            second[i, j] = (slope[j] - moved[j]) / 1e-4
    second = 0.5 * (second + second.T)
    if not np.isfinite(second).all():
        return np.eye(k) / len(e)
    value, vector = np.linalg.eigh(second)
    value = np.maximum(np.abs(value), 1e-8 * np.abs(value).max() + 1e-12)
    inverse: FloatArray = (vector / value) @ vector.T
    return inverse


@njit(cache=True, nogil=True)
def learn(spread: FloatArray, step: FloatArray, change: FloatArray) -> None:
    """Update the inverse curvature in place: over `step` the gradient fell by `change`."""
    k = len(step)
    agreement = 0.0
    for i in range(k):
        agreement += step[i] * change[i]
    reach = np.zeros(k)
    length = 0.0
    for i in range(k):
        for j in range(k):
            reach[i] += spread[i, j] * change[j]
        length += change[i] * reach[i]
    if not agreement > 1e-4 * length or agreement > 1e4 * length:
        return  # the surface is not concave along this step, or the difference is noise
    for i in range(k):
        for j in range(k):
            outer = (1.0 + length / agreement) * step[i] * step[j] - reach[i] * step[j] - step[i] * reach[j]
            spread[i, j] += outer / agreement


@njit(cache=True, nogil=True)
def wall_forces(product: FloatArray, excess: FloatArray) -> FloatArray:
    """Return the multipliers, none negative, that bring a step back to the walls it stands beyond by `excess`.

    Walls join one at a time, the one most in the way first, and leave when they would pull (Lawson & Hanson 1974, non-negative
    least squares); a ten-billionth on the diagonal keeps walls apart that say the same.
    """
    m = len(excess)
    force, active = np.zeros(m), np.zeros(m, dtype=np.bool_)
    for _ in range(3 * m):
        most, joins = 0.0, -1
        for w in range(m):
            left = excess[w]
            for v in range(m):
                left -= product[w, v] * force[v]
            left /= np.sqrt(product[w, w])
            if not active[w] and left > 1e-12 + most:
                most, joins = left, w
        if joins < 0:
            break
        active[joins] = True
        while active.any():
            held = np.flatnonzero(active)
            inner, wanted = np.empty((len(held), len(held))), excess[held]
            for i in range(len(held)):
                for j in range(len(held)):
                    inner[i, j] = product[held[i], held[j]]
                inner[i, i] *= 1.0 + 1e-10
            trial = np.linalg.solve(inner, wanted)
            for _ in range(2):  # what the diagonal moved, put back
                rest = wanted - inner @ trial
                for i in range(len(held)):
                    rest[i] += 1e-10 * product[held[i], held[i]] * trial[i]
                trial += np.linalg.solve(inner, rest)
            share = 1.0
            for i in range(len(held)):
                if trial[i] <= 0.0:
                    share = min(share, force[held[i]] / (force[held[i]] - trial[i]))
            for i in range(len(held)):
                force[held[i]] += share * (trial[i] - force[held[i]])
                if trial[i] <= 0.0 and force[held[i]] <= 1e-14 * abs(trial[i]):
                    force[held[i]] = 0.0
                    active[held[i]] = False
            if share == 1.0:
                break
    return force


@njit(cache=True, nogil=True)
def constrained_step(spread: FloatArray, slope: FloatArray, walls: FloatArray, room: FloatArray, step: FloatArray) -> float:
    """Write the step that gains most where walls @ step <= room, and return the gain a quadratic surface promises.

    Unconstrained it is spread @ slope, and each wall in the way pushes it back. `room` is not below -1e-9, and a wall may be
    passed by 1e-9.
    """
    k, m = len(slope), len(room)
    for i in range(k):
        step[i] = 0.0
        for j in range(k):
            step[i] += spread[i, j] * slope[j]
    excess = np.empty(m)
    beyond = False
    for w in range(m):
        towards = 0.0
        for i in range(k):
            towards += walls[w, i] * step[i]
        excess[w] = towards - room[w]
        beyond = beyond or excess[w] > 0.0
    if beyond:
        reach = walls @ spread
        product = reach @ walls.T
        force = wall_forces(product, excess)
        for w in range(m):
            for i in range(k):
                step[i] -= reach[w, i] * force[w]
        shortest = 1.0
        for w in range(m):
            towards = 0.0
            for i in range(k):
                towards += walls[w, i] * step[i]
            if towards > room[w] + 1e-9:
                shortest = min(shortest, (room[w] + 1e-9) / towards)
        for i in range(k):
            step[i] *= shortest
    promise = 0.0
    for i in range(k):
        promise += slope[i] * step[i]
    if not beyond:
        return 0.5 * promise
    return promise - 0.5 * float(step @ np.linalg.solve(spread, step))


@njit(cache=True, nogil=True)
def climb(
    e: FloatArray, law: int, origin: FloatArray, chart: FloatArray, start: FloatArray, walls: FloatArray, limit: FloatArray,
    x: FloatArray, spread: FloatArray, known: bool, enough: float, most: int,
) -> tuple[float, int, int]:  # fmt: skip
    """Move `x` to the maximum in place and return the log likelihood, how the search ended and the evaluations made.

    `spread` holds the inverse curvature if `known`, and is kept up to date. The search ends when a step promises less than
    `enough`; it has failed when no step along a promising direction rises.
    """
    k = len(x)
    slope, there, step, ahead = np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    value = ascent(e, law, origin, chart, start, x, slope)
    passes, fresh = 1, False
    if not np.isfinite(value):
        return -inf, FAILED, passes
    room = np.empty(len(limit))
    for _ in range(most):
        if not known:
            spread[:] = inverse_curvature(e, law, origin, chart, start, x, slope)
            passes += k
            known, fresh = True, True
        for w in range(len(limit)):
            room[w] = limit[w]
            for i in range(k):
                room[w] -= walls[w, i] * x[i]
            room[w] = max(room[w], -1e-9)  # what a step may be over: the next takes it back
        promise = constrained_step(spread, slope, walls, room, step)
        if promise < enough:
            return value, CONVERGED, passes
        share, reached = 1.0, -inf
        while share > 1e-6:
            for i in range(k):
                ahead[i] = x[i] + share * step[i]
            reached = ascent(e, law, origin, chart, start, ahead, there)
            passes += 1
            if reached >= value + 1e-4 * share * promise or not fresh:
                break
            share *= 0.25
        if reached >= value + 1e-4 * share * promise:
            known = share == 1.0 and promise < 1.0 and reached - value > 0.5 * promise
            for i in range(k):
                step[i] = ahead[i] - x[i]
                x[i] = ahead[i]
                slope[i] -= there[i]
            if known:
                learn(spread, step, slope)
            slope[:] = there
            value, fresh = reached, False
        elif fresh:
            return value, CONVERGED if promise < 1e-6 else FAILED, passes
        else:
            known = False
    return value, ITERATION_LIMIT, passes


@njit(cache=True, nogil=True)
def window_presample(e: FloatArray, constant_mean: bool, whole: bool) -> FloatArray:
    """Return the variance before a window as coefficients of 1, mu and mu**2; see `garch.presample`."""
    centre = e.mean() if constant_mean else 0.0
    if whole:
        return np.array([np.mean(e * e), -2.0 * centre, 1.0 if constant_mean else 0.0])
    total, weights, weight = 0.0, 0.0, 1.0
    for t in range(min(75, len(e))):
        total += weight * (e[t] - centre) ** 2
        weights += weight
        weight *= 0.94
    return np.array([total / weights, 0.0, 0.0])


@njit(cache=True, nogil=True)
def climb_windows(
    e: FloatArray, windows: IntArray, law: int, targeted: bool, constant_mean: bool, whole: bool, resort: bool,
    origin: FloatArray, chart: FloatArray, walls: FloatArray, limit: FloatArray, starts: FloatArray, enough: float,
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray, FloatArray, IntArray]:  # fmt: skip
    """Climb window after window, each at mean square 1 and from where the one before ended, the first from every start.

    Begun anew from every row of `starts` is also a window whose mean square is not within a factor 2 of the one before, one
    after a failure, and one whose own climb failed. With `resort` the last row counts for no disagreement and is left out
    where it begins `FAR` below the best. Returns per window the point y, shape (m, 7), and the log likelihood, both at mean
    square 1, the mean square (0 for a window without movement, whose other entries say nothing), how the search ended, where
    it began (0 warm, 1 cold, 2 cold because the warm search failed), the range of likelihoods over cold starts and the
    evaluations made.
    """
    m, k = len(windows), len(chart[0])
    point, value, size = np.empty((m, 7)), np.empty(m), np.empty(m)
    ending, begun, passes = np.full(m, FAILED), np.zeros(m, dtype=np.int64), np.zeros(m, dtype=np.int64)
    disagreement = np.zeros(m)
    x, spread, slope = np.zeros(k), np.zeros((k, k)), np.empty(k)
    for w in range(m):
        part = e[windows[w, 0] : windows[w, 1]]
        size[w] = np.mean(part * part)
        if not size[w] > 0.0:
            continue
        part = part * (1.0 / np.sqrt(size[w]))
        start = window_presample(part, constant_mean, whole)
        warm = w > 0 and ending[w - 1] == CONVERGED and 0.5 < size[w] / size[w - 1] < 2.0  # else the curvature is another
        if warm:
            smaller = size[w - 1] / size[w]
            if constant_mean:
                x[0] *= np.sqrt(smaller)
            if not targeted:
                x[1 if constant_mean else 0] *= smaller
            value[w], ending[w], passes[w] = climb(
                part, law, origin, chart, start, walls, limit, x, spread, True, enough, 30
            )  # fmt: skip
        if ending[w] != CONVERGED:
            begun[w] = 2 if warm else 1
            lowest, value[w] = inf, -inf
            for s in range(len(starts)):
                trial, learned = starts[s].copy(), np.zeros((k, k))
                if constant_mean:
                    trial[0] = part.mean() / chart[0, 0]
                last = resort and s == len(starts) - 1
                if last:
                    passes[w] += 1
                    if ascent(part, law, origin, chart, start, trial, slope) < value[w] - FAR * len(part):
                        continue
                reached, end, made = climb(part, law, origin, chart, start, walls, limit, trial, learned, False, enough, 200)
                passes[w] += made
                if not last:
                    lowest = min(lowest, reached)
                if s == 0 or reached > value[w]:
                    value[w], ending[w] = reached, end
                    x[:], spread[:] = trial, learned
            disagreement[w] = value[w] - lowest if lowest > -inf else inf
        for i in range(7):
            point[w, i] = origin[i]
            for j in range(k):
                point[w, i] += chart[i, j] * x[j]
    return point, value, size, ending, begun, disagreement, passes
