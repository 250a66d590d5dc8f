"""Our one GARCH estimator: GARCH and GJR by maximum likelihood, variance-targeted or with a free intercept."""

from __future__ import annotations

from math import inf, log, sqrt

import numpy as np

from riskparams.errors import ConstantSeries, DataError
from riskparams.terms import FloatArray, IntArray
from riskparams.volatility import recursions, search
from riskparams.volatility.model import Convergence, GarchFit, GarchSpec, Innovations, Presample
from riskparams.volatility.search import Problem

NU_BOUNDS = (2.05, 500.0)  # as in arch
SKEW_BOUND = 0.99
STARTS = (  # alpha, gamma, beta, nu
    (0.05, 0.05, 0.90, 6.0),
    (0.10, 0.02, 0.80, 5.0),
    (0.03, 0.02, 0.95, 4.0),
    (0.03, 0.00, 0.00, 5.0),  # for returns without memory; not climbed where it begins far below the others
)
COUNTED = 3  # of them: where returns have a memory the last often stops lower, and that is no disagreement
CAREFUL = 1e-9  # promised gain in log likelihood at which a search ends
PARAMETERS = ("mu", "omega", "alpha", "gamma", "beta", "nu", "skew")
LAWS = {
    Innovations.NORMAL: recursions.NORMAL,
    Innovations.STUDENT_T: recursions.STUDENT_T,
    Innovations.SKEWED_T: recursions.SKEWED_T,
}
ENDINGS = {
    search.CONVERGED: Convergence.CONVERGED,
    search.ITERATION_LIMIT: Convergence.ITERATION_LIMIT,
    search.FAILED: Convergence.FAILED,
}


def backcast(e: FloatArray) -> float:
    """Return the variance that stands in for the past: squares of the first 75 values, weights falling by 0.94."""
    count = min(75, len(e))
    weight = 0.94 ** np.arange(count)
    return float(np.sum(weight * e[:count] ** 2) / weight.sum())


def mean_square(e: FloatArray) -> float:
    """Return the mean of squares, summed pairwise: a BLAS product would depend on the number of threads."""
    return float(np.mean(np.square(e)))


def scale_of(e: FloatArray) -> float:
    """Return the root mean square of returns; raise `DataError` for a value that is not finite, `ConstantSeries` for 0."""
    bad = np.flatnonzero(~np.isfinite(e))
    if len(bad):
        raise DataError(f"return {bad[0]} is {e[bad[0]]}: expected finite numbers; leave such bars out before fitting")
    size = mean_square(e) if len(e) else 0.0
    if not 0 < size < inf:
        raise ConstantSeries(
            f"{len(e)} returns have a mean square of {size:g}: there is no movement to fit, or the unit is far off; "
            "leave dead spells out, or give returns near 1"
        )
    return sqrt(size)


def presample(e: FloatArray, spec: GarchSpec) -> FloatArray:
    """Return the variance before the sample as coefficients of 1, mu and mu**2."""
    if spec.presample is Presample.MEAN_SQUARE:
        return np.array([mean_square(e), -2 * float(e.mean()) * spec.constant_mean, float(spec.constant_mean)])
    return np.array([backcast(e - e.mean() if spec.constant_mean else e), 0.0, 0.0])


def log_likelihood(e: FloatArray, parameters: FloatArray, spec: GarchSpec) -> tuple[float, FloatArray]:
    """Return the log likelihood of returns, shape (n,), and its gradient in `(mu, omega, alpha, gamma, beta, nu, skew)`.

    All seven are used as given, whatever the spec ties or leaves out; its innovations and presample variance count. The
    Student-t density is scaled to unit variance (Bollerslev 1987), the skewed one is Hansen's (1994).
    """
    mu, omega, alpha, gamma, beta, nu, skew = parameters
    theta = np.array([mu, omega, alpha, alpha + gamma, beta, nu, skew])
    gradient = np.empty(7)
    value = recursions.likelihood(e, LAWS[spec.innovations], theta, presample(e, spec), gradient)
    gradient[recursions.RISE] += gradient[recursions.FALL]  # alpha moves both responses, gamma that to falls
    return value, gradient


def search_problem(spec: GarchSpec) -> Problem:
    """Return the chart and the bounds of a spec; each column of the chart is one natural step."""
    mu, omega, rise, fall, beta, eta, skew = np.eye(7)
    persistence = (rise + fall) / 2 + beta
    law, cap = spec.innovations, spec.persistence_cap if spec.targeted else 1.0
    origin, tied = np.zeros(7), np.eye(7)
    moves = [0.05 * rise, 0.05 * fall] if spec.asymmetric else [0.05 * (rise + fall)]
    moves.append(-0.05 * beta)  # away from the persistence cap: differences are taken forward
    bounds = [(-rise, 0.0), (rise, 1.0), (-beta, 0.0), (persistence, cap)]
    if spec.asymmetric:
        bounds.append((-fall, 0.0))
    if spec.targeted:
        origin[recursions.OMEGA] = 1.0
        tied[recursions.OMEGA] = -persistence
    else:
        moves.insert(0, 0.02 * omega)
        bounds = [(-omega, -1e-8), (omega, 10.0), *bounds]
    if spec.constant_mean:
        moves.insert(0, 0.02 * mu)
    if spec.innovations is not Innovations.NORMAL:
        moves.append(0.05 * eta)
        bounds += [(-eta, -1 / NU_BOUNDS[1]), (eta, 1 / NU_BOUNDS[0])]
    if spec.innovations is Innovations.SKEWED_T:
        moves.append(0.1 * skew)
        bounds += [(-skew, SKEW_BOUND), (skew, SKEW_BOUND)]
    steps = np.array(moves).T
    chart = np.ascontiguousarray(tied @ steps)
    starts = []
    for alpha, gamma, b, nu in STARTS:
        shrink = min(1.0, 0.99 * cap / (alpha + gamma / 2 + b))
        y = shrink * (alpha * rise + (alpha + gamma) * fall + b * beta) + eta / nu
        y[recursions.OMEGA] = 1 - persistence @ y
        starts.append(np.linalg.lstsq(chart, y - origin, rcond=None)[0])
    return Problem(
        law=recursions.CENTRED_T if law is Innovations.STUDENT_T and not spec.constant_mean else LAWS[law],
        origin=origin,
        chart=chart,
        walls=np.ascontiguousarray(np.array([wall for wall, _ in bounds]) @ steps),
        limit=np.array([limit for _, limit in bounds]),
        starts=np.array(starts),
    )


def fit_garch(e: FloatArray, spec: GarchSpec) -> GarchFit:
    """Return the maximum-likelihood fit from the best of several starting points.

    `e` are returns free of their hour-of-week factor, any scale: the fit is made at unit variance and scaled back.
    Bounds: alpha in [0, 1], alpha + gamma and beta >= 0, persistence up to its cap (1 with a free intercept), nu in
    [2.05, 500], skew within 0.99. A search that did not converge is a value, not an error; raises what `scale_of` does.

    >>> from riskparams.prices.sample import index_market
    >>> from riskparams.returns import log_returns
    >>> from riskparams.terms import Asset, Pair
    >>> sp500 = log_returns(index_market(), Pair(Asset("SPX"), Asset("USD")))
    >>> fit = fit_garch(sp500.value, GarchSpec())
    >>> 0.95 < fit.persistence < 1
    True
    """
    scale = scale_of(e)
    unit = e / scale
    problem, start = search_problem(spec), presample(unit, spec)
    k = problem.chart.shape[1]
    best: tuple[float, int, FloatArray] | None = None
    values: list[float] = []
    for x in problem.starts.copy():
        if spec.constant_mean:
            x[0] = unit.mean() / problem.chart[0, 0]
        if len(values) == COUNTED:
            begins = search.ascent(unit, problem.law, problem.origin, problem.chart, start, x, np.empty(k))
            if begins < max(values) - search.FAR * len(e):
                continue
        value, ending, _ = search.climb(
            unit, problem.law, problem.origin, problem.chart, start, problem.walls, problem.limit,
            x, np.zeros((k, k)), False, CAREFUL, 200,
        )  # fmt: skip
        values.append(value)
        if best is None or value > best[0]:
            best = value, ending, x
    assert best is not None
    value, ending, x = best
    return GarchFit(
        spec=spec,
        **dict(zip(PARAMETERS, natural(spec, problem.origin + problem.chart @ x, scale).tolist(), strict=True)),
        log_likelihood=value - len(e) * log(scale),
        variance=scale**2,
        n_obs=len(e),
        convergence=ENDINGS[ending],
        starts_spread=value - min(values[:COUNTED]) if np.isfinite(values[:COUNTED]).all() else inf,
    )


def natural(spec: GarchSpec, y: FloatArray, scale: float | FloatArray) -> FloatArray:
    """Return points of the search, shape (..., 7), as `PARAMETERS` in units of which the returns have `scale`."""
    mu, omega, rise, fall, beta, eta, skew = np.moveaxis(y, -1, 0)
    rise, fall = np.maximum(rise, 0.0), np.maximum(fall, 0.0)
    nu = np.full_like(eta, inf) if spec.innovations is Innovations.NORMAL else np.clip(1 / eta, *NU_BOUNDS)
    omega = np.maximum(omega, 0.0) * scale**2
    return np.stack([mu * scale, omega, rise, fall - rise, np.maximum(beta, 0.0), nu, skew], axis=-1)


def conditional_variance(e: FloatArray, fit: GarchFit, starts: IntArray | None = None) -> FloatArray:
    """Return n + 1 conditional variances; entry t was known before `e[t]`, the last is the forecast.

    `starts` holds the first index of each segment: after a long gap the recursion begins anew.
    """
    begins = np.zeros(1, dtype=np.int64) if starts is None else starts
    ends = np.append(begins[1:], len(e))
    centred = e - fit.mu
    if isinstance(fit.spec, GarchSpec) and fit.spec.presample is Presample.MEAN_SQUARE:
        levels = np.array([mean_square(centred[first:last]) for first, last in zip(begins, ends, strict=True)])
    else:
        levels = np.array([backcast(centred[first:last]) for first, last in zip(begins, ends, strict=True)])
    variance: FloatArray = recursions.gjr_filter(centred, begins, fit.omega, fit.alpha, fit.gamma, fit.beta, levels)
    return variance
