"""The replay of many accounts over one market, bar by bar, compiled: arrays in, arrays out.

Bars run outside and accounts inside, because accounts meet: in the price that liquidations leave behind, and in the
liquidators' capital. An account is looked at only in blocks of bars in which its health could fall below 1, and what its
owner did meanwhile is caught up with; that changes no event (`blocks` empty looks at every account in every bar, and the
tests compare the two).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskparams.backtest.asleep import awake
from riskparams.backtest.bounds import bounds_of_past, bounds_over, owed_swing, worst_fall
from riskparams.backtest.fills import MARKET, ORACLE, OWED, WORST, WORST_OWED, RuleNumbers, Seen, largest, offered
from riskparams.backtest.impact import DepthArrays
from riskparams.backtest.kernels import displaced, displacement, health_factor, uniform, waiting_bars
from riskparams.backtest.owners import live, open_account, wants
from riskparams.backtest.settlement import liquidate, with_room
from riskparams.backtest.state import (
    ANCHOR,
    ANCHOR_OWED,
    ANCHOR_THRESHOLD,
    AUCTION_FROM,
    BUSY,
    CHECKED,
    CLOSE,
    COLLATERAL_HOURS,
    COLUMNS,
    DEBT_HOURS,
    DEPTH,
    EPISODES,
    EVENT_VALUES,
    FADES,
    FINER,
    FOREVER,
    FROZEN,
    GAS,
    GROWTH,
    GUARD,
    HALTED,
    HIGH,
    INSOLVENT_HOURS,
    IS_HELD,
    IS_OWED,
    LIVED,
    LOW,
    LOWEST,
    NEVER,
    POSITION_HOURS,
    PUBLISHED,
    RECOVERED,
    RELEVER,
    RELEVER_AT,
    REOPEN_AT,
    SHIFT,
    SOLD,
    STAYS,
    STUCK_HOURS,
    TOP_UP,
    TOP_UP_WAIT,
    UNHEALTHY,
    Accounts,
    Bars,
    OracleNumbers,
    OwnerNumbers,
    State,
    Terms,
    count_account,
    look,
)
from riskparams.terms import FloatArray, IntArray


@njit(cache=True, nogil=True)
def published_prices(t: int, bars: Bars, oracle: OracleNumbers, state: State) -> bool:
    """Fill in the price table of bar t, bring the oracle up to date, and return whether a price is too old to be used."""
    price, before, feed, way, way_time = state.price[t], state.price[t - 1], state.feed, state.way, state.way_time
    slots, now, stale = oracle.delay + 1, bars.time[t], False
    for a in range(feed.shape[1]):
        published, deviation, growth = feed[PUBLISHED, a], oracle.deviation[a], bars.quotes[t, GROWTH, a]
        market = displaced(bars.quotes[t, CLOSE, a], feed[SHIFT, a])
        worst, dearest = before[ORACLE, a], before[ORACLE, a]
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
                worst, dearest = min(worst, market), max(dearest, market)
        way[t % slots, a], way_time[t % slots, a] = feed[PUBLISHED, a], way_time[slots, a]
        readable = way[(t + 1) % slots, a]  # the oldest on its way; without delay, the one just published
        if oracle.delay > 0:
            worst, dearest = readable, readable
        stale = stale or now - way_time[(t + 1) % slots, a] > oracle.stale
        price[MARKET, a], price[ORACLE, a], price[OWED, a] = market, readable, readable * growth
        price[WORST, a], price[WORST_OWED, a] = worst, dearest * growth
    return stale


@njit(cache=True, nogil=True)
def exposure(bars: Bars, state: State, daily: FloatArray) -> None:
    """Fill in the position, debt and collateral hours of each day: what was carried into a bar, times its hours."""
    carried = state.changes[0]
    for t in range(1, len(bars.time)):
        day = daily[bars.day[t]]
        day[POSITION_HOURS] += carried[0, 0] * bars.hours
        for a in range(carried.shape[1]):
            day[DEBT_HOURS] += carried[2, a] * state.price[t, OWED, a] * bars.hours
            day[COLLATERAL_HOURS] += carried[1, a] * state.price[t, ORACLE, a] * bars.hours
        carried += state.changes[t]


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
    collateral, debt, ledger, feed, price = state.collateral, state.debt, state.ledger, state.feed, state.price[0]
    paces, managed = state.paces, own.max() > 0.0
    for a in range(assets):
        for kind in range(5):
            owed = kind in (OWED, WORST_OWED)
            price[kind, a] = bars.quotes[0, CLOSE, a] * (bars.quotes[0, GROWTH, a] if owed else 1.0)
        for slot in range(oracle.delay + 1):
            state.way[slot, a], state.way_time[slot, a] = bars.quotes[0, CLOSE, a], bars.time[0]
        feed[PUBLISHED, a], feed[LOWEST, a], state.way_time[oracle.delay + 1, a] = bars.quotes[0, CLOSE, a], 1.0, bars.time[0]
    for i in range(n):
        if own[i] > 0.0:
            open_account(0, i, 1.0, state, accounts, terms, bars.row[0])
            ledger[i, TOP_UP_WAIT] = waiting_bars(uniform(accounts.seed, i, TOP_UP, 0), owners.top_up_idle)
            ledger[i, RELEVER_AT] = waiting_bars(uniform(accounts.seed, i, RELEVER, 0), owners.relever_idle)
        else:
            for a in range(assets):
                debt[i, a] /= bars.quotes[0, GROWTH, a]
            count_account(state, 0, i, 1.0)
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
        row, day, now, price = bars.row[t], daily[bars.day[t]], bars.time[t], state.price[t - 1]
        for level in range(1, levels + 1):  # which accounts to look at, from coarse blocks to fine ones
            if t < ends[level]:
                continue
            ends[level] = min(t + blocks[level - 1], ends[level - 1])
            for a in range(assets):
                if depth.feedback:  # nothing is displaced further within one bar
                    guard = GUARD * FINER ** (level - 1) if ends[level] > t + 1 else 0.0
                    state.floor[level, a] = max(feed[SHIFT, a] - guard, state.floor[level - 1, a])
                    feed[LOWEST, a] = displaced(1.0, state.floor[level, a])
                least, most = feed[PUBLISHED, a], feed[PUBLISHED, a]
                for slot in range(oracle.delay + 1):
                    least, most = min(least, state.way[slot, a]), max(most, state.way[slot, a])
                state.readable[0, a], state.readable[1, a] = least, most
            bounds = bounds_over(bars.quotes, threshold, max_ltv, bars.row, t, ends[level], state.readable, feed[LOWEST])
            if level == 1:
                for a in range(assets):
                    feed[ANCHOR, a], feed[ANCHOR_OWED, a] = price[ORACLE, a], price[OWED, a]
                    feed[ANCHOR_THRESHOLD, a] = threshold[row, a]
            fall = worst_fall(bounds, feed[ANCHOR:]) if level > 1 else 0.0
            swing, last, found = owed_swing(bounds, feed[ANCHOR:]), bars.time[ends[level] - 1], count[level - 1]
            state.looks[0] += found
            for again in range(2 if managed else 1):
                found = awake(
                    chosen[level if again else level - 1, :found], chosen[level], bounds, swing, fall, t, ends[level], last,
                    state, own, managed, feed[ANCHOR:], ends[1], level == 1,
                )  # fmt: skip
                if managed and not again:
                    live(chosen[level, :found], t, state, accounts, terms, bars.row, owners)
            count[level] = found

        stale, price = published_prices(t, bars, oracle, state), state.price[t]
        feed[SOLD] = 0.0
        working, capital, gas = not (bars.flags[t, HALTED] or stale), rules.capital, rules.gas * bars.costs[t, GAS]
        calling, worthless = working and bars.flags[t, CHECKED], gas / rules.win_probability if rules.liquidators else 0.0

        state.looks[0] += count[levels]
        for place in range(count[levels]):
            i = chosen[levels, place]
            if ledger[i, REOPEN_AT] >= 0:
                if now >= ledger[i, REOPEN_AT]:
                    open_account(t, i, 0.0, state, accounts, terms, row)
                continue
            if own[i] > 0.0 and ledger[i, LIVED] < t - 1:
                live(chosen[levels, place : place + 1], t, state, accounts, terms, bars.row, owners)
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
                        state.health[i] = 0.0 if own[i] > 0.0 else np.inf
                        continue
            if own[i] > 0.0 and ledger[i, BUSY] < 0 and wants(seen_now, owners) >= 0:
                live(chosen[levels, place : place + 1], t + 1, state, accounts, terms, bars.row, owners)
                seen_now = look(i, collateral, debt, price, terms, row, own[i])
            ledger[i, LIVED] = t
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
            for level in range(1, levels + 1):
                for a in range(assets):
                    if feed[SHIFT, a] < state.floor[level, a]:
                        for finer in range(level, levels + 1):
                            ends[finer] = min(ends[finer], t + 1)
        for level in range(len(paces)):
            if (t + 1) % paces[level] == 0:
                first = t + 1 - paces[level]
                block = state.past[level, first // paces[level]]
                bounds_of_past(block, state.price, threshold, max_ltv, bars.row, first, t + 1)

    live(chosen[0], total, state, accounts, terms, bars.row, owners)
    exposure(bars, state, daily)
    return daily, deficit, whole[: events[0]], values[: events[0]]
