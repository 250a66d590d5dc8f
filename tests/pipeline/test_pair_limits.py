"""The limits of a pair in a run: a cap that binds by name, a fund, and what a jump to default does to both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from riskparams.backtest.positions import Cohort
from riskparams.limits.caps import Exposure
from riskparams.pipeline.change_advice import ChangeControl
from riskparams.pipeline.in_full import InFull, describe_in_full, recommend_in_full
from riskparams.prices.sample import bundled, simulated_market
from riskparams.settings import load_study


@pytest.fixture(scope="module")
def found() -> dict[str, InFull]:
    study = load_study(Path(str(bundled("studies/sample.toml"))), {"RISKPARAMS__model__paths": "1000"})
    panel = simulated_market()
    task = replace(study.tasks()[1], refine=False)
    return {
        name: recommend_in_full(
            task,
            panel,
            cohort=Cohort(),
            rules=study.rules(panel.bar),
            control=ChangeControl(limits=study.change.build(), materiality=study.change.worth()),
            exposure=exposure,
        )
        for name, exposure in {
            "plain": Exposure(),
            "default": Exposure(jump_to_default=True),
            "funded": Exposure(jump_to_default=True, fund=1_000_000),
        }.items()
    }


def test_the_cap_is_bound_by_what_the_bonus_can_sell(found: dict[str, InFull]) -> None:
    limits = found["plain"].limits
    assert limits is not None
    assert limits.supply.value == min(limits.supply.by_reason.values())
    assert 0 < limits.liquidated_share < 1
    assert limits.branching is not None
    assert limits.branching <= 0.5 + 1e-6
    assert limits.fund.coverage >= 0.0025


def test_a_jump_to_default_changes_the_cap_and_no_parameter(found: dict[str, InFull]) -> None:
    plain, default, funded = (found[name] for name in ("plain", "default", "funded"))
    assert plain.recommendation.parameters == default.recommendation.parameters == funded.recommendation.parameters
    assert default.limits is not None
    assert funded.limits is not None
    assert (default.limits.supply.value, default.limits.supply.binding) == (0.0, "jump to default")
    assert funded.limits.supply.value == pytest.approx(1e6 / plain.recommendation.parameters.max_ltv)


def test_the_evidence_of_limits_holds_no_infinity(found: dict[str, InFull]) -> None:
    def finite(value: Any) -> bool:
        if isinstance(value, dict):
            return all(map(finite, value.values()))
        if isinstance(value, list | tuple):
            return all(map(finite, value))
        return not isinstance(value, float) or abs(value) < float("inf")

    for one in found.values():
        assert finite(describe_in_full(one)["limits"])
