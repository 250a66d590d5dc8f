"""What the command line prints: results on standard output, tables in columns or one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riskparams.pipeline import RunRecord


def print_run(record: RunRecord, out: Path, json: bool) -> None:
    """Print what a run found and where its report is."""
    folder = out / record.study.name / record.folder
    if json:
        print_json({**record.parameters, "report": str(folder)})
        return
    print_parameters(record)
    if record.study.backtest is not None:
        print()
        print_backtest(record)
    print(f"\nreport: {folder / 'index.html'}")


def print_parameters(record: RunRecord) -> None:
    """Print the recommended parameters beside the live ones."""
    from riskparams.pipeline.run_tables import parameter_table

    print_label(record.panel.simulated)
    title, header, rows = parameter_table(record)
    print(title)
    print_table(header, rows)


def print_backtest(record: RunRecord) -> None:
    """Print what the backtest of a run found."""
    from riskparams.pipeline.run_tables import backtest_tables

    tables = backtest_tables(record)
    if not tables:
        print("no parameters could be replayed")
    for number, (title, header, rows) in enumerate(tables):
        print(f"\n{title}" if number else title)
        print_table(header, rows)


def print_label(simulated: bool) -> None:
    """Say so where prices were simulated."""
    if simulated:
        print("SIMULATED prices: an example, not advice")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in columns."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    for row in (header, ["-" * width for width in widths], *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_tables(tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]], Sequence[str]]]) -> None:
    """Print title, header, rows and closing words of each."""
    for title, header, rows, words in tables:
        print(title)
        print_table(header, rows)
        print(*words, "", sep="\n")


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document as the files of a run are written."""
    from riskparams.runs.record import to_json

    print(to_json(document), end="")
