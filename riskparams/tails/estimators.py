"""Estimators of a generalised Pareto law from its excesses, as printed in the literature: shapes may be negative.

The tail that risk is read from is fitted by `riskparams.tails.gpd.fit_tail`, which never lets the shape below 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from riskparams.errors import ConstantSeries, DataError, InsufficientData
from riskparams.tails.exceedances import checked_losses
from riskparams.tails.likelihood import (
    PENALISED_LIKELIHOOD,
    gpd_log_likelihood,
    information,
    maximise,
    maximise_weighted,
    weighted_moments,
)
from riskparams.terms import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class GpdEstimate:
    """A generalised Pareto law: shape (xi) and scale (beta, in the units of the losses), with standard errors.

    The errors are `None` where none are known: for estimators other than maximum likelihood, and for shapes at or below
    -0.5, where the likelihood is not regular (Smith 1985).
    """

    shape: float
    scale: float
    log_likelihood: float
    shape_error: float | None = None
    scale_error: float | None = None


def maximum_likelihood(excesses: FloatArray) -> GpdEstimate:
    """Return the maximum-likelihood estimate over shapes of -1 and more, with errors from the observed information.

    `excesses` are losses minus the threshold, all positive, shape (k,), in any order. The likelihood is profiled in
    shape / scale (Grimshaw 1993). Raises `DataError` for an excess that is not positive and finite, and
    `InsufficientData` for fewer than two.

    >>> rng = np.random.default_rng(1)
    >>> found = maximum_likelihood(rng.pareto(4.0, 2_000))          # shape 1 / 4
    >>> abs(found.shape - 0.25) < 2 * found.shape_error
    True
    """
    excesses = _checked(excesses)
    shape, scale = maximise(excesses, False)
    value = gpd_log_likelihood(excesses, shape, scale)
    if shape > -0.5:
        shape_shape, shape_scale, scale_scale = information(excesses, shape, scale)
        determinant = shape_shape * scale_scale - shape_scale * shape_scale
        if determinant > 0 and shape_shape > 0:
            return GpdEstimate(
                shape=shape,
                scale=scale,
                log_likelihood=value,
                shape_error=sqrt(scale_scale / determinant),
                scale_error=sqrt(shape_shape / determinant),
            )
    return GpdEstimate(shape=shape, scale=scale, log_likelihood=value)


def penalised_likelihood(excesses: FloatArray) -> GpdEstimate:
    """Return the estimate that maximises likelihood x exp(-(1 / (1 - shape) - 1)) over shapes in [0, 1).

    The penalty of Coles & Dixon (1999) keeps few excesses from claiming an infinite mean. Below 0 it does not act;
    shapes there are taken as 0. Raises as `maximum_likelihood` does.
    """
    excesses = _checked(excesses)
    shape, scale = maximise_weighted(excesses, PENALISED_LIKELIHOOD, 0.0, 1.0)
    return GpdEstimate(shape=shape, scale=scale, log_likelihood=gpd_log_likelihood(excesses, shape, scale))


def weighted_moments_estimate(excesses: FloatArray, plotting_offset: float | None = None) -> GpdEstimate:
    """Return the estimate by probability-weighted moments a0 = E[Y], a1 = E[Y (1 - F(Y))] (Hosking & Wallis 1987).

    shape = 2 - a0 / (a0 - 2 a1), scale = 2 a0 a1 / (a0 - 2 a1). a1 is unbiased unless a `plotting_offset` is given:
    then F(y_i) = (i - offset) / n, for which 0.35 is usual. Raises as `maximum_likelihood` does, and `ConstantSeries`
    where all excesses are the same.
    """
    excesses = _checked(excesses)
    first, second = weighted_moments(np.sort(excesses), plotting_offset or 0.0, plotting_offset is None)
    rest = first - 2 * second
    if rest <= 1e-12 * first:
        raise ConstantSeries(f"{len(excesses)} excesses hardly differ from {first:.6g}: their moments fit no Pareto law")
    shape, scale = 2 - first / rest, 2 * first * second / rest
    return GpdEstimate(shape=shape, scale=scale, log_likelihood=gpd_log_likelihood(excesses, shape, scale))


def hill(losses: FloatArray, count: int) -> float:
    """Return Hill's estimate of the shape, 1 / tail index, from the `count` largest losses (positive = fell).

    mean(log X(1..k)) - log X(k + 1), with X descending (Hill 1975). Some programs divide by X(k) instead, which is
    (k - 1) / k of this estimate at k - 1. Raises `DataError` where the k + 1 largest losses are not all positive, and
    `InsufficientData` where there are not that many.

    >>> round(hill(np.array([8.0, 4.0, 2.0, 1.0]), 2), 6)            # 1.5 log 2
    1.039721
    """
    values = checked_losses(losses)
    if not 1 <= count < len(values):
        raise InsufficientData(f"{len(values)} losses cannot give Hill's estimate at {count}: expected 1 to {len(values) - 1}")
    top = np.sort(values)[len(values) - count - 1 :]
    if top[0] <= 0:
        raise DataError(
            f"the loss of rank {count + 1} is {top[0]:.6g}: Hill's estimate needs positive ones, use a smaller count"
        )
    return float(np.log(top[1:]).mean() - log(top[0]))


def _checked(excesses: FloatArray) -> FloatArray:
    values = np.asarray(excesses, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise InsufficientData(f"excesses have shape {values.shape}: expected two or more, shape (k,)")
    if not (values.min() > 0 and values.max() < np.inf):
        row = int(np.argmin((values > 0) & (values < np.inf)))
        raise DataError(f"excess {row} of {len(values)} is {values[row]}: expected losses above the threshold, less it")
    return values
