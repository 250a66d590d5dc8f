"""The haircut: how far the price may fall from trigger to execution, with the parts it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riskparams.errors import ModelError
from riskparams.parameters.appetite import RiskAppetite
from riskparams.paths.simulate import StartLaw
from riskparams.paths.trigger import ACCEPTABLE_ERROR, TriggerDrops, batch_error
from riskparams.terms import FloatArray

PUBLISHED_LEVELS = (0.95, 0.975, 0.99)
"""Levels at which the drop is published beside the haircut's own, because a backtest has power there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawDrop:
    """What one start law says: all drops are fractions; `error` is the Monte-Carlo standard error of `drop`."""

    drop: float
    expected_shortfall: float
    by_barrier: tuple[float, ...]
    error: float
    hits: int
    paths: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Haircut:
    """A haircut and where it comes from.

    `drop` is the simulated drop before the oracle's step; `published` maps levels to it. `components` are fractions that
    add up to `value`: today's tail, what the anti-procyclical rule adds, the conformal factor, the oracle's step, the
    floor. `binding` names the part that sets the level. `error` is one Monte-Carlo standard error of `value`.
    """

    value: float
    drop: float
    laws: Mapping[StartLaw, LawDrop]
    components: Mapping[str, float]
    binding: str
    published: Mapping[float, float]
    error: float
    batches: FloatArray
    flags: tuple[str, ...] = ()


def combine(pit: FloatArray, ttc: FloatArray, stressed: FloatArray, weight: float) -> FloatArray:
    """Return the anti-procyclical drop, `max((1 - w) pit + w stressed, ttc)`, element-wise.

    The mix is EU 153/2013 art. 28(1)(b), the floor its (1)(c).

    >>> round(float(combine(np.array(0.1), np.array(0.12), np.array(0.3), 0.25)), 6)
    0.15
    """
    return np.maximum((1 - weight) * pit + weight * stressed, ttc)


def haircut(
    drops: Mapping[StartLaw, TriggerDrops], appetite: RiskAppetite, *, oracle_step: float, conformal: float = 1.0
) -> Haircut:
    """Return the haircut that the three start laws imply: `1 - (1 - oracle_step)(1 - conformal * drop)`, floored.

    `oracle_step` is the oracle's deviation threshold: a position can be that far past its threshold when it is
    triggered. `conformal` is at least 1.
    """
    level, weight = appetite.haircut_level, appetite.stress_weight
    laws = {
        law: LawDrop(
            drop=found.value_at_risk(level),
            expected_shortfall=found.expected_shortfall(appetite.shortfall_level),
            by_barrier=found.by_barrier(level),
            error=found.error(level),
            hits=found.hits,
            paths=found.paths,
        )
        for law, found in drops.items()
    }

    def combined(values: Mapping[StartLaw, FloatArray]) -> FloatArray:
        return combine(values[StartLaw.PIT], values[StartLaw.TTC], values[StartLaw.STR], weight)

    def whole(drop: FloatArray) -> FloatArray:
        return np.maximum(1 - (1 - oracle_step) * (1 - np.minimum(conformal * drop, 1.0)), appetite.smallest_haircut)

    pit, ttc, stressed = (laws[law].drop for law in StartLaw)
    prudent = float(combine(np.array(pit), np.array(ttc), np.array(stressed), weight))
    drop = min(conformal * prudent, 1.0)
    stepped = 1 - (1 - oracle_step) * (1 - drop)
    value = max(stepped, appetite.smallest_haircut)
    binding = "through-the-cycle floor" if ttc >= prudent else "mix of today and stress"
    if value > stepped:
        binding = "smallest haircut"
    published = {
        q: min(conformal * float(combined({law: np.array(found.value_at_risk(q)) for law, found in drops.items()})), 1.0)
        for q in PUBLISHED_LEVELS
    }
    published[level] = drop
    batches = whole(combined({law: found.batches(level) for law, found in drops.items()}))
    if laws[StartLaw.TTC].hits == 0:
        raise ModelError(
            "no simulated position was triggered, under any state of the history: nothing is known about the drop after a "
            "trigger; lower [appetite] barrier_multiples or simulate more paths"
        )
    hits = laws[StartLaw.PIT].hits
    flags = ("no_triggers",) if hits == 0 else ("few_triggers",) if hits < 10 / (1 - level) - 1e-9 else ()
    if any(law.error > ACCEPTABLE_ERROR * law.drop for law in laws.values()):
        flags = (*flags, "noisy")
    return Haircut(
        value=value,
        drop=drop,
        laws=laws,
        components={
            "today's tail": pit,
            "anti-procyclical add-on": prudent - pit,
            "conformal factor": drop - prudent,
            "oracle step": stepped - drop,
            "smallest haircut": value - stepped,
        },
        binding=binding,
        published=dict(sorted(published.items())),
        error=batch_error(batches),
        batches=batches,
        flags=flags,
    )
