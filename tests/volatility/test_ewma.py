"""EWMA: the textbook recursion, its likelihood, and what it shares with a GARCH whose memory never ends."""

from __future__ import annotations

from math import inf, log, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskparams.terms import DAY, FloatArray
from riskparams.volatility.ewma import default_ewma, fit_ewma
from riskparams.volatility.garch import backcast, conditional_variance
from riskparams.volatility.model import Convergence, EwmaSpec

decays = st.floats(0.5, 0.999)


def returns(seed: int, n: int = 300) -> FloatArray:
    return 0.02 * np.random.default_rng(seed).standard_t(4, n)


@given(seed=st.integers(0, 1000), decay=decays)
def test_the_recursion_equals_the_textbook_loop(seed: int, decay: float) -> None:
    e = returns(seed)
    expected = [backcast(e)]
    for value in e:
        expected.append((1 - decay) * value**2 + decay * expected[-1])
    np.testing.assert_allclose(conditional_variance(e, fit_ewma(e, EwmaSpec(decay=decay))), expected, rtol=1e-12)


def test_the_likelihood_is_the_sum_of_normal_log_densities() -> None:
    e = returns(1)
    fit = fit_ewma(e, EwmaSpec(decay=0.94))
    sigma2 = conditional_variance(e, fit)[:-1]
    total = sum(-(log(2 * pi * variance) + value**2 / variance) / 2 for value, variance in zip(e, sigma2, strict=True))
    assert fit.log_likelihood == pytest.approx(total, rel=1e-12)


def test_nothing_is_estimated_and_a_shock_never_fades_from_the_forecast() -> None:
    fit = fit_ewma(returns(2), EwmaSpec(decay=0.97))
    assert fit.convergence is Convergence.NOT_NEEDED
    assert (fit.omega, fit.gamma, fit.nu, fit.persistence, fit.unconditional_variance) == (0.0, 0.0, inf, 1.0, inf)
    assert fit.spec.name == "EWMA(0.97)"


@given(seed=st.integers(0, 1000), decay=decays, unit=st.floats(1e-6, 1e6))
def test_the_unit_of_the_returns_does_not_matter(seed: int, decay: float, unit: float) -> None:
    e = returns(seed)
    one, other = fit_ewma(e, EwmaSpec(decay=decay)), fit_ewma(unit * e, EwmaSpec(decay=decay))
    assert other.log_likelihood == pytest.approx(one.log_likelihood - len(e) * log(unit), rel=1e-9, abs=1e-6)
    np.testing.assert_allclose(conditional_variance(unit * e, other), unit**2 * conditional_variance(e, one), rtol=1e-9)


@given(seed=st.integers(0, 1000), cut=st.integers(75, 299))
def test_the_future_changes_no_past_variance(seed: int, cut: int) -> None:
    e = returns(seed)
    shocked = e.copy()
    shocked[cut:] *= 10
    fit = fit_ewma(e, EwmaSpec(decay=0.94))
    assert np.array_equal(conditional_variance(e, fit)[: cut + 1], conditional_variance(shocked, fit)[: cut + 1])


def test_returns_that_hardly_move_keep_a_finite_likelihood() -> None:
    e = np.zeros(200)
    e[0] = 1e-160  # its square is no number a variance can be
    assert np.isfinite(fit_ewma(e, EwmaSpec(decay=0.94)).log_likelihood)


def test_daily_bars_forget_faster_than_hourly_ones() -> None:
    assert [default_ewma(bar).decay for bar in (DAY // 24, DAY, 7 * DAY)] == [0.985, 0.94, 0.94]
