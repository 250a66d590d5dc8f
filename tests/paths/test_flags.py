"""Flags of a fit: each is raised by what it names, and by nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskparams.paths.flags import looks_pegged
from riskparams.paths.model import ModelSpec, PathModel, fit_path_model
from riskparams.prices.panel import PricePanel
from riskparams.prices.sample import simulated_market
from riskparams.terms import Asset, Pair

ALPHA = Pair(Asset("ALPHA"), Asset("USD"))
HOURS = 24 * 800


def calm(bars: int = HOURS) -> PricePanel:
    """Return ALPHA's first bars: a GARCH law that the first model of the ladder knows, so that there is nothing to warn of."""
    market = simulated_market()
    return replace(market, candles={ALPHA.collateral: market[ALPHA.collateral].head(bars)})


def priced(log_price: np.ndarray) -> PricePanel:
    market = simulated_market()
    close = np.exp(log_price)
    candles = market[ALPHA.collateral].head(len(close))
    opened = np.concatenate([close[:1], close[:-1]])
    low, high = np.minimum(opened, close), np.maximum(opened, close)
    moved = replace(candles, open=opened, high=high, low=low, close=close)
    return replace(market, candles={ALPHA.collateral: moved})


def split(panel: PricePanel, row: int) -> PricePanel:
    """Return the panel with a break before a row."""
    candles = panel[ALPHA.collateral]
    usable = candles.usable.copy()
    usable[row] = False
    segment = candles.segment + (np.arange(len(candles)) >= row)
    return replace(panel, candles={ALPHA.collateral: replace(candles, usable=usable, segment=segment)})


def fitted(panel: PricePanel, **spec: float) -> PathModel:
    return fit_path_model(panel, ALPHA, ALPHA, replace(ModelSpec(), **spec))  # type: ignore[arg-type]


def test_prices_of_the_law_that_is_fitted_earn_no_flag() -> None:
    assert fitted(calm()).flags() == ()


def test_a_history_below_the_window_is_short() -> None:
    assert fitted(calm(24 * 500)).flags() == ("short_history",)


def test_a_break_in_the_window_shortens_the_fit_and_is_named() -> None:
    model = fitted(split(calm(), HOURS - 24 * 400))
    assert model.flags() == ("short_history", "history_split_by_gap")
    assert model.fit.garch.n_obs == 24 * 400 - 1


def test_a_break_before_the_window_splits_the_history_alone() -> None:
    assert fitted(split(calm(), 24 * 30)).flags() == ("history_split_by_gap",)
    assert fitted(split(calm(), 24 * 30), history_days=760).flags() == ()


def test_a_price_that_returns_to_its_level_is_pegged_and_autocorrelated() -> None:
    rng = np.random.default_rng(2)
    flags = fitted(priced(0.002 * rng.standard_normal(HOURS))).flags()
    assert {"pegged_series", "returns_autocorrelated"} <= set(flags)


def test_a_peg_that_crawls_upward_is_a_peg() -> None:
    rng = np.random.default_rng(3)
    crawl = np.linspace(0, 0.2, HOURS) + 0.002 * rng.standard_normal(HOURS)
    assert "pegged_series" in fitted(priced(crawl)).flags()


def test_a_peg_that_broke_on_its_first_day_is_a_peg() -> None:
    """The drift from that day's price to the last would hide it; the price itself does not."""
    rng = np.random.default_rng(4)
    log_price = 0.0005 * rng.standard_normal(1000)
    log_price[:20] -= 0.12
    assert looks_pegged(np.exp(log_price), np.diff(log_price))


@given(seed=st.integers(0, 10_000), bars=st.integers(100, 2_000), sigma=st.floats(1e-4, 1e-2))
def test_being_pegged_is_the_same_in_any_currency_and_upside_down(seed: int, bars: int, sigma: float) -> None:
    rng = np.random.default_rng(seed)
    walk = np.cumsum(sigma * rng.standard_normal(bars))
    price, returns = np.exp(walk), np.diff(walk)
    pegged = looks_pegged(price, returns)
    assert looks_pegged(1000 * price, returns) == pegged == looks_pegged(1 / price, -returns)


def test_few_random_walks_look_pegged_even_where_they_hardly_move() -> None:
    rng = np.random.default_rng(5)
    walks = np.cumsum(1e-3 * rng.standard_normal((500, 200)), axis=1)
    assert np.mean([looks_pegged(np.exp(walk), np.diff(walk)) for walk in walks]) < 0.02


def test_volatility_that_the_model_does_not_follow_is_flagged() -> None:
    """Five wild bars, then five calm ones: after a large move the model expects the next one, and is wrong every fifth bar."""
    rng = np.random.default_rng(6)
    sigma = np.where(np.arange(HOURS) // 5 % 2, 0.002, 0.02)
    assert "volatility_still_clustered" in fitted(priced(np.cumsum(sigma * rng.standard_normal(HOURS)))).flags()


@pytest.mark.parametrize("bars", [24 * 5, 150])
def test_what_is_too_short_to_test_earns_only_what_it_shows(bars: int) -> None:
    flags = fitted(calm(bars), min_window_days=0.0).flags()
    assert "short_history" in flags
    assert "pegged_series" not in flags
