"""The files of an event history, read as a study names them and checked row by row."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from riskparams.backtest.dated_values import DatedValues
from riskparams.backtest.event_history import OWNERS, EventHistory, EventKind, EventTable, MarketTerms
from riskparams.errors import DataError
from riskparams.prices.quality import refuse, times
from riskparams.settings import HistorySection
from riskparams.settings.history import EventFile
from riskparams.terms import FloatArray, IntArray


def load_history(section: HistorySection, folder: Path) -> tuple[EventHistory, dict[str, str]]:
    """Return the history that files in a folder hold, and the digest of each file.

    Raises `DataError` naming the file, the row (from 1 below the header), what was seen and what was expected.
    """
    tables = [_events(section, file, folder) for file in section.events]
    tables.append(_liquidations(section, folder))
    history = EventHistory.of(tables, _terms(section, folder), incomplete=section.incomplete)
    names = [*(file.file for file in section.events), section.liquidations.file, section.parameters.file]
    return history, {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def _events(section: HistorySection, file: EventFile, folder: Path) -> EventTable:
    spoken = [] if file.kind_column is None else [file.kind_column]
    frame = _read(folder, file.file, [section.account, section.block, section.time, file.amount, *spoken])
    words = pd.Series(file.kind, index=frame.index) if file.kind_column is None else frame[file.kind_column]
    said = words.str.strip().str.lower()
    refuse(file.file, ~said.isin(list(OWNERS)).to_numpy(bool), words, lambda _: f"one of {', '.join(OWNERS)}")
    kind = np.array([OWNERS[word] for word in said], np.int64)
    amount = _numbers(file.file, frame[file.amount])
    return _table(section, file.file, frame, kind, -amount if file.negative else amount, np.zeros(len(frame)))


def _liquidations(section: HistorySection, folder: Path) -> EventTable:
    file = section.liquidations
    frame = _read(folder, file.file, [section.account, section.block, section.time, file.debt, file.collateral])
    debt, collateral = _numbers(file.file, frame[file.debt]), _numbers(file.file, frame[file.collateral])
    return _table(section, file.file, frame, np.full(len(frame), EventKind.LIQUIDATION, np.int64), debt, collateral)


def _table(
    section: HistorySection, name: str, frame: pd.DataFrame, kind: IntArray, amount: FloatArray, collateral: FloatArray
) -> EventTable:
    return EventTable(
        source=name,
        kind=kind,
        account=_whole(name, frame[section.account]),
        block=_whole(name, frame[section.block]),
        time=times(name, frame[section.time]),
        amount=amount + 0.0,  # what was written as -0 is 0
        collateral=collateral,
    )


def _terms(section: HistorySection, folder: Path) -> MarketTerms:
    file = section.parameters
    frame = _read(folder, file.file, [section.time, file.name, file.value])

    def dated(name: str) -> DatedValues:
        rows = frame[frame[file.name] == name]
        if rows.empty:
            known = ", ".join(sorted(frame[file.name].dropna().unique())[:20])
            raise DataError(
                f"{file.file}: no row has {file.name} {name}: expected one of {known}; correct its name in the study"
            )
        where = f"{file.file}, rows of {name}"
        return DatedValues(name=name, time=times(where, rows[section.time]), value=_numbers(where, rows[file.value]))

    return MarketTerms(
        borrow_rate=dated(file.borrow_rate),
        liquidation_ratio=dated(file.liquidation_ratio),
        smallest_debt=dated(file.smallest_debt) if file.smallest_debt else None,
        chunk=dated(file.chunk) if file.chunk else None,
        chunk_penalty=dated(file.chunk_penalty) if file.chunk_penalty else None,
    )


def _read(folder: Path, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return some columns of a CSV file as text, rows as they come: equal rows are kept."""
    path = folder / name
    if not path.is_file():
        raise DataError(f"{path} does not exist: give the folder of the history's files with --data, or correct its name")
    try:
        frame = pd.read_csv(path, dtype=str, index_col=False)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}): expected a CSV or CSV.gz file; fetch it again") from error
    missing = [column for column in columns if column not in frame]
    if missing:
        raise DataError(f"{name}: column {missing[0]} is missing: it has {', '.join(map(str, frame))}; correct the study")
    return frame[list(dict.fromkeys(columns))]


def _numbers(name: str, column: pd.Series) -> FloatArray:
    values = pd.to_numeric(column, errors="coerce")
    refuse(name, values.isna().to_numpy(bool), column, lambda _: "a number")
    return np.asarray(values.to_numpy(np.float64), np.float64)


def _whole(name: str, column: pd.Series) -> IntArray:
    wrong = ~column.fillna("").str.fullmatch(r"\s*\d{1,18}\s*").to_numpy(bool)
    refuse(name, wrong, column, lambda _: "a whole number")
    return np.asarray(column.astype(np.int64), np.int64)
