"""The proposal: evidence as Markdown that an analyst can post on a protocol's forum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from riskparams.proposals import assumptions, borrowers, motivation, reasons, sources, statements, tables
from riskparams.proposals.evidence import Evidence
from riskparams.proposals.tables import Table
from riskparams.proposals.words import SIMULATED, date, settled, slugs

Document = Mapping[str, Any]
INTERVALS = (
    "Intervals of threshold, max LTV and haircut are of 90 % and count what estimation and simulation leave open, before "
    "rounding to the grid; they are not the uncertainty of the model, nor of what lies ahead. The interval of the bonus is "
    "the bonus at twice and at half the assumed volume."
)
DISCLAIMER = (
    "This is the output of a statistical model, under the assumptions stated. It is not financial advice, and it is no "
    "promise that losses will stay within what is shown."
)
BACKTEST_FIGURE = "![Backtest: recommended against current](figures/backtest.png)"


def render_proposal(evidence: Evidence) -> str:
    """Return `proposal.md`: what is recommended, why, how it would have done, and what it does not cover."""
    data = settled(evidence.data)
    return "\n\n".join(part for part in _parts(data) if part) + "\n"


def _parts(data: Document) -> Iterator[str]:
    study = data["study"]
    yield f"# [ARFC] {plain(study['name'])} risk parameters, {study['as_of'][:10]}"
    if study["simulated"]:
        yield f"**{SIMULATED}**"
    yield f"Draft for discussion, from riskparams {study['version']}, run `{study['run_id']}`."
    yield "## Summary"
    yield from map(plain, statements.summary(data))
    yield bullets([f"{pair['pair']}: {motivation.headline(pair)}" for pair in motivation.order_of_change(data["pairs"])])
    yield bullets(reasons.refusals(data))
    if data["pooled"]:
        yield "In the backtest, over all pairs:"
        yield bullets([*statements.finding(data["pooled"]), *statements.comparison(data["pooled"])])
    yield "## Specification"
    yield markdown(tables.specification(data))
    yield INTERVALS
    yield "## Motivation"
    for pair, name in zip(data["pairs"], slugs(data["pairs"]), strict=True):
        yield from _motivation(pair, name, data)
    yield "## Backtest"
    yield from _backtest(data)
    yield from _borrowers(data)
    yield "## Guardrails"
    yield bullets(statements.guardrails(data["checks"]))
    yield "## Assumptions"
    for table in assumptions.assumptions(data):
        yield f"### {table.caption}"
        yield markdown(table, captioned=False)
    yield "## What this does not cover"
    yield bullets(statements.NOT_COVERED)
    yield "## Reproduce"
    yield f"Run `{study['run_id']}`, riskparams {study['version']}, seed `{study['seed']}`, prices to {date(study['as_of'])}:"
    yield f"```\n{statements.command(study)}\n```"
    yield (
        "The hashes of the price data, the settings and the versions of the libraries are in `manifest.json`; every number "
        "above is in `evidence.json`."
    )
    yield "## Disclaimer"
    yield (DISCLAIMER + " Whoever posts it should state their interests.")
    yield "## Copyright"
    yield "Copyright and related rights waived via CC0."


def _motivation(pair: Document, name: str, data: Document) -> Iterator[str]:
    appetite, numeraire = data["assumptions"]["appetite"], data["study"]["numeraire"]
    yield f"### {plain(pair['pair'])}"
    yield from map(plain, motivation.reading(pair, appetite))
    yield markdown(tables.components(pair))
    yield f"![Haircut of {plain(pair['pair'])} and its parts](figures/{name}-haircut.png)"
    yield from map(plain, (*reasons.surroundings(pair), reasons.intervals_reading(pair), reasons.confirmation_reading(pair)))
    yield markdown(reasons.profiles(pair))
    for table in (reasons.prudence(pair), reasons.sensitivity(pair), tables.laws(pair, appetite), reasons.front(pair)):
        if table:
            yield markdown(table)
    yield from map(plain, motivation.live_reading(pair, appetite))
    yield from map(plain, (*reasons.advice(pair), *reasons.limits(pair, numeraire)))
    yield plain(motivation.bonus_reading(pair, data["assumptions"]["execution"], numeraire))
    bonus = tables.bonus_by_size(pair, numeraire)
    for table in (bonus, reasons.designs(pair), reasons.by_volatility(pair)):
        if table:
            yield markdown(table)
    moved = motivation.through_time(pair)
    if moved:
        yield plain(moved)
        yield f"![Parameters of {plain(pair['pair'])} through time](figures/{name}-parameters.png)"
        yield f"![Price of {plain(pair['pair'])} and the liquidation price of a new loan](figures/{name}-price.png)"
    yield from map(plain, sources.model_reading(pair))
    yield plain(sources.prices_reading(pair))
    yield bullets(sources.warnings(pair))


def _backtest(data: Document) -> Iterator[str]:
    pooled, pairs = data["pooled"], data["pairs"]
    if not pooled:
        yield "No backtest was made in this run."
        return
    yield from map(plain, statements.period(pooled, pairs))
    tested = [pair for pair in pairs if pair["backtest"]]
    if len(tested) > 1:
        yield "### All pairs together"
        yield from _tested(pooled)
        yield BACKTEST_FIGURE
    for pair in tested:
        yield f"### {plain(pair['pair'])} in the backtest"
        yield from _tested(pair["backtest"], whole=len(tested) == 1)
    if len(tested) == 1:
        yield BACKTEST_FIGURE
    moved = borrowers.procyclicality(data)
    if moved:
        yield "### Procyclicality"
        yield statements.PROCYCLICALITY
        yield markdown(moved)
    yield "### Trigger coverage"
    if pooled["coverage"] is None:
        yield "No virtual position was triggered in the period: coverage cannot be tested."
        return
    yield from map(plain, statements.coverage_reading(pooled, data["assumptions"]["appetite"]["follow_days"]))
    yield markdown(tables.coverage(pooled["coverage"], pooled["coverage_today"]))
    days = tables.misses_by_day(pooled["coverage"])
    if days:
        yield markdown(days)


def _borrowers(data: Document) -> Iterator[str]:
    told = borrowers.parts(data)
    if told:
        yield "## What happened to borrowers"
        yield plain(borrowers.opening(data))
    for part in told:
        yield f"### {part.title}"
        yield from map(plain, part.said)
        yield from map(markdown, part.tables)


def _tested(tested: Document, *, whole: bool = True) -> Iterator[str]:
    yield markdown(tables.metrics(tested))
    yield bullets(tables.metric_notes(tested))
    if whole:
        yield markdown(tables.band(tested))


def markdown(table: Table, *, captioned: bool = True) -> str:
    """Return a table in GitHub's Markdown, with its caption in front.

    >>> print(markdown(Table(caption="Sizes", head=("Name", "Size"), rows=(("a|b", "1"),))))
    Sizes:
    <BLANKLINE>
    | Name | Size |
    | --- | ---: |
    | a\\|b | 1 |
    """
    rule = ["---" if column < table.labels else "---:" for column in range(len(table.head))]
    rows = [[plain(cell) for cell in row] for row in table.rows]
    if table.total:
        rows[-1] = [f"**{cell}**" for cell in rows[-1]]
    lines = [f"| {' | '.join(cells)} |" for cells in ([plain(cell) for cell in table.head], rule, *rows)]
    return (f"{plain(table.caption)}:\n\n" if captioned else "") + "\n".join(lines)


def bullets(lines: Sequence[str] | Iterator[str]) -> str:
    """Return a Markdown list, or nothing."""
    return "\n".join(f"- {plain(line)}" for line in lines)


def plain(text: str) -> str:
    """Return text that Markdown prints as it stands, on one line and safe inside a table.

    >>> plain("a|b <c>")
    'a\\\\|b &lt;c>'
    """
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
