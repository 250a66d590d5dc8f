"""The generalised Pareto tail: worked numbers, recovery, prudence at the edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import genpareto

from riskparams.errors import ConfigError, InsufficientData
from riskparams.tails.gpd import TailFit, TailSpec, fit_gpd, fit_tail, gpd_log_likelihood

WORKED = TailFit(tail_threshold=1.5, shape=0.2, scale=0.6, exceedances=100, n_obs=1000)


def test_quantile_and_expected_shortfall_of_the_worked_example() -> None:
    assert WORKED.quantile(0.999) == pytest.approx(6.035659, abs=5e-7)
    assert WORKED.expected_shortfall(0.999) == pytest.approx(7.919574, abs=5e-7)


def test_a_shape_of_zero_is_the_limit_of_small_shapes() -> None:
    exponential = TailFit(tail_threshold=1.5, shape=0.0, scale=0.6, exceedances=100, n_obs=1000)
    nearly = TailFit(tail_threshold=1.5, shape=1e-7, scale=0.6, exceedances=100, n_obs=1000)
    assert exponential.quantile(0.999) == pytest.approx(1.5 + 0.6 * np.log(100))
    assert nearly.quantile(0.999) == pytest.approx(exponential.quantile(0.999), abs=1e-5)
    assert exponential.expected_shortfall(0.999) == pytest.approx(exponential.quantile(0.999) + 0.6)


def test_a_level_inside_the_body_is_refused() -> None:
    with pytest.raises(ValueError, match="empirical quantile"):
        WORKED.quantile(0.8)


def test_expected_shortfall_is_infinite_without_a_mean() -> None:
    assert TailFit(tail_threshold=1, shape=1.0, scale=1, exceedances=50, n_obs=1000).expected_shortfall(0.99) == np.inf


@pytest.mark.parametrize("shape", [0.0, 0.1, 0.3, 0.6])
def test_maximum_likelihood_agrees_with_scipy(shape: float) -> None:
    excesses = genpareto.rvs(shape, scale=2.0, size=3_000, random_state=np.random.default_rng(3))
    found, scale, estimator = fit_gpd(excesses)
    theirs, _, their_scale = genpareto.fit(excesses, floc=0)
    best = gpd_log_likelihood(excesses, max(theirs, 0.0), their_scale if theirs > 0 else float(excesses.mean()))
    assert estimator == "maximum likelihood"
    assert gpd_log_likelihood(excesses, found, scale) >= best - 1e-4
    assert found == pytest.approx(shape, abs=0.06)


def test_a_bounded_tail_is_taken_as_exponential() -> None:
    uniform = np.random.default_rng(5).random(5_000)
    shape, scale, _ = fit_gpd(uniform)
    assert (shape, scale) == (0.0, pytest.approx(float(uniform.mean())))


def test_few_exceedances_are_penalised_away_from_infinite_means() -> None:
    wild = genpareto.rvs(1.5, size=40, random_state=np.random.default_rng(1))
    shape, _, estimator = fit_gpd(wild)
    assert estimator == "penalised likelihood"
    assert 0 < shape < 1


def test_heavy_tails_are_flagged() -> None:
    rng = np.random.default_rng(2)
    assert fit_tail(rng.standard_t(1.5, 50_000)).flags == ("variance_undefined",)
    assert set(fit_tail(rng.standard_t(0.7, 50_000)).flags) == {"variance_undefined", "mean_undefined"}


def test_ties_at_the_threshold_and_short_samples_have_a_named_error() -> None:
    with pytest.raises(InsufficientData, match="ties"):
        fit_tail(np.repeat([0.0, 1.0], [100, 5_000]))
    with pytest.raises(InsufficientData, match="40 residuals"):
        fit_tail(np.arange(40.0))
    with pytest.raises(ConfigError, match="min_exceedances"):
        TailSpec(min_exceedances=5)


def test_danish_fire_losses_give_the_published_fit(market_data: Path) -> None:
    """evir's `gpd(danish, 10)`: 109 excesses, xi 0.4970, beta 6.975, log likelihood -374.893."""
    losses = np.loadtxt(market_data / "reference" / "danish_fire_losses.csv", delimiter=",", skiprows=1, usecols=-1)
    excesses = losses[losses > 10] - 10
    shape, scale, _ = fit_gpd(excesses)
    assert len(excesses) == 109
    assert (shape, scale) == (pytest.approx(0.4970, abs=5e-5), pytest.approx(6.975, abs=5e-4))
    assert gpd_log_likelihood(excesses, shape, scale) == pytest.approx(-374.893, abs=5e-4)


@given(seed=st.integers(0, 10_000), df=st.floats(2.5, 20), times=st.floats(0.01, 100))
@settings(max_examples=25, deadline=None)
def test_the_tail_scales_with_its_losses_and_quantiles_rise_with_level(seed: int, df: float, times: float) -> None:
    losses = np.random.default_rng(seed).standard_t(df, 3_000)
    one, other = fit_tail(losses), fit_tail(losses * times)
    assert other.quantile(0.999) == pytest.approx(one.quantile(0.999) * times, rel=1e-4)
    assert one.tail_threshold < one.quantile(0.99) < one.quantile(0.999) < one.largest_simulated
    assert one.expected_shortfall(0.99) >= one.quantile(0.99)
