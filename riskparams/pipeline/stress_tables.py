"""What a stress of a study says, as tables to read: the books, a table a scenario, and the gaps that cost the fund."""

from __future__ import annotations

from riskparams.backtest.liquidation import Intrabar
from riskparams.backtest.reverse_stress import ReverseStress, Verdict
from riskparams.pipeline.stress_results import NOTE, StressedSet, StressRow, StressRun
from riskparams.terms import iso

Table = tuple[str, list[str], list[list[str]], list[str]]


def stress_tables(found: StressRun) -> list[Table]:
    """Return title, header, rows and closing words of each table, as text; what was skipped has a table of its own."""
    rows = [row for one in found.pairs for row in one.rows]
    tables = [_books(found)]
    for name, scenario in found.scenarios.items():
        replayed = [row for row in rows if row.scenario == name and row.losses]
        if replayed:
            tables.append(_scenario(f"{name}: {scenario.title}", replayed, found.fund))
    skipped: dict[tuple[str, str, str], list[str]] = {}
    for name in found.scenarios:
        for row in rows:
            if row.scenario == name and row.skipped:
                skipped.setdefault((name, str(row.pair), row.skipped), []).append(row.parameters)
    if skipped:
        lines = [[name, pair, ", ".join(sets), reason] for (name, pair, reason), sets in skipped.items()]
        tables.append(("Skipped", ["scenario", "pair", "parameters", "reason"], lines, []))
    return [*tables, _reverse(found)]


def _books(found: StressRun) -> Table:
    rows = []
    for one in found.pairs:
        depth = one.depth
        market = [f"{depth.daily_volume:,.0f}", f"{depth.daily_sigma:.1%}"] if depth else ["not known", "-"]
        for each in one.sets:
            rows.append(
                [
                    str(one.pair),
                    each.name,
                    _terms(each),
                    _amount(each.debt),
                    _amount(None if each.debt is None else found.fund * each.debt),
                    *market,
                ]
            )
    words = [
        f"{found.accounts:,} borrowers a pair, the same under every set of parameters and scenario; the fund is "
        f"{1e4 * found.fund:g} bp of what they owe at the start.",
        "Liquidators act where it pays, and sell into the volume named; where none is known, sales move no price.",
        NOTE,
        "A loss is bad debt and what is left at the end, debt above collateral; it is given from and to, as the oracle shows a "
        "bar's low or its close, and earlier is not always dearer. The other columns are those of the low, with feedback.",
    ]
    header = ["pair", "parameters", "LTV / threshold / bonus", "debt", "fund", "volume a day", "daily sigma"]
    return f"{found.study.name} under stress, prices to {iso(found.as_of)}", header, rows, words


def _terms(each: StressedSet) -> str:
    found = each.parameters
    if found is None:
        return "refused"
    return f"{found.max_ltv:.1%} / {found.liquidation_threshold:.1%} / {found.liquidation_bonus:.1%}"


def _scenario(title: str, rows: list[StressRow], fund: float) -> Table:
    header = [
        "pair", "parameters", "prices", "fall", "accounts", "written off", "liquidated", "bad debt", "bp", "left at end",
        "stuck hours", "loss: bp", "of fund", "no feedback: liquidated", "bp", "of fund",
    ]  # fmt: skip
    return title, header, [[str(row.pair), row.parameters, *_losses(row, fund)] for row in rows], []


def _losses(row: StressRow, fund: float) -> list[str]:
    assert row.losses is not None
    worst, without = (row.losses[feedback, Intrabar.WORST] for feedback in (True, False))
    band = sorted(loss.bps(loss.loss) for loss in (worst, row.losses[True, Intrabar.BEST]))
    return [
        row.prices,
        f"{row.fall:.1%}",
        f"{worst.accounts:,}",
        f"{worst.written_off:,}",
        f"{worst.liquidated:,.0f}",
        f"{worst.bad_debt:,.0f}",
        f"{worst.bps(worst.bad_debt):,.1f}",
        f"{worst.deficit:,.0f}",
        f"{worst.stuck_hours:,.0f}",
        f"{band[0]:,.1f} to {band[1]:,.1f}",
        f"{worst.loss / (fund * worst.debt):.0%}",
        f"{without.liquidated:,.0f}",
        f"{without.bps(without.loss):,.1f}",
        f"{without.loss / (fund * without.debt):.0%}",
    ]


def _reverse(found: StressRun) -> Table:
    rows, words = [], []
    for one in found.pairs:
        for each in one.sets:
            if each.reverse is None:
                rows.append([str(one.pair), each.name, "-", "-", "-"])
                continue
            rows.append([str(one.pair), each.name, _amount(found.fund * (each.debt or 0.0)), *_gaps(each)])
            words += [
                f"{one.pair}, {each.name}: no loss is known of a gap of {size:.1%}: {why}."
                for search in each.reverse.values()
                for size, why in search.failures
            ]
    title = "Reverse stress: the smallest gap of the collateral whose loss reaches the fund, all else as usual"
    return title, ["pair", "parameters", "fund", "with feedback", "without"], rows, words


def _gaps(each: StressedSet) -> list[str]:
    assert each.reverse is not None
    return [_bracket(each.reverse[feedback]) for feedback in (True, False)]


def _bracket(search: ReverseStress) -> str:
    match search.verdict:
        case Verdict.FOUND:
            return f"{search.below:.1%} to {search.above:.1%}"
        case Verdict.NEVER:
            return f"never, up to {search.losses[-1][0]:.0%}"
        case Verdict.AT_ONCE:
            return f"{search.above:.1%} or less"
        case Verdict.NOT_MONOTONE:
            return f"{search.above:.1%}, not monotone" if search.above else "never, not monotone"
        case _:
            return str(search.verdict)


def _amount(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
