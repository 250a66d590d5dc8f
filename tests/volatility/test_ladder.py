"""The fallback ladder: which rung is used, and what is said about the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from riskparams.errors import ModelError
from riskparams.prices.panel import PricePanel
from riskparams.prices.sample import simulated_market
from riskparams.returns import Returns, log_returns
from riskparams.terms import Asset, FloatArray, Pair
from riskparams.volatility.ewma import default_ewma, fit_ewma, fit_historical
from riskparams.volatility.garch import conditional_variance, fit_garch
from riskparams.volatility.ladder import default_ladder, filter_state, fit_volatility, rejection
from riskparams.volatility.model import Convergence, EwmaSpec, GarchFit, GarchSpec, HistoricalSpec

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


def with_values(returns: Returns, value: FloatArray) -> Returns:
    return replace(returns.since(int(returns.time[-len(value) - 1])), value=value)


def test_a_search_that_stopped_early_is_flagged_and_no_other(returns: Returns, monkeypatch: pytest.MonkeyPatch) -> None:
    part = returns.since(int(returns.time[-2000]))
    assert "non_convergence" not in fit_volatility(part, LADDER).flags

    def stopped_early(e: FloatArray, spec: GarchSpec) -> GarchFit:
        return replace(fit_garch(e, spec), convergence=Convergence.ITERATION_LIMIT)

    monkeypatch.setattr("riskparams.volatility.ladder.fit_garch", stopped_early)
    fit = fit_volatility(part, LADDER)
    assert fit.garch.spec == LADDER[-1]
    assert set(fit.flags) == {"fallback_model", "non_convergence"}
    assert "iteration limit" in fit.rejected[0][1]


SERIES = {
    "near constant": lambda rng: 1e-9 * rng.standard_normal(800) + np.where(np.arange(800) == 400, 1e-9, 0.0),
    "mostly flat": lambda rng: np.where(rng.random(800) < 0.02, rng.standard_normal(800), 0.0),
    "flat at the end": lambda rng: np.concatenate([rng.standard_normal(300), np.zeros(500)]),
    "one outlier": lambda rng: np.where(np.arange(800) == 600, 1e6, rng.standard_normal(800)),
    "no variance": lambda rng: rng.standard_cauchy(800),
    "no mean": lambda rng: np.sign(rng.standard_normal(800)) * rng.pareto(0.5, 800),
    "trending": lambda rng: 0.5 + 0.1 * rng.standard_normal(800),
    "integrated": lambda rng: np.cumsum(rng.standard_normal(800)),
    "exploding": lambda rng: rng.standard_normal(800) * np.exp(np.arange(800) / 50),
    "a hundred values": lambda rng: rng.standard_normal(100),
    "two sizes": lambda rng: np.where(rng.random(800) < 0.5, 0.01, -0.01),
}


@pytest.mark.parametrize("kind", SERIES)
def test_a_rung_is_skipped_only_for_a_stated_reason(returns: Returns, kind: str) -> None:
    ladder = default_ladder(returns.bar)
    for seed in range(3):
        part = with_values(returns, SERIES[kind](np.random.default_rng(seed)))
        fit = fit_volatility(part, ladder)
        assert [name for name, _ in fit.rejected] == [spec.name for spec in ladder[: len(fit.rejected)]]
        assert fit.garch.spec == ladder[len(fit.rejected)]
        for spec, (_, reason) in zip(ladder, fit.rejected, strict=False):
            assert reason
            with pytest.raises(ModelError) as alone:
                fit_volatility(part, (spec,))
            assert reason in str(alone.value)
        assert fit_volatility(part, (fit.garch.spec,)).garch == fit.garch
        state = filter_state(part, fit)
        assert np.isfinite(state.z).all()
        assert (state.sigma2 > 0).all()
        assert state.next_sigma2 > 0


@pytest.mark.parametrize(("kind", "flag"), [("trending", "returns_drift"), ("integrated", "returns_integrated")])
def test_returns_that_are_no_innovations_are_flagged(returns: Returns, kind: str, flag: str) -> None:
    ladder = default_ladder(returns.bar)
    assert flag in fit_volatility(with_values(returns, SERIES[kind](np.random.default_rng(0))), ladder).flags
    assert "returns_drift" in fit_volatility(with_values(returns, np.full(800, 1e-3)), ladder).flags
    assert not {"returns_drift", "returns_integrated"} & set(fit_volatility(returns, ladder).flags)


def test_returns_without_movement_have_a_named_error(returns: Returns) -> None:
    with pytest.raises(ModelError, match="no movement"):
        fit_volatility(with_values(returns, np.zeros(800)), default_ladder(returns.bar))


def test_the_rungs_come_in_the_order_of_the_method(returns: Returns) -> None:
    names = [spec.name for spec in default_ladder(returns.bar)]
    assert names == [
        "GJR-t, variance-targeted", "GARCH-t, variance-targeted", "GJR-normal, variance-targeted", "EWMA(0.985)",
        "historical(500)",
    ]  # fmt: skip


def test_where_nothing_passes_the_proxy_lends_its_recursion_at_this_assets_variance(returns: Returns) -> None:
    proxy = fit_volatility(returns, LADDER)
    short = returns.since(int(returns.time[-81]))
    with pytest.raises(ModelError, match="80 returns are fewer than 100"):
        fit_volatility(short, default_ladder(returns.bar))
    fit = fit_volatility(short, default_ladder(returns.bar), proxy)
    assert fit.flags == ("fallback_model", "proxy_model")
    assert (fit.garch.alpha, fit.garch.beta) == (proxy.garch.alpha, proxy.garch.beta)
    assert fit.garch.unconditional_variance == pytest.approx(fit.garch.variance)


def test_the_historical_rung_forecasts_the_mean_square_of_the_newest_returns(returns: Returns) -> None:
    e = returns.value[:900]
    sigma2 = conditional_variance(e, fit_historical(e, HistoricalSpec(bars=200)))
    np.testing.assert_allclose(sigma2, np.mean(e[-200:] ** 2))


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
