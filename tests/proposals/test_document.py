"""The proposal says what the evidence holds, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from riskparams.proposals.assumptions import assumptions
from riskparams.proposals.document import render_proposal
from riskparams.proposals.evidence import EXPLAIN_ABOVE, Evidence
from riskparams.proposals.motivation import changes, headline
from riskparams.proposals.tables import components
from riskparams.proposals.words import fixed, settled, share

NUMBER = re.compile(r"(?<![\w.])[-+]?\$?((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?: ?(%|points\b))?")
QUOTED = re.compile(r"```.*?```|`[^`]*`|!\[[^\]]*\]\([^)]*\)|^#.*?$", re.DOTALL | re.MULTILINE)


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from leaves(inner)
    elif isinstance(value, list):
        yield len(value)
        for inner in value:
            yield from leaves(inner)
    elif value is not None:
        yield value


def allowed_differences(data: dict[str, Any]) -> Iterator[float]:
    """Yield what the text may subtract: recommended less current, drop less haircut, one less the level."""
    yield 1 - data["assumptions"]["appetite"]["haircut_level"]
    yield EXPLAIN_ABOVE
    for pair in data["pairs"]:
        found, live = pair["recommended"], pair["current"]
        if live:
            yield live["implied_drop"] - found["haircut"]["value"]
            for field in ("liquidation_threshold", "max_ltv", "liquidation_bonus"):
                yield found[field]["value"] - live[field]


def known(data: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the numbers the text may state: with a unit of a ratio (%, points), and plain or with another unit."""
    ratios, plain = set(), {"1"}  # "1 + bonus"
    for value in (*leaves(settled(data)), *allowed_differences(settled(data))):
        if isinstance(value, str):
            plain |= set(re.findall(r"\d[\d,]*(?:\.\d+)?", value))
            ratios |= {found.rstrip("%") for found in re.findall(r"\d[\d.]*%", value)}
            if re.fullmatch(r"0\.\d+", value):
                value = float(value)
        if isinstance(value, bool | str):
            continue
        size = abs(value)
        ratios |= {fixed(100 * size, digits) for digits in (0, 1, 2)} | {share(size).split()[0], f"{round(100 * size, 8):g}"}
        plain |= {fixed(size, digits) for digits in (0, 1, 2, 4)} | {f"{size:,g}", fixed(100 * size, 2)}
        plain |= {f"{size:.2g}"}
        plain |= {f"{float(f'{size:.3g}') / unit:g}" for unit in (1e9, 1e6)} | {f"{float(f'{size:.3g}'):,.0f}"}
        plain |= {f"{size / unit:g}" for unit in (60, 3_600, 86_400)}
    return ratios, plain


def strangers(text: str, data: dict[str, Any]) -> list[str]:
    """Return the numbers of a text that the document does not hold."""
    ratios, plain = known(data)
    text = re.sub(r"(\S+) (to \S+ points)", r"\1 points \2", QUOTED.sub("", text))  # the unit is written once
    return [found.group(0) for found in NUMBER.finditer(text) if found[1] not in (ratios if found[2] else plain)]


def test_every_number_of_the_proposal_is_in_the_evidence(data: dict[str, Any]) -> None:
    assert strangers(render_proposal(Evidence(data=data)), data) == []


@pytest.mark.parametrize(("told", "invented"), [("93.0 %", "93.7 %"), ("$7,530", "$7,533"), ("801 were", "807 were")])
def test_an_invented_number_would_be_found(data: dict[str, Any], told: str, invented: str) -> None:
    text = render_proposal(Evidence(data=data))
    assert told in text
    assert strangers(text.replace(told, invented), data)


def test_the_whole_proposal_reads_as_agreed(evidence: Evidence, golden: Callable[[str, str], None]) -> None:
    golden("proposal.md", render_proposal(evidence))


def test_a_simulated_market_is_named_at_the_top_and_in_the_caption(evidence: Evidence) -> None:
    lines = render_proposal(evidence).splitlines()
    assert any(line.startswith("**SIMULATED") for line in lines[:3])
    assert any(line.startswith("Parameters as of") and "SIMULATED" in line for line in lines)


def test_observed_prices_are_not_called_simulated(observed: Evidence) -> None:
    assert "SIMULATED" not in render_proposal(observed)


def test_what_is_missing_is_said_in_words(changed: Evidence) -> None:
    text = render_proposal(changed)
    assert not re.search(r"\b(None|nan|inf|null)\b", text)
    assert strangers(text, dict(changed.data)) == []


def test_an_unlisted_pair_has_no_current_value(data: dict[str, Any]) -> None:
    data["pairs"][0]["current"] = None
    data["pairs"][0]["recommended"]["liquidation_threshold_at_current_bonus"] = None
    text = render_proposal(Evidence(data=data))
    assert "| ALPHA/USD | Max LTV | not listed | 87.5 % |" in text
    assert "No current values are listed for this pair." in text


def test_equal_parameters_are_no_change(data: dict[str, Any]) -> None:
    pair = data["pairs"][0]
    for field in ("liquidation_threshold", "max_ltv", "liquidation_bonus"):
        pair["current"][field] = pair["recommended"][field]["value"]
    assert changes(pair) == []
    assert headline(pair).startswith("No change")
    assert "No change is recommended for 1 of 2 pairs" in render_proposal(Evidence(data=data))


def test_a_small_difference_needs_no_explanation(data: dict[str, Any]) -> None:
    assert render_proposal(Evidence(data=data)).count("Explanation:") == 2
    data["pairs"][0]["current"]["needs_explanation"] = False
    assert render_proposal(Evidence(data=data)).count("Explanation:") == 1


def test_values_dated_after_the_period_are_never_what_the_protocol_had(data: dict[str, Any]) -> None:
    claim = "these values applied to the period, never what the protocol had"
    assert claim in render_proposal(Evidence(data=data))
    data["pairs"][0]["current"]["dated"] = "2024-01-05"
    assert claim not in render_proposal(Evidence(data=data))


def test_the_parts_of_the_haircut_add_up(data: dict[str, Any]) -> None:
    for pair in data["pairs"]:
        *parts, whole = (float(row[1]) for row in components(pair).rows)
        assert sum(parts) == pytest.approx(whole, abs=0.005 * (len(parts) + 1))


def test_the_highest_level_is_never_called_validated(evidence: Evidence) -> None:
    assert "With 81 independent days the 99.5 % level cannot be validated" in render_proposal(evidence)


def test_a_broken_guardrail_is_listed(data: dict[str, Any]) -> None:
    data["checks"]["inequality"]["broken"] = [{"pair": "ALPHA/USD", "date": "2024-01-27"}]
    assert "broken for ALPHA/USD on 2024-01-27" in render_proposal(Evidence(data=data))


def test_every_table_keeps_its_columns_whatever_a_pair_is_called(data: dict[str, Any]) -> None:
    data["pairs"][0]["pair"] = "A|B<i>\n/USD"
    text = render_proposal(Evidence(data=data))
    assert "A\\|B&lt;i> /USD" in text
    for block in re.findall(r"(?:^\|.*\|$\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_every_assumption_is_printed(data: dict[str, Any]) -> None:
    printed = sum(len(table.rows) for table in assumptions(data))
    stated = data["assumptions"]
    unsaid = {
        "liquidation_horizon",
        "touch_horizon",
        "follow",
        "target_health",
        "end",
    }  # told in seconds, hours, days; as a rule
    count = sum(len({*stated[name]} - (unsaid if name in ("appetite", "backtest") else set())) for name in
                ("appetite", "execution", "borrowers", "rules", "backtest", "oracle_deviation"))  # fmt: skip
    assert printed == count


def test_a_long_list_of_price_warnings_is_cut_and_counted(data: dict[str, Any]) -> None:
    data["pairs"][0]["quality"]["warnings"] = [f"wick {row}" for row in range(9)]
    text = render_proposal(Evidence(data=data))
    assert text.count("Prices: wick") == 5
    assert "Prices: 9 warnings in all" in text


def test_evidence_reads_the_same_from_memory_and_from_disk(data: dict[str, Any]) -> None:
    pair = data["pairs"][0]
    before = render_proposal(Evidence(data=data))
    pair["recommended"]["haircut"]["value"] = np.float64(pair["recommended"]["haircut"]["value"])
    pair["laws"]["pit"]["hits"] = np.int64(pair["laws"]["pit"]["hits"])
    pair["binding"] = tuple(pair["binding"])
    assert render_proposal(Evidence(data=data)) == before


def test_what_happened_to_borrowers_is_told_for_every_set(data: dict[str, Any]) -> None:
    text = render_proposal(Evidence(data=data))
    section = text[text.index("## What happened to borrowers") : text.index("## Guardrails")]
    for part in ("### The worst hours", "### Liquidated for nothing", "### Where bad debt came from"):
        assert part in section
    assert section.count("Under the recommended parameters") == section.count("Under the current parameters") == 3
    assert "there was no bad debt. What bounds it: 23 days with liquidations" in section
    assert section.count("| BRAVO/USD | $") == len(data["pooled"]["borrowers"]["current"]["bad_debt_cases"]) + 3


def test_without_bad_debt_no_table_of_it_is_printed(data: dict[str, Any]) -> None:
    del data["pooled"]["borrowers"]["current"]
    text = render_proposal(Evidence(data=data))
    assert "largest bad debts" not in text
    assert "A position is called at a health factor of 1" not in text


def test_a_set_that_not_all_pairs_have_says_so(data: dict[str, Any]) -> None:
    data["pooled"]["borrowers"]["current"]["pairs"] = ["ALPHA/USD"]
    assert "Under the current parameters, which 1 pair of 2 have, $" in render_proposal(Evidence(data=data))


def test_bars_that_are_not_hours_are_not_called_hours(data: dict[str, Any]) -> None:
    data["study"]["bar_seconds"] = 86_400.0
    text = render_proposal(Evidence(data=data))
    assert "### The worst bars" in text
    assert "worst hours" not in text


def test_debts_in_several_assets_are_not_called_dollars(data: dict[str, Any]) -> None:
    data["pairs"][1]["debt"] = "EUR"
    section = render_proposal(Evidence(data=data)).split("## What happened to borrowers")[1].split("## Guardrails")[0]
    assert "$" not in section
    assert "units of each pair's debt" in section


def test_the_impact_that_past_prices_hold_is_stated(evidence: Evidence) -> None:
    text = render_proposal(evidence)
    assert "Past prices already hold the impact of the liquidations of their day, and the backtest adds none." in text
    assert "`riskparams stress` reports its scenarios without and with it." in text
    assert "| Impact of liquidations on later prices | none added: past prices hold that of their day |" in text
