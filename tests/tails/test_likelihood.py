"""The compiled maxima beside a general search of the textbook likelihood."""

from __future__ import annotations

import numpy as np
import pytest
import slow_pareto as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.tails.goodness import anderson_darling
from riskparams.tails.likelihood import (
    MAXIMUM_LIKELIHOOD,
    PEER_PRIOR,
    PENALISED_LIKELIHOOD,
    PROBABILITY_WEIGHTED,
    estimate,
    gpd_log_likelihood,
    information,
    maximise,
)
from riskparams.terms import FloatArray


def pareto(seed: int, shape: float, count: int, scale: float = 1.0) -> FloatArray:
    uniform = 1 - np.random.default_rng(seed).random(count)
    drawn = -np.log(uniform) if shape == 0 else np.expm1(-shape * np.log(uniform)) / shape
    return np.sort(scale * drawn)


SAMPLES = {
    "seed": st.integers(0, 10_000),
    "shape": st.sampled_from([-0.3, 0.0, 0.1, 0.3, 0.7, 1.5, 3.0]),
    "count": st.sampled_from([20, 37, 100, 400]),
    "scale": st.sampled_from([1e-6, 1.0, 1e4]),
}


@given(**SAMPLES)
@settings(max_examples=30)
def test_no_search_finds_a_likelier_law(seed: int, shape: float, count: int, scale: float) -> None:
    excesses = pareto(seed, shape, count, scale)
    floored, its_scale = maximise(excesses, True)
    value, _, _ = slow.best(excesses, slow.none)
    assert floored >= 0
    assert slow.log_likelihood(excesses, floored, its_scale) >= value - 1e-6
    free, its_scale = maximise(excesses, False)
    value, at, _ = slow.best(excesses, slow.none, lowest=-1.0)
    if at > -0.9:  # below, the search climbs towards the end of the tail, where the likelihood has no maximum
        assert gpd_log_likelihood(excesses, free, its_scale) >= value - 1e-6


def test_the_likeliest_law_may_be_uniform_up_to_the_largest_excess() -> None:
    excesses = pareto(152, -0.3, 20, 1e-6)
    assert maximise(excesses, False) == (-1.0, excesses.max())
    assert gpd_log_likelihood(excesses, -1.0, excesses.max()) == pytest.approx(-20 * np.log(excesses.max()))
    assert gpd_log_likelihood(excesses, -1.0, excesses[-2]) == -np.inf
    value, _, _ = slow.best(excesses, slow.none, lowest=-0.999)
    assert gpd_log_likelihood(excesses, -1.0, excesses.max()) > value


@given(**SAMPLES)
@settings(max_examples=20)
def test_no_search_finds_a_better_weighted_law(seed: int, shape: float, count: int, scale: float) -> None:
    excesses = pareto(seed, shape, count, scale)
    for method, weight, centre, deviation in (
        (PENALISED_LIKELIHOOD, slow.penalty, 0.0, 1.0),
        (PEER_PRIOR, slow.prior(0.2, 0.05), 0.2, 0.05),
        (PEER_PRIOR, slow.prior(-0.1, 0.2), -0.1, 0.2),
    ):
        found, its_scale = estimate(excesses, method, centre, deviation)
        value, _, _ = slow.best(excesses, weight)
        assert found >= 0
        assert slow.log_likelihood(excesses, found, its_scale) + weight(found) >= value - 1e-6


@pytest.mark.parametrize("shape", [-0.2, 1e-6, 1e-3, 0.3])
def test_the_information_is_minus_the_curvature(shape: float) -> None:
    excesses = pareto(1, 0.2, 50)
    step, scale = 1e-4, float(excesses.max()) * 0.4

    def value(a: float, b: float) -> float:
        return slow.log_likelihood(excesses, shape + a * step, scale + b * step)

    numeric = (
        -(value(1, 0) - 2 * value(0, 0) + value(-1, 0)) / step**2,
        -(value(1, 1) - value(1, -1) - value(-1, 1) + value(-1, -1)) / (4 * step**2),
        -(value(0, 1) - 2 * value(0, 0) + value(0, -1)) / step**2,
    )
    assert information(excesses, shape, scale) == pytest.approx(numeric, rel=1e-3, abs=1e-3)


@given(seed=st.integers(0, 1_000), shape=st.sampled_from([-0.2, 0.05, 0.4, 1.2]))
@settings(max_examples=20)
def test_the_anderson_darling_distance_is_the_textbook_sum(seed: int, shape: float) -> None:
    excesses = pareto(seed, 0.1, 60)
    scale = 1.0 if shape > 0 else float(excesses.max())
    assert anderson_darling(excesses, shape, scale) == pytest.approx(slow.anderson_darling(excesses, shape, scale), rel=1e-8)


@pytest.mark.parametrize("outlier", [1e4, 1e12, 1e60])
@pytest.mark.parametrize("method", [MAXIMUM_LIKELIHOOD, PENALISED_LIKELIHOOD, PEER_PRIOR, PROBABILITY_WEIGHTED])
def test_one_huge_excess_gives_a_finite_law(outlier: float, method: int) -> None:
    excesses = np.append(pareto(2, 0.2, 99), outlier)
    shape, scale = estimate(excesses, method, 0.2, 0.1)
    assert 0 <= shape < 10
    assert 0 < scale < outlier
    assert np.isfinite(gpd_log_likelihood(excesses, shape, scale))


def test_excesses_that_are_all_the_same_are_taken_as_exponential() -> None:
    for method in (MAXIMUM_LIKELIHOOD, PENALISED_LIKELIHOOD, PROBABILITY_WEIGHTED):
        assert estimate(np.full(30, 2.0), method, 0.0, 1.0) == (0.0, pytest.approx(2.0))
