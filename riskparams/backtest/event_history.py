"""What was recorded of a lending market's accounts: owners' events, dated parameters, and liquidations kept apart.

Any market whose accounts deposit, withdraw, borrow and repay fits; which file and column says so is the loader's affair.
Equal rows are never merged: two equal events of one block are two events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from riskparams.backtest.dated_values import DatedValues
from riskparams.errors import DataError
from riskparams.terms import BoolArray, FloatArray, IntArray, frozen, iso


class EventKind(IntEnum):
    """What happened to an account; the events of one block apply in this order, and equal kinds in that of their rows."""

    DEPOSIT = 0
    REPAY = 1
    LIQUIDATION = 2
    WITHDRAW = 3
    BORROW = 4


COLUMNS = ("kind", "account", "block", "time", "amount", "collateral")
OWNERS = {kind.name.lower(): kind for kind in EventKind if kind is not EventKind.LIQUIDATION}  # as a file may spell them


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTable:
    """The rows of one file, oldest first.

    `amount` is collateral of a deposit or withdrawal and debt of a borrowing, repayment or liquidation, never negative; debt
    is what was owed that day, not divided by an index. `collateral` is what a liquidation took as far as the record says,
    and 0 elsewhere. Raises `DataError` naming the source, the row (from 1 below the header), what was seen and expected.
    """

    source: str
    kind: IntArray
    account: IntArray
    block: IntArray
    time: IntArray
    amount: FloatArray
    collateral: FloatArray

    def __post_init__(self) -> None:
        for name in COLUMNS:
            column = getattr(self, name)
            if column.shape != self.kind.shape or column.ndim != 1:
                raise DataError(
                    f"{self.source}: {len(self.kind)} kinds and {len(column)} values of {name}: expected one for each row"
                )
            frozen(column)
        known = ", ".join(f"{kind.value} {kind.name.lower()}" for kind in EventKind)
        self._refuse("kind", ~np.isin(self.kind, list(EventKind)), f"one of {known}; rename the event or leave it out")
        for name in ("amount", "collateral"):
            column = getattr(self, name)
            wrong = ~(np.isfinite(column) & (column >= 0))
            self._refuse(
                name, wrong, "a finite number, 0 or more; where a file writes amounts as negative the study must say so"
            )
        for name in ("block", "time"):
            column = getattr(self, name)
            late = np.diff(column, prepend=column[:1]) < 0
            self._refuse(name, late, "no less than in the row before; sort the file by block")

    def _refuse(self, column: str, wrong: BoolArray, expected: str) -> None:
        if wrong.any():
            row = int(wrong.argmax())
            value = getattr(self, column)[row]
            seen = iso(int(value)) if column == "time" else f"{value:.12g}"
            raise DataError(f"{self.source}, row {row + 1}: {column} is {seen}: expected {expected}")

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTerms:
    """What the market said, by date. Ratios are fractions: a `liquidation_ratio` of 1.3 is collateral of 130 % of the debt.

    `borrow_rate` is effective per year. No account may owe less than `smallest_debt` unless it owes nothing. An auction takes
    the debt of at most one `chunk`, which includes `chunk_penalty`, a fraction of the debt. What a market lacks is None.
    """

    borrow_rate: DatedValues
    liquidation_ratio: DatedValues
    smallest_debt: DatedValues | None = None
    chunk: DatedValues | None = None
    chunk_penalty: DatedValues | None = None

    def smallest_debt_at(self, times: IntArray) -> FloatArray:
        """Return the smallest debt allowed, infinite where there is no such rule."""
        return np.full(len(times), np.inf) if self.smallest_debt is None else self.smallest_debt.at(times)

    def chunk_debt_at(self, times: IntArray) -> FloatArray:
        """Return the debt in one auction chunk, without the penalty; NaN where auctions have no chunks."""
        if self.chunk is None:
            return np.full(len(times), np.nan)
        penalty = 0.0 if self.chunk_penalty is None else self.chunk_penalty.at(times)
        return np.asarray(self.chunk.at(times) / (1 + penalty))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHistory:
    """Every event of every account, by account, then block, then kind, then row; arrays are read-only.

    `incomplete` are accounts whose record is known to lack events: they are rebuilt as far as it goes and left out of scores.
    """

    terms: MarketTerms
    kind: IntArray
    account: IntArray
    block: IntArray
    time: IntArray
    amount: FloatArray
    collateral: FloatArray
    table: IntArray
    row: IntArray
    sources: tuple[str, ...]
    incomplete: frozenset[int] = frozenset()

    @classmethod
    def of(cls, tables: Sequence[EventTable], terms: MarketTerms, *, incomplete: Sequence[int] = ()) -> EventHistory:
        """Return the history that tables hold together; raise `DataError` when they hold nothing, or name no such account."""
        if not sum(len(table) for table in tables):
            raise DataError("the event files hold no rows: expected at least one event; check the files the study names")
        columns = {name: np.concatenate([getattr(table, name) for table in tables]) for name in COLUMNS}
        number = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
        row = np.concatenate([np.arange(len(table)) for table in tables])
        order = np.lexsort((row, number, columns["kind"], columns["block"], columns["account"]))
        unknown = sorted(set(incomplete) - set(columns["account"].tolist()))
        if unknown:
            raise DataError(
                f"account {unknown[0]} is listed as incomplete and has no event in "
                f"{', '.join(table.source for table in tables)}: correct its number or take it off the list"
            )
        return cls(
            terms=terms,
            table=number[order],
            row=row[order],
            sources=tuple(table.source for table in tables),
            incomplete=frozenset(incomplete),
            **{name: column[order] for name, column in columns.items()},
        )

    def __post_init__(self) -> None:
        for name in (*COLUMNS, "table", "row"):
            frozen(getattr(self, name))

    def __len__(self) -> int:
        return len(self.kind)

    def where(self, event: int) -> str:
        """Return the source and row of an event, for a message."""
        return f"{self.sources[self.table[event]]}, row {self.row[event] + 1}"

    @property
    def block_end(self) -> BoolArray:
        """Whether an event is the last of its account in its block: only the state after such a one may be judged."""
        last = np.ones(len(self), bool)
        last[:-1] = (self.account[1:] != self.account[:-1]) | (self.block[1:] != self.block[:-1])
        return last

    def until(self, time: int) -> EventHistory:
        """Return the history as it was known at a time; raise `DataError` when nothing had happened yet."""
        known = self.time <= time
        if not known.any():
            raise DataError(
                f"no event is known as of {iso(time)}: the first is of {iso(int(self.time.min()))}; choose a later date"
            )
        columns = {name: getattr(self, name)[known] for name in (*COLUMNS, "table", "row")}
        return EventHistory(
            terms=self.terms,
            sources=self.sources,
            incomplete=self.incomplete & frozenset(columns["account"].tolist()),
            **columns,
        )
