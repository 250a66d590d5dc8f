"""What a replay is told and what it keeps track of: the tables of the engine, and their columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from riskparams.backtest.fills import ORACLE, OWED, Seen, seen
from riskparams.terms import BoolArray, FloatArray, IntArray

# columns of the daily table
POSITION_HOURS, DEBT_HOURS, COLLATERAL_HOURS, EPISODES, LIQUIDATIONS, JUDGED, FALSE, RECOVERED = range(8)
REPAID, SEIZED, PENALTY, PROTOCOL_FEE, BAD_DEBT, SLIPPAGE, PROFIT, STUCK_HOURS, INSOLVENT_HOURS = range(8, 17)
COLUMNS = 17

# columns of the event table: whole numbers, then values
BAR, ACCOUNT, COLLATERAL, DEBT = range(4)
HEALTH, EVENT_REPAID, EVENT_SEIZED, ORACLE_PRICE, MARKET_PRICE, DEBT_PRICE_RATIO, EVENT_FEE = range(7)
EVENT_SLIPPAGE, EVENT_COSTS, EVENT_PROFIT, EVENT_BAD_DEBT, EVENT_DEFICIT, JUDGED_FALSE = range(7, 13)
EVENT_VALUES = 13

TOP_UP, RELEVER = 1, 2  # subsystems with draws of their own
NEVER = -(2**62)
FOREVER = 2**62
ROUNDING = 1e-12  # what a liquidation leaves of an asset is nothing below this share of what was there
GUARD, FINER = 0.05, 0.2  # how much further, in logs, liquidations may push a price before a block is broken off; by level


# what is known of an account, in whole numbers: the columns of the ledger
BUSY, REOPEN_AT, UNHEALTHY, TOP_UP_WAIT, RELEVER_AT, TOP_UP_DRAWS, RELEVER_DRAWS, AUCTION_FROM = range(8)
LIVED = 8  # the last bar whose owner's doings are in the account
LEDGER = 9

# kinds of quotes, flags and costs of a bar
CLOSE, LOW, HIGH, GROWTH = range(4)
FROZEN, CHECKED, HALTED, IS_JUDGED = range(4)
GAS, DEPTH = range(2)

# what is known of an asset's market and feed
PUBLISHED, SOLD, STAYS, FADES, SHIFT, LOWEST = range(6)
ANCHOR, ANCHOR_OWED, ANCHOR_THRESHOLD, IS_HELD, IS_OWED = range(6, 11)  # see `worst_fall`


class Bars(NamedTuple):
    """The market and its conditions, by bar."""

    time: IntArray
    quotes: FloatArray  # (bars, 4, assets): close, what the oracle may show at worst (low, high), growth of debt
    flags: BoolArray  # (bars, 4): the oracle is frozen, health is checked, all is halted, the following week is known
    costs: FloatArray  # (bars, 2): multiples of gas and of depth
    day: IntArray  # from 0
    row: IntArray  # of the parameters in force
    hours: float  # of one bar
    judgement: int  # nanoseconds a liquidated position is followed, as if it had not been


class Terms(NamedTuple):
    """Risk parameters, (rows, assets)."""

    max_ltv: FloatArray
    threshold: FloatArray
    bonus: FloatArray


class Accounts(NamedTuple):
    """`PositionBook`, as arrays; the debt of an account with a `utilisation` above 0 is its make-up."""

    collateral: FloatArray
    debt: FloatArray
    utilisation: FloatArray
    size: FloatArray
    seed: int


class OwnerNumbers(NamedTuple):
    """`Cohort`, as numbers; a chance is given as the logarithm of its not coming in a bar."""

    top_up_below: float
    top_up_idle: float
    relever_above: float
    relever_idle: float
    reopen_after: int


class OracleNumbers(NamedTuple):
    """`OracleRules`, as numbers."""

    deviation: FloatArray  # (assets,)
    heartbeat: int
    delay: int  # bars
    stale: int


class State(NamedTuple):
    """What changes while a replay runs; every array is written to."""

    collateral: FloatArray  # quantities, (accounts, assets)
    debt: FloatArray  # before growth
    ledger: IntArray  # (accounts, 9), in the columns named above; -1 where an account is not due, or not closed
    auction: FloatArray  # (accounts in auctions, 2): the price it began with, what is due to the keeper who began it
    changes: FloatArray  # in each bar, of the number of accounts that owe, their collateral and debt, (bars, 3, assets)
    events: IntArray  # how many have been written, (1,)
    looks: IntArray  # how often an account has been looked at, over all blocks and bars, (1,)
    price: FloatArray  # the price table of each bar, (bars, 5, assets)
    paces: IntArray  # lengths of past blocks, in bars, each a multiple of the next
    past: FloatArray  # what a unit of each asset counted for in past blocks, (paces, blocks, assets, 3)
    way: FloatArray  # published prices on their way to the market, (delay + 1, assets)
    way_time: IntArray  # when they were published; the last row is that of the newest, (delay + 2, assets)
    floor: FloatArray  # the shift below which a block is broken off, by level and asset
    feed: FloatArray  # (11, assets), in the rows named above; shifts are in logs and at most 0
    health: FloatArray  # at least that of each account at the anchors, whatever its owner does; 0 where that is not known
    following: FloatArray  # (2, assets + 1), see `settlement.follow`
    readable: FloatArray  # the least and greatest price published or on its way, (2, assets)


def side_by_side(collateral: FloatArray, debt: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return copies of both, interleaved in memory, so that what an account holds and owes stands in one cache line."""
    line, (n, assets) = 64, collateral.shape
    memory = np.empty(n * 2 * assets * 8 + line, np.uint8)
    first = -memory.ctypes.data % line
    both = memory[first : first + n * 2 * assets * 8].view(np.float64).reshape(n, 2, assets)
    both[:, 0], both[:, 1] = collateral, debt
    return both[:, 0], both[:, 1]


def fresh_state(accounts: Accounts, oracle: OracleNumbers, bars: int, paces: IntArray, *, levels: int, auction: bool) -> State:
    """Return the state before the first of the bars: accounts stand as given, nothing is due.

    `levels` is the number of lengths of blocks to come, `paces` are those of blocks gone by.
    """
    n, assets = accounts.collateral.shape
    collateral, debt = side_by_side(accounts.collateral, accounts.debt)
    ledger = np.zeros((n, LEDGER), np.int64)
    ledger[:, [BUSY, REOPEN_AT]] = -1
    ledger[:, [UNHEALTHY, AUCTION_FROM]] = NEVER
    return State(
        collateral=collateral,
        debt=debt,
        ledger=ledger,
        auction=np.zeros((n if auction else 1, 2)),
        changes=np.zeros((bars, 3, assets)),
        events=np.zeros(1, np.int64),
        looks=np.zeros(1, np.int64),
        price=np.ones((bars, 5, assets)),
        paces=paces,
        past=np.zeros((len(paces), bars // min([*paces, bars]), assets, 3)),
        way=np.ones((oracle.delay + 1, assets)),
        way_time=np.zeros((oracle.delay + 2, assets), np.int64),
        floor=np.full((levels + 1, assets), -np.inf),
        feed=np.zeros((11, assets)),
        health=np.zeros(n),
        following=np.full((2, assets + 1), -1.0),
        readable=np.ones((2, assets)),
    )


@njit(cache=True, nogil=True)
def count_account(state: State, t: int, i: int, times: float) -> None:
    """Add account i to what there is from the end of bar t on, if it owes; -1 takes it out."""
    collateral, debt, owes = state.collateral, state.debt, False
    for a in range(debt.shape[1]):
        owes = owes or debt[i, a] > 0.0
    if owes:
        for a in range(debt.shape[1]):
            state.changes[t, 0, a] += times
            state.changes[t, 1, a] += times * collateral[i, a]
            state.changes[t, 2, a] += times * debt[i, a]


@njit(cache=True, nogil=True)
def scale_row(target: FloatArray, source: FloatArray, i: int, factor: float) -> None:
    """Set row i of the target to that of the source times a factor."""
    for a in range(target.shape[1]):
        target[i, a] = source[i, a] * factor


@njit(cache=True, nogil=True)
def look(i: int, collateral: FloatArray, debt: FloatArray, price: FloatArray, terms: Terms, row: int, own: float) -> Seen:
    """Return account i as the oracle shows it."""
    return seen(i, collateral, debt, price, ORACLE, OWED, terms.threshold, terms.max_ltv, row, own)
