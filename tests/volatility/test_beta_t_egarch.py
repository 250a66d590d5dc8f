"""Beta-t-EGARCH: held to the R package betategarch, to its own slow twin and to its gradient."""

from __future__ import annotations

from math import exp, log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from riskparams.terms import FloatArray
from riskparams.volatility.beta_t_egarch import (
    BetaTEgarchFit,
    BetaTEgarchSpec,
    beta_t_variance,
    fit_beta_t_egarch,
    log_likelihood,
    log_scale,
)
from riskparams.volatility.model import Convergence

POINT = np.array([-0.1, 0.97, 0.04, 0.03, 6.0])


def textbook_log_scale(y: FloatArray, parameters: FloatArray) -> FloatArray:
    """Return the log scales as Harvey & Sucarrat (2014) write them, one bar at a time."""
    omega, phi, kappa, leverage, nu = parameters
    deviation, scales = 0.0, []
    for value in y:
        scales.append(omega + deviation)
        score = (nu + 1) * value**2 / (nu * exp(2 * scales[-1]) + value**2) - 1
        deviation = phi * deviation + kappa * score + leverage * np.sign(-value) * (score + 1)
    return np.array([*scales, omega + deviation])


@pytest.fixture(scope="module")
def simulated() -> FloatArray:
    rng, y, deviation = np.random.default_rng(11), np.empty(30_000), 0.0
    omega, phi, kappa, leverage, nu = POINT
    for i, shock in enumerate(rng.standard_t(nu, len(y))):
        y[i] = exp(omega + deviation) * shock
        score = (nu + 1) * shock**2 / (nu + shock**2) - 1
        deviation = phi * deviation + kappa * score + leverage * np.sign(-shock) * (score + 1)
    return y


def test_the_sp500_fit_is_that_of_betategarch(market_data: Path) -> None:
    """betategarch 3.3, first order with leverage, zero mean, on 100 times the S&P 500 returns of 1987 to 2009."""
    y = 100 * pd.read_csv(market_data / "reference" / "ref_sp500ret.csv")["ret"].to_numpy(float)
    fit = fit_beta_t_egarch(y)
    expected = {"omega": -0.16784383664, "phi": 0.98556479608, "kappa": 0.032461431386, "leverage": 0.030328239117}
    errors = {"omega": 0.047097880498, "phi": 0.0023147691159, "kappa": 0.0032651679609, "leverage": 0.0028934019503}
    expected["nu"], errors["nu"] = 7.1477989102, 0.60942463712

    assert fit.convergence is Convergence.CONVERGED
    assert fit.starts_spread < 0.5
    assert fit.log_likelihood == pytest.approx(-7282.3373511469, abs=0.5)
    for name, value in expected.items():
        assert getattr(fit, name) == pytest.approx(value, abs=max(0.02 * abs(value), 0.25 * errors[name]))
    sigma = np.sqrt(beta_t_variance(y, fit))
    np.testing.assert_allclose(sigma[[0, 1, len(y) - 1]], [0.99628071577, 0.96668571131, 2.5022392621], rtol=0.005)
    scale = log_scale(y, fit.omega, fit.phi, fit.kappa, fit.leverage, fit.nu)
    np.testing.assert_allclose(scale[[0, 1, len(y) - 1]], [-0.16784383664, -0.19799946919, 0.75306841715], rtol=0.005)


def test_the_recursion_equals_the_textbook_loop(simulated: FloatArray) -> None:
    y = simulated[:500]
    np.testing.assert_allclose(log_scale(y, *POINT), textbook_log_scale(y, POINT), rtol=1e-12)


def test_the_likelihood_is_the_sum_of_log_densities(simulated: FloatArray) -> None:
    y = simulated[:500]
    scale = textbook_log_scale(y, POINT)[:-1]
    value, _ = log_likelihood(y, POINT)
    assert value == pytest.approx(float(np.sum(student.logpdf(y / np.exp(scale), POINT[4]) - scale)), rel=1e-12)


def test_the_gradient_is_that_of_the_likelihood(simulated: FloatArray) -> None:
    y = simulated[:2000]
    _, gradient = log_likelihood(y, POINT)
    for i in range(5):
        step = np.zeros(5)
        step[i] = 1e-6
        up, down = (log_likelihood(y, POINT + sign * step)[0] for sign in (1, -1))
        assert gradient[i] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-4)


def test_it_recovers_the_parameters_it_was_simulated_from(simulated: FloatArray) -> None:
    fit = fit_beta_t_egarch(simulated)
    assert fit.omega == pytest.approx(POINT[0], abs=0.1)
    assert (fit.phi, fit.kappa, fit.leverage) == pytest.approx(tuple(POINT[1:4]), abs=0.01)
    assert fit.nu == pytest.approx(POINT[4], abs=0.4)


def test_one_huge_return_moves_the_next_variance_by_a_bounded_factor() -> None:
    fit = BetaTEgarchFit(
        spec=BetaTEgarchSpec(), omega=0.0, phi=0.97, kappa=0.04, leverage=0.03, nu=6.0, log_likelihood=0.0, n_obs=1,
        convergence=Convergence.CONVERGED,
    )  # fmt: skip
    most = 2 * (0.04 * 6 + 0.03 * 7)  # the score is at most nu
    for huge in (-1e3, -1e6, -1e150):
        calm, after = beta_t_variance(np.array([huge]), fit)
        assert log(after / calm) == pytest.approx(most, rel=1e-3)


def test_the_law_of_the_innovation_is_student_t_of_unit_variance(simulated: FloatArray) -> None:
    fit = fit_beta_t_egarch(simulated)
    z = simulated / np.sqrt(beta_t_variance(simulated, fit)[:-1])
    p = np.array([0.01, 0.05, 0.5, 0.95])
    below = np.array([(z <= quantile).mean() for quantile in fit.law.quantile(p)])
    assert (np.abs(below - p) < 4 * np.sqrt(p * (1 - p) / len(z))).all()  # four standard errors of a share
