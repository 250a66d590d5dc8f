"""What every volatility model must satisfy, whoever wrote its recursion; a new model joins by joining the list."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConstantSeries, DataError, InsufficientData, ModelError
from riskparams.terms import Asset, FloatArray, Pair
from riskparams.volatility.beta_t_egarch import BetaTEgarchFit, BetaTEgarchSpec
from riskparams.volatility.family import (
    Fit,
    Spec,
    conditional_mean,
    conditional_variance,
    fit_model,
    from_json,
    innovation_law,
    to_json,
)
from riskparams.volatility.model import ComponentFit, ComponentSpec, Convergence, EwmaSpec, GarchFit, GarchSpec, Innovations
from riskparams.volatility.zoo import ZooFit, ZooSpec, ZooVolatility

GARCHES = [
    GarchSpec(asymmetric=asymmetric, innovations=innovations, targeted=targeted)
    for asymmetric in (False, True)
    for innovations in Innovations
    for targeted in (True, False)
]
MEMBERS: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        *GARCHES,
        EwmaSpec(decay=0.94),
        ComponentSpec(),
        BetaTEgarchSpec(),
        ZooSpec(volatility=ZooVolatility.EGARCH),
        ZooSpec(volatility=ZooVolatility.TARCH),
        ZooSpec(volatility=ZooVolatility.APARCH),
        ZooSpec(volatility=ZooVolatility.FIGARCH, o=0),
    )
}
START = 75  # values that may start a recursion
members = pytest.mark.parametrize("name", MEMBERS)


@cache
def index_returns() -> FloatArray:
    from riskparams.prices.sample import index_market
    from riskparams.returns import log_returns

    e = log_returns(index_market(), Pair(Asset("SPX"), Asset("USD"))).value[:2000].copy()
    e.setflags(write=False)
    return e


@cache
def fitted(name: str) -> Fit:
    return fit_model(index_returns(), MEMBERS[name])


def textbook_presample(e: FloatArray) -> float:
    weights = [0.94**i for i in range(min(START, len(e)))]
    return sum(weight * value**2 for weight, value in zip(weights, e, strict=False)) / sum(weights)


def slow_garch(e: FloatArray, fit: GarchFit) -> list[float]:
    past = textbook_presample(e)
    sigma2 = [fit.omega + (fit.alpha + fit.gamma / 2 + fit.beta) * past]
    for value in e:
        sigma2.append(fit.omega + (fit.alpha + fit.gamma * (value < 0)) * value**2 + fit.beta * sigma2[-1])
    return sigma2


def slow_components(e: FloatArray, fit: ComponentFit) -> list[float]:
    past = textbook_presample(e)
    fast, slow = (fit.fast_rise + fit.fast_fall) / 2 * past, (fit.slow_rise + fit.slow_fall) / 2 * past
    sigma2 = [fit.omega + fast + slow]
    for value in e:
        quick, lasting = (fit.fast_fall, fit.slow_fall) if value < 0 else (fit.fast_rise, fit.slow_rise)
        fast = fit.fast_decay * fast + (1 - fit.fast_decay) * quick * value**2
        slow = fit.slow_decay * slow + (1 - fit.slow_decay) * lasting * value**2
        sigma2.append(fit.omega + fast + slow)
    return sigma2


def slow_beta_t(e: FloatArray, fit: BetaTEgarchFit) -> list[float]:
    scale = [fit.omega]
    for value in e:
        score = (fit.nu + 1) * value**2 / (fit.nu * exp(2 * scale[-1]) + value**2) - 1
        news = fit.kappa * score + fit.leverage * np.sign(-value) * (score + 1)
        scale.append(fit.omega + fit.phi * (scale[-1] - fit.omega) + news)
    return [exp(2 * value) * fit.nu / (fit.nu - 2) for value in scale]


def slow_egarch(e: FloatArray, fit: ZooFit) -> list[float]:
    omega, alpha, gamma, beta, _ = fit.values
    log_sigma2 = [omega + beta * log(textbook_presample(e))]
    for value in e:
        z = value / exp(log_sigma2[-1] / 2)
        log_sigma2.append(omega + alpha * (abs(z) - sqrt(2 / np.pi)) + gamma * z + beta * log_sigma2[-1])
    return [exp(value) for value in log_sigma2]


def slow_tarch(e: FloatArray, fit: ZooFit) -> list[float]:
    omega, alpha, gamma, beta, _ = fit.values
    sigma = [omega + (alpha + gamma / 2 + beta) * sqrt(textbook_presample(e))]
    for value in e:
        sigma.append(omega + (alpha + gamma * (value < 0)) * abs(value) + beta * sigma[-1])
    return [value**2 for value in sigma]


def slow_aparch(e: FloatArray, fit: ZooFit) -> list[float]:
    omega, alpha, gamma, beta, delta, _ = fit.values
    power = [omega + (alpha + beta) * textbook_presample(e) ** (delta / 2)]
    for value in e:
        power.append(omega + alpha * (abs(value) - gamma * value) ** delta + beta * power[-1])
    return [value ** (2 / delta) for value in power]


def slow_figarch(e: FloatArray, fit: ZooFit) -> list[float]:
    omega, phi, d, beta, _ = fit.values
    weights, fraction = [d - beta + phi], [d]
    for lag in range(2, 1001):
        fraction.append((lag - 1 - d) / lag * fraction[-1])
        weights.append(beta * weights[-1] + fraction[-1] - phi * fraction[-2])
    past = textbook_presample(e)
    squares = [*(value**2 for value in e[::-1]), *([past] * 1000)]  # newest first, and as far back as the weights reach
    return [omega / (1 - beta) + float(np.dot(weights, squares[back : back + 1000])) for back in range(len(e), -1, -1)]


def slow_twin(e: FloatArray, fit: Fit) -> list[float]:
    if isinstance(fit, GarchFit):
        return slow_garch(e, fit)
    if isinstance(fit, ComponentFit):
        return slow_components(e, fit)
    if isinstance(fit, BetaTEgarchFit):
        return slow_beta_t(e, fit)
    twins: dict[ZooVolatility, Callable[[FloatArray, ZooFit], list[float]]] = {
        ZooVolatility.EGARCH: slow_egarch,
        ZooVolatility.TARCH: slow_tarch,
        ZooVolatility.APARCH: slow_aparch,
        ZooVolatility.FIGARCH: slow_figarch,
    }
    return twins[fit.spec.volatility](e, fit)


@members
def test_the_search_ends_well(name: str) -> None:
    fit = fitted(name)
    assert fit.convergence in (Convergence.CONVERGED, Convergence.NOT_NEEDED)
    assert np.isfinite(fit.log_likelihood)
    assert fit.spec == MEMBERS[name]
    assert fit.n_obs == len(index_returns())


@members
def test_the_likelihood_is_that_of_the_variances_and_the_law(name: str) -> None:
    e, fit = index_returns(), fitted(name)
    sigma = np.sqrt(conditional_variance(e, fit)[:-1])
    z = (e - conditional_mean(fit)) / sigma
    assert fit.log_likelihood == pytest.approx(float(np.sum(innovation_law(fit).log_density(z) - np.log(sigma))), abs=1e-6)


@members
def test_the_recursion_equals_its_slow_twin(name: str) -> None:
    e, fit = index_returns()[:400], fitted(name)
    np.testing.assert_allclose(conditional_variance(e, fit), slow_twin(e, fit), rtol=1e-9)


@members
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["heavy", "outlier", "mostly zero"]), cut=st.integers(START, 299))
@settings(max_examples=15)
def test_variances_are_positive_and_the_future_changes_none_of_the_past(name: str, seed: int, kind: str, cut: int) -> None:
    rng, fit = np.random.default_rng(seed), fitted(name)
    e = 0.01 * rng.standard_t(3, 300)
    if kind == "outlier":
        e[rng.integers(300)] = -0.8
    elif kind == "mostly zero":
        e[rng.random(300) < 0.7] = 0.0
    calm = conditional_variance(e, fit)
    assert calm.shape == (301,)
    assert (calm > 0).all()
    assert np.isfinite(calm).all()
    shocked = e.copy()
    shocked[cut:] *= 10
    assert np.array_equal(calm[: cut + 1], conditional_variance(shocked, fit)[: cut + 1])


@members
@pytest.mark.parametrize("unit", [1000.0, 0.03])
def test_the_unit_of_the_returns_does_not_matter(name: str, unit: float) -> None:
    e, one = index_returns(), fitted(name)
    other = fit_model(unit * e, MEMBERS[name])
    assert other.log_likelihood == pytest.approx(one.log_likelihood - len(e) * log(unit), abs=1e-3)
    np.testing.assert_allclose(conditional_variance(unit * e, other), unit**2 * conditional_variance(e, one), rtol=2e-3)


@members
def test_a_fit_survives_json(name: str) -> None:
    fit = fitted(name)
    kept = from_json(json.loads(json.dumps(to_json(fit), allow_nan=False)))
    assert kept == fit
    assert np.array_equal(conditional_variance(index_returns(), kept), conditional_variance(index_returns(), fit))


@members
def test_the_forecast_of_the_sample_is_the_filter_of_the_next_bar(name: str) -> None:
    e, fit = index_returns(), fitted(name)
    assert conditional_variance(e[:-1], fit)[-1] == conditional_variance(e, fit)[-2]


@members
def test_residuals_have_variance_near_one(name: str) -> None:
    e, fit = index_returns(), fitted(name)
    z = (e - conditional_mean(fit)) / np.sqrt(conditional_variance(e, fit)[:-1])
    assert float(np.mean(z**2)) == pytest.approx(1, abs=0.12)


@members
@pytest.mark.parametrize(
    ("e", "error"),
    [
        (np.full(500, 0.001), ConstantSeries),
        (np.zeros(500), ConstantSeries),
        (np.random.default_rng(1).standard_normal(75), InsufficientData),
        (np.append(np.random.default_rng(1).standard_normal(200), np.nan), DataError),
    ],
    ids=["constant", "zero", "short", "nan"],
)
def test_returns_that_cannot_be_fitted_are_named(name: str, e: FloatArray, error: type[DataError]) -> None:
    with pytest.raises(error):
        fit_model(e, MEMBERS[name])


@members
@pytest.mark.parametrize("kind", ["near-constant", "trending", "integrated", "infinite variance", "outlier", "100 values"])
def test_odd_returns_get_a_finite_answer_that_says_how_the_search_ended(name: str, kind: str) -> None:
    rng = np.random.default_rng(8)
    e = {
        "near-constant": 1e-3 + 1e-9 * rng.standard_normal(600),
        "trending": np.linspace(-0.01, 0.03, 600) + 0.01 * rng.standard_normal(600),
        "integrated": np.cumsum(0.01 * rng.standard_normal(600)),
        "infinite variance": 0.01 * rng.standard_cauchy(600),
        "outlier": np.where(np.arange(600) == 400, -0.9, 0.01 * rng.standard_normal(600)),
        "100 values": 0.01 * rng.standard_t(4, 100),
    }[kind]
    fit = fit_model(e, MEMBERS[name])
    assert isinstance(fit.convergence, Convergence)
    variance = conditional_variance(e, fit)
    assert np.isfinite(variance).all()
    assert (variance > 0).all()
    assert np.isfinite(innovation_law(fit).quantile(0.01))


def test_a_variance_of_zero_is_named() -> None:
    with pytest.raises(ModelError, match=r"EWMA\(0.94\): the variance of bar 0 is 0.0"):
        conditional_variance(np.zeros(80), fitted("EWMA(0.94)"))


@members
def test_a_hole_in_the_returns_is_named_and_does_not_flow_on(name: str) -> None:
    e = index_returns()[:300].copy()
    e[200] = np.nan
    with pytest.raises(ModelError, match="bar 201 is nan"):
        conditional_variance(e, fitted(name))


def test_an_infinity_survives_json() -> None:
    fit = replace(fitted("EWMA(0.94)"), starts_spread=float("inf"))
    record = json.loads(json.dumps(to_json(fit), allow_nan=False))
    assert record["starts_spread"] == record["nu"] == "inf"
    assert from_json(record) == fit


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"type": "GarchSpec"},
        {"type": "GarchFit"},
        {"type": "int"},
        {"type": "BetaTEgarchFit", "spec": {"type": "EwmaSpec", "decay": 1}},
    ],
)
def test_a_record_of_anything_else_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(DataError, match="cannot be read as a volatility fit"):
        from_json(record)
