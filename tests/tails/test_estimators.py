"""Estimators with their own signs: recovery, honest errors, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import genpareto

from riskparams.errors import ConstantSeries, DataError, InsufficientData
from riskparams.tails.estimators import hill, maximum_likelihood, penalised_likelihood, weighted_moments_estimate


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.1, 0.3, 0.6])
def test_maximum_likelihood_is_as_likely_as_scipys_and_covers_the_truth(shape: float) -> None:
    excesses = genpareto.rvs(shape, scale=2.0, size=3_000, random_state=np.random.default_rng(3))
    found = maximum_likelihood(excesses)
    theirs = genpareto.logpdf(excesses, *genpareto.fit(excesses, floc=0)).sum()
    assert found.log_likelihood == pytest.approx(genpareto.logpdf(excesses, found.shape, 0, found.scale).sum(), abs=1e-6)
    assert found.log_likelihood >= theirs - 1e-4
    assert abs(found.shape - shape) < 3 * found.shape_error
    assert abs(found.scale - 2) < 3 * found.scale_error


def test_standard_errors_are_the_spread_of_estimates() -> None:
    """And close to those of theory: variance of the shape (1 + shape)**2 / k (Smith 1985)."""
    rng = np.random.default_rng(8)
    fits = [maximum_likelihood(genpareto.rvs(0.2, size=400, random_state=rng)) for _ in range(400)]
    stated = np.mean([fit.shape_error for fit in fits])
    assert np.std([fit.shape for fit in fits]) == pytest.approx(stated, rel=0.12)
    assert stated == pytest.approx(1.2 / 20, rel=0.05)


def test_a_bounded_tail_has_a_negative_shape_and_where_it_is_irregular_no_errors() -> None:
    excesses = np.random.default_rng(5).random(5_000)
    found = maximum_likelihood(excesses)
    assert -1 <= found.shape < -0.9
    assert found.scale == pytest.approx(excesses.max() * -found.shape, rel=0.01)
    assert (found.shape_error, found.scale_error) == (None, None)


def test_weighted_moments_recover_the_law() -> None:
    excesses = genpareto.rvs(0.2, scale=3.0, size=20_000, random_state=np.random.default_rng(1))
    for found in (weighted_moments_estimate(excesses), weighted_moments_estimate(excesses, plotting_offset=0.35)):
        assert (found.shape, found.scale) == (pytest.approx(0.2, abs=0.03), pytest.approx(3.0, abs=0.1))


def test_the_penalty_keeps_few_excesses_from_an_infinite_mean() -> None:
    wild = genpareto.rvs(1.5, size=40, random_state=np.random.default_rng(1))
    assert maximum_likelihood(wild).shape > 1
    assert 0 < penalised_likelihood(wild).shape < 1


def test_hill_recovers_the_index_of_a_pareto_tail() -> None:
    losses = np.random.default_rng(1).pareto(2.5, 50_000) + 1
    assert hill(losses, 2_000) == pytest.approx(0.4, abs=0.03)


@given(seed=st.integers(0, 1_000), times=st.floats(1e-6, 1e6))
@settings(max_examples=25)
def test_shapes_do_not_depend_on_the_unit_and_scales_follow_it(seed: int, times: float) -> None:
    excesses = np.random.default_rng(seed).pareto(3, 80)
    for estimator in (maximum_likelihood, penalised_likelihood, weighted_moments_estimate):
        one, other = estimator(excesses), estimator(excesses * times)
        assert other.shape == pytest.approx(one.shape, abs=1e-7)
        assert other.scale == pytest.approx(one.scale * times, rel=1e-7)
    assert hill(excesses * times, 20) == pytest.approx(hill(excesses, 20))


def test_what_cannot_be_estimated_has_a_named_error() -> None:
    with pytest.raises(InsufficientData, match="two or more"):
        maximum_likelihood(np.array([1.0]))
    with pytest.raises(DataError, match="excess 1 of 3 is 0"):
        maximum_likelihood(np.array([1.0, 0.0, 2.0]))
    with pytest.raises(DataError, match="excess 2 of 3 is nan"):
        penalised_likelihood(np.array([1.0, 3.0, np.nan]))
    with pytest.raises(ConstantSeries, match="hardly differ"):
        weighted_moments_estimate(np.full(30, 0.1))
    with pytest.raises(DataError, match="positive"):
        hill(np.array([2.0, 1.0, 0.0, -1.0]), 2)
    with pytest.raises(InsufficientData, match="expected 1 to 3"):
        hill(np.array([4.0, 3.0, 2.0, 1.0]), 4)
