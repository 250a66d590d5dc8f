"""What prices and parameters stay between over a block of bars, compiled: of bars to come, and of bars that were."""

from __future__ import annotations

import numpy as np
from numba import njit

from riskparams.backtest.fills import ORACLE, OWED
from riskparams.terms import FloatArray, IntArray

SLACK = 1e-9  # bounds are compared with this margin for rounding

# rows of the bounds, by asset
ORACLE_LOW, ORACLE_HIGH, OWED_LOW, OWED_HIGH, THRESHOLD_LOW, THRESHOLD_HIGH, LTV_LOW, LTV_HIGH = range(8)


@njit(cache=True, nogil=True)
def bound_terms(
    found: FloatArray, a: int, threshold: FloatArray, max_ltv: FloatArray, rows: IntArray, first: int, end: int
) -> None:
    """Fill in what the parameters of asset a stay between over the bars `first` to `end`."""
    theta_low, theta_high, ltv_low, ltv_high = np.inf, 0.0, np.inf, 0.0
    for t in range(first, end):
        if t > first and rows[t] == rows[t - 1]:
            continue
        theta, ltv = threshold[rows[t], a], max_ltv[rows[t], a]
        theta_low, theta_high = min(theta_low, theta), max(theta_high, theta)
        ltv_low, ltv_high = min(ltv_low, ltv), max(ltv_high, ltv)
    found[THRESHOLD_LOW, a], found[THRESHOLD_HIGH, a] = theta_low, theta_high
    found[LTV_LOW, a], found[LTV_HIGH, a] = ltv_low, ltv_high


@njit(cache=True, nogil=True)
def bounds_over(
    quotes: FloatArray,  # (bars, 4, assets): close, low, high, growth of debt
    threshold: FloatArray,
    max_ltv: FloatArray,
    rows: IntArray,
    first: int,
    end: int,
    readable: FloatArray,
    lowest: FloatArray,
) -> FloatArray:
    """Return what prices and parameters will stay between over the bars `first` to `end`, (8, assets).

    `readable` holds, (2, assets), the least and greatest price that the oracle may still show from before; `lowest` how
    far, as a factor, liquidations may push a price down before the block is broken off.
    """
    found = np.empty((8, quotes.shape[2]))
    for a in range(quotes.shape[2]):
        least, most, grown_low, grown_high = readable[0, a], readable[1, a], np.inf, 0.0
        for t in range(first, end):
            least, most = min(least, quotes[t, 1, a] * lowest[a]), max(most, quotes[t, 2, a])
            grown_low, grown_high = min(grown_low, quotes[t, 3, a]), max(grown_high, quotes[t, 3, a])
        found[ORACLE_LOW, a], found[ORACLE_HIGH, a] = least, most
        found[OWED_LOW, a], found[OWED_HIGH, a] = least * grown_low, most * grown_high
        bound_terms(found, a, threshold, max_ltv, rows, first, end)
    return found


@njit(cache=True, nogil=True)
def bounds_of_past(
    found: FloatArray, price: FloatArray, threshold: FloatArray, max_ltv: FloatArray, rows: IntArray, first: int, end: int
) -> None:
    """Fill in what a unit of each asset counted for in bars gone by, (assets, 3): most as debt, least as backing and limit.

    `price` are the tables of what was shown, (bars, 5, assets).
    """
    for a in range(price.shape[2]):
        owed, backing, limit = 0.0, np.inf, np.inf
        for t in range(first, end):
            shown, row = price[t, ORACLE, a], rows[t]
            owed = max(owed, price[t, OWED, a])
            backing, limit = min(backing, threshold[row, a] * shown), min(limit, max_ltv[row, a] * shown)
        found[a, 0], found[a, 1], found[a, 2] = owed, backing, limit


@njit(cache=True, nogil=True)
def worst_fall(bounds: FloatArray, anchors: FloatArray) -> float:
    """Return the least factor by which the health of an account that does nothing can change from the anchors on.

    `anchors` are, by asset, the prices and thresholds at which health was taken, and whether any account holds or owes it:
    (price, price of what is owed, threshold, held, owed) x assets.
    """
    least, most = np.inf, 0.0
    for a in range(anchors.shape[1]):
        if anchors[3, a] > 0.0 and anchors[2, a] > 0.0:
            least = min(least, bounds[ORACLE_LOW, a] * bounds[THRESHOLD_LOW, a] / (anchors[0, a] * anchors[2, a]))
        if anchors[4, a] > 0.0:
            most = max(most, bounds[OWED_HIGH, a] / anchors[1, a])
    return least / most * (1 - SLACK) if most > 0.0 and least < np.inf else 0.0


@njit(cache=True, nogil=True)
def owed_swing(bounds: FloatArray, anchors: FloatArray) -> float:
    """Return the greatest factor by which what is owed can grow in value between two bars within the bounds."""
    most = 1.0
    for a in range(anchors.shape[1]):
        if anchors[4, a] > 0.0:
            most = max(most, bounds[OWED_HIGH, a] / bounds[OWED_LOW, a])
    return most * (1 + SLACK)
