"""Beta-t-EGARCH: a log scale driven by the score of Student's t, so that one huge return moves it little."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, pi, sqrt

import numpy as np
from numba import njit
from scipy.optimize import minimize
from scipy.special import gammaln, psi

from riskparams.terms import FloatArray
from riskparams.volatility.garch import NU_BOUNDS, mean_square
from riskparams.volatility.innovations import InnovationLaw
from riskparams.volatility.model import Convergence

BOUNDS = ((-20.0, 20.0), (-0.9999, 0.9999), (0.0, 1.0), (-1.0, 1.0), NU_BOUNDS)  # omega, phi, kappa, leverage, nu
STARTS = ((0.98, 0.04, 0.02, 8.0), (0.95, 0.08, 0.0, 5.0), (0.90, 0.05, 0.05, 12.0), (0.995, 0.03, 0.01, 6.0))  # all but omega
MOST_ITERATIONS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaTEgarchSpec:
    """First-order Beta-t-EGARCH with leverage, zero mean and Student-t innovations: nothing to choose."""

    @property
    def name(self) -> str:
        """The model as a report names it."""
        return "Beta-t-EGARCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaTEgarchFit:
    """Parameters in the units of the returns that were fitted.

    `omega` is the long-run log scale, `phi` the persistence, `kappa` the reaction to the size of a return and
    `leverage` the extra reaction to a fall; the scale is that of a t which has not unit variance but nu / (nu - 2).
    `starts_spread` is the largest shortfall of log likelihood among the starting points.
    """

    spec: BetaTEgarchSpec
    omega: float
    phi: float
    kappa: float
    leverage: float
    nu: float
    log_likelihood: float
    n_obs: int
    convergence: Convergence
    starts_spread: float = 0.0

    @property
    def persistence(self) -> float:
        """Share of a deviation of the log scale that is left after one bar."""
        return self.phi

    @property
    def law(self) -> InnovationLaw:
        """The innovation over its standard deviation: multiply by the square root of `beta_t_variance`."""
        return InnovationLaw(nu=self.nu)


@njit(cache=True, nogil=True)
def log_scale(y: FloatArray, omega: float, phi: float, kappa: float, leverage: float, nu: float) -> FloatArray:
    """Return n + 1 log scales: entry t is known before y[t], the first is omega, the last the forecast.

    lambda[t] = omega + l[t], l[t+1] = phi l[t] + kappa u[t] + leverage sign(-y[t]) (u[t] + 1) with the score
    u = (nu + 1) y**2 / (nu exp(2 lambda) + y**2) - 1 (Harvey & Sucarrat 2014).
    """
    n = len(y)
    scale = np.empty(n + 1)
    deviation = 0.0
    for t in range(n):
        scale[t] = omega + deviation
        square = y[t] * y[t] * np.exp(-2.0 * scale[t]) / nu
        score = (nu + 1.0) * square / (1.0 + square) - 1.0
        deviation = phi * deviation + kappa * score - leverage * np.sign(y[t]) * (score + 1.0)
    scale[n] = omega + deviation
    return scale


@njit(cache=True, nogil=True)
def score_sums(
    y: FloatArray, omega: float, phi: float, kappa: float, leverage: float, nu: float
) -> tuple[float, float, float, FloatArray]:
    """Return the parts of the log likelihood that need the data.

    With x = (y exp(-lambda))**2 / nu: the sums of lambda, log(1 + x) and x / (1 + x), and the derivatives of
    -sum(lambda) - (nu + 1) / 2 sum(log(1 + x)) in (omega, phi, kappa, leverage, nu) by way of lambda.
    """
    sum_scale, sum_tail, sum_share = 0.0, 0.0, 0.0
    deviation = 0.0
    slope = np.zeros(5)  # of the deviation
    total = np.zeros(5)
    for t in range(len(y)):
        scale = omega + deviation
        square = y[t] * y[t] * np.exp(-2.0 * scale) / nu
        share = square / (1.0 + square)
        score = (nu + 1.0) * share - 1.0
        sum_scale += scale
        sum_tail += np.log1p(square)
        sum_share += share
        for i in range(5):
            total[i] += score * slope[i]
        total[0] += score
        side = -np.sign(y[t])
        reaction = kappa + leverage * side
        curve = -2.0 * (nu + 1.0) * share * (1.0 - share)  # of the score in lambda
        keep = phi + reaction * curve
        slope[0] = keep * slope[0] + reaction * curve
        slope[1] = keep * slope[1] + deviation
        slope[2] = keep * slope[2] + score
        slope[3] = keep * slope[3] + side * (score + 1.0)
        slope[4] = keep * slope[4] + reaction * (share + curve / (2.0 * nu))
        deviation = phi * deviation + kappa * score + leverage * side * (score + 1.0)
    return sum_scale, sum_tail, sum_share, total


def log_likelihood(y: FloatArray, parameters: FloatArray) -> tuple[float, FloatArray]:
    """Return the log likelihood of `y`, shape (n,), and its gradient in `(omega, phi, kappa, leverage, nu)`."""
    nu, n = float(parameters[4]), len(y)
    sum_scale, sum_tail, sum_share, gradient = score_sums(y, *(float(value) for value in parameters))
    constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - log(pi * nu) / 2
    gradient[4] += n * (psi((nu + 1) / 2) - psi(nu / 2) - 1 / nu) / 2 - sum_tail / 2 + (nu + 1) / 2 * sum_share / nu
    return float(n * constant - sum_scale - (nu + 1) / 2 * sum_tail), gradient


def fit_beta_t_egarch(y: FloatArray, spec: BetaTEgarchSpec | None = None) -> BetaTEgarchFit:
    """Return the maximum-likelihood fit of returns with mean zero, shape (n,), from the best of several starting points.

    Any scale: the fit is made at unit variance and scaled back. Bounds: |phi| < 1, kappa in [0, 1], leverage in
    [-1, 1], nu in [2.05, 500]. A search that did not converge is a value, not an error.

    >>> rng = np.random.default_rng(1)
    >>> fit = fit_beta_t_egarch(0.01 * rng.standard_t(5, 2000))
    >>> fit.convergence is Convergence.CONVERGED and 4 < fit.nu < 7
    True
    """
    unit_scale = sqrt(mean_square(y))
    unit = y / unit_scale
    n = len(y)

    def objective(x: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = log_likelihood(unit, x)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return 1e10, np.zeros(5)
        return -value / n, -gradient / n

    results = [
        minimize(
            objective,
            np.array([log((start[-1] - 2) / start[-1]) / 2, *start]),
            jac=True,
            method="SLSQP",
            bounds=BOUNDS,
            options={"maxiter": MOST_ITERATIONS, "ftol": 1e-12},
        )
        for start in STARTS
    ]
    values = [-float(result.fun) * n for result in results]
    best = int(np.argmax(values))
    result = results[best]
    low, high = np.array(BOUNDS).T
    omega, phi, kappa, leverage, nu = (float(value) for value in np.clip(result.x, low, high))
    convergence = Convergence.CONVERGED
    if result.fun >= 1e10:
        convergence = Convergence.FAILED
    elif result.status != 0:
        convergence = Convergence.ITERATION_LIMIT if result.status == 9 else Convergence.FAILED
    return BetaTEgarchFit(
        spec=spec or BetaTEgarchSpec(),
        omega=omega + log(unit_scale),
        phi=phi,
        kappa=kappa,
        leverage=leverage,
        nu=nu,
        log_likelihood=values[best] - n * log(unit_scale),
        n_obs=n,
        convergence=convergence,
        starts_spread=values[best] - min(values) if max(float(one.fun) for one in results) < 1e10 else inf,
    )


def beta_t_variance(y: FloatArray, fit: BetaTEgarchFit) -> FloatArray:
    """Return n + 1 conditional variances; entry t was known before `y[t]`, the last is the forecast.

    exp(2 lambda) nu / (nu - 2), with lambda from `log_scale`.
    """
    scale = log_scale(y, fit.omega, fit.phi, fit.kappa, fit.leverage, fit.nu)
    return np.asarray(np.exp(2 * scale) * fit.nu / (fit.nu - 2))
