"""EWMA: the last rung. Nothing is estimated, so nothing can fail to converge."""

from __future__ import annotations

from math import inf, log, pi

import numpy as np

from riskparams.terms import DAY, FloatArray
from riskparams.volatility.garch import conditional_variance, mean_square
from riskparams.volatility.model import Convergence, EwmaSpec, GarchFit


def default_ewma(bar: int) -> EwmaSpec:
    """Return the usual decay: 0.94 for daily bars and longer, 0.985 below (`bar` in nanoseconds).

    >>> default_ewma(DAY).decay
    0.94
    """
    return EwmaSpec(decay=0.94 if bar >= DAY else 0.985)


def fit_ewma(e: FloatArray, spec: EwmaSpec) -> GarchFit:
    """Return the EWMA recursion as an integrated GARCH without intercept, with its Gaussian log likelihood."""
    fit = GarchFit(
        spec=spec,
        omega=0.0,
        alpha=1 - spec.decay,
        gamma=0.0,
        beta=spec.decay,
        nu=inf,
        log_likelihood=float("nan"),
        variance=mean_square(e),
        n_obs=len(e),
        convergence=Convergence.NOT_NEEDED,
    )
    sigma2 = np.maximum(conditional_variance(e, fit)[:-1], 1e-300)
    likelihood = -0.5 * float(np.sum(np.log(sigma2) + e**2 / sigma2)) - len(e) / 2 * log(2 * pi)
    return GarchFit(**{**{name: getattr(fit, name) for name in fit.__slots__}, "log_likelihood": likelihood})
