"""Peaks over threshold: a generalised Pareto tail on residual losses."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, expm1, inf, isfinite, log

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from riskparams.errors import ConfigError, InsufficientData
from riskparams.terms import FloatArray

FEWEST_EXCEEDANCES = 20
FEWEST_FOR_LIKELIHOOD = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TailSpec:
    """Where the tail begins: the largest `share` of the losses, and at least `min_exceedances` of them."""

    share: float = 0.05
    min_exceedances: int = 50

    def __post_init__(self) -> None:
        if not (0 < self.share < 0.5 and self.min_exceedances >= FEWEST_EXCEEDANCES):
            raise ConfigError(
                f"tail share {self.share} or min_exceedances {self.min_exceedances} is out of range: "
                f"expected a share in (0, 0.5) and at least {FEWEST_EXCEEDANCES} exceedances"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TailFit:
    """A generalised Pareto law of the losses above `tail_threshold`.

    `shape` (xi) is never negative, `scale` (beta) is in the units of the losses; `exceedances` of `n_obs` losses lie
    above the threshold. Losses are positive when the residual fell.
    """

    tail_threshold: float
    shape: float
    scale: float
    exceedances: int
    n_obs: int
    estimator: str = "maximum likelihood"
    flags: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Probability of a loss above the threshold, k / n."""
        return self.exceedances / self.n_obs

    def quantile(self, level: float) -> float:
        """Return the loss not exceeded with probability `level`; raise `ValueError` below the threshold's level.

        u + (beta / xi) * (((1 - q) n / k)**-xi - 1) (McNeil & Frey 2000).

        >>> tail = TailFit(tail_threshold=1.5, shape=0.2, scale=0.6, exceedances=100, n_obs=1000)
        >>> round(tail.quantile(0.999), 6)
        6.035659
        """
        beyond = (1 - level) / self.share
        if not 0 < beyond < 1:
            raise ValueError(
                f"level {level} is not beyond the tail threshold's {1 - self.share:.4f}: use the empirical quantile there"
            )
        if self.shape < 1e-9:
            return self.tail_threshold - self.scale * log(beyond)
        return self.tail_threshold + self.scale / self.shape * expm1(-self.shape * log(beyond))

    def expected_shortfall(self, level: float) -> float:
        """Return the mean loss beyond the quantile; infinite for shape >= 1, where no mean exists.

        >>> tail = TailFit(tail_threshold=1.5, shape=0.2, scale=0.6, exceedances=100, n_obs=1000)
        >>> round(tail.expected_shortfall(0.999), 6)
        7.919574
        """
        if self.shape >= 1:
            return inf
        return (self.quantile(level) + self.scale - self.shape * self.tail_threshold) / (1 - self.shape)

    @property
    def largest_simulated(self) -> float:
        """Cap on simulated losses: the return level of 10,000 samples."""
        return self.quantile(1 - 1 / (1e4 * self.n_obs))


def fit_tail(losses: FloatArray, spec: TailSpec | None = None) -> TailFit:
    """Return the generalised Pareto fit of the largest losses (positive = fell), shape (n,).

    Maximum likelihood from 100 exceedances, penalised likelihood (Coles & Dixon 1999) from 20. Raises
    `InsufficientData` when the sample holds fewer than the spec's exceedances. Shape at or above 0.5 is flagged
    `variance_undefined`, at or above 1 `mean_undefined`.

    >>> rng = np.random.default_rng(1)
    >>> tail = fit_tail(rng.standard_t(4, 20_000))
    >>> 0.1 < tail.shape < 0.4
    True
    """
    spec = spec or TailSpec()
    n = len(losses)
    k = max(spec.min_exceedances, round(spec.share * n))
    if k >= n:
        raise InsufficientData(f"{n} residuals cannot hold {k} exceedances: give a longer history or a smaller tail")
    ordered = np.sort(losses)
    threshold = float(ordered[n - k - 1])
    excesses = ordered[n - k :] - threshold
    excesses = excesses[excesses > 0]
    if len(excesses) < FEWEST_EXCEEDANCES:
        raise InsufficientData(f"only {len(excesses)} residuals lie above the threshold {threshold:.4g}: too many ties")
    shape, scale, estimator = fit_gpd(excesses)
    flags = (("variance_undefined",) if shape >= 0.5 else ()) + (("mean_undefined",) if shape >= 1 else ())
    return TailFit(
        tail_threshold=threshold,
        shape=shape,
        scale=scale,
        exceedances=len(excesses),
        n_obs=n,
        estimator=estimator,
        flags=flags,
    )


def gpd_log_likelihood(excesses: FloatArray, shape: float, scale: float) -> float:
    """Return the generalised Pareto log likelihood of positive excesses, for shape >= 0."""
    if shape < 1e-9:
        return float(-len(excesses) * log(scale) - excesses.sum() / scale)
    return float(-len(excesses) * log(scale) - (1 + 1 / shape) * np.log1p(shape * excesses / scale).sum())


def fit_gpd(excesses: FloatArray) -> tuple[float, float, str]:
    """Return shape, scale and the estimator's name for positive excesses over a threshold; shape is floored at 0.

    The likelihood is profiled in shape / scale (Grimshaw 1993): a grid finds the basin, Brent's method the maximum.
    """
    mean = float(excesses.mean())
    if len(excesses) < FEWEST_FOR_LIKELIHOOD:
        return (*_penalised(excesses, mean), "penalised likelihood")

    def minus_profile(log_ratio: float) -> float:
        ratio = exp(log_ratio)
        shape = float(np.log1p(ratio * excesses).mean())
        return log(shape / ratio) + shape + 1

    grid = np.log(np.geomspace(1e-5, 1e3, 33) / mean)
    values = [minus_profile(point) for point in grid]
    at = int(np.argmin(values))
    exponential = log(mean) + 1
    if at == 0 or values[at] >= exponential - 1e-12:
        return 0.0, mean, "maximum likelihood"
    found = minimize_scalar(
        minus_profile, bounds=(grid[at - 1], grid[min(at + 1, len(grid) - 1)]), method="bounded", options={"xatol": 1e-9}
    )
    ratio = exp(float(found.x))
    shape = float(np.log1p(ratio * excesses).mean())
    return shape, shape / ratio, "maximum likelihood"


def _penalised(excesses: FloatArray, mean: float) -> tuple[float, float]:
    def minus(x: FloatArray) -> float:
        shape, scale = float(x[0]), exp(float(x[1]))
        if not 0 <= shape < 1:
            return 1e10
        value = gpd_log_likelihood(excesses, shape, scale) - (1 / (1 - shape) - 1)
        return -value if isfinite(value) else 1e10

    found = minimize(minus, np.array([0.1, log(mean)]), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-8})
    exponential = gpd_log_likelihood(excesses, 0.0, mean)
    if -float(found.fun) <= exponential:
        return 0.0, mean
    return float(found.x[0]), exp(float(found.x[1]))
