"""The worked numbers of the method and the laws they stand for, through the engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lone_accounts import ALL_AT_ONCE, AT_ONCE, left_alone, observed
from slow_replay import START, book_of, candles_of, replayed

from riskparams.backtest.impact import MarketImpact, depth_arrays
from riskparams.backtest.kernels import displacement, sale_loss
from riskparams.backtest.liquidation import CappedBonus, DutchAuction, Intrabar, LinearBonus, Liquidators
from riskparams.backtest.positions import Cohort
from riskparams.execution import ConstantProduct
from riskparams.parameters.risk_parameters import RiskParameters
from riskparams.terms import NANOSECONDS, Asset

THRESHOLD, BONUS = 0.8, 0.05
X = Asset("X")
FREE = Liquidators(gas=0, win_probability=1, oracle_gap=0, venue_fee=0, flash_fee=0, margin=0)


@pytest.mark.parametrize(("health", "after"), [(0.95, 0.962222), (0.83, 0.828889)])
def test_repaying_a_tenth_moves_health_as_published(health: float, after: float) -> None:
    """Above theta (1 + b) = 0.84 a liquidation heals; below, it worsens."""
    log = left_alone(health / THRESHOLD, 1.0, observed(THRESHOLD, BONUS), close=np.ones(3)).events
    assert log.repaid[0] == pytest.approx(0.1, rel=1e-12)
    assert np.round(log.health, 6).tolist() == [health, after]


def test_target_health_is_reached_by_repaying_the_published_share() -> None:
    rules = replace(AT_ONCE, close_factor=None, target_health=1.05)
    result = left_alone(0.93 / THRESHOLD, 1.0, observed(THRESHOLD, BONUS), rules, close=np.ones(48))
    assert np.round(result.events.repaid, 6).tolist() == [0.571429]
    day_after = THRESHOLD * result.daily.collateral_hours[1] / result.daily.debt_hours[1]
    assert day_after == pytest.approx(1.05, rel=1e-12)


@pytest.mark.parametrize(("health", "shortfall"), [(0.80, 0.047619), (0.75, 0.107143)])
def test_exhausted_collateral_leaves_the_published_shortfall(health: float, shortfall: float) -> None:
    collateral = health / THRESHOLD
    log = left_alone(collateral, 1.0, observed(THRESHOLD, BONUS), ALL_AT_ONCE, close=np.ones(5)).events
    assert np.round(log.bad_debt, 6).tolist() == [shortfall]
    assert (log.seized[0], log.deficit[0]) == (collateral, 0.0)
    assert log.repaid[0] + log.bad_debt[0] == pytest.approx(1.0, rel=1e-12)


def test_a_dutch_auction_clears_after_the_published_time_at_the_published_price() -> None:
    """Bars of one step: a keeper that asks for a discount of 1.5 % waits 20 steps of 90 s and pays 0.981488."""
    auction = DutchAuction(buffer=1.2, cut=0.01, step_seconds=90)
    assert (auction.steps_until(0.985) * 90, round(auction.price(20), 6)) == (1800, 0.981488)
    rules = replace(AT_ONCE, close_factor=None, auction=auction, liquidators=replace(FREE, oracle_gap=0.015))
    bar = 90 * NANOSECONDS
    result = left_alone(1.2, 1.0, observed(THRESHOLD, BONUS), rules, close=np.ones(60), bar=bar)
    started, (taken,) = START + 2 * bar, result.events.time.tolist()  # called and started in the second bar
    assert (taken - started) / NANOSECONDS == 1800
    assert result.events.repaid[0] == pytest.approx(1.0, rel=1e-12)
    assert round(result.events.repaid[0] * (1 + BONUS) / result.events.seized[0], 6) == 0.981488


@pytest.mark.parametrize(
    ("buffer", "cut", "share", "steps"), [(1.2, 0.01, 1.2, 0), (1.2, 0.01, 2.0, 0), (1.0, 0.5, 0.25, 2), (1.0, 0.5, 0.2, 3)]
)
def test_an_auction_takes_the_first_step_at_or_below_a_share(buffer: float, cut: float, share: float, steps: int) -> None:
    auction = DutchAuction(buffer=buffer, cut=cut)
    assert auction.steps_until(share) == steps
    assert auction.price(steps) <= share * (1 + 1e-12)


def test_a_million_into_a_pool_of_ten_loses_and_moves_what_is_published() -> None:
    pool = ConstantProduct(10e6)
    assert (round(pool.slippage(1e6), 6), round(pool.price_after(1e6) - 1, 6)) == (0.090909, -0.173554)
    depths = depth_arrays(MarketImpact(depth={X: pool}), (X,), bar_seconds=3600)
    law = (depths.law[0], depths.number[0], depths.sold[0], depths.slippage[0], 1.0, 1e6)
    assert sale_loss(*law) == pytest.approx(1e6 / 11, rel=1e-12)
    assert displacement(*law) == pytest.approx(-log(pool.price_after(1e6)), rel=1e-12)


@pytest.mark.parametrize(
    ("permanent", "half_life", "price"),
    [(1.0, timedelta(hours=1), (10 / 11) ** 2), (0.0, timedelta(hours=1), 10 / 11), (0.3, timedelta(minutes=30), None)],
    ids=["all-stays", "half-is-gone-after-a-bar", "the-default"],
)
def test_a_sale_in_one_bar_is_the_price_of_the_next(permanent: float, half_life: timedelta, price: float | None) -> None:
    """Account 0 brings a million to a pool of ten; account 1 falls only because of it."""
    impact = MarketImpact(depth={X: ConstantProduct(10e6)}, permanent=permanent, half_life=half_life)
    result = left_alone([1e6, 12.6], [1e6, 10.0], observed(THRESHOLD, BONUS), ALL_AT_ONCE, close=np.ones(3), impact=impact)
    log = result.events
    assert log.account.tolist() == [0, 1]
    assert log.slippage[0] == pytest.approx(1e6 * 0.090909, abs=0.1)
    assert log.profit[0] == pytest.approx(1e6 - log.repaid[0] - log.slippage[0], rel=1e-12)
    expected = (10 / 11) ** (2 * (0.3 + 0.7 / 4)) if price is None else price  # half of 30 minutes, twice
    assert log.market_price[1] == pytest.approx(expected, rel=1e-12)


@given(
    threshold=st.floats(0.6, 0.88),
    toxicity=st.floats(1.0, 1.3),
    health=st.floats(0.9, 0.999),
    close_factor=st.floats(0.05, 0.5),
)
@settings(max_examples=40)
def test_toxic_parameters_spiral_down_to_bad_debt_and_others_heal(
    threshold: float, toxicity: float, health: float, close_factor: float
) -> None:
    """theta (1 + b) >= 1: every partial liquidation lowers health, at a price that stands still, until debt is bad."""
    rules, still = replace(AT_ONCE, close_factor=close_factor), np.ones(300)
    toxic = left_alone(health / threshold, 1.0, observed(threshold, toxicity / threshold - 1), rules, close=still).events
    assert len(toxic) >= 2
    assert np.all(np.diff(toxic.health) < 0)
    assert np.all(toxic.bad_debt[:-1] == 0)
    assert toxic.bad_debt[-1] > 0
    sound = left_alone(health / threshold, 1.0, observed(threshold, (health / threshold - 1) / 2), rules, close=still)
    assert np.all(np.diff(sound.events.health) > 0)
    assert sound.daily.bad_debt.sum() == sound.daily.deficit.max() == 0


@given(
    threshold=st.floats(0.5, 0.93),
    bonus=st.floats(0, 0.07),
    seed=st.integers(0, 10_000),
    intrabar=st.sampled_from(list(Intrabar)),
    active=st.booleans(),
)
@settings(max_examples=50)
def test_instant_full_closes_without_impact_leave_no_bad_debt_on_a_path_without_a_larger_gap(
    threshold: float, bonus: float, seed: int, intrabar: Intrabar, active: bool
) -> None:
    gap, rng = 1 - threshold * (1 + bonus), np.random.default_rng(seed)
    moves = np.where(rng.random(600) < 0.1, 0.999 * gap, rng.uniform(-gap, 0.9 * gap, 600))
    fall = np.full(1 + int(log(0.2) / log(1 - 0.999 * gap)), 0.999 * gap)
    close = 100 * np.cumprod(1 - np.concatenate([[0], moves, fall]))
    terms = RiskParameters(max_ltv=0.95 * threshold, liquidation_threshold=threshold, liquidation_bonus=bonus)
    result = replayed(
        candles_of(close, close * (1 - 0.5 * rng.random(len(close)))),
        book_of(30, seed, terms),
        terms,
        replace(ALL_AT_ONCE, intrabar=intrabar),
        Cohort() if active else Cohort(top_up_hazard=0, relever_hazard=0),
    )
    assert len(result.events) > 0
    assert result.daily.bad_debt.sum() == result.daily.deficit.max() == 0


def test_a_gap_just_beyond_leaves_bad_debt_and_one_just_within_does_not() -> None:
    """Health 1 before the gap, theta (1 + b) = 0.84 at its edge."""
    for drop, bad in ((0.1599, False), (0.1601, True)):
        log = left_alone(1 / THRESHOLD, 1.0, observed(THRESHOLD, BONUS), ALL_AT_ONCE, close=[1.0, 1 - drop]).events
        assert (len(log), bool(log.bad_debt[0] > 0)) == (1, bad)


@given(base=st.floats(0, 0.2), cap=st.floats(0, 0.3), cover=st.floats(0.8, 1.5))
def test_a_capped_bonus_leaves_bad_debt_only_where_the_markets_own_bonus_is_not_covered(
    base: float, cap: float, cover: float
) -> None:
    """With a bonus of the market's own of 0: never while collateral covers the debt."""
    rules = replace(ALL_AT_ONCE, bonus=CappedBonus(maximum=cap))
    for own in (0.0, base):
        log = left_alone(cover, 1.0, observed(0.6, own), rules).events
        assert len(log) == 1
        assert log.bad_debt[0] == pytest.approx(max(0.0, 1 - cover / (1 + own)), abs=1e-12)
        if cover >= 1 + max(own, cap):
            assert log.seized[0] == pytest.approx(1 + max(own, cap), rel=1e-12)


@pytest.mark.parametrize(("health", "bonus"), [(1 - 1e-9, 0.05), (0.95, 0.10), (0.90, 0.15), (0.85, 0.15)])
def test_a_linear_bonus_is_what_the_liquidator_gets(health: float, bonus: float) -> None:
    rules = replace(AT_ONCE, bonus=LinearBonus(maximum=0.15, health_at_maximum=0.9))
    log = left_alone(health / THRESHOLD, 1.0, observed(THRESHOLD, 0.05), rules).events
    assert log.seized[0] / log.repaid[0] - 1 == pytest.approx(bonus, abs=1e-8)
    assert log.profit[0] == pytest.approx(bonus * 0.1, abs=1e-9)
