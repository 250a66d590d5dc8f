"""The arithmetic of one liquidation, and of the draws of one account: numbers in, numbers out, compiled.

Notation: D debt, C collateral value, HF = sum(theta C) / D, b the liquidation bonus. Validation is the caller's.
"""

from __future__ import annotations

from math import exp, log, log1p, sqrt

import numpy as np
from numba import njit

from riskparams.backtest.impact import CONSTANT_PRODUCT, NO_DEPTH, SQUARE_ROOT
from riskparams.terms import FloatArray, IntArray

FIXED, LINEAR, CAPPED = range(3)  # laws of the bonus


@njit(cache=True, nogil=True)
def mixed(key: np.uint64) -> np.uint64:
    """Return the splitmix64 hash of a 64-bit key (Steele, Lea & Flood 2014)."""
    z = np.uint64(key) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def uniform(seed: int, account: int, subsystem: int, number: int) -> float:
    """Return the draw in (0, 1] with this number that an account has for a subsystem, whatever the parameters are."""
    stream = mixed(mixed(mixed(np.uint64(seed)) ^ np.uint64(account)) ^ np.uint64(subsystem))
    return float((mixed(stream ^ np.uint64(number)) >> np.uint64(11)) + np.uint64(1)) * 2.0**-53


@njit(cache=True, nogil=True)
def waiting_bars(draw: float, log_idle: float) -> int:
    """Return the bars until an action whose chance of not coming in a bar is `exp(log_idle)`: geometric, at least 1.

    Where it never comes, `log_idle` is 0 and the answer 2**40, more than any market has.
    """
    return 2**40 if log_idle == 0.0 else min(1 + int(log(draw) / log_idle), 2**40)


@njit(cache=True, nogil=True, error_model="numpy")
def health_factor(debt: float, backing: float) -> float:
    """Return sum(theta C) / D; infinite without debt."""
    return np.inf if debt <= 0 else backing / debt


@njit(cache=True, nogil=True, error_model="numpy")
def bonus_at(law: int, base: float, maximum: float, health_at_maximum: float, health: float, loan_to_value: float) -> float:
    """Return the bonus of a position: the market's own, linear in health, or all that is left up to a cap."""
    if law == LINEAR:
        share = min(max((1.0 - health) / (1.0 - health_at_maximum), 0.0), 1.0)
        return base + max(maximum - base, 0.0) * share
    if law == CAPPED:
        return max(base, min(maximum, 1.0 / loan_to_value - 1.0))
    return base


@njit(cache=True, nogil=True, error_model="numpy")
def repayment(
    debt: float,  # all of the account's
    health: float,
    threshold: float,  # of the collateral to be seized
    bonus: float,
    target: float,
    close_factor: float,  # 0 where the rule is the target
    full_close_below: float,
    dust: float,
) -> float:
    """Return the debt one liquidation may repay: D (h* - HF) / (h* - theta (1 + b)), or a share of it, or all."""
    slope = target - threshold * (1 + bonus)
    if health < full_close_below or (close_factor == 0.0 and slope <= 0):
        return debt
    wanted = close_factor * debt if close_factor > 0.0 else debt * (target - health) / slope
    return debt if debt - wanted < dust else wanted


@njit(cache=True, nogil=True, error_model="numpy")
def sale_loss(law: int, number: FloatArray, sold: FloatArray, slippage: FloatArray, depth: float, value: float) -> float:
    """Return what selling `value` in all loses against the price before; infinite where it cannot be sold.

    Square root: spread / 2 and two thirds of sigma sqrt(Q / V), as far as that is below 1; constant product: Q / (R + Q);
    or a curve. `depth` multiplies V, R or the values of the curve, and at 0 there is no market, by whatever law.
    """
    if value <= 0.0:
        return 0.0
    if depth <= 0.0:
        return np.inf
    if law == NO_DEPTH:
        return 0.0
    if law == SQUARE_ROOT:
        share = 0.5 * number[2] + 2.0 / 3.0 * number[1] * sqrt(value / (depth * number[0]))
        return float(value * share) if share < 1.0 else np.inf
    if law == CONSTANT_PRODUCT:
        return float(value * value / (depth * number[0] + value))
    before, lost = 0.0, 0.0
    for i in range(len(sold)):
        end = depth * sold[i]
        if value <= end:
            if end == np.inf:
                return np.inf
            return float(value * (lost + (slippage[i] - lost) * (value - before) / (end - before)))
        before, lost = end, slippage[i]
    return np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def displacement(law: int, number: FloatArray, sold: FloatArray, slippage: FloatArray, depth: float, value: float) -> float:
    """Return how far, in logs, the price stands below where it was once `value` has been sold."""
    if value <= 0.0 or law == NO_DEPTH or depth <= 0.0:
        return 0.0
    if law == SQUARE_ROOT:
        return float(number[1] * sqrt(value / (depth * number[0])))
    if law == CONSTANT_PRODUCT:
        return 2.0 * log1p(value / (depth * number[0]))
    before, lost = 0.0, 0.0
    for i in range(len(sold)):
        end = depth * sold[i]
        if value <= end and end < np.inf:
            slope = (slippage[i] - lost) / (end - before)
            return -log(max(1.0 - lost - slope * (2.0 * value - before), 1e-6))
        before, lost = end, slippage[i]
    return 0.0


@njit(cache=True, nogil=True)
def displaced(price: float, shift: float) -> float:
    """Return a price moved by `shift` in logs; the price itself, to the bit, where that is 0."""
    return price if shift == 0.0 else price * exp(shift)


@njit(cache=True, nogil=True)
def first_touches(
    low: FloatArray, segment: IntArray, opening: IntArray, barrier: FloatArray, follow: int, execution_bars: int
) -> IntArray:
    """Return the first bar after each opening whose low touches its barrier and whose execution is known, else -1."""
    touch = np.full(len(opening), -1)
    for i in range(len(opening)):
        for t in range(opening[i] + 1, min(opening[i] + follow + 1, len(low) - execution_bars)):
            if segment[t + execution_bars] != segment[opening[i]]:
                break
            if low[t] <= barrier[i]:
                touch[i] = t
                break
    return touch
