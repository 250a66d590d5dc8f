"""Halts, margin calls, the growth of debts, and ramps: what stands around liquidations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_replay import HOUR, START, TERMS, candles_of, market_of

from riskparams.backtest.dated_values import YEAR, DatedValues
from riskparams.backtest.defences import Funding, circuit_breaker, debt_growth, margin_calls
from riskparams.backtest.liquidation import LiquidationRules
from riskparams.backtest.market import Market, calm
from riskparams.backtest.positions import unmanaged
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule, ramped
from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.terms import Asset, FloatArray

USD = Asset("USD")
A_DAY, AN_HOUR = timedelta(days=1), timedelta(hours=1)


def noisy(bars: int, seed: int, jump_at: int | None = None) -> Market:
    moves = 0.005 * np.random.default_rng(seed).standard_normal(bars).clip(-2.5, 2.5)
    if jump_at is not None:
        moves[jump_at] -= 0.2
    return market_of(candles_of(2000 * np.exp(np.cumsum(moves))))


def played(market: Market, *, owed: float = 1450.0, **more: object) -> BacktestResult:
    """Return what happens to one account with one unit of collateral at 2,000 and a debt, liquidated in the bar after."""
    book = unmanaged(market.assets, np.array([[1.0, 0.0]]), np.array([[0.0, owed]]))
    rules = LiquidationRules(close_factor=1.0, dust=0.0)
    return replay(
        market,
        ParameterSchedule.constant(TERMS, START),
        book,
        rules,
        conditions=replace(calm(market), **more),  # type: ignore[arg-type]
    )


def test_a_halt_begins_with_the_bar_of_the_move_and_lasts_its_time() -> None:
    halted = circuit_breaker(noisy(200, 1, jump_at=100), halt=timedelta(minutes=150), memory=2 * A_DAY)
    assert np.flatnonzero(halted).tolist() == [100, 101, 102]


def test_a_move_is_held_to_the_deviations_before_its_window() -> None:
    market = noisy(300, 3, jump_at=150)
    halted = circuit_breaker(market, halt=AN_HOUR, window=timedelta(hours=4), memory=2 * A_DAY)
    returns = np.diff(np.log(market.close[:, 0]), prepend=np.log(market.close[0, 0]))
    for t in range(300):
        slow = False
        if t >= 52:
            sigma = np.sqrt(np.mean(returns[t - 4 - 48 + 1 : t - 4 + 1] ** 2))
            slow = bool(abs(returns[t - 3 : t + 1].sum()) > 6 * sigma * 2)
        assert halted[t] == slow, t
    assert halted[150:154].all()


@given(st.integers(0, 1000), st.integers(60, 119))
def test_the_future_halts_no_past_bar(seed: int, known: int) -> None:
    market = noisy(120, seed, jump_at=60)
    prices = market.close.copy()
    prices[known + 1 :, 0] *= 0.5
    other = replace(market, close=prices, low=prices, high=prices)
    first, second = (circuit_breaker(each, halt=3 * AN_HOUR, memory=A_DAY) for each in (market, other))
    assert np.array_equal(first[: known + 1], second[: known + 1])


def test_a_halt_extends_the_time_to_execution() -> None:
    market = market_of(candles_of(np.r_[np.full(30, 2000.0), np.full(20, 1600.0)]))
    sigma = np.array([0.01, 0.0])
    halted = circuit_breaker(market, halt=3 * AN_HOUR, sigma=sigma)
    assert np.flatnonzero(halted).tolist() == [30, 31, 32]
    free, held = played(market), played(market, halted=halted)
    assert held.events.time.tolist() == [int(free.events.time[0]) + 3 * HOUR]


def test_health_is_looked_at_when_margin_is_called() -> None:
    market = market_of(candles_of(np.r_[np.full(30, 2000.0), np.full(40, 1600.0)]))
    checked = margin_calls(market, A_DAY)
    assert np.flatnonzero(checked).tolist() == [23, 47]  # the first bar closes at 01:00
    called = played(market, checked=checked)
    assert called.events.time.tolist() == [int(market.time[48])]
    assert margin_calls(market, AN_HOUR).all()
    assert margin_calls(market, timedelta(minutes=7)).all()


def test_debts_grow_by_dated_rates_and_by_funding() -> None:
    market = market_of(candles_of(np.full(100, 2000.0)))
    fees = DatedValues(name="fee", time=START + HOUR * np.array([0, 50]), value=np.array([0.05, 0.10]))
    growth = debt_growth(market, {USD: fees})
    hours = YEAR / HOUR
    assert growth[:, 0].tolist() == [1.0] * 100
    assert growth[-1, 1] == pytest.approx(1.05 ** (49 / hours) * 1.10 ** (50 / hours), rel=1e-12)
    paid = Funding(time=START + HOUR * np.array([1, 9, 17]), rate=np.array([0.5, 0.01, -0.02]))
    funding = debt_growth(market, {USD: paid})[:, 1]
    assert funding[[0, 7, 8, 15, 16, 99]] == pytest.approx([1, 1, 1.01, 1.01, 1.01 * 0.98, 1.01 * 0.98])


@pytest.mark.parametrize(("rate", "liquidated"), [(-0.05, 0), (0.0, 0), (0.08, 1)])
def test_funding_that_longs_pay_liquidates_them(rate: float, liquidated: int) -> None:
    market = market_of(candles_of(np.full(100, 2000.0)))
    growth = debt_growth(market, {USD: Funding(time=START + HOUR * np.array([20, 40]), rate=np.array([rate, rate]))})
    assert len(played(market, debt_growth=growth).events) == liquidated


def cuts(*threshold: float, hours: tuple[int, ...] = (0, 10)) -> ParameterSchedule:
    values: FloatArray = np.array(threshold)
    return ParameterSchedule(
        effective=START + HOUR * np.array(hours),
        max_ltv=values - 0.1,
        liquidation_threshold=values,
        liquidation_bonus=np.linspace(0.05, 0.06, len(values)),
    )


def test_a_threshold_falls_along_a_line_while_max_ltv_falls_at_once() -> None:
    ramp = ramped(cuts(0.80, 0.78), over=timedelta(hours=8))
    for hour in range(1, 30):
        terms = ramp.at(START + HOUR * hour)
        assert terms.liquidation_threshold == pytest.approx(0.80 - 0.02 * min(max(hour - 10, 0) / 8, 1))
        assert terms.max_ltv == pytest.approx(0.70 if hour <= 10 else 0.68)
        assert terms.liquidation_bonus == (0.05 if hour <= 10 else 0.06)


def test_a_threshold_rises_at_once_and_an_update_ends_a_ramp() -> None:
    ramp = ramped(cuts(0.70, 0.80, 0.70, 0.74, 0.60, hours=(0, 10, 20, 25, 40)), over=timedelta(hours=10))
    found = [ramp.at(START + HOUR * hour).liquidation_threshold for hour in (10, 11, 20, 21, 25, 26, 30, 36, 41, 50, 60)]
    assert found == pytest.approx([0.70, 0.80, 0.80, 0.79, 0.75, 0.749, 0.745, 0.74, 0.726, 0.60, 0.60])


def test_a_ramp_gives_the_account_that_is_just_safe_its_time() -> None:
    market = market_of(candles_of(np.full(60, 2000.0)))
    book = unmanaged(market.assets, np.array([[1.0, 0.0]]), np.array([[0.0, 1570.0]]))  # safe down to 0.785
    rules = LiquidationRules(execution_bars=0)
    for schedule, hour in ((cuts(0.80, 0.78), 11), (ramped(cuts(0.80, 0.78), over=timedelta(hours=8)), 17)):
        assert replay(market, schedule, book, rules).events.time.tolist() == [START + HOUR * hour]


def test_nonsense_is_refused() -> None:
    market = noisy(50, 1)
    with pytest.raises(InsufficientData, match="50 bars and the breaker's memory 720"):
        circuit_breaker(market, halt=AN_HOUR)
    with pytest.raises(ConfigError, match="halt is 0:00:00"):
        circuit_breaker(market, halt=timedelta(0), memory=A_DAY)
    with pytest.raises(ConfigError, match="sigma has shape"):
        circuit_breaker(market, halt=AN_HOUR, sigma=np.array([0.1]))
    with pytest.raises(ConfigError, match="0 standard deviations"):
        circuit_breaker(market, halt=AN_HOUR, sigmas=0)
    with pytest.raises(ConfigError, match="above 0"):
        margin_calls(market, timedelta(0))
    with pytest.raises(ConfigError, match="ramp over 0:00:00"):
        ramped(cuts(0.8, 0.7), over=timedelta(0))
    with pytest.raises(DataError, match=r"is -1\.5"):
        Funding(time=np.array([START]), rate=np.array([-1.5]))
    with pytest.raises(DataError, match="in order of time"):
        Funding(time=np.array([2, 1]), rate=np.zeros(2))
    with pytest.raises(DataError, match="rate of USD"):
        debt_growth(market, {USD: float("nan")})
    with pytest.raises(DataError, match="GBP is not among"):
        debt_growth(market, {Asset("GBP"): 0.05})
