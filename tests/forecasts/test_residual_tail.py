"""The tail of standardised losses: four ways to it, what each falls back on, and a Student t that agrees with scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from riskparams.errors import InsufficientData
from riskparams.forecasts.model import ResidualTail
from riskparams.forecasts.residual_tail import HALF_CREDIBLE, fit_student, residual_tail
from riskparams.tails.gpd import TailSpec, fit_tail
from riskparams.terms import FloatArray
from riskparams.volatility.innovations import InnovationLaw

LEVELS = (0.975, 0.99)
NORMAL = InnovationLaw()


def tail_of(losses: FloatArray, tail: ResidualTail, *, law: InnovationLaw = NORMAL) -> FloatArray:
    return residual_tail(losses, law, tail, LEVELS, share=0.1, refit_law=np.isinf(law.nu))[0]


def student(n: int, nu: float, seed: int) -> FloatArray:
    return np.random.default_rng(seed).standard_t(nu, n) * np.sqrt((nu - 2) / nu if nu > 2 else 1.0)


samples = st.builds(
    student, n=st.integers(200, 3000), nu=st.sampled_from([1.5, 2.5, 4.0, 8.0, 200.0]), seed=st.integers(0, 2**32 - 1)
)


@given(losses=samples, tail=st.sampled_from(ResidualTail))
@settings(max_examples=60)
def test_the_quantile_rises_with_the_level_and_the_shortfall_lies_beyond_it(losses: FloatArray, tail: ResidualTail) -> None:
    found = tail_of(losses, tail)
    assert found.shape == (2, 2)
    assert np.isfinite(found).all()
    assert (found[:, 0] > 0).all()
    assert (found[:, 0] < found[:, 1]).all()
    assert (found[0] < found[1]).all()


@given(losses=samples, factor=st.sampled_from([1e-6, 0.3, 50.0]), tail=st.sampled_from(ResidualTail))
@settings(max_examples=60)
def test_all_but_the_law_scale_with_the_residuals(losses: FloatArray, factor: float, tail: ResidualTail) -> None:
    once, scaled = tail_of(losses, tail), tail_of(factor * losses, tail)
    expected = once if tail is ResidualTail.LAW else factor * once
    np.testing.assert_allclose(scaled, expected, rtol=1e-6)


@given(losses=samples, law=st.builds(InnovationLaw, nu=st.floats(2.5, 30), skew=st.floats(-0.3, 0.3)))
@settings(max_examples=40)
def test_the_credible_tail_lies_between_the_pareto_and_the_law(losses: FloatArray, law: InnovationLaw) -> None:
    pareto, lawful, blend = (
        tail_of(losses, tail, law=law) for tail in (ResidualTail.PARETO, ResidualTail.LAW, ResidualTail.CREDIBLE)
    )
    assert (blend >= np.minimum(pareto, lawful) - 1e-12).all()
    assert (blend <= np.maximum(pareto, lawful) + 1e-12).all()


def test_the_weight_of_the_pareto_is_k_over_k_plus_200() -> None:
    for n in (2000, 20_000, 200_000):
        losses = student(n, 4, 1)
        fit = fit_tail(losses, TailSpec(share=0.1))
        weight = fit.exceedances / (fit.exceedances + HALF_CREDIBLE)
        assert fit.exceedances == n // 10
        law, scale = fit_student(losses)
        pareto = np.array([[fit.quantile(level), fit.expected_shortfall(level)] for level in LEVELS])
        lawful = scale * np.array([[-law.quantile(1 - level), -law.expected_shortfall(1 - level)] for level in LEVELS])
        np.testing.assert_allclose(tail_of(losses, ResidualTail.CREDIBLE), weight * pareto + (1 - weight) * lawful, rtol=1e-12)


def test_with_many_exceedances_the_credible_tail_approaches_the_pareto() -> None:
    law = InnovationLaw(nu=30)  # far from the truth
    apart = []
    for n in (1000, 10_000, 100_000):
        losses = student(n, 3, 2)
        pareto, blend = (tail_of(losses, tail, law=law) for tail in (ResidualTail.PARETO, ResidualTail.CREDIBLE))
        apart.append(float(np.abs(blend / pareto - 1).max()))
    assert apart[0] > 3 * apart[1] > 15 * apart[2]
    assert apart[2] < 0.01


def test_every_tail_finds_the_truth_in_a_large_sample() -> None:
    losses, truth = student(400_000, 5, 3), InnovationLaw(nu=5)
    expected = np.array([[-truth.quantile(1 - level), -truth.expected_shortfall(1 - level)] for level in LEVELS])
    for tail in ResidualTail:
        np.testing.assert_allclose(tail_of(losses, tail, law=truth), expected, rtol=0.02)
    np.testing.assert_allclose(tail_of(losses, ResidualTail.CREDIBLE), expected, rtol=0.02)  # its own Student t


def test_a_skewed_law_gives_the_left_tail() -> None:
    law = InnovationLaw(nu=6, skew=-0.3)
    found = tail_of(student(500, 6, 1), ResidualTail.LAW, law=law)
    assert found[1, 0] == pytest.approx(-float(law.quantile(0.01)))
    assert found[1, 0] > tail_of(student(500, 6, 1), ResidualTail.LAW, law=InnovationLaw(nu=6, skew=0.3))[1, 0] * 1.2


def test_losses_seen_are_their_quantile_and_the_mean_beyond() -> None:
    losses = np.arange(1.0, 1001.0)
    found = tail_of(losses, ResidualTail.EMPIRICAL)
    assert found[0] == pytest.approx([np.quantile(losses, 0.975), losses[-25:].mean()])
    assert tail_of(np.full(500, 2.0), ResidualTail.EMPIRICAL) == pytest.approx(np.full((2, 2), 2.0))


def test_ties_at_the_threshold_leave_the_law_and_say_so() -> None:
    tied = np.repeat([-1.0, 1.0], 500)
    for tail in (ResidualTail.CREDIBLE, ResidualTail.PARETO):
        found, flags = residual_tail(tied, InnovationLaw(nu=5), tail, LEVELS, share=0.1, refit_law=False)
        assert flags == ("tail_not_fitted",)
        beside = ResidualTail.LAW if tail is ResidualTail.CREDIBLE else ResidualTail.EMPIRICAL
        assert np.array_equal(found, tail_of(tied, beside, law=InnovationLaw(nu=5)))


def test_a_tail_without_a_mean_is_refused_and_one_without_a_variance_flagged() -> None:
    rng = np.random.default_rng(4)
    for shape, said in ((1.4, "tail_not_fitted"), (0.75, "tail_variance_undefined")):
        losses = stats.genpareto.rvs(shape, size=20_000, random_state=rng) * rng.choice([-1, 1], 20_000)
        for tail in (ResidualTail.CREDIBLE, ResidualTail.PARETO):
            found, flags = residual_tail(losses, InnovationLaw(nu=4), tail, LEVELS, share=0.1, refit_law=False)
            assert flags == (said,)
            assert np.isfinite(found).all()


def test_mostly_zeros_leave_the_pareto_and_say_that_no_law_was_fitted() -> None:
    losses = student(4000, 4, 1)
    losses[np.random.default_rng(1).random(4000) < 0.75] = 0.0
    found, flags = residual_tail(losses, NORMAL, ResidualTail.CREDIBLE, LEVELS, share=0.1, refit_law=True)
    assert flags == ("law_not_fitted",)
    assert np.array_equal(found, tail_of(losses, ResidualTail.PARETO))
    rare = np.where(np.arange(4000) % 60 == 0, losses + 1.0, 0.0)
    found, flags = residual_tail(rare, NORMAL, ResidualTail.CREDIBLE, LEVELS, share=0.2, refit_law=True)
    assert flags == ("tail_not_fitted", "law_not_fitted")
    assert np.array_equal(found, tail_of(rare, ResidualTail.EMPIRICAL))


@pytest.mark.parametrize("nu", [2.5, 3.0, 5.0, 12.0])
def test_the_fit_recovers_the_degrees_of_freedom_and_the_scale(nu: float) -> None:
    law, scale = fit_student(0.03 * student(100_000, nu, 7))
    assert law.nu == pytest.approx(nu, rel=0.05)
    assert scale == pytest.approx(0.03, rel=0.04)


@given(n=st.integers(150, 2000), nu=st.floats(2.6, 20), size=st.sampled_from([1e-9, 1.0, 1e6]), seed=st.integers(0, 2**31))
@settings(max_examples=25)
def test_the_fit_reaches_scipys_likelihood(n: int, nu: float, size: float, seed: int) -> None:
    z = student(n, nu, seed)
    law, scale = fit_student(size * z)
    own = stats.t.logpdf(z, law.nu, 0, scale / size * np.sqrt((law.nu - 2) / law.nu)).sum()
    degrees, _, width = stats.t.fit(z, floc=0)
    if 2.05 < degrees < 500:
        assert own >= stats.t.logpdf(z, degrees, 0, width).sum() - 1e-6


def test_the_fit_is_scipys() -> None:
    z = student(3000, 4, 11)
    law, scale = fit_student(z)
    degrees, _, width = stats.t.fit(z, floc=0)
    assert law.nu == pytest.approx(degrees, rel=1e-3)
    assert scale * np.sqrt((law.nu - 2) / law.nu) == pytest.approx(width, rel=1e-4)


def test_residuals_that_no_student_fits_are_refused() -> None:
    with pytest.raises(InsufficientData, match="all 300 residuals are zero"):
        fit_student(np.zeros(300))
    z = student(300, 5, 1)
    z[:240] = 0.0
    with pytest.raises(InsufficientData, match="80% of which are zero"):
        fit_student(z)
