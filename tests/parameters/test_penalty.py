"""The bonus under a ceiling, from several sources, and where liquidators come sooner for more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, Infeasible
from riskparams.execution import ConstantProduct, Depth, DepthCurve
from riskparams.parameters.ltv import ceiled
from riskparams.parameters.penalty import (
    Bonus,
    LiquidationCosts,
    bonus_by_source,
    bonus_with_arrival,
    largest_bonus,
    largest_size_served,
    recommend_bonus,
    required_bonus,
)

COSTS = LiquidationCosts()
DEPTH = Depth(daily_volume=2e7, daily_sigma=0.06)


def test_a_ceiling_that_does_not_bind_changes_nothing() -> None:
    free = recommend_bonus(COSTS, DEPTH.slippage, daily_sigma=0.06)
    assert free.largest_debt is None
    assert recommend_bonus(COSTS, DEPTH.slippage, daily_sigma=0.06, most=free.value) == free


def test_the_ceiling_is_what_haircut_and_threshold_leave() -> None:
    most = largest_bonus(0.16, 0.8)
    assert 0.8 * (1 + most) == pytest.approx(1 - 0.16)


@given(reserve=st.floats(2e5, 1e8), most=st.floats(0.02, 0.3))
@settings(max_examples=30, deadline=None)
def test_under_a_ceiling_the_sizes_shrink_and_the_bonus_never_passes_it(reserve: float, most: float) -> None:
    slippage = ConstantProduct(reserve).slippage
    try:
        found = recommend_bonus(COSTS, slippage, daily_sigma=0.03, most=most)
    except Infeasible:
        assert COSTS.safety * required_bonus(COSTS.smallest_debt_served, COSTS, slippage, daily_sigma=0.03) > most - 1e-3
        return
    assert found.value <= most
    if found.largest_debt is None:
        assert found == recommend_bonus(COSTS, slippage, daily_sigma=0.03)
        return
    served = np.geomspace(COSTS.smallest_debt_served, found.largest_debt, 50)
    needed = [required_bonus(float(size), COSTS, slippage, daily_sigma=0.03) for size in served]
    assert max(needed) * COSTS.safety <= found.value + 1e-9
    beyond = required_bonus(1.001 * found.largest_debt, COSTS, slippage, daily_sigma=0.03)
    assert ceiled(COSTS.safety * beyond) > most


def test_a_size_that_cannot_be_sold_at_all_is_cut_off_not_paid_for() -> None:
    curve = DepthCurve(sold=(1e5, 4e5), average_slippage=(0.01, 0.02))
    with pytest.raises(Infeasible, match="lower the caps"):
        recommend_bonus(COSTS, curve.slippage, daily_sigma=0.03)
    found = recommend_bonus(COSTS, curve.slippage, daily_sigma=0.03, most=0.2)
    assert found.largest_debt is not None
    gross = 1 + (1 - COSTS.protocol_share) * required_bonus(found.largest_debt, COSTS, curve.slippage, daily_sigma=0.03)
    assert gross * found.largest_debt == pytest.approx(4e5, rel=1e-6)  # the last that the curve can sell
    assert found.value == ceiled(1.25 * found.required[-1][1])


def test_a_ceiling_below_the_smallest_requirement_is_infeasible() -> None:
    with pytest.raises(Infeasible, match=r"above the 0\.0050 that the haircut and threshold leave"):
        largest_size_served(COSTS, DEPTH.slippage, daily_sigma=0.06, most=0.005)
    with pytest.raises(ConfigError, match="ceiling of the bonus is -0"):
        largest_size_served(COSTS, DEPTH.slippage, daily_sigma=0.06, most=-0.01)


def test_a_lower_ceiling_serves_smaller_sizes() -> None:
    served = [largest_size_served(COSTS, DEPTH.slippage, daily_sigma=0.06, most=most) for most in (0.018, 0.019, 0.020, 0.5)]
    assert served == sorted(served)
    assert served[0] < served[2]
    assert served[3] == COSTS.largest_debt_served


def test_sources_stand_side_by_side_each_with_its_bonus_or_its_reason() -> None:
    laws = {
        "volume": DEPTH.slippage,
        "depth curve": DepthCurve(sold=(1e5, 4e6), average_slippage=(0.001, 0.05)).slippage,
        "pool": ConstantProduct(1e5).slippage,
    }
    found = bonus_by_source(COSTS, laws, daily_sigma=0.06)
    assert list(found) == list(laws)
    assert found["volume"] == recommend_bonus(COSTS, DEPTH.slippage, daily_sigma=0.06)
    assert isinstance(found["depth curve"], Bonus)
    assert "lower the caps" in str(found["pool"])


def test_a_bonus_pays_for_its_own_speed_until_it_costs_more_than_it_saves() -> None:
    """With h = k H and 1/lambda = c/b, (A - kc/b) / (1 + b) is largest at (kc + sqrt(kc (kc + A))) / A, where A = 1 - k H_0."""
    k, c, base = 1e-5, 100.0, 600.0
    a, kc = 1 - k * base, k * c
    best = (kc + np.sqrt(kc * (kc + a))) / a
    bonuses = [float(b) for b in np.linspace(0.001, 0.1, 991)]
    found = bonus_with_arrival(lambda seconds: k * seconds, base, lambda b: b / c, bonuses)
    assert found.value == pytest.approx(best, abs=1e-4)
    assert found.horizon_seconds == pytest.approx(base + c / found.value)
    assert found.liquidation_threshold == pytest.approx((1 - found.haircut) / (1 + found.value))


def test_where_speed_does_not_depend_on_the_bonus_the_smallest_is_best() -> None:
    assert bonus_with_arrival(lambda _: 0.1, 60, lambda _: 1.0, [0.05, 0.01, 0.1]).value == 0.01
    with pytest.raises(Infeasible, match="no liquidator comes"):
        bonus_with_arrival(lambda _: 0.1, 60, lambda _: 0.0, [0.05])


def test_gas_alone_cannot_shrink_the_range_from_above() -> None:
    dear = replace(COSTS, gas=300.0)
    assert largest_size_served(dear, DEPTH.slippage, daily_sigma=0.06, most=0.5) == dear.largest_debt_served
