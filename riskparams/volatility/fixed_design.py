"""A refit to bootstrapped returns while the past stays as it was: the step that a residual bootstrap repeats."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, lgamma, log

import numpy as np
from numba import njit
from scipy.optimize import minimize

from riskparams.terms import FloatArray
from riskparams.volatility.garch import NU_BOUNDS, backcast, mean_square
from riskparams.volatility.model import Convergence, GarchFit, GarchSpec, Innovations


@njit(cache=True, nogil=True)
def fixed_design_likelihood(
    past: FloatArray, returns: FloatArray, variance: float, before: float, alpha: float, gamma: float, beta: float, nu: float
) -> float:
    """Return the log likelihood of `returns` whose variances follow from other returns, the `past`; nu of 0 is Gaussian.

    Both are (n,); the intercept makes `variance` the unconditional one, `before` stands for the bars before the first.
    """
    omega = variance * (1.0 - alpha - gamma / 2 - beta)
    sigma2 = omega + (alpha + gamma / 2 + beta) * before
    total = 0.0
    for t in range(len(past)):
        square = returns[t] * returns[t] / sigma2
        total += log(sigma2) + (square if nu == 0.0 else (nu + 1.0) * np.log1p(square / (nu - 2.0)))
        move = past[t] * past[t]
        sigma2 = omega + (alpha + (gamma if past[t] < 0 else 0.0)) * move + beta * sigma2
    constant = -0.5 * log(2 * np.pi) if nu == 0.0 else lgamma((nu + 1) / 2) - lgamma(nu / 2) - 0.5 * log(np.pi * (nu - 2))
    return len(past) * constant - total / 2


def refit(past: FloatArray, returns: FloatArray, fit: GarchFit, *, variance: float) -> GarchFit:
    """Return the maximum-likelihood fit of `returns` given the `past` that drives their variances, both (n,).

    The fixed-design residual bootstrap of Beutner, Heinemann & Smeekes (2018) draws `returns` as sigma[t] times resampled
    residuals and keeps the recursion on the returns that were seen. `variance` is the target of the intercept. The search
    begins at `fit` and stays within its bounds; a rung that estimates nothing is given back at the new variance.

    >>> rng = np.random.default_rng(1)
    >>> past = rng.standard_normal(4000)
    >>> spec = GarchSpec(innovations=Innovations.NORMAL, asymmetric=False)
    >>> true = GarchFit(spec=spec, omega=0.1, alpha=0.1, gamma=0.0, beta=0.8, nu=np.inf, log_likelihood=0.0, variance=1.0,
    ...                 n_obs=4000, convergence=Convergence.CONVERGED)
    >>> sigma2 = np.empty(4000)
    >>> sigma2[0] = 1.0
    >>> for t in range(3999):
    ...     sigma2[t + 1] = 0.1 + 0.1 * past[t] ** 2 + 0.8 * sigma2[t]
    >>> again = refit(past, np.sqrt(sigma2) * rng.standard_normal(4000), true, variance=1.0)
    >>> abs(again.alpha - 0.1) < 0.05 and again.convergence is Convergence.CONVERGED
    True
    """
    spec = fit.spec
    if not isinstance(spec, GarchSpec):
        return replace(fit, omega=fit.omega * variance / fit.variance, variance=variance)
    scale = mean_square(past)
    unit, drawn, before = past / np.sqrt(scale), returns / np.sqrt(scale), backcast(past) / scale
    heavy = spec.innovations is not Innovations.NORMAL

    def parameters(point: FloatArray) -> tuple[float, float, float, float]:
        alpha, beta, *rest = (float(value) for value in point)
        gamma = rest.pop(0) if spec.asymmetric else 0.0
        return alpha, gamma, beta, rest[0] if heavy else 0.0

    def loss(point: FloatArray) -> float:
        alpha, gamma, beta, nu = parameters(point)
        inside = alpha >= 0 and alpha + gamma >= 0 and beta >= 0 and alpha + gamma / 2 + beta <= spec.persistence_cap
        if not inside or (heavy and not NU_BOUNDS[0] <= nu <= NU_BOUNDS[1]):
            return np.inf
        value = fixed_design_likelihood(unit, drawn, variance / scale, before, alpha, gamma, beta, nu)
        return -value if isfinite(value) else np.inf

    start = [fit.alpha, fit.beta, *([fit.gamma] if spec.asymmetric else []), *([fit.nu] if heavy else [])]
    steps = np.diag(
        [0.1 * fit.alpha + 0.002, -0.004, *([0.003] if spec.asymmetric else []), *([0.02 * fit.nu] if heavy else [])]
    )
    simplex = np.vstack([start, start + steps])
    found = minimize(
        loss, start, method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 1e-5, "fatol": 1e-3, "maxiter": 800}
    )
    alpha, gamma, beta, nu = parameters(found.x)
    return replace(
        fit,
        omega=variance * (1 - alpha - gamma / 2 - beta),
        alpha=alpha,
        gamma=gamma,
        beta=beta,
        nu=nu if heavy else fit.nu,
        log_likelihood=float(-found.fun) - len(past) * log(scale) / 2,
        variance=variance,
        convergence=Convergence.CONVERGED if found.success else Convergence.ITERATION_LIMIT,
    )
