"""The generalised Pareto likelihood in plain numpy, maximised by a general search: slow, and beyond doubt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from riskparams.terms import FloatArray


def log_likelihood(excesses: FloatArray, shape: float, scale: float) -> float:
    if abs(shape) < 1e-9:
        return float(-len(excesses) * np.log(scale) - excesses.sum() / scale)
    inside = shape * excesses / scale
    if inside.min() <= -1:
        return -np.inf
    return float(-len(excesses) * np.log(scale) - (1 + 1 / shape) * np.log1p(inside).sum())


def penalty(shape: float) -> float:
    """Coles & Dixon (1999), as a logarithm."""
    return 1 - 1 / (1 - shape) if shape < 1 else -np.inf


def prior(mean: float, deviation: float) -> Callable[[float], float]:
    return lambda shape: -(((shape - mean) / deviation) ** 2) / 2


def none(_: float) -> float:
    return 0.0


def best(excesses: FloatArray, weight: Callable[[float], float], lowest: float = 0.0) -> tuple[float, float, float]:
    """Return the largest weighted log likelihood over shapes from `lowest`, with shape and scale."""

    def value(shape: float, scale: float) -> float:
        return log_likelihood(excesses, shape, scale) + weight(shape) if shape >= lowest else -np.inf

    mean = float(excesses.mean())
    found = [(value(0.0, mean), 0.0, mean)]
    for start in (-0.3, 0.05, 0.3, 0.8, 2.0):
        if start < lowest:
            continue
        at = np.array([start, np.log(np.median(excesses) if start > 0 else -start * excesses.max() * 1.1)])
        for _ in range(2):
            result = minimize(
                lambda x: -max(value(x[0], np.exp(x[1])), -1e10),
                at,
                method="Nelder-Mead",
                options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4_000},
            )
            at = result.x
        found.append((-result.fun, float(at[0]), float(np.exp(at[1]))))
    return max(found)


def anderson_darling(ordered: FloatArray, shape: float, scale: float) -> float:
    n = len(ordered)
    below = 1 - (1 + shape * ordered / scale) ** (-1 / shape)
    rank = np.arange(1, n + 1)
    return float(-n - np.mean((2 * rank - 1) * (np.log(below) + np.log(1 - below[::-1]))))
