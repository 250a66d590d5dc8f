"""Metrics: intervals, paired differences, and what is said when nothing happened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from slow_replay import START, TERMS, book_of, candles_of, one_account, replayed, rough_market

from riskparams.backtest.metrics import YEAR_HOURS, compare, measure, resampled_rows
from riskparams.backtest.replay import BacktestResult
from riskparams.errors import DataError
from riskparams.parameters.risk_parameters import RiskParameters


@pytest.fixture(scope="module")
def rough() -> BacktestResult:
    return replayed(rough_market(3000, seed=4, sigma=0.02), book_of(100))


def test_every_interval_holds_its_point(rough: BacktestResult) -> None:
    for metric in measure(rough, seed=1).values():
        if metric.name == "stuck_hours":  # no liquidators were modelled
            continue
        assert metric.point is not None
        assert metric.low is not None
        assert metric.high is not None
        assert metric.low <= metric.point <= metric.high, metric.name


def test_metrics_are_the_ratios_they_are_defined_as(rough: BacktestResult) -> None:
    found, daily = measure(rough, seed=1, draws=9), rough.daily
    average_debt = daily.debt_hours.sum() / daily.hours.sum()
    assert found["shortfall_bps"].point == pytest.approx(1e4 * daily.bad_debt.sum() / average_debt)
    assert found["liquidation_frequency"].point == pytest.approx(
        daily.episodes.sum() / (daily.position_hours.sum() / YEAR_HOURS)
    )
    assert found["penalty_paid"].point == pytest.approx(daily.penalty.sum() / (daily.debt_hours.sum() / YEAR_HOURS))
    assert found["capital_efficiency"].point == pytest.approx(0.75)
    share = found["false_liquidation_share"]
    assert share.point == pytest.approx(daily.false_liquidations.sum() / share.exposure)


def test_the_same_seed_gives_the_same_interval(rough: BacktestResult) -> None:
    assert measure(rough, seed=3) == measure(rough, seed=3)
    assert measure(rough, seed=3) != measure(rough, seed=4)


def test_pooling_a_result_with_itself_changes_no_ratio(rough: BacktestResult) -> None:
    once, twice = measure(rough, seed=1), measure([rough, rough], seed=1)
    for name in set(once) - {"liquidations"}:
        assert twice[name].point == pytest.approx(once[name].point)
        assert twice[name].high == pytest.approx(once[name].high)


def test_nothing_happened_is_bounded_or_said_to_be_unbounded() -> None:
    calm = replayed(candles_of(np.full(2400, 100.0)), one_account())
    found = measure(calm, seed=1)
    frequency = found["liquidation_frequency"]
    assert (frequency.point, frequency.low) == (0.0, 0.0)
    assert frequency.high == pytest.approx(3 / frequency.exposure, rel=2e-3)
    assert "3 / exposure" in frequency.note
    assert (found["shortfall_bps"].point, found["shortfall_bps"].high) == (0.0, None)
    assert "bounds no amount" in found["shortfall_bps"].note
    share = found["false_liquidation_share"]
    assert (share.point, share.low, share.high) == (None, None, None)
    assert share.note


def test_no_bad_debt_bounds_the_share_of_liquidation_days() -> None:
    prices = np.r_[np.full(30, 100.0), np.full(30, 92.0)]
    found = measure(replayed(candles_of(prices), one_account()), seed=1)
    assert "1 days with liquidations: at most 95.0%" in found["shortfall_bps"].note


def test_identical_runs_differ_by_exactly_zero(rough: BacktestResult) -> None:
    for metric in compare(rough, rough, seed=1).values():
        if metric.name == "stuck_hours":  # no liquidators were modelled
            continue
        assert (metric.point, metric.low, metric.high) == (0.0, 0.0, 0.0), metric.name


def test_a_difference_is_recommended_minus_current(rough: BacktestResult) -> None:
    cautious = RiskParameters(max_ltv=0.5, liquidation_threshold=0.7, liquidation_bonus=0.05)
    safer = replayed(rough_market(3000, seed=4, sigma=0.02), book_of(100), cautious)
    found, alone = compare(safer, rough, seed=1), measure(rough, seed=1)
    difference = found["liquidation_frequency"]
    assert difference.point is not None
    assert difference.high is not None
    assert difference.high < 0
    own = measure(safer, seed=1)["liquidation_frequency"].point
    assert difference.point == pytest.approx(own - alone["liquidation_frequency"].point)
    assert found["capital_efficiency"].point == pytest.approx(-0.25)


def test_a_difference_of_two_nothings_has_no_interval() -> None:
    calm = replayed(candles_of(np.full(2400, 100.0)), one_account())
    other = replayed(candles_of(np.full(2400, 100.0)), one_account(), replace(TERMS, liquidation_bonus=0.1))
    bad_debt = compare(calm, other, seed=1)["shortfall_bps"]
    assert (bad_debt.point, bad_debt.low, bad_debt.high) == (0.0, None, None)


def test_runs_over_different_days_cannot_be_compared(rough: BacktestResult) -> None:
    shorter = replayed(rough_market(500, seed=4), book_of(10))
    with pytest.raises(DataError, match="same days"):
        compare(shorter, rough, seed=1)
    with pytest.raises(DataError, match="at least one"):
        measure([], seed=1)


def test_resampled_rows_come_in_runs_of_the_mean_length() -> None:
    rows = resampled_rows(1000, mean_block=20, draws=50, seed=START)
    breaks = np.mean(np.diff(rows, axis=1) % 1000 != 1)
    assert 1 / breaks == pytest.approx(20, rel=0.1)
