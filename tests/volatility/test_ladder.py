"""The fallback ladder: which rung is used, and what is said about the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from riskparams.errors import ModelError
from riskparams.prices.panel import PricePanel
from riskparams.prices.sample import simulated_market
from riskparams.returns import Returns, log_returns
from riskparams.terms import Asset, Pair
from riskparams.volatility.ewma import default_ewma, fit_ewma
from riskparams.volatility.garch import conditional_variance, fit_garch
from riskparams.volatility.ladder import filter_state, fit_volatility, rejection
from riskparams.volatility.model import Convergence, EwmaSpec, GarchFit, GarchSpec

LADDER = (GarchSpec(), EwmaSpec(decay=0.985))


@pytest.fixture(scope="module")
def returns() -> Returns:
    panel: PricePanel = simulated_market()
    return log_returns(panel, Pair(Asset("ALPHA"), Asset("USD")))


@pytest.fixture(scope="module")
def passing(returns: Returns) -> GarchFit:
    fit = fit_garch(returns.value, GarchSpec())
    assert rejection(fit) is None
    return fit


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"convergence": Convergence.ITERATION_LIMIT}, "iteration limit"),
        ({"log_likelihood": float("inf")}, "not finite"),
        ({"nu": 2.08}, "not above 2.1"),
        ({"alpha": 1.2}, "left its bounds"),
        ({"gamma": -0.5}, "left its bounds"),
        ({"starts_spread": 0.6}, "disagree by 0.60"),
        ({"spec": GarchSpec(targeted=False), "omega": 1.0}, "times the sample's"),
    ],
)
def test_a_rung_that_breaks_a_rule_is_rejected_with_its_reason(passing: GarchFit, change: dict[str, object], said: str) -> None:
    assert said in (rejection(replace(passing, **change)) or "")  # type: ignore[arg-type]


def test_the_first_rung_that_passes_is_used(returns: Returns) -> None:
    fit = fit_volatility(returns, LADDER)
    assert fit.garch.spec == GarchSpec()
    assert fit.rejected == ()


def test_a_short_history_falls_back_to_ewma_and_says_why(returns: Returns) -> None:
    fit = fit_volatility(returns.since(int(returns.time[-400])), LADDER)
    assert fit.garch.spec == EwmaSpec(decay=0.985)
    assert fit.rejected == (("GJR-t, variance-targeted", "399 returns are fewer than 500"),)
    assert "fallback_model" in fit.flags


def test_a_ladder_without_a_passing_rung_raises_with_every_reason(returns: Returns) -> None:
    with pytest.raises(ModelError, match=r"ALPHA/USD.*399 returns are fewer"):
        fit_volatility(returns.since(int(returns.time[-400])), (GarchSpec(),))


def test_persistence_at_its_cap_passes_with_a_flag(returns: Returns) -> None:
    fit = fit_volatility(returns, (GarchSpec(persistence_cap=0.9),))
    assert fit.flags == ("near_integrated",)
    assert fit.garch.persistence == pytest.approx(0.9, abs=1e-6)


def test_ewma_is_the_recursion_of_its_definition(returns: Returns) -> None:
    e = returns.value[:300]
    sigma2 = conditional_variance(e, fit_ewma(e, EwmaSpec(decay=0.94)))
    for t in range(1, 301):
        assert sigma2[t] == pytest.approx(0.06 * e[t - 1] ** 2 + 0.94 * sigma2[t - 1], rel=1e-12)


def test_the_filter_hands_out_what_was_known_before_each_bar(returns: Returns) -> None:
    fit = fit_volatility(returns, LADDER)
    state = filter_state(returns, fit)
    rebuilt = state.z * np.sqrt(state.sigma2) * fit.hour_factor[returns.slot]
    np.testing.assert_allclose(rebuilt, returns.value, rtol=1e-12, atol=1e-18)
    assert (state.low <= np.minimum(state.z, 0) + 1e-12).all()


def test_daily_bars_take_the_daily_decay() -> None:
    assert default_ewma(86_400_000_000_000).decay == 0.94
    assert default_ewma(3_600_000_000_000).decay == 0.985
