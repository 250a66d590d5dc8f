"""EWMA and the plain historical variance: nothing is estimated, so nothing can fail to converge."""

from __future__ import annotations

from dataclasses import replace
from math import inf, pi

import numpy as np

from riskparams.terms import DAY, FloatArray
from riskparams.volatility.garch import conditional_variance, mean_square
from riskparams.volatility.model import Convergence, EwmaSpec, GarchFit, HistoricalSpec


def default_ewma(bar: int) -> EwmaSpec:
    """Return the usual decay: 0.94 for daily bars and longer, 0.985 below (`bar` in nanoseconds).

    >>> default_ewma(DAY).decay
    0.94
    """
    return EwmaSpec(decay=0.94 if bar >= DAY else 0.985)


def fit_ewma(e: FloatArray, spec: EwmaSpec) -> GarchFit:
    """Return the EWMA recursion as an integrated GARCH without intercept, with its Gaussian log likelihood."""
    return _given(e, spec, omega=0.0, alpha=1 - spec.decay, beta=spec.decay)


def fit_historical(e: FloatArray, spec: HistoricalSpec) -> GarchFit:
    """Return the mean square of the newest returns as a recursion that does not move, with its Gaussian log likelihood."""
    return _given(e, spec, omega=mean_square(e[-spec.bars :]), alpha=0.0, beta=0.0)


def _given(e: FloatArray, spec: EwmaSpec | HistoricalSpec, *, omega: float, alpha: float, beta: float) -> GarchFit:
    fit = GarchFit(
        spec=spec,
        omega=omega,
        alpha=alpha,
        gamma=0.0,
        beta=beta,
        nu=inf,
        log_likelihood=float("nan"),
        variance=mean_square(e),
        n_obs=len(e),
        convergence=Convergence.NOT_NEEDED,
    )
    sigma2 = np.maximum(conditional_variance(e, fit)[:-1], 1e-300)
    return replace(fit, log_likelihood=-0.5 * float(np.sum(np.log(2 * pi * sigma2) + e**2 / sigma2)))
