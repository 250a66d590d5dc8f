"""The fallback ladder: the first rung that passes is used, and the reasons the others did not are kept."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

import numpy as np

from riskparams.errors import DataError, ModelError
from riskparams.returns import Returns, hour_factor
from riskparams.terms import FloatArray, iso
from riskparams.volatility.ewma import default_ewma, fit_ewma, fit_historical
from riskparams.volatility.garch import NU_BOUNDS, conditional_variance, fit_garch
from riskparams.volatility.model import (
    Convergence,
    EwmaSpec,
    GarchFit,
    GarchSpec,
    HistoricalSpec,
    Innovations,
    VolatilityFit,
    VolatilityState,
)

Ladder = tuple[GarchSpec | EwmaSpec | HistoricalSpec, ...]
FEWEST_FOR_GARCH = 500
FEWEST = 100
DRIFT = 5.0  # standard errors of the mean
FOLLOWS = 0.5  # first autocorrelation


def default_ladder(bar: int) -> Ladder:
    """Return GJR-t, GARCH-t, GJR by Gaussian quasi-likelihood, EWMA, historical variance (`bar` in nanoseconds)."""
    symmetric, gaussian = GarchSpec(asymmetric=False), GarchSpec(innovations=Innovations.NORMAL)
    return GarchSpec(), symmetric, gaussian, default_ewma(bar), HistoricalSpec()


def rejection(fit: GarchFit) -> str | None:
    """Return why a rung may not be used, or None when it passes.

    A GARCH rung passes when the search converged, the likelihood is finite, nu > 2.1 and inside its bounds, the starting points
    agree to 0.5 log-likelihood units and, with a free intercept, the long-run variance is 0.3 to 3 times the sample's.
    """
    if not isinstance(fit.spec, GarchSpec):
        return None if isfinite(fit.log_likelihood) else "the log likelihood is not finite"
    if fit.convergence is not Convergence.CONVERGED:
        return f"the search ended with: {fit.convergence}"
    if not isfinite(fit.log_likelihood):
        return "the log likelihood is not finite"
    if fit.nu <= 2.1:
        return f"nu {fit.nu:.3f} is not above 2.1: the innovations would have no variance"
    heavy = fit.spec.innovations is not Innovations.NORMAL
    inside = 0 <= fit.alpha <= 1 and 0 <= fit.beta <= 1 and fit.alpha + fit.gamma >= -1e-9
    if not inside or (heavy and fit.nu > NU_BOUNDS[1]):
        return f"alpha {fit.alpha:.4f}, gamma {fit.gamma:.4f}, beta {fit.beta:.4f} or nu {fit.nu:.1f} left its bounds"
    if fit.starts_spread > 0.5:
        return f"starting points disagree by {fit.starts_spread:.2f} log-likelihood units, more than 0.5"
    if not fit.spec.targeted:
        ratio = fit.unconditional_variance / fit.variance
        if not 0.3 <= ratio <= 3:
            return f"the long-run variance is {ratio:.2f} times the sample's, outside 0.3 to 3"
    return None


def fit_volatility(returns: Returns, ladder: Ladder, proxy: VolatilityFit | None = None) -> VolatilityFit:
    """Return the first rung of the ladder that passes on these returns (the fit window), with the reasons of the others.

    GARCH rungs need 500 returns, the others 100 and a variance that never falls to nothing. When every rung was rejected the
    fit of a `proxy` asset is used at this asset's variance, flagged `proxy_model`; without one `ModelError` is raised.
    """
    factor = hour_factor(returns)
    e = returns.value / factor[returns.slot]
    rejected: list[tuple[str, str]] = []
    stopped = False
    for spec in ladder:
        fit, reason = _try(e, spec)
        if fit is None or reason:
            stopped = stopped or (fit is not None and fit.convergence is not Convergence.CONVERGED)
            rejected.append((spec.name, reason))
            continue
        flags: tuple[str, ...] = ()
        if isinstance(spec, GarchSpec) and fit.persistence >= spec.persistence_cap - 1e-6:
            flags = ("near_integrated",)
        if rejected:
            flags = (*flags, "fallback_model", *(("non_convergence",) if stopped else ()))
        return _volatility_fit(returns, fit, factor, (*flags, *_misread(e)), rejected)
    size = float(np.mean(np.square(e)))
    if proxy is not None and size > 0:
        lent = proxy.garch
        scaled = replace(lent, omega=lent.omega * size / lent.variance, variance=size, n_obs=len(e))
        return _volatility_fit(returns, scaled, proxy.hour_factor.copy(), ("fallback_model", "proxy_model"), rejected)
    reasons = "; ".join(f"{name}: {reason}" for name, reason in rejected)
    raise ModelError(
        f"{returns.pair}: no volatility model passed on {len(e)} returns to {iso(int(returns.time[-1]))} ({reasons})"
    )


def _try(e: FloatArray, spec: GarchSpec | EwmaSpec | HistoricalSpec) -> tuple[GarchFit | None, str]:
    """Return a rung's fit, if it could be made, and why it may not be used; an empty reason lets it pass."""
    fewest = FEWEST_FOR_GARCH if isinstance(spec, GarchSpec) else FEWEST
    if len(e) < fewest:
        return None, f"{len(e)} returns are fewer than {fewest}"
    match spec:
        case GarchSpec():
            try:
                fit = fit_garch(e, spec)
            except DataError as error:
                return None, str(error)
        case EwmaSpec():
            fit = fit_ewma(e, spec)
        case HistoricalSpec():
            fit = fit_historical(e, spec)
    reason = rejection(fit)
    if reason is None and conditional_variance(e, fit).min() <= 1e-9 * fit.variance:
        reason = "its variance falls to nothing over a spell without movement"
    return fit, reason or ""


def _misread(e: FloatArray) -> tuple[str, ...]:
    """Return flags of returns that are no innovations about zero: a mean beyond chance, or levels given for returns."""
    centred = e - e.mean()
    spread = float(np.sum(centred**2))
    drifts = e.mean() ** 2 * len(e) ** 2 > DRIFT**2 * spread
    follows = spread > 0 and float(np.sum(centred[1:] * centred[:-1])) > FOLLOWS * spread
    return (("returns_drift",) if drifts else ()) + (("returns_integrated",) if follows else ())


def _volatility_fit(
    returns: Returns, fit: GarchFit, factor: FloatArray, flags: tuple[str, ...], rejected: list[tuple[str, str]]
) -> VolatilityFit:
    return VolatilityFit(
        garch=fit,
        hour_factor=factor,
        first=int(returns.time[0]),
        last=int(returns.time[-1]),
        flags=flags,
        rejected=tuple(rejected),
    )


def filter_state(returns: Returns, fit: VolatilityFit) -> VolatilityState:
    """Return the filtered history of any returns of the pair under a fit; the filter starts anew after a long gap."""
    factor = fit.hour_factor[returns.slot]
    e = returns.value / factor
    starts = np.flatnonzero(np.diff(returns.segment, prepend=returns.segment[0] - 1))
    sigma2 = np.maximum(conditional_variance(e, fit.garch, starts), 1e-12 * fit.garch.variance)
    scale = np.sqrt(sigma2[:-1])
    return VolatilityState(sigma2=sigma2[:-1], z=e / scale, low=returns.low / factor / scale, next_sigma2=float(sigma2[-1]))
