"""Two components of variance: what the second one buys, and what the search may not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.terms import FloatArray
from riskparams.volatility import recursions
from riskparams.volatility.component import component_variance, fit_component
from riskparams.volatility.garch import fit_garch
from riskparams.volatility.model import ComponentFit, ComponentSpec, Convergence, GarchSpec, Innovations

TRUE = np.array([0.98, 0.1, 0.3, 0.5, 0.6, 0.3, 0.7])  # slow decay, omega, fast rise, fall, decay, slow rise, fall


def simulated(n: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    z = rng.standard_t(7, n) / np.sqrt(7 / 5)
    e = np.empty(n)
    slow_decay, omega, fast_rise, fast_fall, fast_decay, slow_rise, slow_fall = TRUE
    fast, slow = (fast_rise + fast_fall) / 2, (slow_rise + slow_fall) / 2
    for t in range(n):
        e[t] = np.sqrt(omega + fast + slow) * z[t]
        falls = e[t] < 0
        fast = fast_decay * fast + (1 - fast_decay) * (fast_fall if falls else fast_rise) * e[t] ** 2
        slow = slow_decay * slow + (1 - slow_decay) * (slow_fall if falls else slow_rise) * e[t] ** 2
    return e


def test_it_recovers_the_parameters_it_was_simulated_from() -> None:
    fit = fit_component(simulated(120_000, 5), ComponentSpec())
    assert fit.convergence is Convergence.CONVERGED
    assert fit.fast_decay == pytest.approx(0.6, abs=0.06)
    assert fit.slow_decay == pytest.approx(0.98, abs=0.01)
    found = [fit.fast_rise, fit.fast_fall, fit.slow_rise, fit.slow_fall]
    assert found == pytest.approx(TRUE[[2, 3, 5, 6]], abs=0.12)


def test_it_fits_no_worse_than_the_one_component_it_contains() -> None:
    one = GarchSpec(innovations=Innovations.NORMAL)
    for seed in range(5):
        e = simulated(3_000, seed)
        assert fit_component(e, ComponentSpec()).log_likelihood >= fit_garch(e, one).log_likelihood - 0.05


def test_the_gradient_is_that_of_the_likelihood() -> None:
    e, gradient, aside = simulated(2_000, 1), np.empty(7), np.empty(7)
    recursions.component_likelihood(e, TRUE, 1.3, gradient)
    for i in range(7):
        step = np.zeros(7)
        step[i] = 1e-6
        up, down = (recursions.component_likelihood(e, TRUE + sign * step, 1.3, aside) for sign in (1, -1))
        assert gradient[i] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=2e-4)


def test_after_a_long_gap_the_filter_begins_anew() -> None:
    e = simulated(600, 2)
    fit = fit_component(e, ComponentSpec())
    joined = component_variance(e, fit, np.array([0, 300]))
    assert np.array_equal(joined[:300], component_variance(e[:300], fit)[:300])
    assert np.array_equal(joined[300:], component_variance(e[300:], fit))


@given(seed=st.integers(0, 10_000), df=st.floats(1.5, 30), n=st.integers(100, 900), outlier=st.sampled_from([1.0, 50.0, 1e6]))
@settings(max_examples=25)
def test_every_fit_is_finite_and_stays_inside_its_bounds(seed: int, df: float, n: int, outlier: float) -> None:
    e = np.random.default_rng(seed).standard_t(df, n)
    e[n // 2] *= outlier
    fit = fit_component(e, ComponentSpec())
    assert np.isfinite(fit.log_likelihood)
    responses = [fit.fast_rise, fit.fast_fall, fit.slow_rise, fit.slow_fall]
    assert min(responses) >= 0
    assert sum(responses) / 2 <= fit.spec.response_cap + 1e-9
    assert 0 <= fit.fast_decay < fit.slow_decay <= 0.9995 + 1e-12
    assert 0 < fit.persistence < 1
    assert fit.omega + sum(responses) / 2 * fit.variance == pytest.approx(fit.variance)
    assert (component_variance(e, fit) > 0).all()


def test_one_component_has_the_persistence_of_a_garch() -> None:
    fit = ComponentFit(
        spec=ComponentSpec(), omega=0.1, fast_rise=0.0, fast_fall=0.0, fast_decay=0.0, slow_rise=0.5, slow_fall=0.7,
        slow_decay=0.9, log_likelihood=0.0, variance=1.0, n_obs=100, convergence=Convergence.CONVERGED,
    )  # fmt: skip
    assert fit.persistence == pytest.approx(0.9 + 0.1 * 0.6)
