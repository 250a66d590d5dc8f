"""Which accounts need not be looked at over a block of bars, since nothing but what their owners do can happen to them."""

from __future__ import annotations

import numpy as np
from numba import njit

from riskparams.backtest.bounds import LTV_HIGH, ORACLE_HIGH, ORACLE_LOW, OWED_HIGH, SLACK, THRESHOLD_LOW
from riskparams.backtest.state import BUSY, LIVED, RELEVER_AT, REOPEN_AT, State
from riskparams.terms import FloatArray, IntArray


@njit(cache=True, nogil=True)
def awake(
    among: IntArray,  # accounts to choose from, in order
    chosen: IntArray,  # is filled with those to look at; may be `among` itself
    bounds: FloatArray,
    swing: float,  # by what factor a debt taken up within the block may grow
    fall: float,  # the least factor by which health can change from the anchors: above 1 in product, and nothing can happen
    t: int,
    end: int,
    last: int,  # close of the block's last bar
    state: State,
    utilisation: FloatArray,
    managed: bool,  # whether any is above 0
    anchors: FloatArray,  # prices and thresholds at which health is taken, as in `worst_fall`
    until: int,  # the end of the coarsest block, for which health is taken
    anew: bool,  # whether this is it, so that the anchors are new
) -> int:
    """Choose the accounts that could be liquidated, or reopen, from bar t up to bar `end`; return how many there are.

    An account whose owner was not looked at owes no more than is known, unless it thought of borrowing since: it is chosen
    then, to be asked again once its owner has lived up to bar t. The health of an account is known, and above 0, where it
    is open, not due, and its owner can only better it before bar `until`; else it is 0. It is infinite where nothing is owed.
    """
    ledger, collateral, debt, health, found = state.ledger, state.collateral, state.debt, state.health, 0
    assets = debt.shape[1]
    for i in among:
        own, relevers, unseen = utilisation[i] if managed else 0.0, False, False
        if health[i] * fall > 1.0 or (health[i] == np.inf and own <= 0.0):
            continue
        idle = health[i] > 0.0 or (ledger[i, BUSY] < 0 and ledger[i, REOPEN_AT] < 0)
        if own > 0.0:
            relevers = ledger[i, RELEVER_AT] < end
            unseen = relevers and ledger[i, RELEVER_AT] < t and ledger[i, LIVED] < t - 1
        if not idle:
            if ledger[i, REOPEN_AT] > last:
                continue
        elif not unseen:
            owing, backing, limit, owing_now, backing_now = 0.0, 0.0, 0.0, 0.0, 0.0
            for a in range(assets):
                held, owed = collateral[i, a], debt[i, a]
                owing += owed * bounds[OWED_HIGH, a]
                backing += bounds[THRESHOLD_LOW, a] * held * bounds[ORACLE_LOW, a]
                limit += bounds[LTV_HIGH, a] * held * bounds[ORACLE_HIGH, a]
                owing_now += owed * anchors[1, a]
                backing_now += anchors[2, a] * (held * anchors[0, a])
            if relevers:
                owing = max(owing, own * limit * swing)
            if anew or health[i] == 0.0:
                borrows = own > 0.0 and ledger[i, RELEVER_AT] < until
                health[i] = 0.0 if borrows else backing_now / owing_now if owing_now > 0.0 else np.inf
            if backing >= owing * (1 + SLACK):
                continue
        chosen[found] = i
        found += 1
    return found
