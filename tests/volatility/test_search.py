"""The search and what it climbs: steps held to a general solver, likelihoods to slow twins, bounds reached and not passed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import psi

from riskparams.terms import FloatArray
from riskparams.volatility import recursions
from riskparams.volatility.garch import LAWS, fit_garch, log_likelihood, presample, search_problem
from riskparams.volatility.innovations import InnovationLaw
from riskparams.volatility.model import Convergence, GarchSpec, Innovations, Presample
from riskparams.volatility.search import CONVERGED, ascent, climb, constrained_step, inverse_curvature, learn

NORMAL, STUDENT_T, SKEWED_T = Innovations


def garch_series(seed: int, n: int, omega: float, rise: float, fall: float, beta: float, *, df: float = 6.0) -> FloatArray:
    rng, e, sigma2 = np.random.default_rng(seed), np.empty(n), 1.0
    z = rng.standard_t(df, n) * np.sqrt((df - 2) / df)
    for t in range(n):
        e[t] = np.sqrt(sigma2) * z[t]
        sigma2 = omega + (fall if e[t] < 0 else rise) * e[t] ** 2 + beta * sigma2
    return e


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 6), walls=st.integers(1, 8), tight=st.booleans())
@settings(max_examples=150)
def test_a_constrained_step_is_the_top_of_the_quadratic(seed: int, k: int, walls: int, tight: bool) -> None:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((k, k)) + 0.3 * np.eye(k)
    curvature = root @ root.T + 0.05 * np.eye(k)
    slope, normals = rng.standard_normal(k), rng.standard_normal((walls, k))
    assume((np.abs(normals).max(axis=1) > 0.2).all())
    room = np.where(rng.random(walls) < 0.3, 0.0, 0.3 * rng.random(walls)) if tight else 3 * rng.random(walls)
    step = np.empty(k)
    gain = constrained_step(np.linalg.inv(curvature), slope, normals, room, step)

    def lost(x: FloatArray) -> float:
        return float(0.5 * x @ curvature @ x - slope @ x)

    best = minimize(
        lost, np.zeros(k), jac=lambda x: curvature @ x - slope, method="SLSQP", options={"maxiter": 500, "ftol": 1e-14},
        constraints={"type": "ineq", "fun": lambda x: room - normals @ x, "jac": lambda _: -normals},
    )  # fmt: skip
    assert (normals @ step <= room + 2e-9).all()
    assert gain == pytest.approx(-lost(step), rel=1e-6, abs=1e-9)
    assert -lost(step) >= -best.fun - 1e-6 * max(1.0, -best.fun)


def test_a_step_no_wall_stands_before_is_newtons() -> None:
    spread, slope, step = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([0.3, -0.2]), np.empty(2)
    gain = constrained_step(spread, slope, np.eye(2), np.full(2, 10.0), step)
    np.testing.assert_allclose(step, spread @ slope)
    assert gain == pytest.approx(0.5 * slope @ spread @ slope)


@given(seed=st.integers(0, 1000))
def test_learning_satisfies_the_secant_and_keeps_the_spread_positive(seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((4, 4)) + np.eye(4)
    truth, spread, step = root @ root.T + 0.1 * np.eye(4), np.eye(4), rng.standard_normal(4)
    change = truth @ step
    learn(spread, step, change)
    np.testing.assert_allclose(spread @ change, step, rtol=1e-7, atol=1e-9)
    assert np.linalg.eigvalsh(spread).min() > 0


def test_learning_from_a_step_along_which_the_surface_is_not_concave_changes_nothing() -> None:
    spread = np.diag([1.0, 2.0])
    learn(spread, np.array([1.0, 0.0]), np.array([-1.0, 0.5]))
    assert np.array_equal(spread, np.diag([1.0, 2.0]))


@pytest.mark.parametrize("law", Innovations)
def test_the_inverse_curvature_is_that_of_the_likelihood(law: Innovations) -> None:
    spec = GarchSpec(innovations=law, targeted=False, constant_mean=True)
    e = garch_series(1, 3000, 0.05, 0.05, 0.12, 0.86)
    e = e / np.sqrt(np.mean(e**2))
    problem, start = search_problem(spec), presample(e, spec)
    k = problem.chart.shape[1]
    x, spread = problem.starts[0].copy(), np.zeros((k, k))
    _, ending, _ = climb(
        e, problem.law, problem.origin, problem.chart, start, problem.walls, problem.limit, x, spread, False, 1e-10, 200
    )
    assert ending == CONVERGED

    def value(at: FloatArray) -> float:
        return float(ascent(e, problem.law, problem.origin, problem.chart, start, at, np.empty(k)))

    second, h = np.empty((k, k)), 2e-3 * np.eye(k)
    for i in range(k):
        for j in range(k):
            corners = value(x + h[i] + h[j]) - value(x + h[i] - h[j]) - value(x - h[i] + h[j]) + value(x - h[i] - h[j])
            second[i, j] = -corners / 4 / 4e-6
    slope = np.empty(k)
    ascent(e, problem.law, problem.origin, problem.chart, start, x, slope)
    found = inverse_curvature(e, problem.law, problem.origin, problem.chart, start, x, slope)
    size = np.sqrt(np.diag(np.linalg.inv(second)))
    np.testing.assert_allclose(found / np.outer(size, size), np.linalg.inv(second) / np.outer(size, size), atol=0.02)


@given(x=st.floats(0.3, 1e4))
def test_digamma_is_that_of_scipy(x: float) -> None:
    assert recursions.digamma(x) == pytest.approx(float(psi(x)), rel=1e-12, abs=1e-13)


@given(
    law=st.sampled_from(Innovations),
    whole=st.sampled_from(Presample),
    seed=st.integers(0, 1000),
    n=st.integers(1, 300),
    nu=st.floats(2.1, 300),
    skew=st.floats(-0.9, 0.9),
    unit=st.sampled_from([1e-8, 1.0, 1e8]),
)
def test_the_likelihood_equals_its_slow_twin(
    law: Innovations, whole: Presample, seed: int, n: int, nu: float, skew: float, unit: float
) -> None:
    e = unit * np.random.default_rng(seed).standard_t(3, n)
    spec = GarchSpec(innovations=law, presample=whole, constant_mean=True)
    mu, omega, alpha, gamma, beta = 0.1 * unit, 0.05 * unit**2, 0.04, 0.1, 0.85
    constant, linear, square = presample(e, spec)
    sigma2 = omega + (alpha + gamma / 2 + beta) * (constant + linear * mu + square * mu**2)
    density = InnovationLaw(nu=np.inf if law is NORMAL else nu, skew=skew if law is SKEWED_T else 0.0)
    total = 0.0
    for value in e:
        rest = value - mu
        total += float(density.log_density(rest / np.sqrt(sigma2))) - np.log(sigma2) / 2
        sigma2 = omega + (alpha + gamma * (rest < 0)) * rest**2 + beta * sigma2
    found, _ = log_likelihood(e, np.array([mu, omega, alpha, gamma, beta, nu, skew]), spec)
    assert found == pytest.approx(total, rel=1e-10, abs=1e-9)


def test_a_variance_that_is_not_positive_has_no_likelihood() -> None:
    theta = np.array([0.0, -1.0, 0.05, 0.05, 0.9, 6.0, 0.0])
    for law in LAWS.values():
        assert recursions.likelihood(np.ones(20), law, theta, np.array([1.0, 0.0, 0.0]), np.empty(7)) == -np.inf


def test_a_response_that_would_be_negative_ends_at_zero_exactly() -> None:
    e = garch_series(2, 3000, 0.05, 0.0, 0.2, 0.85)
    fit = fit_garch(e, GarchSpec(targeted=False, innovations=NORMAL))
    assert fit.convergence is Convergence.CONVERGED
    assert fit.alpha == pytest.approx(0, abs=1e-9)
    assert fit.gamma > 0.1


@pytest.mark.parametrize("targeted", [True, False])
def test_an_integrated_series_ends_at_the_persistence_cap_and_at_1_without_a_target(targeted: bool) -> None:
    e = np.cumsum(np.random.default_rng(1).standard_normal(600))
    spec = GarchSpec(targeted=targeted, asymmetric=False, innovations=NORMAL, persistence_cap=0.98)
    fit = fit_garch(e, spec)
    assert fit.convergence is Convergence.CONVERGED
    assert fit.persistence == pytest.approx(spec.persistence_cap if targeted else 1.0, abs=1e-8)


def test_normal_returns_end_at_the_largest_nu() -> None:
    fit = fit_garch(np.random.default_rng(7).standard_normal(2000), GarchSpec())
    assert fit.nu == pytest.approx(500, rel=1e-6)


def test_a_top_on_a_bound_falls_away_from_it() -> None:
    spec = GarchSpec(targeted=False, innovations=NORMAL)
    e = garch_series(2, 3000, 0.05, 0.0, 0.2, 0.85)
    fit = fit_garch(e, spec)
    top = np.array([0.0, fit.omega, fit.alpha, fit.gamma, fit.beta, 8.0, 0.0])
    value, slope = log_likelihood(e, top, spec)
    assert value == pytest.approx(fit.log_likelihood, abs=1e-7)
    assert slope[recursions.RISE] - slope[recursions.FALL] < 0  # alpha alone, with alpha + gamma held: down into the bound
    assert np.abs(slope[[1, 3, 4]] * [fit.omega, fit.gamma, fit.beta]).max() < 0.05


NESTED = [
    (replace(spec, asymmetric=False), replace(spec, asymmetric=True))
    for innovations in Innovations
    for targeted in (True, False)
    for spec in (GarchSpec(innovations=innovations, targeted=targeted),)
] + [
    (GarchSpec(targeted=targeted, asymmetric=wide), GarchSpec(targeted=targeted, asymmetric=wide, innovations=SKEWED_T))
    for targeted in (True, False)
    for wide in (True, False)
] + [
    (GarchSpec(innovations=law, persistence_cap=0.9999), GarchSpec(innovations=law, targeted=False)) for law in Innovations
]  # fmt: skip


@pytest.mark.parametrize(("small", "large"), NESTED, ids=lambda spec: spec.name)
def test_a_family_that_holds_another_never_fits_worse(small: GarchSpec, large: GarchSpec) -> None:
    series = [np.random.default_rng(seed).standard_t(5, 2000) for seed in (0, 3, 4)]  # noise: nothing to remember
    series += [np.random.default_rng(5).standard_normal(1500), garch_series(1, 1500, 0.1, 0.05, 0.13, 0.8)]
    series += [garch_series(2, 1500, 0.6, 0.4, 0.4, 0.0), garch_series(3, 1500, 0.02, 0.02, 0.06, 0.94)]
    for e in series:
        assert fit_garch(e, large).log_likelihood >= fit_garch(e, small).log_likelihood - 1e-3
