"""Depth: the kernels sell as the laws of `execution` say, and the price moves by the last unit sold."""

from __future__ import annotations

from datetime import timedelta
from math import exp, inf, log

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from slow_replay import mark_after

from riskparams.backtest.impact import CONSTANT_PRODUCT, CURVE, NO_DEPTH, SQUARE_ROOT, DepthArrays, MarketImpact, depth_arrays
from riskparams.backtest.kernels import displaced, displacement, sale_loss
from riskparams.errors import ConfigError
from riskparams.execution import ConstantProduct, Depth, DepthCurve
from riskparams.terms import Asset

X, Y = Asset("X"), Asset("Y")
AnyDepth = Depth | ConstantProduct | DepthCurve

values = st.floats(1.0, 1e9)
deep = st.sampled_from([1.0, 0.5, 0.1, 3.0])


@st.composite
def curves(draw: st.DrawFn) -> DepthCurve:
    """Return quoted points whose marginal price stays above 0: slippage rises, and proceeds with it."""
    sold = np.cumsum(draw(st.lists(st.floats(1e3, 1e7), min_size=1, max_size=5)))
    rise = draw(st.lists(st.floats(0, 0.05), min_size=len(sold), max_size=len(sold)))
    return DepthCurve(sold=tuple(sold.tolist()), average_slippage=tuple(np.cumsum(rise).tolist()))


depths = st.one_of(
    st.builds(Depth, daily_volume=st.floats(1e4, 1e10), daily_sigma=st.floats(0.001, 0.3), spread=st.floats(0, 0.01)),
    st.builds(ConstantProduct, st.floats(1e3, 1e9)),
    curves(),
)


def arrays(depth: AnyDepth, other: AnyDepth | None = None) -> DepthArrays:
    known = {X: depth} if other is None else {X: depth, Y: other}
    return depth_arrays(MarketImpact(depth=known), (X, Y), bar_seconds=3600)


def lost(depth: AnyDepth, multiple: float, value: float) -> float:
    found = arrays(depth)
    return sale_loss(found.law[0], found.number[0], found.sold[0], found.slippage[0], multiple, value)


def moved(depth: AnyDepth, multiple: float, value: float) -> float:
    found = arrays(depth)
    return displacement(found.law[0], found.number[0], found.sold[0], found.slippage[0], multiple, value)


@given(depth=depths, multiple=deep, value=values)
def test_a_sale_loses_its_value_times_the_slippage_and_cannot_be_made_where_that_reaches_1(
    depth: AnyDepth, multiple: float, value: float
) -> None:
    share = depth.slippage(value / multiple)
    assume(abs(share - 1) > 1e-9)
    assert lost(depth, multiple, value) == pytest.approx(value * share if share < 1 else inf, rel=1e-9)


@given(depth=depths, multiple=deep, value=values)
def test_the_price_left_behind_is_what_the_last_unit_fetched(depth: AnyDepth, multiple: float, value: float) -> None:
    """The derivative of the proceeds; of the square-root law the loss's, less half the spread, which moves no price."""
    step = 1e-5 * value
    around = [lost(depth, multiple, value + side * step) for side in (-1, 1)]
    assume(np.isfinite(around).all())
    if isinstance(depth, DepthCurve):  # no corner within the step
        assume(all(abs(value - multiple * end) > step for end in depth.sold))
    marginal_loss = (around[1] - around[0]) / (2 * step)
    if isinstance(depth, Depth):
        assert moved(depth, multiple, value) == pytest.approx(marginal_loss - depth.spread / 2, rel=1e-5, abs=1e-8)
    else:
        assume(marginal_loss < 0.99)
        assert exp(-moved(depth, multiple, value)) == pytest.approx(1 - marginal_loss, rel=1e-5)
    assert moved(depth, multiple, value) == pytest.approx(mark_after(depth, multiple, value), rel=1e-9, abs=1e-12)


@given(depth=depths, value=values, parts=st.integers(2, 5))
def test_selling_in_parts_within_a_bar_loses_what_selling_at_once_does(depth: AnyDepth, value: float, parts: int) -> None:
    whole = lost(depth, 1.0, value)
    assume(np.isfinite(whole))
    steps = [lost(depth, 1.0, min(value, value * part / parts)) for part in range(parts + 1)]
    assert steps[0] == 0.0
    assert np.diff(steps).min() >= -1e-9 * value
    assert sum(np.diff(steps)) == pytest.approx(whole, rel=1e-9, abs=1e-9)


@given(depth=depths, value=values)
def test_no_depth_at_all_is_no_market_and_moves_no_price(depth: AnyDepth, value: float) -> None:
    assert lost(depth, 0.0, value) == inf
    assert moved(depth, 0.0, value) == 0.0
    assert lost(depth, 0.0, 0.0) == 0.0


def test_arrays_hold_the_law_and_the_numbers_of_each_asset() -> None:
    curve = DepthCurve(sold=(1.0, 2.0, 5.0), average_slippage=(0.01, 0.02, 0.3))
    found = arrays(Depth(daily_volume=10.0, daily_sigma=0.04, spread=0.001), curve)
    assert found.law.tolist() == [SQUARE_ROOT, CURVE]
    assert found.number[0].tolist() == [10.0, 0.04, 0.001]
    assert (found.sold[1].tolist(), found.slippage[1].tolist()) == ([1.0, 2.0, 5.0], [0.01, 0.02, 0.3])
    assert arrays(ConstantProduct(7.0)).law.tolist() == [CONSTANT_PRODUCT, NO_DEPTH]
    assert arrays(ConstantProduct(7.0)).number[0, 0] == 7.0


def test_what_does_not_stay_halves_every_half_life() -> None:
    found = arrays(ConstantProduct(1.0))
    assert (found.decay, found.permanent, found.feedback) == (0.25, 0.3, True)  # an hour is two half-lives
    assert not depth_arrays(None, (X,), bar_seconds=3600).feedback


def test_a_price_that_nothing_moved_is_itself_to_the_bit() -> None:
    assert displaced(0.1, 0.0) == 0.1
    assert displaced(2.0, log(0.5)) == pytest.approx(1.0, rel=1e-15)


def test_a_depth_of_an_asset_that_is_not_traded_is_refused() -> None:
    with pytest.raises(ConfigError, match="a depth for Y, which the market does not hold: X"):
        depth_arrays(MarketImpact(depth={Y: ConstantProduct(1.0)}), (X,), bar_seconds=3600)


@pytest.mark.parametrize(
    "wrong",
    [{"permanent": -0.1}, {"permanent": 1.1}, {"permanent": np.nan}, {"half_life": timedelta(0)}, {"half_life": -timedelta(1)}],
)
def test_an_impossible_impact_is_refused_by_the_name_of_its_field(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"impact.{next(iter(wrong))}"):
        MarketImpact(depth={}, **wrong)


@pytest.mark.parametrize("reserve", [0.0, -1.0, np.nan, np.inf])
def test_a_pool_without_a_reserve_is_refused(reserve: float) -> None:
    with pytest.raises(ConfigError, match="a pool's reserve is"):
        ConstantProduct(reserve)


@pytest.mark.parametrize(
    ("sold", "slippage"),
    [
        ((), ()),
        ((1.0,), (0.1, 0.2)),
        ((0.0,), (0.1,)),
        ((2.0, 1.0), (0.1, 0.2)),
        ((1.0, 2.0), (0.2, 0.1)),
        ((1.0,), (1.0,)),
        ((np.nan,), (0.1,)),
        ((1.0,), (np.nan,)),
        ((np.inf,), (0.1,)),
    ],
)
def test_a_curve_that_bends_back_or_sells_for_nothing_is_refused(sold: tuple[float, ...], slippage: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="a depth curve"):
        DepthCurve(sold=sold, average_slippage=slippage)
