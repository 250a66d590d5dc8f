"""Shrinking a tail's shape towards what a fixed set of peers shows."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from scipy.optimize import brentq

from riskparams.errors import ConfigError, InsufficientData
from riskparams.terms import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerShape:
    """What is believed of a tail's shape before its own losses are seen: normal, with this mean and deviation."""

    mean: float
    deviation: float

    def __post_init__(self) -> None:
        if not (isfinite(self.mean) and 0 < self.deviation < np.inf):
            raise ConfigError(f"peer shape {self.mean} +- {self.deviation}: expected finite numbers and a deviation above 0")


def pool_peers(shapes: FloatArray, errors: FloatArray) -> PeerShape:
    """Return the shape expected of one more member of a fixed set of peers, from their estimates and standard errors.

    Random effects: a peer's estimate is its own shape plus an error, and the shapes are normal around a mean. Their
    variance t solves sum((x - m)**2 / (s**2 + t)) = peers - 1 with m the mean weighted by 1 / (s**2 + t), or is 0
    (Paule & Mandel 1982). The deviation joins t with the error of m. Raises `InsufficientData` for fewer than two
    peers and `ConfigError` for errors that are not positive.

    >>> pool_peers(np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.1, 0.1]))
    PeerShape(mean=0.2, deviation=0.0577350269189...)
    """
    shapes, errors = np.asarray(shapes, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if shapes.ndim != 1 or shapes.shape != errors.shape or len(shapes) < 2:
        raise InsufficientData(f"{shapes.shape} shapes and {errors.shape} errors: expected two or more peers, one error each")
    if not (np.isfinite(shapes).all() and np.isfinite(errors).all() and errors.min() > 0):
        raise ConfigError("a peer's shape or standard error is not finite, or an error not above 0: leave that peer out")

    def centre(between: float) -> tuple[float, float]:
        weight = 1 / (errors**2 + between)
        return float(np.sum(weight * shapes) / weight.sum()), float(weight.sum())

    def excess(between: float) -> float:
        mean, _ = centre(between)
        return float(np.sum((shapes - mean) ** 2 / (errors**2 + between))) - (len(shapes) - 1)

    between = 0.0
    if excess(0.0) > 0:
        between = float(brentq(excess, 0.0, float(np.sum((shapes - shapes.mean()) ** 2)) + 1e-12, xtol=1e-15))
    mean, weight = centre(between)
    return PeerShape(mean=mean, deviation=sqrt(between + 1 / weight))
