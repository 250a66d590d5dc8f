"""Block maxima: the generalised extreme-value law by maximum likelihood, its return levels and their intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, expm1, inf, log, log1p, pi, sqrt

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.stats import chi2, norm

from riskparams.errors import ConfigError, ConstantSeries, InsufficientData, ModelError
from riskparams.tails.exceedances import checked_losses
from riskparams.tails.intervals import Interval
from riskparams.terms import FloatArray, frozen

FEWEST_MAXIMA = 15
_EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True, kw_only=True)
class GevFit:
    """A generalised extreme-value law of block maxima: location (mu), scale (sigma), shape (xi, positive = heavy).

    `covariance` is that of (location, scale, shape), the inverse of the observed information; `maxima` are what was
    fitted, read-only.
    """

    location: float
    scale: float
    shape: float
    log_likelihood: float
    covariance: FloatArray
    maxima: FloatArray

    def __post_init__(self) -> None:
        frozen(self.covariance)
        frozen(self.maxima)

    @property
    def errors(self) -> tuple[float, float, float]:
        """Standard errors of location, scale and shape."""
        location, scale, shape = np.sqrt(np.diag(self.covariance))
        return float(location), float(scale), float(shape)

    def return_level(self, blocks: float) -> float:
        """Return the value exceeded by one block's maximum in so many; raise `ConfigError` for one block or fewer.

        mu + sigma ((-log(1 - 1 / blocks))**-xi - 1) / xi (Coles 2001, section 3.1.3).
        """
        return self.location + self.scale * _reduced(self.shape, blocks)

    def delta_interval(self, blocks: float, *, confidence: float = 0.95) -> Interval:
        """Return the symmetric interval of a return level, by the delta method (Coles 2001, section 3.3.3)."""
        step = 1e-5
        slope = (_reduced(self.shape + step, blocks) - _reduced(self.shape - step, blocks)) / (2 * step)
        gradient = np.array([1.0, _reduced(self.shape, blocks), self.scale * slope])
        return self._symmetric(self.return_level(blocks), float(gradient @ self.covariance @ gradient), confidence)

    def shape_delta_interval(self, *, confidence: float = 0.95) -> Interval:
        """Return the symmetric interval of the shape."""
        return self._symmetric(self.shape, float(self.covariance[2, 2]), confidence)

    def profile_interval(self, blocks: float, *, confidence: float = 0.95) -> Interval:
        """Return the interval of a return level by profile likelihood; its ends lie unevenly, as the data do.

        Raises `ModelError` where the likelihood does not fall far enough to end it.
        """

        def profile(level: float, start: FloatArray) -> tuple[float, FloatArray]:
            return _best(
                lambda free: _log_likelihood(
                    self.maxima, level - exp(free[0]) * _reduced(free[1], blocks), exp(free[0]), free[1]
                ),
                start,
            )

        around = self.delta_interval(blocks, confidence=confidence)
        step = around.high - around.estimate
        return self._profiled(profile, around.estimate, step, np.array([log(self.scale), self.shape]), confidence)

    def shape_profile_interval(self, *, confidence: float = 0.95) -> Interval:
        """Return the interval of the shape by profile likelihood; raise as `profile_interval`."""

        def profile(shape: float, start: FloatArray) -> tuple[float, FloatArray]:
            return _best(lambda free: _log_likelihood(self.maxima, free[0], exp(free[1]), shape), start)

        around = self.shape_delta_interval(confidence=confidence)
        step = around.high - around.estimate
        return self._profiled(profile, around.estimate, step, np.array([self.location, log(self.scale)]), confidence)

    def _symmetric(self, estimate: float, variance: float, confidence: float) -> Interval:
        reach = float(norm.ppf((1 + confidence) / 2)) * sqrt(variance)
        return Interval(low=estimate - reach, estimate=estimate, high=estimate + reach, confidence=confidence)

    def _profiled(
        self,
        profile: Callable[[float, FloatArray], tuple[float, FloatArray]],
        estimate: float,
        step: float,
        start: FloatArray,
        confidence: float,
    ) -> Interval:
        cut = self.log_likelihood - float(chi2.ppf(confidence, 1)) / 2
        ends = []
        for side in (-1, 1):
            inside, free = estimate, start
            for _ in range(200):
                outside = inside + side * step / 4
                value, free = profile(outside, free)
                if value < cut:
                    break
                inside = outside
            else:
                raise ModelError(
                    f"the profile likelihood stays high to {outside:.6g}: give more blocks than {len(self.maxima)}"
                )
            nearby = free
            ends.append(brentq(lambda value: profile(value, nearby)[0] - cut, inside, outside, xtol=1e-7 * step))  # noqa: B023
        return Interval(low=float(ends[0]), estimate=estimate, high=float(ends[1]), confidence=confidence)


def block_maxima(losses: FloatArray, block: int) -> FloatArray:
    """Return the largest of each `block` consecutive losses (positive = fell); a remainder at the end is dropped.

    Raises `DataError` for a loss that is not finite and `InsufficientData` where not one block is full.

    >>> block_maxima(np.array([1.0, 5.0, 2.0, 3.0, 9.0]), 2)
    array([5., 3.])
    """
    values = checked_losses(losses)
    if not 1 <= block <= len(values):
        raise InsufficientData(f"{len(values)} losses hold no full block of {block}: expected a block of 1 to {len(values)}")
    whole = len(values) // block
    return np.asarray(values[: whole * block].reshape(whole, block).max(axis=1))


def fit_gev(maxima: FloatArray) -> GevFit:
    """Return the maximum-likelihood fit of block maxima, shape (n,).

    Errors are from the observed information (Prescott & Walden 1980). Raises `InsufficientData` for fewer than 15
    maxima, `ConstantSeries` where all are the same, `DataError` for one that is not finite and `ModelError` where the
    search ends at a shape of -0.5 or below, or at no maximum, where there are no errors to give.

    >>> maxima = block_maxima(np.random.default_rng(1).standard_t(4, 21_000), 21)
    >>> 0.1 < fit_gev(maxima).shape < 0.4
    True
    """
    values = checked_losses(maxima).copy()
    if len(values) < FEWEST_MAXIMA:
        raise InsufficientData(f"{len(values)} block maxima: expected at least {FEWEST_MAXIMA}, use shorter blocks")
    centre, spread = float(values.mean()), float(values.std())
    if values.min() == values.max() or spread == 0:
        raise ConstantSeries(f"all {len(values)} block maxima are {values[0]:.6g}: a series that never moves has no extremes")
    unit = (values - centre) / spread
    gumbel = sqrt(6) / pi
    starts = [np.array([-_EULER * gumbel, log(gumbel), shape]) for shape in (0.1, 0.4, -0.1)]
    found = [_best(lambda x: _log_likelihood(unit, x[0], exp(x[1]), x[2]), start) for start in starts]
    value, (location, log_scale, shape) = max(found, key=lambda pair: pair[0])
    with np.errstate(invalid="ignore"):  # a step beyond the end of a bounded tail
        information = _information(unit, np.array([location, exp(log_scale), shape]))
    if shape <= -0.5 or not np.isfinite(information).all() or np.linalg.eigvalsh(information).min() <= 0:
        raise ModelError(
            f"extreme-value fit of {len(values)} maxima ended at shape {shape:.3f}, where the likelihood gives no errors: "
            "use other blocks, or exceedances over a threshold"
        )
    rescale = np.array([spread, spread, 1.0])
    return GevFit(
        location=centre + spread * float(location),
        scale=spread * exp(log_scale),
        shape=float(shape),
        log_likelihood=value - len(values) * log(spread),
        covariance=np.asarray(np.linalg.inv(information) * np.outer(rescale, rescale), dtype=np.float64),
        maxima=values,
    )


def _reduced(shape: float, blocks: float) -> float:
    """The return level of a law with location 0 and scale 1."""
    if blocks <= 1:
        raise ConfigError(f"return level of {blocks} blocks: expected more than one")
    rarity = log(-log1p(-1 / blocks))
    return -rarity if abs(shape) < 1e-9 else expm1(-shape * rarity) / shape


def _log_likelihood(maxima: FloatArray, location: float, scale: float, shape: float) -> float:
    z = (maxima - location) / scale
    if abs(shape) < 1e-7:
        return float(-len(z) * log(scale) - z.sum() - np.exp(np.minimum(-z, 700)).sum())
    inside = 1 + shape * z
    if inside.min() <= 0:
        return -inf
    logs = np.log(inside)
    return float(-len(z) * log(scale) - (1 + 1 / shape) * logs.sum() - np.exp(np.minimum(-logs / shape, 700)).sum())


def _score(maxima: FloatArray, parameters: FloatArray) -> FloatArray:
    """The derivatives of the log likelihood in (location, scale, shape)."""
    location, scale, shape = parameters
    z = (maxima - location) / scale
    inside = 1 + shape * z
    if abs(shape) < 1e-5:
        rare = np.exp(-z + shape * z**2 / 2)
        d_shape = z**2 / 2 * (1 - rare) - z + shape * z**2
    else:
        logs = np.log(inside)
        rare = np.exp(-logs / shape)
        d_shape = logs / shape**2 * (1 - rare) - (1 + 1 / shape) * z / inside + rare * z / (shape * inside)
    pull = (1 + shape - rare) / inside
    return np.array([pull.sum() / scale, (z * pull - 1).sum() / scale, d_shape.sum()])


def _information(maxima: FloatArray, parameters: FloatArray) -> FloatArray:
    """Minus the second derivatives, by central differences of the score; maxima have spread 1."""
    columns = [(_score(maxima, parameters + step) - _score(maxima, parameters - step)) / 2e-5 for step in 1e-5 * np.eye(3)]
    return np.asarray(-(np.array(columns) + np.array(columns).T) / 2)


def _best(value: Callable[[FloatArray], float], start: FloatArray) -> tuple[float, FloatArray]:
    """The largest value and where it is, by Nelder & Mead's search begun twice."""

    def minus(x: FloatArray) -> float:
        found = value(x) if abs(x).max() < 100 else -inf
        return -found if found > -inf else 1e10

    for _ in range(2):
        result = minimize(minus, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 2000})
        start = result.x
    return -float(result.fun), start
