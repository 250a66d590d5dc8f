"""Dutch auctions: the worked example, and what any design must keep."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, Infeasible
from riskparams.execution import ConstantProduct, Depth
from riskparams.parameters.auction import AuctionSpec, acceptable_price, design_auction, steps_to_clear
from riskparams.parameters.penalty import LiquidationCosts

COSTS = LiquidationCosts()
CALM = Depth(daily_volume=2e8, daily_sigma=0.04)
STRESSED = Depth(daily_volume=2e7, daily_sigma=0.12)


def test_the_worked_auction_clears_after_half_an_hour_at_98_per_cent() -> None:
    steps = steps_to_clear(1.2, 0.985, 0.01)
    assert 90 * steps == 1800
    assert 1.2 * 0.99**steps == pytest.approx(0.981488, abs=5e-7)


def test_a_buyer_breaks_even_at_the_acceptable_price() -> None:
    lot, pool = 2e5, ConstantProduct(20e6)
    price = acceptable_price(lot, COSTS, pool.slippage)
    sold = lot * (1 - COSTS.oracle_gap) * (1 - pool.slippage(lot)) * (1 - COSTS.venue_fee)
    assert sold - COSTS.gas - price * lot == pytest.approx(0, abs=1e-6)


def test_a_price_that_lands_on_the_acceptable_one_is_taken() -> None:
    assert steps_to_clear(1.2, 1.2 * 0.99**20, 0.01) == 20
    assert steps_to_clear(1.0, 1.0, 0.01) == 0


@given(
    lot=st.floats(1e4, 5e6),
    sigma=st.floats(0.005, 0.3),
    buffer=st.floats(1.0, 1.5),
    step=st.sampled_from([12.0, 60.0, 90.0, 600.0]),
)
@settings(max_examples=60, deadline=None)
def test_no_cut_on_the_grid_costs_less_and_the_tail_outlasts_stress(
    lot: float, sigma: float, buffer: float, step: float
) -> None:
    spec = AuctionSpec(lot=lot, buffer=buffer, step_seconds=step)
    found = design_auction(spec, COSTS, CALM.slippage, STRESSED.slippage, daily_sigma=sigma)
    a = acceptable_price(lot, COSTS, CALM.slippage)
    move = sigma * sqrt(step / 86_400)
    assert found.cut >= 2 * move - 1e-12
    assert found.clearing_price <= a + 1e-9
    assert found.clearing_price > a * (1 - found.cut) - 1e-9
    assert found.price(found.seconds_to_clear) == pytest.approx(found.clearing_price)
    assert found.tail_seconds >= 1.5 * found.stressed_seconds_to_clear - 1e-6
    assert found.stressed_seconds_to_clear >= found.seconds_to_clear
    for cut in np.arange(np.ceil(20_000 * move) / 10_000 + 1e-4, 0.5, 1e-3):
        waited = step * steps_to_clear(buffer, a, float(cut))
        assert found.cost <= cut / 2 + 1.65 * sigma * sqrt(waited / 86_400) + 5.1e-5  # half of the grid's basis point


def test_a_wilder_market_is_auctioned_faster() -> None:
    spec = AuctionSpec(lot=1e6)
    calm, wild = (design_auction(spec, COSTS, CALM.slippage, STRESSED.slippage, daily_sigma=s) for s in (0.01, 0.1))
    assert wild.cut > calm.cut
    assert wild.seconds_to_clear < calm.seconds_to_clear


def test_a_lot_nobody_can_sell_is_infeasible() -> None:
    nothing = Depth(daily_volume=0, daily_sigma=0.04)
    with pytest.raises(Infeasible, match="under stress: auction smaller lots"):
        design_auction(AuctionSpec(lot=1e6), COSTS, CALM.slippage, nothing.slippage, daily_sigma=0.04)
    with pytest.raises(Infeasible, match="shorter step"):
        design_auction(AuctionSpec(lot=1e6, step_seconds=86_400), COSTS, CALM.slippage, STRESSED.slippage, daily_sigma=0.6)


def test_an_impossible_auction_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"buffer is 0\.9"):
        AuctionSpec(lot=1e6, buffer=0.9)
    with pytest.raises(ConfigError, match="lot is 0"):
        AuctionSpec(lot=0)
    with pytest.raises(ConfigError, match="daily_sigma"):
        design_auction(AuctionSpec(lot=1e6), COSTS, CALM.slippage, STRESSED.slippage, daily_sigma=0)
