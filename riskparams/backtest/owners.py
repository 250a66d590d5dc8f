"""What the owners of managed accounts do, compiled: open, top up, relever."""

from __future__ import annotations

from numba import njit

from riskparams.backtest.asleep import REOPEN_AT, TOP_UP_DRAWS, TOP_UP_WAIT, OwnerNumbers
from riskparams.backtest.fills import Seen
from riskparams.backtest.kernels import health_factor, uniform, waiting_bars
from riskparams.backtest.state import TOP_UP, Accounts, State, Terms, count_account, look, scale_row
from riskparams.terms import FloatArray


@njit(cache=True, nogil=True)
def open_account(i: int, scale: float, state: State, accounts: Accounts, terms: Terms, row: int, price: FloatArray) -> None:
    """Open managed account i with its make-up, `scale` times as large, and the debt its owner wants."""
    start = look(i, accounts.collateral, accounts.debt, price, terms, row, accounts.utilisation[i])
    if scale == 0.0:
        scale = accounts.size[i] / start.collateral
    scale_row(state.collateral, accounts.collateral, i, scale)
    scale_row(state.debt, accounts.debt, i, scale * start.wanted / start.debt)
    state.ledger[i, REOPEN_AT] = -1
    count_account(state, i, 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def wants(now: Seen, owners: OwnerNumbers) -> int:
    """Return what the owner of an account wants: 0 to top up, 1 to relever, -1 to leave it as it is."""
    health = health_factor(now.debt, now.backing)
    if health < owners.top_up_below and now.wanted < now.debt:
        return 0
    return 1 if now.wanted > now.debt and (health > owners.relever_above or now.debt < now.wanted / 2) else -1


@njit(cache=True, nogil=True)
def owner_acts(
    i: int, now: Seen, state: State, accounts: Accounts, terms: Terms, row: int, price: FloatArray, owners: OwnerNumbers
) -> Seen:
    """Let the owner of account i top up or relever, if it wants to and its wait is over; return the account after it."""
    own, side = accounts.utilisation[i], wants(now, owners)
    if side < 0 or state.ledger[i, TOP_UP_WAIT + side] == 0:
        return now
    state.ledger[i, TOP_UP_WAIT + side] -= 1
    if state.ledger[i, TOP_UP_WAIT + side] > 0:
        return now
    state.ledger[i, TOP_UP_DRAWS + side] += 1
    idle = owners.top_up_idle if side == 0 else owners.relever_idle
    state.ledger[i, TOP_UP_WAIT + side] = waiting_bars(
        uniform(accounts.seed, i, TOP_UP + side, state.ledger[i, TOP_UP_DRAWS + side]), idle
    )
    count_account(state, i, -1.0)
    if now.debt > 0.0:
        scale_row(state.debt, state.debt, i, now.wanted / now.debt)
    else:
        start = look(i, state.collateral, accounts.debt, price, terms, row, own)
        scale_row(state.debt, accounts.debt, i, start.wanted / start.debt)
    count_account(state, i, 1.0)
    return look(i, state.collateral, state.debt, price, terms, row, own)
