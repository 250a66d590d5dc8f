"""The audit: what live parameters imply, with an interval, market by market."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from riskparams.errors import ConfigError
from riskparams.parameters.audit import Implied, audit
from riskparams.parameters.policy import PairPolicy
from riskparams.parameters.risk_parameters import ObservedParameters
from riskparams.pipeline.audit import audit_table, run_audit
from riskparams.prices.sample import bundled, simulated_market
from riskparams.settings import Study, load_study


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(Path(str(bundled("studies/sample.toml"))), {"RISKPARAMS__model__paths": "2000"})


def implied(study: Study, *markets: tuple[float, float, float]) -> list[Implied]:
    panel = simulated_market()
    policy = PairPolicy(replace(study.tasks()[0], refine=False))
    simulated = policy.simulate(panel)
    return [
        audit(
            policy,
            panel,
            simulated,
            ObservedParameters(max_ltv=ltv, liquidation_threshold=threshold, liquidation_bonus=bonus),
            paths=2_000,
        )
        for ltv, threshold, bonus in markets
    ]


def test_bolder_markets_survive_less_and_break_sooner(study: Study) -> None:
    careful, middle, bold = implied(study, (0.70, 0.75, 0.05), (0.80, 0.85, 0.05), (0.85, 0.92, 0.05))
    assert careful.drop > middle.drop > bold.drop == pytest.approx(1 - 0.92 * 1.05)
    assert careful.breach <= middle.breach <= bold.breach
    assert careful.years >= middle.years >= bold.years
    for one in (careful, middle, bold):
        assert one.breach_low <= one.breach <= one.breach_high
        assert one.years_low <= one.years <= one.years_high


def test_a_narrower_gap_is_touched_in_more_weeks(study: Study) -> None:
    narrow, wide = implied(study, (0.84, 0.85, 0.05), (0.70, 0.85, 0.05))
    assert narrow.touches > wide.touches
    assert narrow.breach == wide.breach


def test_a_market_that_lends_nothing_is_never_touched(study: Study) -> None:
    [frozen] = implied(study, (0.0, 0.85, 0.05))
    assert frozen.touches == 0
    assert frozen.years == inf


def test_the_table_has_a_row_for_every_market_and_the_document_no_infinity(study: Study) -> None:
    first = study.pairs[0].model_copy(
        update={"live": (study.pairs[1].current, study.pairs[0].current.model_copy(update={"max_ltv": 0.0}))}  # type: ignore[union-attr]
    )
    asked = study.model_copy(update={"pairs": [first]})
    found = run_audit(asked, simulated_market())
    _, header, rows, words = audit_table(found)
    assert [row[0] for row in rows] == ["ALPHA/USD"] * 3
    assert all(len(row) == len(header) for row in rows)
    assert any("never" in row[-1] for row in rows)
    assert words
    assert found.to_dict()["pairs"][0]["implied"][2]["years"] is None


def test_a_study_without_live_parameters_is_told_so(study: Study) -> None:
    with pytest.raises(ConfigError, match="lists no live parameters"):
        run_audit(study.model_copy(update={"pairs": [study.pairs[3]]}), simulated_market())
