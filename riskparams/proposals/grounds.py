"""The grounds of a recommendation as evidence: intervals, the price of prudence, profiles, the front, what sets the level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from riskparams.limits.caps import Cap
from riskparams.limits.fund import FundSize
from riskparams.parameters.bonus_designs import DesignOutcome
from riskparams.parameters.change_control import Change, Decision
from riskparams.parameters.haircut import Haircut
from riskparams.parameters.optimise import Optimum, ParetoPoint
from riskparams.parameters.penalty import Bonus
from riskparams.parameters.profiles import Profile
from riskparams.parameters.recommend import Recommendation
from riskparams.parameters.risk_parameters import RiskParameters
from riskparams.parameters.scenarios import ScenarioDrop
from riskparams.parameters.sensitivity import Sensitivity
from riskparams.parameters.uncertainty import CONFIDENCE, Uncertainty
from riskparams.tails.jumps import JumpLayer
from riskparams.terms import iso


def describe_intervals(found: Uncertainty) -> dict[str, Any]:
    """Return the intervals of a recommendation and what they are made of."""
    return {
        "mode": found.mode,
        "draws": found.draws,
        "paths": found.paths,
        "confidence": CONFIDENCE,
        "spreads": {name: asdict(spread) for name, spread in found.spreads.items()},
    }


def describe_prudence(found: Recommendation) -> list[dict[str, Any]]:
    """Return what each tool of prudence adds to the haircut and takes off the threshold, in fractions, before rounding.

    A tool's cost is the haircut less what it would be without that tool alone; costs of several do not add up.
    """
    cut, bonus = found.haircut, found.parameters.liquidation_bonus
    return [
        {
            "tool": tool,
            "haircut_without": other,
            "haircut_points": cut.value - other,
            "threshold_points": (cut.value - other) / (1 + bonus),
        }
        for tool, other in cut.without.items()
    ]


def describe_profiles(optima: Mapping[Profile, Optimum], haircuts: Mapping[Profile, float]) -> list[dict[str, Any]]:
    """Return the parameters of each profile, with what the judge says of them and the constraints that hold them."""
    return [
        {
            "profile": str(profile),
            "haircut": haircuts[profile],
            **asdict(best.chosen.parameters),
            "target_health": best.chosen.target_health,
            "gap": best.chosen.gap,
            "outcome": asdict(best.chosen.outcome),
            "binding": list(best.binding),
            "feasible": best.feasible,
        }
        for profile, best in optima.items()
    ]


def describe_front(front: Sequence[ParetoPoint]) -> list[dict[str, Any]]:
    """Return the choices that no other beats."""
    return [{**asdict(point.parameters), "outcome": asdict(point.outcome), "budget": point.budget} for point in front]


def describe_sensitivity(rows: Sequence[Sensitivity]) -> list[dict[str, Any]]:
    """Return the haircut under each choice; null where a choice gives no answer."""
    return [
        {
            **asdict(row),
            "choice": str(row.choice),
            "haircut": row.haircut if isfinite(row.haircut) else None,
            "today": row.today if isfinite(row.today) else None,
        }
        for row in rows
    ]


def describe_surroundings(cut: Haircut, scenarios: Sequence[ScenarioDrop], jumps: JumpLayer | None) -> dict[str, Any]:
    """Return what the haircut was told besides simulated drops: the oracle's step, scenarios, conformal factor, depegs."""
    return {
        **asdict(cut.surroundings),
        "scenarios": [asdict(found) for found in scenarios],
        "jumps": jumps.to_dict() if jumps else None,
    }


def describe_limits(supply: Cap, liquidated_share: float, branching: float | None, fund: FundSize) -> dict[str, Any]:
    """Return the caps and the fund; a reason that bounds nothing is null, the fund is per unit of debt."""
    return {
        "supply_cap": supply.value if isfinite(supply.value) else None,
        "binding": supply.binding,
        "by_reason": {name: value if isfinite(value) else None for name, value in supply.by_reason.items()},
        "flags": list(supply.flags),
        "liquidated_share": liquidated_share,
        "branching": branching,
        "fund": asdict(fund),
    }


def describe_advice(
    decision: Decision | None,
    change: Change | None,
    by_source: Mapping[str, Bonus | str],
    designs: Sequence[DesignOutcome],
    dynamic: Sequence[tuple[float, RiskParameters]],
) -> dict[str, Any]:
    """Return what to do with a recommendation: decision, next update and those after it, bonuses, parameters by volatility."""
    return {
        "decision": asdict(decision) if decision else None,
        "change": {
            "step": asdict(change.step),
            "ramp": {
                "from": change.ramp.from_,
                "to": change.ramp.to,
                "start": iso(change.ramp.start),
                "end": iso(change.ramp.end),
            }
            if change.ramp
            else None,
            "steps": [{"date": iso(step.time), **asdict(step.parameters)} for step in change.steps],
            "held": list(change.held),
        }
        if change
        else None,
        "bonus_by_source": {
            name: {"bonus": found.value, "dearest_size": found.dearest_size, "largest_debt": found.largest_debt}
            if isinstance(found, Bonus)
            else {"reason": found}
            for name, found in by_source.items()
        },
        "designs": [asdict(design) for design in designs],
        "dynamic": [{"volatility_ratio": ratio, **asdict(terms)} for ratio, terms in dynamic],
    }
