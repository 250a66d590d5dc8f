"""Models whose truth is known: the simulated market's own parameters instead of a fit."""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student_t

from riskparams.paths.model import ModelSpec, PathModel
from riskparams.paths.pool import History, Pool
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
        own=history,
        lender=history,
        spec=ModelSpec(),
    )


def true_model(market: SimulatedMarket, spec: MarketSpec, name: str, *, rows: int, tail_share: float) -> PathModel:
    """Return the path model of an omniscient statistician: true parameters, residuals on a grid of their own quantiles.

    The lows are those of a Brownian bridge whose variance is the mixing variable given the residual,
    w | z ~ (nu - 2 + z^2) / chi2(nu + 1).
    """
    history, fit = true_history(market, spec, name)
    nu, rng = spec.degrees_of_freedom, np.random.default_rng(0)
    z = student_t.ppf((np.arange(rows) + 0.5) / rows, nu) * np.sqrt((nu - 2) / nu)
    mixing = (nu - 2 + z**2) / rng.chisquare(nu + 1, rows)
    low = (z - np.sqrt(z**2 - 2 * mixing * np.log(1 - rng.random(rows)))) / 2
    ones = np.ones(rows)
    states = rng.choice(history.state.sigma2, rows)
    pool = Pool(z=z, low=low, sigma2=states, slot=np.arange(rows) % 168, filled=ones == 0, scale=1.0, variance_ratio=1.0)
    tail = fit_tail(-z, TailSpec(share=tail_share))
    return model_of(history, fit, pool, tail, float(market.sigma2[Asset(name)][-1]))
