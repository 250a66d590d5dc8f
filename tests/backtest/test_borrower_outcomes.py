"""What happened to borrowers, read from event logs, is what the daily totals and the prices say too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from slow_replay import HOUR, START, TERMS, book_of, candles_of, one_account, replayed, rough_market

from riskparams.backtest.borrower_outcomes import BorrowerOutcomes, borrower_outcomes, daily_falls
from riskparams.backtest.replay import BacktestResult
from riskparams.errors import DataError
from riskparams.terms import DAY

CANDLES = rough_market(3000, seed=4, sigma=0.02)
FALLS = {name: daily_falls(CANDLES) for name in ("X/USD", "Y/USD")}


@pytest.fixture(scope="module")
def rough() -> BacktestResult:
    return replayed(CANDLES, book_of(100))


@pytest.fixture(scope="module")
def found(rough: BacktestResult) -> BorrowerOutcomes:
    return borrower_outcomes([rough], FALLS)


def test_totals_are_those_of_the_days(rough: BacktestResult, found: BorrowerOutcomes) -> None:
    daily = rough.daily
    assert found.liquidations == daily.liquidations.sum()
    assert found.liquidated == pytest.approx(daily.repaid.sum() + daily.bad_debt.sum())
    assert found.days == np.sum(daily.liquidations > 0)
    assert found.bad_debt == pytest.approx(daily.bad_debt.sum())
    assert found.bad_debt_days == np.sum(daily.bad_debt > 0)
    assert (found.false.judged, found.false.count) == (daily.judged.sum(), daily.false_liquidations.sum())
    assert sum(size.bad_debt for size in found.by_size) == pytest.approx(found.bad_debt)
    assert sum(size.liquidations for size in found.by_size) == found.liquidations


def test_the_worst_hours_are_the_largest_of_all(rough: BacktestResult, found: BorrowerOutcomes) -> None:
    amounts: dict[int, float] = {}
    for time, repaid, bad in zip(rough.events.time, rough.events.repaid, rough.events.bad_debt, strict=True):
        amounts[int(time)] = amounts.get(int(time), 0.0) + repaid + bad
    largest = sorted(amounts.values(), reverse=True)[:10]
    assert [hour.liquidated for hour in found.worst_hours] == pytest.approx(largest)
    assert found.worst_hours_share == pytest.approx(sum(largest) / found.liquidated)
    assert all(hour.accounts == np.sum(rough.events.time == hour.time) for hour in found.worst_hours)


def test_two_pairs_share_their_hours(rough: BacktestResult, found: BorrowerOutcomes) -> None:
    both = borrower_outcomes([rough, replace(rough, name="Y/USD")], FALLS)
    assert both.hours == found.hours
    assert both.worst_hours[0].pairs == ("X/USD", "Y/USD")
    assert both.worst_hours[0].accounts == 2 * found.worst_hours[0].accounts
    assert both.false.accounts == 2 * found.false.accounts
    assert [case.pair for case in both.bad_debt_cases[:2]] == ["X/USD", "Y/USD"]


def test_bad_debt_follows_from_what_the_price_fell_beyond_the_fall_covered(found: BorrowerOutcomes) -> None:
    assert found.bad_debt_cases
    for case in found.bad_debt_cases:
        assert case.covered == pytest.approx(TERMS.implied_drop)
        assert case.gap > TERMS.implied_drop
        short = 1 - (1 - case.gap) / (1 - TERMS.implied_drop)  # METHOD 7: max(0, 1 - HF / (theta (1 + b)))
        assert case.bad_debt == pytest.approx(case.owed * short)


def test_a_gap_is_the_fall_from_the_price_at_which_health_was_one() -> None:
    prices = np.r_[np.full(30, 100.0), 93.0, np.full(10, 70.0)]
    (case,) = borrower_outcomes(
        [replayed(candles_of(prices), one_account())], {"X/USD": daily_falls(candles_of(prices))}
    ).bad_debt_cases
    trigger = 100 * TERMS.max_ltv / TERMS.liquidation_threshold
    assert case.gap == pytest.approx(1 - 70 / trigger)
    assert case.owed == pytest.approx(7_500)


def test_penalties_of_false_liquidations_are_what_was_seized_beyond_the_debt(
    rough: BacktestResult, found: BorrowerOutcomes
) -> None:
    events, false = rough.events, rough.events.judged_false == 1
    penalty = (events.seized - events.repaid)[false]
    assert found.false.penalty == pytest.approx(penalty.sum())
    assert found.false.repaid == pytest.approx(events.repaid[false].sum())
    assert [case.penalty for case in found.false.largest] == pytest.approx(sorted(penalty, reverse=True)[:5])
    assert found.false.median_penalty == pytest.approx(np.median(penalty))


def test_a_days_fall_is_from_the_close_before_it() -> None:
    close = np.r_[np.full(24, 100.0), np.full(23, 90.0), 95.0, np.full(24, 96.0)]
    low = close.copy()
    low[30] = 80.0
    falls = daily_falls(candles_of(close, low))
    assert falls.on(START + HOUR) is None
    assert falls.on(START + DAY) is None  # the last bar of the first day
    assert falls.on(START + DAY + HOUR) == pytest.approx(0.2)
    assert falls.on(START + 3 * DAY) == pytest.approx(1 - 96 / 95)
    assert falls.on(START + 9 * DAY) is None


def test_nothing_happening_is_told_as_nothing() -> None:
    calm = candles_of(np.full(300, 100.0))
    found = borrower_outcomes([replayed(calm, one_account())], {"X/USD": daily_falls(calm)})
    assert (found.liquidations, found.worst_hours, found.worst_hours_share, found.clean_days_bound) == (0, (), None, None)
    assert (found.false.judged, found.false.median_penalty, found.bad_debt_cases) == (0, None, ())


def test_days_without_bad_debt_bound_how_often_it_comes() -> None:
    prices = np.r_[np.full(30, 100.0), np.full(30, 92.0)]
    found = borrower_outcomes([replayed(candles_of(prices), one_account())], {"X/USD": daily_falls(candles_of(prices))})
    assert found.days == 1
    assert found.clean_days_bound == pytest.approx(0.95)
    with pytest.raises(DataError, match="at least one"):
        borrower_outcomes([], {})
