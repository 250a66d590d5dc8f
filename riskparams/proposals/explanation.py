"""One pair's numbers, line by line, so that each can be checked with a pocket calculator from the numbers shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riskparams.errors import ConfigError
from riskparams.parameters.ltv import BONUS_STEP, STEP, floored

Document = Mapping[str, Any]
DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A statement: what is computed, how from the numbers above it, and what it comes to; `formula` is empty for a given.

    A formula uses + - * / and the functions max, min, exp, floor_to(x, step) and ceil_to(x, step); `value` is the result to six
    digits after the point.
    """

    says: str
    formula: str
    value: float

    def __str__(self) -> str:
        shown = _shown(self.value)
        return f"{self.says} = {self.formula} = {shown}" if self.formula else f"{self.says} = {shown}"


def _shown(value: float) -> str:
    return f"{value:.{DIGITS}f}"


def explain_run(folder: Path, name: str) -> tuple[bool, list[tuple[str, list[Line]]]]:
    """Return whether a run's prices were simulated, and the breakdown of one of its pairs.

    Raises `ConfigError` for a folder without evidence, or a pair that is not in it, naming those that are.
    """
    file = folder / "evidence.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read ({error}): give the folder of a run or of a study") from error
    pairs = {pair["pair"]: pair for pair in data["pairs"]}
    refused = {one["pair"]: one["reason"] for one in data["refused"]}
    if name in refused:
        raise ConfigError(f"{name} was refused in this run: {refused[name]}")
    if name not in pairs:
        raise ConfigError(f"{name} is not in this run: give one of {', '.join(pairs)}")
    return data["study"]["simulated"], explain(pairs[name], data["assumptions"])


def explain(pair: Document, assumptions: Document) -> list[tuple[str, list[Line]]]:
    """Return the breakdown of a pair in steps, each a title and its lines; fractions throughout.

    Rounded numbers are what is shown and what the formulas use, so that a result agrees to within the last digits.
    """
    steps = [
        ("Haircut, from the simulated drops of the three start laws", list(_haircut(pair, assumptions["appetite"]))),
        ("The parts of the haircut add up", list(_parts(pair))),
    ]
    if pair["bonus_by_size"]:
        steps.append(("Liquidation bonus, from the dearest size it serves", list(_bonus(pair, assumptions["execution"]))))
    if pair["recommended"]["liquidation_threshold"]["value"]:
        steps.append(("Threshold and maximum LTV", list(_threshold(pair))))
    return steps


def _haircut(pair: Document, appetite: Document) -> Iterator[Line]:
    laws, around = pair["laws"], pair["surroundings"]
    pit, ttc, stressed = (laws[name]["drop"] for name in ("pit", "ttc", "str"))
    weight = appetite["stress_weight"]
    yield Line(says="drop from today's state", formula="", value=pit)
    yield Line(says="drop through the cycle", formula="", value=ttc)
    yield Line(says="drop under stress", formula="", value=stressed)
    yield Line(says="largest drop of the named scenarios", formula="", value=around["scenario"])
    harsh = max(stressed, around["scenario"])
    mix = (1 - weight) * pit + weight * harsh
    yield Line(
        says="mix of today and stress",
        formula=f"{_shown(1 - weight)} * {_shown(pit)} + {_shown(weight)} * "
        f"max({_shown(stressed)}, {_shown(around['scenario'])})",
        value=mix,
    )
    prudent = mix
    if appetite.get("cycle_floor", True):
        prudent = max(mix, ttc)
        yield Line(says="prudent drop", formula=f"max({_shown(mix)}, {_shown(ttc)})", value=prudent)
    drop = min(around["conformal"] * prudent, 1.0)
    yield Line(
        says="drop after recent misses", formula=f"min({_shown(around['conformal'])} * {_shown(prudent)}, 1)", value=drop
    )
    kept = (1 - around["oracle_step"]) * (1 - drop) * (1 - around["slippage"]) * (1 - around["fee"])
    smallest = sum(part["value"] for part in pair["components"] if part["name"] == "smallest haircut")
    formula = f"1 - (1 - {_shown(around['oracle_step'])}) * (1 - {_shown(drop)})"
    if around["slippage"] or around["fee"]:
        formula += f" * (1 - {_shown(around['slippage'])}) * (1 - {_shown(around['fee'])})"
    if smallest:
        formula += f" + {_shown(smallest)}"
    yield Line(says="haircut", formula=formula, value=1 - kept + smallest)


def _parts(pair: Document) -> Iterator[Line]:
    for part in pair["components"]:
        yield Line(says=part["name"], formula="", value=part["value"])
    yield Line(
        says="haircut",
        formula=" + ".join(f"({_shown(part['value'])})" for part in pair["components"]),
        value=pair["recommended"]["haircut"]["value"],
    )


def _bonus(pair: Document, costs: Document) -> Iterator[Line]:
    found = pair["bonus_at_dearest"]
    yield Line(says="debt repaid at the dearest size", formula="", value=found["debt"])
    yield Line(says="slippage when its collateral is sold", formula="", value=found["slippage"])
    yield Line(says="charge for holding it", formula="", value=found["inventory"])
    cost = (
        1 + costs["flash_fee"] + costs["margin"] + found["inventory"]
        + costs["gas"] / (costs["win_probability"] * found["debt"])
    )  # fmt: skip
    yield Line(
        says="a liquidator pays, per unit of debt",
        formula=f"1 + {_shown(costs['flash_fee'])} + {_shown(costs['margin'])} + {_shown(found['inventory'])} + "
        f"{_shown(costs['gas'])} / ({_shown(costs['win_probability'])} * {_shown(found['debt'])})",
        value=cost,
    )
    kept = (1 - costs["oracle_gap"]) * (1 - found["slippage"]) * (1 - costs["venue_fee"])
    yield Line(
        says="and keeps, per unit of collateral",
        formula=f"(1 - {_shown(costs['oracle_gap'])}) * (1 - {_shown(found['slippage'])}) * (1 - {_shown(costs['venue_fee'])})",
        value=kept,
    )
    required = (cost / kept - 1) / (1 - costs["protocol_share"])
    yield Line(
        says="bonus required there",
        formula=f"({_shown(cost)} / {_shown(kept)} - 1) / (1 - {_shown(costs['protocol_share'])})",
        value=required,
    )
    yield Line(
        says="smallest bonus",
        formula=f"ceil_to({_shown(costs['safety'])} * {_shown(required)}, {_shown(BONUS_STEP)})",
        value=found["bonus"],
    )


def _threshold(pair: Document) -> Iterator[Line]:
    found = pair["recommended"]
    cut, bonus = found["haircut"]["value"], found["liquidation_bonus"]["value"]
    threshold, ltv = found["liquidation_threshold"]["value"], found["max_ltv"]["value"]
    gap = next(one["gap"] for one in pair["profiles"] if one["profile"] == "moderate")
    yield Line(says="liquidation bonus recommended", formula="", value=bonus)
    yield Line(says="largest threshold", formula=f"(1 - {_shown(cut)}) / (1 + {_shown(bonus)})", value=(1 - cut) / (1 + bonus))
    top = floored((1 - cut) / (1 + bonus))
    if threshold < top:
        yield Line(says="liquidation threshold, lowered to keep the annual loss", formula="", value=threshold)
    else:
        formula = f"floor_to({_shown((1 - cut) / (1 + bonus))}, {_shown(STEP)})"
        yield Line(says="liquidation threshold", formula=formula, value=threshold)
    move = pair["touch"]["move"]
    yield Line(says="touch move (log)", formula="", value=move)
    yield Line(
        says="maximum LTV",
        formula=f"min(floor_to({_shown(threshold)} * exp(-{_shown(gap)} * {_shown(move)}), {_shown(STEP)}), "
        f"{_shown(threshold)} - {_shown(STEP)})",
        value=ltv,
    )
    yield Line(
        says="drop that these survive",
        formula=f"1 - {_shown(threshold)} * (1 + {_shown(bonus)})",
        value=found["implied_drop"],
    )
