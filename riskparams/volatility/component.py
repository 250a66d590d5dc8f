"""Two components of variance: a fast one for the shock of the hour and a slow one for the level of the season.

One exponential memory cannot serve both: on hourly returns the best single one runs into its persistence bound, reacts too
little to the last bar and forgets too slowly after it. The recursion has the second-order form of Engle & Lee (1999), written
as the sum of two exponentially weighted means so that all its bounds are linear; each responds to falls and rises apart, as
Glosten, Jagannathan & Runkle (1993). Estimated by Gaussian quasi-likelihood (Bollerslev & Wooldridge 1992), which asks
nothing of the tail: that is the extreme-value fit's affair.
"""

from __future__ import annotations

from math import log

import numpy as np

from riskparams.terms import FloatArray, IntArray
from riskparams.volatility import recursions, search
from riskparams.volatility.garch import CAREFUL, ENDINGS, backcast, scale_of
from riskparams.volatility.model import ComponentFit, ComponentSpec
from riskparams.volatility.search import Problem

FAST = (0.0, 0.98)  # decays
SLOW = (0.5, 0.9995)
APART = 0.01
STARTS = ((0.7, 0.3, 0.97, 0.5), (0.85, 0.3, 0.99, 0.6), (0.3, 0.2, 0.95, 0.6), (0.9, 0.6, 0.995, 0.3))  # decay, response
PARAMETERS = ("slow_decay", "omega", "fast_rise", "fast_fall", "fast_decay", "slow_rise", "slow_fall")


def component_problem(spec: ComponentSpec) -> Problem:
    """Return the chart, bounds and starting points of the search, for mean square 1."""
    slow_decay, _, fast_rise, fast_fall, fast_decay, slow_rise, slow_fall = np.eye(7)
    responses = (fast_rise, fast_fall, slow_rise, slow_fall)
    carried = np.sum(responses, axis=0) / 2
    origin, tied = np.zeros(7), np.eye(7)
    origin[recursions.OMEGA] = 1.0
    tied[recursions.OMEGA] = -carried
    steps = np.array([0.1 * response for response in responses] + [-0.05 * fast_decay, -0.01 * slow_decay]).T
    bounds = [(-response, 0.0) for response in responses] + [
        (carried, spec.response_cap),
        (-fast_decay, -FAST[0]),
        (fast_decay, FAST[1]),
        (-slow_decay, -SLOW[0]),
        (slow_decay, SLOW[1]),
        (fast_decay - slow_decay, -APART),
    ]
    points = [
        quick * fast_decay + one * (fast_rise + fast_fall) + lasting * slow_decay + two * (slow_rise + slow_fall)
        for quick, one, lasting, two in STARTS
    ]
    return Problem(
        law=recursions.COMPONENTS,
        origin=origin,
        chart=np.ascontiguousarray(tied @ steps),
        walls=np.ascontiguousarray(np.array([wall for wall, _ in bounds]) @ steps),
        limit=np.array([limit for _, limit in bounds]),
        starts=np.array([np.linalg.lstsq(steps, point, rcond=None)[0] for point in points]),
    )


def fit_component(e: FloatArray, spec: ComponentSpec) -> ComponentFit:
    """Return the quasi-maximum-likelihood fit from the best of several starting points.

    `e` are returns free of their hour-of-week factor, with mean zero, any scale. A search that did not converge is a value,
    not an error; raises what `scale_of` does.

    >>> rng = np.random.default_rng(3)
    >>> fit = fit_component(rng.standard_t(5, 1000), ComponentSpec())
    >>> bool(0 <= fit.fast_decay < fit.slow_decay < 1)
    True
    """
    scale = scale_of(e)
    unit = e / scale
    problem, start = component_problem(spec), np.array([backcast(unit), 0.0, 0.0])
    k = problem.chart.shape[1]
    found = []
    for x in problem.starts.copy():
        value, ending, _ = search.climb(
            unit, problem.law, problem.origin, problem.chart, start, problem.walls, problem.limit,
            x, np.zeros((k, k)), False, CAREFUL, 200,
        )  # fmt: skip
        found.append((value, ending, x))
    value, ending, x = max(found, key=lambda one: one[0])
    parameters = component_natural(problem.origin + problem.chart @ x, scale)
    return ComponentFit(
        spec=spec,
        **dict(zip(PARAMETERS, parameters.tolist(), strict=True)),
        log_likelihood=value - len(e) * log(scale),
        variance=scale**2,
        n_obs=len(e),
        convergence=ENDINGS[ending],
        starts_spread=value - min(one[0] for one in found),
    )


def component_natural(y: FloatArray, scale: float | FloatArray) -> FloatArray:
    """Return points of the search, shape (..., 7), as `PARAMETERS` in the units of the returns."""
    natural = np.maximum(y, 0.0)
    natural[..., recursions.OMEGA] *= scale**2
    return natural


def component_variance(e: FloatArray, fit: ComponentFit, starts: IntArray | None = None) -> FloatArray:
    """Return n + 1 conditional variances; entry t was known before `e[t]`, the last is the forecast.

    `starts` holds the first index of each segment: after a long gap the recursion begins anew.
    """
    begins = np.zeros(1, dtype=np.int64) if starts is None else starts
    ends = np.append(begins[1:], len(e))
    levels = np.array([backcast(e[first:last]) for first, last in zip(begins, ends, strict=True)])
    theta = np.array([getattr(fit, name) for name in PARAMETERS])
    variance: FloatArray = recursions.component_filter(e, begins, theta, levels)
    return variance
