"""Intervals of quantile and expected shortfall."""

from __future__ import annotations

import numpy as np
import pytest
import slow_pareto as slow
from scipy.stats import chi2

from riskparams.errors import ConfigError, InsufficientData, ModelError
from riskparams.tails.estimators import maximum_likelihood
from riskparams.tails.exceedances import Exceedances, exceedances_over, largest_losses
from riskparams.tails.intervals import Measure, Resampling, bootstrap_interval, profile_interval

SHORTFALL, QUANTILE = Measure.EXPECTED_SHORTFALL, Measure.QUANTILE


def sample(seed: int = 1, shape: float = 0.25, n: int = 2_000, share: float = 0.05) -> Exceedances:
    losses = np.expm1(-shape * np.log(1 - np.random.default_rng(seed).random(n))) / shape
    return largest_losses(losses, round(share * n))


@pytest.mark.parametrize("measure", list(Measure))
def test_the_profile_interval_is_what_the_likelihood_region_holds(measure: Measure) -> None:
    """Every law within chi2 / 2 of the best, by a grid over shape and scale."""
    data, level = sample(), 0.995
    found, beyond = maximum_likelihood(data.excesses), (1 - level) / data.share
    cut = found.log_likelihood - chi2.ppf(0.95, 1) / 2
    values = []
    for shape in found.shape + np.linspace(-0.3, 0.4, 181):
        for scale in found.scale * np.geomspace(0.6, 1.7, 181):
            if shape < 1 and slow.log_likelihood(data.excesses, shape, scale) >= cut:
                quantile = scale * (beyond**-shape - 1) / shape
                excess = quantile if measure is QUANTILE else (quantile + scale) / (1 - shape)
                values.append(data.tail_threshold + excess)
    interval = profile_interval(data, measure, level)
    assert (interval.low, interval.high) == pytest.approx((min(values), max(values)), rel=0.01)


def test_profile_intervals_cover_the_truth_as_often_as_they_say() -> None:
    truth = (0.01**-0.25 - 1) / 0.25
    covered = [profile_interval(sample(seed), QUANTILE, 0.99, confidence=0.9) for seed in range(200)]
    assert np.mean([one.low <= truth <= one.high for one in covered]) == pytest.approx(0.9, abs=0.06)


@pytest.mark.parametrize("resampling", list(Resampling))
@pytest.mark.parametrize("measure", list(Measure))
def test_bootstrap_and_profile_tell_the_same_story(resampling: Resampling, measure: Measure) -> None:
    data = sample(n=20_000)
    profile = profile_interval(data, measure, 0.99)
    bootstrap = bootstrap_interval(data, measure, 0.99, np.random.default_rng(1), resampling=resampling)
    assert bootstrap.estimate == pytest.approx(profile.estimate, rel=1e-9)
    assert (bootstrap.low, bootstrap.high) == pytest.approx((profile.low, profile.high), rel=0.05)


@pytest.mark.parametrize("measure", list(Measure))
def test_more_confidence_is_a_wider_interval_and_units_do_not_matter(measure: Measure) -> None:
    data = sample()
    scaled = Exceedances(tail_threshold=data.tail_threshold * 1e4, excesses=data.excesses * 1e4, n_obs=data.n_obs)
    narrow, wide = (profile_interval(data, measure, 0.99, confidence=confidence) for confidence in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high
    in_points = profile_interval(scaled, measure, 0.99, confidence=0.8)
    assert (in_points.low, in_points.high) == pytest.approx((narrow.low * 1e4, narrow.high * 1e4), rel=1e-6)


def test_a_mean_that_may_not_exist_leaves_the_high_end_infinite() -> None:
    heavy = sample(seed=3, shape=0.6, n=800)
    assert maximum_likelihood(heavy.excesses).shape < 1
    profile = profile_interval(heavy, SHORTFALL, 0.99)
    bootstrap = bootstrap_interval(heavy, SHORTFALL, 0.99, np.random.default_rng(1))
    assert profile.high == bootstrap.high == np.inf
    assert np.isfinite([profile.low, profile.estimate, bootstrap.low]).all()
    assert np.isfinite(profile_interval(heavy, QUANTILE, 0.99).high)


def test_what_has_no_interval_has_a_named_error() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ConfigError, match="not beyond"):
        profile_interval(sample(), QUANTILE, 0.9)
    with pytest.raises(InsufficientData, match="19 exceedances"):
        bootstrap_interval(largest_losses(rng.random(100), 19), QUANTILE, 0.99, rng)
    with pytest.raises(ModelError, match="without a mean"):
        profile_interval(sample(shape=2.0), SHORTFALL, 0.99)
    abrupt = exceedances_over(rng.random(500), 0.0)
    with pytest.raises(ModelError, match="end abruptly"):
        profile_interval(abrupt, QUANTILE, 0.99)
    with pytest.raises(ModelError, match="end abruptly"):
        bootstrap_interval(abrupt, QUANTILE, 0.99, rng)
