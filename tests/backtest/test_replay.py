"""The replay: against the slow loop, and against the laws that hold for any book and any prices."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_replay import (
    COHORT,
    HOUR,
    PAIR,
    START,
    TERMS,
    SlowReplay,
    book_of,
    candles_of,
    market_of,
    one_account,
    replayed,
    rough_market,
)
from small_worlds import agree

from riskparams.backtest.liquidation import Intrabar, LiquidationRules
from riskparams.backtest.positions import Cohort
from riskparams.backtest.replay import BacktestResult, DailyTotals, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.errors import InsufficientData
from riskparams.parameters.risk_parameters import ObservedParameters
from riskparams.terms import DAY

PASSIVE = Cohort(top_up_hazard=0, relever_hazard=0)
FULL_CLOSE = LiquidationRules(full_close_below=1.0, execution_bars=0, intrabar=Intrabar.BEST)
CHANGING = ParameterSchedule(
    effective=START + HOUR * np.array([0, 100, 507]),
    max_ltv=np.array([0.75, 0.70, 0.74]),
    liquidation_threshold=np.array([0.8, 0.76, 0.79]),
    liquidation_bonus=np.array([0.05, 0.07, 0.04]),
)


def totals(result: BacktestResult) -> dict[str, np.ndarray]:
    return {field.name: getattr(result.daily, field.name) for field in fields(DailyTotals)}


@pytest.mark.parametrize("intrabar", list(Intrabar))
@pytest.mark.parametrize("execution_bars", [0, 1, 3])
def test_the_replay_of_a_pair_agrees_with_the_slow_loop(execution_bars: int, intrabar: Intrabar) -> None:
    candles, book = rough_market(600, seed=execution_bars, sigma=0.02), book_of(25, seed=execution_bars)
    rules = LiquidationRules(execution_bars=execution_bars, intrabar=intrabar)
    result = replayed(candles, book, CHANGING, rules)
    market = market_of(candles)
    slow = SlowReplay(market, {PAIR.collateral: CHANGING}, book.book(market.assets, market.close[0]), rules, COHORT).run()
    assert len(slow.events) > 20
    agree(result, slow)


def test_the_slow_loop_met_everything_that_can_happen() -> None:
    result = replayed(rough_market(3000, seed=4, sigma=0.02), book_of(50))
    daily = result.daily
    for name in ("episodes", "liquidations", "judged", "false_liquidations", "recovered", "bad_debt", "deficit"):
        assert getattr(daily, name).sum() > 0, name
    assert daily.false_liquidations.sum() < daily.judged.sum() < daily.liquidations.sum()


def test_exposure_is_the_debt_carried_into_each_bar() -> None:
    result = replayed(candles_of(np.full(49, 100.0)), one_account(size=10_000), cohort=PASSIVE)
    assert result.daily.day.tolist() == [START, START + DAY, START + 2 * DAY]
    assert result.daily.hours.tolist() == [23, 24, 1]
    assert result.daily.debt_hours.tolist() == [23 * 7500, 24 * 7500, 7500]
    assert result.daily.max_ltv_hours.tolist() == pytest.approx([23 * 0.75, 24 * 0.75, 0.75])


def test_a_fall_is_executed_after_the_horizon_and_leaves_the_worked_shortfall() -> None:
    """Debt 7,500 on 100 units: unhealthy below 93.75; at 75 health is 0.8, and 4.7619 % of the debt is lost."""
    prices = np.r_[np.full(3, 100.0), 90.0, 75.0, np.full(20, 75.0)]
    result = replayed(candles_of(prices), one_account(), cohort=PASSIVE)
    assert result.events.time.tolist() == [START + 5 * HOUR]
    assert result.events.health[0] == pytest.approx(0.8)
    assert result.events.bad_debt[0] == pytest.approx(0.047619 * 7500, abs=0.01)
    assert result.daily.bad_debt.sum() == result.events.bad_debt[0]


def test_a_trigger_lapses_when_the_price_is_back_at_execution() -> None:
    low = np.full(30, 100.0)
    low[5] = 90.0
    result = replayed(candles_of(np.full(30, 100.0), low), one_account(), cohort=PASSIVE)
    assert (result.daily.recovered.sum(), result.daily.episodes.sum(), len(result.events)) == (1, 1, 0)
    best = replayed(candles_of(np.full(30, 100.0), low), one_account(), cohort=PASSIVE, rules=LiquidationRules(intrabar="best"))
    assert best.daily.episodes.sum() == 0


@pytest.mark.parametrize(("quiet_hours", "episodes"), [(23, 1), (24, 2)])
def test_an_episode_ends_once_health_has_held_for_a_day(quiet_hours: int, episodes: int) -> None:
    low = np.full(60, 100.0)
    low[5] = low[6 + quiet_hours] = 90.0
    result = replayed(candles_of(np.full(60, 100.0), low), one_account(), cohort=PASSIVE)
    assert result.daily.episodes.sum() == episodes


def test_a_liquidation_was_false_if_the_position_would_have_lived() -> None:
    prices = np.full(400, 100.0)
    prices[5:8] = 92.0
    dipped = replayed(candles_of(prices), one_account(), cohort=PASSIVE)
    assert (dipped.daily.judged[0], dipped.daily.false_liquidations[0]) == (1, 1)
    prices[5:] = 92.0
    fallen = replayed(candles_of(prices), one_account(), cohort=PASSIVE)
    assert (fallen.daily.judged[0], fallen.daily.false_liquidations[0]) == (1, 0)
    short = replayed(candles_of(prices[:100]), one_account(), cohort=PASSIVE)
    assert (short.daily.liquidations[0], short.daily.judged[0]) == (1, 0)


def test_a_closed_account_opens_again_after_a_week_at_its_own_utilisation() -> None:
    prices = np.r_[np.full(3, 100.0), np.full(300, 70.0)]
    result = replayed(candles_of(prices), one_account(utilisation=0.95), cohort=PASSIVE)
    assert len(result.events) == 1
    assert result.daily.debt_hours[3:7].sum() == 0
    assert result.daily.debt_hours[-2] == pytest.approx(24 * 0.95 * 0.75 * 10_000)


def test_instant_full_close_without_gaps_leaves_no_bad_debt() -> None:
    steps = np.exp(np.cumsum(np.random.default_rng(3).uniform(-0.04, 0.04, 4000)))
    result = replayed(candles_of(100 * steps), book_of(200), rules=FULL_CLOSE)
    assert len(result.events) > 100
    assert result.daily.bad_debt.sum() == 0


@given(seed=st.integers(0, 10_000), execution_bars=st.integers(0, 4), sigma=st.floats(0.001, 0.1))
@settings(max_examples=25, deadline=None)
def test_laws_of_any_replay(seed: int, execution_bars: int, sigma: float) -> None:
    rules = LiquidationRules(execution_bars=execution_bars)
    result = replayed(rough_market(400, seed, sigma), book_of(20, seed), rules=rules)
    daily, log = result.daily, result.events
    assert np.all(daily.bad_debt >= 0)
    assert np.all(daily.deficit >= 0)
    assert np.all(daily.false_liquidations <= daily.judged)
    assert np.all(log.health < 1)
    collateral_before = log.health * (log.repaid + log.bad_debt) / TERMS.liquidation_threshold
    closed = log.bad_debt > 0
    assert log.seized[closed] == pytest.approx(collateral_before[closed], rel=1e-9)
    passed_on = daily.profit + daily.protocol_fee  # without slippage and costs, all that borrowers pay
    assert passed_on == pytest.approx(daily.penalty, abs=1e-9 * max(1.0, daily.seized.max()))
    assert (daily.repaid.sum(), daily.bad_debt.sum()) == pytest.approx((log.repaid.sum(), log.bad_debt.sum()))


def test_the_future_changes_no_past_day() -> None:
    candles, book, cut = rough_market(1200, seed=8), book_of(60), 700
    shocked = candles.close.copy(), candles.low.copy()
    for array in shocked:
        array[cut:] *= 0.3
    plain, changed = replayed(candles, book), replayed(candles_of(*shocked), book)
    before = plain.daily.day + DAY <= candles.time[cut - 1]
    assert before.sum() > 20
    for name, values in totals(plain).items():
        if name != "false_liquidations":
            assert np.array_equal(values[before], totals(changed)[name][before]), name
    assert changed.daily.bad_debt.sum() > plain.daily.bad_debt.sum()


@pytest.mark.parametrize(("factor", "tolerance"), [(1024.0, 0.0), (1000.0, 1e-9)])
def test_the_unit_of_price_does_not_matter(factor: float, tolerance: float) -> None:
    candles, book = rough_market(1500, seed=2), book_of(80)
    scaled = candles_of(candles.close * factor, candles.low * factor)
    for name, values in totals(replayed(scaled, book)).items():
        assert values == pytest.approx(totals(replayed(candles, book))[name], rel=tolerance, abs=tolerance * 1e6), name


def test_more_accounts_change_no_other_account() -> None:
    candles = rough_market(1500, seed=6)
    few, many = replayed(candles, book_of(20)).events, replayed(candles, book_of(200)).events
    mine = many.account < 20
    assert 0 < len(few) < len(many)
    for name in ("time", "account", "health", "repaid", "seized", "bad_debt"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[mine])


def test_borrowers_draw_alike_under_any_parameters() -> None:
    """Without a liquidation the bonus plays no part, so two bonuses must see the same debt at every bar."""
    candles = candles_of(100 * np.exp(0.004 * np.random.default_rng(1).standard_normal(800)))
    other = replace(TERMS, liquidation_bonus=0.2)
    book = book_of(300)
    safe = replace(book, utilisation=book.utilisation * 0.9)
    one, two = replayed(candles, safe), replayed(candles, safe, other)
    assert len(one.events) == len(two.events) == 0
    assert len(np.unique(one.daily.debt_hours[1:-1])) > 10  # borrowers did act
    assert np.array_equal(one.daily.debt_hours, two.daily.debt_hours)


def test_toxic_and_closed_markets_are_replayed_like_any_other() -> None:
    toxic = ObservedParameters(max_ltv=0.9, liquidation_threshold=0.97, liquidation_bonus=0.10)
    assert replayed(rough_market(500, seed=1), book_of(50), toxic).daily.bad_debt.sum() > 0
    closed = ObservedParameters(max_ltv=0, liquidation_threshold=0, liquidation_bonus=0)
    assert replayed(rough_market(500, seed=1), book_of(50), closed).daily.debt_hours.sum() == 0


def test_a_window_without_two_bars_is_refused() -> None:
    candles = candles_of(np.full(5, 1.0))
    with pytest.raises(InsufficientData, match="at least 2"):
        replay(
            market_of(candles),
            ParameterSchedule.constant(TERMS, START),
            one_account(),
            LiquidationRules(),
            cohort=COHORT,
            start=int(candles.time[3]),
            end=int(candles.time[4]),
        )


def test_a_low_in_the_bar_that_recovered_is_a_trigger_of_its_own() -> None:
    """Lows touch in bars 1 and 2, and the close stays low from bar 3: a shorter wait never acts later."""
    close, low = np.r_[100.0, 100.0, 100.0, np.full(10, 90.0)], np.r_[100.0, 92.0, 92.0, np.full(10, 90.0)]
    acted = {}
    for wait in (1, 2):
        rules = LiquidationRules(execution_bars=wait)
        acted[wait] = replayed(candles_of(close, low), one_account(), cohort=PASSIVE, rules=rules).events.time[0]
    assert acted[1] == acted[2] == START + 4 * HOUR
