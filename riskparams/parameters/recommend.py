"""From a haircut to a recommendation: threshold, maximum LTV and bonus, with their errors, reasons and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

from riskparams.errors import Infeasible, ToxicParameters
from riskparams.parameters.haircut import Haircut
from riskparams.parameters.ltv import STEP, floored, max_liquidation_threshold, max_ltv, touch_probability
from riskparams.parameters.penalty import Bonus
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.paths.trigger import BATCHES, TriggerDrops, batch_error
from riskparams.terms import FloatArray, Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchMoves:
    """How far (log) the price falls within the touch horizon: the move exceeded with the appetite's probability.

    `move` is through the cycle and sets the maximum LTV; `today` is from today's state, for comparison.
    """

    move: float
    today: float
    error: float


def touch_moves(through_cycle: FloatArray, today: FloatArray, probability: float) -> TouchMoves:
    """Return the touch moves of simulated deepest falls (log, >= 0), shape (paths,)."""
    batches = np.array([np.quantile(through_cycle[i::BATCHES], 1 - probability) for i in range(BATCHES)])
    return TouchMoves(
        move=float(np.quantile(through_cycle, 1 - probability)),
        today=float(np.quantile(today, 1 - probability)),
        error=batch_error(batches),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Haircut and parameters of one pair as of one time; refuses a breach of threshold x (1 + bonus) <= 1 - haircut.

    `threshold_error` and `ltv_error` are Monte-Carlo standard errors, before rounding to the grid. `at_current_bonus` is
    the threshold the same haircut allows at the live bonus. `bonus_range` is the bonus at twice and at half the assumed
    volume. `touch_at_current` is the chance that the live gap between
    max LTV and threshold is crossed within the touch horizon, `breach_at_current` the share of simulated liquidations (through
    the cycle) that fall further than the live parameters survive. `provenance` holds what the numbers were made from.
    """

    pair: Pair
    as_of: int
    haircut: Haircut
    parameters: RiskParameters
    bonus: Bonus | None
    bonus_range: tuple[float, float]
    touch: TouchMoves
    threshold_error: float
    ltv_error: float
    current: ObservedParameters | None
    at_current_bonus: float
    touch_at_current: float
    breach_at_current: float
    binding: tuple[str, ...]
    flags: tuple[str, ...]
    provenance: Mapping[str, object]

    def __post_init__(self) -> None:
        found = self.parameters.liquidation_threshold * (1 + self.parameters.liquidation_bonus)
        if found > 1 - self.haircut.value + 1e-12:
            raise ToxicParameters(
                f"{self.pair}: threshold x (1 + bonus) is {found:.6f}, above 1 - haircut {1 - self.haircut.value:.6f}: "
                "lower the threshold or the bonus"
            )


def recommend(
    pair: Pair,
    haircut: Haircut,
    touch: TouchMoves,
    bonus: Bonus | None,
    *,
    bonus_range: tuple[float, float] | None,
    falls: FloatArray,
    through_cycle: TriggerDrops,
    oracle_step: float,
    as_of: int,
    current: ObservedParameters | None,
    largest_haircut: float,
    flags: tuple[str, ...],
    provenance: Mapping[str, object],
) -> Recommendation:
    """Return the largest threshold and LTV that the haircut, the bonus and the touch move allow, on the 0.5 % grid.

    `bonus=None` (no volume known) keeps the live bonus and is flagged; without a live one it raises `Infeasible`. `falls` are
    the simulated deepest falls (log, through the cycle) that judge the live gap, `through_cycle` the drops that judge the live
    threshold.
    A haircut at or above `largest_haircut` means "not collateral": threshold and LTV are 0.
    """
    if bonus is None and current is None:
        raise Infeasible(f"{pair}: neither a bonus nor a live one is known: give volume or current parameters")
    rate = bonus.value if bonus else current.liquidation_bonus if current else 0.0
    threshold = floored(max_liquidation_threshold(haircut.value, rate))
    ltv = min(floored(max_ltv(threshold, touch.move)), round(threshold - STEP, 10))
    binding = [haircut.binding]
    if haircut.value >= largest_haircut or ltv <= 0:
        threshold = ltv = 0.0
        binding.append("not collateral")
    errors = (1 - haircut.batches) / (1 + rate)
    threshold_error = batch_error(errors)
    relative = np.hypot(threshold_error / max(threshold, 1e-9), touch.error)
    return Recommendation(
        pair=pair,
        as_of=as_of,
        haircut=haircut,
        parameters=RiskParameters(max_ltv=ltv, liquidation_threshold=threshold, liquidation_bonus=rate),
        bonus=bonus,
        bonus_range=bonus_range or (rate, rate),
        touch=touch,
        threshold_error=threshold_error,
        ltv_error=float(relative * ltv),
        current=current,
        at_current_bonus=floored(max_liquidation_threshold(haircut.value, current.liquidation_bonus)) if current else nan,
        touch_at_current=touch_probability(falls, current.liquidation_threshold, current.max_ltv) if current else nan,
        breach_at_current=through_cycle.exceeded(1 - (1 - current.implied_drop) / (1 - oracle_step)) if current else nan,
        binding=tuple(binding),
        flags=flags if bonus else (*flags, "liquidity_unknown"),
        provenance=provenance,
    )
