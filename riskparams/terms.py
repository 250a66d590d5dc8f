"""The words this package is built from, and their signs and units.

* An **asset** is a name as the study writes it (`"ETH"`); a **pair** is collateral against debt.
* A **drop** is simple and positive when the price fell: `1 - new / old`. A log return is negative then.
* Rates, ratios and levels are fractions (`0.05`), never per cent or basis points.
* Times are UTC; a bar is stamped by its **close**. Arrays hold them as integer nanoseconds.
* `tail_threshold` belongs to the extreme-value fit, `liquidation_threshold` to the lending market.
* A **haircut** is the drop allowed for between trigger and execution, not `1 - max_ltv`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NewType

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Asset = NewType("Asset", str)
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

NANOSECONDS = 1_000_000_000
DAY = 86_400 * NANOSECONDS
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Collateral against debt; the debt may be the panel's numeraire.

    >>> str(Pair(Asset("ETH"), Asset("USD")))
    'ETH/USD'
    """

    collateral: Asset
    debt: Asset

    def __str__(self) -> str:
        return f"{self.collateral}/{self.debt}"


def frozen(array: NDArray[np.generic]) -> None:
    """Make an array read-only in place: results are finished once they exist."""
    array.setflags(write=False)


def nanoseconds(moment: datetime | pd.Timestamp) -> int:
    """Return a timezone-aware moment as integer nanoseconds since 1970, UTC; raise `ValueError` for a naive one.

    >>> nanoseconds(datetime(2024, 6, 1, tzinfo=UTC))
    1717200000000000000
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no timezone: give it one, for example 2024-06-01T00:00:00Z")
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NANOSECONDS + since.microseconds * 1_000


def iso(time: int) -> str:
    """Return integer nanoseconds as ISO 8601 UTC text, to the second.

    >>> iso(1717200000000000000)
    '2024-06-01T00:00:00Z'
    """
    return datetime.fromtimestamp(time // NANOSECONDS, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(time: int) -> str:
    """Return the UTC date of integer nanoseconds.

    >>> day(1717200000000000000)
    '2024-06-01'
    """
    return iso(time)[:10]


def parse_duration(value: object) -> timedelta:
    """Return a duration written as "90s", "5m", "1h" or "730d"; raise `ValueError` for anything else.

    >>> parse_duration("24h")
    datetime.timedelta(days=1)
    """
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f'{value!r} is not a duration: write a number and s, m, h or d, for example "24h"')
    return timedelta(seconds=float(found[1]) * SECONDS[found[2]])
