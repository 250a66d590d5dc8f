"""Compiled: simulate log prices bar by bar; find the first touch of a barrier."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
from numba import njit, uint64

from riskparams.terms import FloatArray, IntArray


@njit(cache=True, nogil=True, inline="always")
def uniform(key: int, path: int, bar: int) -> float:
    """Return the uniform in (0, 1) that belongs to (key, path, bar): splitmix64 of a counter, so order never matters."""
    x = uint64(key) + uint64(path + 1) * uint64(0x9E3779B97F4A7C15) + uint64(bar + 1) * uint64(0xD1B54A32D192ED03)
    x = (x ^ (x >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> uint64(27))) * uint64(0x94D049BB133111EB)
    x = x ^ (x >> uint64(31))
    return (float(x >> uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def simulate_log_prices(
    z: FloatArray,
    low: FloatArray,
    tail: FloatArray,
    centre: float,
    spread: float,
    emission: FloatArray,
    recursion: FloatArray,
    start_sigma2: FloatArray,
    start_slot: IntArray,
    bars: int,
    row_key: int,
    draw_key: int,
    first_path: int,
) -> tuple[FloatArray, FloatArray]:
    """Return log close and log low over the start, each (paths, bars).

    z, low (rows,): residuals and intrabar lows. tail = (threshold, shape, scale, share, cap): a row below minus the
    threshold keeps its place but takes its size from the generalised Pareto law, its low scaled by the same ratio.
    Draws are re-standardised by (x - centre) / spread. emission (slots,) multiplies sigma * z into the return;
    recursion = (omega, alpha, gamma, beta) is fed sigma * z alone. `start_slot` is the slot of the first bar.
    """
    paths, rows, slots = len(start_sigma2), len(z), len(emission)
    threshold, shape, scale, cap = tail[0], tail[1], tail[2], tail[3]
    omega, alpha, gamma, beta = recursion[0], recursion[1], recursion[2], recursion[3]
    closes = np.empty((paths, bars))
    lows = np.empty((paths, bars))
    for path in range(paths):
        sigma2 = start_sigma2[path]
        slot = start_slot[path]
        price = 0.0
        for bar in range(bars):
            row = int(uniform(row_key, first_path + path, bar) * rows)
            drawn, wick = z[row], low[row]
            if drawn < -threshold:
                v = uniform(draw_key, first_path + path, bar)
                if shape < 1e-9:  # noqa: SIM108
                    size = threshold - scale * log(v)
                else:
                    size = threshold + scale / shape * (exp(-shape * log(v)) - 1.0)
                size = min(size, cap)
                wick *= -size / drawn
                drawn = -size
            drawn = (drawn - centre) / spread
            wick = (wick - centre) / spread
            sigma = sqrt(sigma2)
            size = emission[slot] * sigma
            lows[path, bar] = price + min(0.0, min(size * drawn, size * wick))
            price += size * drawn
            closes[path, bar] = price
            shock = sigma * drawn
            sigma2 = omega + (alpha + (gamma if shock < 0 else 0.0)) * shock * shock + beta * sigma2
            slot += 1
            if slot == slots:
                slot = 0
    return closes, lows


@njit(cache=True, nogil=True)
def first_touches(closes: FloatArray, lows: FloatArray, barriers: FloatArray, follow: int, wait: int) -> FloatArray:
    """Return the drop below each barrier at execution, (paths, barriers); NaN where a barrier was never touched.

    A barrier lies `barriers[i]` (log) below the start and is touched by the first of `follow` bars whose low reaches
    it; execution is at the close `wait` bars later.
    """
    paths = closes.shape[0]
    drops = np.full((paths, len(barriers)), np.nan)
    for path in range(paths):
        for i in range(len(barriers)):
            for bar in range(follow):
                if lows[path, bar] <= -barriers[i]:
                    drops[path, i] = 1.0 - exp(closes[path, bar + wait] + barriers[i])
                    break
    return drops


@njit(cache=True, nogil=True)
def deepest_lows(lows: FloatArray, bars: int) -> FloatArray:
    """Return how far (log, >= 0) each path fell below its start within the first `bars` bars."""
    deepest = np.zeros(lows.shape[0])
    for path in range(lows.shape[0]):
        for bar in range(bars):
            deepest[path] = max(deepest[path], -lows[path, bar])
    return deepest
