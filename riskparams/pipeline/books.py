"""Books of positions that somebody holds: from a snapshot file, or as an event history left them."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from riskparams.backtest.account_states import AccountStates
from riskparams.backtest.positions import PositionBook, unmanaged
from riskparams.errors import ConfigError, DataError
from riskparams.prices.quality import refuse
from riskparams.terms import Asset, FloatArray, IntArray

COLUMNS = ("account", "asset", "collateral", "debt")
POSITION = "position"  # optional: what an account holds and owes in one position is liquidated apart from its others


def read_book(path: Path, assets: Sequence[Asset]) -> PositionBook:
    """Return the book of a snapshot, whose owners do nothing: a CSV, CSV.gz or Parquet file, one row per account and asset.

    Columns are `account` (any text), `asset` (one of `assets`, as written), `collateral` and `debt` (units of the asset, 0
    or more, an empty cell is not 0) and, where margin is isolated, `position` (any text). Rows of one account, or of one of
    its positions, make one row of the book; owners are numbered by their first row. Raises `DataError` naming file and row
    (from 1 below the header) for a missing or unknown column, an unknown asset, an account or position without a name, an
    amount that is no number, negative or not finite, a row that repeats another's account, position and asset, and for an
    empty file.
    """
    table = _table(path)
    keys = [name for name in ("account", POSITION) if name in table]
    for name in (*keys, "asset"):
        text = table[name].where(table[name].notna(), "").astype(str)
        refuse(str(path), (text.str.strip() == "").to_numpy(bool), table[name], lambda _: "a name")
        table[name] = text
    known = ", ".join(assets)
    refuse(str(path), ~table["asset"].isin(list(assets)).to_numpy(bool), table["asset"], lambda _: f"one of {known}")
    amounts = {name: _amounts(path, table[name]) for name in ("collateral", "debt")}
    repeated = table.duplicated([*keys, "asset"]).to_numpy(bool)
    refuse(
        str(path), repeated, table["account"], lambda row: f"one row for its {table['asset'].iloc[row]}, and this is another"
    )
    row = _numbered(table[keys])
    column = np.array([assets.index(asset) for asset in table["asset"]])
    collateral, debt = (np.zeros((int(row.max()) + 1, len(assets))) for _ in range(2))
    collateral[row, column], debt[row, column] = amounts["collateral"], amounts["debt"]
    first = np.unique(row, return_index=True)[1]
    return unmanaged(assets, collateral, debt, owner=_numbered(table[["account"]])[first])


def history_book(states: AccountStates, time: int, assets: Sequence[Asset]) -> PositionBook:
    """Return the book that an event history had left by a time (nanoseconds), with interest; owners are its accounts.

    The first of `assets` is the collateral, the second the debt; others are held by nobody. Accounts whose record is
    incomplete are left out. Raises `DataError` where none is left.
    """
    if len(assets) < 2:
        raise ConfigError(f"the assets of a history's book are {', '.join(assets)}: expected its collateral and its debt")
    book = states.book_at(time)
    complete = ~np.isin(book.account, list(states.incomplete))
    if not complete.any():
        raise DataError(
            f"of {len(book)} accounts with a balance at that time none has a complete record: "
            "choose a later time, or find the missing events"
        )
    collateral, debt = (np.zeros((int(complete.sum()), len(assets))) for _ in range(2))
    collateral[:, 0], debt[:, 1] = book.collateral[complete], book.debt[complete]
    return unmanaged(assets, collateral, debt, owner=book.account[complete])


def _table(path: Path) -> pd.DataFrame:
    """Return the file as it stands, its columns known to be those of a snapshot."""
    if not path.is_file():
        raise DataError(f"{path} does not exist: expected a snapshot as .csv, .csv.gz or .parquet; correct its name")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header are otherwise cut
                table = pd.read_csv(path, dtype=str, index_col=False, keep_default_na=False)
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    except (OSError, EOFError, ValueError, zlib.error, pd.errors.ParserWarning) as error:
        raise DataError(f"{path} cannot be read ({error}): expected a CSV, CSV.gz or Parquet file; fetch it again") from error
    if table.empty:
        raise DataError(f"{path} is empty: expected a header and at least one row, an account's amount of one asset")
    names = [str(name) for name in table.columns]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise DataError(f"{path}: column {missing[0]} is missing: it has {', '.join(names)}; rename or add it")
    unknown = [name for name in names if name not in (*COLUMNS, POSITION)]
    if unknown:
        raise DataError(
            f"{path}: column {unknown[0]} is not known: expected {', '.join(COLUMNS)}, {POSITION}; drop or rename it"
        )
    return table.reset_index(drop=True)


def _amounts(path: Path, column: pd.Series) -> FloatArray:
    values: FloatArray = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    refuse(str(path), ~(np.isfinite(values) & (values >= 0)), column, lambda _: "a finite amount of the asset, 0 or more")
    return values


def _numbered(keys: pd.DataFrame) -> IntArray:
    """Return the number of each row's key, by first appearance."""
    return np.asarray(keys.groupby(list(keys.columns), sort=False).ngroup().to_numpy(np.int64))
