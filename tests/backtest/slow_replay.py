"""The replay as one would write it on paper: every account, every bar, plain Python. The engine must agree with it.

Also the small markets that the tests of this room share.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import CappedBonus, Intrabar, LinearBonus, LiquidationRules
from riskparams.backtest.market import Conditions, Market, calm, pair_market
from riskparams.backtest.oracle import INSTANT, OracleRules
from riskparams.backtest.positions import Borrowers, Cohort, PositionBook, draw_borrowers
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.execution import ConstantProduct, Depth, DepthCurve
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.prices.panel import Candles
from riskparams.terms import DAY, NANOSECONDS, Asset, FloatArray, Pair

HOUR = 3600 * NANOSECONDS
START = 1_640_995_200 * NANOSECONDS  # 2022-01-01
TERMS = RiskParameters(max_ltv=0.75, liquidation_threshold=0.8, liquidation_bonus=0.05)
COHORT = Cohort(top_up_hazard=0.1, relever_hazard=0.02)  # who borrow again within days, so that much happens
PAIR = Pair(Asset("X"), Asset("USD"))


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


def book_of(accounts: int, seed: int = 1, terms: RiskParameters | ObservedParameters = TERMS) -> Borrowers:
    return draw_borrowers(COHORT, accounts, terms, np.random.default_rng(seed))


def one_account(utilisation: float = 1.0, size: float = 10_000.0) -> Borrowers:
    return Borrowers(utilisation=np.array([utilisation]), size=np.array([size]), seed=7)


def market_of(candles: Candles) -> Market:
    return pair_market(candles, PAIR, bar=HOUR)


def replayed(
    candles: Candles,
    book: Borrowers,
    terms: RiskParameters | ObservedParameters | ParameterSchedule = TERMS,
    rules: LiquidationRules | None = None,
    cohort: Cohort = COHORT,
) -> BacktestResult:
    schedule = terms if isinstance(terms, ParameterSchedule) else ParameterSchedule.constant(terms, START)
    return replay(market_of(candles), schedule, book, rules or LiquidationRules(), cohort=cohort, name="X/USD")


def _mixed(key: int) -> int:
    mask = 2**64 - 1
    z = (key + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def slow_uniform(seed: int, account: int, subsystem: int, number: int) -> float:
    stream = _mixed(_mixed(_mixed(seed) ^ account) ^ subsystem)
    return ((_mixed(stream ^ number) >> 11) + 1) * 2.0**-53


def slow_wait(seed: int, account: int, subsystem: int, number: int, chance: float) -> int:
    """Bars until the first success of so many chances; 2**40 where there is none."""
    if chance <= 0:
        return 2**40
    return 1 + int(math.log(slow_uniform(seed, account, subsystem, number)) / math.log1p(-chance))


def lost_in_sale(depth: Depth | ConstantProduct | DepthCurve | None, deep: float, value: float) -> float:
    """What a sale loses in all; infinite where there is no market for it."""
    if value <= 0:
        return 0.0
    if deep <= 0:
        return math.inf
    if depth is None:
        return 0.0
    share = depth.slippage(value / deep)
    return value * share if share < 1 else math.inf


def mark_after(depth: Depth | ConstantProduct | DepthCurve | None, deep: float, value: float) -> float:
    """How far the price stands, in logs, below where it was once a value has been sold."""
    if depth is None or value <= 0 or deep <= 0:
        return 0.0
    if isinstance(depth, Depth):
        return depth.daily_sigma * math.sqrt(value / deep / depth.daily_volume)
    if isinstance(depth, ConstantProduct):
        return -math.log(depth.price_after(value / deep))
    q = value / deep
    if q > depth.sold[-1]:
        return 0.0
    before, lost = 0.0, 0.0
    for end, slip in zip(depth.sold, depth.average_slippage, strict=True):
        if q <= end:  # proceeds are q (1 - s(q)); the marginal price is their derivative
            marginal = 1 - depth.slippage(q) - q * (slip - lost) / (end - before)
            break
        before, lost = end, slip
    return -math.log(max(marginal, 1e-6))


@dataclass
class Account:
    held: list[float]
    owed: list[float]  # before growth
    open: bool = True
    due: int | None = None
    reopen: int | None = None
    unhealthy: float = -math.inf
    auction: tuple[int, float] | None = None
    keeper_due: float = 0.0


class SlowReplay:
    """One replay; `events` and `daily` are what it found."""

    def __init__(
        self,
        market: Market,
        schedules: dict[Asset, ParameterSchedule],
        book: PositionBook,
        rules: LiquidationRules,
        cohort: Cohort = COHORT,
        oracle: OracleRules = INSTANT,
        impact: MarketImpact | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        self.market, self.schedules, self.book, self.rules, self.cohort = market, schedules, book, rules, cohort
        self.oracle, self.impact, self.conditions = oracle, impact, conditions or calm(market)
        self.assets = range(len(market.assets))
        self.depth = [(impact.depth.get(asset) if impact else None) for asset in market.assets]
        self.daily: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        self.events: list[dict[str, float]] = []
        self.waits: dict[tuple[int, int], int] = {}  # bars of wanting until a top-up
        self.thinks: dict[int, int] = {}  # the next bar in which an owner thinks of borrowing more
        self.draws: dict[tuple[int, int], int] = defaultdict(int)

    # -- prices and parameters
    def terms(self, t: int) -> list[ObservedParameters]:
        nothing = ObservedParameters(max_ltv=0, liquidation_threshold=0, liquidation_bonus=0)
        time = int(self.market.time[t])
        return [self.schedules[a].at(time) if a in self.schedules else nothing for a in self.market.assets]

    def growth(self, t: int, a: int) -> float:
        return float(self.conditions.debt_growth[t, a])

    def value(self, account: Account, prices: list[float]) -> float:
        return sum(account.held[a] * prices[a] for a in self.assets)

    def debt(self, account: Account, prices: list[float], t: int) -> float:
        return sum(account.owed[a] * prices[a] * self.growth(t, a) for a in self.assets)

    def backing(self, account: Account, prices: list[float], t: int) -> float:
        return sum(self.terms(t)[a].liquidation_threshold * account.held[a] * prices[a] for a in self.assets)

    def wanted(self, i: int, account: Account, prices: list[float], t: int) -> float:
        limit = sum(self.terms(t)[a].max_ltv * account.held[a] * prices[a] for a in self.assets)
        return float(self.book.utilisation[i]) * limit

    def health(self, account: Account, prices: list[float], t: int) -> float:
        debt = self.debt(account, prices, t)
        return self.backing(account, prices, t) / debt if debt > 0 else math.inf

    # -- owners
    def wait(self, i: int, subsystem: int) -> int:
        chance = (
            self.cohort.top_up_chance(self.market.hours) if subsystem == 1 else self.cohort.relever_chance(self.market.hours)
        )
        return slow_wait(self.book.seed, i, subsystem, self.draws[i, subsystem], chance)

    def begin(self, i: int, prices: list[float], t: int, *, at_size: bool) -> Account:
        account = Account(self.book.collateral[i].tolist(), self.book.debt[i].tolist())
        if self.book.utilisation[i] == 0:
            account.owed = [account.owed[a] / self.growth(t, a) for a in self.assets]
            return account
        scale = float(self.book.size[i]) / self.value(account, prices) if at_size else 1.0
        factor = self.wanted(i, account, prices, t) / self.debt(account, prices, t)
        account.held = [held * scale for held in account.held]
        account.owed = [owed * (scale * factor) for owed in account.owed]
        return account

    def owner(self, i: int, account: Account, prices: list[float], t: int) -> None:
        if self.book.utilisation[i] == 0 or account.due is not None:
            return
        debt, wanted, health = (
            self.debt(account, prices, t),
            self.wanted(i, account, prices, t),
            self.health(account, prices, t),
        )
        if health < self.cohort.top_up_below and wanted < debt:
            subsystem = 1
        elif wanted > debt and (health > self.cohort.relever_above or debt < wanted / 2):
            subsystem = 2
        else:
            return
        if subsystem == 1:
            self.waits[i, 1] -= 1
            acts = self.waits[i, 1] == 0
            if acts:
                self.draws[i, 1] += 1
                self.waits[i, 1] = self.wait(i, 1)
        else:
            acts = self.thinks[i] == t
        if acts:
            if debt > 0:
                account.owed = [owed * (wanted / debt) for owed in account.owed]
            else:
                makeup = self.book.debt[i].tolist()
                makeup_debt = sum(makeup[a] * prices[a] * self.growth(t, a) for a in self.assets)
                account.owed = [owed * (wanted / makeup_debt) for owed in makeup]

    # -- liquidation
    def choose(self, amounts: list[float], prices: list[float], allowed: list[float]) -> int:
        values = [amounts[a] * prices[a] for a in self.assets]
        good = [a for a in self.assets if allowed[a] > 0 and values[a] > 0]
        return max(good or self.assets, key=lambda a: (values[a], -a))

    def sale(self, k: int, t: int, gas: float, paid: float, value: float) -> tuple[float, float, float, bool]:
        deep, before = float(self.conditions.depth[t]), self.sold[k]
        lost = lost_in_sale(self.depth[k], deep, before + value) - lost_in_sale(self.depth[k], deep, before)
        if not lost < math.inf:
            return 0.0, 0.0, 0.0, False
        who = self.rules.liquidators
        if who is None:
            return lost, 0.0, value - lost - paid, True
        costs = who.venue_fee * (value - lost) + who.flash_fee * paid + gas
        proceeds = (value * (1 - who.oracle_gap) - lost) * (1 - who.venue_fee)
        required = paid * (1 + who.flash_fee + who.margin + who.inventory) + gas / who.win_probability
        return lost, costs, value - lost - paid - costs, proceeds >= required

    def bonus(self, base: float, health: float, loan_to_value: float) -> float:
        match self.rules.bonus:
            case LinearBonus() as law:
                share = min(max((1 - health) / (1 - law.health_at_maximum), 0), 1)
                return base + max(law.maximum - base, 0) * share
            case CappedBonus() as law:
                return max(base, min(law.maximum, 1 / loan_to_value - 1))
            case None:
                return base

    def call(self, account: Account, t: int, prices: list[float], gas: float) -> dict[str, float] | None:
        rules, terms = self.rules, self.terms(t)
        k = self.choose(account.held, prices, [x.liquidation_threshold for x in terms])
        j = self.choose(account.owed, [prices[a] * self.growth(t, a) for a in self.assets], [1.0] * len(terms))
        theta, debt, health = terms[k].liquidation_threshold, self.debt(account, prices, t), self.health(account, prices, t)
        b = self.bonus(terms[k].liquidation_bonus, health, debt / self.value(account, prices))
        held, owing = account.held[k] * prices[k], account.owed[j] * prices[j] * self.growth(t, j)
        if health < rules.full_close_below or (rules.close_factor is None and rules.target_health <= theta * (1 + b)):
            allowed = debt
        else:
            share = rules.close_factor or (rules.target_health - health) / (rules.target_health - theta * (1 + b))
            allowed = debt if debt - share * debt < rules.dust else share * debt
        wanted = min(allowed, owing, held / (1 + b))
        repaid = min(wanted, self.capital)
        while repaid > 0 and (rules.liquidators is None or repaid >= rules.liquidators.smallest_share * wanted):
            exhausted = repaid >= held / (1 + b)
            seized = held if exhausted else repaid * (1 + b)
            fee = rules.protocol_share * (seized - repaid)
            value, paid = (seized - fee) * self.now[k] / prices[k], repaid * self.now[j] / prices[j]
            lost, costs, profit, acts = self.sale(k, t, gas, paid, value)
            if acts:
                whole = repaid >= wanted
                return {
                    "collateral": k, "debt": j, "repaid": repaid, "seized": seized, "protocol_fee": fee, "slippage": lost,
                    "costs": costs, "profit": profit, "sold": value,
                    "whole": whole and allowed <= wanted, "capped": whole and allowed > wanted,
                }  # fmt: skip
            repaid /= 2
        return None

    def take(self, account: Account, t: int, prices: list[float], gas: float) -> dict[str, float] | None:
        """A keeper looks at every step of the auction that stands within the bar, one after the other."""
        rules, terms, auction = self.rules, self.terms(t), self.rules.auction
        assert auction is not None
        assert account.auction is not None
        k = self.choose(account.held, prices, [x.liquidation_threshold for x in terms])
        j = self.choose(account.owed, [prices[a] * self.growth(t, a) for a in self.assets], [1.0] * len(terms))
        b, per_unit = terms[k].liquidation_bonus, self.now[j] / prices[j]
        asked, held = account.owed[j] * prices[j] * self.growth(t, j) * (1 + b), account.held[k]
        lot, step, time = min(held * self.now[k], asked), int(auction.step_seconds * 1e9), self.market.time.tolist()
        lost = self.sale(k, t, gas, 0.0, lot)[0]
        worth = 1 - lost / lot
        if rules.liquidators:
            who = rules.liquidators
            worth = (worth - who.oracle_gap) * (1 - who.venue_fee) - gas / (who.win_probability * lot)
            worth /= 1 + who.flash_fee + who.margin + who.inventory
        begun, top = account.auction
        number = 0
        while True:
            share = (1 - auction.cut) ** number
            over = number * step > int(auction.tail_seconds / auction.step_seconds) * step
            if over or share < auction.cusp * (1 - 1e-12):
                if begun + number * step > time[t]:
                    break
                begun, top, number = begun + number * step, auction.buffer * prices[k], 0
                continue
            if begun + number * step > time[t]:
                break
            price, stands = top * share, begun + (number + 1) * step > time[t - 1]
            if stands and price <= self.now[k] * worth / per_unit * (1 + 1e-13):
                raised = min(asked, held * price, self.capital)
                if raised <= 0:
                    break
                exhausted = raised >= held * price
                quantity = held if exhausted else raised / price
                lost, costs, profit, acts = self.sale(k, t, gas, raised * per_unit, quantity * self.now[k])
                if acts and profit >= 0:
                    account.auction = (begun, top)
                    return {
                        "collateral": k, "debt": j, "repaid": raised / (1 + b), "seized": quantity * prices[k],
                        "protocol_fee": raised - raised / (1 + b), "slippage": lost, "costs": costs, "profit": profit,
                        "sold": quantity * self.now[k], "whole": exhausted or raised >= asked, "capped": False,
                    }  # fmt: skip
            number += 1
        account.auction = (begun, top)
        return None

    def would_have_lived(self, account: Account, t: int, bonus: float) -> bool:
        time, s, low, high = self.market.time, t, self.low, self.high
        while True:
            closing = self.market.close[s].tolist()
            debt = self.debt(account, closing if s == t else high[s], s)
            if self.value(account, closing if s == t else low[s]) < (1 + bonus) * debt:
                return False
            if s + 1 >= len(time) or time[s + 1] > time[t] + 7 * DAY:
                thresholds = [x.liquidation_threshold for x in self.terms(t)]
                owed = self.debt(account, closing, s)
                return owed <= 0 or sum(thresholds[a] * account.held[a] * closing[a] for a in self.assets) / owed >= 1
            s += 1

    def execute(self, i: int, account: Account, t: int, prices: list[float], gas: float, day: int) -> None:
        rules, auctioned, tries = self.rules, account.auction is not None, 0
        gone_below = gas / rules.liquidators.win_probability if rules.liquidators else 0.0
        while True:
            tries += 1
            value, debt, health = self.value(account, prices), self.debt(account, prices, t), self.health(account, prices, t)
            if value <= gone_below and debt > value:
                j = self.choose(account.owed, [prices[a] * self.growth(t, a) for a in self.assets], [1.0] * len(prices))
                fill = dict.fromkeys(("repaid", "slippage", "costs", "profit", "sold", "collateral"), 0.0)
                fill |= {"debt": j, "seized": value, "protocol_fee": value, "whole": True, "capped": False}
            else:
                found = self.take(account, t, prices, gas) if auctioned else self.call(account, t, prices, gas)
                if found is None:
                    if tries == 1:
                        self.daily["stuck_hours"][day] += self.market.hours
                    return
                fill = found
            k, j = int(fill["collateral"]), int(fill["debt"])
            false = math.nan
            if self.market.time[-1] >= self.market.time[t] + 7 * DAY and tries == 1:
                false = float(self.would_have_lived(account, t, self.terms(t)[k].liquidation_bonus))
                self.daily["judged"][day] += 1
                self.daily["false_liquidations"][day] += false
            if auctioned:
                fill["protocol_fee"] -= account.keeper_due * prices[j] / self.now[j]
                fill["profit"] += account.keeper_due
                account.keeper_due = 0.0
            bad = 0.0
            if fill["repaid"] == 0:
                account.held = [0.0] * len(prices)
            else:
                left, rest = (
                    account.held[k] - fill["seized"] / prices[k],
                    account.owed[j] - fill["repaid"] / prices[j] / self.growth(t, j),
                )
                account.held[k] = left if left > 1e-12 * account.held[k] else 0.0
                account.owed[j] = rest if rest > 1e-12 * account.owed[j] else 0.0
            self.sold[k] += fill["sold"]
            self.capital -= fill["repaid"]
            if self.debt(account, prices, t) > 0 and self.value(account, prices) <= 0:
                bad, account.owed = self.debt(account, prices, t), [0.0] * len(prices)
            left = self.debt(account, prices, t)
            event = {name: fill[name] for name in ("repaid", "seized", "protocol_fee", "slippage", "costs", "profit")}
            event |= {
                "time": int(self.market.time[t]), "account": i, "collateral": k, "debt": j, "health": health, "bad_debt": bad,
                "oracle_price": prices[k], "market_price": self.now[k], "debt_price_ratio": self.now[j] / prices[j],
                "deficit": max(0.0, left - self.value(account, prices)), "judged_false": false,
            }  # fmt: skip
            self.events.append(event)
            for name in ("repaid", "seized", "protocol_fee", "slippage", "profit", "bad_debt"):
                self.daily[name][day] += event[name]
            self.daily["liquidations"][day] += 1
            self.daily["penalty"][day] += fill["seized"] - fill["repaid"]
            done = bool(fill["whole"]) or left <= 0 or (not auctioned and self.health(account, prices, t) >= 1)
            if not done and not fill["capped"]:
                return
            if done or tries >= 2 * len(prices):
                account.due = account.auction = None
                return

    def run(self) -> SlowReplay:
        market, conditions, rules, oracle = self.market, self.conditions, self.rules, self.oracle
        worst = rules.intrabar is Intrabar.WORST
        self.low = (market.low if worst else market.close).tolist()
        self.high = (market.high if worst else market.close).tolist()
        first = market.close[0].tolist()
        history = [[(price, int(market.time[0])) for price in first]]  # what was published, bar by bar
        accounts = [self.begin(i, first, 0, at_size=False) for i in range(len(self.book))]
        for i in range(len(accounts)):
            self.waits[i, 1], self.thinks[i] = self.wait(i, 1), self.wait(i, 2)
        stays, fades, readable = [0.0 for _ in first], [0.0 for _ in first], first
        for t in range(1, len(market.time)):
            time, day = int(market.time[t]), (int(market.time[t]) - 1) // DAY * DAY
            shift = [math.exp(stays[a] + fades[a]) if stays[a] + fades[a] else 1.0 for a in self.assets]
            self.now = [float(market.close[t, a]) * shift[a] for a in self.assets]
            lows, highs = ([float(side[t][a]) * shift[a] for a in self.assets] for side in (self.low, self.high))
            shown_low, shown_high, published = list(readable), list(readable), list(history[-1])
            for a, asset in enumerate(market.assets):
                last, since = history[-1][a]
                least = oracle.by_asset.get(asset, oracle.deviation)
                if conditions.frozen[t]:
                    continue
                if oracle.delay_bars == 0:
                    shown_low[a] = lows[a] if abs(lows[a] / last - 1) >= least else shown_low[a]
                    shown_high[a] = highs[a] if abs(highs[a] / last - 1) >= least else shown_high[a]
                if abs(self.now[a] / last - 1) >= least or time - since >= oracle.heartbeat_nanoseconds:
                    published[a] = (self.now[a], time)
                    shown_low[a], shown_high[a] = min(shown_low[a], self.now[a]), max(shown_high[a], self.now[a])
            history.append(published)
            visible = history[max(0, t - oracle.delay_bars)]
            readable = [price for price, _ in visible]
            if oracle.delay_bars > 0:
                shown_low, shown_high = list(readable), list(readable)
            working = not conditions.halted[t] and all(time - since <= oracle.stale_nanoseconds for _, since in visible)
            for account in accounts:
                debt = self.debt(account, readable, t)
                if account.open and debt > 0:
                    self.daily["position_hours"][day] += market.hours
                    self.daily["debt_hours"][day] += debt * market.hours
                    self.daily["collateral_hours"][day] += self.value(account, readable) * market.hours
            self.sold = [0.0 for _ in first]
            self.capital = rules.liquidators.capital if rules.liquidators else math.inf
            gas = rules.liquidators.gas * float(conditions.gas[t]) if rules.liquidators else 0.0
            for i, account in enumerate(accounts):
                if t > self.thinks[i]:
                    self.draws[i, 2] += 1
                    self.thinks[i] += self.wait(i, 2)
                if not account.open:
                    if account.reopen is not None and time >= account.reopen:
                        accounts[i] = self.begin(i, readable, t, at_size=True)
                    continue
                at_risk = bool(
                    working
                    and conditions.checked[t]
                    and self.backing(account, shown_low, t) < self.debt(account, shown_high, t)
                )
                if at_risk:
                    self.daily["episodes"][day] += time - account.unhealthy > DAY
                    account.unhealthy = time
                    account.due = t + rules.execution_bars if account.due is None else account.due
                if working and account.due is not None and account.due <= t:
                    if account.auction is not None:
                        self.execute(i, account, t, readable, gas, day)
                    elif self.health(account, readable, t) >= 1:
                        self.daily["recovered"][day] += 1
                        account.due = t + rules.execution_bars if at_risk and rules.execution_bars > 0 else None
                    elif rules.auction and self.value(account, readable) > 0:
                        k = self.choose(account.held, readable, [x.liquidation_threshold for x in self.terms(t)])
                        account.auction = (time, rules.auction.buffer * readable[k])
                        account.keeper_due = rules.auction.tip + rules.auction.chip * self.debt(account, readable, t)
                    else:
                        self.execute(i, account, t, readable, gas, day)
                    if self.debt(account, readable, t) <= 0:
                        managed = self.book.utilisation[i] > 0
                        account.open, account.due, account.auction = False, None, None
                        account.reopen = time + self.cohort.reopen_nanoseconds if managed else None
                        continue
                self.owner(i, account, readable, t)
                short = self.debt(account, readable, t) - self.value(account, readable)
                if short > 0:
                    self.daily["insolvent_hours"][day] += market.hours
                    self.daily["deficit at " + str(t)][day] += short
            if self.impact is not None and self.impact.feedback:
                decay = 0.5 ** (market.hours * 3600 / self.impact.half_life.total_seconds())
                for a in self.assets:
                    fell = mark_after(self.depth[a], float(conditions.depth[t]), self.sold[a])
                    fades[a] = (fades[a] - (1 - self.impact.permanent) * fell) * decay
                    stays[a] -= self.impact.permanent * fell
        for name in [name for name in self.daily if name.startswith("deficit at ")]:
            for day, amount in self.daily.pop(name).items():
                self.daily["deficit"][day] = max(self.daily["deficit"][day], amount)
        return self
