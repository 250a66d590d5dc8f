"""Compiled: simulate log prices bar by bar; find the first touch of a barrier and what follows it."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
from numba import njit, uint64

from riskparams.terms import FloatArray, IntArray

TOGETHER = 32  # paths advanced together: the processor works on all while each waits for its own variance
PATH_STEP, BAR_STEP = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03


@njit(cache=True, nogil=True, inline="always")
def mixed(x: np.uint64) -> np.uint64:
    """Return the 64 bits that splitmix64 makes of a counter."""
    x = (x ^ (x >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> uint64(27))) * uint64(0x94D049BB133111EB)
    return x ^ (x >> uint64(31))


@njit(cache=True, nogil=True, inline="always")
def uniform(key: int, path: int, bar: int) -> float:
    """Return the uniform in (0, 1) that belongs to (key, path, bar): splitmix64 of a counter, so order never matters."""
    bits = mixed(uint64(key) + uint64(path + 1) * uint64(PATH_STEP) + uint64(bar + 1) * uint64(BAR_STEP))
    return (float(bits >> uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def residual_table(
    z: FloatArray, low: FloatArray, threshold: float, centre: float, spread: float, recursion: FloatArray
) -> FloatArray:
    """Return what a drawn row does to a path, (rows, 4): return and low per sigma, growth of the variance, unused.

    Rows beyond the threshold are marked by a negative growth and hold the ratio of low to return instead: their size is drawn.
    """
    alpha, gamma, beta = recursion[1], recursion[2], recursion[3]
    table = np.zeros((len(z), 4))
    for i in range(len(z)):
        if z[i] < -threshold:
            table[i, 1], table[i, 2] = low[i] / z[i], -1.0
        else:
            drawn = (z[i] - centre) / spread
            table[i, 0] = drawn
            table[i, 1] = min(drawn, (low[i] - centre) / spread, 0.0)
            table[i, 2] = (alpha + (gamma if drawn < 0 else 0.0)) * drawn * drawn + beta
    return table


@njit(cache=True, nogil=True)
def simulate_together(
    table: FloatArray, stay: float, threshold: float, tails: FloatArray, centre: float, spread: float, along: FloatArray,
    recursion: FloatArray, sigma2: FloatArray, slot: IntArray, row_key: int, draw_key: int, first: int,
    close: FloatArray, low: FloatArray,
) -> None:  # fmt: skip
    """Write log close and log low over the start, each (bars, paths): a few paths advance together, bar by bar.

    table: from `residual_table`; a row follows the one before it in the table with probability `stay`, else it is drawn. tails
    (draws, 3) = shape, scale and cap of the size of a row beyond the threshold; path i takes row i mod draws, its low scaled
    by the same ratio. Draws are re-standardised by (x - centre) / spread. `along` is the emission of the bars from slot 0 on:
    it multiplies sigma * z into the return, while recursion = (omega, alpha, gamma, beta) is fed sigma * z alone. `sigma2` and
    `slot` (paths,) belong to the first bar; the first path is number `first`.
    """
    bars, count, rows = len(close), len(sigma2), uint64(len(table))
    omega, alpha, gamma, beta = recursion[0], recursion[1], recursion[2], recursion[3]
    variance, price = sigma2.copy(), np.zeros(count)
    path_key, before = np.empty(count, np.uint64), np.empty(count, np.uint64)
    staying = uint64(int(stay * 4294967296.0))
    for k in range(count):
        path_key[k] = uint64(row_key) + uint64(first + k + 1) * uint64(PATH_STEP)
        before[k] = ((mixed(path_key[k]) >> uint64(32)) * rows) >> uint64(32)
    for bar in range(bars):
        bar_key = uint64(bar + 1) * uint64(BAR_STEP)
        for k in range(count):
            bits = mixed(path_key[k] + bar_key)
            row = ((bits >> uint64(32)) * rows) >> uint64(32)
            if bits & uint64(0xFFFFFFFF) < staying:
                row = (before[k] + uint64(1)) % rows
            before[k] = row
            drawn, wick, growth = table[row, 0], table[row, 1], table[row, 2]
            if growth < 0.0:
                v, law = uniform(draw_key, first + k, bar), (first + k) % len(tails)
                if tails[law, 0] < 1e-9:
                    size = threshold - tails[law, 1] * log(v)
                else:
                    size = threshold + tails[law, 1] / tails[law, 0] * (exp(-tails[law, 0] * log(v)) - 1.0)
                size = min(size, tails[law, 2])
                drawn = (-size - centre) / spread
                wick = min(drawn, (-size * wick - centre) / spread, 0.0)
                growth = (alpha + (gamma if drawn < 0 else 0.0)) * drawn * drawn + beta
            sigma = along[slot[k] + bar] * sqrt(variance[k])
            low[bar, k] = price[k] + sigma * wick
            price[k] += sigma * drawn
            close[bar, k] = price[k]
            variance[k] = omega + growth * variance[k]


@njit(cache=True, nogil=True)
def lay_over(close: FloatArray, low: FloatArray, jumps: FloatArray) -> None:
    """Lay jumps over paths in place; close and low are (bars, paths), jumps (paths, 4) = start, depth, fall, hold.

    A jump starts in bar `start` (none where negative), falls by `depth` (log) in a straight line over `fall` bars (at least
    one), stays down for `hold` bars and comes back as it fell. The low of a bar moves with the lower of its two ends.
    """
    bars, paths = close.shape
    for k in range(paths):
        start, depth, fall, hold = jumps[k, 0], jumps[k, 1], jumps[k, 2], jumps[k, 3]
        if start < 0.0:
            continue
        before = 0.0
        for bar in range(int(start), bars):
            since = bar - start + 1.0
            after = depth * max(0.0, min(since / fall, 1.0, (2.0 * fall + hold - since) / fall))
            close[bar, k] -= after
            low[bar, k] -= max(before, after)
            before = after


@njit(cache=True, nogil=True)
def simulate_log_prices(
    table: FloatArray, stay: float, threshold: float, tails: FloatArray, centre: float, spread: float, along: FloatArray,
    recursion: FloatArray, sigma2: FloatArray, slot: IntArray, row_key: int, draw_key: int, first: int, jumps: FloatArray,
    bars: int,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return log close and log low over the start, each (paths, bars); see `simulate_together` and `lay_over`."""
    paths = len(sigma2)
    closes, lows = np.empty((paths, bars)), np.empty((paths, bars))
    for begin in range(0, paths, TOGETHER):
        end = min(begin + TOGETHER, paths)
        close, low = np.empty((bars, end - begin)), np.empty((bars, end - begin))
        simulate_together(
            table, stay, threshold, tails, centre, spread, along, recursion, sigma2[begin:end], slot[begin:end],
            row_key, draw_key, first + begin, close, low,
        )  # fmt: skip
        if len(jumps):
            lay_over(close, low, jumps[begin:end])
        closes[begin:end] = close.T
        lows[begin:end] = low.T
    return closes, lows


@njit(cache=True, nogil=True)
def first_touches(
    close: FloatArray, low: FloatArray, barriers: FloatArray, wait: int, drop: FloatArray, in_bar: FloatArray
) -> None:
    """Write the drop below each barrier at execution into `drop`, and that of the touching bar's low into `in_bar`.

    Both are (paths, barriers), NaN where a barrier was never touched; close and low are (bars, paths). Barriers (log,
    ascending) lie below the start; each is touched by the first bar, of all but the last `wait`, whose low reaches it, and
    execution is at the close `wait` bars later.
    """
    bars, paths = close.shape
    least = np.zeros(paths)
    for bar in range(bars - wait):
        for k in range(paths):
            least[k] = min(least[k], low[bar, k])
    for k in range(paths):
        reached = 0
        while reached < len(barriers) and least[k] <= -barriers[reached]:
            reached += 1
        for i in range(reached, len(barriers)):
            drop[k, i] = np.nan
            in_bar[k, i] = np.nan
        i, bar = 0, 0
        while i < reached:
            if low[bar, k] <= -barriers[i]:
                drop[k, i] = 1.0 - exp(close[bar + wait, k] + barriers[i])
                in_bar[k, i] = 1.0 - exp(low[bar, k] + barriers[i])
                i += 1
            else:
                bar += 1


@njit(cache=True, nogil=True)
def follow_paths(
    barriers: FloatArray, wait: int, drop: FloatArray, in_bar: FloatArray, deepest: FloatArray,
    table: FloatArray, stay: float, threshold: float, tails: FloatArray, centre: float, spread: float, along: FloatArray,
    recursion: FloatArray, sigma2: FloatArray, slot: IntArray, row_key: int, draw_key: int, first: int, jumps: FloatArray,
    bars: int,
) -> None:  # fmt: skip
    """Simulate paths without keeping them: write what `first_touches` says into `drop` and `in_bar`.

    `deepest` (paths,), if it has room, takes how far (log, >= 0) the lowest low of each path lies below its start.
    """
    paths = len(sigma2)
    whole_close, whole_low = np.empty((bars, TOGETHER)), np.empty((bars, TOGETHER))
    for begin in range(0, paths, TOGETHER):
        end = min(begin + TOGETHER, paths)
        close, low = whole_close[:, : end - begin], whole_low[:, : end - begin]
        simulate_together(
            table, stay, threshold, tails, centre, spread, along, recursion, sigma2[begin:end], slot[begin:end],
            row_key, draw_key, first + begin, close, low,
        )  # fmt: skip
        if len(jumps):
            lay_over(close, low, jumps[begin:end])
        if len(barriers):
            first_touches(close, low, barriers, wait, drop[begin:end], in_bar[begin:end])
        if len(deepest):
            for k in range(end - begin):
                deepest[begin + k] = 0.0
            for bar in range(bars):
                for k in range(end - begin):
                    deepest[begin + k] = max(deepest[begin + k], -low[bar, k])
