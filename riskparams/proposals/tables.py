"""The tables of a report, as text: the Markdown and the page lay out the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from riskparams.proposals.words import (
    NOT_AVAILABLE,
    NOT_LISTED,
    bounds,
    date,
    level,
    metric_words,
    money,
    number,
    percent,
    points,
    share,
    with_interval,
)

Document = Mapping[str, Any]
LAWS = {"pit": "today's state", "ttc": "through the cycle", "str": "stress"}
DAYS_SHOWN = 10
UNTABLED = ("penalty_paid",)  # a part of the cost to borrowers; in the evidence all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of text; the first `labels` columns are words, the others numbers. `total` marks a closing sum."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    total: bool = False


def specification(data: Document) -> Table:
    """Return what is recommended, one row per pair and parameter."""
    rows = [row for pair in data["pairs"] for row in _specified(pair)]
    caption = f"Parameters as of {date(data['study']['as_of'])}"
    if data["study"]["simulated"]:
        caption += " (SIMULATED prices)"
    return Table(caption=caption, head=("Pair", "Parameter", "Current", "Recommended", "Interval"), rows=tuple(rows), labels=2)


def _specified(pair: Document) -> list[tuple[str, ...]]:
    found, live = pair["recommended"], pair["current"]

    def row(parameter: str, field: str, now: float | None) -> tuple[str, ...]:
        one = found[field]
        return (pair["pair"], parameter, NOT_LISTED if now is None else percent(now), percent(one["value"]), bounds(one))

    now = live or {}
    bonus = found["liquidation_bonus"]["value"]
    rows = [
        row(f"Liquidation threshold, at the recommended bonus of {percent(bonus)}", "liquidation_threshold",
            now.get("liquidation_threshold")),
    ]  # fmt: skip
    if live and found["liquidation_threshold_at_current_bonus"]:
        label = f"Liquidation threshold, at the current bonus of {percent(live['liquidation_bonus'])}"
        rows.append(row(label, "liquidation_threshold_at_current_bonus", live["liquidation_threshold"]))
    rows.append(row("Max LTV", "max_ltv", now.get("max_ltv")))
    rows.append(row("Liquidation bonus", "liquidation_bonus", now.get("liquidation_bonus")))
    if liquidity_unknown(pair):
        rows[-1] = (*rows[-1][:-1], f"{NOT_AVAILABLE}: no volume is known")
    rows.append(row("Haircut (current: the drop the current values survive)", "haircut", now.get("implied_drop")))
    return rows


def liquidity_unknown(pair: Document) -> bool:
    """Return whether the bonus was kept rather than derived."""
    return "liquidity_unknown" in pair["flags"]


def components(pair: Document) -> Table:
    """Return the parts of the haircut in percentage points; they add up to the last row."""
    rows = [(part["name"].capitalize(), f"{100 * part['value']:.2f}") for part in pair["components"]]
    rows.append(("Haircut", f"{100 * pair['recommended']['haircut']['value']:.2f}"))
    return Table(caption="Parts of the haircut", head=("Part", "Percentage points"), rows=tuple(rows), total=True)


def laws(pair: Document, appetite: Document) -> Table:
    """Return the simulated drop from trigger to execution by start law."""
    multiples = [f"Barrier {multiple:g} x" for multiple in appetite["barrier_multiples"]]
    rows = []
    for name, law in pair["laws"].items():
        drops = [percent(drop) for drop in law["by_barrier"]]
        rows.append(
            (
                LAWS.get(name, name),
                percent(law["drop"]),
                points(law["error"], 2, signed=False),
                percent(law["expected_shortfall"]),
                *drops,
                number(law["hits"]),
                number(law["paths"]),
            )
        )
    head = (
        "Start law",
        f"Drop at {level(appetite['haircut_level'])}",
        "Monte-Carlo error",
        f"Expected shortfall at {level(appetite['shortfall_level'])}",
        *multiples,
        "Triggers",
        "Paths",
    )
    return Table(caption="Simulated drop from trigger to execution, by start law", head=head, rows=tuple(rows))


def bonus_by_size(pair: Document, numeraire: str) -> Table | None:
    """Return the bonus a liquidator needs, by size of the debt repaid."""
    rows = tuple((money(row["debt"], numeraire), percent(row["required"], 2)) for row in pair["bonus_by_size"])
    if not rows:
        return None
    return Table(caption="Bonus a liquidator needs", head=("Debt repaid", "Required bonus"), rows=rows, labels=0)


def metrics(tested: Document) -> Table:
    """Return the metrics by parameter set, worst intrabar reading, each with its interval."""
    sets, difference = tested["sets"], tested["difference"]
    rows = []
    for name, metric in _tabled(sets):
        words = metric_words(name, metric["unit"])
        cells = [with_interval(one.get(name), words.write) for one in sets.values()]
        if difference:
            cells.append(with_interval(difference.get(name), words.difference))
        rows.append((words.label, words.unit, *cells))
    head = ("Metric", "Unit", *(name.capitalize() for name in sets), *(("Recommended less current",) if difference else ()))
    return Table(caption="Backtest, worst intrabar reading", head=head, rows=tuple(rows), labels=2)


def _tabled(sets: Document) -> list[tuple[str, Document]]:
    return [(name, metric) for name, metric in next(iter(sets.values())).items() if name not in UNTABLED]


def metric_notes(tested: Document) -> list[str]:
    """Return what has to be said about single cells of `metrics`."""
    notes: dict[str, list[str]] = {}
    for side, found in (*tested["sets"].items(), ("difference", tested["difference"])):
        for name, metric in found.items():
            if metric["note"] and name not in UNTABLED:
                label = metric_words(name, "").label
                notes.setdefault(metric["note"], []).append(f"{label[0].lower()}{label[1:]} ({side})")
    return [f"{', '.join(where)}: {note}." for note, where in notes.items()]


def band(tested: Document) -> Table:
    """Return each metric with the bar's low triggering (worst) and with only its close triggering (best)."""
    names = [name for name in tested["best_intrabar"] if name in tested["sets"]]
    rows = []
    for metric, found in _tabled(tested["sets"]):
        words = metric_words(metric, found["unit"])
        cells = []
        for name in names:
            worst, best = (tested[reading][name][metric]["point"] for reading in ("sets", "best_intrabar"))
            cells.append(f"{words.write(worst)} / {words.write(best)}")
        rows.append((words.label, words.unit, *cells))
    head = ("Metric", "Unit", *(f"{name.capitalize()}, worst / best" for name in names))
    return Table(caption="Intrabar band", head=head, rows=tuple(rows), labels=2)


def coverage(test: Document, today: Document | None) -> Table:
    """Return how often the drop after a trigger exceeded the drop published before it, and that of today's law alone."""
    rows = []
    for row, one in enumerate(test["levels"]):
        interval = {"low": test["low"][row], "high": test["high"][row]}
        inside = interval["low"] <= test["target"][row] <= interval["high"]
        rows.append(
            (
                level(one),
                level(test["target"][row]),
                share(test["miss_share"][row]),
                bounds(interval, share),
                "yes" if inside else "no",
                number(test["misses"][row]),
                test["worst_day"][row] or "none",
                share(test["worst_day_share"][row]),
                f"{share(today['miss_share'][row])} ({bounds({'low': today['low'][row], 'high': today['high'][row]}, share)})"
                if today
                else NOT_AVAILABLE,
            )
        )
    head = ("Level", "Target", "Missed", "Interval", "Target inside", "Misses", "Worst day", "Missed that day",
            "Missed by today's law alone")  # fmt: skip
    return Table(caption="Trigger coverage", head=head, rows=tuple(rows), labels=0)


def misses_by_day(test: Document) -> Table | None:
    """Return the days with misses; when there are many, those with the most, in order of date."""
    days = test["misses_by_day"]
    if not days:
        return None
    most = sorted(days, key=lambda name: (-sum(days[name]), name))[:DAYS_SHOWN]
    caption = "Misses by day"
    if len(days) > len(most):
        caption += f": the {len(most)} days with the most, of {len(days)}"
    rows = tuple((name, *(number(count) for count in days[name])) for name in sorted(most))
    return Table(caption=caption, head=("Day", *(f"At {level(one)}" for one in test["levels"])), rows=rows)
