"""Whether losses beyond the value at risk were as large as the expected shortfall said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, ndtr, ndtri, stdtrit

from riskparams.backtest.forecasts import miss_probability, shortfall_series
from riskparams.errors import ConfigError
from riskparams.terms import FloatArray

CELLS = 4_000_000  # tail draws held at once
NORMAL_FROM = 200.0  # degrees of freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceedanceResiduals:
    """Mean of (loss - expected shortfall) over the hits in units of its error; positive when the shortfall was too small.

    Both p-values are one-sided, against a shortfall that is too small. Where the residuals do not vary (one hit, say)
    there is no error to divide by: the p-value is then that of as many signs, 0.5^n, and with no hit it is 1.
    """

    statistic: float
    p_value: float
    bootstrap_p_value: float
    exceedances: int


def exceedance_residuals(
    losses: FloatArray, value_at_risk: FloatArray, expected_shortfall: FloatArray, *, seed: int, draws: int = 999
) -> ExceedanceResiduals:
    """Return McNeil & Frey's (2000) test that losses beyond the value at risk average to the expected shortfall.

    All three are positive losses, shape (n,). The bootstrap resamples the residuals less their mean (Efron & Tibshirani
    1993, algorithm 16.2). Raises `DataError` naming a row that is no forecast.
    """
    losses, value_at_risk, expected_shortfall = shortfall_series(losses, value_at_risk, expected_shortfall)
    residuals = (losses - expected_shortfall)[losses > value_at_risk]
    n = len(residuals)
    mean = float(residuals.mean()) if n else 0.0
    if n < 2 or float(np.ptp(residuals)) <= 1e-12 * abs(mean):
        signs = 0.5**n if mean > 0 else 1.0
        return ExceedanceResiduals(
            statistic=max(0.0, -float(ndtri(signs))) if signs < 1 else 0.0,
            p_value=signs,
            bootstrap_p_value=signs,
            exceedances=n,
        )
    statistic = mean / float(residuals.std(ddof=1)) * n**0.5
    resampled = (residuals - mean)[np.random.default_rng(seed).integers(n, size=(draws, n))]
    means, deviations = resampled.mean(axis=1), resampled.std(axis=1, ddof=1)
    reached = means * n**0.5 >= statistic * deviations  # written so that a resample of one value divides by nothing
    return ExceedanceResiduals(
        statistic=statistic,
        p_value=float(ndtr(-statistic)),
        bootstrap_p_value=float((1 + np.sum(reached)) / (1 + draws)),
        exceedances=n,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TailLaw:
    """A law of losses as the simulation needs it: the loss exceeded with a probability, and the mean loss beyond it.

    Its scale does not matter: only ratios to the expected shortfall are simulated.
    """

    name: str
    exceeded: Callable[[FloatArray], FloatArray]
    mean_beyond: Callable[[float], float]


def normal_tail() -> TailLaw:
    """Return the normal law's tail."""
    return TailLaw(
        name="normal",
        exceeded=lambda probability: -ndtri(probability),
        mean_beyond=lambda p: float(np.exp(-(ndtri(p) ** 2) / 2) / np.sqrt(2 * np.pi) / p),
    )


def student_tail(nu: float) -> TailLaw:
    """Return the tail of Student's t with more than 1 degree of freedom, f(q) / p x (nu + q^2) / (nu - 1) beyond q."""
    if not nu > 1:
        raise ConfigError(f"Student's t with {nu} degrees of freedom has no expected shortfall: expected more than 1")
    return TailLaw(
        name=f"t({nu:.3g})", exceeded=lambda probability: -stdtrit(nu, probability), mean_beyond=lambda p: _t_mean(nu, p)
    )


def tail_of_forecasts(value_at_risk: FloatArray, expected_shortfall: FloatArray, level: float) -> TailLaw:
    """Return the Student (or normal) tail whose expected shortfall over value at risk is the forecasts' median ratio."""
    p = miss_probability(level)
    ratio = float(np.median(expected_shortfall / np.maximum(value_at_risk, 1e-12 * expected_shortfall)))

    def excess(log_nu: float) -> float:
        nu = float(np.exp(log_nu))
        return _t_mean(nu, p) / -float(stdtrit(nu, p)) - ratio

    lightest, heaviest = np.log(NORMAL_FROM), np.log(1.05)
    if excess(lightest) >= 0:
        return normal_tail()
    return student_tail(1.05 if excess(heaviest) <= 0 else float(np.exp(brentq(excess, heaviest, lightest, xtol=1e-6))))


@dataclass(frozen=True, slots=True, kw_only=True)
class AcerbiSzekely:
    """Z1 and Z2 of Acerbi & Szekely (2014), near 0 for a right forecast and negative when the shortfall is too small.

    `z1` looks at the sizes of the hits only and is None without one; `z2` at their number as well. Each critical value
    is the simulated 5 % quantile of a right forecast; p-values are the simulated share at or below the figure.
    """

    z1: float | None
    z1_p_value: float
    z1_critical: float
    z2: float
    z2_p_value: float
    z2_critical: float
    exceedances: int
    law: str


def acerbi_szekely(
    losses: FloatArray,
    value_at_risk: FloatArray,
    expected_shortfall: FloatArray,
    level: float,
    *,
    law: TailLaw,
    seed: int,
    draws: int = 2000,
) -> AcerbiSzekely:
    """Return both statistics and what they are when losses follow the forecast `law`.

    Z1 = 1 - mean of loss / ES over the hits; Z2 = 1 - sum of loss / ES over the hits / (n p).
    Raises `DataError` naming a row that is no forecast.
    """
    p = miss_probability(level)
    losses, value_at_risk, expected_shortfall = shortfall_series(losses, value_at_risk, expected_shortfall)
    hits = losses > value_at_risk
    ratios = losses[hits] / expected_shortfall[hits]
    n, k = len(losses), len(ratios)
    z1, z2 = 1 - float(ratios.mean()) if k else None, 1 - float(ratios.sum()) / (n * p)
    z1_null, z2_null = simulated_z(n, level, law, draws=draws, rng=np.random.default_rng(seed))
    return AcerbiSzekely(
        z1=z1,
        z1_p_value=1.0 if z1 is None else float((1 + np.sum(z1_null <= z1)) / (1 + len(z1_null))),
        z1_critical=float(np.quantile(z1_null, 0.05)) if len(z1_null) else 0.0,
        z2=z2,
        z2_p_value=float((1 + np.sum(z2_null <= z2)) / (1 + draws)),
        z2_critical=float(np.quantile(z2_null, 0.05)),
        exceedances=k,
        law=law.name,
    )


def simulated_z(
    sample: int,
    level: float,
    law: TailLaw,
    *,
    draws: int,
    rng: np.random.Generator,
    miss_ratio: float = 1.0,
    excess_ratio: float = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """Return Z1 (of the runs with a hit) and Z2 of `draws` samples whose losses follow `law` about their forecasts.

    Only the losses beyond the value at risk enter, so only those are drawn: a binomial number of them, each from the tail.
    `miss_ratio` times as many hits, and `excess_ratio` times as far beyond, make the forecast wrong.
    """
    p = miss_probability(level)
    hits = rng.binomial(sample, miss_ratio * p, size=draws)
    sums = np.empty(draws)
    step = max(1, int(CELLS / (sample * miss_ratio * p + 1)))
    for first in range(0, draws, step):
        counts = hits[first : first + step]
        tail = tail_losses(law, p, int(counts.sum()), excess_ratio, rng)
        sums[first : first + step] = np.bincount(np.repeat(np.arange(len(counts)), counts), weights=tail, minlength=len(counts))
    sums /= law.mean_beyond(p)
    some = hits > 0
    return 1 - sums[some] / hits[some], 1 - sums / (sample * p)


def tail_losses(law: TailLaw, p: float, count: int, excess_ratio: float, rng: np.random.Generator) -> FloatArray:
    """Return losses beyond the law's value at risk, whose excess over it is `excess_ratio` times what the law says."""
    losses = law.exceeded(p * (1 - rng.random(count)))
    if excess_ratio == 1:
        return losses
    value_at_risk = float(law.exceeded(np.array([p]))[0])
    return value_at_risk + excess_ratio * (losses - value_at_risk)


def realised_over_forecast(losses: FloatArray, value_at_risk: FloatArray, expected_shortfall: FloatArray) -> float | None:
    """Return the losses beyond the value at risk over the expected shortfalls at those bars, sum over sum; None without any.

    >>> realised_over_forecast(np.array([1.0, 3.0, 0.0, 5.0]), np.full(4, 2.0), np.full(4, 3.2))
    1.25
    """
    losses, value_at_risk, expected_shortfall = shortfall_series(losses, value_at_risk, expected_shortfall)
    hits = losses > value_at_risk
    return float(losses[hits].sum() / expected_shortfall[hits].sum()) if hits.any() else None


def _t_mean(nu: float, p: float) -> float:
    quantile = float(stdtrit(nu, p))
    log_density = gammaln((nu + 1) / 2) - gammaln(nu / 2) - np.log(nu * np.pi) / 2 - (nu + 1) / 2 * np.log1p(quantile**2 / nu)
    return float(np.exp(log_density) / p * (nu + quantile**2) / (nu - 1))
