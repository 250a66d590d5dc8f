"""The law of the standardised innovation: mean 0, variance 1, perhaps with heavy tails and a lean to one side."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, log, pi, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, ndtr, ndtri, stdtr, stdtrit

from riskparams.errors import ConfigError
from riskparams.terms import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class InnovationLaw:
    """Hansen's (1994) skew-t of mean 0 and variance 1; Student's t without skew, the normal at infinite `nu`.

    `nu` > 2 are the degrees of freedom; `skew` (Hansen's lambda, in (-1, 1)) is negative when falls are larger. With
    y = b z + a, the density is b f(y / (1 - skew)) below the mode at y = 0 and b f(y / (1 + skew)) above it, f being
    the t of unit variance, a = 4 skew f(0) (nu - 2) / (nu - 1) and b**2 = 1 + 3 skew**2 - a**2. Every method takes a
    number or an array and returns values of that shape. Raises `ConfigError` for parameters outside their ranges.

    >>> law = InnovationLaw(nu=6, skew=-0.1)
    >>> round(float(law.quantile(0.01)), 6), round(float(law.expected_shortfall(0.01)), 6)
    (-2.730059, -3.535164)
    """

    nu: float = inf
    skew: float = 0.0

    def __post_init__(self) -> None:
        if not (self.nu > 2 and -1 < self.skew < 1):
            raise ConfigError(
                f"innovations with nu {self.nu} and skew {self.skew} have no variance or no density: "
                "expected nu above 2 and skew between -1 and 1"
            )

    def log_density(self, z: ArrayLike) -> FloatArray:
        """Return the logarithm of the density at `z`, any shape."""
        a, b = self._location_and_scale()
        y = b * np.asarray(z, float) + a
        return np.asarray(log(b) + self._log_base(y / self._side(y)))

    def cdf(self, z: ArrayLike) -> FloatArray:
        """Return the probability of an innovation not above `z`, any shape."""
        a, b = self._location_and_scale()
        y = b * np.asarray(z, float) + a
        side = self._side(y)
        tail = side * self._base_cdf(-np.abs(y) / side)
        return np.where(y < 0, tail, 1 - tail)

    def quantile(self, p: ArrayLike) -> FloatArray:
        """Return the innovation not exceeded with probability `p`, any shape; raise `ConfigError` unless 0 < p < 1."""
        p = _probability(p)
        a, b = self._location_and_scale()
        below = p < (1 - self.skew) / 2
        side = np.where(below, 1 - self.skew, 1 + self.skew)
        y = side * self._base_quantile(np.where(below, p, 1 - p) / side)
        return (np.where(below, y, -y) - a) / b

    def expected_shortfall(self, p: ArrayLike) -> FloatArray:
        """Return the mean innovation below the `p`-quantile, any shape: negative; raise `ConfigError` unless 0 < p < 1.

        With M(s) = -(nu - 2 + s**2) / (nu - 1) f(s), the integral of u f(u) below s, the integral of y is
        (1 - skew)**2 M(y / (1 - skew)) below the mode; above it (1 + skew)**2 M(y / (1 + skew)) - 4 skew M(0).
        """
        p = _probability(p)
        a, b = self._location_and_scale()
        y = b * self.quantile(p) + a
        side = self._side(y)
        integral = side**2 * self._partial_mean(y / side) - np.where(y < 0, 0.0, 4 * self.skew * self._partial_mean(0.0))
        return (integral / p - a) / b

    def _location_and_scale(self) -> tuple[float, float]:
        a = -4 * self.skew * float(self._partial_mean(0.0))
        return a, sqrt(1 + 3 * self.skew**2 - a**2)

    def _side(self, y: FloatArray) -> FloatArray:
        return np.where(y < 0, 1 - self.skew, 1 + self.skew)

    def _log_base(self, s: ArrayLike) -> FloatArray:
        square = np.square(np.asarray(s, float))
        if not isfinite(self.nu):
            return np.asarray(-(square + log(2 * pi)) / 2)
        constant = gammaln((self.nu + 1) / 2) - gammaln(self.nu / 2) - log(pi * (self.nu - 2)) / 2
        return np.asarray(constant - (self.nu + 1) / 2 * np.log1p(square / (self.nu - 2)))

    def _base_cdf(self, s: FloatArray) -> FloatArray:
        return np.asarray(stdtr(self.nu, s * sqrt(self.nu / (self.nu - 2))) if isfinite(self.nu) else ndtr(s))

    def _base_quantile(self, p: FloatArray) -> FloatArray:
        return np.asarray(stdtrit(self.nu, p) * sqrt((self.nu - 2) / self.nu) if isfinite(self.nu) else ndtri(p))

    def _partial_mean(self, s: ArrayLike) -> FloatArray:
        weight = (self.nu - 2 + np.square(s)) / (self.nu - 1) if isfinite(self.nu) else 1.0
        return np.asarray(-weight * np.exp(self._log_base(s)))


def hansen_skew(ratio: float) -> float:
    """Return Hansen's lambda of a Fernandez & Steel (1998) two-piece law, the `skew` of `sstd` in rugarch.

    `ratio` > 0 stretches the right half by itself and the left half by its inverse; brought to mean 0 and variance 1,
    both are one family with (1 + lambda) / (1 - lambda) = ratio**2. Raises `ConfigError` for a ratio not above 0.

    >>> round(hansen_skew(0.8), 6)
    -0.219512
    """
    if not (0 < ratio < inf):
        raise ConfigError(f"a two-piece law cannot have skew {ratio}: expected a finite ratio above 0, and 1 for symmetry")
    return (ratio**2 - 1) / (ratio**2 + 1)


def _probability(p: ArrayLike) -> FloatArray:
    values = np.asarray(p, float)
    if not ((values > 0) & (values < 1)).all():
        raise ConfigError(f"probability {p!r} is not between 0 and 1: for a loss at level 0.99 ask for 0.01")
    return values
