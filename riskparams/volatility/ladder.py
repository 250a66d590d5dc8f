"""The fallback ladder: the first rung that passes is used, and the reasons the others did not are kept."""

from __future__ import annotations

from math import isfinite

import numpy as np

from riskparams.errors import ModelError
from riskparams.returns import Returns, hour_factor
from riskparams.terms import iso
from riskparams.volatility.ewma import fit_ewma
from riskparams.volatility.garch import NU_BOUNDS, conditional_variance, fit_garch
from riskparams.volatility.model import Convergence, EwmaSpec, GarchFit, GarchSpec, VolatilityFit, VolatilityState

Ladder = tuple[GarchSpec | EwmaSpec, ...]
FEWEST_FOR_GARCH = 500


def rejection(fit: GarchFit) -> str | None:
    """Return why a GARCH rung may not be used, or None when it passes.

    It passes when the search converged, the likelihood is finite, nu > 2.1 and inside its bounds, the starting points
    agree to 0.5 log-likelihood units and, with a free intercept, the long-run variance is 0.3 to 3 times the sample's.
    """
    if fit.convergence is not Convergence.CONVERGED:
        return f"the search ended with: {fit.convergence}"
    if not isfinite(fit.log_likelihood):
        return "the log likelihood is not finite"
    if fit.nu <= 2.1:
        return f"nu {fit.nu:.3f} is not above 2.1: the innovations would have no variance"
    if not (0 <= fit.alpha <= 1 and 0 <= fit.beta <= 1 and fit.alpha + fit.gamma >= -1e-9 and fit.nu <= NU_BOUNDS[1]):
        return f"alpha {fit.alpha:.4f}, gamma {fit.gamma:.4f}, beta {fit.beta:.4f} or nu {fit.nu:.1f} left its bounds"
    if fit.starts_spread > 0.5:
        return f"starting points disagree by {fit.starts_spread:.2f} log-likelihood units, more than 0.5"
    if isinstance(fit.spec, GarchSpec) and not fit.spec.targeted:
        ratio = fit.unconditional_variance / fit.variance
        if not 0.3 <= ratio <= 3:
            return f"the long-run variance is {ratio:.2f} times the sample's, outside 0.3 to 3"
    return None


def fit_volatility(returns: Returns, ladder: Ladder) -> VolatilityFit:
    """Return the first rung of the ladder that passes on these returns (the fit window), with the reasons of the others.

    GARCH rungs need 500 returns. An EWMA rung always passes. Raises `ModelError` when every rung was rejected.
    """
    factor = hour_factor(returns)
    e = returns.value / factor[returns.slot]
    rejected: list[tuple[str, str]] = []
    stopped = False
    for spec in ladder:
        flags: tuple[str, ...] = ()
        if isinstance(spec, EwmaSpec):
            fit = fit_ewma(e, spec)
        elif len(e) < FEWEST_FOR_GARCH:
            rejected.append((spec.name, f"{len(e)} returns are fewer than {FEWEST_FOR_GARCH}"))
            continue
        else:
            fit = fit_garch(e, spec)
            reason = rejection(fit)
            if reason:
                stopped = stopped or fit.convergence is not Convergence.CONVERGED
                rejected.append((spec.name, reason))
                continue
            if fit.persistence >= spec.persistence_cap - 1e-6:
                flags = ("near_integrated",)
        if rejected:
            flags = (*flags, "fallback_model", *(("non_convergence",) if stopped else ()))
        return VolatilityFit(
            garch=fit,
            hour_factor=factor,
            first=int(returns.time[0]),
            last=int(returns.time[-1]),
            flags=flags,
            rejected=tuple(rejected),
        )
    reasons = "; ".join(f"{name}: {reason}" for name, reason in rejected)
    raise ModelError(
        f"{returns.pair}: no volatility model passed on {len(e)} returns to {iso(int(returns.time[-1]))} ({reasons})"
    )


def filter_state(returns: Returns, fit: VolatilityFit) -> VolatilityState:
    """Return the filtered history of any returns of the pair under a fit; the filter starts anew after a long gap."""
    factor = fit.hour_factor[returns.slot]
    e = returns.value / factor
    starts = np.flatnonzero(np.diff(returns.segment, prepend=returns.segment[0] - 1))
    sigma2 = np.maximum(conditional_variance(e, fit.garch, starts), 1e-12 * fit.garch.variance)
    scale = np.sqrt(sigma2[:-1])
    return VolatilityState(sigma2=sigma2[:-1], z=e / scale, low=returns.low / factor / scale, next_sigma2=float(sigma2[-1]))
