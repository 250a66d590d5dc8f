"""Our one GARCH estimator: GJR-GARCH(1,1)-t by maximum likelihood, variance-targeted or with a free intercept."""

from __future__ import annotations

from functools import cache
from math import inf, log, pi, sqrt

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, psi
from threadpoolctl import ThreadpoolController

from riskparams.terms import FloatArray, IntArray
from riskparams.volatility.model import Convergence, GarchFit, GarchSpec
from riskparams.volatility.recursions import gjr_filter, gjr_t_sums

NU_BOUNDS = (2.05, 500.0)  # as in arch
STARTS = ((0.05, 0.05, 0.90, 6.0), (0.10, 0.02, 0.80, 5.0), (0.03, 0.02, 0.95, 4.0))  # alpha, gamma, beta, nu


@cache
def _one_thread() -> ThreadpoolController:
    """The linear algebra inside the search, which may round differently with another number of threads."""
    return ThreadpoolController()


def backcast(e: FloatArray) -> float:
    """Return the variance that stands in for the past: squares of the first 75 values, weights falling by 0.94."""
    count = min(75, len(e))
    weight = 0.94 ** np.arange(count)
    return float(np.sum(weight * e[:count] ** 2) / weight.sum())


def mean_square(e: FloatArray) -> float:
    """Return the mean of squares, summed pairwise: a BLAS product would depend on the number of threads."""
    return float(np.mean(np.square(e)))


def log_likelihood(e: FloatArray, parameters: FloatArray, spec: GarchSpec) -> tuple[float, FloatArray]:
    """Return the Student-t log likelihood and its gradient in `(omega, alpha, gamma, beta, nu)`.

    `e` is shape (n,). Targeted, omega follows from the others (`variance * (1 - persistence)`), the value given is
    ignored and its derivative is 0. The t density is scaled to unit variance (Bollerslev 1987); the recursion starts
    from `backcast`, as in `arch`.
    """
    return _log_likelihood(e, parameters, spec.targeted, mean_square(e), backcast(e))


def _log_likelihood(
    e: FloatArray, parameters: FloatArray, targeted: bool, variance: float, start: float
) -> tuple[float, FloatArray]:
    omega, alpha, gamma, beta, nu = (float(value) for value in parameters)
    n = len(e)
    domega = np.zeros(3)
    if targeted:
        omega = variance * (1 - alpha - gamma / 2 - beta)
        domega = -variance * np.array([1.0, 0.5, 1.0])
    log_sigma2, log_tail, weight, slope = gjr_t_sums(e, alpha, gamma, beta, nu, omega, domega, start)
    constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - log(pi * (nu - 2)) / 2
    value = n * constant - log_sigma2 / 2 - (nu + 1) / 2 * log_tail
    d_nu = n * (psi((nu + 1) / 2) - psi(nu / 2) - 1 / (nu - 2)) / 2 - log_tail / 2 + (nu + 1) / 2 * weight / (nu - 2)
    gradient = np.append(slope, d_nu)
    if targeted:
        gradient[0] = 0.0
    return float(value), gradient


def fit_garch(e: FloatArray, spec: GarchSpec, *, starts: tuple[tuple[float, float, float, float], ...] = STARTS) -> GarchFit:
    """Return the maximum-likelihood fit from the best of several starting points.

    `e` are returns free of their hour-of-week factor, with mean zero, any scale: the fit is made at unit variance and
    scaled back. Bounds: alpha, beta in [0, 1], gamma in [-1, 2] (0 if symmetric), alpha + gamma >= 0, persistence up
    to its cap (1 with a free intercept), nu in [2.05, 500]. A search that did not converge is a value, not an error.

    >>> from riskparams.prices.sample import index_market
    >>> from riskparams.returns import log_returns
    >>> from riskparams.terms import Asset, Pair
    >>> sp500 = log_returns(index_market(), Pair(Asset("SPX"), Asset("USD")))
    >>> fit = fit_garch(sp500.value, GarchSpec())
    >>> 0.95 < fit.persistence < 1
    True
    """
    scale = sqrt(mean_square(e))
    unit = e / scale
    start = backcast(unit)
    free = not spec.targeted
    bounds = [(0.0, 1.0), (-1.0, 2.0) if spec.asymmetric else (0.0, 0.0), (0.0, 1.0), NU_BOUNDS]
    cap = 1.0 if free else spec.persistence_cap
    weights = np.array([1.0, 0.5, 1.0, 0.0])
    if free:
        bounds = [(1e-8, 10.0), *bounds]
    at = 1 if free else 0  # where alpha stands in the searched vector

    def full(x: FloatArray) -> FloatArray:
        return x if free else np.append(0.0, x)

    def objective(x: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = _log_likelihood(unit, full(x), spec.targeted, 1.0, start)
        if not np.isfinite(value):
            return 1e10, np.zeros_like(x)
        return -value / len(e), -gradient[5 - len(x) :] / len(e)

    pad = np.zeros(at)
    constraints = [
        {"type": "ineq", "fun": lambda x: cap - weights @ x[at:], "jac": lambda _: np.append(pad, -weights)},
        {"type": "ineq", "fun": lambda x: x[at] + x[at + 1], "jac": lambda _: np.append(pad, [1.0, 1.0, 0.0, 0.0])},
    ]
    results = []
    for alpha, gamma, beta, nu in starts:
        gamma = gamma if spec.asymmetric else 0.0
        first = np.array([alpha, gamma, beta, nu])
        if free:
            first = np.append(1 - weights @ first, first)
        with _one_thread().limit(limits=1):
            results.append(
                minimize(
                    objective,
                    first,
                    jac=True,
                    method="SLSQP",
                    bounds=bounds,
                    constraints=constraints,
                    options={"maxiter": 200, "ftol": 1e-12},
                )
            )
    values = [-float(result.fun) * len(e) for result in results]
    best = int(np.argmax(values))
    result = results[best]
    low, high = np.array(bounds).T
    x = np.clip(result.x, low, high)
    alpha, gamma, beta, nu = (float(value) for value in x[at:])
    omega = float(x[0]) if free else 1 - alpha - gamma / 2 - beta
    convergence = Convergence.CONVERGED
    if not np.isfinite(values[best]) or result.fun >= 1e10:
        convergence = Convergence.FAILED
    elif result.status != 0:
        convergence = Convergence.ITERATION_LIMIT if result.status == 9 else Convergence.FAILED
    return GarchFit(
        spec=spec,
        omega=max(omega, 0.0) * scale**2,
        alpha=alpha,
        gamma=gamma,
        beta=beta,
        nu=nu,
        log_likelihood=values[best] - len(e) * log(scale),
        variance=scale**2,
        n_obs=len(e),
        convergence=convergence,
        starts_spread=values[best] - min(values) if np.isfinite(values).all() else inf,
    )


def conditional_variance(e: FloatArray, fit: GarchFit, starts: IntArray | None = None) -> FloatArray:
    """Return n + 1 conditional variances; entry t was known before `e[t]`, the last is the forecast.

    `starts` holds the first index of each segment: after a long gap the recursion begins anew.
    """
    begins = np.zeros(1, dtype=np.int64) if starts is None else starts
    ends = np.append(begins[1:], len(e))
    levels = np.array([backcast(e[first:last]) for first, last in zip(begins, ends, strict=True)])
    variance: FloatArray = gjr_filter(e, begins, fit.omega, fit.alpha, fit.gamma, fit.beta, levels)
    return variance
