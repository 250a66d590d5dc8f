"""Accounts rebuilt from their events, and their cover hour by hour: arrays in, arrays out.

Notation: C collateral, D debt divided by the index R, so that D R is what is owed. Validation is the caller's.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskparams.terms import FloatArray, IntArray

# columns of the table of states
COLLATERAL_BEFORE, DEBT_BEFORE, COLLATERAL, DEBT, TAKEN, WHOLE, OVERPAID, WRITTEN_OFF, DROPPED = range(9)
COLUMNS = 9

DEPOSIT, REPAY, LIQUIDATION, WITHDRAW, BORROW = range(5)  # the values of `EventKind`
CHUNK_PRECISION = 1e-6  # a recorded debt this near a chunk, as a share of it, is a chunk


@njit(cache=True, nogil=True, error_model="numpy")
def is_whole(
    seized_debt: float,
    seized_collateral: float,
    debt: float,
    collateral: float,
    chunk: float,
    debt_within: float,
    collateral_unit: float,
) -> bool:
    """Return whether a liquidation took all: its debt agrees or exceeds, or it is no chunk and the collateral agrees."""
    if seized_debt >= debt or abs(seized_debt / debt - 1) < debt_within:
        return True
    if abs(seized_debt - chunk) <= CHUNK_PRECISION * chunk:
        return False
    rounded = np.round(collateral / collateral_unit) * collateral_unit
    return bool(abs(rounded - seized_collateral) <= collateral_unit)


@njit(cache=True, nogil=True, error_model="numpy")
def rebuilt(
    account: IntArray,
    kind: IntArray,
    amount: FloatArray,
    recorded_collateral: FloatArray,
    index: FloatArray,
    smallest_debt: FloatArray,
    chunk: FloatArray,
    close_debt: float,
    close_repaid_share: float,
    close_smallest_share: float,
    close_collateral: float,
    debt_within: float,
    collateral_unit: float,
) -> FloatArray:
    """Return the state before and after each event, one row each, accounts after one another."""
    states = np.zeros((len(kind), COLUMNS))
    collateral, debt = 0.0, 0.0
    for i in range(len(kind)):
        if i == 0 or account[i] != account[i - 1]:
            collateral, debt = 0.0, 0.0
        states[i, COLLATERAL_BEFORE], states[i, DEBT_BEFORE] = collateral, debt
        x, growth = amount[i], index[i]
        if kind[i] == DEPOSIT:
            collateral += x
        elif kind[i] == WITHDRAW:
            collateral -= x
        elif kind[i] == BORROW:
            debt += x / growth
        elif kind[i] == REPAY:
            states[i, OVERPAID] = max(0.0, x - debt * growth)
            debt = max(0.0, debt - x / growth)
            left = debt * growth
            if left < min(close_debt, smallest_debt[i]) or left < min(
                close_repaid_share * x, close_smallest_share * smallest_debt[i]
            ):
                states[i, WRITTEN_OFF] = left
                debt = 0.0
        else:
            owed = debt * growth
            if is_whole(x, recorded_collateral[i], owed, collateral, chunk[i], debt_within, collateral_unit):
                states[i, TAKEN], states[i, WHOLE] = collateral, 1.0
                collateral, debt = 0.0, 0.0
            else:
                states[i, TAKEN] = collateral * x / owed
                collateral -= states[i, TAKEN]
                debt -= x / growth
        if collateral < close_collateral:
            states[i, DROPPED] = collateral
            collateral = 0.0
        states[i, COLLATERAL], states[i, DEBT] = collateral, debt
    return states


@njit(cache=True, nogil=True)
def first_unsafe(
    lives: int,
    life: IntArray,
    start: IntArray,
    end: IntArray,
    collateral: FloatArray,
    debt: FloatArray,
    price: FloatArray,
    required: FloatArray,
) -> IntArray:
    """Return the first hour at which C x price < D x required in each life, and its span; -1 where there is none.

    Spans of constant C and D come in order of time within a life and hold from `start` to before `end`; `required` is the
    liquidation ratio times R.
    """
    found = np.full((lives, 2), -1)
    for i in range(len(life)):
        if found[life[i], 0] >= 0:
            continue
        for hour in range(start[i], end[i]):
            if collateral[i] * price[hour] < debt[i] * required[hour]:
                found[life[i], 0], found[life[i], 1] = hour, i
                break
    return found


@njit(cache=True, nogil=True)
def lowest_cover(
    lives: int,
    life: IntArray,
    start: IntArray,
    end: IntArray,
    collateral: FloatArray,
    debt: FloatArray,
    price: FloatArray,
    required: FloatArray,
) -> FloatArray:
    """Return the lowest C x price / (D x required) of each life: below 1 it was unsafe; infinite where it was never tested."""
    lowest = np.full(lives, np.inf)
    for i in range(len(life)):
        for hour in range(start[i], end[i]):
            cover = collateral[i] * price[hour] / (debt[i] * required[hour])
            lowest[life[i]] = min(lowest[life[i]], cover)
    return lowest
