"""A market whose truth is known: one asset under GARCH with Student t residuals, and the haircut an omniscient would set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.stats import t as student_t

from riskparams.parameters.haircut import haircut
from riskparams.parameters.policy import PairPolicy, Simulated
from riskparams.paths.model import ModelSpec, PathModel
from riskparams.paths.pool import History, Pool
from riskparams.paths.simulate import StartLaw, mixture_moments
from riskparams.prices.panel import Candles, PricePanel
from riskparams.returns import log_returns
from riskparams.tails.gpd import TailFit, TailSpec, fit_tail
from riskparams.terms import DAY, Asset, FloatArray, Pair
from riskparams.volatility.ladder import filter_state
from riskparams.volatility.model import Convergence, GarchFit, GarchSpec, VolatilityFit

HOUR = 3_600_000_000_000
PAIR = Pair(Asset("TRUE"), Asset("USD"))
ALPHA, GAMMA, BETA, NU, DAILY = 0.05, 0.02, 0.92, 4.5, 0.04
SHAPE = 0.2  # of the tail of residuals


@dataclass(frozen=True)
class KnownWorld:
    """Prices of a fit window, and the law that made them."""

    panel: PricePanel
    garch: GarchFit


@cache
def true_law(rows: int = 200_000) -> tuple[Pool, TailFit]:
    """Return the residual law: Student t on a grid of its own quantiles, its largest twentieth of losses generalised Pareto.

    The lows are those of a Brownian bridge whose variance is the mixing variable given the residual.
    """
    rng = np.random.default_rng(1)
    z = student_t.ppf((np.arange(rows) + 0.5) / rows, NU) * np.sqrt((NU - 2) / NU)
    mixing = (NU - 2 + z**2) / rng.chisquare(NU + 1, rows)
    low = (z - np.sqrt(z**2 - 2 * mixing * np.log(1 - rng.random(rows)))) / 2
    nobody = np.zeros(rows)
    pool = Pool(z=z, low=low, sigma2=nobody + 1, slot=nobody.astype(int), filled=nobody > 0, scale=1.0, variance_ratio=1.0)
    return pool, replace(fit_tail(-z, TailSpec(share=0.05)), shape=SHAPE)


def _rows(rng: np.random.Generator, count: int) -> tuple[FloatArray, FloatArray]:
    """Return residuals of mean 0 and variance 1 drawn from the true law, and the lows of their bars."""
    pool, tail = true_law()
    centre, spread = mixture_moments(pool, tail)
    drawn = rng.integers(0, len(pool.z), count)
    z, low = pool.z[drawn].copy(), pool.low[drawn].copy()
    beyond = z < -tail.tail_threshold
    size = tail.tail_threshold + tail.scale / tail.shape * (rng.random(int(beyond.sum())) ** -tail.shape - 1)
    low[beyond] *= -size / z[beyond]
    z[beyond] = -size
    return (z - centre) / spread, (low - centre) / spread


def known_world(seed: int, *, days: int = 730) -> KnownWorld:
    rng = np.random.default_rng(seed)
    variance, bars = DAILY**2 / 24, 24 * days
    omega = variance * (1 - ALPHA - GAMMA / 2 - BETA)
    z, low = _rows(rng, bars + 500)
    sigma2, close, lows, price = variance, np.empty(bars + 500), np.empty(bars + 500), 0.0
    for t in range(bars + 500):
        sigma = np.sqrt(sigma2)
        lows[t] = price + sigma * min(low[t], 0.0)
        price += sigma * z[t]
        close[t] = price
        e = sigma * z[t]
        sigma2 = omega + (ALPHA + GAMMA * (e < 0)) * e * e + BETA * sigma2
    close, lows = np.exp(close[499:]), np.exp(lows[499:])
    opened = np.concatenate([close[:1], close[:-1]])
    first = 19_000 * DAY
    candles = Candles(
        time=first + HOUR * np.arange(1, len(close) + 1),
        open=opened,
        high=np.maximum(opened, close),
        low=np.minimum(lows, np.minimum(opened, close)),
        close=close,
        volume=np.full(len(close), 1e9),
        usable=np.arange(len(close)) > 0,
        segment=np.zeros(len(close), int),
    )
    garch = GarchFit(
        spec=GarchSpec(),
        omega=omega,
        alpha=ALPHA,
        gamma=GAMMA,
        beta=BETA,
        nu=NU,
        log_likelihood=0.0,
        variance=variance,
        n_obs=len(close),
        convergence=Convergence.NOT_NEEDED,
    )
    return KnownWorld(PricePanel(candles={PAIR.collateral: candles}, bar=HOUR, numeraire=Asset("USD")), garch)


def true_haircut(world: KnownWorld, policy: PairPolicy, simulated: Simulated, *, paths: int = 80_000) -> float:
    """Return the haircut under the law that made the prices, from the states and at the barriers the policy used."""
    returns = log_returns(world.panel, PAIR)
    fit = VolatilityFit(garch=world.garch, hour_factor=np.ones(168), first=int(returns.time[0]), last=int(returns.time[-1]))
    own = History(returns=returns, state=filter_state(returns, fit))
    pool, tail = true_law()
    states = own.state.sigma2[np.linspace(0, len(returns) - 1, len(pool.z)).astype(int)]
    pool = replace(pool, sigma2=states)
    model = PathModel(
        pair=PAIR,
        fit=fit,
        window=pool,
        history=pool,
        window_tail=tail,
        history_tail=tail,
        next_sigma2=own.state.next_sigma2,
        next_slot=0,
        bar=HOUR,
        daily_sigma=DAILY,
        history_from=0,
        own=own,
        lender=own,
        spec=ModelSpec(),
    )
    drops = {
        law: policy.drops(model, law, simulated.cycle.barriers, world.panel, None, paths=paths, drawn=False) for law in StartLaw
    }
    return haircut(drops, policy.task.appetite, oracle_step=policy.task.oracle_step).value
