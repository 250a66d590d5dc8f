"""The page: evidence as one HTML file with interactive charts, which opens from disk and asks the network for nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from riskparams.proposals import assumptions, borrowers, charts, motivation, reasons, sources, statements, tables
from riskparams.proposals.document import DISCLAIMER, INTERVALS
from riskparams.proposals.evidence import Evidence
from riskparams.proposals.words import NOT_LISTED, SIMULATED, bounds, date, percent, settled, slugs

Document = Mapping[str, Any]


def render_page(evidence: Evidence) -> str:
    """Return `index.html`. The same evidence gives the same text, whatever the clock says."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    data = settled(evidence.data)
    environment = Environment(
        loader=PackageLoader("riskparams", "proposals"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )
    names = slugs(data["pairs"])
    drawn = {f"{name}-{kind}": chart for name, pair in zip(names, data["pairs"], strict=True)
             for kind, chart in charts.of_pair(pair).items()}  # fmt: skip
    if data["pooled"]:
        drawn["pooled-backtest"] = charts.backtest(data["pooled"])
    return environment.get_template("page.html.jinja").render(
        study=data["study"],
        as_of=date(data["study"]["as_of"]),
        simulated=SIMULATED if data["study"]["simulated"] else "",
        summary=[*statements.summary(data), *reasons.refusals(data)],
        intervals=INTERVALS,
        overview=[_overview(pair, name) for pair, name in zip(data["pairs"], names, strict=True)],
        pairs=[_section(pair, name, data, drawn) for pair, name in zip(data["pairs"], names, strict=True)],
        backtest=_backtest(data),
        borrowers=borrowers.parts(data),
        read_from=borrowers.opening(data) if borrowers.parts(data) else "",
        guardrails=statements.guardrails(data["checks"]),
        assumptions=assumptions.assumptions(data),
        not_covered=statements.NOT_COVERED,
        disclaimer=DISCLAIMER,
        command=statements.command(data["study"]),
        charts=_script(drawn),
        plotly=get_plotlyjs(),
    )


def _unbroken(value: Any) -> Any:
    """Return text in which a number stays on the line of its unit."""
    return value.replace(" %", "\u00a0%") if type(value) is str else value


def _overview(pair: Document, name: str) -> dict[str, Any]:
    found, live = pair["recommended"], pair["current"] or {}

    def cell(field: str, now: str | None = None) -> dict[str, str]:
        one = found[field]
        if one is None:
            return {"value": NOT_LISTED, "interval": "", "now": ""}
        value = live.get(now or field)
        return {
            "value": percent(one["value"]),
            "interval": bounds(one),
            "now": f"now {percent(value)}" if value is not None else NOT_LISTED,
        }

    haircut = cell("haircut", "implied_drop")
    haircut["now"] = f"now survives {percent(live['implied_drop'])}" if live else NOT_LISTED
    return {
        "pair": pair["pair"],
        "name": name,
        "cells": [
            cell("liquidation_threshold"),
            cell("liquidation_threshold_at_current_bonus", "liquidation_threshold"),
            cell("max_ltv"),
            cell("liquidation_bonus"),
            haircut,
        ],
        "binding": ", ".join(pair["binding"]),
        "flags": [flag.replace("_", " ") for flag in pair["flags"]],
    }


def _section(pair: Document, name: str, data: Document, drawn: Mapping[str, Any]) -> dict[str, Any]:
    appetite, numeraire = data["assumptions"]["appetite"], data["study"]["numeraire"]
    moved = motivation.through_time(pair)
    return {
        "pair": pair["pair"],
        "name": name,
        "headline": motivation.headline(pair),
        "reading": [
            *motivation.reading(pair, appetite),
            *reasons.surroundings(pair),
            reasons.intervals_reading(pair),
            reasons.confirmation_reading(pair),
        ],
        "profiles": reasons.profiles(pair),
        "live": [*motivation.live_reading(pair, appetite), *reasons.advice(pair), *reasons.limits(pair, numeraire)],
        "bonus": motivation.bonus_reading(pair, data["assumptions"]["execution"], numeraire),
        "moved": moved or "No walk-forward was made in this run.",
        "model": [*sources.model_reading(pair), sources.prices_reading(pair)],
        "warnings": sources.warnings(pair),
        "tables": [
            tables.components(pair),
            reasons.prudence(pair),
            reasons.sensitivity(pair),
            tables.laws(pair, appetite),
            reasons.in_bar(pair),
            reasons.front(pair),
            tables.bonus_by_size(pair, numeraire),
            reasons.designs(pair),
            reasons.by_volatility(pair),
        ],
        "tested": tables.metrics(pair["backtest"]) if pair["backtest"] else None,
        "notes": tables.metric_notes(pair["backtest"]) if pair["backtest"] else [],
        "charts": {kind: f"{name}-{kind}" if f"{name}-{kind}" in drawn else None for kind in charts.KINDS},
    }


def _backtest(data: Document) -> dict[str, Any] | None:
    pooled = data["pooled"]
    if not pooled:
        return None
    test = pooled["coverage"]
    return {
        "period": [*statements.period(pooled, data["pairs"]), *statements.comparison(pooled)],
        "metrics": tables.metrics(pooled),
        "notes": tables.metric_notes(pooled),
        "band": tables.band(pooled),
        "moved": borrowers.procyclicality(data),
        "moving": statements.PROCYCLICALITY,
        "coverage": [tables.coverage(test, pooled["coverage_today"]), tables.misses_by_day(test)] if test else [],
        "reading": statements.coverage_reading(pooled, data["assumptions"]["appetite"]["follow_days"]) if test else [],
    }


def _script(drawn: Mapping[str, Any]) -> str:
    """Return the charts as JSON that cannot end the script element it stands in."""
    text = json.dumps(drawn, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
