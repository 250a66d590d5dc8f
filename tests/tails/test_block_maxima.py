"""Block maxima: published fits and intervals, recovery, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import genextreme

from riskparams.errors import ConfigError, ConstantSeries, DataError, InsufficientData, ModelError
from riskparams.tails.block_maxima import block_maxima, fit_gev
from riskparams.tails.intervals import Interval


def ends(interval: Interval) -> tuple[float, float, float]:
    return interval.low, interval.estimate, interval.high


def column(folder: Path, name: str) -> np.ndarray:
    return np.loadtxt(folder / "reference" / name, delimiter=",", skiprows=1, usecols=1)


@pytest.mark.parametrize("name", ["ref_portpirie.csv", "portpirie.csv"])
def test_sea_levels_at_port_pirie_give_the_published_fit(market_data: Path, name: str) -> None:
    """Coles (2001), section 3.4.1; ismev 1.43 and extRemes 2.2.1."""
    fit = fit_gev(column(market_data, name))
    assert len(fit.maxima) == 65
    assert (fit.location, fit.scale, fit.shape) == pytest.approx((3.8747469218, 0.19804120432, -0.050087727438), rel=2e-3)
    assert fit.location == pytest.approx(3.8747, abs=5e-5)
    assert fit.scale == pytest.approx(0.1980, abs=5e-5)
    assert fit.shape == pytest.approx(-0.0501, abs=5e-5)
    assert fit.log_likelihood == pytest.approx(4.33906, abs=5e-6)
    assert fit.errors == pytest.approx((0.027932107636, 0.020246100727, 0.09825632988), rel=0.02)
    assert fit.return_level(10) == pytest.approx(4.2962119443, rel=1e-3)
    assert fit.return_level(100) == pytest.approx(4.6884037927, rel=1e-3)
    assert ends(fit.delta_interval(10)) == pytest.approx((4.1883850332, 4.2962119443, 4.4040388553), rel=5e-3)
    assert ends(fit.delta_interval(100)) == pytest.approx((4.3771253902, 4.6884037927, 4.9996821952), rel=5e-3)
    assert ends(fit.profile_interval(100)) == pytest.approx((4.4949446481, 4.6884037927, 5.2550780217), rel=0.01)
    assert ends(fit.shape_profile_interval()) == pytest.approx((-0.2172478936, -0.05010950491, 0.16843994408), abs=0.01)


def test_monthly_maxima_of_the_sp500_give_the_published_fit(market_data: Path) -> None:
    """ismev 1.43 and extRemes 2.2.1, blocks of 21 days."""
    maxima = block_maxima(-100 * column(market_data, "ref_sp500ret.csv"), 21)
    fit = fit_gev(maxima)
    assert len(maxima) == 263
    assert (fit.location, fit.scale, fit.shape) == pytest.approx((1.3252686425, 0.7018478581, 0.28812997418), rel=2e-3)
    assert fit.errors == pytest.approx((0.048857813895, 0.040693467679, 0.050542425951), rel=0.02)
    assert -fit.log_likelihood == pytest.approx(365.0496456229, abs=1e-4)
    assert ends(fit.delta_interval(12)) == pytest.approx((3.3368026991, 3.8112067742, 4.2856108493), rel=5e-3)
    assert ends(fit.delta_interval(120)) == pytest.approx((6.274928103, 8.5515233184, 10.8281185338), rel=5e-3)
    assert fit.return_level(12) == pytest.approx(3.8112067742, rel=1e-3)
    assert fit.return_level(120) == pytest.approx(8.5515233184, rel=1e-3)


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_the_fit_is_as_likely_as_scipys_and_covers_the_truth(shape: float) -> None:
    maxima = genextreme.rvs(-shape, loc=2, scale=0.5, size=2_000, random_state=np.random.default_rng(4))
    fit = fit_gev(maxima)
    theirs = genextreme.logpdf(maxima, *genextreme.fit(maxima, -0.1)).sum()
    ours = genextreme.logpdf(maxima, -fit.shape, fit.location, fit.scale).sum()
    assert fit.log_likelihood == pytest.approx(ours, abs=1e-6)
    assert ours >= theirs - 1e-3
    for found, truth, error in zip((fit.location, fit.scale, fit.shape), (2, 0.5, shape), fit.errors, strict=True):
        assert abs(found - truth) < 4 * error


@given(seed=st.integers(0, 1_000), times=st.floats(1e-6, 1e6), shift=st.floats(-10, 10))
@settings(max_examples=10)
def test_a_return_level_moves_and_scales_with_the_maxima(seed: int, times: float, shift: float) -> None:
    maxima = np.random.default_rng(seed).gumbel(size=80)
    one, other = fit_gev(maxima), fit_gev((maxima + shift) * times)
    assert other.return_level(50) / times == pytest.approx(one.return_level(50) + shift, rel=1e-4, abs=1e-4)
    assert one.return_level(50) < one.return_level(51)


def test_the_profile_interval_leans_to_the_high_side() -> None:
    fit = fit_gev(np.random.default_rng(3).gumbel(size=60))
    profile, delta = fit.profile_interval(100), fit.delta_interval(100)
    assert profile.high - profile.estimate > profile.estimate - profile.low
    assert profile.high > delta.high


def test_what_cannot_be_fitted_has_a_named_error() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(InsufficientData, match="14 block maxima"):
        fit_gev(rng.gumbel(size=14))
    with pytest.raises(ConstantSeries, match="never moves"):
        fit_gev(np.full(40, 2.0))
    with pytest.raises(DataError, match="row 3"):
        fit_gev(np.array([1.0, 2.0, 3.0, np.nan] * 10))
    with pytest.raises(ModelError, match="no errors"):
        fit_gev(rng.random((400, 50)).max(axis=1))
    with pytest.raises(InsufficientData, match="no full block"):
        block_maxima(rng.random(10), 11)
    with pytest.raises(ConfigError, match="more than one"):
        fit_gev(rng.gumbel(size=100)).return_level(1)
