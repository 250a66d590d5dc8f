"""Why a pair's parameters are recommended, in sentences made from its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from riskparams.proposals.evidence import EXPLAIN_ABOVE
from riskparams.proposals.tables import LAWS, liquidity_unknown
from riskparams.proposals.words import (
    bounds,
    counted,
    day,
    level,
    listed,
    money,
    percent,
    points,
    share,
    span,
    with_interval,
)

Document = Mapping[str, Any]
ON_GRID = 5e-4  # half of what the last printed digit shows


def headline(pair: Document) -> str:
    """Return one pair's recommendation against its current values, in one line."""
    found, live = pair["recommended"], pair["current"]
    if not found["liquidation_threshold"]["value"]:
        return f"Not collateral: the haircut is {percent(found['haircut']['value'])}."
    if live is None:
        return (
            f"Liquidation threshold {percent(found['liquidation_threshold']['value'])}, max LTV "
            f"{percent(found['max_ltv']['value'])}, liquidation bonus {percent(found['liquidation_bonus']['value'])}; "
            "no current values are listed."
        )
    moved = changes(pair)
    if not moved:
        return "No change: the current values equal the recommended ones."
    line = "; ".join(moved)
    line = line[0].upper() + line[1:] + "."
    if found["liquidation_threshold_at_current_bonus"] and _moved(found, live, "liquidation_bonus"):
        line += (
            f" At the current bonus the threshold would be {percent(found['liquidation_threshold_at_current_bonus']['value'])} "
            f"({points(live['threshold_difference_at_current_bonus'])})."
        )
    return line


def _moved(found: Document, live: Document, field: str) -> bool:
    return bool(abs(found[field]["value"] - live[field]) > ON_GRID)


def changes(pair: Document) -> list[str]:
    """Return the parameters that would change, largest change first; none means "no change"."""
    found, live = pair["recommended"], pair["current"]
    named = {"liquidation_threshold": "liquidation threshold", "max_ltv": "max LTV", "liquidation_bonus": "liquidation bonus"}
    fields = [field for field in named if live and _moved(found, live, field)]
    fields.sort(key=lambda field: -abs(found[field]["value"] - live[field]))
    return [
        f"{named[field]} from {percent(live[field])} to {percent(found[field]['value'])} "
        f"({points(found[field]['value'] - live[field])})"
        for field in fields
    ]


def order_of_change(pairs: list[Document]) -> list[Document]:
    """Return the pairs with the largest change of threshold at the live bonus first; pairs without live values last."""
    return sorted(pairs, key=lambda pair: -abs((pair["current"] or {}).get("threshold_difference_at_current_bonus") or 0))


def reading(pair: Document, appetite: Document) -> list[str]:
    """Return what the haircut is, what sets it, and how it becomes a threshold and a max LTV."""
    found = pair["recommended"]
    cut = found["haircut"]
    said = [
        f"The haircut is {with_interval(cut)}. It is the drop allowed for between the moment a loan crosses its liquidation "
        f"threshold and the moment its collateral is sold, {span(appetite['liquidation_horizon_seconds'])} later. "
        + _binding(pair, appetite)
    ]
    if not found["liquidation_threshold"]["value"]:
        return [*said, "At this haircut the asset is not collateral: threshold and max LTV are 0."]
    bonus = found["liquidation_bonus"]["value"]
    said.append(
        f"With a bonus of {percent(bonus)} this haircut allows a liquidation threshold of "
        f"{with_interval(found['liquidation_threshold'])}, the largest on the grid at which threshold x (1 + bonus) stays "
        "at or below 1 - haircut."
    )
    touch = pair["touch"]
    said.append(
        f"The max LTV of {with_interval(found['max_ltv'])} lies one touch move below it: a loan opened there reaches its "
        f"threshold within {span(3_600 * appetite['touch_horizon_hours'])} with a chance of "
        f"{level(appetite['touch_probability'])}, judged through the cycle. The touch move is "
        f"{percent(touch['move'])} in logs; from today's state it would be {percent(touch['today'])}."
    )
    return said


def _binding(pair: Document, appetite: Document) -> str:
    by_law = {name: percent(law["drop"]) for name, law in pair["laws"].items()}
    drops = listed([f"{drop} ({LAWS.get(name, name)})" for name, drop in by_law.items()])
    reasons = {
        "mix of today and stress": f"The haircut is set by the mix of today and stress, which gives stress a weight of "
        f"{level(appetite['stress_weight'])} and here exceeds the through-the-cycle floor.",
        "through-the-cycle floor": "The haircut is set by the through-the-cycle floor: the mix asks for less.",
        "smallest haircut": "The haircut is set by the smallest one that may be recommended: the simulated drops ask for less.",
    }
    first = pair["binding"][0]  # what follows it holds threshold, maximum LTV and bonus
    return f"The simulated drops by start law are {drops}. {reasons.get(first, f'The haircut is set by: {first}.')}"


def live_reading(pair: Document, appetite: Document) -> list[str]:
    """Return what the live parameters imply, with the explanation that a large difference calls for."""
    live = pair["current"]
    if live is None:
        return ["No current values are listed for this pair."]
    dated = f", dated {live['dated']}" if live["dated"] else ", not dated"
    falls = share(live["breach_share"])
    breach = "none of the simulated liquidations would fall further" if live["breach_share"] == 0 else (
        f"{falls} of the simulated liquidations would fall further"
    )  # fmt: skip
    said = [
        f"The current values are a max LTV of {percent(live['max_ltv'])}, a threshold of "
        f"{percent(live['liquidation_threshold'])} and a bonus of {percent(live['liquidation_bonus'])} "
        f"(source: {live['source'] or 'not stated'}{dated}). They survive a drop of {percent(live['implied_drop'])} between "
        f"trigger and execution; judged through the cycle, {breach}. The gap between their max LTV and their threshold is "
        f"crossed within {span(3_600 * appetite['touch_horizon_hours'])} with a chance of {share(live['touch_probability'])}, "
        f"against {level(appetite['touch_probability'])} in the risk appetite."
    ]
    if live["needs_explanation"]:
        said.append(explanation(pair, appetite))
    return said


def explanation(pair: Document, appetite: Document) -> str:
    """Return why the recommendation is far from the live threshold, and what would make the live one right."""
    found, live = pair["recommended"], pair["current"]
    gap = live["threshold_difference_at_current_bonus"]
    allowed = level(1 - appetite["haircut_level"])
    survived, horizon = percent(live["implied_drop"]), span(appetite["liquidation_horizon_seconds"])
    falls = "none" if live["breach_share"] == 0 else share(live["breach_share"])
    side = "above" if gap > 0 else "below"
    start = (
        f"Explanation: at the current bonus the recommended threshold is "
        f"{percent(found['liquidation_threshold_at_current_bonus']['value'])}, {points(abs(gap), signed=False)} {side} the "
        f"current one; a difference of more than {points(EXPLAIN_ABOVE, 0, signed=False)} is explained. What binds is the "
        f"{listed(pair['binding'])}. The current values survive a drop of {survived}, and {falls} of the simulated "
        f"liquidations exceed it; the appetite accepts {allowed}. "
    )
    if gap > 0:
        return start + (
            f"The current threshold is therefore the more cautious one. It would be right if one believed that liquidations "
            f"take longer than {horizon}, that drops of {survived} after a trigger are far more common than these prices show, "
            f"or that a risk which prices do not show (contract, bridge, oracle, redemption) deserves the "
            f"{points(live['implied_drop'] - found['haircut']['value'], signed=False)} between that drop and the haircut."
        )
    if (live["breach_share"] or 0) <= 1 - appetite["haircut_level"]:
        start += (
            "Through the cycle that is within the appetite: the difference comes from what binds, not from the usual state. "
        )
    return start + (
        f"The current threshold is therefore the bolder one. It would be right if one believed that liquidations execute in "
        f"less than {horizon}, that the stressed states behind the haircut will not return, or that the bad debt beyond a "
        f"drop of {survived} is an acceptable cost."
    )


def bonus_reading(pair: Document, execution: Document, numeraire: str) -> str:
    """Return where the bonus comes from."""
    found = pair["recommended"]["liquidation_bonus"]
    if liquidity_unknown(pair):
        return f"No volume is known, so the bonus is not derived: {percent(found['value'])} is kept."
    needed = [row["required"] for row in pair["bonus_by_size"]]
    said = (
        f"The bonus of {percent(found['value'])} is {execution['safety']:g} times what a liquidator needs at the dearest size"
    )
    if needed:
        said += f" ({percent(max(needed), 2)} of the debt repaid)"
    said += ", rounded up. "
    if found["high"] is None:
        said += "At half the assumed volume no bonus is enough. "
    elif found["low"] == found["high"]:
        said += "At twice and at half the assumed volume it would be the same. "
    else:
        said += f"At twice and at half the assumed volume it would be {bounds(found)}. "
    said += f"The assumed volume is {money(pair['provenance'].get('daily_volume_assumed'), numeraire)} a day."
    smallest = pair["recommended"]["min_debt"]
    if smallest is not None:
        said += f" A debt below {money(smallest, numeraire)} does not pay a liquidator at this bonus."
    return said


def through_time(pair: Document) -> str | None:
    """Return how far the recommendation moved over the refits of the backtest."""
    history = pair["history"]
    if not history:
        return None
    ends = f"{percent(min(history['haircut']))} and {percent(max(history['haircut']))}"
    held = f"{percent(min(history['liquidation_threshold']))} and {percent(max(history['liquidation_threshold']))}"
    return (
        f"Over the {counted(len(history['as_of']), 'refit')} from {day(history['as_of'][0])} to {day(history['as_of'][-1])} "
        f"the haircut lay between {ends}, and the recommended threshold between {held}."
    )
