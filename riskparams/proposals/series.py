"""What the charts of a report draw, as plain lists: the PNG figures and the page draw the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from riskparams.proposals.tables import LAWS
from riskparams.proposals.words import metric_words

Document = Mapping[str, Any]

# Okabe and Ito's colours, told apart by colour-blind readers; dark enough on white, light enough on near-black
PRICE, RECOMMENDED, CURRENT = "#767676", "#0072B2", "#D55E00"
PARTS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7")
SETS = {"recommended": RECOMMENDED, "current": CURRENT, "proposed": "#009E73"}
CHARTED = (  # the metrics that a chart compares; the tables hold them all
    "liquidation_frequency",
    "false_liquidation_share",
    "shortfall_bps",
    "shortfall_liquidated_bps",
    "borrower_cost",
    "liquidations",
    "capital_efficiency",
    "utilised_ltv",
)
PARAMETERS = {
    "liquidation_threshold": ("Liquidation threshold", "#0072B2"),
    "max_ltv": ("Max LTV", "#009E73"),
    "haircut": ("Haircut", "#CC79A7"),
    "liquidation_bonus": ("Liquidation bonus", "#E69F00"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Liquidation prices of a loan opened at max LTV at each refit, in force from `date[i]` to `date[i + 1]`."""

    date: list[str]
    recommended: list[float | None]
    current: list[float | None] | None


def liquidation_levels(pair: Document) -> Levels | None:
    """Return price x max LTV / liquidation threshold at each refit; the price is the last daily close before it.

    `date` has one more entry, which closes the last step. None without a walk-forward; a level is None
    where nothing can be borrowed.
    """
    history, prices, live = pair["history"], pair["prices"], pair["current"]
    if not history or not prices["date"]:
        return None
    closed = [(date.fromisoformat(day) + timedelta(days=1)).isoformat() for day in prices["date"]]
    rows, known = [], -1
    for as_of in history["as_of"]:
        while known + 1 < len(closed) and closed[known + 1] <= as_of[:10]:
            known += 1
        rows.append(prices["close"][known] if known >= 0 else None)
    ours = [
        close * ltv / threshold if close and threshold else None
        for close, ltv, threshold in zip(rows, history["max_ltv"], history["liquidation_threshold"], strict=True)
    ]
    theirs = None
    if live and live["liquidation_threshold"]:
        theirs = [close * live["max_ltv"] / live["liquidation_threshold"] if close else None for close in rows]
    return Levels(
        date=held(pair),
        recommended=ours,
        current=theirs,
    )


def log_ticks(span: tuple[float, float]) -> tuple[float, ...]:
    """Return the multiples of a power of ten that a logarithmic axis over `span` should name: more on a short one.

    >>> len(log_ticks((33_000, 57_000))) > len(log_ticks((1, 1_000)))
    True
    """
    ratio = span[1] / span[0]
    if ratio < 3:
        return tuple(tenth / 10 for tenth in range(10, 100, 5))
    return (1, 1.5, 2, 3, 4, 5, 6, 8) if ratio < 30 else (1, 3) if ratio < 1_000 else (1,)


def held(pair: Document) -> list[str]:
    """Return the dates of the refits, closed by the last price: each recommendation is held until the next date."""
    dates = [as_of[:10] for as_of in pair["history"]["as_of"]]
    return [*dates, max([dates[-1], *pair["prices"]["date"][-1:]])]


def first_shown(pair: Document) -> str:
    """Return the date from which a price chart is worth showing: a little before the first refit, else all of it."""
    if not pair["history"]:
        return str(pair["prices"]["date"][0])
    earlier = date.fromisoformat(pair["history"]["as_of"][0][:10]) - timedelta(days=45)
    return max(earlier.isoformat(), str(pair["prices"]["date"][0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One estimate on a chart; `low` and `high` are None where there is no interval."""

    label: str
    value: float
    low: float | None
    high: float | None


def parts(pair: Document) -> list[Point]:
    """Return the parts of the haircut in percentage points, each from where the one before ended."""
    found, start = [], 0.0
    for part in pair["components"]:
        end = start + 100 * part["value"]
        found.append(Point(label=part["name"].capitalize(), value=100 * part["value"], low=start, high=end))
        start = end
    return found


def law_points(pair: Document) -> list[Point]:
    """Return the drop of each start law in per cent, with two Monte-Carlo errors either side."""
    return [
        Point(
            label=f"Drop, {LAWS.get(name, name)}",
            value=100 * law["drop"],
            low=100 * (law["drop"] - 2 * (law["error"] or 0)),
            high=100 * (law["drop"] + 2 * (law["error"] or 0)),
        )
        for name, law in pair["laws"].items()
        if law["drop"] is not None
    ]


def compared(tested: Document) -> dict[tuple[str, str], list[Point]]:
    """Return, by label and unit of the metrics charted, one point per parameter set in the unit of the chart."""
    found = {}
    first = next(iter(tested["sets"].values()))
    for name, metric in ((name, first[name]) for name in CHARTED if name in first):
        words = metric_words(name, metric["unit"])
        found[words.label, words.unit] = [
            Point(label=side, **{end: _scaled(metrics[name][key], words.scale) for end, key in _ENDS})  # type: ignore[arg-type]
            for side, metrics in tested["sets"].items()
            if metrics.get(name) and metrics[name]["point"] is not None
        ]
    return found


_ENDS = (("value", "point"), ("low", "low"), ("high", "high"))


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale
