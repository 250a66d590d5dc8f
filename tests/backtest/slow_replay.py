"""The replay as one would write it on paper: every account, every bar, plain Python. The kernel must agree with it.

Also the small markets that the tests of this room share.
"""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from riskparams.backtest.liquidation import Intrabar, LiquidationRules
from riskparams.backtest.positions import Cohort, PositionBook, draw_book
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.prices.panel import Candles
from riskparams.terms import DAY, NANOSECONDS, FloatArray

HOUR = 3600 * NANOSECONDS
START = 1_640_995_200 * NANOSECONDS  # 2022-01-01
TERMS = RiskParameters(max_ltv=0.75, liquidation_threshold=0.8, liquidation_bonus=0.05)
COHORT = Cohort()


def candles_of(close: FloatArray, low: FloatArray | None = None) -> Candles:
    """Return hourly bars, the first closing an hour after START."""
    close = np.array(close, dtype=float)
    low = close.copy() if low is None else np.array(low, dtype=float)
    bars = len(close)
    return Candles(
        time=START + HOUR * np.arange(1, bars + 1),
        open=close.copy(),
        high=close.copy(),
        low=low,
        close=close,
        volume=np.ones(bars),
        usable=np.ones(bars, dtype=bool),
        segment=np.zeros(bars, dtype=np.int64),
    )


def rough_market(bars: int, seed: int, sigma: float = 0.012) -> Candles:
    """Return a market of fat tails, a crash every ten days and slow recoveries: whatever can happen to an account does."""
    rng = np.random.default_rng(seed)
    moves = sigma * rng.standard_t(3, bars) / math.sqrt(3)
    moves[100::240] -= 0.35
    level = np.zeros(bars)
    for t in range(1, bars):
        level[t] = 0.99 * level[t - 1] + moves[t]
    close = 2000 * np.exp(level)
    return candles_of(close, close * (1 - 0.01 * rng.random(bars)))


def book_of(accounts: int, seed: int = 1, terms: RiskParameters | ObservedParameters = TERMS) -> PositionBook:
    return draw_book(COHORT, accounts, terms, np.random.default_rng(seed))


def one_account(utilisation: float = 1.0, size: float = 10_000.0) -> PositionBook:
    return PositionBook(utilisation=np.array([utilisation]), size=np.array([size]), seed=7)


def replayed(
    candles: Candles,
    book: PositionBook,
    terms: RiskParameters | ObservedParameters | ParameterSchedule = TERMS,
    rules: LiquidationRules | None = None,
    cohort: Cohort = COHORT,
) -> BacktestResult:
    schedule = terms if isinstance(terms, ParameterSchedule) else ParameterSchedule.constant(terms, START)
    rules = rules or LiquidationRules()
    return replay(candles, schedule, book, rules, cohort=cohort, start=START, end=int(candles.time[-1]), bar=HOUR, pair="X/USD")


def _mixed(key: int) -> int:
    mask = 2**64 - 1
    z = (key + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def slow_uniform(seed: int, account: int, time: int, subsystem: int) -> float:
    stream = _mixed(_mixed(seed) ^ account)
    return (_mixed(stream ^ _mixed(time + subsystem)) >> 11) * 2.0**-53


def slow_replay(
    candles: Candles, schedule: ParameterSchedule, book: PositionBook, rules: LiquidationRules, cohort: Cohort
) -> tuple[dict[str, dict[int, float]], list[tuple[int, int, float, float, float, float, float]]]:
    """Return daily totals by name and UTC day, and the liquidations by time and account."""
    time, close, low = candles.time.tolist(), candles.close.tolist(), candles.low.tolist()
    trigger = low if rules.intrabar is Intrabar.WORST else close
    daily: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    deficits: dict[int, float] = defaultdict(float)
    events = []
    for account in range(len(book)):
        own, size = float(book.utilisation[account]), float(book.size[account])
        quantity = size / close[0]
        debt = own * schedule.at(time[0]).max_ltv * size
        pending, unhealthy, reopen = None, -math.inf, None
        for t in range(1, len(time)):
            terms, day = schedule.at(time[t]), (time[t] - 1) // DAY * DAY
            theta, bonus = terms.liquidation_threshold, terms.liquidation_bonus
            if reopen is not None:
                if time[t] >= reopen:
                    quantity, debt, reopen = size / close[t], own * terms.max_ltv * size, None
                continue
            if debt > 0:
                daily["position_hours"][day] += 1
                daily["debt_hours"][day] += debt
                daily["collateral_hours"][day] += quantity * close[t]
            if debt > 0 and theta * (quantity * trigger[t]) / debt < 1:
                daily["episodes"][day] += time[t] - unhealthy > DAY
                unhealthy = time[t]
                pending = t + rules.execution_bars if pending is None else pending
            value = quantity * close[t]
            health = theta * value / debt if debt > 0 else math.inf
            if pending == t:
                pending = None
                if health >= 1:
                    daily["recovered"][day] += 1
                    if rules.execution_bars > 0 and theta * (quantity * trigger[t]) / debt < 1:
                        pending = t + rules.execution_bars
                else:
                    later = [s for s in range(t + 1, len(time)) if time[s] <= time[t] + 7 * DAY]
                    if time[-1] >= time[t] + 7 * DAY:
                        daily["judged"][day] += 1
                        lowest = min(value, min(quantity * low[s] for s in later))
                        stood = theta * (quantity * close[later[-1]]) / debt >= 1
                        daily["false_liquidations"][day] += lowest >= (1 + bonus) * debt and stood
                    most = min(debt, value / (1 + bonus))
                    repaid = most
                    if health >= rules.full_close_below and rules.target_health > theta * (1 + bonus):
                        wanted = debt * (rules.target_health - health) / (rules.target_health - theta * (1 + bonus))
                        repaid = most if debt - wanted < rules.dust else min(wanted, most)
                    exhausted = repaid >= value / (1 + bonus)
                    seized = value if exhausted else repaid * (1 + bonus)
                    bad = debt - repaid if exhausted else 0.0
                    debt = 0.0 if exhausted else debt - repaid
                    quantity -= seized / close[t]
                    events.append((time[t], account, health, repaid, seized, close[t], bad))
                    for name, amount in (
                        ("liquidations", 1),
                        ("repaid", repaid),
                        ("seized", seized),
                        ("penalty", bonus * repaid),
                        ("protocol_fee", rules.protocol_share * bonus * repaid),
                        ("bad_debt", bad),
                    ):
                        daily[name][day] += amount
                    if debt <= 0:
                        reopen = time[t] + cohort.reopen_nanoseconds
                        continue
                    value = quantity * close[t]
                    health = theta * value / debt
            if pending is None:
                wanted = own * terms.max_ltv * value
                if health < cohort.top_up_below and wanted < debt:
                    if slow_uniform(book.seed, account, time[t], 1) < cohort.top_up_chance(1.0):
                        debt = wanted
                elif (
                    wanted > debt
                    and (health > cohort.relever_above or debt < wanted / 2)
                    and slow_uniform(book.seed, account, time[t], 2) < cohort.relever_chance(1.0)
                ):
                    debt = wanted
            deficits[t] += max(0.0, debt - value)
    for t, amount in deficits.items():
        day = (time[t] - 1) // DAY * DAY
        daily["deficit"][day] = max(daily["deficit"][day], amount)
    return daily, sorted(events)
