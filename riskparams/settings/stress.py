"""[stress]: which scenarios a study's borrowers are put through, how, and the fund that must bear the loss."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from riskparams.backtest.scenario_files import load_scenarios
from riskparams.backtest.scenarios import Window
from riskparams.settings.fields import Duration, Section, Span


def _known(value: object) -> object:
    """Return the names of scenarios, None for "all"; raise `ValueError` for one that no file has."""
    if value == "all" or not isinstance(value, list | tuple):
        return None if value == "all" else value
    known = load_scenarios()
    for name in value:
        if name not in known:
            near = get_close_matches(str(name), known, n=1, cutoff=0.5)
            advice = f"did you mean {near[0]!r}?" if near else f"known ones are {', '.join(known)}"
            raise ValueError(f"there is no scenario {name!r}: {advice}")
    return list(dict.fromkeys(value))


def _on_record(stands_for: Mapping[str, str]) -> Mapping[str, str]:
    """Return the stand-ins; raise `ValueError` for one whose asset fell in no window on record."""
    if stands_for:
        windows = (one.event for one in load_scenarios().values() if isinstance(one.event, Window))
        known = sorted({str(asset) for window in windows for asset in window.falls})
        for asset, other in stands_for.items():
            if other not in known:
                raise ValueError(f"{asset} stands for {other}, of which no fall is on record: choose among {', '.join(known)}")
    return stands_for


class StressSection(Section):
    """[stress]

    `fund` is what may be lost, as a share of the debt at the start (METHOD 11 asks for 25 bp at the least). `scenarios`
    are names of files in `data/scenarios`, or "all". A shock strikes after `lead` and is followed for `settling` once the
    last of its troubles is over. `accounts` are those of [backtest] where it is left out, 10,000 without one. The oracle
    publishes on the deviation of its pair, or once `heartbeat` has passed. `stands_for` names, for an asset without a fall
    of its own on record, the asset whose fall it takes: `{ WBTC = "BTC" }`.
    """

    fund: Annotated[float, Field(gt=0, lt=1)] = 0.0025
    scenarios: Annotated[tuple[str, ...] | None, Field(min_length=1), BeforeValidator(_known)] = None
    lead: Duration = timedelta(hours=24)
    settling: Duration = timedelta(hours=24)
    accounts: Annotated[int, Field(ge=10, le=1_000_000)] | None = None
    heartbeat: Span = timedelta(hours=24)
    stands_for: Annotated[Mapping[str, str], AfterValidator(_on_record)] = {}
