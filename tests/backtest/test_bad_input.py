"""Input that cannot be true, or that nobody can act on: each ends in a named error or in a result that says so.

What a market, an oracle and an impact refuse when they are made is tested beside them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lone_accounts import ALL_AT_ONCE, book_at, left_alone, market_at, observed
from slow_replay import HOUR, PAIR, START, TERMS

from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import CappedBonus, DutchAuction, LinearBonus, LiquidationRules, Liquidators
from riskparams.backtest.market import Conditions, calm
from riskparams.backtest.oracle import OracleRules
from riskparams.backtest.positions import Borrowers, Cohort, unmanaged
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.errors import ConfigError, DataError, InsufficientData, ParameterError
from riskparams.execution import ConstantProduct, Depth
from riskparams.terms import Asset

X = PAIR.collateral
FALL = np.r_[1.0, 1.0, np.full(10, 0.5)]
WAYS = {
    "at-any-price": ALL_AT_ONCE,
    "by-liquidators": replace(ALL_AT_ONCE, liquidators=Liquidators()),
    "by-auction": replace(ALL_AT_ONCE, auction=DutchAuction()),
    "by-keepers": replace(ALL_AT_ONCE, auction=DutchAuction(), liquidators=Liquidators()),
}


def played(**options: Any) -> BacktestResult:
    """Return what a fall by half does to a loan of 760 on 1,000 of X, with some of the arguments changed."""
    given = {
        "market": market_at(FALL),
        "schedule": ParameterSchedule.constant(TERMS, START),
        "book": book_at(1000.0, 760.0),
        "rules": ALL_AT_ONCE,
    } | options
    return replay(given.pop("market"), given.pop("schedule"), given.pop("book"), given.pop("rules"), **given)


def without_depth() -> Conditions:
    conditions = calm(market_at(FALL))
    return replace(conditions, depth=np.zeros(len(FALL)))


@pytest.mark.parametrize("rules", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "nothing",
    [
        {"conditions": without_depth()},
        {"conditions": without_depth(), "impact": MarketImpact(depth={X: ConstantProduct(1e9)})},
        {"conditions": without_depth(), "impact": MarketImpact(depth={X: Depth(daily_volume=1e9, daily_sigma=0.05)})},
        {"impact": MarketImpact(depth={X: Depth(daily_volume=0.0, daily_sigma=0.05)})},
        {"impact": MarketImpact(depth={X: Depth(daily_volume=1.0, daily_sigma=1.0)})},
    ],
    ids=["no-market", "empty-pool", "no-volume-today", "no-volume-ever", "worth-less-than-nothing"],
)
def test_without_depth_nobody_sells_and_the_deficit_stands_in_the_result(
    nothing: dict[str, Any], rules: LiquidationRules
) -> None:
    """Never a loss of zero: the account is stuck, insolvent, and its deficit of 260 is counted though not realised."""
    result = played(rules=rules, **nothing)
    assert len(result.events) == 0
    assert result.daily.bad_debt.sum() == 0
    assert result.daily.stuck_hours.sum() >= 9
    assert result.daily.insolvent_hours.sum() == 10
    assert result.daily.deficit.max() == pytest.approx(260.0, rel=1e-12)


@pytest.mark.parametrize("rules", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("execution_bars", [0, 2])
def test_debt_without_collateral_is_bad_at_the_first_execution(rules: LiquidationRules, execution_bars: int) -> None:
    book = book_at([1000.0, 0.0], [0.0, 500.0])
    assert book.without_collateral == 1
    result = played(book=book, rules=replace(rules, execution_bars=execution_bars))
    log = result.events
    assert (log.account.tolist(), log.bad_debt.tolist()) == ([1], [500.0])
    assert (log.health[0], log.repaid[0], log.seized[0], log.protocol_fee[0], log.profit[0]) == (0, 0, 0, 0, 0)
    assert log.time[0] == START + (2 + execution_bars) * HOUR
    assert (result.daily.bad_debt.sum(), result.daily.debt_hours.sum()) == (500.0, 500.0 * (1 + execution_bars))


def test_an_account_without_debt_is_never_touched() -> None:
    result = played(book=book_at([1000.0, 0.0], [0.0, 0.0]))
    assert len(result.events) == result.daily.position_hours.sum() == result.daily.episodes.sum() == 0


def test_collateral_worth_less_than_its_gas_is_written_off() -> None:
    rules = replace(ALL_AT_ONCE, liquidators=Liquidators(gas=300.0, win_probability=0.5))
    result = played(rules=rules)
    assert result.daily.bad_debt.sum() == pytest.approx(760.0)
    assert result.events.seized.tolist() == result.events.protocol_fee.tolist() == [500.0]
    assert played(rules=replace(rules, liquidators=Liquidators(gas=200.0, win_probability=0.5))).daily.stuck_hours.sum() > 0


def test_assets_in_another_order_than_the_markets_are_refused() -> None:
    book = unmanaged((PAIR.debt, PAIR.collateral), np.array([[0.0, 1.0]]), np.array([[0.5, 0.0]]))
    with pytest.raises(ConfigError, match="the book holds USD, X, the market prices X, USD: expected the same assets"):
        played(book=book)


def test_an_oracle_that_has_rules_for_what_the_market_does_not_price_is_refused() -> None:
    with pytest.raises(ConfigError, match="deviations for Y, the market prices X, USD: leave out"):
        played(oracle=OracleRules(by_asset={"Y": 0.01}))


def test_owners_who_borrow_need_a_second_asset() -> None:
    with pytest.raises(ConfigError, match="the market prices X alone: these owners pledge one asset and borrow another"):
        Borrowers(utilisation=np.array([1.0]), size=np.array([1e4]), seed=1).book([X], np.array([1.0]))


@pytest.mark.parametrize("wrong", [{"daily_volume": -1.0}, {"daily_volume": math.nan}, {"daily_sigma": -0.1}, {"spread": 1.0}])
def test_a_depth_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    name, value = next(iter(wrong.items()))
    with pytest.raises(ConfigError, match=f"depth: {name} is {value}: expected a number from 0 to below"):
        Depth(**{"daily_volume": 1e8, "daily_sigma": 0.04} | wrong)


def test_where_there_is_no_volume_all_is_lost_of_what_is_sold() -> None:
    none = Depth(daily_volume=0.0, daily_sigma=0.04)
    assert (none.slippage(1.0), none.slippage(0.0)) == (1.0, 0.00025)


def test_a_threshold_above_1_is_refused() -> None:
    above = np.array([1.3])
    with pytest.raises(ParameterError, match=r"liquidation_threshold reaches 1.3: .* collateral ratio of 130 % as 1 / 1.3"):
        ParameterSchedule(
            effective=np.array([START]), max_ltv=above - 0.1, liquidation_threshold=above, liquidation_bonus=above - 1
        )


def test_owners_who_act_in_every_bar_are_no_error() -> None:
    cohort = Cohort(top_up_hazard=1e3, top_up_success=1.0, relever_hazard=1e3)
    assert played(cohort=cohort).daily.hours.sum() == len(FALL) - 1


def test_a_schedule_that_begins_too_late_is_refused() -> None:
    late = ParameterSchedule.constant(TERMS, START + 3 * HOUR)
    with pytest.raises(ParameterError, match=r"no parameters are in force for the bar that closes .*start later"):
        played(schedule=late)
    assert len(played(schedule=late, start=START + 3 * HOUR).daily) == 1


@pytest.mark.parametrize(
    ("schedules", "error", "message"),
    [
        ({}, ParameterError, "no asset has a schedule"),
        ({Asset("Z"): ParameterSchedule.constant(TERMS, START)}, DataError, "Z is not among the market's assets X, USD"),
    ],
    ids=["none", "another-asset"],
)
def test_a_schedule_of_no_asset_of_the_market_is_refused(schedules: dict[Any, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        played(schedule=schedules)


@pytest.mark.parametrize(
    "other", [market_at(np.ones(len(FALL) - 1)), market_at(np.ones(len(FALL) + 5))], ids=["shorter", "longer"]
)
def test_conditions_of_another_length_are_refused(other: Any) -> None:
    with pytest.raises(ConfigError, match=rf"conditions cover \({len(other)}, 2\) bars and assets, the market \(12, 2\)"):
        played(conditions=calm(other))


def test_conditions_of_other_assets_are_refused() -> None:
    conditions = replace(calm(market_at(FALL)), debt_growth=np.ones((len(FALL), 3)))
    with pytest.raises(ConfigError, match=r"conditions cover \(12, 3\) bars and assets"):
        played(conditions=conditions)


def test_conditions_are_those_of_the_bars_that_are_replayed() -> None:
    halted = np.arange(len(FALL)) < 6
    conditions = replace(calm(market_at(FALL)), halted=halted)
    assert played(conditions=conditions, start=START + 4 * HOUR).events.time.tolist() == [START + 7 * HOUR]


@pytest.mark.parametrize(("start", "end"), [(11, 12), (20, 30), (5, 4)])
def test_a_replay_of_less_than_two_bars_is_refused(start: int, end: int) -> None:
    with pytest.raises(InsufficientData, match="at least 2"):
        played(start=START + start * HOUR, end=START + end * HOUR)


def test_an_impact_on_an_asset_that_is_not_traded_is_refused() -> None:
    with pytest.raises(ConfigError, match="a depth for Z"):
        played(impact=MarketImpact(depth={Asset("Z"): ConstantProduct(1e6)}))


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Liquidators, {"gas": -1.0}),
        (Liquidators, {"gas": np.nan}),
        (Liquidators, {"win_probability": 0.0}),
        (Liquidators, {"win_probability": 1.5}),
        (Liquidators, {"oracle_gap": -0.1}),
        (Liquidators, {"venue_fee": 1.0}),
        (Liquidators, {"flash_fee": np.inf}),
        (Liquidators, {"margin": -0.01}),
        (Liquidators, {"inventory": np.nan}),
        (Liquidators, {"capital": 0.0}),
        (Liquidators, {"capital": np.nan}),
        (Liquidators, {"smallest_share": 0.0}),
        (DutchAuction, {"buffer": 0.9}),
        (DutchAuction, {"cut": 0.0}),
        (DutchAuction, {"cut": 1.0}),
        (DutchAuction, {"step_seconds": 0.0}),
        (DutchAuction, {"tail_seconds": 10.0}),
        (DutchAuction, {"cusp": 1.1}),
        (DutchAuction, {"tip": -1.0}),
        (DutchAuction, {"chip": 2.0}),
        (LinearBonus, {"maximum": -0.1}),
        (LinearBonus, {"maximum": 0.1, "health_at_maximum": 1.0}),
        (CappedBonus, {"maximum": np.nan}),
        (Cohort, {"relever_above": 0.0}),
        (Cohort, {"relever_hazard": np.nan}),
        (Cohort, {"top_up_success": np.nan}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "-".join(f"{k}={v}" for k, v in value.items()),
)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(kind: type, wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=list(wrong)[-1]):
        kind(**wrong)


def test_an_auction_and_a_bonus_law_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="both an auction and a bonus law"):
        LiquidationRules(auction=DutchAuction(), bonus=CappedBonus(maximum=0.1))


def test_whole_numbers_are_as_good_as_fractions() -> None:
    """Rules, books and impacts given as integers mean the same, and are no other type to the compiler."""
    from riskparams.backtest.engine import play

    rules = LiquidationRules(target_health=1, full_close_below=1, dust=0, protocol_share=0, execution_bars=0, close_factor=1)
    impact = MarketImpact(depth={X: ConstantProduct(1e6)}, permanent=1)
    played(impact=impact)
    compiled = len(play.signatures)
    whole = replay(market_at(FALL), ParameterSchedule.constant(TERMS, START), book_at(1000, 760), rules, impact=impact)
    assert len(play.signatures) == compiled
    assert len(whole.events) == 1


def test_what_is_left_of_a_window_of_one_account_is_its_own() -> None:
    """The same fall, replayed from later on, begins with the balances given, not with those of an earlier bar."""
    whole = left_alone(1000.0, 760.0, observed(0.8, 0.05), ALL_AT_ONCE, close=FALL)
    later = left_alone(1000.0, 760.0, observed(0.8, 0.05), ALL_AT_ONCE, close=FALL, start=START + 5 * HOUR)
    assert whole.events.bad_debt == pytest.approx(later.events.bad_debt)
    assert (later.opened, later.events.time[0]) == (START + 6 * HOUR, START + 7 * HOUR)
