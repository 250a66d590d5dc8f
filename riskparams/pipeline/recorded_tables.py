"""What a replay of recorded positions says, as tables to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from riskparams.pipeline.recorded import RecordedReplay

Table = tuple[str, list[str], list[list[str]], list[str]]

MEASURES = {
    "recall": "liquidations with an unsafe hour near",
    "same_hour": "  first unsafe hour is the recorded one",
    "within_1h": "  within 1 h of it",
    "within_3h": "  within 3 h of it",
    "precision": "alarms with a liquidation",
    "alarm_recall": "liquidations with an alarm",
    "matched_repaid_ratio": "debt of matched alarms / recorded",
    "total_repaid_ratio": "debt of all alarms / recorded",
    "false_alarms_better_of_two": "false alarms, better of two prices",
    "recall_better_of_two": "liquidations with an alarm, better of two",
}


def replay_tables(found: RecordedReplay) -> list[Table]:
    """Return title, header, rows and closing words of each table, as text."""
    document = found.document
    tables = [_rebuilt(found.study, document["rebuild"])]
    if document["rebuild"]["dates"]:
        tables.append(_dates(document["rebuild"]["dates"]))
    if document["rebuild"]["accounts_named"]:
        tables.append(_named(document["rebuild"]["accounts_named"]))
    return [*tables, _match(document), _classes(document["classes"]), _ablations(document["ablations"])]


def _rebuilt(study: str, rebuilt: Mapping[str, Any]) -> Table:
    whole, complete, incomplete = rebuilt["whole_liquidations"], rebuilt["complete"], rebuilt["incomplete"]
    rows = [
        ["owners' events", f"{rebuilt['owner_events']:,}"],
        ["accounts", f"{rebuilt['accounts']:,}"],
        ["liquidations", f"{rebuilt['liquidations']:,} of {rebuilt['accounts_liquidated']:,} accounts"],
        ["liquidation episodes", f"{rebuilt['episodes']:,}"],
        ["whole liquidations", f"{whole['count']:,}"],
        ["  recorded debt / rebuilt - 1, median", _number(whole["debt_error_median"], ".1e")],
        ["  95 %", _number(whole["debt_error_95"], ".1e")],
        ["  share below 0.1 %", _number(whole["share_within_0.1_percent"], ".1%")],
        ["collateral taken agrees", f"{rebuilt['rounded_collateral_matches']:,} of {rebuilt['liquidations']:,}"],
        ["lowest collateral of any account", f"{rebuilt['lowest_collateral']:.1e}"],
        ["remainders closed", f"{rebuilt['closures']['count']:,}"],
        ["complete records: episodes", f"{complete['episodes']:,}"],
        ["  debt, collateral", f"{complete['debt']:,.0f}, {complete['collateral']:,.0f}"],
    ]
    words = []
    if incomplete["accounts"]:
        words.append(
            f"{len(incomplete['accounts'])} accounts have an incomplete record and are left out of every score: "
            f"{', '.join(map(str, incomplete['accounts']))}."
        )
    return f"{study}: accounts rebuilt from their events", ["", "rebuilt"], rows, words


def _dates(dates: list[Mapping[str, Any]]) -> Table:
    rows = [
        [one["time"], f"{one['rate_index']:.6f}", f"{one['accounts']:,}", f"{one['debt']:,.0f}", f"{one['collateral']:,.0f}"]
        for one in dates
    ]
    return "What all accounts held and owed", ["time", "rate index", "accounts", "debt", "collateral"], rows, []


def _named(accounts: list[Mapping[str, Any]]) -> Table:
    rows = [
        [
            str(one["account"]),
            one["time"],
            f"{one['collateral']:,.2f}",
            f"{one['debt']:,.0f}",
            f"{one['recorded_debt']:,.0f}",
        ]
        for one in accounts
    ]
    return "Before each liquidation", ["account", "time", "collateral", "debt", "recorded debt"], rows, []


def _match(document: Mapping[str, Any]) -> Table:
    sides = {"oracle model": document["match"], "with outages": document["match_with_outages"]}
    known = {name: side for name, side in sides.items() if side is not None}
    rows = [[words, *(_number(side[name], ".3f", whole="d") for side in known.values())] for name, words in MEASURES.items()]
    counted = [
        f"{name}: {side['alarms']:,} alarms, {side['alarms_better_of_two']:,} at the better of two prices, "
        f"{side['episodes']:,} episodes."
        for name, side in known.items()
    ]
    return "Unsafe hours and alarms beside the recorded liquidations", ["", *known], rows, counted


def _classes(classes: Mapping[str, Any]) -> Table:
    allowance = f"{classes['allowance']:.0%}"
    names = {
        "certain": f"certain: more than {allowance} below the line",
        "within_allowance": f"within {allowance} of the line",
        "safe": f"safe: more than {allowance} above it",
    }
    rows = [[words, f"{classes[name]['lives']:,}", f"{classes[name]['liquidated']:,}"] for name, words in names.items()]
    return "Lives of accounts by their lowest collateral ratio", ["", "lives", "of them liquidated"], rows, []


def _ablations(ablations: Mapping[str, Any]) -> Table:
    low, still = ablations["bar_low_without_delay"], ablations["static_book"]
    rows = [["no delay", "same hour", _number(ablations["no_delay"]["same_hour"], ".3f")]]
    if low is not None:
        rows.append(["the bar's low, no delay", "precision", _number(low["precision"], ".3f")])
    ratio = _number(still["total_repaid_ratio"], ".1f")
    rows.append([f"a snapshot without owners' actions, {still['falls']} falls", "debt / recorded", ratio])
    return "The same with a part left out", ["", "measure", "reached"], rows, []


def _number(value: float | None, layout: str, *, whole: str | None = None) -> str:
    if value is None:
        return "-"
    return format(value, whole) if whole is not None and isinstance(value, int) else format(value, layout)
