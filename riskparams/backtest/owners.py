"""What the owners of managed accounts do, compiled: open, top up, relever.

Nobody else sees what an owner does until the account is liquidated, so it need not be done at its time: `live` catches up,
from the prices that were shown, when somebody looks.
"""

from __future__ import annotations

from numba import njit

from riskparams.backtest.bounds import SLACK
from riskparams.backtest.fills import ORACLE, OWED, Seen
from riskparams.backtest.kernels import health_factor, uniform, waiting_bars
from riskparams.backtest.state import (
    BUSY,
    LIVED,
    NEVER,
    RELEVER,
    RELEVER_AT,
    RELEVER_DRAWS,
    REOPEN_AT,
    TOP_UP,
    TOP_UP_DRAWS,
    TOP_UP_WAIT,
    UNHEALTHY,
    Accounts,
    OwnerNumbers,
    State,
    Terms,
    count_account,
    look,
    scale_row,
)
from riskparams.terms import IntArray


@njit(cache=True, nogil=True)
def open_account(t: int, i: int, scale: float, state: State, accounts: Accounts, terms: Terms, row: int) -> None:
    """Open managed account i at bar t with its make-up, `scale` times as large, and the debt its owner wants."""
    start = look(i, accounts.collateral, accounts.debt, state.price[t], terms, row, accounts.utilisation[i])
    if scale == 0.0:
        scale = accounts.size[i] / start.collateral
    scale_row(state.collateral, accounts.collateral, i, scale)
    scale_row(state.debt, accounts.debt, i, scale * start.wanted / start.debt)
    state.ledger[i, REOPEN_AT], state.ledger[i, LIVED], state.ledger[i, UNHEALTHY] = -1, t, NEVER
    count_account(state, t, i, 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def wants(now: Seen, owners: OwnerNumbers) -> int:
    """Return what the owner of an account wants: 0 to top up, 1 to relever, -1 to leave it as it is."""
    health = health_factor(now.debt, now.backing)
    if health < owners.top_up_below and now.wanted < now.debt:
        return 0
    return 1 if now.wanted > now.debt and (health > owners.relever_above or now.debt < now.wanted / 2) else -1


@njit(cache=True, nogil=True)
def live(among: IntArray, t: int, state: State, accounts: Accounts, terms: Terms, rows: IntArray, owners: OwnerNumbers) -> None:
    """Let the owners of open accounts do what they did unseen before bar t.

    An owner thinks of borrowing more in bars drawn beforehand, whatever the account is by then: with a chance that is the
    same in every bar, this is the law of a draw in each bar in which it wants to. Between those bars it can only top up,
    and blocks in which it had no reason to are passed over. All is written out in one loop: a call that is handed arrays
    costs more than what it would do here.
    """
    ledger, collateral, debt, changes, own = state.ledger, state.collateral, state.debt, state.changes, accounts.utilisation
    past, paces, price, make_up = state.past, state.paces, state.price, accounts.debt
    threshold, max_ltv, assets, levels = terms.threshold, terms.max_ltv, debt.shape[1], len(state.paces)
    for i in among:
        s = ledger[i, LIVED] + 1
        if s >= t or own[i] <= 0.0 or ledger[i, BUSY] >= 0 or ledger[i, REOPEN_AT] >= 0:
            continue
        thinks, idle = ledger[i, RELEVER_AT], ledger[i, TOP_UP_WAIT]
        while s < t:
            while thinks < s:
                ledger[i, RELEVER_DRAWS] += 1
                thinks += waiting_bars(uniform(accounts.seed, i, RELEVER, ledger[i, RELEVER_DRAWS]), owners.relever_idle)
            until, passed = min(t, thinks), 0
            for level in range(levels):
                pace = paces[level]
                if s % pace or s + pace > until:
                    continue
                at, owing, backing, limit = s // pace, 0.0, 0.0, 0.0
                for a in range(assets):
                    owing += debt[i, a] * past[level, at, a, 0]
                    backing += collateral[i, a] * past[level, at, a, 1]
                    limit += collateral[i, a] * past[level, at, a, 2]
                owing *= 1 + SLACK
                if owners.top_up_idle == 0.0 or backing >= owners.top_up_below * owing or own[i] * limit >= owing:
                    passed = pace
                    break
            s += passed
            if passed:
                continue
            row, owing, backing, limit = rows[s], 0.0, 0.0, 0.0
            for a in range(assets):
                part = collateral[i, a] * price[s, ORACLE, a]
                owing += debt[i, a] * price[s, OWED, a]
                backing += threshold[row, a] * part
                limit += max_ltv[row, a] * part
            side = wants(Seen(owing, 0.0, backing, own[i] * limit), owners)
            acts = side == 1 and s == thinks
            idle -= side == 0
            if idle == 0:
                acts = True
                ledger[i, TOP_UP_DRAWS] += 1
                idle = waiting_bars(uniform(accounts.seed, i, TOP_UP, ledger[i, TOP_UP_DRAWS]), owners.top_up_idle)
            if acts and owing <= 0.0:  # all had been repaid
                for a in range(assets):
                    debt[i, a] = make_up[i, a]
                    owing += debt[i, a] * price[s, OWED, a]
                    changes[s, 0, a] += 1.0
                    changes[s, 1, a] += collateral[i, a]
                    changes[s, 2, a] += debt[i, a]
            for a in range(assets if acts else 0):
                wanted = debt[i, a] * (own[i] * limit / owing)
                changes[s, 2, a] += wanted - debt[i, a]
                debt[i, a] = wanted
                if limit <= 0.0:  # nothing may be borrowed any more: all is repaid
                    changes[s, 0, a] -= 1.0
                    changes[s, 1, a] -= collateral[i, a]
            s += 1
        ledger[i, RELEVER_AT], ledger[i, TOP_UP_WAIT], ledger[i, LIVED] = thinks, idle, t - 1
