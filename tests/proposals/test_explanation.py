"""Each line of an explanation, checked as a reader with a pocket calculator would: from the numbers shown."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from riskparams.errors import ConfigError
from riskparams.proposals.explanation import explain, explain_run

CALCULATOR: dict[str, Any] = {
    "max": max,
    "min": min,
    "exp": math.exp,
    "floor_to": lambda x, step: math.floor(x / step + 1e-6) * step,
    "ceil_to": lambda x, step: math.ceil(x / step - 1e-6) * step,
}
ALLOWED = re.compile(r"^(?:[0-9.+\-*/(), ]|max|min|exp|floor_to|ceil_to)+$")


def lines(data: dict[str, Any]) -> list[str]:
    return [str(line) for pair in data["pairs"] for _, step in explain(pair, data["assumptions"]) for line in step]


def test_every_line_follows_from_the_numbers_shown(fresh: dict[str, Any]) -> None:
    checked = 0
    for text in lines(fresh):
        parts = text.split(" = ")
        if len(parts) == 2:
            continue
        _, formula, value = parts
        assert ALLOWED.match(formula), formula
        assert eval(formula, {"__builtins__": {}}, CALCULATOR) == pytest.approx(float(value), abs=3e-6), text
        checked += 1
    assert checked >= 20


def test_every_number_in_a_formula_was_shown_before_or_is_an_assumption(fresh: dict[str, Any]) -> None:
    costs, appetite = fresh["assumptions"]["execution"], fresh["assumptions"]["appetite"]
    given = {
        f"{value:.6f}" for value in (*costs.values(), appetite["stress_weight"], 1 - appetite["stress_weight"], 0.005, 0.001)
    }
    for pair in fresh["pairs"]:
        around = pair["surroundings"]
        moderate = next(one["gap"] for one in pair["profiles"] if one["profile"] == "moderate")
        shown = (
            given | {f"{around[name]:.6f}" for name in ("oracle_step", "conformal", "slippage", "fee")} | {f"{moderate:.6f}"}
        )
        for _, step in explain(pair, fresh["assumptions"]):
            for line in step:
                for number in re.findall(r"\d+\.\d{6}", line.formula):
                    assert number in shown, f"{number} of {line}"
                shown.add(f"{line.value:.6f}")


def test_the_last_lines_are_what_is_recommended(fresh: dict[str, Any]) -> None:
    for pair in fresh["pairs"]:
        values = {line.says: line.value for _, step in explain(pair, fresh["assumptions"]) for line in step}
        assert values["haircut"] == pytest.approx(pair["recommended"]["haircut"]["value"], abs=1e-9)
        assert values["maximum LTV"] == pair["recommended"]["max_ltv"]["value"]
        assert values["drop that these survive"] == pair["recommended"]["implied_drop"]


def test_a_run_or_pair_that_is_not_there_is_named(fresh: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"evidence.json cannot be read"):
        explain_run(tmp_path, "X/USD")
    fresh["refused"] = [{"pair": "LUNA/USD", "error": "ModelError", "reason": "it can go to nothing"}]
    (tmp_path / "evidence.json").write_text(json.dumps(fresh), encoding="utf-8")
    with pytest.raises(ConfigError, match="is not in this run: give one of"):
        explain_run(tmp_path, "X/USD")
    with pytest.raises(ConfigError, match="LUNA/USD was refused in this run: it can go to nothing"):
        explain_run(tmp_path, "LUNA/USD")
    simulated, steps = explain_run(tmp_path, fresh["pairs"][0]["pair"])
    assert simulated
    assert len(steps) == 4
