"""What to do with a recommendation: whether to propose it, how far to go now, what other bonuses would do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from riskparams.errors import Infeasible
from riskparams.execution import SlippageLaw
from riskparams.parameters.auction import AuctionSpec, design_auction
from riskparams.parameters.bonus_designs import (
    BonusDesign,
    CappedBonus,
    DesignOutcome,
    DutchAuction,
    FixedBonus,
    HealthDiscount,
    LinearBonus,
    compare_designs,
)
from riskparams.parameters.change_control import Change, Decision, SpeedLimits, decide, limited
from riskparams.parameters.dynamic_parameters import DynamicParameters
from riskparams.parameters.penalty import Bonus, bonus_by_source
from riskparams.parameters.policy import PairTask, Simulated, slippage_law
from riskparams.parameters.recommend import Recommendation
from riskparams.parameters.risk_parameters import RiskParameters
from riskparams.parameters.uncertainty import Uncertainty
from riskparams.paths.simulate import StartLaw

MOST_TIMES = 3.0  # a dynamic bonus may rise to so many times the fixed one
DISCOUNT_CAP = 0.15
LOT = 100_000.0


@dataclass(frozen=True, kw_only=True)
class ChangeControl:
    """The limits a market's changes keep to, and the smallest move worth proposing, by parameter."""

    limits: SpeedLimits
    materiality: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Whether to propose and how far to go now (None without live parameters), what the bonus would be by source of depth, what
    other designs of it would have done on the same drops, and the parameters by forecast volatility until the next run.
    """

    decision: Decision | None
    change: Change | None
    by_source: Mapping[str, Bonus | str]
    designs: tuple[DesignOutcome, ...]
    dynamic: tuple[tuple[float, RiskParameters], ...]


def advise(task: PairTask, simulated: Simulated, found: Recommendation, unsure: Uncertainty, control: ChangeControl) -> Advice:
    """Return what to do with a recommendation."""
    terms, laws = found.parameters, _laws(task, found, simulated)
    decision = change = None
    if task.current:
        noise = {name: unsure.spreads[name].deviation for name in ("max_ltv", "liquidation_threshold")}
        low, high = found.bonus_range
        noise["liquidation_bonus"] = min(max(high - low, 0.0) / 4, 1.0)
        decision = decide(
            task.current,
            terms,
            noise,
            control.materiality,
            haircut=found.haircut.value,
            haircut_error=unsure.spreads["haircut"].deviation,
        )
        change = limited(task.current, terms, looser_since=None, now=found.as_of, limits=control.limits)
    return Advice(
        decision=decision,
        change=change,
        by_source=bonus_by_source(task.costs, laws, daily_sigma=simulated.model.daily_sigma) if laws else {},
        designs=_designs(task, simulated, found, laws),
        dynamic=DynamicParameters(recommended=terms, haircut=found.haircut.value, touch_move=found.touch.move).table()
        if terms.max_ltv > 0
        else (),
    )


def _laws(task: PairTask, found: Recommendation, simulated: Simulated) -> dict[str, SlippageLaw]:
    laws: dict[str, SlippageLaw] = {}
    volume = found.provenance.get("daily_volume_assumed")
    if isinstance(volume, float) and volume > 0:
        laws["volume"] = slippage_law(volume, simulated.model.daily_sigma, task.costs)
    if task.depth:
        laws["quoted depth"] = task.depth
    return laws


def _designs(
    task: PairTask, simulated: Simulated, found: Recommendation, laws: Mapping[str, SlippageLaw]
) -> tuple[DesignOutcome, ...]:
    threshold, bonus = found.parameters.liquidation_threshold, found.parameters.liquidation_bonus
    if threshold <= 0 or bonus <= 0:
        return ()
    most = min(MOST_TIMES * bonus, 0.5)
    designs: dict[str, BonusDesign] = {
        "fixed": FixedBonus(rate=bonus),
        "capped": CappedBonus(least=bonus, most=most),
        "linear": LinearBonus(least=bonus, most=most, health_of_most=0.95),
        "discount of 1 - health": HealthDiscount(cap=DISCOUNT_CAP),
    }
    law = laws.get("quoted depth") or laws.get("volume")
    if law:
        with suppress(Infeasible):  # no price in the auction's range pays for so large a lot
            designs["Dutch auction"] = DutchAuction(
                auction=design_auction(AuctionSpec(lot=LOT), task.costs, law, law, daily_sigma=simulated.model.daily_sigma)
            )
    required = max((need for _, need in found.bonus.required), default=bonus) if found.bonus else bonus / task.costs.safety
    return compare_designs(
        designs,
        simulated.drops[StartLaw.TTC],
        liquidation_threshold=threshold,
        oracle_step=task.oracle_step,
        haircut=found.haircut.value,
        required=required * (1 - task.costs.protocol_share),
        protocol_share=task.costs.protocol_share,
    )
