"""Liquidation threshold from the haircut, maximum loan-to-value from first passage, both rounded to the prudent side."""

from __future__ import annotations

from math import ceil, exp, floor, log

import numpy as np

from riskparams.terms import FloatArray

STEP = 0.005  # thresholds and LTVs are published on this grid
BONUS_STEP = 0.001


def max_liquidation_threshold(haircut: float, liquidation_bonus: float) -> float:
    """Return the largest threshold at which a liquidation still repays the debt in full.

    `haircut` is the drop from trigger to execution; the bonus is a share of the debt repaid.
    Solves threshold x (1 + bonus) = 1 - haircut.

    >>> round(max_liquidation_threshold(haircut=0.16, liquidation_bonus=0.05), 4)
    0.8
    """
    return (1 - haircut) / (1 + liquidation_bonus)


def max_ltv(liquidation_threshold: float, touch_move: float) -> float:
    """Return the LTV from which the threshold is one touch move (log) away: `threshold * exp(-move)`.

    >>> round(max_ltv(0.8, 0.1), 4)
    0.7239
    """
    return liquidation_threshold * exp(-touch_move)


def touch_probability(moves: FloatArray, liquidation_threshold: float, ltv: float) -> float:
    """Return the share of simulated falls (log, >= 0) that carry a loan at `ltv` to its threshold.

    >>> touch_probability(np.array([0.0, 0.05, 0.2]), 0.83, 0.805)
    0.6666666666666666
    """
    if ltv <= 0:
        return 0.0
    return float(np.mean(moves >= log(liquidation_threshold / ltv)))


def floored(value: float, step: float = STEP) -> float:
    """Round down to the grid, forgiving the last bit of floating point.

    >>> floored(0.7999999999999999), floored(0.7849)
    (0.8, 0.78)
    """
    return round(floor(value / step + 1e-9) * step, 10)


def ceiled(value: float, step: float = BONUS_STEP) -> float:
    """Round up to the grid, forgiving the last bit of floating point.

    >>> ceiled(0.0161)
    0.017
    """
    return round(ceil(value / step - 1e-9) * step, 10)
