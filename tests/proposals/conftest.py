"""A small evidence document, and ways to change it.

`evidence.json` is a run of the bundled simulated market, shortened to 120 days of prices, with the second pair edited so
that flags, warnings, a bolder live threshold and an order violation occur; its metrics and what happened to borrowers are
those of the parameters in it, replayed on the market of version 0.2. After a wanted change of the text:

    RISKPARAMS_UPDATE_GOLDEN=1 python -m pytest tests/proposals
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from riskparams.proposals.evidence import Evidence

HERE = Path(__file__).parent


def read() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((HERE / "evidence.json").read_text(encoding="utf-8"))
    return document


@pytest.fixture
def data() -> dict[str, Any]:
    """Return the document, afresh for each test."""
    return read()


@pytest.fixture(scope="session")
def whole() -> Evidence:
    """Return the evidence for tests that leave it as it is."""
    return Evidence(data=read())


@pytest.fixture
def evidence(data: dict[str, Any]) -> Evidence:
    return Evidence(data=data)


def unlisted(data: dict[str, Any]) -> None:
    """Take the live values away, as for an asset that no market lists."""
    for pair in data["pairs"]:
        pair["current"] = None
        pair["recommended"]["liquidation_threshold_at_current_bonus"] = None
        pair["history"]["liquidation_threshold_at_current_bonus"] = [float("nan")] * len(pair["history"]["as_of"])
    del data["pooled"]["borrowers"]["current"]
    for tested in (data["pooled"], *(pair["backtest"] for pair in data["pairs"])):
        tested["difference"] = {}
        for sets in (tested["sets"], tested["best_intrabar"]):
            del sets["current"]


def partly_listed(data: dict[str, Any]) -> None:
    """Take the live values of one pair away: the pooled comparison then covers the other one only."""
    second = data["pairs"][1]
    second["current"] = None
    second["recommended"]["liquidation_threshold_at_current_bonus"] = None
    second["backtest"]["difference"] = {}
    for sets in (second["backtest"]["sets"], second["backtest"]["best_intrabar"]):
        del sets["current"]
    data["pooled"]["borrowers"]["current"]["pairs"] = [data["pairs"][0]["pair"]]
    data["pooled"]["sets"]["recommended, listed pairs"] = data["pairs"][0]["backtest"]["sets"]["recommended"]


def unjudged(data: dict[str, Any]) -> None:
    """Leave the backtest out."""
    data["pooled"] = None
    for pair in data["pairs"]:
        pair["history"] = pair["procyclicality"] = pair["backtest"] = None
    data["assumptions"]["backtest"] = None


def untriggered(data: dict[str, Any]) -> None:
    """Let no virtual position be triggered."""
    for tested in (data["pooled"], *(pair["backtest"] for pair in data["pairs"])):
        tested["coverage"] = None


def illiquid(data: dict[str, Any]) -> None:
    """Let no volume be known."""
    for pair in data["pairs"]:
        pair["flags"].append("liquidity_unknown")
        pair["bonus_by_size"] = []
        pair["recommended"]["min_debt"] = None
        pair["provenance"]["daily_volume_assumed"] = None


def thin(data: dict[str, Any]) -> None:
    """Let no bonus be enough at half the volume."""
    for pair in data["pairs"]:
        pair["recommended"]["liquidation_bonus"]["high"] = float("inf")


def refused(data: dict[str, Any]) -> None:
    """Let the haircut be too large for the asset to be collateral."""
    for pair in data["pairs"]:
        pair["binding"].append("not collateral")
        for field in ("liquidation_threshold", "max_ltv"):
            pair["recommended"][field].update(value=0.0, low=0.0, high=0.0)
            pair["history"][field] = [0.0] * len(pair["history"]["as_of"])


def alone(data: dict[str, Any]) -> None:
    """Keep one pair."""
    del data["pairs"][1:]


def unharmed(data: dict[str, Any]) -> None:
    """Let nothing be liquidated under any parameters."""
    for one in data["pooled"]["borrowers"].values():
        one["false"].update(dict.fromkeys(("judged", "count", "accounts", "repaid", "penalty"), 0), largest=[])
        one["false"].update(dict.fromkeys(("median_penalty", "high_penalty", "top_tenth_share")))
        one.update(dict.fromkeys(("liquidations", "liquidated", "hours", "days", "bad_debt", "bad_debt_events"), 0))
        one.update(worst_hours=[], bad_debt_cases=[], worst_hours_share=None, clean_days_bound=None)


CHANGES = (unlisted, partly_listed, unjudged, untriggered, illiquid, thin, refused, alone, unharmed)


@pytest.fixture(params=CHANGES, ids=lambda change: change.__name__)
def changed(request: pytest.FixtureRequest, data: dict[str, Any]) -> Evidence:
    """Return the document after one of the changes above."""
    change: Callable[[dict[str, Any]], None] = request.param
    change(data)
    return Evidence(data=data)


@pytest.fixture
def observed(data: dict[str, Any]) -> Evidence:
    """Return the document as if its prices had been observed."""
    data["study"]["simulated"] = False
    return Evidence(data=data)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Return a check of text against a golden file; RISKPARAMS_UPDATE_GOLDEN=1 writes the file anew instead."""

    def check(name: str, text: str) -> None:
        path = HERE.parent / "golden" / name
        if os.environ.get("RISKPARAMS_UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{path.name} differs: see the head of tests/proposals/conftest.py"

    return check


@pytest.fixture(scope="session")
def _recommended() -> dict[str, Any]:
    """Return the evidence of two pairs of the bundled market, recommended now and not judged."""
    from riskparams.pipeline import run
    from riskparams.prices.sample import bundled, simulated_market
    from riskparams.settings import load_study

    study = load_study(Path(str(bundled("studies/sample.toml"))), {"RISKPARAMS__model__paths": "2000"})
    few = study.model_copy(update={"pairs": [study.pairs[0], study.pairs[3]]})
    return dict(run(few, simulated_market(), judged=False).evidence.data)


@pytest.fixture
def fresh(_recommended: dict[str, Any]) -> dict[str, Any]:
    """Return that evidence, afresh for each test."""
    document: dict[str, Any] = json.loads(json.dumps(_recommended, default=str))
    return document
