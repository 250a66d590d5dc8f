"""The replay of many accounts over one market, bar by bar, compiled: arrays in, arrays out.

Bars run outside and accounts inside, because accounts meet: in the price that liquidations leave behind, and in the
liquidators' capital. An account is looked at only in blocks of bars in which its health, or its owner, could do anything;
that changes no event (`blocks` empty looks at every account in every bar, and the tests compare the two).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from riskparams.backtest.asleep import (
    AUCTION_FROM,
    BUSY,
    RELEVER_WAIT,
    REOPEN_AT,
    SURE_FROM,
    TOP_UP_DRAWS,
    TOP_UP_WAIT,
    UNHEALTHY,
    OwnerNumbers,
    awake,
    bounds_over,
    take_health,
    wake,
    worst_fall,
)
from riskparams.backtest.fills import (
    MARKET,
    ORACLE,
    OWED,
    WORST,
    WORST_OWED,
    Auction,
    Fill,
    RuleNumbers,
    Seen,
    bid,
    called,
    largest,
    offered,
    seen,
)
from riskparams.backtest.impact import DepthArrays
from riskparams.backtest.kernels import displaced, displacement, health_factor, uniform, waiting_bars
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
GUARD = 0.05  # how much further, in logs, liquidations may push a price before the sleeping accounts are looked at again


# kinds of quotes, flags and costs of a bar
CLOSE, LOW, HIGH, GROWTH = range(4)
FROZEN, CHECKED, HALTED, IS_JUDGED = range(4)
GAS, DEPTH = range(2)

# what is known of an asset's market and feed
PUBLISHED, SOLD, STAYS, FADES, SHIFT, FLOOR, LOWEST = range(7)
ANCHOR, ANCHOR_OWED, ANCHOR_THRESHOLD, IS_HELD, IS_OWED = range(7, 12)  # see `worst_fall`


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
    ledger: IntArray  # (accounts, 10), in the columns named above; -1 where an account is not due, or not closed
    auction: FloatArray  # (accounts in auctions, 2): the price it began with, what is due to the keeper who began it
    sums: FloatArray  # over accounts that owe: their number, collateral and debt, (3, assets)
    events: IntArray  # how many have been written, (1,)
    price: FloatArray  # the price table of the bar, (5, assets)
    way: FloatArray  # published prices on their way to the market, (delay + 1, assets)
    way_time: IntArray  # when they were published; the last row is that of the newest, (delay + 2, assets)
    feed: FloatArray  # (12, assets), in the rows named above; shifts are in logs and at most 0
    health: FloatArray  # of each account at the anchors; 0 where it has changed since
    readable: FloatArray  # the least and greatest price published or on its way, (2, assets)


def fresh_state(accounts: Accounts, oracle: OracleNumbers, *, auction: bool) -> State:
    """Return the state before the first bar: accounts hold and owe what is given, nothing is due."""
    n, assets = accounts.collateral.shape
    ledger = np.zeros((n, 10), np.int64)
    ledger[:, [BUSY, REOPEN_AT, SURE_FROM]] = -1
    ledger[:, [UNHEALTHY, AUCTION_FROM]] = NEVER
    return State(
        collateral=accounts.collateral.copy(),
        debt=accounts.debt.copy(),
        ledger=ledger,
        auction=np.zeros((n if auction else 1, 2)),
        sums=np.zeros((3, assets)),
        events=np.zeros(1, np.int64),
        price=np.ones((5, assets)),
        way=np.ones((oracle.delay + 1, assets)),
        way_time=np.zeros((oracle.delay + 2, assets), np.int64),
        feed=np.zeros((12, assets)),
        health=np.zeros(n),
        readable=np.ones((2, assets)),
    )


@njit(cache=True, nogil=True)
def count_account(state: State, i: int, times: float) -> None:
    """Add account i to the sums, if it owes; -1 takes it out."""
    collateral, debt, owes = state.collateral, state.debt, False
    for a in range(debt.shape[1]):
        owes = owes or debt[i, a] > 0.0
    if owes:
        for a in range(debt.shape[1]):
            state.sums[0, a] += times
            state.sums[1, a] += times * collateral[i, a]
            state.sums[2, a] += times * debt[i, a]


@njit(cache=True, nogil=True)
def scale_row(target: FloatArray, source: FloatArray, i: int, factor: float) -> None:
    """Set row i of the target to that of the source times a factor."""
    for a in range(target.shape[1]):
        target[i, a] = source[i, a] * factor


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


@njit(cache=True, nogil=True)
def look(i: int, collateral: FloatArray, debt: FloatArray, price: FloatArray, terms: Terms, row: int, own: float) -> Seen:
    """Return account i as the oracle shows it."""
    return seen(i, collateral, debt, price, ORACLE, OWED, terms.threshold, terms.max_ltv, row, own)


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


@njit(cache=True, nogil=True)
def kept_health(
    t: int, i: int, collateral: FloatArray, debt: FloatArray, terms: Terms, row: int, bonus: float, bars: Bars
) -> bool:
    """Return whether account i, left alone, would have lived: C >= (1 + b) D while judged, and HF >= 1 at its end."""
    time, quotes, threshold = bars.time, bars.quotes, terms.threshold
    s, until = t, bars.time[t] + bars.judgement
    while True:
        debt_now, debt_worst, worst, backing = 0.0, 0.0, 0.0, 0.0
        for a in range(collateral.shape[1]):
            owed = debt[i, a] * quotes[s, GROWTH, a]
            debt_now += owed * quotes[s, CLOSE, a]
            debt_worst += owed * quotes[s, CLOSE if s == t else HIGH, a]
            worst += collateral[i, a] * quotes[s, CLOSE if s == t else LOW, a]
            backing += threshold[row, a] * collateral[i, a] * quotes[s, CLOSE, a]
        if worst < (1 + bonus) * debt_worst:
            return False
        if s + 1 >= len(time) or time[s + 1] > until:
            return health_factor(debt_now, backing) >= 1.0
        s += 1


@njit(cache=True, nogil=True)
def record_fill(
    day: FloatArray, values: FloatArray, fill: Fill, health: float, fee: float, profit: float, bad: float, deficit: float
) -> None:
    """Write one liquidation into its event row and add it to its day; prices are written by the caller."""
    values[HEALTH], values[EVENT_REPAID], values[EVENT_SEIZED], values[EVENT_FEE] = health, fill.repaid, fill.seized, fee
    values[EVENT_SLIPPAGE], values[EVENT_COSTS], values[EVENT_PROFIT] = fill.slippage, fill.costs, profit
    values[EVENT_BAD_DEBT], values[EVENT_DEFICIT] = bad, deficit
    day[LIQUIDATIONS] += 1
    day[REPAID] += fill.repaid
    day[SEIZED] += fill.seized
    day[PENALTY] += fill.seized - fill.repaid
    day[PROTOCOL_FEE] += fee
    day[BAD_DEBT] += bad
    day[SLIPPAGE] += fill.slippage
    day[PROFIT] += profit


@njit(cache=True, nogil=True)
def taken(collateral: FloatArray, debt: FloatArray, i: int, fill: Fill, price: FloatArray) -> None:
    """Take what a liquidation seizes and repays out of account i."""
    k, j = fill.collateral, fill.debt
    if fill.repaid == 0.0:  # a write-off
        scale_row(collateral, collateral, i, 0.0)
        return
    left = collateral[i, k] - fill.seized / price[ORACLE, k]
    collateral[i, k] = left if left > ROUNDING * collateral[i, k] else 0.0
    rest = debt[i, j] - fill.repaid / price[OWED, j]
    debt[i, j] = rest if rest > ROUNDING * debt[i, j] else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def liquidate(
    t: int,
    i: int,
    state: State,
    own: float,
    bars: Bars,
    terms: Terms,
    rules: RuleNumbers,
    depth: DepthArrays,
    capital: float,
    day: FloatArray,
    whole: IntArray,
    values: FloatArray,
) -> float:
    """Carry out what can be done about account i, which is due or in an auction; return the capital left.

    Several assets may follow each other, largest first, until health is 1 again; what capital and depth do not reach
    waits for the next bar. The event arrays have room.
    """
    row, now = bars.row[t], bars.time[t]
    collateral, debt, price = state.collateral, state.debt, state.price
    in_auction = state.ledger[i, AUCTION_FROM] > NEVER
    gas = rules.gas * bars.costs[t, GAS]
    worthless = gas / rules.win_probability if rules.liquidators else 0.0
    seen_now = look(i, collateral, debt, price, terms, row, own)
    count_account(state, i, -1.0)
    tries, done = 0, False
    while not done:
        tries += 1
        health = health_factor(seen_now.debt, seen_now.backing)
        if seen_now.collateral <= worthless and seen_now.debt > seen_now.collateral:  # written off
            j = largest(debt, i, price[OWED], price, ORACLE)
            fill = Fill(True, 0, j, 0.0, seen_now.collateral, seen_now.collateral, 0.0, 0.0, 0.0, 0.0, True, False)
        elif in_auction:
            auction = Auction(state.ledger[i, AUCTION_FROM], state.auction[i, 0])
            fill, auction = bid(
                i, collateral, debt, price, terms.threshold, terms.bonus, row, auction, bars.time[t - 1], now,
                rules, depth, bars.costs[t, DEPTH], gas, state.feed[SOLD], capital,
            )  # fmt: skip
            state.ledger[i, AUCTION_FROM], state.auction[i, 0] = auction.begun, auction.top
        else:
            fill = called(
                i, seen_now, collateral, debt, price, terms.threshold, terms.bonus, row,
                rules, depth, bars.costs[t, DEPTH], gas, state.feed[SOLD], capital,
            )  # fmt: skip
        if not fill.acted:
            if tries == 1:
                day[STUCK_HOURS] += bars.hours
            break
        k, j, fee, profit, bad = fill.collateral, fill.debt, fill.fee, fill.profit, 0.0
        false = np.nan
        if bars.flags[t, IS_JUDGED] and tries == 1:
            false = 1.0 if kept_health(t, i, collateral, debt, terms, row, terms.bonus[row, k], bars) else 0.0
            day[JUDGED] += 1
            day[FALSE] += false
        if in_auction:
            fee, profit = fee - state.auction[i, 1], profit + state.auction[i, 1]
            state.auction[i, 1] = 0.0
        taken(collateral, debt, i, fill, price)
        state.feed[SOLD, k] += fill.sold
        capital -= fill.repaid
        seen_now = look(i, collateral, debt, price, terms, row, own)
        if seen_now.debt > 0.0 and seen_now.collateral <= 0.0:
            bad = seen_now.debt
            scale_row(debt, debt, i, 0.0)
            seen_now = look(i, collateral, debt, price, terms, row, own)
        events = state.events[0]
        whole[events, BAR], whole[events, ACCOUNT], whole[events, COLLATERAL], whole[events, DEBT] = t, i, k, j
        values[events, ORACLE_PRICE], values[events, MARKET_PRICE] = price[ORACLE, k], price[MARKET, k]
        values[events, DEBT_PRICE_RATIO], values[events, JUDGED_FALSE] = price[MARKET, j] / price[ORACLE, j], false
        record_fill(day, values[events], fill, health, fee, profit, bad, max(0.0, seen_now.debt - seen_now.collateral))
        state.events[0] += 1
        done = fill.whole or seen_now.debt <= 0.0
        if not in_auction and health_factor(seen_now.debt, seen_now.backing) >= 1.0:
            done = True
        if not (done or fill.capped):
            break
        done = done or tries >= 2 * collateral.shape[1]
    if done:
        state.ledger[i, BUSY] = -1
        if in_auction:
            state.ledger[i, AUCTION_FROM] = NEVER
    count_account(state, i, 1.0)
    return capital


@njit(cache=True, nogil=True)
def with_room(whole: IntArray, values: FloatArray, rows: int) -> tuple[IntArray, FloatArray]:
    """Return the event arrays, copied to so many rows."""
    more, more_values = np.empty((rows, 4), np.int64), np.empty((rows, EVENT_VALUES))
    for row in range(len(whole)):
        for column in range(4):
            more[row, column] = whole[row, column]
        for column in range(EVENT_VALUES):
            more_values[row, column] = values[row, column]
    return more, more_values


@njit(cache=True, nogil=True)
def published_prices(t: int, bars: Bars, oracle: OracleNumbers, state: State) -> bool:
    """Fill in the price table of bar t, bring the oracle up to date, and return whether a price is too old to be used."""
    price, feed, way, way_time = state.price, state.feed, state.way, state.way_time
    slots, now, stale = oracle.delay + 1, bars.time[t], False
    for a in range(feed.shape[1]):
        published, deviation, growth = feed[PUBLISHED, a], oracle.deviation[a], bars.quotes[t, GROWTH, a]
        market = displaced(bars.quotes[t, CLOSE, a], feed[SHIFT, a])
        worst, dearest = price[ORACLE, a], price[ORACLE, a]
        if not bars.flags[t, FROZEN]:
            if oracle.delay == 0:
                low, high = (
                    displaced(bars.quotes[t, LOW, a], feed[SHIFT, a]),
                    displaced(bars.quotes[t, HIGH, a], feed[SHIFT, a]),
                )
                worst = low if abs(low / published - 1.0) >= deviation else worst
                dearest = high if abs(high / published - 1.0) >= deviation else dearest
            if abs(market / published - 1.0) >= deviation or now - way_time[slots, a] >= oracle.heartbeat:
                feed[PUBLISHED, a], way_time[slots, a] = market, now
        way[t % slots, a], way_time[t % slots, a] = feed[PUBLISHED, a], way_time[slots, a]
        readable = way[(t + 1) % slots, a]  # the oldest on its way; without delay, the one just published
        if oracle.delay > 0:
            worst, dearest = readable, readable
        stale = stale or now - way_time[(t + 1) % slots, a] > oracle.stale
        price[MARKET, a], price[ORACLE, a], price[OWED, a] = market, readable, readable * growth
        price[WORST, a], price[WORST_OWED, a] = worst, dearest * growth
    return stale


@njit(cache=True, nogil=True, error_model="numpy")
def play(
    bars: Bars,
    terms: Terms,
    accounts: Accounts,
    oracle: OracleNumbers,
    rules: RuleNumbers,
    depth: DepthArrays,
    owners: OwnerNumbers,
    state: State,  # as `fresh_state` gives it; written to
    blocks: IntArray,  # lengths in bars, each shorter than the one before; empty: no account is ever left out
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray]:
    """Return the daily table, the deficit at each close, and the executed liquidations: whole numbers, values.

    The accounts stand as given at the close of bar 0; every later bar is played in the order oracle, triggers,
    executions, owners, account by account. `bars` and `accounts` are only read.
    """
    n, assets = accounts.collateral.shape
    threshold, bonus, max_ltv = terms.threshold, terms.bonus, terms.max_ltv
    total, levels, own = len(bars.time), len(blocks), accounts.utilisation
    collateral, debt, ledger, price, feed = state.collateral, state.debt, state.ledger, state.price, state.feed
    for a in range(assets):
        for kind in range(5):
            owed = kind in (OWED, WORST_OWED)
            price[kind, a] = bars.quotes[0, CLOSE, a] * (bars.quotes[0, GROWTH, a] if owed else 1.0)
        for slot in range(oracle.delay + 1):
            state.way[slot, a], state.way_time[slot, a] = bars.quotes[0, CLOSE, a], bars.time[0]
        feed[PUBLISHED, a], feed[LOWEST, a], state.way_time[oracle.delay + 1, a] = bars.quotes[0, CLOSE, a], 1.0, bars.time[0]
    for i in range(n):
        if own[i] > 0.0:
            open_account(i, 1.0, state, accounts, terms, bars.row[0], price)
            ledger[i, TOP_UP_WAIT] = waiting_bars(uniform(accounts.seed, i, TOP_UP, 0), owners.top_up_idle)
            ledger[i, RELEVER_WAIT] = waiting_bars(uniform(accounts.seed, i, RELEVER, 0), owners.relever_idle)
        else:
            for a in range(assets):
                debt[i, a] /= bars.quotes[0, GROWTH, a]
            count_account(state, i, 1.0)
        for a in range(assets):
            feed[IS_HELD, a] = max(feed[IS_HELD, a], accounts.collateral[i, a])
            feed[IS_OWED, a] = max(feed[IS_OWED, a], accounts.debt[i, a])

    daily, deficit = np.zeros((bars.day[-1] + 1, COLUMNS)), np.zeros(total)
    whole, values, events = np.empty((1024, 4), np.int64), np.empty((1024, EVENT_VALUES)), state.events
    chosen, count, ends = np.empty((levels + 1, n), np.int64), np.zeros(levels + 1, np.int64), np.zeros(levels + 1, np.int64)
    for i in range(n):
        chosen[0, i] = i
    count[0], ends[0] = n, total

    for t in range(1, total):
        row, day, now = bars.row[t], daily[bars.day[t]], bars.time[t]
        for level in range(1, levels + 1):  # which accounts to look at, from coarse blocks to fine ones
            if t < ends[level]:
                continue
            ends[level] = min(t + blocks[level - 1], ends[level - 1])
            for a in range(assets):
                if level == 1 and depth.feedback:
                    feed[FLOOR, a] = feed[SHIFT, a] - GUARD
                    feed[LOWEST, a] = np.exp(feed[FLOOR, a])
                least, most = feed[PUBLISHED, a], feed[PUBLISHED, a]
                for slot in range(oracle.delay + 1):
                    least, most = min(least, state.way[slot, a]), max(most, state.way[slot, a])
                state.readable[0, a], state.readable[1, a] = least, most
            bounds = bounds_over(bars.quotes, threshold, max_ltv, bars.row, t, ends[level], state.readable, feed[LOWEST])
            fall = worst_fall(bounds, feed[ANCHOR:]) if level > 1 else 0.0
            count[level] = awake(
                chosen[level - 1, : count[level - 1]], chosen[level], bounds, t, ends[level], bars.time[ends[level] - 1],
                collateral, debt, own, owners, ledger, state.health, fall, level == 1,
            )  # fmt: skip
            if level == 1:
                for a in range(assets):
                    feed[ANCHOR, a], feed[ANCHOR_OWED, a] = price[ORACLE, a], price[OWED, a]
                    feed[ANCHOR_THRESHOLD, a] = threshold[row, a]
                take_health(chosen[1, : count[1]], state.health, feed[ANCHOR:], collateral, debt, own, ledger)

        stale = published_prices(t, bars, oracle, state)
        for a in range(assets):
            day[DEBT_HOURS] += state.sums[2, a] * price[OWED, a] * bars.hours
            day[COLLATERAL_HOURS] += state.sums[1, a] * price[ORACLE, a] * bars.hours
            feed[SOLD, a] = 0.0
        day[POSITION_HOURS] += state.sums[0, 0] * bars.hours
        working, capital, gas = not (bars.flags[t, HALTED] or stale), rules.capital, rules.gas * bars.costs[t, GAS]
        calling, worthless = working and bars.flags[t, CHECKED], gas / rules.win_probability if rules.liquidators else 0.0

        for place in range(count[levels]):
            i = chosen[levels, place]
            if ledger[i, REOPEN_AT] >= 0:
                if now >= ledger[i, REOPEN_AT]:
                    open_account(i, 0.0, state, accounts, terms, row, price)
                continue
            if ledger[i, SURE_FROM] >= 0:
                wake(ledger, i, t)
            # one pass over the account's assets, by hand: most accounts that are looked at are left alone
            owing, value, backing, limit, worst_owing, worst_backing = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for a in range(assets):
                held, owed, theta = collateral[i, a], debt[i, a], threshold[row, a]
                part = held * price[ORACLE, a]
                owing += owed * price[OWED, a]
                value += part
                backing += theta * part
                limit += max_ltv[row, a] * part
                worst_owing += owed * price[WORST_OWED, a]
                worst_backing += theta * (held * price[WORST, a])
            seen_now = Seen(owing, value, backing, own[i] * limit)
            at_risk = calling and worst_backing < worst_owing
            if at_risk:
                if now - ledger[i, UNHEALTHY] > rules.episode_gap:
                    day[EPISODES] += 1
                ledger[i, UNHEALTHY] = now
                if ledger[i, BUSY] < 0:
                    ledger[i, BUSY], state.health[i] = t + rules.execution_bars, 0.0
            if working and 0 <= ledger[i, BUSY] <= t:
                acting = True
                if ledger[i, AUCTION_FROM] == NEVER:
                    if health_factor(owing, backing) >= 1.0:
                        day[RECOVERED] += 1
                        # a bar whose low triggers, and which executes an older trigger, is a trigger of its own
                        ledger[i, BUSY] = t + rules.execution_bars if at_risk and rules.execution_bars > 0 else -1
                        acting = False
                    elif rules.auction and value > 0.0:
                        k = largest(collateral, i, price[ORACLE], threshold, row)
                        ledger[i, AUCTION_FROM], state.auction[i, 0] = now, rules.buffer * price[ORACLE, k]
                        state.auction[i, 1] = rules.tip + rules.chip * owing
                        acting = False
                    elif rules.liquidators and value > 0.0 and (owing <= value or value > worthless):
                        k, j = (
                            largest(collateral, i, price[ORACLE], threshold, row),
                            largest(debt, i, price[OWED], price, ORACLE),
                        )
                        _, wanted, _, smallest = offered(
                            seen_now,
                            collateral[i, k] * price[ORACLE, k],
                            debt[i, j] * price[OWED, j],
                            threshold[row, k],
                            bonus[row, k],
                            price[MARKET, k] / price[ORACLE, k],
                            price[MARKET, j] / price[ORACLE, j],
                            rules,
                            gas,
                        )
                        if wanted < smallest:  # nobody comes
                            day[STUCK_HOURS] += bars.hours
                            acting = False
                if acting:
                    if events[0] + 2 * assets + 2 > len(whole):
                        whole, values = with_room(whole, values, 2 * len(whole))
                    capital = liquidate(t, i, state, own[i], bars, terms, rules, depth, capital, day, whole, values)
                    seen_now = look(i, collateral, debt, price, terms, row, own[i])
                    if seen_now.debt <= 0.0:
                        ledger[i, BUSY] = -1
                        ledger[i, REOPEN_AT] = now + owners.reopen_after if own[i] > 0.0 else FOREVER
                        continue
            if own[i] > 0.0 and ledger[i, BUSY] < 0 and wants(seen_now, owners) >= 0:
                seen_now = owner_acts(i, seen_now, state, accounts, terms, row, price, owners)
            if seen_now.debt > seen_now.collateral:
                deficit[t] += seen_now.debt - seen_now.collateral
                day[INSOLVENT_HOURS] += bars.hours

        if depth.feedback:  # what the sales leave behind
            for a in range(assets):
                sold = feed[SOLD, a]
                fell = displacement(depth.law[a], depth.number[a], depth.sold[a], depth.slippage[a], bars.costs[t, DEPTH], sold)
                feed[FADES, a] = (feed[FADES, a] - (1 - depth.permanent) * fell) * depth.decay
                feed[STAYS, a] -= depth.permanent * fell
                feed[SHIFT, a] = feed[STAYS, a] + feed[FADES, a]
                if feed[SHIFT, a] < feed[FLOOR, a]:
                    for level in range(1, levels + 1):
                        ends[level] = t + 1
    return daily, deficit, whole[: events[0]], values[: events[0]]
