"""The laws of the innovation: held to rugarch, to arch and to what every law of mean 0 and variance 1 satisfies."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from riskparams.errors import ConfigError
from riskparams.volatility.innovations import InnovationLaw, hansen_skew

P = [0.005, 0.01, 0.025, 0.05]
laws = st.builds(
    InnovationLaw,
    nu=st.one_of(st.just(inf), st.floats(2.05, 500)),
    skew=st.one_of(st.just(0.0), st.floats(-0.9, 0.9)),
)
levels = st.floats(1e-6, 1 - 1e-6)
LAWS = [
    InnovationLaw(),
    InnovationLaw(nu=5),
    InnovationLaw(nu=4, skew=-0.3),
    InnovationLaw(nu=40, skew=0.6),
    InnovationLaw(skew=-0.2),
]


def test_student_t_of_unit_variance_is_that_of_rugarch() -> None:
    """Distribution `std`, shape 5, of rugarch 1.5-4."""
    law = InnovationLaw(nu=5)
    shortfall = [-4.0666562246, -3.44883676, -2.7278020716, -2.2386842555]
    np.testing.assert_allclose(law.quantile(P), [-3.123284525, -2.6064635694, -1.9911641279, -1.5608497583], rtol=1e-6)
    np.testing.assert_allclose(law.expected_shortfall(P), shortfall, rtol=1e-6)
    np.testing.assert_allclose(np.exp(law.log_density([0.0, -2.0])), [0.49007012926, 0.038576948951], rtol=1e-6)


def test_the_two_piece_t_of_rugarch_is_hansens() -> None:
    """Distribution `sstd`, shape 5, skew 0.8, of rugarch 1.5-4 (Fernandez & Steel 1998)."""
    law = InnovationLaw(nu=5, skew=hansen_skew(0.8))
    shortfall = [-4.7733316176, -4.010068688, -3.1221095583, -2.5227270103]
    np.testing.assert_allclose(law.quantile(P), [-3.6067009841, -2.970613939, -2.2171723614, -1.6945295225], rtol=1e-6)
    np.testing.assert_allclose(law.expected_shortfall(P), shortfall, rtol=1e-6)
    np.testing.assert_allclose(np.exp(law.log_density([0.0, -2.0])), [0.46643756721, 0.043812945945], rtol=1e-6)


def test_hansens_skew_t_has_the_printed_values() -> None:
    """Hansen (1994) with eta 6 and lambda -0.1, computed with arch 8.0.0 and scipy 1.17.1."""
    law = InnovationLaw(nu=6, skew=-0.1)
    quantile = [-3.2403661461230384, -2.7300585527059624, -2.1030033390935654, -1.650842618110999]
    shortfall = [-4.11738535427345, -3.535163520466094, -2.8334691329033332, -2.3417736965883207]
    density = [-3.112333172343287, -0.7701826530342508, -1.4641342704878682]
    np.testing.assert_allclose(law.quantile(P), quantile, rtol=1e-6)
    np.testing.assert_allclose(law.expected_shortfall(P), shortfall, rtol=1e-6)
    np.testing.assert_allclose(law.log_density([-2.0, 0.0, 1.0]), density, rtol=1e-6)


@pytest.mark.parametrize(("nu", "skew"), [(2.5, -0.5), (6.0, -0.1), (12.0, 0.0), (80.0, 0.7)])
def test_density_probability_and_quantile_are_those_of_arch(nu: float, skew: float) -> None:
    from arch.univariate.distribution import SkewStudent

    law, theirs, parameters = InnovationLaw(nu=nu, skew=skew), SkewStudent(), np.array([nu, skew])
    z = np.linspace(-8, 8, 81)
    p = np.linspace(0.001, 0.999, 99)
    density = theirs.loglikelihood(parameters, z, np.ones_like(z), individual=True)
    np.testing.assert_allclose(law.log_density(z), density, rtol=1e-10)
    np.testing.assert_allclose(law.cdf(z), theirs.cdf(z, parameters), rtol=1e-10)
    np.testing.assert_allclose(law.quantile(p), theirs.ppf(p, parameters), rtol=1e-10, atol=1e-12)


@given(nu=st.floats(2.5, 50), ratio=st.floats(0.4, 2.5), z=st.floats(-5, 5))
def test_two_pieces_stretched_by_a_ratio_and_standardised_are_hansens(nu: float, ratio: float, z: float) -> None:
    half = -float(InnovationLaw(nu=nu).expected_shortfall(0.5)) / 2  # E[max(u, 0)] of the symmetric law
    mean = 2 * half * (ratio - 1 / ratio)
    scale = np.sqrt(ratio**2 + 1 / ratio**2 - 1 - mean**2)
    x = scale * z + mean
    piece = InnovationLaw(nu=nu).log_density(x / ratio if x >= 0 else x * ratio)
    textbook = np.log(2 * scale / (ratio + 1 / ratio)) + piece
    assert float(InnovationLaw(nu=nu, skew=hansen_skew(ratio)).log_density(z)) == pytest.approx(float(textbook), rel=1e-9)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_every_law_has_mass_one_mean_zero_and_variance_one(law: InnovationLaw) -> None:
    a, b = law._location_and_scale()

    def moment(power: int) -> float:
        def integrand(z: float) -> float:
            return z**power * float(np.exp(law.log_density(z)))

        return quad(integrand, -inf, -a / b, epsabs=1e-11)[0] + quad(integrand, -a / b, inf, epsabs=1e-11)[0]  # at the kink

    assert [moment(power) for power in range(3)] == pytest.approx([1, 0, 1], abs=1e-6)


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.7, 0.97])
def test_expected_shortfall_is_the_mean_of_the_quantiles_below(law: InnovationLaw, p: float) -> None:
    below = (
        quad(lambda level: float(law.quantile(level)), 0, p / 100)[0] + quad(lambda x: float(law.quantile(x)), p / 100, p)[0]
    )
    assert float(law.expected_shortfall(p)) == pytest.approx(below / p, rel=1e-5)


@given(law=laws, p=levels)
def test_quantile_and_probability_undo_each_other(law: InnovationLaw, p: float) -> None:
    assert float(law.cdf(law.quantile(p))) == pytest.approx(p, rel=1e-8, abs=1e-12)


@given(law=laws, p=levels)
def test_expected_shortfall_lies_below_the_quantile_and_the_mean(law: InnovationLaw, p: float) -> None:
    shortfall = float(law.expected_shortfall(p))
    assert shortfall < float(law.quantile(p))
    assert shortfall < 0


@given(law=laws, p=levels, higher=levels)
def test_quantiles_rise_with_the_level(law: InnovationLaw, p: float, higher: float) -> None:
    low, high = sorted((p, higher))
    assert float(law.quantile(low)) <= float(law.quantile(high))


@given(law=laws, p=levels)
def test_the_opposite_skew_mirrors_the_law(law: InnovationLaw, p: float) -> None:
    mirror = InnovationLaw(nu=law.nu, skew=-law.skew)
    assert float(mirror.cdf(-law.quantile(p))) == pytest.approx(1 - p, rel=1e-8, abs=1e-12)


def test_arrays_keep_their_shape() -> None:
    law, p = InnovationLaw(nu=5, skew=0.2), np.full((2, 3), 0.4)
    assert law.quantile(p).shape == law.expected_shortfall(p).shape == law.cdf(p).shape == law.log_density(p).shape == (2, 3)


@pytest.mark.parametrize(("nu", "skew"), [(2.0, 0.0), (5.0, 1.0), (float("nan"), 0.0), (5.0, float("nan"))])
def test_a_law_without_variance_or_density_is_refused(nu: float, skew: float) -> None:
    with pytest.raises(ConfigError, match="nu above 2"):
        InnovationLaw(nu=nu, skew=skew)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, float("nan")])
def test_a_level_outside_zero_and_one_is_refused(p: float) -> None:
    with pytest.raises(ConfigError, match="not between 0 and 1"):
        InnovationLaw().quantile(p)


def test_a_ratio_not_above_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="two-piece"):
        hansen_skew(0.0)
