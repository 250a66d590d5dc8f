"""The liquidation of one account within a bar, compiled: fill after fill, into the event log and the totals of the day."""

from __future__ import annotations

import numpy as np
from numba import njit

from riskparams.backtest.bounds import SLACK
from riskparams.backtest.fills import MARKET, ORACLE, OWED, Auction, Fill, RuleNumbers, bid, called, largest
from riskparams.backtest.impact import DepthArrays
from riskparams.backtest.kernels import health_factor
from riskparams.backtest.state import (
    ACCOUNT,
    AUCTION_FROM,
    BAD_DEBT,
    BAR,
    BUSY,
    CLOSE,
    COLLATERAL,
    DEBT,
    DEBT_PRICE_RATIO,
    DEPTH,
    EVENT_BAD_DEBT,
    EVENT_COSTS,
    EVENT_DEFICIT,
    EVENT_FEE,
    EVENT_PROFIT,
    EVENT_REPAID,
    EVENT_SEIZED,
    EVENT_SLIPPAGE,
    EVENT_VALUES,
    FALSE,
    GAS,
    GROWTH,
    HEALTH,
    HIGH,
    IS_JUDGED,
    JUDGED,
    JUDGED_FALSE,
    LIQUIDATIONS,
    LOW,
    MARKET_PRICE,
    NEVER,
    ORACLE_PRICE,
    PENALTY,
    PROFIT,
    PROTOCOL_FEE,
    REPAID,
    ROUNDING,
    SEIZED,
    SLIPPAGE,
    SOLD,
    STUCK_HOURS,
    Bars,
    State,
    Terms,
    count_account,
    look,
    scale_row,
)
from riskparams.terms import FloatArray, IntArray


@njit(cache=True, nogil=True)
def follow(t: int, bars: Bars, following: FloatArray) -> int:
    """Return the last bar of the judgement that begins at t; fill in the least and the most of prices on the way, once a bar.

    `following` is (2, assets + 1): what an asset is worth at least, what a unit of it is owed at most; t and that last bar.
    """
    assets, last = following.shape[1] - 1, int(following[1, -1])
    if following[0, -1] == t:
        return last
    last = t
    while last + 1 < len(bars.time) and bars.time[last + 1] <= bars.time[t] + bars.judgement:
        last += 1
    for a in range(assets):
        least, most = bars.quotes[t, CLOSE, a], bars.quotes[t, CLOSE, a] * bars.quotes[t, GROWTH, a]
        for s in range(t + 1, last + 1):
            least = min(least, bars.quotes[s, LOW, a])
            most = max(most, bars.quotes[s, HIGH, a] * bars.quotes[s, GROWTH, a])
        following[0, a], following[1, a] = least, most
    following[0, -1], following[1, -1] = t, last
    return last


@njit(cache=True, nogil=True)
def kept_health(t: int, i: int, state: State, terms: Terms, row: int, bonus: float, bars: Bars) -> bool:
    """Return whether account i, left alone, would have lived: C >= (1 + b) D while judged, and HF >= 1 at its end."""
    quotes, threshold, collateral, debt, following = bars.quotes, terms.threshold, state.collateral, state.debt, state.following
    assets, last = collateral.shape[1], follow(t, bars, following)
    owing, worst, backing = 0.0, 0.0, 0.0
    for a in range(assets):
        owing += debt[i, a] * quotes[last, GROWTH, a] * quotes[last, CLOSE, a]
        backing += threshold[row, a] * collateral[i, a] * quotes[last, CLOSE, a]
    if health_factor(owing, backing) < 1.0:
        return False
    owing = 0.0
    for a in range(assets):
        owing += debt[i, a] * following[1, a]
        worst += collateral[i, a] * following[0, a]
    if worst >= (1 + bonus) * owing * (1 + SLACK):  # at the worst of each price, whenever that was
        return True
    for s in range(t, last + 1):
        owing, worst = 0.0, 0.0
        for a in range(assets):
            owing += debt[i, a] * quotes[s, GROWTH, a] * quotes[s, CLOSE if s == t else HIGH, a]
            worst += collateral[i, a] * quotes[s, CLOSE if s == t else LOW, a]
        if worst < (1 + bonus) * owing:
            return False
    return True


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
    collateral, debt, price = state.collateral, state.debt, state.price[t]
    in_auction = state.ledger[i, AUCTION_FROM] > NEVER
    gas = rules.gas * bars.costs[t, GAS]
    worthless = gas / rules.win_probability if rules.liquidators else 0.0
    seen_now = look(i, collateral, debt, price, terms, row, own)
    count_account(state, t, i, -1.0)
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
            false = 1.0 if kept_health(t, i, state, terms, row, terms.bonus[row, k], bars) else 0.0
            day[JUDGED] += 1
            day[FALSE] += false
        if in_auction:
            due = state.auction[i, 1]  # in units of account; the fee is in the debt asset, at the oracle's price
            fee, profit = fee - due * price[ORACLE, j] / price[MARKET, j], profit + due
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
    count_account(state, t, i, 1.0)
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
