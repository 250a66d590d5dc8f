"""Tests of the expected shortfall, by law and against plain simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t

from riskparams.backtest.shortfall_tests import (
    acerbi_szekely,
    exceedance_residuals,
    normal_tail,
    realised_over_forecast,
    simulated_z,
    student_tail,
    tail_of_forecasts,
)
from riskparams.errors import ConfigError, DataError


def drawn(seed: int, n: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Student losses and their true forecasts at 97.5 % under a moving scale."""
    rng = np.random.default_rng(seed)
    law, scale = student_tail(5.0), rng.uniform(0.5, 2, n)
    quantile = float(law.exceeded(np.array([0.025]))[0])
    return scale * rng.standard_t(5, n), scale * quantile, scale * law.mean_beyond(0.025)


@pytest.mark.parametrize("hits", [0, 1, 2, 40])
def test_every_number_of_hits_has_a_p_value(hits: int) -> None:
    losses = np.zeros(40)
    losses[:hits] = np.linspace(3, 5, 40)[:hits]
    value_at_risk, expected_shortfall = np.full(40, 2.0), np.full(40, 2.5)
    residuals = exceedance_residuals(losses, value_at_risk, expected_shortfall, seed=1)
    z = acerbi_szekely(losses, value_at_risk, expected_shortfall, 0.975, law=normal_tail(), seed=1, draws=200)
    for p_value in (residuals.p_value, residuals.bootstrap_p_value, z.z1_p_value, z.z2_p_value):
        assert 0 < p_value <= 1
    assert np.isfinite([residuals.statistic, z.z1_critical, z.z2, z.z2_critical]).all()
    assert residuals.exceedances == z.exceedances == hits
    assert (z.z1 is None) is (hits == 0)
    assert (realised_over_forecast(losses, value_at_risk, expected_shortfall) is None) is (hits == 0)


def test_without_a_hit_there_is_no_evidence_that_the_shortfall_is_small() -> None:
    flat = np.full(40, 2.0)
    residuals = exceedance_residuals(np.zeros(40), flat, flat + 1, seed=1)
    assert (residuals.statistic, residuals.p_value, residuals.bootstrap_p_value) == (0, 1, 1)
    assert acerbi_szekely(np.zeros(40), flat, flat + 1, 0.975, law=normal_tail(), seed=1, draws=200).z2 == 1


def test_residuals_that_do_not_vary_are_judged_by_their_signs() -> None:
    losses = np.array([0.0, 3.0, 0.0, 3.0, 3.0])
    above = exceedance_residuals(losses, np.full(5, 2.0), np.full(5, 2.5), seed=1)
    below = exceedance_residuals(losses, np.full(5, 2.0), np.full(5, 3.5), seed=1)
    assert (above.p_value, below.p_value) == (0.125, 1)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-4, 1.0, 1e4]))
def test_units_do_not_matter(seed: int, unit: float) -> None:
    losses, value_at_risk, expected_shortfall = drawn(seed)
    first = acerbi_szekely(losses, value_at_risk, expected_shortfall, 0.975, law=normal_tail(), seed=1, draws=50)
    scaled = (unit * losses, unit * value_at_risk, unit * expected_shortfall)
    other = acerbi_szekely(*scaled, 0.975, law=normal_tail(), seed=1, draws=50)
    assert other.z2 == pytest.approx(first.z2, rel=1e-9)
    assert exceedance_residuals(*scaled, seed=1).p_value == pytest.approx(
        exceedance_residuals(losses, value_at_risk, expected_shortfall, seed=1).p_value, rel=1e-6
    )


@given(st.integers(0, 2**32 - 1))
def test_a_smaller_shortfall_is_never_judged_more_kindly(seed: int) -> None:
    losses, value_at_risk, expected_shortfall = drawn(seed)
    smaller = value_at_risk + 0.5 * (expected_shortfall - value_at_risk)
    right = acerbi_szekely(losses, value_at_risk, expected_shortfall, 0.975, law=student_tail(5), seed=1, draws=200)
    wrong = acerbi_szekely(losses, value_at_risk, smaller, 0.975, law=student_tail(5), seed=1, draws=200)
    assert wrong.z2 <= right.z2
    assert wrong.z2_p_value <= right.z2_p_value
    assert wrong.z1_p_value <= right.z1_p_value


def test_losses_far_beyond_the_shortfall_are_found() -> None:
    losses, value_at_risk, expected_shortfall = drawn(8, 4000)
    low = value_at_risk + 0.4 * (expected_shortfall - value_at_risk)
    right = exceedance_residuals(losses, value_at_risk, expected_shortfall, seed=1)
    wrong = exceedance_residuals(losses, value_at_risk, low, seed=1)
    assert right.p_value > 0.05 < right.bootstrap_p_value
    assert wrong.p_value < 0.01 > wrong.bootstrap_p_value
    z = acerbi_szekely(losses, value_at_risk, low, 0.975, law=student_tail(5), seed=1)
    assert z.z1 is not None
    assert z.z1 < z.z1_critical
    low_both = acerbi_szekely(losses, 0.8 * value_at_risk, 0.8 * expected_shortfall, 0.975, law=student_tail(5), seed=1)
    assert low_both.z2 < low_both.z2_critical


def test_drawing_the_tail_alone_is_drawing_every_loss() -> None:
    law, p, n = student_tail(4.0), 0.025, 250
    quantile, shortfall = float(law.exceeded(np.array([p]))[0]), law.mean_beyond(p)
    losses = np.random.default_rng(1).standard_t(4, (20_000, n))
    hits = losses > quantile
    sums = np.where(hits, losses, 0).sum(axis=1) / shortfall
    z1, z2 = simulated_z(n, 1 - p, law, draws=20_000, rng=np.random.default_rng(2))
    some = hits.any(axis=1)
    for ours, plain in ((z2, 1 - sums / (n * p)), (z1, 1 - sums[some] / hits[some].sum(axis=1))):
        assert ours.mean() == pytest.approx(plain.mean(), abs=0.015)
        assert np.quantile(ours, [0.05, 0.5, 0.95]) == pytest.approx(np.quantile(plain, [0.05, 0.5, 0.95]), abs=0.03)


@pytest.mark.parametrize("p", [0.01, 0.025, 0.05])
def test_tails_have_the_quantiles_and_means_of_their_laws(p: float) -> None:
    tails = np.array([p, p / 10, 1e-9])
    assert normal_tail().exceeded(tails) == pytest.approx(norm.isf(tails))
    assert student_tail(3.5).exceeded(tails) == pytest.approx(t.isf(tails, 3.5))
    for law, peer in ((normal_tail(), norm()), (student_tail(3.5), t(3.5))):
        assert law.mean_beyond(p) == pytest.approx(peer.expect(lambda x: x, lb=peer.isf(p)) / p, rel=1e-6)


@pytest.mark.parametrize("nu", [2.0, 4.0, 30.0])
def test_the_law_of_forecasts_is_the_one_they_were_made_with(nu: float) -> None:
    law, scale = student_tail(nu), np.linspace(0.01, 0.05, 99)
    found = tail_of_forecasts(scale * float(law.exceeded(np.array([0.01]))[0]), scale * law.mean_beyond(0.01), 0.99)
    assert found.mean_beyond(0.01) == pytest.approx(law.mean_beyond(0.01), rel=1e-4)


def test_forecasts_lighter_than_normal_are_judged_as_normal_and_wild_ones_as_the_wildest() -> None:
    assert tail_of_forecasts(np.full(9, 2.0), np.full(9, 2.0), 0.99).name == "normal"
    assert tail_of_forecasts(np.full(9, 2.0), np.full(9, 900.0), 0.99).name == "t(1.05)"
    assert tail_of_forecasts(np.full(9, -2.0), np.full(9, 1.0), 0.99).name == "t(1.05)"


def test_what_is_no_forecast_is_refused() -> None:
    losses, flat = np.zeros(5), np.full(5, 2.0)
    with pytest.raises(DataError, match="at row 0 expected shortfall is 1 and value at risk 2"):
        exceedance_residuals(losses, flat, flat - 1, seed=1)
    with pytest.raises(DataError, match="at row 3 expected shortfall is -1"):
        realised_over_forecast(losses, -flat, np.array([1.0, 1, 1, -1, 1]))
    with pytest.raises(DataError, match="expected shortfall is nan at row 2"):
        acerbi_szekely(losses, flat, np.array([3, 3, np.nan, 3, 3]), 0.99, law=normal_tail(), seed=1)
    with pytest.raises(ConfigError, match="has no expected shortfall"):
        student_tail(1.0)
