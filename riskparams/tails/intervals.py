"""Intervals for what a generalised Pareto tail says: its quantile, expected shortfall and return level.

A return level of m observations is the quantile at 1 - 1 / m. The threshold, and the share of losses above it, are taken
as known. Estimates are of maximum likelihood and may have a shape below 0, unlike the tail that risk is read from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import inf

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from riskparams.errors import ConfigError, InsufficientData, ModelError
from riskparams.tails.estimators import GpdEstimate, maximum_likelihood
from riskparams.tails.exceedances import FEWEST_EXCEEDANCES, Exceedances
from riskparams.tails.goodness import refitted
from riskparams.tails.likelihood import gpd_log_likelihood, quantile_excess, scale_at
from riskparams.tails.profiles import excess_per_scale, profile_at


class Measure(StrEnum):
    """What is read from the tail at a level."""

    QUANTILE = "quantile"
    EXPECTED_SHORTFALL = "expected shortfall"


class Resampling(StrEnum):
    """Where a bootstrap draws its excesses from."""

    PARAMETRIC = "parametric"  # the fitted law
    NONPARAMETRIC = "nonparametric"  # the excesses seen, with replacement


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate and the ends of its interval; an end is infinite where the data do not bound it."""

    low: float
    estimate: float
    high: float
    confidence: float


def profile_interval(sample: Exceedances, measure: Measure, level: float, *, confidence: float = 0.95) -> Interval:
    """Return the values whose profile likelihood lies within chi2 / 2 of the maximum, in the units of the losses.

    `level` is beyond the threshold's, for example 0.999. The high end of an expected shortfall is infinite where a shape
    of 1 cannot be excluded. Source: Coles (2001), section 4.3.3. Raises `InsufficientData` for fewer than 20 exceedances
    and `ModelError` for a shape at or below -0.5, or for an expected shortfall at or above 1.
    """
    beyond, found = _fitted(sample, level)
    shortfall = measure is Measure.EXPECTED_SHORTFALL
    if shortfall and found.shape >= 1:
        raise ModelError(f"shape {found.shape:.3f}: a tail without a mean has no expected shortfall, ask for a quantile")
    excess = found.scale * excess_per_scale(found.shape, beyond, shortfall)
    cut = found.log_likelihood - float(chi2.ppf(confidence, 1)) / 2
    highest = 1 - 1e-9 if shortfall else 2 * abs(found.shape) + 3
    data = sample.excesses

    def above_cut(value: float) -> float:
        return float(profile_at(data, value, beyond, shortfall, highest)) - cut

    low = _end(above_cut, excess, 0.8)
    mean = float(data.mean())
    without_mean = gpd_log_likelihood(data, 1.0, scale_at(data, 1.0, data[0], mean, mean))
    high = inf if shortfall and without_mean >= cut else _end(above_cut, excess, 1.25)
    u = sample.tail_threshold
    return Interval(low=u + low, estimate=u + excess, high=u + high, confidence=confidence)


def bootstrap_interval(
    sample: Exceedances,
    measure: Measure,
    level: float,
    rng: np.random.Generator,
    *,
    resampling: Resampling = Resampling.PARAMETRIC,
    draws: int = 999,
    confidence: float = 0.95,
) -> Interval:
    """Return the percentile interval over refits of `draws` resampled sets of excesses (Efron & Tibshirani 1993).

    A refit without a mean has an infinite expected shortfall, and so may the high end. Raises `InsufficientData` for
    fewer than 20 exceedances and `ModelError` for a shape at or below -0.5.
    """
    beyond, found = _fitted(sample, level)
    k = len(sample)
    if resampling is Resampling.PARAMETRIC:
        uniforms = 1 - rng.random((draws, k))
        drawn = -found.scale * np.log(uniforms)
        if abs(found.shape) >= 1e-9:
            drawn = found.scale / found.shape * np.expm1(-found.shape * np.log(uniforms))
    else:
        drawn = sample.excesses[rng.integers(0, k, (draws, k))]
    shortfall = measure is Measure.EXPECTED_SHORTFALL
    values = [_excess(shape, scale, beyond, shortfall) for shape, scale in refitted(np.maximum(drawn, 1e-300))]
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2], method="inverted_cdf")
    u = sample.tail_threshold
    estimate = _excess(found.shape, found.scale, beyond, shortfall)
    return Interval(low=u + float(low), estimate=u + estimate, high=u + float(high), confidence=confidence)


def _fitted(sample: Exceedances, level: float) -> tuple[float, GpdEstimate]:
    """The share of the excesses that go beyond the quantile at the level, and the fit."""
    if len(sample) < FEWEST_EXCEEDANCES:
        raise InsufficientData(f"{len(sample)} exceedances: an interval needs {FEWEST_EXCEEDANCES}, lower the threshold")
    beyond = (1 - level) / sample.share
    if not 0 < beyond < 1:
        raise ConfigError(f"level {level} is not beyond the tail threshold's {1 - sample.share:.4f}, and below 1")
    found = maximum_likelihood(sample.excesses)
    if found.shape <= -0.5:
        raise ModelError(
            f"shape {found.shape:.3f}: at or below -0.5 the losses end abruptly and neither likelihood nor bootstrap gives "
            f"an interval (Smith 1985): lower the threshold from {sample.tail_threshold:.6g}"
        )
    return beyond, found


def _excess(shape: float, scale: float, beyond: float, shortfall: bool) -> float:
    if not shortfall:
        return float(quantile_excess(shape, scale, beyond))
    return inf if shape >= 1 else scale * float(excess_per_scale(shape, beyond, True))


def _end(above_cut: Callable[[float], float], estimate: float, step: float) -> float:
    """The value where the profile crosses the cut, going from the estimate in growing steps."""
    inside, outside = estimate, estimate * step
    while above_cut(outside) > 0:
        inside, outside, step = outside, outside * step, step**1.5
        if not 1e-12 * estimate < outside < 1e15 * estimate:
            return inf if step > 1 else 0.0
    return float(brentq(above_cut, inside, outside, rtol=1e-9, xtol=1e-12 * estimate))
