"""PathModel: everything a simulation of one pair needs, fitted on the past alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from riskparams.errors import InsufficientData
from riskparams.paths.flags import fit_flags
from riskparams.paths.pool import History, Pool, build_pool
from riskparams.prices.panel import LONGEST_RECESS, PricePanel
from riskparams.returns import MIN_RETURNS, Returns, log_returns, pair_candles
from riskparams.tails.gpd import TailFit, TailSpec, fit_tail
from riskparams.terms import DAY, FloatArray, Pair, iso
from riskparams.volatility.ladder import Ladder, default_ladder, filter_state, fit_volatility
from riskparams.volatility.model import VolatilityFit

MOST_NOISE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """How a pair's model is fitted; durations in days. `ladder=None` is `default_ladder`.

    Paths draw residual rows in blocks of `block_bars` consecutive bars on average; 1 draws each by itself.
    """

    window_days: float = 730.0
    min_window_days: float = 365.0
    history_days: float = 3650.0
    tail: TailSpec = field(default_factory=TailSpec)
    ladder: Ladder | None = None
    block_bars: float = 1.0

    def rungs(self, bar: int) -> Ladder:
        """Return the ladder of models to try on bars of this length (nanoseconds)."""
        return self.ladder or default_ladder(bar)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathModel:
    """One pair's fitted model: recursion, residual pools with their tails, and where the market stands now.

    `window` is the pool of the fit window (for the `pit` start law), `history` that of all filtered history (for
    `ttc` and `str`). `next_sigma2` and `next_slot` belong to the first bar after the sample. `own` and `lender` are the
    filtered pasts it was made from, the pair's and that of its reference (itself for the reference). `noise_share` is the
    part of the variance of returns that is no movement of the price (`measurement_noise`), left out of simulated ones.
    """

    pair: Pair
    fit: VolatilityFit
    window: Pool
    history: Pool
    window_tail: TailFit
    history_tail: TailFit
    next_sigma2: float
    next_slot: int
    bar: int
    daily_sigma: float
    history_from: int
    own: History
    lender: History
    spec: ModelSpec
    noise_share: float = 0.0

    @property
    def emission(self) -> FloatArray:
        """What multiplies sigma into a return by hour of the week, (slots,): noise of measurement is left out."""
        return np.asarray(self.fit.hour_factor * np.sqrt(1 - self.noise_share), float)

    @property
    def recursion(self) -> FloatArray:
        """(omega, alpha, gamma, beta), in the units of the returns."""
        garch = self.fit.garch
        return np.array([garch.omega, garch.alpha, garch.gamma, garch.beta])

    def flags(self) -> tuple[str, ...]:
        """Return what a reader of the numbers should be warned of."""
        flags = [*self.fit.flags, *(f"tail_{flag}" for flag in self.history_tail.flags)]
        if self.window.scale > 1.1:
            flags.append("residual_scale_above_1.1")
        if self.history.filled.any():
            flags.append("filled_back")
        return tuple(flags)


def fit_path_model(panel: PricePanel, pair: Pair, reference: Pair, spec: ModelSpec) -> PathModel:
    """Return the model of a pair fitted on everything the panel holds; cut the panel with `.until` for an earlier date.

    The fit window is the last `window_days` of the newest segment. Raises `InsufficientData` when that is shorter than
    `min_window_days`, naming the gap if one split the history.
    """
    returns = log_returns(panel, pair)
    panel.refuse_stale(str(pair), int(returns.time[-1]))
    lender, lent = (None, None) if reference == pair else _history(log_returns(panel, reference), spec)
    own, fit = _history(returns, spec, lent)
    spans = {"window_days": spec.window_days, "history_days": spec.history_days}
    warned = fit_flags(pair_candles(panel, pair), returns, fit, own.state, **spans)
    return assemble(own, lender or own, replace(fit, flags=(*fit.flags, *warned)), spec)


def assemble(
    own: History, lender: History, fit: VolatilityFit, spec: ModelSpec, *, variance_ratio: float | None = None
) -> PathModel:
    """Return the model of a pair from its filtered past and its reference's; passing its own twice lends nothing.

    `variance_ratio` is that of lent states where it is known already.
    """
    returns = own.returns
    last = int(returns.time[-1])
    window = build_pool(own, lender, since=last - round(spec.window_days * DAY), variance_ratio=variance_ratio)
    history = build_pool(own, lender, since=last - round(spec.history_days * DAY), variance_ratio=variance_ratio)
    spacing = np.diff(returns.time)
    spacing = spacing[spacing <= LONGEST_RECESS]
    return PathModel(
        pair=returns.pair,
        fit=fit,
        window=window,
        history=history,
        window_tail=fit_tail(-window.z, spec.tail),
        history_tail=fit_tail(-history.z, spec.tail),
        next_sigma2=own.state.next_sigma2,
        next_slot=returns.next_slot,
        bar=returns.bar,
        daily_sigma=float(np.sqrt(fit.garch.variance * DAY / spacing.mean())),
        history_from=max(min(int(r.returns.time[0]) for r in (own, lender)), last - round(spec.history_days * DAY)),
        own=own,
        lender=lender,
        spec=spec,
    )


def _history(returns: Returns, spec: ModelSpec, proxy: VolatilityFit | None = None) -> tuple[History, VolatilityFit]:
    newest = returns.last_segment()
    days = (int(newest.time[-1]) - int(newest.time[0]) + newest.bar) / DAY
    if days < spec.min_window_days:
        split = len(newest) < len(returns)
        raise InsufficientData(
            f"{returns.pair}: {days:.0f} days of unbroken history to {iso(int(newest.time[-1]))}"
            + (f", after the gap that ends at {iso(int(newest.time[0]))}" if split else "")
            + f"; min_window asks for {spec.min_window_days:.0f}: give a longer or gap-free file, or lower [model] min_window"
        )
    window = newest.since(int(newest.time[-1]) - round(spec.window_days * DAY))
    fit = fit_volatility(window, spec.rungs(returns.bar), proxy)
    return History(returns=returns, state=filter_state(returns, fit)), fit


def measurement_noise(returns: Returns) -> float:
    """Return the share of the variance of returns that is noise of measurement, from 0 to `MOST_NOISE`.

    With independent errors on the log price, returns are r + e - e_before, and their first autocovariance is -var(e): the share
    is -2 cov(d, d_before) / var(d) (Roll 1984). A true move that reverts within two bars counts as noise too.
    """
    follows = np.diff(returns.time) == returns.bar
    one, other = returns.value[:-1][follows], returns.value[1:][follows]
    variance = float(np.var(returns.value))
    if variance == 0 or len(one) < MIN_RETURNS:
        return 0.0
    return float(np.clip(-2 * np.mean((one - one.mean()) * (other - other.mean())) / variance, 0.0, MOST_NOISE))


def describe_volatility(model: PathModel) -> dict[str, object]:
    """Return the parameters of the rung in use, its search, its window and where volatility stands, by name."""
    garch = model.fit.garch
    return {
        "alpha": garch.alpha,
        "gamma": garch.gamma,
        "beta": garch.beta,
        "nu": garch.nu if np.isfinite(garch.nu) else None,
        "persistence": garch.persistence,
        "log_likelihood": garch.log_likelihood,
        "starts_disagree_by": garch.starts_spread,
        "n_obs": garch.n_obs,
        "fit_from": iso(model.fit.first),
        "fit_to": iso(model.fit.last),
        "daily_sigma": model.daily_sigma,
        "sigma_now_over_typical": float(np.sqrt(model.next_sigma2 / model.history.sigma2.mean())),
        "residual_scale": model.window.scale,
        "noise_share": model.noise_share,
    }


def describe_model(model: PathModel) -> dict[str, object]:
    """Return what a reader should know about a fit, by name: the rung, its parameters, the pools and the tails."""
    garch, tail = model.fit.garch, model.history_tail
    return {
        "model": garch.spec.name,
        "rejected_rungs": [f"{name}: {reason}" for name, reason in model.fit.rejected],
        **describe_volatility(model),
        "history_from": iso(model.history_from),
        "history_rows": len(model.history.z),
        "filled_share": model.history.filled_share,
        "variance_ratio": model.history.variance_ratio,
        "tail_threshold": tail.tail_threshold,
        "tail_exceedances": tail.exceedances,
        "tail_shape": tail.shape,
        "tail_scale": tail.scale,
        "tail_estimator": tail.estimator,
        "residual_loss_990": tail.quantile(0.99),
        "residual_loss_999": tail.quantile(0.999),
        "window_tail_shape": model.window_tail.shape,
    }
