"""Quantile and expected shortfall of a standardised loss: by a law, by what was seen, by Pareto, or by a blend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from riskparams.errors import DataError, InsufficientData
from riskparams.forecasts.model import ResidualTail
from riskparams.tails.gpd import TailSpec, fit_tail
from riskparams.terms import FloatArray
from riskparams.volatility import recursions, search
from riskparams.volatility.garch import NU_BOUNDS, mean_square
from riskparams.volatility.innovations import InnovationLaw

HALF_CREDIBLE = 200  # exceedances at which the Pareto fit and the fitted law count the same
LEAST_VARIANCE = 1e-4  # of a Student t, in mean squares of the residuals


def residual_tail(
    losses: FloatArray, law: InnovationLaw, tail: ResidualTail, levels: Sequence[float], *, share: float, refit_law: bool
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return value at risk and expected shortfall of a standardised loss, shape (levels, 2), and flags.

    `losses`, shape (n,), are minus the residuals of the fit window; `law` is that of the innovations as it was fitted, which
    `refit_law` replaces by a Student t with its own scale, fitted to the residuals: a quasi-likelihood leaves no law of the
    tail behind. CREDIBLE weighs a generalised Pareto law of the largest `share` by k / (k + 200), k the exceedances, and the
    law by the rest (Buehlmann 1967): a hundred exceedances are few, a thousand enough. Where one of the two cannot be fitted
    (ties, too few losses, mostly zeros) the other stands alone and a flag says so; where neither can, and for PARETO, the
    losses seen do.
    """
    match tail:
        case ResidualTail.EMPIRICAL:
            return _seen(losses, levels), ()
        case ResidualTail.LAW:
            return _lawful(law, 1.0, levels), ()
        case ResidualTail.PARETO:
            try:
                found, _, flags = _pareto(losses, levels, share)
                return found, flags
            except (DataError, ValueError):
                return _seen(losses, levels), ("tail_not_fitted",)
        case ResidualTail.CREDIBLE:
            try:
                lawful = _lawful(*fit_student(losses) if refit_law else (law, 1.0), levels)
            except DataError:
                found, flags = residual_tail(losses, law, ResidualTail.PARETO, levels, share=share, refit_law=False)
                return found, (*flags, "law_not_fitted")
            try:
                pareto, exceedances, flags = _pareto(losses, levels, share)
            except (DataError, ValueError):
                return lawful, ("tail_not_fitted",)
            weight = exceedances / (exceedances + HALF_CREDIBLE)
            return weight * pareto + (1 - weight) * lawful, flags


def fit_student(z: FloatArray) -> tuple[InnovationLaw, float]:
    """Return the Student-t law and scale of residuals about zero, by maximum likelihood.

    Raises `InsufficientData` where there is no maximum: two thirds are zero, or one residual dwarfs all others.

    >>> law, scale = fit_student(2 * np.random.default_rng(0).standard_t(5, 4000) / np.sqrt(5 / 3))
    >>> bool(4 < law.nu < 6.5), bool(1.9 < scale < 2.1)
    (True, True)
    """
    size = np.sqrt(mean_square(z))
    if not size > 0:
        raise InsufficientData(f"all {len(z)} residuals are zero: there is no tail to fit; leave dead spells out")
    chart = np.zeros((7, 2))
    chart[recursions.OMEGA, 0], chart[recursions.NU, 1] = 0.05, 0.05
    walls = np.array([[-0.05, 0.0], [0.0, -0.05], [0.0, 0.05]])
    limit = np.array([-LEAST_VARIANCE, -1 / NU_BOUNDS[1], 1 / NU_BOUNDS[0]])
    x = np.array([20.0, 20.0 / 6.0])
    _, ending, _ = search.climb(
        z / size, recursions.STUDENT_T, np.zeros(7), chart, np.array([1.0, 0.0, 0.0]), walls, limit,
        x, np.zeros((2, 2)), False, 1e-8, 100,
    )  # fmt: skip
    variance, eta = chart[recursions.OMEGA, 0] * x[0], 0.05 * x[1]
    if ending != search.CONVERGED or variance < 1.01 * LEAST_VARIANCE:
        raise InsufficientData(
            f"no Student's t fits {len(z)} residuals, {np.mean(z == 0):.0%} of which are zero: its scale shrinks without end; "
            "give a longer window, or declare the series pegged"
        )
    return InnovationLaw(nu=float(1 / eta)), float(size * np.sqrt(variance))


def _seen(losses: FloatArray, levels: Sequence[float]) -> FloatArray:
    rows = []
    for level in levels:
        quantile = float(np.quantile(losses, level))
        beyond = losses[losses > quantile]
        rows.append((quantile, float(beyond.mean()) if len(beyond) else quantile))
    return np.array(rows)


def _lawful(law: InnovationLaw, scale: float, levels: Sequence[float]) -> FloatArray:
    below = 1 - np.asarray(levels)
    return -scale * np.column_stack([law.quantile(below), law.expected_shortfall(below)])


def _pareto(losses: FloatArray, levels: Sequence[float], share: float) -> tuple[FloatArray, int, tuple[str, ...]]:
    fit = fit_tail(losses, TailSpec(share=share))
    if fit.shape >= 1:
        raise InsufficientData(f"the shape {fit.shape:.2f} of the tail leaves no mean: an expected shortfall does not exist")
    rows = [(fit.quantile(level), fit.expected_shortfall(level)) for level in levels]
    return np.array(rows), fit.exceedances, tuple(f"tail_{flag}" for flag in fit.flags)
