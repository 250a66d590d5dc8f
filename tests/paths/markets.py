"""Models whose truth is known: the simulated market's own parameters instead of a fit."""

from __future__ import annotations

from dataclasses import replace

from riskparams.paths.model import PathModel
from riskparams.paths.pool import History, Pool, build_pool
from riskparams.prices.generator import MarketSpec, hour_factor
from riskparams.prices.sample import SimulatedMarket
from riskparams.returns import log_returns
from riskparams.tails.gpd import TailFit, TailSpec, fit_tail
from riskparams.terms import Asset, Pair
from riskparams.volatility.ladder import filter_state
from riskparams.volatility.model import Convergence, GarchFit, GarchSpec, VolatilityFit


def true_history(market: SimulatedMarket, spec: MarketSpec, name: str) -> tuple[History, VolatilityFit]:
    """Return an asset's history filtered with the parameters it was generated from."""
    law = spec[name]
    returns = log_returns(market.panel, Pair(Asset(name), Asset("USD")))
    garch = GarchFit(
        spec=GarchSpec(),
        omega=law.variance * (1 - law.alpha - law.gamma / 2 - law.beta),
        alpha=law.alpha,
        gamma=law.gamma,
        beta=law.beta,
        nu=spec.degrees_of_freedom,
        log_likelihood=0.0,
        variance=law.variance,
        n_obs=len(returns),
        convergence=Convergence.NOT_NEEDED,
    )
    fit = VolatilityFit(garch=garch, hour_factor=hour_factor().copy(), first=int(returns.time[0]), last=int(returns.time[-1]))
    return History(returns=returns, state=filter_state(returns, fit)), fit


def model_of(history: History, fit: VolatilityFit, pool: Pool, tail: TailFit, next_sigma2: float) -> PathModel:
    return PathModel(
        pair=history.returns.pair,
        fit=fit,
        window=pool,
        history=pool,
        window_tail=tail,
        history_tail=tail,
        next_sigma2=next_sigma2,
        next_slot=history.returns.next_slot,
        bar=history.returns.bar,
        daily_sigma=0.0,
        history_from=0,
    )


def true_model(
    market: SimulatedMarket,
    spec: MarketSpec,
    name: str,
    tail_spec: TailSpec,
    lent: tuple[SimulatedMarket, MarketSpec] | None = None,
) -> PathModel:
    """Return the path model an omniscient statistician would use; `lent` gives the residual rows of a longer history."""
    history, fit = true_history(market, spec, name)
    long = true_history(*lent, name)[0] if lent else history
    pool = replace(build_pool(long, long, since=0), scale=1.0)
    return model_of(history, fit, pool, fit_tail(-pool.z, tail_spec), float(market.sigma2[Asset(name)][-1]))
