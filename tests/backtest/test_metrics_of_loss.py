"""Metrics of loss: exact bounds of what never happened, time insolvent and stuck, what borrowers pay, the worst weeks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson
from slow_replay import TERMS, book_of, candles_of, market_of, one_account, replayed, rough_market

from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import LiquidationRules, Liquidators
from riskparams.backtest.metric import binomial_bound, poisson_bound
from riskparams.backtest.metrics import YEAR_HOURS, compare, measure
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.backtest.weekly_losses import expected_shortfall, value_at_risk
from riskparams.errors import ConfigError
from riskparams.execution import Depth
from riskparams.parameters.risk_parameters import ObservedParameters
from riskparams.terms import Asset

WEEKLY = ("loss_var_bps", "loss_es_bps", "weekly_liquidated_var_bps")


@pytest.fixture(scope="module")
def rough() -> BacktestResult:
    return replayed(rough_market(3000, seed=4, sigma=0.02), book_of(100))


@pytest.fixture(scope="module")
def attended() -> BacktestResult:
    """Return a replay in which liquidators choose, gas is dear and sales meet a thin market."""
    candles = rough_market(3000, seed=4, sigma=0.02)
    return replay(
        market_of(candles),
        ParameterSchedule.constant(TERMS, int(candles.time[0]) - 1),
        book_of(100),
        LiquidationRules(liquidators=Liquidators(gas=150.0)),
        impact=MarketImpact(depth={Asset("X"): Depth(daily_volume=1e7, daily_sigma=0.05, spread=0.001)}, feedback=False),
    )


@given(st.floats(0.01, 1e6), st.floats(1e-4, 0.5))
def test_the_bound_of_a_rate_is_the_one_at_which_nothing_has_the_chance_alpha(exposure: float, alpha: float) -> None:
    assert poisson.pmf(0, poisson_bound(exposure, alpha) * exposure) == pytest.approx(alpha)


@given(st.integers(1, 10_000), st.floats(1e-4, 0.5))
def test_the_bound_of_a_share_is_the_one_at_which_nothing_has_the_chance_alpha(trials: int, alpha: float) -> None:
    assert binom.pmf(0, trials, binomial_bound(trials, alpha)) == pytest.approx(alpha)


def test_what_never_happened_is_bounded_at_the_level_of_the_interval() -> None:
    calm = replayed(candles_of(np.full(2400, 100.0)), one_account())
    for alpha, rule in ((0.05, "3 / exposure"), (0.01, "4.6 / exposure")):
        frequency = measure(calm, seed=1, draws=9, alpha=alpha)["liquidation_frequency"]
        assert frequency.high == pytest.approx(-math.log(alpha) / frequency.exposure)
        assert rule in frequency.note


def test_no_false_liquidation_among_few_is_bounded_as_a_share() -> None:
    prices = np.r_[np.full(30, 100.0), np.full(400, 92.0)]
    share = measure(replayed(candles_of(prices), one_account()), seed=1, draws=9)["false_liquidation_share"]
    assert (share.point, share.low, share.exposure) == (0.0, 0.0, 1.0)
    assert share.high == pytest.approx(0.95)


def test_time_insolvent_and_stuck_are_hours_over_position_years(attended: BacktestResult) -> None:
    found, daily = measure(attended, seed=1, draws=99), attended.daily
    years = daily.position_hours.sum() / YEAR_HOURS
    for name in ("insolvent_hours", "stuck_hours"):
        metric, hours = found[name], getattr(daily, name).sum()
        assert hours > 0
        assert metric.point == pytest.approx(hours / years)
        assert metric.low is not None
        assert metric.high is not None
        assert metric.low <= metric.point <= metric.high


def test_never_insolvent_bounds_how_often_and_not_how_long() -> None:
    metric = measure(replayed(candles_of(np.full(2400, 100.0)), one_account()), seed=1, draws=9)["insolvent_hours"]
    assert (metric.point, metric.low, metric.high) == (0.0, 0.0, None)
    assert f"at most {poisson_bound(metric.exposure, 0.05):.2g} times a position-year" in metric.note


def test_nothing_is_stuck_by_assumption_and_the_metric_says_so(rough: BacktestResult, attended: BacktestResult) -> None:
    metric = measure(rough, seed=1, draws=9)["stuck_hours"]
    assert (metric.point, metric.high, metric.exposure) == (None, None, 0.0)
    assert "no liquidators were modelled" in metric.note
    beside = measure([rough, attended], seed=1, draws=9)["stuck_hours"]
    assert beside.point == pytest.approx(measure(attended, seed=1, draws=9)["stuck_hours"].point)
    assert compare(rough, attended, seed=1, draws=9)["stuck_hours"].note.startswith("on one side at least")


def test_borrowers_pay_penalty_and_slippage(rough: BacktestResult, attended: BacktestResult) -> None:
    daily, found = attended.daily, measure(attended, seed=1, draws=9)
    assert daily.slippage.sum() > 0
    cost = (daily.penalty.sum() + daily.slippage.sum()) / (daily.debt_hours.sum() / YEAR_HOURS)
    assert found["borrower_cost"].point == pytest.approx(cost)
    free = measure(rough, seed=1, draws=9)
    assert free["borrower_cost"].point == free["penalty_paid"].point
    assert free["borrower_cost"].note == "no sale met slippage, so it is the penalty"


def test_the_tail_of_the_weeks_is_the_worst_week_where_there_are_few(rough: BacktestResult) -> None:
    daily, found = rough.daily, measure(rough, seed=1, draws=99)
    weeks = np.add.reduceat(daily.bad_debt, np.arange(0, len(daily), 7))
    average = daily.debt_hours.sum() / daily.hours.sum()
    for name in ("loss_var_bps", "loss_es_bps"):
        assert found[name].point == pytest.approx(1e4 * weeks.max() / average)
        assert found[name].exposure == len(weeks)
        assert f"{np.sum(weeks > 0)} of {len(weeks)} weeks hold bad debt; at 99% it is the worst week" in found[name].note
    liquidated = np.add.reduceat(daily.repaid + daily.bad_debt, np.arange(0, len(daily), 7))
    assert found["weekly_liquidated_var_bps"].point == pytest.approx(1e4 * liquidated.max() / average)


def test_no_loss_in_any_week_bounds_their_share() -> None:
    found = measure(replayed(candles_of(np.full(24 * 70, 100.0)), one_account()), seed=1, draws=9)
    for name in WEEKLY:
        assert (found[name].point, found[name].low, found[name].high, found[name].exposure) == (0.0, 0.0, None, 10.0)
        assert f"at most {1 - 0.05 ** (1 / 10):.1%} of weeks do" in found[name].note


def test_weekly_differences_are_paired(rough: BacktestResult) -> None:
    cautious = replayed(rough_market(3000, seed=4, sigma=0.02), book_of(100), replace(TERMS, max_ltv=0.5))
    found, same = compare(cautious, rough, seed=1), compare(rough, rough, seed=1)
    sides = [measure(one, seed=1, draws=9) for one in (cautious, rough)]
    for name in WEEKLY:
        assert found[name].point == pytest.approx(sides[0][name].point - sides[1][name].point)
        assert (same[name].point, same[name].low, same[name].high) == (0.0, 0.0, 0.0)


def test_a_market_that_lends_nothing_has_no_weekly_losses() -> None:
    nothing = ObservedParameters(max_ltv=0.0, liquidation_threshold=0.0, liquidation_bonus=0.0)
    closed = replayed(candles_of(np.full(240, 100.0)), one_account(), nothing)
    found = measure(closed, seed=1, draws=9)
    assert {found[name].note for name in WEEKLY} == {"no position had debt"}
    assert {found[name].point for name in WEEKLY} == {None}


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99]))
def test_the_shortfall_is_the_mean_of_the_quantiles_beyond(losses: list[float], level: float) -> None:
    values = np.array(losses)
    fine = level + (1 - level) * (np.arange(20_000) + 0.5) / 20_000
    quantiles = np.sort(values)[np.clip(np.ceil(np.round(fine * len(values), 9)).astype(int) - 1, 0, None)]
    spread = float(values.max() - values.min())
    assert float(expected_shortfall(values, level)) == pytest.approx(quantiles.mean(), abs=1e-3 * spread + 1e-6)
    assert value_at_risk(values, level) <= expected_shortfall(values, level) * (1 + 1e-12)


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        value_at_risk(np.ones(3), 99)
