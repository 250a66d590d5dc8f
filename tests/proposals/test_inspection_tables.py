"""What `inspect` prints: every group, a dash where there is no number, and each rejected model with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from riskparams.pipeline import inspect_asset, load_prices
from riskparams.proposals.inspection import inspection_tables, inspection_warnings
from riskparams.settings import load_study


@pytest.fixture
def document() -> dict[str, Any]:
    from pathlib import Path

    from riskparams.prices.sample import bundled

    study = load_study(Path(str(bundled("studies/sample.toml"))), {})
    return dict(inspect_asset(study, load_prices(study, None), "FJORD").document)


def printed(document: dict[str, Any]) -> str:
    return "\n".join(" | ".join(row) for table in inspection_tables(document) for row in (table.head, *table.rows))


def test_each_group_is_printed(document: dict[str, Any]) -> None:
    captions = [table.caption for table in inspection_tables(document)]
    assert len(captions) == len(set(captions)) == 7
    text = printed(document)
    for word in ("persistence", "half-life", "Ljung-Box of z^2", "ARCH-LM", "Hill", "extremal index", "99.9 %", "2.5 %"):
        assert word in text
    assert all(len(row) == len(table.head) for table in inspection_tables(document) for row in table.rows)


def test_what_has_a_reason_instead_of_a_number_is_a_dash(document: dict[str, Any]) -> None:
    document["tail"]["levels"][-1]["expected_shortfall"] = {"value": None, "low": None, "high": None, "reason": "no mean"}
    document["tail"]["errors"] |= {"shape": None, "reason": "not regular"}
    document["diagnostics"]["half_life"] = None
    document["diagnostics"] |= {"reason": "integrated"}
    document["volatility"]["rejected"] = [{"model": "GJR-t", "reason": "nu 2.05 is not above 2.1"}]
    text = printed(document)
    assert "99.9 %" in text
    assert "| - | -" in text
    assert "not regular" in text
    assert "endless" in text
    assert "GJR-t | nu 2.05 is not above 2.1" in text


def test_flags_refusals_and_price_warnings_are_said_in_words(document: dict[str, Any]) -> None:
    document["refused"] = ["FJORD/USD: too short"]
    document["price_warnings"] = [f"warning {number}" for number in range(7)]
    said = inspection_warnings(document)
    assert said[0].startswith("short_history: The unbroken history")
    assert "no recommendation would be made: FJORD/USD: too short" in said
    assert said[-1] == "prices: 7 warnings in all; riskparams check prints them"
    document["flags"] = []
    assert inspection_warnings(document)[0] == "no flags"
