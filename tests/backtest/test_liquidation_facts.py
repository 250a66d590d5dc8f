"""What a list of liquidations says: the record of Aave V2 in 2021, examples by hand, and what is refused."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from aave_v2 import eth_by_the_hour, recorded_calls
from hypothesis import given
from hypothesis import strategies as st
from slow_replay import HOUR, START, book_of, candles_of, replayed, rough_market

from riskparams.backtest.liquidation_facts import LiquidationFacts, liquidation_facts
from riskparams.errors import DataError, InsufficientData
from riskparams.prices.panel import Candles
from riskparams.terms import DAY, FloatArray, IntArray, day

MINUTE = HOUR // 60


def market(*lows: float) -> Candles:
    """Return a market at 100 whose day k has one low, in its 12th hour; a quiet day comes before the first."""
    low = np.full((len(lows) + 1, 24), 100.0)
    low[1:, 11] = lows
    return candles_of(np.full(low.size, 100.0), low.ravel())


def at(day_number: int, hour: int) -> int:
    """Return a moment in the middle of an hour; day 1 is the first after the quiet one."""
    return START + day_number * DAY + hour * HOUR + 30 * MINUTE


def facts_of(moments: list[int], values: list[float], candles: Candles) -> LiquidationFacts:
    return liquidation_facts(np.array(moments, dtype=np.int64), np.array(values, dtype=np.float64), candles)


def test_a_market_by_hand() -> None:
    candles = market(90, 95, 98.5, 99, 80, 97)
    found = facts_of(
        [at(1, 11), at(1, 11), at(2, 11), at(3, 3), at(4, 11), at(5, 11), at(5, 12), at(6, 11)],
        [20.0, 5.0, 10.0, 1.0, 2.0, 40.0, 20.0, 2.0],
        candles,
    )
    assert (found.calls, found.total, found.days) == (8, 100.0, 6)
    assert (day(found.largest_day), found.largest_day_value) == ("2022-01-06", 60.0)
    assert (found.crash_days, found.crash_days_share) == (2, pytest.approx(0.85))  # a fall of exactly 10 % counts
    assert found.top_five_days_share == pytest.approx(0.99)  # all but the third
    assert found.top_decile_calls_share == pytest.approx(0.40)  # the largest of eight
    assert found.elasticity_days == 4  # falls of 1.5 % and of 1 % are left out
    # only 90 and 80 are new lows: each other day's low comes 24 hours after one below it
    assert found.new_low_share == pytest.approx((20 + 5 + 40) / 100)
    assert found.new_low_hours_share == pytest.approx(2 / (6 * 24))


def test_an_elastic_market_gives_its_elasticity_back() -> None:
    falls = np.array([0.03, 0.05, 0.08, 0.13, 0.21])
    found = facts_of([at(k, 11) for k in range(1, 6)], list(1e6 * falls**2.7), market(*(100 * (1 - falls))))
    assert found.elasticity == pytest.approx(2.7)
    assert found.elasticity_standard_error == pytest.approx(0, abs=1e-9)


def test_the_elasticity_is_the_textbooks_regression() -> None:
    from scipy.stats import linregress

    rng = np.random.default_rng(5)
    falls = rng.uniform(0.025, 0.4, 40)
    values = np.exp(2 * np.log(falls) + rng.standard_normal(40))
    found = facts_of([at(k, 11) for k in range(1, 41)], list(values), market(*(100 * (1 - falls))))
    line = linregress(np.log(falls), np.log(values))
    assert found.elasticity_days == 40
    assert found.elasticity == pytest.approx(line.slope, rel=1e-9)
    assert found.elasticity_standard_error == pytest.approx(line.stderr, rel=1e-9)


def test_a_single_day_has_shares_and_no_elasticity() -> None:
    found = facts_of([at(1, 11)], [7.0], market(85))
    assert (found.days, found.calls, found.largest_day_value) == (1, 1, 7.0)
    assert (found.crash_days_share, found.top_five_days_share, found.top_decile_calls_share) == (1.0, 1.0, 1.0)
    assert found.new_low_share == 1.0
    assert (found.elasticity, found.elasticity_standard_error, found.elasticity_days) == (None, None, 1)


def test_days_that_all_fell_alike_have_no_elasticity() -> None:
    found = facts_of([at(k, 11) for k in range(1, 5)], [1.0, 2.0, 3.0, 4.0], market(95, 95, 95, 95))
    assert (found.elasticity, found.elasticity_standard_error, found.elasticity_days) == (None, None, 4)


def test_a_call_of_value_0_is_counted_and_weighs_nothing() -> None:
    found = facts_of([at(1, 11), at(2, 11), at(3, 11), at(4, 11)], [0.0, 1.0, 2.0, 3.0], market(70, 95, 94, 93))
    assert (found.calls, found.crash_days, found.crash_days_share, found.elasticity_days) == (4, 1, 0.0, 3)


def test_a_liquidation_at_a_close_belongs_to_the_bar_that_closes_then() -> None:
    candles = market(85, 99)
    close = START + DAY + 12 * HOUR
    assert facts_of([close], [1.0], candles).new_low_share == 1.0
    assert facts_of([close + 1], [1.0], candles).new_low_share == 0.0
    midnight = START + 2 * DAY
    assert day(facts_of([midnight], [1.0], candles).largest_day) == "2022-01-02"
    assert day(facts_of([midnight + 1], [1.0], candles).largest_day) == "2022-01-03"


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=30), st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_neither_the_order_nor_the_unit_of_value_changes_a_share(values: list[float], scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    time, value, order = START + DAY + rng.integers(1, 28 * DAY, len(values)), np.array(values), rng.permutation(len(values))
    candles = rough_market(24 * 30, seed=3)
    one, other = liquidation_facts(time, value, candles), liquidation_facts(time[order], scale * value[order], candles)
    assert other.total == pytest.approx(scale * one.total)
    assert other.largest_day_value == pytest.approx(scale * one.largest_day_value)
    assert (other.elasticity is None) == (one.elasticity is None)
    if one.elasticity is not None:
        assert other.elasticity == pytest.approx(one.elasticity, rel=1e-6, abs=1e-6)
    for name in (field.name for field in fields(LiquidationFacts) if field.name.endswith("_share")):
        assert 0 <= getattr(one, name) <= 1 + 1e-12
        assert getattr(other, name) == pytest.approx(getattr(one, name)), name


def test_prices_after_the_last_day_change_nothing() -> None:
    candles = rough_market(24 * 30, seed=3)
    moments, values = [at(1, 5), at(10, 7)], [1.0, 2.0]
    later = np.arange(len(candles)) >= 24 * 11
    shocked = replace(candles, low=np.where(later, candles.low / 10, candles.low))
    assert facts_of(moments, values, candles) == facts_of(moments, values, shocked)


def test_the_events_of_a_backtest_are_read_by_the_same_function() -> None:
    candles = rough_market(24 * 60, seed=4, sigma=0.02)
    events = replayed(candles, book_of(200)).events
    known = events.time > START + DAY  # the first day has no close before it
    found = liquidation_facts(events.time[known], events.repaid[known], candles)
    assert found.calls == int(known.sum())
    assert found.total == pytest.approx(events.repaid[known].sum())
    assert found.crash_days_share > found.crash_days / found.days
    assert found.new_low_share > 0


@pytest.mark.parametrize("values", [[], [0.0, 0.0]])
def test_nothing_liquidated_is_refused(values: list[float]) -> None:
    with pytest.raises(InsufficientData, match="repaid nothing in all"):
        facts_of([at(1, 1)] * len(values), values, market(90))


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_value_that_is_none_is_named(value: float) -> None:
    with pytest.raises(DataError, match=r"liquidation 1 at 2022-01-02T02:30:00Z: value is .*expected a finite value"):
        facts_of([at(1, 1), at(1, 2)], [1.0, value], market(90))


def test_a_value_without_a_time_is_refused() -> None:
    with pytest.raises(DataError, match="one value for each time"):
        facts_of([at(1, 1)], [1.0, 2.0], market(90))


@pytest.mark.parametrize("moment", [START + HOUR, START + 3 * DAY, 0])
def test_days_that_the_candles_do_not_hold_are_refused(moment: int) -> None:
    with pytest.raises(DataError, match="lack hours or have bars between them"):
        facts_of([at(1, 1), moment], [1.0, 1.0], market(90))


def test_bars_of_another_length_are_refused() -> None:
    candles = market(90, 90)
    every = slice(3, None, 4)
    names = ("time", "open", "high", "low", "close", "volume", "usable", "segment", "exclusion")
    longer = replace(candles, **{name: getattr(candles, name)[every].copy() for name in names})
    with pytest.raises(DataError, match="lack hours"):
        facts_of([at(1, 1)], [1.0], longer)


@pytest.mark.parametrize("low", [0.0, np.nan, 101.0])
def test_candles_that_cannot_be_are_refused(low: float) -> None:
    with pytest.raises(DataError, match="check the reference candles"):
        facts_of([at(1, 1)], [1.0], market(low))


def test_candles_of_closes_are_refused() -> None:
    with pytest.raises(DataError, match="know closes only"):
        facts_of([at(1, 1)], [1.0], replace(market(90), close_only=True))


@pytest.fixture(scope="module")
def record(market_data: Path) -> tuple[IntArray, FloatArray, Candles]:
    """Return the calls of 2021 on the main market, and ETH by hour."""
    return *recorded_calls(market_data), eth_by_the_hour(market_data)


def test_the_record_of_aave_v2_in_2021(record: tuple[IntArray, FloatArray, Candles]) -> None:
    """Calls: the IDEA-Blockchain study of TheRensselaerIDEA (DefiResearch/Data/liquidations.csv); ETH of Bitstamp.

    To the digits printed with that record: 7,179 calls, 555.2 m USD; 2021-05-19 153.6 m; 34 days with the low 10 % or
    more below the previous close hold 78 %; top 5 days 54 %; top 10 % of calls 82 %; ln value on ln fall 2.7 (0.23);
    82 % in hours of a new 24-hour low.
    """
    found = liquidation_facts(*record)
    assert (found.calls, round(found.total / 1e6, 1)) == (7_179, 555.2)
    assert (day(found.largest_day), round(found.largest_day_value / 1e6, 1)) == ("2021-05-19", 153.6)
    assert (found.crash_days, round(found.crash_days_share, 2)) == (34, 0.78)
    assert round(found.top_five_days_share, 2) == 0.54
    assert round(found.top_decile_calls_share, 2) == 0.82
    assert found.elasticity is not None
    assert found.elasticity_standard_error is not None
    assert (round(found.elasticity, 1), round(found.elasticity_standard_error, 2)) == (2.7, 0.23)
    assert (found.elasticity_days, found.days) == (218, 364)
    assert round(found.new_low_share, 2) == 0.82
    assert round(found.new_low_hours_share, 2) == 0.07
