"""Which accounts need not be looked at over a block of bars, since nothing but what their owners do can happen to them."""

from __future__ import annotations

import numpy as np
from numba import njit

from riskparams.backtest.bounds import LTV_HIGH, ORACLE_HIGH, ORACLE_LOW, OWED_HIGH, SLACK, THRESHOLD_LOW
from riskparams.backtest.state import BUSY, LIVED, RELEVER_AT, REOPEN_AT, State
from riskparams.terms import FloatArray, IntArray


@njit(cache=True, nogil=True)
def take_health(among: IntArray, end: int, state: State, utilisation: FloatArray, anchors: FloatArray) -> None:
    """Write the health of the accounts at the anchors, which their owners can only better up to bar `end`; else 0.

    It is 0 where that is not so: the owner may relever, or the account is due or closed. It is then looked at in full.
    """
    ledger, collateral, debt, health = state.ledger, state.collateral, state.debt, state.health
    for i in among:
        health[i] = 0.0
        relevers = utilisation[i] > 0.0 and ledger[i, RELEVER_AT] < end
        if not relevers and ledger[i, BUSY] < 0 and ledger[i, REOPEN_AT] < 0:
            owing, backing = 0.0, 0.0
            for a in range(anchors.shape[1]):
                owing += debt[i, a] * anchors[1, a]
                backing += anchors[2, a] * (collateral[i, a] * anchors[0, a])
            health[i] = backing / owing if owing > 0.0 else np.inf


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
) -> int:
    """Choose the accounts that could be liquidated, or reopen, from bar t up to bar `end`; return how many there are.

    An account whose owner was not looked at owes no more than is known, unless it thought of borrowing since: it is chosen
    then, to be asked again once its owner has lived up to bar t.
    """
    ledger, collateral, debt, health, found = state.ledger, state.collateral, state.debt, state.health, 0
    assets = debt.shape[1]
    for i in among:
        if health[i] * fall > 1.0:
            continue
        if ledger[i, REOPEN_AT] >= 0:
            if ledger[i, REOPEN_AT] > last:
                continue
        elif ledger[i, BUSY] < 0:
            own = utilisation[i]
            relevers = own > 0.0 and ledger[i, RELEVER_AT] < end
            if not (relevers and ledger[i, RELEVER_AT] < t and ledger[i, LIVED] < t - 1):
                owing, backing, limit = 0.0, 0.0, 0.0
                for a in range(assets):
                    owing += debt[i, a] * bounds[OWED_HIGH, a]
                    backing += bounds[THRESHOLD_LOW, a] * collateral[i, a] * bounds[ORACLE_LOW, a]
                    limit += bounds[LTV_HIGH, a] * collateral[i, a] * bounds[ORACLE_HIGH, a]
                if relevers:
                    owing = max(owing, own * limit * swing)
                if backing >= owing * (1 + SLACK):
                    continue
        chosen[found] = i
        found += 1
    return found
