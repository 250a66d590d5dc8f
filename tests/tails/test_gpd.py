"""The generalised Pareto tail: worked numbers, laws, prudence at the edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, ConstantSeries, DataError, InsufficientData
from riskparams.tails.estimators import maximum_likelihood, penalised_likelihood, weighted_moments_estimate
from riskparams.tails.exceedances import exceedances_over, largest_losses
from riskparams.tails.gpd import Estimator, TailFit, TailSpec, ThresholdRule, fit_exceedances, fit_tail
from riskparams.tails.shrinkage import PeerShape
from riskparams.terms import FloatArray

WORKED = TailFit(tail_threshold=1.5, shape=0.2, scale=0.6, exceedances=100, n_obs=1000)
PEERS = PeerShape(mean=0.25, deviation=0.05)
SPECS = [TailSpec(share=share, estimator=estimator) for share in (0.02, 0.1) for estimator in Estimator]
SPECS += [TailSpec(share=share, peers=PEERS) for share in (0.02, 0.1)]


def student(seed: int, df: float, n: int = 3_000) -> FloatArray:
    return np.random.default_rng(seed).standard_t(df, n)


def test_quantile_and_expected_shortfall_of_the_worked_example() -> None:
    assert WORKED.quantile(0.999) == pytest.approx(6.035659, abs=5e-7)
    assert WORKED.expected_shortfall(0.999) == pytest.approx(7.919574, abs=5e-7)
    assert WORKED.return_level(1_000) == pytest.approx(6.035659, abs=5e-7)


def test_a_shape_of_zero_is_the_limit_of_small_shapes() -> None:
    exponential, nearly = replace(WORKED, shape=0.0), replace(WORKED, shape=1e-7)
    assert exponential.quantile(0.999) == pytest.approx(1.5 + 0.6 * np.log(100))
    assert nearly.quantile(0.999) == pytest.approx(exponential.quantile(0.999), abs=1e-5)
    assert exponential.expected_shortfall(0.999) == pytest.approx(exponential.quantile(0.999) + 0.6)


def test_a_level_inside_the_body_is_refused() -> None:
    for level in (0.8, 0.9 - 1e-12, 1.0):
        with pytest.raises(ValueError, match="empirical quantile"):
            WORKED.quantile(level)


def test_expected_shortfall_is_infinite_without_a_mean() -> None:
    assert TailFit(tail_threshold=1, shape=1.0, scale=1, exceedances=50, n_obs=1000).expected_shortfall(0.99) == np.inf


def test_the_estimator_follows_the_number_of_exceedances() -> None:
    losses = student(1, 3)
    few, many = largest_losses(losses, 99), largest_losses(losses, 100)
    assert fit_exceedances(few).estimator == "penalised likelihood"
    assert fit_exceedances(few).shape == penalised_likelihood(few.excesses).shape
    assert fit_exceedances(many).estimator == "maximum likelihood"
    assert fit_exceedances(many).shape == pytest.approx(maximum_likelihood(many.excesses).shape, abs=1e-12)


def test_the_estimator_asked_for_is_the_one_used() -> None:
    few = largest_losses(student(1, 3), 60)
    by_moments = fit_exceedances(few, TailSpec(estimator=Estimator.WEIGHTED_MOMENTS))
    by_likelihood = fit_exceedances(few, TailSpec(estimator=Estimator.MAXIMUM_LIKELIHOOD))
    assert by_moments.estimator == "probability-weighted moments"
    assert by_moments.shape == pytest.approx(weighted_moments_estimate(few.excesses).shape, abs=1e-12)
    assert by_likelihood.shape == pytest.approx(maximum_likelihood(few.excesses).shape, abs=1e-12)


@pytest.mark.parametrize("estimator", list(Estimator))
def test_a_bounded_tail_is_taken_as_exponential(estimator: Estimator) -> None:
    uniform = np.random.default_rng(5).random(5_000)
    sample = largest_losses(uniform, 250)
    tail = fit_exceedances(sample, TailSpec(estimator=estimator))
    assert (tail.shape, tail.scale) == (0.0, pytest.approx(float(sample.excesses.mean())))


@pytest.mark.parametrize("count", [40, 400])
def test_peers_draw_the_shape_towards_theirs_and_replace_the_penalty(count: int) -> None:
    sample = largest_losses(student(2, 2.0, 8_000), count)
    alone = maximum_likelihood(sample.excesses).shape
    shapes = [fit_exceedances(sample, TailSpec(peers=PeerShape(mean=0.1, deviation=d))).shape for d in (1e-3, 0.05, 0.2, 100)]
    assert shapes == sorted(shapes)
    assert shapes[0] == pytest.approx(0.1, abs=2e-3)
    assert shapes[-1] == pytest.approx(alone, abs=1e-3)
    assert "peers" in fit_exceedances(sample, TailSpec(peers=PEERS)).estimator


def test_heavy_tails_are_flagged() -> None:
    assert fit_tail(student(2, 1.5, 50_000)).flags == ("variance_undefined",)
    assert set(fit_tail(student(2, 0.7, 50_000)).flags) == {"variance_undefined", "mean_undefined"}


def test_ties_at_the_threshold_count_as_below_it() -> None:
    losses = np.round(student(3, 4))
    tail = fit_tail(losses)
    assert tail.exceedances == int(np.sum(losses > tail.tail_threshold)) < 150
    assert tail.tail_threshold in losses


def test_what_cannot_be_fitted_has_a_named_error() -> None:
    with pytest.raises(InsufficientData, match="ties"):
        fit_tail(np.repeat([0.0, 1.0], [100, 5_000]))
    with pytest.raises(InsufficientData, match="40 residuals"):
        fit_tail(np.arange(40.0))
    with pytest.raises(InsufficientData, match="only 19 of 3000"):
        fit_exceedances(exceedances_over(np.arange(3_000.0), 2_980))
    with pytest.raises(ConstantSeries, match="never moves"):
        fit_tail(np.full(500, 0.3))
    for bad in (np.nan, np.inf, -np.inf):
        losses = student(1, 4)
        losses[[17, 40]] = bad
        with pytest.raises(DataError, match=r"row 17 of 3000 losses is .*2 in all"):
            fit_tail(losses)
    with pytest.raises(DataError, match="shape"):
        fit_tail(np.ones((4, 4)))


def test_a_spec_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_exceedances"):
        TailSpec(min_exceedances=5)
    with pytest.raises(ConfigError, match="takes no peers"):
        TailSpec(estimator=Estimator.WEIGHTED_MOMENTS, peers=PEERS)
    with pytest.raises(ConfigError, match="give fit_tail a generator"):
        fit_tail(student(1, 4), TailSpec(threshold=ThresholdRule.FORWARD_STOP))


@pytest.mark.parametrize(
    "make",
    [
        lambda z: np.arange(float(len(z))),
        lambda z: np.cumsum(z),
        lambda z: np.append(z[:-1], 1e12),
        lambda z: 0.3 + 1e-12 * z,
    ],
    ids=["trending", "integrated", "single outlier", "near-constant"],
)
@pytest.mark.parametrize("spec", SPECS)
def test_awkward_series_give_finite_tails(make: Callable[[FloatArray], FloatArray], spec: TailSpec) -> None:
    tail = fit_tail(make(student(1, 4, 1_000)), spec)
    assert 0 < tail.scale < np.inf
    assert tail.tail_threshold < tail.quantile(0.999) < np.inf


def test_one_hundred_values_give_a_tail_of_half_of_them() -> None:
    assert fit_tail(student(1, 4, 100)).exceedances == 50


@given(seed=st.integers(0, 10_000), df=st.floats(2.5, 20), times=st.floats(1e-6, 1e6), spec=st.sampled_from(SPECS))
@settings(max_examples=40)
def test_the_tail_scales_with_its_losses(seed: int, df: float, times: float, spec: TailSpec) -> None:
    losses = student(seed, df)
    one, other = fit_tail(losses, spec), fit_tail(losses * times, spec)
    assert other.shape == pytest.approx(one.shape, abs=1e-6)
    for level in (0.99, 0.999):
        assert other.quantile(level) == pytest.approx(one.quantile(level) * times, rel=1e-5)
        assert other.expected_shortfall(level) == pytest.approx(one.expected_shortfall(level) * times, rel=1e-4)


@given(seed=st.integers(0, 10_000), df=st.floats(1.2, 20), spec=st.sampled_from(SPECS))
@settings(max_examples=40)
def test_quantiles_rise_with_level_and_shortfall_lies_beyond_them(seed: int, df: float, spec: TailSpec) -> None:
    tail = fit_tail(student(seed, df), spec)
    levels = 1 - tail.share * np.array([0.99, 0.5, 0.1, 0.01, 1e-4])
    quantiles = [tail.quantile(level) for level in levels]
    assert np.all(np.diff(quantiles) > 0)
    assert all(tail.expected_shortfall(level) >= tail.quantile(level) for level in levels)
    assert tail.tail_threshold < quantiles[0] < tail.largest_simulated


@given(seed=st.integers(0, 10_000), df=st.floats(1.2, 20), spec=st.sampled_from(SPECS))
@settings(max_examples=40)
def test_the_quantile_starts_from_the_threshold(seed: int, df: float, spec: TailSpec) -> None:
    tail = fit_tail(student(seed, df), spec)
    for step in (1e-4, 1e-6, 1e-8):
        risen = tail.quantile(1 - tail.share * (1 - step)) - tail.tail_threshold
        assert risen == pytest.approx(tail.scale * step, rel=1e-3, abs=1e-12 * max(1.0, tail.tail_threshold))
