"""What happened to borrowers, in sentences and tables: the worst hours, false liquidations, where bad debt came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from riskparams.proposals.tables import Table
from riskparams.proposals.words import (
    counted,
    date,
    day,
    level,
    listed,
    money,
    number,
    percent,
    points,
    share,
    span,
    with_interval,
)

Document = Mapping[str, Any]
OURS = "recommended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the section: a heading, sentences, tables."""

    title: str
    said: tuple[str, ...]
    tables: tuple[Table, ...]


def parts(data: Document) -> list[Part]:
    """Return the parts of the section; none where the evidence tells nothing of borrowers."""
    pooled = data["pooled"]
    if not pooled or not pooled.get("borrowers"):
        return []
    return [_worst(data), _false(data), _bad_debt(data)]


def opening(data: Document) -> str:
    """Return what the section is read from."""
    tested = data["pooled"]
    return (
        f"Every liquidation from {date(tested['start'])} to {date(tested['end'])}, each bar read at its worst, is a row of "
        "events.parquet. What follows is read from it. The borrowers are simulated: how many there are and what they owe is an "
        "assumption; when they were liquidated follows from prices and parameters."
    )


def _under(name: str, one: Document, data: Document) -> str:
    """Return "Under the ... parameters", and which pairs that is about where not all have them."""
    some = f", which {counted(len(one['pairs']), 'pair')} of {number(len(data['pairs']))} have,"
    return f"Under the {name} parameters" + (some if len(one["pairs"]) < len(data["pairs"]) else "")


def _unit(data: Document) -> str:
    """Return what amounts are in: the debt asset that all pairs share."""
    debts = {pair["debt"] for pair in data["pairs"]}
    return debts.pop() if len(debts) == 1 else "units of each pair's debt"


def _bar(data: Document) -> str:
    return "hour" if data["study"]["bar_seconds"] == 3_600 else "bar"


def _worst(data: Document) -> Part:
    bar, unit, found = _bar(data), _unit(data), data["pooled"]["borrowers"]
    said, shown = [], len(found[OURS]["worst_hours"])
    for name, one in found.items():
        if not one["liquidations"]:
            said.append(f"{_under(name, one, data)} nothing was liquidated.")
            continue
        hours = one["worst_hours"]
        said.append(
            f"{_under(name, one, data)} {money(one['liquidated'], unit)} of debt was liquidated, in "
            f"{counted(one['hours'], bar)} on {counted(one['days'], 'day')}. "
            + (
                f"The {number(len(hours))} worst {bar}s hold {share(one['worst_hours_share'])} of it."
                if one["hours"] > len(hours)
                else f"All of it fell in the {bar}s below."
                if name == OURS
                else ""
            )
        )
    rows = tuple(
        (
            f"{hour['time'][:10]} {hour['time'][11:16]}",
            listed(hour["pairs"]),
            number(hour["accounts"]),
            money(hour["liquidated"], unit),
            money(hour["bad_debt"], unit),
            percent(hour["fall"]),
        )
        for hour in found[OURS]["worst_hours"]
    )
    head = (f"{bar.capitalize()} (UTC)", "Pairs", "Accounts", "Debt liquidated", "Bad debt", "Fall of the price that day")
    caption = f"The {number(shown)} worst {bar}s under the recommended parameters, by debt liquidated"
    said.append(
        "The fall of a day is from the last close before it to its low; where several pairs were hit it is that of the pair "
        "that fell furthest."
    )
    return Part(
        title=f"The worst {bar}s",
        said=tuple(line.strip() for line in said),
        tables=(Table(caption=caption, head=head, rows=rows, labels=2),) if rows else (),
    )


def _false(data: Document) -> Part:
    unit, pooled = _unit(data), data["pooled"]
    follow = span(86_400 * pooled["borrowers"][OURS]["false"]["followed_days"])
    said = [
        f"A liquidation was for nothing if its position, left alone, would have lived: for {follow} its collateral never falls "
        "short of debt and bonus, and at their end its health factor is 1 or more. This looks ahead, which no parameter does."
    ]
    tables = []
    for name, one in pooled["borrowers"].items():
        found = one["false"]
        if not found["judged"]:
            said.append(f"{_under(name, one, data)} no liquidation could be followed for {follow}.")
            continue
        metric = pooled["sets"][name]["false_liquidation_share"]
        line = (
            f"{_under(name, one, data)} {number(found['count'])} of the {counted(found['judged'], 'liquidation')} that could "
            f"be judged were for nothing: {with_interval(metric, percent)}."
        )
        if found["count"]:
            line += (
                f" They hit {counted(found['accounts'], 'account')}, repaid {money(found['repaid'], unit)} of debt and cost "
                f"{money(found['penalty'], unit)} in penalties. Half of them cost less than "
                f"{money(found['median_penalty'], unit)}, one in ten more than {money(found['high_penalty'], unit)}. The "
                f"dearest tenth bore {share(found['top_tenth_share'])} of the penalties."
            )
        said.append(line)
        if found["largest"] and name == OURS:
            rows = tuple(
                (date(case["time"]), case["pair"], money(case["repaid"], unit), money(case["penalty"], unit))
                for case in found["largest"]
            )
            caption = f"The {number(len(rows))} dearest false liquidations under the recommended parameters"
            tables.append(Table(caption=caption, head=("Time", "Pair", "Debt repaid", "Penalty paid"), rows=rows, labels=2))
    return Part(title="Liquidated for nothing", said=tuple(said), tables=tuple(tables))


def _bad_debt(data: Document) -> Part:
    unit, found = _unit(data), data["pooled"]["borrowers"]
    said, tables = [], []
    for name, one in found.items():
        if not one["bad_debt_events"]:
            line = f"{_under(name, one, data)} there was no bad debt."
            if one["days"]:
                line += (
                    f" What bounds it: {counted(one['days'], 'day')} with liquidations and none with bad debt. At "
                    f"{level(one['bound_level'])} at most {percent(one['clean_days_bound'])} of such days have some. That "
                    "bounds how often, and no amount."
                )
            else:
                line += " Nothing was liquidated either, so nothing bounds it."
            said.append(line)
            continue
        said.append(
            f"{_under(name, one, data)} {money(one['bad_debt'], unit)} of bad debt came from "
            f"{counted(one['bad_debt_events'], 'liquidation')} on {counted(one['bad_debt_days'], 'day')}, of "
            f"{number(one['liquidations'])} on {counted(one['days'], 'day')} in all."
        )
        tables += list(_origins(name, one, unit))
    if tables:
        said.append(
            "A position is called at a health factor of 1. What its price fell from there to execution is 1 less the health "
            "factor at execution. Threshold and bonus leave room for a fall; what goes beyond it is bad debt."
        )
    return Part(title="Where bad debt came from", said=tuple(said), tables=tuple(tables))


def _origins(name: str, one: Document, unit: str) -> Iterator[Table]:
    rows = tuple(
        (
            date(case["time"]),
            case["pair"],
            money(case["owed"], unit),
            f"{case['health']:.4f}",
            percent(case["gap"]),
            percent(case["covered"]),
            money(case["bad_debt"], unit),
        )
        for case in one["bad_debt_cases"]
    )
    yield Table(
        caption=f"The {number(len(rows))} largest bad debts under the {name} parameters",
        head=("Time", "Pair", "Debt owed", "Health at execution", "Fall from trigger", "Fall covered", "Bad debt"),
        rows=rows,
        labels=2,
    )
    sizes = tuple(
        (_between(size, unit), number(size["liquidations"]), number(size["with_bad_debt"]), money(size["bad_debt"], unit))
        for size in one["by_size"]
        if size["liquidations"]
    )
    yield Table(
        caption=f"Bad debt by size of the debt liquidated, {name} parameters",
        head=("Debt liquidated", "Liquidations", "With bad debt", "Bad debt"),
        rows=sizes,
    )


def _between(size: Document, unit: str) -> str:
    if not size["above"]:
        return f"below {money(size['below'], unit)}"
    if size["below"] is None:
        return f"{money(size['above'], unit)} or more"
    return f"{money(size['above'], unit)} to {money(size['below'], unit)}"


MOVED = {"liquidation_threshold": "Liquidation threshold", "max_ltv": "Max LTV"}


def procyclicality(data: Document) -> Table | None:
    """Return how far each pair's recommended parameters moved over the walk-forward, and the worst tightening."""
    rows, spans = [], []
    for pair in data["pairs"]:
        for name, moved in (pair.get("procyclicality") or {}).items():
            spans = [one["days"] for one in moved["tightening"]]
            rows.append(
                (
                    pair["pair"],
                    MOVED.get(name, name),
                    percent(moved["peak"]),
                    percent(moved["trough"]),
                    number(moved["ratio"]),
                    *(
                        f"{points(one['fall'], signed=False)} ({day(one['at'])})" if one["at"] else "none"
                        for one in moved["tightening"]
                    ),
                )
            )
    if not rows:
        return None
    within = (f"Worst fall in {span(86_400 * days) if days > 1 else '1 day'}" for days in spans)
    return Table(
        caption="How far the recommended parameters moved; dates are those from which the lower value was in force",
        head=("Pair", "Parameter", "Peak", "Trough", "Peak / trough", *within),
        rows=tuple(rows),
        labels=2,
    )
