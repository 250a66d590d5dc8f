"""Which accounts need not be looked at over a block of bars: bounds of prices and parameters, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from riskparams.terms import FloatArray, IntArray

SLACK = 1e-9  # bounds are compared with this margin for rounding

# what is known of an account, in whole numbers: the columns of the ledger
BUSY, REOPEN_AT, UNHEALTHY, TOP_UP_WAIT, RELEVER_WAIT, TOP_UP_DRAWS, RELEVER_DRAWS, AUCTION_FROM = range(8)
SURE_FROM, SURE_LEVEL = range(8, 10)  # since when an owner surely wants to relever, unseen, and which level of blocks says so

# rows of the bounds, by asset
LOW, HIGH, OWED_LOW, OWED_HIGH, THRESHOLD_LOW, THRESHOLD_HIGH, LTV_LOW, LTV_HIGH = range(8)


class OwnerNumbers(NamedTuple):
    """`Cohort`, as numbers; a chance is given as the logarithm of its not coming in a bar."""

    top_up_below: float
    top_up_idle: float
    relever_above: float
    relever_idle: float
    reopen_after: int


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
    """Return what prices and parameters stay between over the bars `first` to `end`, (8, assets).

    `readable` holds, (2, assets), the least and greatest price that the oracle may still show from before; `lowest` how
    far, as a factor, liquidations may push a price down before the block is broken off.
    """
    found = np.empty((8, quotes.shape[2]))
    for a in range(quotes.shape[2]):
        least, most, grown_low, grown_high = readable[0, a], readable[1, a], np.inf, 0.0
        theta_low, theta_high, ltv_low, ltv_high = np.inf, 0.0, np.inf, 0.0
        for t in range(first, end):
            least, most = min(least, quotes[t, 1, a] * lowest[a]), max(most, quotes[t, 2, a])
            grown_low, grown_high = min(grown_low, quotes[t, 3, a]), max(grown_high, quotes[t, 3, a])
            row = rows[t]
            theta_low, theta_high = min(theta_low, threshold[row, a]), max(theta_high, threshold[row, a])
            ltv_low, ltv_high = min(ltv_low, max_ltv[row, a]), max(ltv_high, max_ltv[row, a])
        found[LOW, a], found[HIGH, a] = least, most
        found[OWED_LOW, a], found[OWED_HIGH, a] = least * grown_low, most * grown_high
        found[THRESHOLD_LOW, a], found[THRESHOLD_HIGH, a] = theta_low, theta_high
        found[LTV_LOW, a], found[LTV_HIGH, a] = ltv_low, ltv_high
    return found


@njit(cache=True, nogil=True)
def could_act(
    i: int, collateral: FloatArray, debt: FloatArray, bounds: FloatArray, own: float, owners: OwnerNumbers
) -> tuple[bool, bool]:
    """Return whether anything could happen to open account i within the bounds, and whether its owner borrows for sure.

    "For sure" means that the owner wants more debt in every bar, so that the wait for it can be counted without looking.
    """
    assets = collateral.shape[1]
    owing_high, backing_low = 0.0, 0.0
    for a in range(assets):
        owing_high += debt[i, a] * bounds[OWED_HIGH, a]
        backing_low += bounds[THRESHOLD_LOW, a] * collateral[i, a] * bounds[LOW, a]
    if backing_low < owing_high * (1 + SLACK):
        return True, False
    if own <= 0.0:
        return False, False
    owing_low, backing_high, limit_low, limit_high = 0.0, 0.0, 0.0, 0.0
    for a in range(assets):
        owing_low += debt[i, a] * bounds[OWED_LOW, a]
        backing_high += bounds[THRESHOLD_HIGH, a] * collateral[i, a] * bounds[HIGH, a]
        limit_low += bounds[LTV_LOW, a] * collateral[i, a] * bounds[LOW, a]
        limit_high += bounds[LTV_HIGH, a] * collateral[i, a] * bounds[HIGH, a]
    wanted_low, wanted_high = own * limit_low, own * limit_high
    thin = backing_low < owners.top_up_below * owing_high * (1 + SLACK) and wanted_low < owing_high * (1 + SLACK)
    more = wanted_high > owing_low * (1 - SLACK) and (
        backing_high > owners.relever_above * owing_low * (1 - SLACK) or wanted_high > 2 * owing_low * (1 - SLACK)
    )
    if thin or not more:
        return thin, False
    sure = wanted_low > owing_high * (1 + SLACK) and (
        backing_low > owners.relever_above * owing_high * (1 + SLACK) or wanted_low > 2 * owing_high * (1 + SLACK)
    )
    return True, sure


@njit(cache=True, nogil=True)
def worst_fall(bounds: FloatArray, anchors: FloatArray) -> float:
    """Return the least factor by which an unmanaged account's health can change from the anchors to within the bounds.

    `anchors` are, by asset, the prices and thresholds at which health was taken, and whether any account holds or owes it:
    (price, price of what is owed, threshold, held, owed) x assets.
    """
    least, most = np.inf, 0.0
    for a in range(anchors.shape[1]):
        if anchors[3, a] > 0.0 and anchors[2, a] > 0.0:
            least = min(least, bounds[LOW, a] * bounds[THRESHOLD_LOW, a] / (anchors[0, a] * anchors[2, a]))
        if anchors[4, a] > 0.0:
            most = max(most, bounds[OWED_HIGH, a] / anchors[1, a])
    return least / most * (1 - SLACK) if most > 0.0 and least < np.inf else 0.0


@njit(cache=True, nogil=True)
def take_health(
    among: IntArray,
    health: FloatArray,
    anchors: FloatArray,
    collateral: FloatArray,
    debt: FloatArray,
    utilisation: FloatArray,
    ledger: IntArray,
) -> None:
    """Write the health of the accounts at the anchors; 0 for one that is managed, due or closed: it is looked at in full."""
    for i in among:
        health[i] = 0.0
        if utilisation[i] <= 0.0 and ledger[i, BUSY] < 0 and ledger[i, REOPEN_AT] < 0:
            owing, backing = 0.0, 0.0
            for a in range(collateral.shape[1]):
                owing += debt[i, a] * anchors[1, a]
                backing += anchors[2, a] * (collateral[i, a] * anchors[0, a])
            health[i] = backing / owing if owing > 0.0 else np.inf


@njit(cache=True, nogil=True)
def wake(ledger: IntArray, i: int, t: int) -> None:
    """Count the bars before t in which owner i, unseen, waited to relever."""
    if ledger[i, RELEVER_WAIT] > 0:
        ledger[i, RELEVER_WAIT] -= t - ledger[i, SURE_FROM]
    ledger[i, SURE_FROM] = -1


@njit(cache=True, nogil=True)
def awake(
    among: IntArray,  # accounts to choose from, in order
    chosen: IntArray,  # is filled with those to look at
    bounds: FloatArray,
    t: int,
    end: int,
    last: int,  # close of the block's last bar
    collateral: FloatArray,
    debt: FloatArray,
    utilisation: FloatArray,
    owners: OwnerNumbers,
    ledger: IntArray,
    health: FloatArray,  # of each account at the anchors
    fall: float,  # the least factor by which it can change: above 1 in product, and nothing can happen
    level: int,  # of blocks, from 1: what a coarser one found still holds
) -> int:
    """Choose the accounts to which anything could happen from bar t up to bar `end`, and return how many there are.

    Owners who surely want to borrow throughout are chosen for a block in which their wait ends, and sleep until then: the
    ledger says since when, and the wait is brought up to date when they are next looked at.
    """
    found = 0
    for i in among:
        if health[i] * fall > 1.0:
            continue
        if ledger[i, SURE_FROM] >= 0:
            if ledger[i, SURE_LEVEL] < level:
                wait = ledger[i, RELEVER_WAIT]
                if wait > 0 and wait - (t - ledger[i, SURE_FROM]) <= end - t:
                    chosen[found] = i
                    found += 1
                continue
            wake(ledger, i, t)
        if ledger[i, REOPEN_AT] >= 0:
            if ledger[i, REOPEN_AT] > last:
                continue
        elif ledger[i, BUSY] < 0:
            acts, surely = could_act(i, collateral, debt, bounds, utilisation[i], owners)
            if not acts:
                continue
            if surely:
                ledger[i, SURE_FROM], ledger[i, SURE_LEVEL] = t, level
                wait = ledger[i, RELEVER_WAIT]
                if wait == 0 or wait > end - t:
                    continue
        chosen[found] = i
        found += 1
    return found
