"""What a run says on the command line, as tables to read: the parameters, and what the backtest makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from riskparams.pipeline.run_study import RunRecord

Table = tuple[str, list[str], list[list[str]]]


def parameter_table(record: RunRecord) -> Table:
    """Return title, header and rows of the recommended parameters beside the live ones."""
    data = record.evidence.data
    rows = []
    for pair in data["pairs"]:
        ours, live = pair["recommended"], pair["current"]
        at_live = ours["liquidation_threshold_at_current_bonus"]
        rows.append(
            [
                pair["pair"],
                *(_interval(ours[name]) for name in ("haircut", "liquidation_threshold")),
                f"{at_live['value']:.1%}" if at_live else "-",
                _interval(ours["max_ltv"]),
                f"{ours['liquidation_bonus']['value']:.1%}",
                f"{live['max_ltv']:.1%} / {live['liquidation_threshold']:.1%} / {live['liquidation_bonus']:.1%}"
                if live
                else "not listed",
                ", ".join(pair["flags"]) or "-",
            ]
        )
    header = ["pair", "haircut", "threshold", "at live bonus", "max LTV", "bonus", "live LTV / threshold / bonus", "flags"]
    return f"{record.study.name} as of {data['study']['as_of']}, 90 % intervals of estimation and simulation", header, rows


def backtest_tables(record: RunRecord) -> list[Table]:
    """Return title, header and rows of what was replayed and of trigger coverage; nothing where nothing was replayed."""
    data = record.evidence.data
    pooled = data["pooled"]
    if pooled is None:
        return []
    tests = [(pair["pair"], pair["backtest"]) for pair in data["pairs"]] + [("all pairs", pooled)]
    shown = ("liquidation_frequency", "false_liquidation_share", "shortfall_bps", "penalty_paid", "capital_efficiency")
    rows = []
    for name, tested in tests:
        for side, metrics in (tested or {"sets": {}})["sets"].items():
            rows.append([name, side, *(_metric(metrics[metric]) for metric in shown)])
    header = ["pair", "parameters", "liquidations / year", "false share", "shortfall bp", "penalty / year", "mean max LTV"]
    title = f"backtest {pooled['start'][:10]} to {pooled['end'][:10]}, 95 % intervals from blocks of days"
    return [(title, header, rows), *_coverage(pooled)]


def _coverage(pooled: Mapping[str, Any]) -> list[Table]:
    coverage, today = pooled["coverage"], pooled["coverage_today"]
    if not coverage:
        return []
    rows = [
        [
            f"{level:.1%}",
            f"{target:.1%}",
            f"{share:.2%}",
            f"{low:.2%} to {high:.2%}",
            f"{day or '-'}",
            f"{today['miss_share'][row]:.2%} [{today['low'][row]:.2%}, {today['high'][row]:.2%}]" if today else "-",
        ]
        for row, (level, target, share, low, high, day) in enumerate(
            zip(*(coverage[key] for key in ("levels", "target", "miss_share", "low", "high", "worst_day")), strict=True)
        )
    ]
    title = f"trigger coverage: {coverage['triggers']:,} triggers on {coverage['trigger_days']} independent days"
    return [(title, ["level", "target", "missed", "90 % interval", "worst day", "by today's law"], rows)]


def _interval(number: Mapping[str, Any]) -> str:
    return f"{number['value']:.1%} [{number['low']:.1%}, {number['high']:.1%}]"


def _metric(metric: Mapping[str, Any]) -> str:
    if metric["point"] is None:
        return "-"
    if metric["point"] == 0 and metric["high"] is None:
        return "0 (none seen)"
    low, high = (f"{metric[key]:.3g}" if metric[key] is not None else "-" for key in ("low", "high"))
    return f"{metric['point']:.3g} [{low}, {high}]"
