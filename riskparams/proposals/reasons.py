"""The grounds of a recommendation in tables and sentences: profiles, the price of prudence, what sets the level, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from riskparams.proposals.tables import LAWS, Table
from riskparams.proposals.words import NOT_AVAILABLE, counted, date, level, listed, money, number, percent, points, share

Document = Mapping[str, Any]


def intervals_reading(pair: Document) -> str:
    """Return what the intervals of a pair count."""
    found, errors = pair["intervals"], pair["monte_carlo_error"]
    how = (
        f"{counted(found['draws'], 'refit')} to resampled residuals"
        if found["mode"] == "bootstrap"
        else "normal errors of the tails and of the volatility model"
    )
    return (
        f"Intervals are of {level(found['confidence'])} (reversed tails) and come from {how}, with the error of the simulation "
        f"on top; that error alone is {points(errors['haircut'], 2, signed=False)} of the haircut (one standard error)."
    )


def confirmation_reading(pair: Document) -> str:
    """Return what a simulation with fresh draws says of the recommended parameters."""
    found = pair["confirmation"]
    verdict = "confirms" if found["holds"] else "does not confirm"
    return (
        f"A simulation with other random draws {verdict} the parameters: its haircut is {percent(found['haircut'])}, and the "
        f"two haircuts together have a Monte-Carlo error of {points(found['error'], 2, signed=False)}."
    )


def profiles(pair: Document) -> Table:
    """Return the parameters of the three appetites side by side."""
    rows = []
    for one in pair["profiles"]:
        outcome = one["outcome"]
        rows.append(
            (
                one["profile"],
                percent(one["haircut"]),
                percent(one["max_ltv"]),
                percent(one["liquidation_threshold"]),
                percent(one["liquidation_bonus"]),
                f"{one['target_health']:.2f}",
                f"{outcome['liquidation_rate']:.2f}",
                share(outcome["borrower_cost"]),
                share(outcome["annual_loss"]),
                "; ".join(one["binding"]),
            )
        )
    head = (
        "Profile",
        "Haircut",
        "Max LTV",
        "Threshold",
        "Bonus",
        "Target health",
        "Liquidations a year",
        "Cost to borrowers a year",
        "Annual loss, worst 1 %",
        "Held by",
    )
    return Table(caption="Three appetites; the moderate one is recommended", head=head, rows=tuple(rows))


def prudence(pair: Document) -> Table | None:
    """Return what each tool of prudence costs; None where none costs anything."""
    rows = tuple(
        (one["tool"].capitalize(), percent(one["haircut_without"], 2), f"{100 * one['haircut_points']:.2f}",
         f"{100 * one['threshold_points']:.2f}")
        for one in pair["prudence"]
        if one["haircut_points"]
    )  # fmt: skip
    if not rows:
        return None
    head = ("Tool", "Haircut without it", "Points of haircut", "Points of threshold")
    return Table(caption="The price of prudence, each tool by itself", head=head, rows=rows)


def sensitivity(pair: Document) -> Table:
    """Return the haircut under other choices of what sets its level."""
    rows = tuple(
        (
            one["choice"].capitalize(),
            one["value"] + (" (used)" if one["used"] else ""),
            NOT_AVAILABLE if one["haircut"] is None else percent(one["haircut"]),
            NOT_AVAILABLE if one["today"] is None else percent(one["today"]),
        )
        for one in pair["sensitivity"]
    )
    return Table(
        caption="What sets the level: the haircut under other choices, all with fewer paths and the same draws",
        head=("Choice", "Value", "Haircut", "From today's state alone"),
        rows=rows,
        labels=2,
    )


def front(pair: Document) -> Table | None:
    """Return the choices that no other beats in max LTV, loss, liquidations and cost; None where there is none."""
    rows = tuple(
        (
            percent(one["max_ltv"]),
            percent(one["liquidation_threshold"]),
            percent(one["liquidation_bonus"]),
            share(one["outcome"]["annual_loss"]),
            f"{one['outcome']['liquidation_rate']:.2f}",
            share(one["outcome"]["borrower_cost"]),
        )
        for one in pair["front"]
    )
    if not rows:
        return None
    head = ("Max LTV", "Threshold", "Bonus", "Annual loss, worst 1 %", "Liquidations a year", "Cost to borrowers a year")
    return Table(caption="What could be chosen instead: no row is beaten in all of its numbers", head=head, rows=rows, labels=0)


def in_bar(pair: Document) -> Table:
    """Return the drop at the low of the bar that triggered, which is a stress and is not used."""
    rows = tuple((LAWS.get(name, name), percent(law["drop"]), percent(law["in_bar"])) for name, law in pair["laws"].items())
    head = ("Start law", "Drop at execution", "At the low of the triggering bar (not used)")
    return Table(caption="The worst moment of the triggering bar, as a stress", head=head, rows=rows)


def surroundings(pair: Document) -> list[str]:
    """Return what else the haircut was told: named scenarios, the conformal factor, depegs."""
    around = pair["surroundings"]
    said = []
    if around["scenarios"]:
        found = [
            f"{one['name']} {percent(one['drop'])}" + (f" ({one['beta']:.2f} times {one['proxy']})" if one["proxy"] else "")
            for one in around["scenarios"]
        ]
        said.append(f"The largest drops after a trigger in named windows of the past: {listed(found)}.")
    if around["conformal"] > 1:
        said.append(f"Recent misses multiply the drop by {around['conformal']:.3f}.")
    jumps = around["jumps"]
    if jumps:
        own, pooled = jumps["own"], jumps["pooled"]
        said.append(
            f"The pair is pegged: depegs are laid over the simulated paths, at {jumps['rate_used']:.1f} a year. Its own record "
            f"has {number(own['count'])} in {own['years']:.1f} years; with {counted(len(jumps['peers']), 'peer')} there are "
            f"{number(pooled['count'])} in {pooled['years']:.1f}. Their depths have a tail of shape "
            f"{jumps['depth']['shape']:.2f}; {share(jumps['terminal_probability']['estimate'])} of them are final."
        )
    return said


def advice(pair: Document) -> list[str]:
    """Return whether a change is worth proposing and how far it may go now, in sentences; nothing without live parameters."""
    found = pair["advice"]
    decision, change = found["decision"], found["change"]
    if decision is None:
        return []
    said = ["A change is worth proposing: " if decision["propose"] else "No change is proposed: "]
    said[0] += "; ".join(reason.rstrip(".") for reason in decision["reasons"]) + "."
    if not decision["propose"]:
        return said
    step = change["step"]
    said.append(
        f"One update may go to a max LTV of {percent(step['max_ltv'])}, a threshold of "
        f"{percent(step['liquidation_threshold'], 2)} and a bonus of {percent(step['liquidation_bonus'])}"
        + (f", the threshold along a ramp until {date(change['ramp']['end'])}" if change["ramp"] else "")
        + "."
    )
    if change["steps"]:
        last = change["steps"][-1]
        said.append(
            f"{counted(len(change['steps']), 'further update')} reach what is recommended, the last on {date(last['date'])}."
        )
    return said + [f"Held back: {reason}." for reason in change["held"]]


def designs(pair: Document) -> Table | None:
    """Return what other designs of the bonus would have done on the same simulated liquidations."""
    rows = tuple(
        (
            one["name"],
            percent(one["mean_penalty"], 2),
            percent(one["penalty_95"], 2),
            share(one["unprofitable"]),
            share(one["short"]),
            share(one["mean_shortfall"]),
            percent(one["largest_threshold"]),
        )
        for one in pair["advice"]["designs"]
    )
    if not rows:
        return None
    head = ("Design", "Mean penalty", "Its 95th percentile", "Pays no liquidator", "Falls short", "Mean shortfall",
            "Largest threshold")  # fmt: skip
    return Table(
        caption="Other designs of the bonus, on the same simulated liquidations at the same threshold", head=head, rows=rows
    )


def by_volatility(pair: Document) -> Table | None:
    """Return the parameters by forecast volatility until the next run, for a protocol that can follow."""
    rows = tuple(
        (f"{one['volatility_ratio']:g}", percent(one["max_ltv"]), percent(one["liquidation_threshold"]))
        for one in pair["advice"]["dynamic"]
    )
    if not rows:
        return None
    caption = "Until the next run, for a protocol that can follow: parameters by volatility forecast over that of today"
    return Table(caption=caption, head=("Volatility ratio", "Max LTV", "Threshold"), rows=rows, labels=0)


def limits(pair: Document, numeraire: str) -> list[str]:
    """Return the supply cap with what binds, and the fund that the pair's debt calls for, in sentences."""
    found = pair["limits"]
    if found is None:
        return []
    cap, fund = found["supply_cap"], found["fund"]
    said = [
        "No supply cap follows: nothing bounds it."
        if cap is None
        else f"The supply cap is {money(cap, numeraire)}, bounded by {found['binding']}; if no owner acts, "
        f"{share(found['liquidated_share'])} of it is due in the worst twentieth of simulated weeks."
    ]
    if found["branching"] is not None:
        said[0] += f" At that cap the sales of a fall add {share(found['branching'])} to it at most."
    if "jump_to_default" in found["flags"]:
        said.append(
            "The asset can jump to default, which no haircut answers: the debt against it is bounded by what a fund can lose, "
            + ("and no fund is declared, so that none may stand against it." if not cap else "whatever the parameters say.")
        )
    said.append(
        f"A fund of {percent(fund['coverage'], 2)} of the debt stands against the {fund['binding']}; {share(fund['ruin'])} of "
        f"simulated years would exhaust it ({share(fund['ruin_low'])} to {share(fund['ruin_high'])})."
    )
    return said


def refusals(data: Document) -> list[str]:
    """Return the pairs for which nothing is recommended, each with its reason."""
    return [f"{one['pair']} is refused: {one['reason']}." for one in data["refused"]]
