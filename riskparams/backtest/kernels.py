"""The replay of many accounts over one price history, bar by bar: arrays in, arrays out.

Notation: D debt, C collateral value, HF = theta C / D, b the liquidation bonus. Debt bears no interest here.
Validation is the caller's; nothing outside this module imports numba.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskparams.terms import BoolArray, FloatArray, IntArray

# columns of the daily table
POSITION_HOURS, DEBT_HOURS, COLLATERAL_HOURS, EPISODES, LIQUIDATIONS, JUDGED, FALSE, RECOVERED = range(8)
REPAID, SEIZED, PENALTY, PROTOCOL_FEE, BAD_DEBT = range(8, 13)
COLUMNS = 13

# columns of the event table
HEALTH, EVENT_REPAID, EVENT_SEIZED, PRICE, EVENT_BAD_DEBT = range(5)

# subsystems with draws of their own; bar times are multiples of a second, so time + subsystem never collides
TOP_UP, RELEVER = 1, 2

NEVER = -(2**62)


@njit(cache=True, nogil=True)
def mixed(key: np.uint64) -> np.uint64:
    """Return the splitmix64 hash of a 64-bit key (Steele, Lea & Flood 2014)."""
    z = np.uint64(key) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def account_stream(seed: int, account: int) -> np.uint64:
    """Return the key of one account's draws: it depends on the book's seed and the account, nothing else."""
    return mixed(mixed(np.uint64(seed)) ^ np.uint64(account))


@njit(cache=True, nogil=True)
def uniform(stream: np.uint64, time: int, subsystem: int) -> float:
    """Return the number in [0, 1) that an account draws in the bar closing at `time`, whatever the parameters are."""
    bits = mixed(np.uint64(stream) ^ mixed(np.uint64(time) + np.uint64(subsystem)))
    return float(bits >> np.uint64(11)) * 2.0**-53


@njit(cache=True, nogil=True, error_model="numpy")
def health_factor(debt: float, collateral: float, threshold: float) -> float:
    """Return theta C / D; infinite without debt."""
    return np.inf if debt <= 0 else threshold * collateral / debt


@njit(cache=True, nogil=True, error_model="numpy")
def repayment(
    debt: float, collateral: float, threshold: float, bonus: float, target: float, full_close_below: float, dust: float
) -> float:
    """Return the debt one liquidation repays: D (h* - HF) / (h* - theta (1 + b)), or all that debt or collateral allows."""
    most = min(debt, collateral / (1 + bonus))
    health = health_factor(debt, collateral, threshold)
    slope = target - threshold * (1 + bonus)
    if health < full_close_below or slope <= 0:
        return most
    repaid = debt * (target - health) / slope
    return most if debt - repaid < dust else min(repaid, most)


@njit(cache=True, nogil=True, error_model="numpy")
def settled(debt: float, collateral: float, repaid: float, bonus: float) -> tuple[float, float, float, float]:
    """Return debt left, collateral left, value seized and bad debt; debt without collateral is bad, and gone."""
    if repaid >= collateral / (1 + bonus):
        return 0.0, 0.0, collateral, debt - repaid
    seized = repaid * (1 + bonus)
    return debt - repaid, collateral - seized, seized, 0.0


@njit(cache=True, nogil=True)
def window_ahead(time: IntArray, low: FloatArray, close: FloatArray, span: int) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return, for each bar, the lowest low and last close in (t, t + span], and whether the history reaches that far."""
    bars = len(time)
    lowest, last, known = np.full(bars, np.inf), close.copy(), np.zeros(bars, np.bool_)
    queue, head, tail, end = np.empty(bars, np.int64), 0, 0, 0
    for t in range(bars):
        while end < bars and time[end] <= time[t] + span:
            while tail > head and low[queue[tail - 1]] >= low[end]:
                tail -= 1
            queue[tail] = end
            tail += 1
            end += 1
        while tail > head and queue[head] <= t:
            head += 1
        if tail > head:
            lowest[t] = low[queue[head]]
        last[t] = close[end - 1]
        known[t] = time[bars - 1] >= time[t] + span
    return lowest, last, known


@njit(cache=True, nogil=True, error_model="numpy")
def replay_accounts(
    time: IntArray,
    trigger_price: FloatArray,  # the price of a bar that can trigger: its low or its close
    close: FloatArray,
    lowest_ahead: FloatArray,
    last_ahead: FloatArray,
    judged: BoolArray,
    hours: float,  # of one bar
    stretch: IntArray,  # first bars of the stretches of one day and one set of parameters, and the end of the last
    day: IntArray,  # of each stretch, from 0
    ltv: FloatArray,  # of each stretch, as are the next seven
    threshold: FloatArray,
    bonus: FloatArray,
    price_floor: FloatArray,  # lowest price that can trigger or close
    price_ceiling: FloatArray,  # highest close
    close_sum: FloatArray,
    opening_ltv: float,
    days: int,
    utilisation: FloatArray,
    size: FloatArray,
    seed: int,
    execution_bars: int,
    target: float,
    full_close_below: float,
    dust: float,
    protocol_share: float,
    top_up_below: float,
    top_up_chance: float,
    relever_above: float,
    relever_chance: float,
    reopen_after: int,
    episode_gap: int,
) -> tuple[FloatArray, FloatArray, IntArray, IntArray, FloatArray]:
    """Return the daily table, the deficit of each bar, and the executed liquidations: bar, account, values.

    Accounts open at the close of bar 0. A stretch whose prices stay between the levels at which an account could do
    anything is summed at once; that changes no event. Events come account by account.
    """
    daily = np.zeros((days, COLUMNS))
    deficit = np.zeros(len(close))
    event_bar, event_account, event = np.empty(1024, np.int64), np.empty(1024, np.int64), np.empty((1024, 5))
    events = 0
    for account in range(len(size)):
        own = utilisation[account]
        stream = account_stream(seed, account)
        quantity = size[account] / close[0]
        debt = own * opening_ltv * size[account]
        is_open, pending, last_unhealthy, reopen_at = True, -1, NEVER, 0
        for s in range(len(day)):
            first, end = stretch[s], stretch[s + 1]
            theta, b, limit = threshold[s], bonus[s], own * ltv[s]
            row = daily[day[s]]
            if not is_open and time[end - 1] < reopen_at:
                continue
            if is_open and pending < 0:
                if debt <= 0 and limit <= 0:
                    continue
                liquidatable = debt / (theta * quantity)
                at_own = debt / (limit * quantity)
                quiet_above = max(liquidatable, debt / quantity, min(top_up_below * liquidatable, at_own))
                quiet_below = max(at_own, min(relever_above * liquidatable, 2 * at_own))
                if debt > 0 and price_floor[s] > quiet_above * (1 + 1e-9) and price_ceiling[s] < quiet_below * (1 - 1e-9):
                    span = (end - first) * hours
                    row[POSITION_HOURS] += span
                    row[DEBT_HOURS] += debt * span
                    row[COLLATERAL_HOURS] += quantity * close_sum[s] * hours
                    continue
            for t in range(first, end):
                if not is_open:
                    if time[t] >= reopen_at:
                        quantity = size[account] / close[t]
                        debt = limit * size[account]
                        is_open = True
                    continue
                if debt > 0:
                    row[POSITION_HOURS] += hours
                    row[DEBT_HOURS] += debt * hours
                    row[COLLATERAL_HOURS] += quantity * close[t] * hours
                if health_factor(debt, quantity * trigger_price[t], theta) < 1:
                    if time[t] - last_unhealthy > episode_gap:
                        row[EPISODES] += 1
                    last_unhealthy = time[t]
                    if pending < 0:
                        pending = t + execution_bars
                collateral = quantity * close[t]
                health = health_factor(debt, collateral, theta)
                if pending == t:
                    pending = -1
                    if health >= 1:
                        row[RECOVERED] += 1
                        if execution_bars > 0 and health_factor(debt, quantity * trigger_price[t], theta) < 1:
                            pending = t + execution_bars  # this bar's low is a trigger of its own
                    else:
                        if judged[t]:
                            row[JUDGED] += 1
                            lowest = min(collateral, quantity * lowest_ahead[t])
                            if lowest >= (1 + b) * debt and health_factor(debt, quantity * last_ahead[t], theta) >= 1:
                                row[FALSE] += 1
                        repaid = repayment(debt, collateral, theta, b, target, full_close_below, dust)
                        debt, _, seized, bad_debt = settled(debt, collateral, repaid, b)
                        quantity -= seized / close[t]
                        row[LIQUIDATIONS] += 1
                        row[REPAID] += repaid
                        row[SEIZED] += seized
                        row[PENALTY] += b * repaid
                        row[PROTOCOL_FEE] += protocol_share * b * repaid
                        row[BAD_DEBT] += bad_debt
                        if events == len(event_bar):
                            event_bar = np.concatenate((event_bar, np.empty_like(event_bar)))
                            event_account = np.concatenate((event_account, np.empty_like(event_account)))
                            event = np.concatenate((event, np.empty_like(event)))
                        event_bar[events], event_account[events] = t, account
                        event[events, HEALTH], event[events, PRICE] = health, close[t]
                        event[events, EVENT_REPAID], event[events, EVENT_SEIZED] = repaid, seized
                        event[events, EVENT_BAD_DEBT] = bad_debt
                        events += 1
                        if debt <= 0:
                            is_open, reopen_at = False, time[t] + reopen_after
                            continue
                        collateral = quantity * close[t]
                        health = health_factor(debt, collateral, theta)
                if pending < 0:
                    wanted = limit * collateral
                    thin = health < top_up_below and wanted < debt
                    slack = wanted > debt and (health > relever_above or debt < wanted / 2)
                    if (thin and uniform(stream, time[t], TOP_UP) < top_up_chance) or (
                        slack and uniform(stream, time[t], RELEVER) < relever_chance
                    ):
                        debt = wanted
                if debt > collateral:
                    deficit[t] += debt - collateral
    return daily, deficit, event_bar[:events].copy(), event_account[:events].copy(), event[:events].copy()


@njit(cache=True, nogil=True)
def first_touches(
    low: FloatArray, segment: IntArray, opening: IntArray, barrier: FloatArray, follow: int, execution_bars: int
) -> IntArray:
    """Return the first bar after each opening whose low touches its barrier and whose execution is known, else -1."""
    touch = np.full(len(opening), -1)
    for i in range(len(opening)):
        for t in range(opening[i] + 1, min(opening[i] + follow + 1, len(low) - execution_bars)):
            if segment[t + execution_bars] != segment[opening[i]]:
                break
            if low[t] <= barrier[i]:
                touch[i] = t
                break
    return touch
