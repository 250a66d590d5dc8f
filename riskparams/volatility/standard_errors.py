"""Standard errors of a GARCH fit: from the curvature, from the scores, and from both, which trusts no law."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isclose, sqrt

import numpy as np

from riskparams.errors import DataError, ModelError
from riskparams.terms import FloatArray
from riskparams.volatility.garch import NU_BOUNDS, PARAMETERS, SKEW_BOUND, log_likelihood, presample
from riskparams.volatility.innovations import InnovationLaw
from riskparams.volatility.model import Convergence, GarchFit, GarchSpec, Innovations
from riskparams.volatility.recursions import gjr_filter

MU, OMEGA, ALPHA, GAMMA, BETA, NU, SKEW = range(7)
NEAR = 1e-6  # closer than this to a bound, at unit variance, is on it


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardErrors:
    """Standard errors of the free parameters by name, each in the units of its parameter.

    `hessian` comes from the curvature of the likelihood and `outer_product` from the outer product of the scores: both are
    right if the law is. `robust` is the sandwich of Bollerslev & Wooldridge (1992), right under any law if mean and
    variance are.
    """

    hessian: Mapping[str, float]
    outer_product: Mapping[str, float]
    robust: Mapping[str, float]


def standard_errors(e: FloatArray, fit: GarchFit) -> StandardErrors:
    """Return three kinds of standard error for a fit of the returns `e`, shape (n,), free of their hour-of-week factor.

    With H minus the second derivatives of the log likelihood and S the sum of outer products of the scores, the
    covariances are H^-1, S^-1 and H^-1 S H^-1. A targeted intercept is no free parameter: its sample variance is taken
    as known, so that the errors of the rest are a little short. Raises `DataError` if these are not the returns of the fit,
    and `ModelError` where there is no answer: a search that did not converge, nothing estimated, a parameter on its bound
    (the likelihood has a slope there, not a top), or a curvature that is not negative definite.

    >>> from riskparams.volatility.garch import fit_garch
    >>> rng, e, sigma2 = np.random.default_rng(1), np.empty(2000), 1.0
    >>> for t in range(len(e)):
    ...     e[t] = sqrt(sigma2) * rng.standard_normal()
    ...     sigma2 = 0.1 + 0.1 * e[t] ** 2 + 0.8 * sigma2
    >>> fit = fit_garch(e, GarchSpec(asymmetric=False, innovations=Innovations.NORMAL, targeted=False))
    >>> {name: round(error, 2) for name, error in standard_errors(e, fit).hessian.items()}
    {'omega': 0.03, 'alpha': 0.02, 'beta': 0.04}
    """
    names, kinds = covariances(e, fit)
    return StandardErrors(
        **{kind: dict(zip(names, np.sqrt(np.diag(matrix)).tolist(), strict=True)) for kind, matrix in kinds.items()}
    )


def covariances(e: FloatArray, fit: GarchFit) -> tuple[list[str], dict[str, FloatArray]]:
    """Return the names of the free parameters and their covariance of each kind, in the units of the parameters.

    What `standard_errors` says of them, and when it raises, holds here too.
    """
    spec = fit.spec
    if not isinstance(spec, GarchSpec):
        raise ModelError(f"{spec.name} estimates nothing, so it has no standard errors: fit a GARCH")
    if fit.convergence is not Convergence.CONVERGED:
        raise ModelError(f"{spec.name}: the search ended with {fit.convergence}, and away from the top no error means anything")
    free = _free(spec)
    unit, point = _at_unit_variance(e, fit)
    _refuse_bounds(spec, point)
    reached = float(np.sum(_log_densities(unit, point, spec))) - len(e) * np.log(fit.variance) / 2
    if len(e) != fit.n_obs or not isclose(reached, fit.log_likelihood, rel_tol=1e-7, abs_tol=1e-4):
        raise DataError(
            f"{len(e)} returns have log likelihood {reached:.4f} under a fit of {fit.n_obs} that reached "
            f"{fit.log_likelihood:.4f}: expected the returns that were fitted, in the same order and units"
        )
    tie = _tie(spec, free)
    curvature, scores = np.empty((len(free), len(free))), np.empty((len(e), len(free)))
    for i, (below, above, width) in enumerate(_neighbours(point, tie)):
        ahead, behind = (log_likelihood(unit, theta, spec)[1] @ tie for theta in (above, below))
        curvature[i] = (behind - ahead) / width
        scores[:, i] = (_log_densities(unit, above, spec) - _log_densities(unit, below, spec)) / width
    curvature = (curvature + curvature.T) / 2
    outer = scores.T @ scores
    for matrix in (curvature, outer):
        if not np.isfinite(matrix).all() or np.linalg.eigvalsh(_scaled(matrix)).min() < 1e-10:
            raise ModelError(
                f"{spec.name}: the likelihood of {len(e)} returns is flat along some mix of {_names(free)}: "
                "no error can be told; take a longer window or a model with fewer parameters"
            )
    spread = np.linalg.inv(curvature)
    units = np.ones(7)
    units[MU], units[OMEGA] = sqrt(fit.variance), fit.variance
    size = np.outer(units[free], units[free])
    kinds = {"hessian": spread, "outer_product": np.linalg.inv(outer), "robust": spread @ outer @ spread}
    return _names(free), {kind: covariance * size for kind, covariance in kinds.items()}


def _free(spec: GarchSpec) -> list[int]:
    estimated = {
        MU: spec.constant_mean,
        OMEGA: not spec.targeted,
        ALPHA: True,
        GAMMA: spec.asymmetric,
        BETA: True,
        NU: spec.innovations is not Innovations.NORMAL,
        SKEW: spec.innovations is Innovations.SKEWED_T,
    }
    return [index for index, wanted in estimated.items() if wanted]


def _names(free: list[int]) -> list[str]:
    return [PARAMETERS[index] for index in free]


def _at_unit_variance(e: FloatArray, fit: GarchFit) -> tuple[FloatArray, FloatArray]:
    scale = sqrt(fit.variance)
    point = np.array([fit.mu / scale, fit.omega / fit.variance, fit.alpha, fit.gamma, fit.beta, fit.nu, fit.skew])
    return np.asarray(e, float) / scale, point


def _refuse_bounds(spec: GarchSpec, point: FloatArray) -> None:
    _, omega, alpha, gamma, beta, nu, skew = point
    persistence = alpha + gamma / 2 + beta
    room = {
        "alpha": (alpha, min(alpha, 1 - alpha)),
        "beta": (beta, beta),
        "alpha + gamma": (alpha + gamma, alpha + gamma),
        "persistence": (persistence, (spec.persistence_cap if spec.targeted else 1.0) - persistence),
    }
    if not spec.targeted:
        room["omega (at unit variance)"] = (omega, omega - 1e-8)
    if spec.innovations is not Innovations.NORMAL:
        room["nu"] = (nu, min(nu - NU_BOUNDS[0], NU_BOUNDS[1] - nu))
    if spec.innovations is Innovations.SKEWED_T:
        room["skew"] = (skew, SKEW_BOUND - abs(skew))
    for name, (value, left) in room.items():
        if left < NEAR:
            raise ModelError(
                f"{spec.name}: {name} {value:.6g} is on its bound, where the likelihood has a slope and its curvature tells no "
                "error: leave the parameter out of the model, or read its range from the likelihood"
            )


def _tie(spec: GarchSpec, free: list[int]) -> FloatArray:
    """Return how the seven parameters move with the free ones, at unit variance: a targeted intercept moves too."""
    tie = np.eye(7)
    if spec.targeted:
        tie[OMEGA] = 0.0
        tie[OMEGA, [ALPHA, GAMMA, BETA]] = -1.0, -0.5, -1.0
    return tie[:, free]


def _neighbours(point: FloatArray, tie: FloatArray) -> Iterator[tuple[FloatArray, FloatArray, float]]:
    for column in tie.T:
        size = 1e-5
        if column[NU]:
            size *= point[NU]
        elif column[OMEGA]:
            size = min(size, 1e-3 * point[OMEGA])
        yield point - size * column, point + size * column, 2 * size


def _log_densities(e: FloatArray, point: FloatArray, spec: GarchSpec) -> FloatArray:
    mu, omega, alpha, gamma, beta, nu, skew = point
    constant, linear, square = presample(e, spec)
    before = np.array([constant + (linear + square * mu) * mu])
    sigma2 = gjr_filter(e - mu, np.zeros(1, dtype=np.int64), omega, alpha, gamma, beta, before)[:-1]
    return InnovationLaw(nu=nu, skew=skew).log_density((e - mu) / np.sqrt(sigma2)) - np.log(sigma2) / 2


def _scaled(matrix: FloatArray) -> FloatArray:
    size = np.sqrt(np.abs(np.diag(matrix)))
    if not (size > 0).all():
        return np.zeros_like(matrix)
    return np.asarray(matrix / np.outer(size, size))
