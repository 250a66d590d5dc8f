"""How sure a recommendation is: intervals of haircut, threshold and maximum LTV from draws of what was estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from riskparams.errors import ConfigError
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.haircut import Surroundings, combine
from riskparams.parameters.policy import PairPolicy, Simulated
from riskparams.parameters.recommend import Recommendation
from riskparams.paths.model import PathModel
from riskparams.paths.simulate import StartLaw
from riskparams.paths.trigger import deepest_moves
from riskparams.paths.uncertainty import DRAWS, Measure, bootstrap_draws, cheap_draws, reversed_tails
from riskparams.prices.panel import PricePanel
from riskparams.terms import FloatArray

PATHS = 20_000
CONFIDENCE = 0.90


class Mode(StrEnum):
    """How what was estimated is drawn."""

    CHEAP = "cheap"  # normal errors of tails and recursion, along a few directions
    BOOTSTRAP = "bootstrap"  # 199 refits to resampled residuals


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A 90 % interval of reversed tails, and the standard deviation of the draws behind it; fractions."""

    low: float
    high: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """Spreads by the name of what they are of: haircut, liquidation_threshold, max_ltv, touch_move, and each law's drop.

    They count the error of estimation and that of the simulation; not that of the model, nor of what lies ahead.
    """

    mode: Mode
    draws: int
    paths: int
    spreads: Mapping[str, Spread]


def measure(policy: PairPolicy, panel: PricePanel, simulated: Simulated, *, paths: int = PATHS) -> Measure:
    """Return what is drawn: a model -> drops of the three laws at the haircut's level, and the touch move, one luck for all."""
    level, chance = policy.task.appetite.haircut_level, policy.task.appetite.touch_probability
    cycle, bars = simulated.cycle, policy.touch_bars(panel)

    def of(model: PathModel) -> FloatArray:
        drops = [
            policy.drops(model, law, cycle.barriers, panel, cycle.jumps, paths=paths, drawn=False).value_at_risk(level)
            for law in StartLaw
        ]
        falls = deepest_moves(policy.law(model, StartLaw.TTC, bars, cycle.jumps, paths=paths), threads=policy.task.threads)
        return np.array([*drops, np.quantile(falls, 1 - chance)])

    return of


def haircuts(drops: FloatArray, appetite: RiskAppetite, around: Surroundings) -> FloatArray:
    """Return the haircut of each row of the three laws' drops, (draws, 3 or more) -> (draws,)."""
    weight, floored = appetite.stress_weight, appetite.cycle_floor
    scenario = around.scenario if weight else 0.0
    prudent = combine(drops[:, 0], drops[:, 1], drops[:, 2], weight, floored=floored, scenario=scenario)
    kept = (1 - around.oracle_step) * (1 - np.minimum(around.conformal * prudent, 1.0))
    return np.maximum(1 - kept * (1 - around.slippage) * (1 - around.fee), appetite.smallest_haircut)


def uncertainty(
    policy: PairPolicy,
    panel: PricePanel,
    simulated: Simulated,
    found: Recommendation,
    at_estimate: Mapping[StartLaw, float],
    *,
    gap: float = 1.0,
    mode: Mode = Mode.CHEAP,
    paths: int = PATHS,
    draws: int | None = None,
) -> Uncertainty:
    """Return how far a recommendation would move with what was estimated, at the bonus recommended and `gap` touch moves.

    Draws are scaled so that their fit meets `at_estimate`, the drops at the fit in the recommendation's own, larger simulation,
    and the haircut's Monte-Carlo error is drawn on top. The level of the intervals is 90 %.
    """
    if policy.task.appetite.buffer:
        raise ConfigError("appetite.buffer: no interval is offered for a buffered haircut; leave the buffer at 0")
    rng = np.random.default_rng([policy.task.seed, paths])
    of = measure(policy, panel, simulated, paths=paths)
    if mode is Mode.CHEAP:
        sampled = cheap_draws(of, simulated.model, draws=draws or 10_000, rng=rng)
    else:
        sampled = bootstrap_draws(of, simulated.model, draws=draws or DRAWS, rng=rng)
    centre = np.array([*(at_estimate[law] for law in StartLaw), found.touch.move])
    sampled = sampled * np.where(sampled.any(axis=0), centre / np.maximum(of(simulated.model), 1e-12), 1.0)
    cut = haircuts(sampled, policy.task.appetite, found.haircut.surroundings)
    cut = np.clip(cut + found.haircut.error * rng.standard_normal(len(cut)), 0.0, 1.0)
    threshold = (1 - cut) / (1 + found.parameters.liquidation_bonus)
    move = sampled[:, 3] + found.touch.error * rng.standard_normal(len(cut))
    measured = {
        "haircut": cut,
        "liquidation_threshold": threshold,
        "max_ltv": threshold * np.exp(-gap * move),
        "touch_move": move,
        **{f"{law} drop": sampled[:, i] for i, law in enumerate(StartLaw)},
    }
    return Uncertainty(
        mode=mode,
        draws=len(cut),
        paths=paths,
        spreads={name: _spread(values) for name, values in measured.items()},
    )


def _spread(values: FloatArray) -> Spread:
    low, high = reversed_tails(values, CONFIDENCE)
    return Spread(low=low, high=high, deviation=float(values.std()))
