"""The sentences of a report, made from evidence: the Markdown and the page say the same things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from riskparams.proposals.motivation import changes
from riskparams.proposals.words import (
    counted,
    date,
    day,
    level,
    listed,
    metric_words,
    number,
    points,
    share,
    span,
    with_interval,
)

Document = Mapping[str, Any]
NOT_COVERED = (
    "The models see prices. They do not see the failure of a contract, a bridge, an oracle or a redemption.",
    "Past prices already hold the impact of the liquidations of their day, and the backtest adds none. Impact on top would "
    "count it twice; `riskparams stress` reports its scenarios without and with it.",
    "Liquidators are assumed to act on every trigger. Their profit sets the bonus, and is not tested in the backtest.",
    "Debt carries no interest in the simulation or in the backtest.",
    "The bonus is derived from traded volume. On-chain depth can be thinner, and would ask for more.",
    "Borrow caps, and the accounts that a lower threshold would liquidate, are not part of this document.",
)

PROCYCLICALITY = (
    "Parameters that tighten in a fall force sales into it. The table shows how far the recommended values moved over the "
    "walk-forward and how suddenly they were tightened. These are the values themselves, so they have no interval; a refit "
    "moves them in one step, and spans shorter than the time between refits hold one step."
)


def summary(data: Document) -> list[str]:
    """Return what is recommended, as of when and from what, in a few sentences."""
    study, pairs = data["study"], data["pairs"]
    live = [pair for pair in pairs if pair["current"]]
    unchanged = sum(not changes(pair) for pair in live)
    start = min(pair["quality"]["first"] for pair in pairs)
    said = [
        f"This document recommends a liquidation threshold, a max LTV and a liquidation bonus for "
        f"{counted(len(pairs), 'pair')} as of {date(study['as_of'])}. The numbers follow from prices in bars "
        f"of {span(study['bar_seconds'])} since {day(start)} and from the assumptions listed below."
    ]
    if not live:
        said.append("No current values are listed, so nothing is compared with a live market.")
    elif unchanged:
        said.append(f"No change is recommended for {unchanged} of {counted(len(live), 'pair')} with current values.")
    return said


def period(tested: Document, pairs: list[Document]) -> list[str]:
    """Return what was tested and what the current values mean in it."""
    said = [
        f"From {date(tested['start'])} to {date(tested['end'])} the same simulated borrowers were replayed under each set of "
        "parameters. The recommended set is renewed at every refit from earlier prices only and takes effect one bar later. "
        "The main tables read each bar at its worst: its low triggers. The intrabar band puts the best reading beside it: only "
        "the close triggers. The truth lies between the two readings. Intervals are of 95 % and come from resampled blocks of "
        "days, those of weekly numbers from blocks of weeks. They speak for histories like this one, not for crashes it does "
        "not hold."
    ]
    end = tested["end"][:10]
    dates = [pair["current"]["dated"] for pair in pairs if pair["current"]]
    if not dates:
        return said
    if all(dated > end for dated in dates):
        when = f"are dated {dates[0]}" if len(set(dates)) == 1 else f"are dated {min(dates)} to {max(dates)}"
        said.append(f"The current values {when}, after the period: the column shows these values applied to the period, never "
                    "what the protocol had.")  # fmt: skip
    else:
        said.append(
            "The column of current values shows these values applied to the whole period, whatever the protocol had then."
        )
    return said


def finding(tested: Document) -> list[str]:
    """Return the main comparisons of a backtest as sentences."""
    said = []
    for name in ("liquidation_frequency", "shortfall_bps", "capital_efficiency"):
        metric = tested["sets"]["recommended"].get(name)
        if metric is None or metric["point"] is None:
            continue
        words = metric_words(name, metric["unit"])
        line = f"{words.label}: {with_interval(metric, words.write)} recommended"
        if "current" in tested["sets"]:
            line += f", {with_interval(tested['sets']['current'][name], words.write)} current"
        said.append(f"{line} ({words.unit}).")
    return said


BETTER = {  # metric -> whether more of it is better
    "capital_efficiency": True,
    "liquidation_frequency": False,
    "false_liquidation_share": False,
    "shortfall_bps": False,
    "borrower_cost": False,
}


def comparison(tested: Document) -> list[str]:
    """Return where the recommended parameters did better than the current ones, where worse, and what cannot be told.

    A difference counts where its whole interval lies on one side of nothing.
    """
    sides: dict[str, list[str]] = {"better": [], "worse": [], "open": []}
    for name, more in BETTER.items():
        metric = tested["difference"].get(name)
        if metric is None or metric["point"] is None:
            continue
        words = metric_words(name, metric["unit"])
        told = f"{words.label[0].lower()}{words.label[1:]} ({with_interval(metric, words.difference)})"
        low, high = metric["low"], metric["high"]
        if low is None or high is None or low <= 0 <= high:
            sides["open"].append(told)
        else:
            sides["better" if (metric["point"] > 0) is more else "worse"].append(told)
    said = []
    if sides["better"]:
        said.append(f"Recommended less current, on the same days: better in {listed(sides['better'])}.")
    if sides["worse"]:
        said.append(f"The recommended parameters are worse than the current ones in {listed(sides['worse'])}.")
    elif sides["better"] or sides["open"]:
        said.append("In none of these are the recommended parameters shown to be worse than the current ones.")
    if sides["open"]:
        said.append(f"The period does not tell them apart in {listed(sides['open'])}.")
    return said


def coverage_reading(pooled: Document, follow_days: float) -> list[str]:
    """Return what trigger coverage is, what so many independent days cannot show, and what caution beyond the target costs."""
    test, prudence = pooled["coverage"], pooled["prudence"]
    top = test["levels"][-1]
    said = [
        f"Virtual positions were opened through the period and followed for {span(86_400 * follow_days)}; "
        f"{number(test['triggers'])} were triggered, on {number(test['trigger_days'])} separate days. A miss is a drop from "
        "trigger to execution beyond the one published before the trigger. Misses come by the crash day, so the days, not the "
        "triggers, are the sample.",
    ]
    over = [level(one) for one, low, target in zip(test["levels"], test["low"], test["target"], strict=True) if low > target]
    if over:
        said.append(f"At {listed(over)} the whole interval lies above the target: the published drop was exceeded too often.")
    under = [
        level(one) for one, high, target in zip(test["levels"], test["high"], test["target"], strict=True) if high < target
    ]
    if under:
        most, often = max(prudence["set_by"].items(), key=lambda item: item[1])
        said.append(
            f"At {listed(under)} the whole interval lies below the target: that is the cost of prudence. It comes from the "
            f"{most}, which set the haircut on {share(often)} of the dates; all that is added to today's tail took "
            f"{points(prudence['threshold_points'], 1, signed=False)} off the threshold on average."
        )
    if test["target"][-1] * test["trigger_days"] < 10:
        said.append(
            f"With {counted(test['trigger_days'], 'independent day')} the {level(top)} level cannot be validated: a target of "
            f"{level(test['target'][-1])} asks for far more days than this history holds. The lower levels are printed because "
            "the test has more power there."
        )
    if test["misses"][-1]:
        worst = f"{test['worst_day'][-1]}, with {share(test['worst_day_share'][-1])} of its triggers missed"
        said.append(f"At {level(top)} the worst day was {worst}.")
    return said


def guardrails(checks: Document) -> list[str]:
    """Return the outcome of the checks that every run makes on itself."""
    inequality, order = checks["inequality"], checks["order"]
    broken = [f"{row['pair']} on {row['date']}" for row in inequality["broken"]]
    said = [
        f"Threshold x (1 + bonus) is at most 1 - haircut, and max LTV is below the threshold: checked for "
        f"{counted(inequality['checked'], 'recommendation')}; "
        + (f"broken for {listed(broken)}." if broken else "none breaks it.")
    ]
    if not order["compared"]:
        return [*said, f"Order of haircuts: no pair was filled back from {order['reference']}, so nothing was compared."]
    found = order["violations"]
    said.append(
        f"Order of haircuts: a filled-back pair should not need less than {order['reference']}. "
        f"{counted(order['compared'], 'comparison')}, " + (f"{counted(len(found), 'violation')}:" if found else "no violation.")
    )
    return said + [
        f"{row['pair']} on {row['date']}: lower by {points(row['points'], 2, signed=False)} "
        f"(error {points(row['error'], 2, signed=False)}); {row['cause']}."
        for row in found
    ]


def command(study: Document) -> str:
    """Return the command that repeats the run; where the study and its prices lie, only the reader knows."""
    as_of = study["as_of"]
    date = as_of[:10] if as_of[11:] == "00:00:00Z" else as_of
    return f"riskparams run {study['name']}.toml --prices FOLDER --as-of {date} --seed {study['seed']}"
