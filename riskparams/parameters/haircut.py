"""The haircut: how far the price may fall from trigger to execution, with the parts it is made of and what each costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from riskparams.errors import ConfigError, ModelError
from riskparams.parameters.appetite import RiskAppetite
from riskparams.paths.simulate import StartLaw
from riskparams.paths.trigger import ACCEPTABLE_ERROR, TriggerDrops, batch_error
from riskparams.terms import FloatArray

PUBLISHED_LEVELS = (0.95, 0.975, 0.99)
"""Levels at which the drop is published beside the haircut's own, because a backtest has power there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawDrop:
    """What one start law says: all drops are fractions; `error` is the Monte-Carlo standard error of `drop`.

    `drop` is the quantile at the haircut's level, over all barriers and `by_barrier`; `in_bar` the same quantile at the low of
    the bar that touched, a stress that is printed and never used.
    """

    drop: float
    expected_shortfall: float
    by_barrier: tuple[float, ...]
    in_bar: float
    error: float
    hits: int
    paths: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a haircut is told besides simulated drops.

    `oracle_step` is the oracle's deviation threshold: a position can be that far past its threshold when it is triggered.
    `conformal` (>= 1) multiplies the drop. `scenario` is the largest drop after a trigger in the named windows, a fraction.
    `slippage` and `fee` are what the protocol loses where it sells the collateral itself; elsewhere the bonus pays for them.
    """

    oracle_step: float
    conformal: float = 1.0
    scenario: float = 0.0
    slippage: float = 0.0
    fee: float = 0.0

    def __post_init__(self) -> None:
        for name in ("oracle_step", "scenario", "slippage", "fee"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} of a haircut is {getattr(self, name)}: expected a fraction from 0 to below 1")
        if not 1 <= self.conformal < np.inf:
            raise ConfigError(f"the conformal factor is {self.conformal}: expected 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Haircut:
    """A haircut and where it comes from.

    `drop` is the simulated drop before the oracle's step; `published` maps levels to it, `published_today` to that of today's
    law alone. `components` are fractions that add up to `value`. `without` maps each tool of prudence to the haircut without
    it. `binding` names the part that sets the level. `error` is one Monte-Carlo standard error of `value`.
    """

    value: float
    drop: float
    laws: Mapping[StartLaw, LawDrop]
    components: Mapping[str, float]
    without: Mapping[str, float]
    binding: str
    published: Mapping[float, float]
    published_today: Mapping[float, float]
    surroundings: Surroundings
    error: float
    batches: FloatArray
    flags: tuple[str, ...] = ()


def combine(
    pit: FloatArray, ttc: FloatArray, stressed: FloatArray, weight: float, *, floored: bool = True, scenario: float = 0.0
) -> FloatArray:
    """Return the anti-procyclical drop, `max((1 - w) pit + w max(stressed, scenario), ttc)`, element-wise.

    The mix is EU 153/2013 art. 28(1)(b), the floor its (1)(c).

    >>> round(float(combine(np.array(0.1), np.array(0.12), np.array(0.3), 0.25)), 6)
    0.15
    """
    mix = (1 - weight) * pit + weight * np.maximum(stressed, scenario)
    return np.maximum(mix, ttc) if floored else mix


def haircut(
    drops: Mapping[StartLaw, TriggerDrops],
    appetite: RiskAppetite,
    *,
    oracle_step: float,
    conformal: float = 1.0,
    scenario: float = 0.0,
    slippage: float = 0.0,
    fee: float = 0.0,
    at_estimate: Mapping[StartLaw, float] | None = None,
) -> Haircut:
    """Return the haircut that the three start laws imply.

    h = 1 - (1 - oracle step)(1 - conformal x), with x the anti-procyclical drop (`combine`), at least the smallest haircut;
    where the protocol sells, h = 1 - (1 - h)(1 - slippage)(1 - fee). See `Surroundings` for what is not simulated.
    `at_estimate` are the laws' drops without draws of the parameters, where `drops` were simulated with them: the difference
    is the part of estimation error. Raises `ModelError` where the through-the-cycle law triggers nothing.
    """
    level = appetite.haircut_level
    around = Surroundings(oracle_step=oracle_step, conformal=conformal, scenario=scenario, slippage=slippage, fee=fee)
    if drops[StartLaw.TTC].hits == 0:
        raise ModelError(
            "no simulated position was triggered, under any state of the history: nothing is known about the drop after a "
            "trigger; lower [appetite] barrier_multiples or simulate more paths"
        )
    laws = {law: _law_drop(found, appetite) for law, found in drops.items()}
    mixed = {law: found.drop for law, found in laws.items()}
    at_fit = mixed if at_estimate is None else at_estimate
    prudent, prudent_at_fit = _prudent(mixed, appetite, around), _prudent(at_fit, appetite, around)
    mix_at_fit = _prudent(at_fit, replace(appetite, cycle_floor=False), around)
    drop = min(around.conformal * prudent, 1.0)
    stepped = 1 - (1 - around.oracle_step) * (1 - drop)
    sold = 1 - (1 - stepped) * (1 - around.slippage) * (1 - around.fee)
    value = max(sold, appetite.smallest_haircut)
    components = {
        "today's tail": at_fit[StartLaw.PIT],
        "stress weight": mix_at_fit - at_fit[StartLaw.PIT],
        "through-the-cycle floor": prudent_at_fit - mix_at_fit,
        "estimation error": prudent - prudent_at_fit,
        "conformal factor": drop - prudent,
        "oracle step": stepped - drop,
        "the protocol's own sale": sold - stepped,
        "smallest haircut": value - sold,
    }

    def whole(values: Mapping[StartLaw, float], rule: RiskAppetite, near: Surroundings) -> float:
        return _whole(_prudent(values, rule, near), rule, near)

    without = {
        "stress weight": whole(mixed, replace(appetite, stress_weight=0.0), around),
        "through-the-cycle floor": whole(mixed, replace(appetite, cycle_floor=False), around),
        "both": whole(mixed, replace(appetite, cycle_floor=False, stress_weight=0.0), around),
        "estimation error": whole(at_fit, appetite, around),
        "conformal factor": whole(mixed, appetite, replace(around, conformal=1.0)),
    }
    per_batch = {law: found.batches(level) for law, found in drops.items()}
    batches = np.array(
        [
            whole({law: float(values[i]) for law, values in per_batch.items()}, appetite, around)
            for i in range(len(per_batch[StartLaw.PIT]))
        ]
    )
    levels = sorted({*PUBLISHED_LEVELS, level})
    at_level = {q: {law: found.value_at_risk(q) for law, found in drops.items()} for q in levels}
    return Haircut(
        value=value,
        drop=drop,
        laws=laws,
        components=components,
        without=without,
        binding=_binding(mixed, appetite, around, floored=value > sold),
        published={q: min(around.conformal * _prudent(at_level[q], appetite, around), 1.0) for q in levels},
        published_today={q: at_level[q][StartLaw.PIT] for q in levels},
        surroundings=around,
        error=batch_error(batches),
        batches=batches,
        flags=_flags(laws, level),
    )


def _law_drop(found: TriggerDrops, appetite: RiskAppetite) -> LawDrop:
    level = appetite.haircut_level
    in_bar = found if found.in_bar is None else replace(found, drop=found.in_bar)
    return LawDrop(
        drop=found.value_at_risk(level),
        expected_shortfall=found.expected_shortfall(appetite.shortfall_level),
        by_barrier=found.by_barrier(level),
        in_bar=in_bar.value_at_risk(level),
        error=found.error(level),
        hits=found.hits,
        paths=found.paths,
    )


def _prudent(values: Mapping[StartLaw, float], appetite: RiskAppetite, around: Surroundings) -> float:
    pit, ttc, stressed = (np.array(values[law]) for law in StartLaw)
    if appetite.buffer:
        pit = pit * (1 + appetite.buffer * _release(float(pit), float(ttc)))
    weight, floored = appetite.stress_weight, appetite.cycle_floor
    return float(combine(pit, ttc, stressed, weight, floored=floored, scenario=around.scenario if weight else 0.0))


def _release(pit: float, ttc: float) -> float:
    """Return the share of the buffer that is held: all while today is calm, none from 1.5 times the long run on.

    The window from 1.0 to 1.5 keeps the buffered drop from falling while today's rises.
    """
    return float(np.clip((1.5 - pit / ttc) / 0.5, 0.0, 1.0)) if ttc > 0 else 0.0


def _whole(prudent: float, appetite: RiskAppetite, around: Surroundings) -> float:
    drop = min(around.conformal * prudent, 1.0)
    kept = (1 - around.oracle_step) * (1 - drop) * (1 - around.slippage) * (1 - around.fee)
    return max(1 - kept, appetite.smallest_haircut)


def _binding(values: Mapping[StartLaw, float], appetite: RiskAppetite, around: Surroundings, *, floored: bool) -> str:
    if floored:
        return "smallest haircut"
    if appetite.cycle_floor and values[StartLaw.TTC] >= _prudent(values, appetite, around):
        return "through-the-cycle floor"
    if not appetite.stress_weight:
        return "today's tail"
    named = around.scenario > values[StartLaw.STR]
    return "mix of today and the worst scenario" if named else "mix of today and stress"


def _flags(laws: Mapping[StartLaw, LawDrop], level: float) -> tuple[str, ...]:
    hits = laws[StartLaw.PIT].hits
    flags = ("no_triggers",) if hits == 0 else ("few_triggers",) if hits < 10 / (1 - level) - 1e-9 else ()
    if any(law.error > ACCEPTABLE_ERROR * law.drop for law in laws.values()):
        flags = (*flags, "noisy")
    return flags
