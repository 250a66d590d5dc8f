"""The GJR-GARCH-t estimator: held to `arch`, to its own slow twin and to the laws of a volatility model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConstantSeries, DataError
from riskparams.terms import Asset, FloatArray, Pair
from riskparams.volatility import recursions
from riskparams.volatility.component import fit_component
from riskparams.volatility.garch import backcast, conditional_variance, fit_garch, log_likelihood
from riskparams.volatility.model import ComponentSpec, Convergence, GarchFit, GarchSpec, Innovations, Presample

FREE, TARGETED = GarchSpec(targeted=False), GarchSpec()


@pytest.fixture(scope="module", params=["SPX", "COMP"])
def index_returns(request: pytest.FixtureRequest) -> FloatArray:
    from riskparams.prices.sample import index_market
    from riskparams.returns import log_returns

    return 100 * log_returns(index_market(), Pair(Asset(request.param), Asset("USD"))).value


def fixed(e: FloatArray, alpha: float, gamma: float, beta: float) -> GarchFit:
    variance = float(e @ e / len(e))
    return GarchFit(
        spec=TARGETED,
        omega=variance * (1 - alpha - gamma / 2 - beta),
        alpha=alpha,
        gamma=gamma,
        beta=beta,
        nu=6.0,
        log_likelihood=0.0,
        variance=variance,
        n_obs=len(e),
        convergence=Convergence.CONVERGED,
    )


def test_with_a_free_intercept_it_reaches_the_optimum_of_arch(index_returns: FloatArray) -> None:
    from arch import arch_model

    theirs = arch_model(index_returns, mean="Zero", vol="GARCH", p=1, o=1, dist="t", rescale=False).fit(disp="off")
    ours = fit_garch(index_returns, FREE)

    assert ours.convergence is Convergence.CONVERGED
    assert ours.log_likelihood >= theirs.loglikelihood - 1e-3
    found = [ours.omega, ours.alpha, ours.gamma, ours.beta, ours.nu]
    np.testing.assert_allclose(found, theirs.params.to_numpy(), rtol=5e-3, atol=1e-4)


def test_at_the_same_parameters_likelihood_and_variances_are_those_of_arch(index_returns: FloatArray) -> None:
    from arch import arch_model

    parameters = np.array([0.0, 0.02, 0.03, 0.1, 0.88, 7.0, 0.0])
    model = arch_model(index_returns, mean="Zero", vol="GARCH", p=1, o=1, dist="t", rescale=False)
    theirs = model.fix(parameters[1:6])
    value, _ = log_likelihood(index_returns, parameters, FREE)
    assert value == pytest.approx(theirs.loglikelihood, abs=1e-6)
    _, omega, alpha, gamma, beta, nu, _ = parameters
    ours = GarchFit(
        spec=FREE, omega=omega, alpha=alpha, gamma=gamma, beta=beta, nu=nu, log_likelihood=value, variance=1.0,
        n_obs=len(index_returns), convergence=Convergence.CONVERGED,
    )  # fmt: skip
    np.testing.assert_allclose(conditional_variance(index_returns, ours)[:-1], theirs.conditional_volatility**2, rtol=1e-12)


@pytest.mark.parametrize("presample", Presample)
@pytest.mark.parametrize("law", Innovations)
def test_the_gradient_is_that_of_the_likelihood(index_returns: FloatArray, law: Innovations, presample: Presample) -> None:
    spec = GarchSpec(innovations=law, constant_mean=True, presample=presample)
    point = np.array([0.04, 0.02, 0.05, 0.08, 0.88, 7.0, -0.1])
    _, gradient = log_likelihood(index_returns, point, spec)
    for i in range(7):
        step = np.zeros(7)
        step[i] = 1e-6
        up, down = (log_likelihood(index_returns, point + sign * step, spec)[0] for sign in (1, -1))
        assert gradient[i] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=2e-4)


def test_the_recursion_equals_the_textbook_loop(index_returns: FloatArray) -> None:
    e = index_returns[:500]
    fit = fixed(e, 0.04, 0.1, 0.85)
    expected = np.empty(501)
    expected[0] = fit.omega + (fit.alpha + fit.gamma / 2 + fit.beta) * backcast(e)
    for t in range(500):
        news = (fit.alpha + fit.gamma * (e[t] < 0)) * e[t] ** 2
        expected[t + 1] = fit.omega + news + fit.beta * expected[t]
    np.testing.assert_allclose(conditional_variance(e, fit), expected, rtol=1e-13)


def test_targeting_makes_the_long_run_variance_the_samples(index_returns: FloatArray) -> None:
    fit = fit_garch(index_returns, TARGETED)
    assert fit.unconditional_variance == pytest.approx(float(np.mean(index_returns**2)), rel=1e-9)
    assert fit.starts_spread < 0.5


@pytest.mark.parametrize("spec", [FREE, TARGETED], ids=lambda spec: spec.name)
def test_the_unit_of_the_returns_does_not_matter(index_returns: FloatArray, spec: GarchSpec) -> None:
    one, other = fit_garch(index_returns, spec), fit_garch(index_returns / 1000, spec)
    assert (one.alpha, one.gamma, one.beta, one.nu) == pytest.approx((other.alpha, other.gamma, other.beta, other.nu), rel=1e-4)
    assert one.omega == pytest.approx(other.omega * 1e6, rel=1e-3)
    assert one.log_likelihood == pytest.approx(other.log_likelihood - len(index_returns) * np.log(1000), abs=1e-3)


def test_it_recovers_the_parameters_it_was_simulated_from() -> None:
    rng, n = np.random.default_rng(7), 40_000
    z = rng.standard_t(6, n) / np.sqrt(6 / 4)
    e, sigma2 = np.empty(n), 1.0
    for t in range(n):
        e[t] = np.sqrt(sigma2) * z[t]
        sigma2 = 0.03 + (0.05 + 0.06 * (e[t] < 0)) * e[t] ** 2 + 0.89 * sigma2
    fit = fit_garch(e, TARGETED)
    assert (fit.alpha, fit.gamma, fit.beta) == pytest.approx((0.05, 0.06, 0.89), abs=0.015)
    assert fit.nu == pytest.approx(6, abs=0.5)


@given(
    seed=st.integers(0, 10_000),
    shocks=st.tuples(st.floats(0, 0.2), st.floats(-0.05, 0.2), st.floats(0.5, 0.75)),
    cut=st.integers(75, 190),
)
@settings(max_examples=40, deadline=None)
def test_variances_are_positive_and_never_look_ahead(seed: int, shocks: tuple[float, float, float], cut: int) -> None:
    alpha, gamma, beta = shocks
    gamma = max(gamma, -alpha)
    e = np.random.default_rng(seed).standard_t(4, 200)
    fit = fixed(e, alpha, gamma, beta)
    calm = conditional_variance(e, fit)
    assert (calm > 0).all()
    shocked = e.copy()
    shocked[cut:] *= 10  # beyond the 75 values that start the recursion
    assert np.array_equal(calm[: cut + 1], conditional_variance(shocked, fit)[: cut + 1])


def test_after_a_long_gap_the_filter_begins_anew(index_returns: FloatArray) -> None:
    e = index_returns[:400]
    fit = fixed(e, 0.05, 0.05, 0.9)
    joined = conditional_variance(e, fit, np.array([0, 200]))
    assert np.array_equal(joined[:200], conditional_variance(e[:200], fit)[:200])
    assert np.array_equal(joined[200:], conditional_variance(e[200:], fit))


def test_about_a_mean_of_zero_the_shorter_likelihood_is_the_same(index_returns: FloatArray) -> None:
    theta, start = np.array([0.0, 0.02, 0.05, 0.13, 0.88, 7.0, 0.0]), np.array([1.3, 0.0, 0.0])
    whole, short = np.empty(7), np.empty(7)
    values = [
        recursions.likelihood(index_returns, law, theta, start, gradient)
        for law, gradient in ((recursions.STUDENT_T, whole), (recursions.CENTRED_T, short))
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-13)
    np.testing.assert_allclose(short[1:6], whole[1:6], rtol=1e-10)


@pytest.mark.parametrize("fit", [lambda e: fit_garch(e, TARGETED), lambda e: fit_component(e, ComponentSpec())])
def test_returns_that_cannot_be_fitted_have_a_named_error(fit: Callable[[FloatArray], object]) -> None:
    e = np.random.default_rng(1).standard_normal(300)
    for bad in (np.nan, np.inf):
        with pytest.raises(DataError, match="return 17 is"):
            fit(np.where(np.arange(300) == 17, bad, e))
    for still in (np.zeros(300), 1e-170 * e, np.zeros(0)):
        with pytest.raises(ConstantSeries, match="no movement"):
            fit(still)
