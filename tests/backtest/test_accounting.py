"""Where value goes: conserved in every fill, added up over days and over the run, and owed to nothing but the input."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lone_accounts import AT_ONCE, left_alone, observed
from slow_replay import HOUR
from small_worlds import World, played, random_world

from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import DutchAuction, LiquidationRules
from riskparams.backtest.oracle import INSTANT
from riskparams.backtest.replay import BacktestResult, DailyTotals, EventLog
from riskparams.execution import ConstantProduct, Depth, DepthCurve
from riskparams.terms import DAY, FloatArray

MONEY = ("repaid", "seized", "protocol_fee", "slippage", "costs", "profit", "bad_debt", "deficit")
seeds = st.integers(0, 1_000_000)


def same(one: EventLog, other: EventLog, names: tuple[str, ...] = tuple(field.name for field in fields(EventLog))) -> None:
    for name in names:
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name


def unmanaged_world(world: World) -> World:
    nobody = np.zeros(len(world.book))
    return replace(world, book=replace(world.book, utilisation=nobody, size=nobody))


def deep_world(world: World) -> World:
    """Return the world with a market at every bar."""
    return replace(world, conditions=replace(world.conditions, depth=np.ones(len(world.market))))


@given(seed=seeds)
@settings(max_examples=80)
def test_every_fill_conserves_value_across_borrower_liquidator_protocol_and_market(seed: int) -> None:
    """At the market's prices; an auction raises its penalty in the debt asset, a write-off leaves the collateral.

    borrower    -seized x market / oracle + repaid x ratio         market  slippage + costs
    protocol    fee x market / oracle, or fee x ratio              liquidator  profit
    """
    world = random_world(seed)
    log = played(world).events
    gap = log.market_price / log.oracle_price
    in_debt_asset = (world.rules.auction is not None) & (log.repaid > 0)
    borrower = -log.seized * gap + log.repaid * log.debt_price_ratio
    protocol = log.protocol_fee * np.where(in_debt_asset, log.debt_price_ratio, gap)
    total = borrower + log.profit + protocol + log.slippage + log.costs
    filled = (log.repaid > 0) | (world.rules.auction is None)  # a keeper's reward may fall due with a write-off
    assert np.all(np.abs(total[filled]) <= 1e-9 * np.maximum(log.seized * gap, log.costs)[filled])
    assert min(log.seized.min(initial=0), log.repaid.min(initial=0), log.bad_debt.min(initial=0)) >= 0


def test_a_keepers_reward_is_the_protocols_loss() -> None:
    rules = replace(AT_ONCE, close_factor=None, auction=DutchAuction(tip=0.01, chip=0.02))
    paid, unpaid = (
        left_alone(1.2, 1.0, observed(0.8, 0.05), with_reward, close=np.ones(9)).events
        for with_reward in (rules, replace(rules, auction=DutchAuction()))
    )
    assert len(paid) == len(unpaid) == 1
    assert paid.profit - unpaid.profit == pytest.approx([0.03], rel=1e-9)
    assert paid.profit + paid.protocol_fee == pytest.approx(unpaid.profit + unpaid.protocol_fee, rel=1e-12)


@given(seed=seeds)
@settings(max_examples=40)
def test_the_totals_of_a_day_are_the_sums_of_its_events(seed: int) -> None:
    result = played(random_world(seed))
    log, daily = result.events, result.daily
    row = np.searchsorted(daily.day, (log.time - 1) // DAY * DAY)
    columns = {name: getattr(log, name) for name in ("repaid", "seized", "protocol_fee", "bad_debt", "slippage", "profit")}
    columns |= {"liquidations": np.ones(len(log)), "penalty": log.seized - log.repaid}
    for name, values in columns.items():
        summed = np.bincount(row, weights=values, minlength=len(daily))
        assert getattr(daily, name) == pytest.approx(summed, rel=1e-9, abs=1e-9 * log.seized.max(initial=1.0)), name


def audited(world: World, result: BacktestResult) -> FloatArray:
    """Keep the balances of the book by the log alone, check each event against them, and return debt x hours by day.

    The oracle shows each close, and sales leave no trace in prices.
    """
    market, log, growth = world.market, result.events, world.conditions.debt_growth
    held, owed = world.book.collateral.copy(), world.book.debt / growth[0]
    day = np.searchsorted(result.daily.day, (market.time - 1) // DAY * DAY)
    debt_hours, event = np.zeros(len(result.daily)), 0
    for t in range(1, len(market)):
        price, owing = market.close[t], market.close[t] * growth[t]
        debt_hours[day[t]] += float((owed @ owing).sum()) * market.hours
        threshold = np.array(
            [
                world.schedules[asset].at(int(market.time[t])).liquidation_threshold if asset in world.schedules else 0.0
                for asset in market.assets
            ]
        )
        while event < len(log) and log.time[event] == market.time[t]:
            i, k, j = log.account[event], log.collateral[event], log.debt[event]
            assert log.health[event] == pytest.approx(threshold * held[i] @ price / (owed[i] @ owing), rel=1e-7)
            if log.repaid[event] == 0:
                assert log.seized[event] == pytest.approx(held[i] @ price, rel=1e-9)
                held[i] = 0.0
            else:
                held[i, k] -= log.seized[event] / price[k]
                owed[i, j] -= log.repaid[event] / owing[j]
            assert min(held[i, k], owed[i, j]) >= -1e-9 * max(world.book.collateral[i, k], world.book.debt[i, j])
            if log.bad_debt[event] > 0:
                assert log.bad_debt[event] == pytest.approx(owed[i] @ owing, rel=1e-7)
                assert held[i] @ price <= 1e-9 * world.book.collateral[i] @ price
                owed[i] = 0.0
            deficit = max(0.0, owed[i] @ owing - held[i] @ price)
            assert log.deficit[event] == pytest.approx(deficit, rel=1e-7, abs=1e-7 * (1 + log.repaid[event]))
            event += 1
    assert event == len(log)
    return debt_hours


@given(seed=seeds)
@settings(max_examples=40)
def test_what_was_held_and_owed_less_what_the_log_took_is_what_is_left(seed: int) -> None:
    """Every health, deficit and bad debt of the log follows from the opening book and the events before it."""
    world = unmanaged_world(replace(random_world(seed), oracle=INSTANT))
    conditions = replace(world.conditions, frozen=np.zeros(len(world.market), dtype=bool))
    world = replace(world, conditions=conditions, impact=world.impact and replace(world.impact, feedback=False))
    result = played(world)
    assert result.daily.debt_hours == pytest.approx(audited(world, result), rel=1e-9, abs=1e-6)


@given(seed=seeds)
@settings(max_examples=30)
def test_an_infinitely_deep_market_is_the_run_without_impact_to_the_bit(seed: int) -> None:
    world = deep_world(random_world(seed))
    bottomless = {asset: Depth(daily_volume=1e300, daily_sigma=0.05, spread=0.0) for asset in world.market.assets}
    endless = played(replace(world, impact=MarketImpact(depth=bottomless, feedback=True)))
    none = played(replace(world, impact=None))
    same(endless.events, none.events, tuple(field.name for field in fields(EventLog) if field.name != "slippage"))
    assert endless.events.slippage.max(initial=0.0) < 1e-100
    for field in fields(DailyTotals):
        if field.name != "slippage":
            assert np.array_equal(getattr(endless.daily, field.name), getattr(none.daily, field.name)), field.name


@given(seed=seeds)
@settings(max_examples=30)
def test_without_feedback_prices_are_those_of_the_history_and_slippage_is_all_that_sales_change(seed: int) -> None:
    world = deep_world(random_world(seed))
    world = replace(world, rules=replace(world.rules, auction=None, liquidators=None))  # who would not sell for less
    depth = {world.market.assets[0]: ConstantProduct(1e7), world.market.assets[1]: Depth(daily_volume=1e6, daily_sigma=0.05)}
    alone = played(replace(world, impact=None)).events
    sold = played(replace(world, impact=MarketImpact(depth=depth, feedback=False))).events
    same(alone, sold, tuple(field.name for field in fields(EventLog) if field.name not in ("slippage", "profit")))
    assert sold.profit + sold.slippage == pytest.approx(alone.profit, rel=1e-9, abs=1e-9 * alone.seized.max(initial=1.0))
    bar = np.searchsorted(world.market.time, sold.time)
    assert np.array_equal(sold.market_price, world.market.close[bar, sold.collateral])


@given(seed=seeds)
@settings(max_examples=30)
def test_the_order_of_accounts_plays_no_part_where_they_share_nothing(seed: int) -> None:
    world = unmanaged_world(replace(random_world(seed), impact=None))  # owners' draws belong to their row
    who = world.rules.liquidators
    world = replace(world, rules=replace(world.rules, liquidators=who and replace(who, capital=np.inf)))
    order = np.random.default_rng(seed).permutation(len(world.book))
    arrays = {name: getattr(world.book, name)[order] for name in ("collateral", "debt", "owner", "utilisation", "size")}
    log, other = (played(replace(world, book=book)).events for book in (world.book, replace(world.book, **arrays)))
    back = np.lexsort((order[other.account], other.time))  # stable: an account's events of a bar stay in order
    for field in fields(EventLog):
        found = getattr(other, field.name)[back]
        assert np.array_equal(getattr(log, field.name), order[found] if field.name == "account" else found, equal_nan=True), (
            field.name
        )


def in_unit(world: World, factor: float) -> World:
    """Return the same world with every amount and price in a unit of account `factor` times smaller."""

    def deeper(depth: Depth | ConstantProduct | DepthCurve) -> Depth | ConstantProduct | DepthCurve:
        match depth:
            case Depth():
                return replace(depth, daily_volume=factor * depth.daily_volume)
            case ConstantProduct():
                return ConstantProduct(factor * depth.reserve)
            case DepthCurve():
                return replace(depth, sold=tuple(factor * value for value in depth.sold))

    market, rules, impact = world.market, world.rules, world.impact
    who, auction = rules.liquidators, rules.auction
    scaled: LiquidationRules = replace(
        rules,
        dust=factor * rules.dust,
        liquidators=who and replace(who, gas=factor * who.gas, capital=factor * who.capital),
        auction=auction and replace(auction, tip=factor * auction.tip),
    )
    return replace(
        world,
        market=replace(market, **{name: factor * getattr(market, name) for name in ("close", "low", "high")}),
        book=replace(world.book, size=factor * world.book.size),
        rules=scaled,
        impact=impact and replace(impact, depth={asset: deeper(depth) for asset, depth in impact.depth.items()}),
    )


@given(seed=seeds)
@settings(max_examples=30)
def test_another_unit_of_account_changes_the_unit_and_nothing_else(seed: int) -> None:
    world = random_world(seed)
    log, scaled = played(world).events, played(in_unit(world, 1024.0)).events
    for field in fields(EventLog):
        factor = 1024 if field.name in (*MONEY, "oracle_price", "market_price") else 1
        assert np.array_equal(factor * getattr(log, field.name), getattr(scaled, field.name), equal_nan=True), field.name


@given(seed=seeds, share=st.floats(0.2, 0.9))
@settings(max_examples=30)
def test_nothing_before_a_bar_knows_what_comes_after_it(seed: int, share: float) -> None:
    """Prices, conditions and parameters from the cut on are others; only the judgement of a liquidation uses later prices."""
    world = random_world(seed)
    market, conditions = world.market, world.conditions
    cut = int(share * len(market))
    rng = np.random.default_rng(seed)
    shock = np.ones(len(market))
    shock[cut:] = rng.uniform(0.2, 2.0)
    prices = {name: getattr(market, name) * shock[:, None] ** [1, 1, 0] for name in ("close", "low", "high")}
    later = {name: getattr(conditions, name).copy() for name in ("gas", "depth", "frozen", "checked", "halted")}
    for name, values in later.items():
        values[cut:] = rng.permutation(values[cut:]) if name != "gas" else 3.0
    grown = conditions.debt_growth.copy()
    grown[cut:] *= 1.01
    at = int(market.time[cut - 1])  # in force from the next bar on
    schedules = {
        asset: replace(
            schedule,
            effective=np.append(schedule.effective[schedule.effective < at], at),
            **{
                name: np.append(getattr(schedule, name)[schedule.effective < at], value)
                for name, value in (("max_ltv", 0.4), ("liquidation_threshold", 0.6), ("liquidation_bonus", 0.15))
            },
        )
        for asset, schedule in world.schedules.items()
    }
    changed = played(
        replace(
            world,
            market=replace(market, **prices),
            schedules=schedules,
            conditions=replace(conditions, debt_growth=grown, **later),
        )
    )
    plain = played(world)
    known = plain.events.time < market.time[cut]
    assert known.sum() == (changed.events.time < market.time[cut]).sum()
    for field in fields(EventLog):
        if field.name != "judged_false":
            assert np.array_equal(getattr(plain.events, field.name)[known], getattr(changed.events, field.name)[: known.sum()])
    days = plain.daily.day + DAY < market.time[cut]
    for field in fields(DailyTotals):
        if field.name != "false_liquidations":
            assert np.array_equal(getattr(plain.daily, field.name)[days], getattr(changed.daily, field.name)[days]), field.name


@given(seed=seeds)
@settings(max_examples=20)
def test_the_same_world_twice_is_the_same_to_the_bit(seed: int) -> None:
    world = random_world(seed)
    once, twice = played(world), played(world)
    same(once.events, twice.events)
    for field in fields(DailyTotals):
        assert np.array_equal(getattr(once.daily, field.name), getattr(twice.daily, field.name)), field.name
    assert (once.prices_sha256, once.book_seed, once.bar) == (world.market.sha256(), world.book.seed, HOUR)


def test_results_are_read_only() -> None:
    result = played(random_world(1))
    for table in (result.events, result.daily):
        for field in fields(table):
            with pytest.raises(ValueError, match="read-only"):
                getattr(table, field.name)[:] = 0
