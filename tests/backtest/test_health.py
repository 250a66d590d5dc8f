"""Health factors of many accounts in several assets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from riskparams.backtest import kernels
from riskparams.backtest.health import health_factors
from riskparams.errors import DataError, ParameterError
from riskparams.terms import FloatArray

ACCOUNTS, ASSETS = 4, 3
AMOUNTS = arrays(np.float64, (ACCOUNTS, ASSETS), elements=st.one_of(st.just(0.0), st.floats(1e-6, 1e9)))
PRICES = arrays(np.float64, ASSETS, elements=st.floats(1e-4, 1e5))
THRESHOLDS = arrays(np.float64, ASSETS, elements=st.one_of(st.just(0.0), st.floats(0.01, 1)))


def slow_health_factor(collateral: FloatArray, debt: FloatArray, prices: FloatArray, thresholds: FloatArray) -> float:
    """The textbook's loop over one account."""
    backing = owed = 0.0
    for k in range(len(prices)):
        backing += thresholds[k] * collateral[k] * prices[k]
        owed += debt[k] * prices[k]
    return backing / owed if owed > 0 else float("inf")


@given(AMOUNTS, AMOUNTS, PRICES, THRESHOLDS)
def test_it_is_the_loop_over_accounts_and_assets(
    collateral: FloatArray, debt: FloatArray, prices: FloatArray, thresholds: FloatArray
) -> None:
    slow = [slow_health_factor(collateral[i], debt[i], prices, thresholds) for i in range(ACCOUNTS)]
    np.testing.assert_allclose(health_factors(collateral, debt, prices, thresholds), slow, rtol=1e-12)


@given(AMOUNTS, AMOUNTS, PRICES, THRESHOLDS, st.floats(1e-3, 1e3))
def test_neither_the_unit_of_account_nor_the_size_of_the_account_matters(
    collateral: FloatArray, debt: FloatArray, prices: FloatArray, thresholds: FloatArray, scale: float
) -> None:
    health = health_factors(collateral, debt, prices, thresholds)
    np.testing.assert_allclose(health_factors(collateral, debt, scale * prices, thresholds), health, rtol=1e-12)
    np.testing.assert_allclose(health_factors(scale * collateral, scale * debt, prices, thresholds), health, rtol=1e-12)


@given(AMOUNTS, AMOUNTS, AMOUNTS, PRICES, THRESHOLDS, THRESHOLDS)
def test_more_collateral_a_higher_threshold_or_less_debt_never_lowers_it(
    collateral: FloatArray, more: FloatArray, debt: FloatArray, prices: FloatArray, one: FloatArray, other: FloatArray
) -> None:
    low, high = np.minimum(one, other), np.maximum(one, other)
    health = health_factors(collateral, debt, prices, low)
    rounding = 1 - 1e-12
    assert np.all(health_factors(collateral + more, debt, prices, low) >= rounding * health)
    assert np.all(health_factors(collateral, debt, prices, high) >= rounding * health)
    assert np.all(health_factors(collateral, debt + more, prices, low) <= health / rounding)


def test_one_collateral_and_one_debt_are_the_kernel_of_the_backtest() -> None:
    health = health_factors(np.array([[3.0, 0.0]]), np.array([[0.0, 4_000.0]]), np.array([2_000.0, 1.0]), np.array([0.8, 0.0]))
    assert health[0] == kernels.health_factor(4_000.0, 0.8 * 6_000.0)


def test_without_debt_it_is_infinite_and_without_collateral_0() -> None:
    amounts, nothing = np.array([[1.0, 2.0]]), np.zeros((1, 2))
    prices, thresholds = np.array([3.0, 4.0]), np.array([0.5, 0.6])
    assert health_factors(amounts, nothing, prices, thresholds)[0] == np.inf
    assert health_factors(nothing, nothing, prices, thresholds)[0] == np.inf
    assert health_factors(nothing, amounts, prices, thresholds)[0] == 0.0


def test_every_account_may_have_prices_and_thresholds_of_its_own() -> None:
    collateral, debt = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    prices, thresholds = np.array([[4.0, 1.0], [2.0, 1.0]]), np.array([[0.5, 0.0], [0.75, 0.0]])
    assert health_factors(collateral, debt, prices, thresholds).tolist() == [2.0, 1.5]


def test_an_asset_that_is_neither_held_nor_owed_needs_no_price() -> None:
    health = health_factors(
        np.array([[2.0, 0.0]]), np.array([[1.0, 0.0]]), prices=np.array([5.0, np.nan]), thresholds=np.array([0.8, 0.8])
    )
    assert health.tolist() == [1.6]


@pytest.mark.parametrize("price", [np.nan, np.inf, 0.0, -1.0])
def test_a_price_that_is_missing_is_named_by_account_and_asset(price: float) -> None:
    amounts = np.array([[1.0, 0.0], [1.0, 1.0]])
    with pytest.raises(DataError, match=r"account 1, asset 1: price is .*expected a finite price above 0"):
        health_factors(amounts, amounts, np.array([2.0, price]), np.array([0.8, 0.8]))


@pytest.mark.parametrize("amount", [-1e-9, np.nan, np.inf])
@pytest.mark.parametrize("side", ["collateral", "debt"])
def test_a_balance_below_0_is_named_by_account_and_asset(side: str, amount: float) -> None:
    good, bad = np.ones((2, 3)), np.ones((2, 3))
    bad[1, 2] = amount
    sides = (bad, good) if side == "collateral" else (good, bad)
    with pytest.raises(DataError, match=f"account 1, asset 2: {side} is "):
        health_factors(*sides, np.ones(3), np.full(3, 0.8))


@pytest.mark.parametrize("threshold", [-0.1, 1.01, np.nan, 82.5])
def test_a_threshold_that_is_no_share_is_refused(threshold: float) -> None:
    with pytest.raises(ParameterError, match=r"account 0, asset 1: liquidation threshold is .*expected a share"):
        health_factors(np.ones((1, 2)), np.ones((1, 2)), np.ones(2), np.array([0.8, threshold]))


def test_shapes_that_do_not_meet_are_refused() -> None:
    with pytest.raises(DataError, match=r"collateral has shape \(2, 3\), debt \(2, 2\)"):
        health_factors(np.ones((2, 3)), np.ones((2, 2)), np.ones(3), np.ones(3))
    with pytest.raises(DataError, match=r"prices have shape \(2,\): expected \(3,\) or \(2, 3\)"):
        health_factors(np.ones((2, 3)), np.ones((2, 3)), np.ones(2), np.ones(3))
