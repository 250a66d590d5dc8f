"""A book of positions, replayed over a market under the parameters in force at each bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import log1p
from typing import TYPE_CHECKING

import numpy as np

from riskparams.backtest.impact import MarketImpact, depth_arrays
from riskparams.backtest.liquidation import CappedBonus, DutchAuction, Intrabar, LinearBonus, LiquidationRules, Liquidators
from riskparams.backtest.market import Conditions, Market, calm
from riskparams.backtest.oracle import INSTANT, OracleRules
from riskparams.backtest.positions import Borrowers, Cohort, PositionBook
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.errors import ConfigError, ParameterError
from riskparams.terms import DAY, NANOSECONDS, Asset, FloatArray, IntArray, frozen

if TYPE_CHECKING:
    from riskparams.backtest.fills import RuleNumbers
    from riskparams.backtest.state import Terms

EPISODE_GAP = DAY  # a liquidation episode ends once the health factor has held at 1 or more for this long
JUDGEMENT = 7 * DAY  # how long the position is followed as if it had not been liquidated
SURE = 1 - 2.0**-53  # the largest chance whose logarithm of not coming is finite
BLOCKS = (672, 168, 24, 6, 1)  # bars in which an account that cannot reach a trigger is not looked at
PACES = (168, 24, 6)  # and in which, looking back, what an owner wanted is judged at once

DAILY_COLUMNS = (  # in the order of the engine's daily table
    "position_hours",
    "debt_hours",
    "collateral_hours",
    "episodes",
    "liquidations",
    "judged",
    "false_liquidations",
    "recovered",
    "repaid",
    "seized",
    "penalty",
    "protocol_fee",
    "bad_debt",
    "slippage",
    "profit",
    "stuck_hours",
    "insolvent_hours",
)
EVENT_COLUMNS = (  # in the order of the engine's event table
    "health",
    "repaid",
    "seized",
    "oracle_price",
    "market_price",
    "debt_price_ratio",
    "protocol_fee",
    "slippage",
    "costs",
    "profit",
    "bad_debt",
    "deficit",
    "judged_false",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyTotals:
    """Sums over all accounts for each UTC day, in units of account; read-only.

    Exposure of a bar is the debt carried into it, times its hours; `hours` are those replayed that day. A liquidation
    counts on the day it executes, and `judged` are those followed for seven days within the replay: whether one was
    false uses those later prices, and is the only number of a day that does. `slippage` is what sales lost to depth and
    `profit` what liquidators kept. `stuck_hours` are hours of accounts that nobody would liquidate, `insolvent_hours` of
    those that owe more than they hold. `deficit` is the day's largest sum of debt above collateral at a close, not yet
    realised.
    """

    day: IntArray
    hours: FloatArray
    max_ltv_hours: FloatArray
    position_hours: FloatArray
    debt_hours: FloatArray
    collateral_hours: FloatArray
    episodes: FloatArray
    liquidations: FloatArray
    judged: FloatArray
    false_liquidations: FloatArray
    recovered: FloatArray
    repaid: FloatArray
    seized: FloatArray
    penalty: FloatArray
    protocol_fee: FloatArray
    bad_debt: FloatArray
    slippage: FloatArray
    profit: FloatArray
    stuck_hours: FloatArray
    insolvent_hours: FloatArray
    deficit: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            frozen(getattr(self, field.name))

    def __len__(self) -> int:
        return len(self.day)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """Every executed liquidation, by time and then account; values in units of account, prices of one unit of an asset.

    `account` is the row of the book, `collateral` and `debt` columns of its assets. `health` is the factor at execution,
    before it. `repaid` and `seized` are at the oracle's prices, `market_price` is the market's before the sale, and
    `debt_price_ratio` the debt asset's market price over its oracle price. `protocol_fee` is the protocol's part of what
    was seized, `slippage` and `costs` (fees, gas) what the sale lost, `profit` what the liquidator kept. A write-off
    repays nothing: what is left of the collateral is the fee, the debt is bad. `deficit` is debt above collateral after it.
    `judged_false` is 1 where the position would have lived without the liquidation, 0 where not, and not a number where
    the following week is not known, or where it follows another of the same account at once.
    """

    time: IntArray
    account: IntArray
    collateral: IntArray
    debt: IntArray
    health: FloatArray
    repaid: FloatArray
    seized: FloatArray
    oracle_price: FloatArray
    market_price: FloatArray
    debt_price_ratio: FloatArray
    protocol_fee: FloatArray
    slippage: FloatArray
    costs: FloatArray
    profit: FloatArray
    bad_debt: FloatArray
    deficit: FloatArray
    judged_false: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            frozen(getattr(self, field.name))

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """What happened to a book: daily totals, each liquidation, and all that is needed to repeat it.

    `last_deficit` is the sum of debt above collateral at the last close: loss that is not yet realised. `looks` counts how
    often an account was looked at, over all bars and blocks of bars: what the replay cost.
    """

    name: str
    opened: int  # close of the bar at which the book opened
    last: int
    bar: int
    accounts: int
    looks: int
    daily: DailyTotals
    events: EventLog
    last_deficit: float
    rules: LiquidationRules
    cohort: Cohort
    book_seed: int
    prices_sha256: str


def replay(
    market: Market,
    schedule: ParameterSchedule | Mapping[Asset, ParameterSchedule],
    book: PositionBook | Borrowers,
    rules: LiquidationRules,
    *,
    cohort: Cohort | None = None,
    oracle: OracleRules = INSTANT,
    impact: MarketImpact | None = None,
    conditions: Conditions | None = None,
    start: int | None = None,
    end: int | None = None,
    name: str = "",
    skip: bool = True,
) -> BacktestResult:
    """Return what happens to the book over the bars that close after `start` and by `end` (the whole market).

    The book stands at the first bar's close; a bar's prices act on what was decided at earlier closes, and parameters
    apply to bars closing strictly after their effective time. A `schedule` is that of the first asset, or one an asset;
    assets without one back nothing. Within a bar: oracle, triggers, executions at the close of those due, then owners, as
    `cohort` says of accounts that are managed. With the `impact` of sales, prices are those of the history displaced by
    them; the history already holds the impact of the liquidations of its day. `skip` leaves out blocks of bars in which
    nothing can happen to an account; that changes no event.
    """
    from riskparams.backtest import engine, state

    window = slice(
        0 if start is None else int(np.searchsorted(market.time, start, side="right")),
        len(market) if end is None else int(np.searchsorted(market.time, end, side="right")),
    )
    conditions = conditions or calm(market)
    if conditions.debt_growth.shape != market.close.shape:
        raise ConfigError(
            f"conditions cover {conditions.debt_growth.shape} bars and assets, the market {market.close.shape}: "
            "expected the bars and assets of the whole market, in its order"
        )
    conditions = conditions.window(window)
    market = market.between(int(market.time[0]) - 1 if start is None else start, int(market.time[-1]) if end is None else end)
    accounts = book.book(market.assets, market.close[0]) if isinstance(book, Borrowers) else book
    if accounts.assets != market.assets:
        raise ConfigError(
            f"the book holds {', '.join(accounts.assets)}, the market prices {', '.join(market.assets)}: "
            "expected the same assets in the same order"
        )
    schedules = schedule if isinstance(schedule, Mapping) else {market.assets[0]: schedule}
    cohort = cohort or Cohort()
    time, hours = market.time, market.hours
    terms, rows = _terms(market, schedules)
    first_day = (int(time[1]) - 1) // DAY
    day = np.maximum((time - 1) // DAY - first_day, 0)
    worst = rules.intrabar is Intrabar.WORST
    bars = state.Bars(
        time=time,
        quotes=np.stack(
            [
                market.close,
                market.low if worst else market.close,
                market.high if worst else market.close,
                conditions.debt_growth,
            ],
            axis=1,
        ),
        flags=np.column_stack([conditions.frozen, conditions.checked, conditions.halted, time[-1] >= time + JUDGEMENT]),
        costs=np.column_stack([conditions.gas, conditions.depth]),
        day=day,
        row=rows,
        hours=hours,
        judgement=JUDGEMENT,
    )
    collateral, debt = state.side_by_side(accounts.collateral, accounts.debt)
    positions = state.Accounts(  # copies, since an array that is read-only is another type to the compiler
        collateral=collateral,
        debt=debt,
        utilisation=np.array(accounts.utilisation, dtype=np.float64),
        size=np.array(accounts.size, dtype=np.float64),
        seed=accounts.seed,
    )
    if unknown := oracle.by_asset.keys() - set(market.assets):
        raise ConfigError(
            f"the oracle has deviations for {', '.join(sorted(unknown))}, the market prices {', '.join(market.assets)}: "
            "leave out what it does not price"
        )
    feed = state.OracleNumbers(
        np.array([oracle.by_asset.get(asset, oracle.deviation) for asset in market.assets]),
        oracle.heartbeat_nanoseconds,
        oracle.delay_bars,
        oracle.stale_nanoseconds,
    )
    blocks, paces = (np.array(lengths if skip else (), dtype=np.int64) for lengths in (BLOCKS, PACES))
    fresh = state.fresh_state(positions, feed, len(time), paces, levels=len(blocks), auction=rules.auction is not None)
    table, deficit, whole, values = engine.play(
        bars,
        terms,
        positions,
        feed,
        _rule_numbers(rules),
        depth_arrays(impact, market.assets, bar_seconds=market.bar / NANOSECONDS),
        state.OwnerNumbers(
            float(cohort.top_up_below),
            log1p(-min(cohort.top_up_chance(hours), SURE)),
            float(cohort.relever_above),
            log1p(-min(cohort.relever_chance(hours), SURE)),
            cohort.reopen_nanoseconds,
        ),
        fresh,
        blocks,
    )
    days = int(day[-1]) + 1
    largest_deficit = np.zeros(days)
    np.maximum.at(largest_deficit, day[1:], deficit[1:])
    bar_hours = np.full(len(time) - 1, hours)
    lent = terms.max_ltv.max(axis=1)[rows[1:]]
    return BacktestResult(
        name=name,
        opened=int(time[0]),
        last=int(time[-1]),
        bar=market.bar,
        accounts=len(accounts),
        looks=int(fresh.looks[0]),
        daily=DailyTotals(
            day=(first_day + np.arange(days)) * DAY,
            hours=np.bincount(day[1:], weights=bar_hours, minlength=days).astype(np.float64),
            max_ltv_hours=np.bincount(day[1:], weights=bar_hours * lent, minlength=days).astype(np.float64),
            deficit=largest_deficit,
            **dict(zip(DAILY_COLUMNS, table.T.copy(), strict=True)),
        ),
        events=EventLog(
            time=time[whole[:, state.BAR]],
            account=whole[:, state.ACCOUNT].copy(),
            collateral=whole[:, state.COLLATERAL].copy(),
            debt=whole[:, state.DEBT].copy(),
            **dict(zip(EVENT_COLUMNS, values.T.copy(), strict=True)),
        ),
        last_deficit=float(deficit[-1]),
        rules=rules,
        cohort=cohort,
        book_seed=accounts.seed,
        prices_sha256=market.sha256(),
    )


def _terms(market: Market, schedules: Mapping[Asset, ParameterSchedule]) -> tuple[Terms, IntArray]:
    """Return the parameters as tables, a row for each set in force, and the row over each bar."""
    from riskparams.backtest.state import Terms

    if not schedules:
        raise ParameterError("no asset has a schedule of parameters, so nothing backs a debt: give one for each collateral")
    columns = {market.column(asset): schedule for asset, schedule in schedules.items()}
    by_bar = np.column_stack([schedule.rows(market.time) for schedule in columns.values()])
    found, rows = np.unique(by_bar, axis=0, return_inverse=True)
    tables = [np.zeros((len(found), len(market.assets))) for _ in range(3)]
    for place, (column, schedule) in enumerate(columns.items()):
        for table, name in zip(tables, ("max_ltv", "liquidation_threshold", "liquidation_bonus"), strict=True):
            table[:, column] = getattr(schedule, name)[found[:, place]]
    return Terms(*tables), rows.reshape(-1).astype(np.int64)


def _rule_numbers(rules: LiquidationRules) -> RuleNumbers:
    from riskparams.backtest import kernels
    from riskparams.backtest.fills import RuleNumbers

    costs = rules.liquidators or Liquidators(
        gas=0, win_probability=1, oracle_gap=0, venue_fee=0, flash_fee=0, margin=0, smallest_share=1
    )
    auction = rules.auction or DutchAuction()
    law, maximum, lowest = kernels.FIXED, 0.0, 0.0
    match rules.bonus:
        case LinearBonus() as linear:
            law, maximum, lowest = kernels.LINEAR, linear.maximum, linear.health_at_maximum
        case CappedBonus() as capped:
            law, maximum = kernels.CAPPED, capped.maximum
        case None:
            pass
    return RuleNumbers(  # floats throughout: an integer would be another type to the compiler
        execution_bars=rules.execution_bars,
        target=float(rules.target_health),
        close_factor=float(rules.close_factor or 0.0),
        full_close_below=float(rules.full_close_below),
        dust=float(rules.dust),
        protocol_share=float(rules.protocol_share),
        bonus_law=law,
        bonus_maximum=float(maximum),
        health_at_maximum=float(lowest),
        liquidators=rules.liquidators is not None,
        gas=float(costs.gas),
        win_probability=float(costs.win_probability),
        oracle_gap=float(costs.oracle_gap),
        venue_fee=float(costs.venue_fee),
        flash_fee=float(costs.flash_fee),
        demanded=float(costs.margin + costs.inventory),
        capital=float(costs.capital),
        smallest_share=float(costs.smallest_share),
        auction=rules.auction is not None,
        buffer=float(auction.buffer),
        cut=float(auction.cut),
        step=float(auction.step_seconds),
        tail=float(auction.tail_seconds),
        cusp=float(auction.cusp),
        tip=float(auction.tip),
        chip=float(auction.chip),
        episode_gap=EPISODE_GAP,
    )
