"""The accounts of an event history, rebuilt: what each held and owed after every event, and what its record lacks."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from riskparams.backtest.dated_values import rate_index
from riskparams.backtest.event_history import EventHistory, EventKind
from riskparams.errors import ConfigError, DataError
from riskparams.terms import BoolArray, FloatArray, IntArray, frozen, iso


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildRules:
    """What closes an account, and which liquidation took all of it.

    After a repayment a debt is closed when it is below `close_debt` (or the smallest debt allowed, if that is lower), or
    below both `close_repaid_share` of the repayment and `close_smallest_share` of the smallest debt: what an index known to
    the second leaves. Collateral below `close_collateral` is none. A repayment of more than `overpaid` above the debt tells
    of a borrowing that was not recorded. A liquidation is whole when its debt agrees with that owed within the share
    `debt_within`, or exceeds it, or is no auction chunk while the collateral, recorded in whole `collateral_unit`s, agrees
    within one. Amounts are in units of the debt and of the collateral.
    """

    close_debt: float = 100.0
    close_repaid_share: float = 0.02
    close_smallest_share: float = 0.5
    close_collateral: float = 1e-6
    overpaid: float = 20.0
    debt_within: float = 0.002
    collateral_unit: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{field.name} is {value}: expected a finite number, 0 or more")
        if self.collateral_unit == 0:
            raise ConfigError("collateral_unit is 0: give the unit that recorded collateral is rounded to, such as 1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBook:
    """What accounts hold and owe at one time: collateral in units of the asset, debt with its interest; both may be 0."""

    time: int
    account: IntArray
    collateral: FloatArray
    debt: FloatArray

    def __post_init__(self) -> None:
        for name in ("account", "collateral", "debt"):
            frozen(getattr(self, name))

    def __len__(self) -> int:
        return len(self.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStates:
    """One row for each event of the history, in its order; arrays are read-only.

    `index` is R at the event. Debts are divided by it, so that debt x R(t) is owed at t until the next event; amounts in
    `overpaid` and `written_off` are owed that day. `taken` is the collateral a liquidation took as rebuilt, `whole` whether
    that was all; `dropped` is collateral too small to keep. A state may be judged only where `history.block_end`.
    """

    history: EventHistory
    rules: RebuildRules
    index: FloatArray
    collateral_before: FloatArray
    debt_before: FloatArray
    collateral: FloatArray
    debt: FloatArray
    taken: FloatArray
    whole: BoolArray
    overpaid: FloatArray
    written_off: FloatArray
    dropped: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(getattr(self, field.name), np.ndarray):
                frozen(getattr(self, field.name))

    def index_at(self, times: IntArray) -> FloatArray:
        """Return the rate index at any times."""
        return rate_index(self.history.terms.borrow_rate, times)

    def book_at(self, time: int) -> AccountBook:
        """Return every account that holds or owes something after the events up to and including a time (nanoseconds)."""
        history = self.history
        known = np.flatnonzero(history.time <= time)
        last = np.ones(len(known), bool)
        last[:-1] = history.account[known[1:]] != history.account[known[:-1]]
        rows = known[last]
        rows = rows[(self.collateral[rows] > 0) | (self.debt[rows] > 0)]
        growth = self.index_at(np.array([time], dtype=np.int64))[0] if len(rows) else 1.0
        return AccountBook(
            time=time, account=history.account[rows], collateral=self.collateral[rows], debt=self.debt[rows] * growth
        )

    @property
    def overpaying(self) -> frozenset[int]:
        """Accounts that repaid more than they owed: a borrowing is missing from their record."""
        return frozenset(self.history.account[self.overpaid > self.rules.overpaid].tolist())

    @property
    def stranded(self) -> frozenset[int]:
        """Accounts whose record ends with a debt that could not be owed and no collateral: an event is missing from it."""
        account = self.history.account
        last = np.append(account[1:] != account[:-1], True)
        return frozenset(account[last & (self.collateral == 0) & (self.debt > 0)].tolist())

    @property
    def uncovered(self) -> frozenset[int]:
        """Accounts that after some block owed a debt and held nothing: such a state is not judged."""
        bare = self.history.block_end & (self.collateral == 0) & (self.debt > 0)
        return frozenset(self.history.account[bare].tolist())

    @property
    def incomplete(self) -> frozenset[int]:
        """Accounts to leave out of scores: those known to be incomplete, and those found to be."""
        return self.history.incomplete | self.overpaying | self.stranded


def rebuild(history: EventHistory, rules: RebuildRules | None = None) -> AccountStates:
    """Return the states that a history implies; raise `DataError` where an account takes out more than it put in.

    An account listed as incomplete may do so: it then holds nothing.
    """
    from riskparams.backtest.event_kernels import (
        COLLATERAL,
        COLLATERAL_BEFORE,
        DEBT,
        DEBT_BEFORE,
        DROPPED,
        OVERPAID,
        TAKEN,
        WHOLE,
        WRITTEN_OFF,
        rebuilt,
    )

    rules = rules or RebuildRules()
    index = rate_index(history.terms.borrow_rate, history.time)
    table = rebuilt(
        history.account,
        history.kind,
        history.amount,
        history.collateral,
        index,
        history.terms.smallest_debt_at(history.time),
        history.terms.chunk_debt_at(history.time),
        rules.close_debt,
        rules.close_repaid_share,
        rules.close_smallest_share,
        rules.close_collateral,
        rules.debt_within,
        rules.collateral_unit,
    )
    known = ~np.isin(history.account, list(history.incomplete))
    below = np.flatnonzero(known & (table[:, DROPPED] < -max(rules.close_collateral, 1e-9)))
    if len(below):
        event = int(below[0])
        kind = EventKind(int(history.kind[event])).name.lower()
        raise DataError(
            f"{history.where(event)}: this {kind} of {iso(int(history.time[event]))} leaves account {history.account[event]} "
            f"with collateral of {table[event, DROPPED]:.9g}: expected 0 or more; a deposit is missing: find it, or list the "
            "account as incomplete"
        )
    columns = {
        "collateral_before": COLLATERAL_BEFORE,
        "debt_before": DEBT_BEFORE,
        "collateral": COLLATERAL,
        "debt": DEBT,
        "taken": TAKEN,
        "overpaid": OVERPAID,
        "written_off": WRITTEN_OFF,
        "dropped": DROPPED,
    }
    return AccountStates(
        history=history,
        rules=rules,
        index=index,
        whole=table[:, WHOLE] > 0,
        **{name: np.ascontiguousarray(table[:, column]) for name, column in columns.items()},
    )
