"""Candidate thresholds and the branching ratio: by hand, and against the engine's own feedback."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_replay import START, TERMS, book_of, candles_of, market_of
from small_worlds import random_world

from riskparams.backtest.at_once import cascade, threshold_steps
from riskparams.backtest.health import health_factors
from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import LiquidationRules, Liquidators
from riskparams.backtest.positions import PositionBook, unmanaged
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.errors import ConfigError, ParameterError
from riskparams.execution import ConstantProduct, Depth
from riskparams.terms import Asset

X, USD = Asset("X"), Asset("USD")
PRICES = np.array([2000.0, 1.0])
WHOLE = LiquidationRules(close_factor=1.0, dust=0.0, protocol_share=0.0, execution_bars=0)
LINE_STEP, LINE_DEBT = 1e-4, 100.0


def one_row_each(*debt: float) -> PositionBook:
    """Return accounts of one X, worth 2,000, and a debt."""
    return unmanaged((X, USD), np.array([[1.0, 0.0]] * len(debt)), np.array([[0.0, owed] for owed in debt]))


def line_of_accounts(count: int) -> PositionBook:
    """Return accounts whose health reaches 1 one after the other, every `LINE_STEP` of log price, each owing the same."""
    trigger = LINE_STEP * (np.arange(count) + 0.5)
    held = LINE_DEBT * np.exp(trigger) / (TERMS.liquidation_threshold * PRICES[0])
    return unmanaged((X, USD), np.column_stack([held, np.zeros(count)]), np.tile([0.0, LINE_DEBT], (count, 1)))


def linear_impact(ratio: float) -> MarketImpact:
    """Return an impact under which the line of accounts has this branching ratio: 2 / R for each dollar sold."""
    density = LINE_DEBT * (1 + TERMS.liquidation_bonus) / LINE_STEP
    return MarketImpact(depth={X: ConstantProduct(2 * density / ratio)}, permanent=1.0)


def test_thresholds_liquidate_what_stands_above_them() -> None:
    book = one_row_each(1390.0, 1410.0, 1450.0, 1610.0)
    steps = threshold_steps(
        book, PRICES, {X: TERMS}, LiquidationRules(close_factor=0.5), asset=X, thresholds=[0.80, 0.72, 0.70]
    )
    assert [(step.threshold, step.unhealthy, step.accounts) for step in steps] == [(0.8, 1, 1), (0.72, 2, 2), (0.7, 3, 3)]
    # below health 0.95 all is repaid: the account that owes 1,610 has 0.89 at 0.72
    assert [step.repaid for step in steps] == pytest.approx([805.0, 1610 + 725, 1610 + 725 + 705])
    assert [step.value for step in steps] == pytest.approx([1.05 * step.repaid for step in steps])
    assert [step.bad_debt for step in steps] == [0, 0, 0]


def test_an_account_that_pays_no_liquidator_is_unhealthy_and_stays() -> None:
    rules = LiquidationRules(liquidators=Liquidators(gas=1_000.0))
    (step,) = threshold_steps(one_row_each(1450.0), PRICES, {X: TERMS}, rules, asset=X, thresholds=[0.7])
    assert (step.unhealthy, step.accounts, step.value) == (1, 0, 0)


@given(st.integers(0, 10_000))
def test_a_lower_threshold_liquidates_no_fewer_accounts_and_those_of_health_below_1(seed: int) -> None:
    world = random_world(seed, bars=30, accounts=30)
    book = replace(world.book, utilisation=np.zeros(len(world.book)))
    terms = {asset: schedule.at(START + 1) for asset, schedule in world.schedules.items()}
    prices, candidates = world.market.close[0], [0.9, 0.8, 0.6, 0.4]
    rules = LiquidationRules(dust=0.0)
    steps = threshold_steps(book, prices, terms, rules, asset=book.assets[0], thresholds=candidates)
    for step in steps:
        theta = np.array([step.threshold, terms[book.assets[1]].liquidation_threshold, 0.0])
        health = health_factors(book.collateral, book.debt, prices, theta)
        assert step.unhealthy == step.accounts == int(np.sum(health < 1))
    counts = [step.accounts for step in steps]
    assert counts == sorted(counts)


def test_the_branching_ratio_of_one_account_by_hand() -> None:
    book = unmanaged((X, USD), np.array([[10.0, 0.0]]), np.array([[0.0, 15_000.0]]))
    impact = MarketImpact(depth={X: ConstantProduct(1e6)})
    found = cascade(book, PRICES, {X: TERMS}, LiquidationRules(close_factor=0.5), impact, asset=X, falls=np.array([0.05, 0.10]))
    # at 1,800 health is 0.96: 7,500 is repaid, 7,875 seized, 37.5 of it the protocol's
    assert found.sold.tolist() == pytest.approx([0, 7837.5])
    assert found.density[1] == pytest.approx(7837.5 / np.log(0.95 / 0.90))
    assert found.ratio.tolist() == pytest.approx([0, 2 * np.log1p(7837.5e-6) / np.log(0.95 / 0.90)])
    assert found.worst == (pytest.approx(0.28879, abs=1e-5), 0.10)
    assert found.sold_today == 0


def test_what_is_liquidatable_today_belongs_to_no_fall() -> None:
    impact = MarketImpact(depth={X: ConstantProduct(1e6)})
    found = cascade(one_row_each(1650.0), PRICES, {X: TERMS}, WHOLE, impact, asset=X, falls=np.array([0.01, 0.02]))
    assert (found.sold_today, found.sold.tolist()) == (pytest.approx(1.05 * 1650), [0, 0])


def test_under_the_square_root_law_a_smaller_step_has_a_larger_ratio() -> None:
    impact = MarketImpact(depth={X: Depth(daily_volume=1e8, daily_sigma=0.05)})
    book, terms = line_of_accounts(1_000), {X: TERMS}
    coarse, fine = (
        cascade(book, PRICES, terms, WHOLE, impact, asset=X, falls=-np.expm1(-np.linspace(0, 0.08, steps + 1)[1:]))
        for steps in (4, 16)
    )
    assert coarse.density == pytest.approx(np.full(4, 105 / LINE_STEP), rel=0.01)
    assert fine.worst[0] == pytest.approx(2 * coarse.worst[0], rel=0.05)


def run_of(ratio: float, *, shock: float = 0.01, bars: int = 40) -> BacktestResult:
    """Return the engine's replay of the line of accounts: one shock, then prices that move by sales alone."""
    close = np.r_[2000.0, np.full(bars, 2000.0 * np.exp(-shock))]
    return replay(
        market_of(candles_of(close)),
        ParameterSchedule.constant(TERMS, START),
        line_of_accounts(3_000),
        WHOLE,
        impact=linear_impact(ratio),
    )


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.8])
def test_below_1_the_engine_s_cascade_dies_out_as_the_ratio_says(ratio: float) -> None:
    falls = -np.expm1(-0.01 * np.arange(1, 11))
    found = cascade(line_of_accounts(3_000), PRICES, {X: TERMS}, WHOLE, linear_impact(ratio), asset=X, falls=falls)
    assert found.worst[0] == pytest.approx(ratio, rel=0.02)
    assert len(run_of(ratio).events) == pytest.approx(100 / (1 - ratio), rel=0.05)


@pytest.mark.parametrize("ratio", [1.0, 1.3])
def test_from_1_on_the_engine_s_cascade_runs_away(ratio: float) -> None:
    events = run_of(ratio).events
    by_bar = np.unique(events.time, return_counts=True)[1]
    assert len(events) == 3_000
    assert by_bar[1:5] / by_bar[:4] == pytest.approx(np.full(4, ratio), rel=0.05)


def test_owners_do_nothing_and_nobody_opens_again() -> None:
    borrowers = book_of(200).book((X, USD), PRICES)
    falls = -np.expm1(-0.01 * np.arange(1, 301))  # hours of the ladder that would outlast the wait before opening again
    found = cascade(borrowers, PRICES, {X: TERMS}, WHOLE, linear_impact(0.5), asset=X, falls=falls)
    owed = TERMS.max_ltv * borrowers.utilisation * borrowers.size
    assert found.sold.sum() == pytest.approx(1.05 * owed.sum(), rel=1e-9)


def test_nonsense_is_refused() -> None:
    book, terms, impact = one_row_each(1500.0), {X: TERMS}, MarketImpact(depth={X: ConstantProduct(1e6)})
    with pytest.raises(ParameterError, match=r"threshold of X is 1\.2"):
        threshold_steps(book, PRICES, terms, WHOLE, asset=X, thresholds=[1.2])
    with pytest.raises(ConfigError, match="USD has no parameters"):
        threshold_steps(book, PRICES, terms, WHOLE, asset=USD, thresholds=[0.5])
    with pytest.raises(ConfigError, match=r"\(3,\) prices for a book of X, USD"):
        threshold_steps(book, np.ones(3), terms, WHOLE, asset=X, thresholds=[0.5])
    with pytest.raises(ConfigError, match="increasing simple drops"):
        cascade(book, PRICES, terms, WHOLE, impact, asset=X, falls=np.array([0.2, 0.1]))
    with pytest.raises(ConfigError, match="no depth for X"):
        cascade(book, PRICES, terms, WHOLE, MarketImpact(depth={}), asset=X, falls=np.array([0.2]))
