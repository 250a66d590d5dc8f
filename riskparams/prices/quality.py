"""What prices must satisfy on the way in, and what the report says about those that did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from riskparams.errors import DataError
from riskparams.prices.panel import Calendar, Candles, Exclusion, PricePanel
from riskparams.terms import DAY, NANOSECONDS, Asset, BoolArray, FloatArray, IntArray, iso

WICK_SCALES = 8.0  # times the median absolute return of the 24 bars before
SMALLEST_WICK = 0.10


def refuse(where: str, wrong: BoolArray, column: pd.Series, expected: Callable[[int], str]) -> None:
    """Raise for the first wrong row, if any; rows count from 1 below the header."""
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{where}, row {row + 1}: {column.name} is {column.iloc[row]}: expected {expected(row)}; correct or remove the row"
        )


def times(where: str, column: pd.Series) -> IntArray:
    """Return time stamps as nanoseconds; a date is its first moment, and a time of day needs its offset from UTC."""
    if column.name == "date":
        expected = "a date such as 2024-01-31 (a column of times is called timestamp)"
        days = column if isinstance(column.dtype, np.dtype) and column.dtype.kind == "M" else column.astype(str)
        moments = pd.to_datetime(days, format="%Y-%m-%d", utc=True, errors="coerce")
        moments = moments.where(moments == moments.dt.normalize())
    else:
        expected = "a time with its offset from UTC, such as 2024-01-31T00:00:00Z"
        if not isinstance(column.dtype, pd.DatetimeTZDtype):
            column = column.astype(str)
            column = column.where(column.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$").to_numpy(bool), "without offset")
        moments = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    moments = moments.where(moments.dt.year.between(1900, 2200))  # what nanoseconds can hold
    refuse(where, moments.isna().to_numpy(bool), column, lambda _: expected)
    return moments.dt.as_unit("ns").astype(np.int64).to_numpy(np.int64)


def numbers(where: str, column: pd.Series) -> FloatArray:
    """Return prices, all positive and finite, or volumes, which may be zero or unknown."""
    values: FloatArray = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan).copy()
    if column.name == "volume":
        wrong = (np.isnan(values) & column.notna().to_numpy(bool)) | (values < 0) | np.isinf(values)
        refuse(where, wrong, column, lambda _: "a volume, 0 or more, or nothing")
    else:
        refuse(where, ~((values > 0) & (values < np.inf)), column, lambda _: "a positive, finite price")
    return values


def bar_length(nanoseconds: int) -> str:
    """Return a bar length as a study writes it."""
    for unit, size in (("d", DAY), ("h", DAY // 24), ("min", 60 * NANOSECONDS)):
        if nanoseconds % size == 0:
            return f"{nanoseconds // size}{unit}"
    return f"{nanoseconds / NANOSECONDS:g}s"
