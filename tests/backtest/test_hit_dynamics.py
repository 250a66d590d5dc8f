"""Dynamic quantile and duration tests, by law and against the regression and the likelihood written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import weibull_min

from riskparams.backtest.hit_dynamics import duration_test, dynamic_quantile
from riskparams.errors import InsufficientData

HITS = st.lists(st.booleans(), min_size=20, max_size=300).map(np.array)


@given(HITS, st.sampled_from([0.95, 0.99]))
def test_both_are_finite_whatever_was_missed(hits: np.ndarray, level: float) -> None:
    flat = np.full(len(hits), 0.02)
    quantile = dynamic_quantile(hits, level, value_at_risk=flat, losses=np.zeros(len(hits)))
    assert 0 <= quantile.statistic < np.inf
    assert 0 <= quantile.p_value <= 1
    assert 1 <= quantile.degrees <= 5  # neither the flat forecast nor the zero returns are instruments
    duration = duration_test(hits)
    assert 0 <= duration.statistic < np.inf
    assert 0 <= duration.p_value <= 1
    assert duration.durations == max(0, int(hits.sum()) - 1)


def test_without_a_hit_only_the_constant_is_left_to_regress_on() -> None:
    found = dynamic_quantile(np.zeros(504, dtype=bool), 0.99)
    assert found.degrees == 1
    assert found.statistic == pytest.approx(500 * 0.01 / 0.99)
    assert duration_test(np.zeros(504, dtype=bool)).p_value == 1


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1.0, 1e4]))
def test_units_do_not_matter(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    losses, value_at_risk = rng.standard_t(4, 300), rng.uniform(1, 3, 300)
    hits = losses > value_at_risk
    first = dynamic_quantile(hits, 0.95, value_at_risk=value_at_risk, losses=losses)
    other = dynamic_quantile(hits, 0.95, value_at_risk=unit * value_at_risk, losses=unit * losses)
    assert other.statistic == pytest.approx(first.statistic, rel=1e-8)
    assert other.degrees == first.degrees


def test_the_statistic_is_the_explained_sum_of_squares_of_the_regression() -> None:
    rng = np.random.default_rng(4)
    hits, value_at_risk = rng.random(400) < 0.06, rng.uniform(1, 2, 400)
    excess = hits - 0.05
    rows = [[1.0, *(excess[t - lag] for lag in (1, 2, 3, 4)), value_at_risk[t]] for t in range(4, 400)]
    x, y = np.array(rows), excess[4:]
    fitted = x @ np.linalg.solve(x.T @ x, x.T @ y)
    found = dynamic_quantile(hits, 0.95, value_at_risk=value_at_risk)
    assert found.statistic == pytest.approx(fitted @ y / (0.05 * 0.95), rel=1e-9)
    assert found.degrees == 6


def test_a_forecast_that_calls_its_own_misses_is_found_out() -> None:
    rng = np.random.default_rng(5)
    volatile = np.repeat(rng.random(500) < 0.2, 20)
    losses = rng.normal(size=10_000) * np.where(volatile, 2.5, 0.8)
    hits = losses > np.quantile(losses, 0.99)
    assert dynamic_quantile(hits, 0.99).p_value < 0.01
    assert dynamic_quantile(hits, 0.99, value_at_risk=volatile + 1.0).p_value < 1e-6
    assert duration_test(hits).p_value < 0.01
    assert duration_test(hits).shape < 1


def test_the_weibull_likelihood_is_the_textbooks() -> None:
    hits = np.zeros(60, dtype=bool)
    hits[[5, 9, 10, 30, 52]] = True
    found = duration_test(hits)
    complete, censored = np.array([4, 1, 20, 22]), np.array([6, 7])

    def textbook(shape: float) -> float:
        scale = (np.sum(complete**shape) + np.sum(censored**shape)) / 4
        law = weibull_min(shape, scale=scale ** (1 / shape))
        return float(law.logpdf(complete).sum() + law.logsf(censored).sum())

    shapes = np.linspace(0.2, 4, 4001)
    best = max(textbook(shape) for shape in shapes)
    assert found.log_likelihood == pytest.approx(best, abs=1e-5)
    assert found.memoryless_log_likelihood == pytest.approx(textbook(1.0))
    assert textbook(found.shape) == pytest.approx(found.log_likelihood)


def test_hits_at_even_distances_have_a_shape_above_one() -> None:
    hits = np.zeros(1000, dtype=bool)
    hits[::50] = True
    found = duration_test(hits)
    assert found.shape > 2
    assert found.p_value < 1e-6


def test_too_few_bars_for_the_instruments_are_refused() -> None:
    with pytest.raises(InsufficientData, match="9 bars are too few for 5 instruments after 4 lags: score at least 10"):
        dynamic_quantile(np.zeros(9, dtype=bool), 0.99)
    assert dynamic_quantile(np.zeros(10, dtype=bool), 0.99).degrees == 1
