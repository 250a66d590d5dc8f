"""What live parameters imply: the drop they survive, how many liquidations fall further, and once in how many years."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import numpy as np

from riskparams.parameters.policy import PairPolicy, Simulated
from riskparams.parameters.risk_parameters import ObservedParameters
from riskparams.paths.model import PathModel
from riskparams.paths.simulate import StartLaw
from riskparams.paths.trigger import deepest_moves
from riskparams.paths.uncertainty import cheap_draws, reversed_tails
from riskparams.prices.panel import PricePanel
from riskparams.terms import FloatArray

PATHS = 20_000
WEEKS = 365.25 / 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Implied:
    """What one market's parameters of a pair imply, judged through the cycle; intervals are of 90 % and count estimation alone.

    `drop` is survived from trigger to execution; `breach` is the share of simulated liquidations that fall further. `touches`
    are the weeks of a year in which a loan held at max LTV reaches its threshold, and `years` the mean time between its
    breaches, infinite where none was simulated.
    """

    parameters: ObservedParameters
    drop: float
    breach: float
    breach_low: float
    breach_high: float
    touches: float
    years: float
    years_low: float
    years_high: float


def audit(
    policy: PairPolicy, panel: PricePanel, simulated: Simulated, observed: ObservedParameters, *, paths: int = PATHS
) -> Implied:
    """Return what observed parameters imply under the pair's models; they need not make sense as recommendations."""
    task, cycle = policy.task, simulated.cycle
    survived = 1 - (1 - observed.implied_drop) / (1 - task.oracle_step)
    breach = simulated.drops[StartLaw.TTC].exceeded(survived)

    def shares(model: PathModel) -> FloatArray:
        found = [policy.drops(model, law, cycle.barriers, panel, cycle.jumps, paths=paths, drawn=False) for law in StartLaw]
        return np.array([drops.exceeded(survived) for drops in found])

    draws = cheap_draws(shares, simulated.model, rng=np.random.default_rng([task.seed, 2]))[:, 1]
    low, high = reversed_tails(np.minimum(draws, 1.0))
    week = policy.law(cycle.model, StartLaw.TTC, policy.triggers(panel).follow, cycle.jumps)
    gap = log(observed.liquidation_threshold / observed.max_ltv) if observed.max_ltv > 0 else inf
    touches = WEEKS * float(np.mean(deepest_moves(week, threads=task.threads) >= gap))
    return Implied(
        parameters=observed,
        drop=observed.implied_drop,
        breach=breach,
        breach_low=min(low, breach),
        breach_high=max(high, breach),
        touches=touches,
        years=_between(touches * breach),
        years_low=_between(touches * max(high, breach)),
        years_high=_between(touches * min(low, breach)),
    )


def _between(rate: float) -> float:
    return 1 / rate if rate > 0 else inf
