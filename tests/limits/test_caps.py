"""Caps: closed forms, what binds, and the directions they must move in."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError
from riskparams.execution import ConstantProduct, Depth, DepthCurve, SlippageLaw
from riskparams.limits.caps import (
    Cap,
    Exposure,
    borrow_cap,
    branching_ratio,
    largest_liquidation,
    largest_sale,
    supply_cap,
)
from riskparams.limits.manipulation import OraclePricing, largest_deposit, market_cost, pool_cost
from riskparams.parameters.penalty import LiquidationCosts, required_bonus

COSTS = LiquidationCosts()
DEPTH = Depth(daily_volume=2e8, daily_sigma=0.04)


def capped(law: SlippageLaw | None = DEPTH.slippage, *, bonus: float = 0.05, **changes: object) -> Cap:
    asked: dict[str, object] = {
        "bonus": bonus,
        "costs": COSTS,
        "slippage": law,
        "daily_sigma": 0.04,
        "max_ltv": 0.75,
        "exposure": Exposure(),
        "liquidated_share": 0.1,
        **changes,
    }
    return supply_cap(**asked)  # type: ignore[arg-type]


@given(limit=st.floats(0.001, 0.5), volume=st.floats(1e5, 1e10), sigma=st.floats(0.005, 0.2))
@settings(max_examples=60, deadline=None)
def test_the_largest_sale_meets_the_closed_form_of_the_square_root_law(limit: float, volume: float, sigma: float) -> None:
    """Q = V (1.5 (s - spread / 2) / sigma)^2."""
    depth = Depth(daily_volume=volume, daily_sigma=sigma)
    expected = volume * (1.5 * max(limit - depth.spread / 2, 0.0) / sigma) ** 2
    assert largest_sale(depth.slippage, limit) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(limit=st.floats(0.001, 0.9), reserve=st.floats(1e4, 1e9))
@settings(max_examples=60, deadline=None)
def test_the_largest_sale_meets_the_closed_form_of_a_pool(limit: float, reserve: float) -> None:
    """R s / (1 - s)."""
    assert largest_sale(ConstantProduct(reserve).slippage, limit) == pytest.approx(reserve * limit / (1 - limit), rel=1e-6)


def test_a_curve_sells_no_more_than_was_quoted_and_a_free_market_anything() -> None:
    curve = DepthCurve(sold=(1e6, 4e6), average_slippage=(0.01, 0.05))
    assert largest_sale(curve.slippage, 0.5) == pytest.approx(4e6)
    assert largest_sale(curve.slippage, 0.0) == pytest.approx(0.0, abs=1.0)
    assert largest_sale(lambda _: 0.0, 0.1) == inf
    assert largest_sale(lambda _: 1.0, 0.9) == 0.0


@given(bonus=st.floats(0.02, 0.3), reserve=st.floats(1e7, 1e9))
@settings(max_examples=40, deadline=None)
def test_at_the_largest_liquidation_the_bonus_is_just_what_is_required(bonus: float, reserve: float) -> None:
    law = ConstantProduct(reserve).slippage
    debt = largest_liquidation(bonus, COSTS, law, daily_sigma=0.04)
    assert debt > 0
    assert required_bonus(debt, COSTS, law, daily_sigma=0.04) == pytest.approx(bonus, rel=1e-4)


def test_a_cap_never_hands_over_more_than_a_curve_quotes() -> None:
    curve = DepthCurve(sold=(1e6,), average_slippage=(0.001,))
    debt = largest_liquidation(0.10, COSTS, curve.slippage, daily_sigma=0.04)
    assert 1.10 * debt == pytest.approx(1e6)


def test_a_narrow_range_of_sizes_that_pay_is_not_passed_by() -> None:
    law = ConstantProduct(5e6).slippage
    sizes = [12_000 * 1.01**step for step in range(600)]
    cheapest = min(required_bonus(size, COSTS, law, daily_sigma=0.04) for size in sizes)
    assert largest_liquidation(1.005 * cheapest, COSTS, law, daily_sigma=0.04) > 0


def test_an_external_price_is_not_costed_as_a_pool() -> None:
    with pytest.raises(ConfigError, match="market_cost"):
        pool_cost(ConstantProduct(1e6), fee=0.003, pricing=OraclePricing.EXTERNAL)


def test_a_bonus_that_pays_nobody_liquidates_nothing() -> None:
    assert largest_liquidation(0.001, COSTS, DEPTH.slippage, daily_sigma=0.04) == 0.0


@given(bonus=st.floats(0.02, 0.2), more=st.floats(0.0, 0.1), share=st.floats(0.01, 1.0), times=st.floats(1.0, 10.0))
@settings(max_examples=60, deadline=None)
def test_a_cap_rises_with_bonus_and_depth_and_falls_with_what_is_liquidated(
    bonus: float, more: float, share: float, times: float
) -> None:
    found = capped(bonus=bonus, liquidated_share=share)
    assert capped(bonus=bonus + more, liquidated_share=share).value >= found.value * (1 - 1e-6)
    deeper = Depth(daily_volume=2e8 * times, daily_sigma=0.04)
    assert capped(deeper.slippage, bonus=bonus, liquidated_share=share).value >= found.value * (1 - 1e-6)
    assert capped(bonus=bonus, liquidated_share=min(1.0, share * times)).value <= found.value * (1 + 1e-6)


def test_without_depth_the_cap_is_nothing_unless_declared() -> None:
    nothing = capped(None)
    assert (nothing.value, nothing.flags) == (0.0, ("liquidity_unknown",))
    assert capped(None, exposure=Exposure(declared=5e6)).value == 5e6


def test_a_jump_to_default_is_bounded_by_the_fund_and_never_by_a_haircut() -> None:
    without = capped(exposure=Exposure(jump_to_default=True))
    assert (without.value, without.binding) == (0.0, "jump to default")
    funded = capped(exposure=Exposure(jump_to_default=True, fund=750_000))
    assert funded.value == pytest.approx(1e6)
    assert "jump_to_default" in funded.flags


def test_every_other_reason_can_bind() -> None:
    assert capped(exposure=Exposure(circulating=1e6)).binding == "half of the circulating supply"
    assert capped(exposure=Exposure(manipulation=2e6)).binding == "manipulation"
    assert capped(exposure=Exposure(loss_budget=1e5), annual_loss=0.05).value == pytest.approx(1e5 / (0.05 * 0.75))
    assert capped(liquidated_share=None).flags == ("liquidated_share_assumed",)
    assert capped(max_ltv=0.0).value == 0.0


@given(width=st.floats(0.01, 0.3), part=st.floats(0.01, 0.5))
@settings(max_examples=40, deadline=None)
def test_at_a_cap_bound_by_the_cascade_the_branching_ratio_is_the_bound(width: float, part: float) -> None:
    found = capped(bonus=0.5, liquidated_share=1e-4, band_shares=[part], band_widths=[width])
    assert found.binding == "cascade"
    assert branching_ratio(found.value, DEPTH.slippage, [part], [width]) == pytest.approx(0.5, rel=1e-4)


def test_a_borrow_cap_is_what_can_be_bought_back_or_what_is_supplied() -> None:
    found = borrow_cap(bonus=0.05, costs=COSTS, buy_back=DEPTH.slippage, daily_sigma=0.04, liquidated_share=0.1, supplied=1e5)
    assert found.value == pytest.approx(9e4)
    assert found.binding == "optimal utilisation of what is supplied"
    assert borrow_cap(bonus=0.05, costs=COSTS, buy_back=None, daily_sigma=0.04).value == 0.0
    with pytest.raises(ConfigError, match="optimal_utilisation"):
        borrow_cap(bonus=0.05, costs=COSTS, buy_back=None, daily_sigma=0.04, optimal_utilisation=0.0)


def test_a_spot_oracle_is_nearly_free_to_move() -> None:
    pool = ConstantProduct(10e6)
    spot, average = (
        largest_deposit(0.8, pool_cost(pool, fee=0.003, pricing=how)) for how in (OraclePricing.SPOT, OraclePricing.AVERAGE)
    )
    assert spot.largest_deposit < average.largest_deposit / 10
    for found, how in ((spot, OraclePricing.SPOT), (average, OraclePricing.AVERAGE)):
        cost = pool_cost(pool, fee=0.003, pricing=how)
        assert found.largest_deposit * (0.8 * (1 + found.rise) - 1) == pytest.approx(cost(found.rise))


@given(ltv=st.floats(0.51, 0.95), less=st.floats(0.0, 0.3), volume=st.floats(1e6, 1e10))
@settings(max_examples=40, deadline=None)
def test_a_lower_ltv_allows_a_larger_deposit(ltv: float, less: float, volume: float) -> None:
    cost = market_cost(Depth(daily_volume=volume, daily_sigma=0.05))
    assert largest_deposit(ltv - less, cost).largest_deposit >= largest_deposit(ltv, cost).largest_deposit


def test_below_half_no_doubling_of_the_price_pays() -> None:
    assert largest_deposit(0.49, market_cost(DEPTH)).largest_deposit == inf


@pytest.mark.parametrize("wrong", [{"fund": -1.0}, {"circulating": float("nan")}])
def test_an_impossible_exposure_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Exposure(**wrong)  # type: ignore[arg-type]
