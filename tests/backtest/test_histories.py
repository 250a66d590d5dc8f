"""Histories of one market, and what is at risk over them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from slow_replay import HOUR, START, TERMS, book_of, market_of, rough_market
from small_worlds import random_world

from riskparams.backtest.histories import BootstrappedMarkets, SimulatedMarkets
from riskparams.backtest.liquidation import LiquidationRules
from riskparams.backtest.loss_distribution import Loss, loss_distribution, loss_of
from riskparams.backtest.market import Market
from riskparams.backtest.replay import replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.compute import Executor
from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.paths.simulate import PricePaths
from riskparams.terms import Asset

X, USD = Asset("X"), Asset("USD")


def with_gap(market: Market, at: int) -> Market:
    time = market.time.copy()
    time[at:] += 5 * HOUR
    return replace(market, time=time)


def histories(market: Market, **more: object) -> BootstrappedMarkets:
    return replace(BootstrappedMarkets(market=market, bars=168, count=40, mean_block=24, seed=3), **more)  # type: ignore[arg-type]


def test_every_bar_of_a_history_is_a_bar_of_the_market_with_all_its_assets() -> None:
    market = random_world(5).market
    found = histories(market)
    for number in range(5):
        history, rows = found[number], found.rows(number)
        assert np.array_equal(history.close[0], market.close[-1])
        for name in ("close", "low", "high"):
            in_history = getattr(history, name)[1:] / history.close[:-1]
            assert in_history == pytest.approx(getattr(market, name)[rows] / market.close[rows - 1], rel=1e-12)
        assert np.all(np.diff(history.time) == market.bar)


def test_no_bar_crosses_a_gap_and_no_block_runs_past_the_end() -> None:
    market = with_gap(market_of(rough_market(60, seed=1)), at=30)
    for number in range(40):
        rows = histories(market, mean_block=1e12).rows(number)
        assert not np.isin(rows, [0, 30]).any()
        went_on = np.diff(rows) == 1
        assert not np.isin(rows[:-1][went_on], [29, 59]).any()
        assert np.isin(rows[:-1][~went_on], [29, 59]).all()  # blocks this long end where the market does


def test_blocks_have_the_mean_length() -> None:
    rows = histories(market_of(rough_market(20_000, seed=1)), bars=5_000, mean_block=20.0)
    breaks = np.mean([np.diff(rows.rows(number)) != 1 for number in range(20)])
    assert 1 / breaks == pytest.approx(20, rel=0.05)


def test_a_history_depends_on_its_number_and_the_seed_alone() -> None:
    market = market_of(rough_market(500, seed=2))
    assert np.array_equal(histories(market, count=40).rows(7), histories(market, count=900).rows(7))
    assert not np.array_equal(histories(market).rows(7), histories(market).rows(8))
    assert not np.array_equal(histories(market).rows(7), histories(market, seed=4).rows(7))


def test_simulated_paths_become_markets() -> None:
    close = np.array([[0.1, -0.2, 0.0], [0.0, np.nan, 0.1]])
    found = SimulatedMarkets(
        prices={X: 2000.0, USD: 1.0}, paths={X: PricePaths(close=close, low=close - 0.05)}, last=START, bar=HOUR
    )
    market = found[0]
    assert (market.assets, len(found), market.time.tolist()) == ((X, USD), 2, [START + HOUR * i for i in range(4)])
    assert market.close[:, 0] == pytest.approx(2000 * np.exp([0, 0.1, -0.2, 0]))
    assert market.low[1:, 0] == pytest.approx(2000 * np.exp([0.05, -0.25, -0.05]))
    assert market.high[:, 0] == pytest.approx(2000 * np.exp([0, 0.1, 0.1, 0]))
    assert np.all(market.close[:, 1] == 1)
    with pytest.raises(DataError, match="X: the close of the bar closing 2022-01-01T02:00:00Z is nan"):
        found[1]
    with pytest.raises(IndexError, match="history 2 of 2"):
        found[2]


def weekly_loss(number: int) -> Loss:
    market = market_of(rough_market(3000, seed=4, sigma=0.02))
    schedule = ParameterSchedule.constant(TERMS, START)
    return loss_of(replay(histories(market, count=100)[number], schedule, book_of(100), LiquidationRules()))


def test_losses_are_the_same_on_any_number_of_workers() -> None:
    alone, together = (loss_distribution(weekly_loss, 100, seed=1, executor=Executor(workers)) for workers in (1, 2))
    assert alone.measures == together.measures
    assert np.array_equal(alone.bad_debt, together.bad_debt)
    assert np.array_equal(alone.liquidated, together.liquidated)
    assert not alone.failures
    assert alone.bad_debt.max() > 0
    assert np.all(alone.liquidated >= 0)


def test_what_is_owed_above_collateral_at_the_end_is_lost() -> None:
    world = next(world for world in map(random_world, range(200)) if replay_of(world).daily.deficit[-1] > 0)
    daily = replay_of(world).daily
    assert loss_of(replay_of(world))[0] == daily.bad_debt.sum() + daily.deficit[-1]


def replay_of(world):  # type: ignore[no-untyped-def]
    return replay(world.market, world.schedules, world.book, world.rules, oracle=world.oracle, conditions=world.conditions)


def test_measures_are_the_order_statistics_and_say_what_they_are() -> None:
    shuffled = np.random.default_rng(1).permutation(1000)
    found = loss_distribution(lambda number: (float(shuffled[number]), 2.0 * shuffled[number]), 1000, seed=1).measures
    assert [metric.point for metric in found.values()] == [949, 989, pytest.approx(994.5), 1898]
    assert "net insolvent value" in found["value_at_risk_95"].note
    assert "not a loss of the protocol" in found["liquidations_at_risk_95"].note
    for metric in found.values():
        assert metric.low is not None
        assert metric.high is not None
        assert metric.low < metric.point < metric.high


def test_the_interval_of_a_quantile_covers_it_whatever_the_law_is() -> None:
    rng = np.random.default_rng(2)
    for draw in (rng.standard_cauchy, rng.standard_exponential):
        truth, held = np.quantile(np.abs(draw(2_000_000)), 0.95), 0
        for _ in range(300):
            losses = np.abs(draw(200))
            var = loss_distribution(lambda n, losses=losses: (losses[n], losses[n]), 200, seed=1).measures["value_at_risk_95"]
            assert var.low is not None
            assert var.high is not None
            held += var.low <= truth <= var.high
        assert held / 300 >= 0.92


def fails_for(failing: int, how: object) -> object:
    def run(number: int) -> Loss:
        if number < failing:
            if isinstance(how, Exception):
                raise how
            return float(how), 1.0  # type: ignore[arg-type]
        return float(number), 1.0

    return run


@pytest.mark.parametrize("how", [DataError("the path left the numbers"), math.nan, math.inf, -1.0])
def test_a_failed_history_is_counted_as_the_worst_and_never_as_no_loss(how: object) -> None:
    found = loss_distribution(fails_for(10, how), 200, seed=1)  # type: ignore[arg-type]
    assert [number for number, _ in found.failures] == list(range(10))
    assert np.all(np.isinf(found.bad_debt[:10]))
    assert np.all(np.isinf(found.liquidated[:10]))
    assert found.measures["value_at_risk_95"].point == 199  # 5 % failed, so that the rest is at or below the worst known
    assert found.measures["extreme_value_at_risk_99"].point == math.inf
    assert found.measures["expected_shortfall_99"].point == math.inf
    assert "10 of 200 histories failed and count as inf" in found.measures["value_at_risk_95"].note


def test_a_failed_history_may_count_as_the_whole_book() -> None:
    run = fails_for(1, math.nan)
    found = loss_distribution(run, 200, seed=1, worst=1e6)  # type: ignore[arg-type]
    assert found.measures["expected_shortfall_99"].point == pytest.approx((1e6 + 199) / 2)
    assert found.failures == ((0, "bad debt is nan, liquidated debt 1.0"),)
    with pytest.raises(ConfigError, match="lost 199, more than the 5"):
        loss_distribution(run, 200, seed=1, worst=5)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="all 200 histories failed, the first with bad debt is nan"):
        loss_distribution(lambda _: (math.nan, 0.0), 200, seed=1)


def test_a_diverged_path_is_a_failure_of_the_run() -> None:
    close = np.zeros((100, 5))
    close[3, 2] = 1e4  # exp of it is no price
    found = SimulatedMarkets(prices={X: 2000.0, USD: 1.0}, paths={X: PricePaths(close=close, low=close)}, last=START, bar=HOUR)
    schedule = ParameterSchedule.constant(TERMS, START - 1)
    losses = loss_distribution(
        lambda number: loss_of(replay(found[number], schedule, book_of(5), LiquidationRules())), 100, seed=1
    )
    assert [number for number, _ in losses.failures] == [3]
    assert "the close of the bar closing" in losses.failures[0][1]


def test_nonsense_is_refused() -> None:
    market = market_of(rough_market(50, seed=1))
    with pytest.raises(ConfigError, match=r"blocks of 0\.5"):
        histories(market, mean_block=0.5)
    with pytest.raises(InsufficientData, match="1 bars of the market follow another"):
        histories(replace(market.between(START, START + 2 * HOUR)))
    with pytest.raises(InsufficientData, match="99 histories: expected at least 100"):
        loss_distribution(lambda _: (0.0, 0.0), 99, seed=1)
    with pytest.raises(ConfigError, match="a failed history is -1"):
        loss_distribution(lambda _: (0.0, 0.0), 100, seed=1, worst=-1)
    path = PricePaths(close=np.zeros((2, 3)), low=np.zeros((2, 3)))
    with pytest.raises(ConfigError, match="each of an asset with a price"):
        SimulatedMarkets(prices={USD: 1.0}, paths={X: path}, last=START, bar=HOUR)
