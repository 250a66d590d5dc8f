"""Event histories: what a table may hold, how events are put in order, and what was known when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_history import HOUR, TERMS, Event, event_lists, growth, history_of, table

from riskparams.backtest.dated_values import DatedValues, rate_index
from riskparams.backtest.event_history import EventHistory, EventKind, EventTable
from riskparams.errors import DataError

EVENTS = [
    Event(7, 1, EventKind.DEPOSIT, 10.0),
    Event(7, 2, EventKind.BORROW, 500.0),
    Event(7, 3, EventKind.REPAY, 200.0),
    Event(7, 4, EventKind.WITHDRAW, 1.0),
]


def put(name: str, row: int, value: float) -> Callable[[EventTable], EventTable]:
    def change(rows: EventTable) -> EventTable:
        column = getattr(rows, name).copy()
        column[row] = value
        return replace(rows, **{name: column})

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("kind", 2, 9), ["row 3", "kind is 9", "1 repay", "rename"]),
        (put("amount", 1, -5.0), ["row 2", "amount is -5", "0 or more"]),
        (put("amount", 1, np.nan), ["row 2", "amount is nan", "finite"]),
        (put("amount", 3, np.inf), ["row 4", "amount is inf"]),
        (put("collateral", 0, -1.0), ["row 1", "collateral is -1"]),
        (put("block", 2, 1), ["row 3", "block is 1", "sort the file"]),
        (put("time", 3, 0), ["row 4", "time is 1970-01-01T00:00:00Z", "sort the file"]),
    ],
)
def test_a_bad_row_is_named_with_what_was_seen_and_expected(
    change: Callable[[EventTable], EventTable], said: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        change(table(EVENTS, "loans.csv"))
    for part in ["loans.csv", *said]:
        assert part in str(caught.value)


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match=r"loans\.csv: 4 kinds and 3 values of amount"):
        replace(table(EVENTS, "loans.csv"), amount=np.ones(3))


def test_no_events_and_unknown_accounts_are_refused() -> None:
    with pytest.raises(DataError, match="hold no rows"):
        EventHistory.of([table([])], TERMS)
    with pytest.raises(DataError, match=r"account 8 is listed as incomplete and has no event in events\.csv"):
        history_of(EVENTS, incomplete=[8])


def test_events_of_a_block_apply_in_the_documented_order_whatever_their_files() -> None:
    rows = [Event(1, 5, kind, 1.0) for kind in (EventKind.BORROW, EventKind.WITHDRAW, EventKind.REPAY, EventKind.DEPOSIT)]
    history = EventHistory.of([table([row], f"{row.kind.name}.csv") for row in rows], TERMS)
    assert history.kind.tolist() == [EventKind.DEPOSIT, EventKind.REPAY, EventKind.WITHDRAW, EventKind.BORROW]
    assert history.block_end.tolist() == [False, False, False, True]
    assert history.where(1) == "REPAY.csv, row 1"


@given(events=event_lists(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_kinds_inside_a_block_changes_nothing(events: list[Event], seed: int) -> None:
    rng = np.random.default_rng(seed)
    priority = rng.permutation(len(EventKind))
    shuffled = sorted(events, key=lambda one: (one.block, priority[one.kind]))
    one, other = history_of(events), history_of(shuffled)
    for name in ("kind", "account", "block", "time", "amount", "collateral"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@given(event_lists())
def test_every_row_is_kept_and_equal_rows_too(events: list[Event]) -> None:
    twice = sorted([*events, *events], key=lambda one: one.block)
    history = history_of(twice)
    assert len(history) == 2 * len(events)
    assert history.amount.sum() == pytest.approx(2 * sum(one.amount for one in events))


def test_until_knows_nothing_later() -> None:
    history = history_of(EVENTS)
    assert len(history.until(EVENTS[1].time)) == 2
    with pytest.raises(DataError, match="no event is known as of 1970-01-01T00:00:00Z"):
        history.until(0)


def test_a_parameter_is_in_force_from_its_own_moment_and_not_before_the_first() -> None:
    fee = DatedValues(name="fee", time=np.array([HOUR, 3 * HOUR]), value=np.array([0.1, 0.2]))
    assert fee.at(np.array([HOUR, 3 * HOUR - 1, 3 * HOUR])).tolist() == [0.1, 0.1, 0.2]
    with pytest.raises(DataError, match="fee: no value is in force at 1970-01-01T00:00:00Z, the first is of 1970-01-01T01"):
        fee.at(np.array([0]))


@pytest.mark.parametrize(
    ("time", "value", "said"),
    [
        ([], [], "0 times"),
        ([2, 1], [0.1, 0.1], "change 2 .* not after change 1"),
        ([1, 1], [0.1, 0.1], "not after"),
        ([1], [-0.1], "is -0.1"),
        ([1], [np.nan], "is nan"),
    ],
)
def test_dated_values_that_contradict_themselves_are_refused(time: list[int], value: list[float], said: str) -> None:
    with pytest.raises(DataError, match=f"fee: .*{said}"):
        DatedValues(name="fee", time=np.array(time, dtype=np.int64), value=np.array(value, dtype=float))


@given(st.lists(st.integers(0, 200 * HOUR), min_size=1, max_size=20))
def test_the_rate_index_is_the_product_over_spans(times: list[int]) -> None:
    found = rate_index(TERMS.borrow_rate, np.array(times))
    np.testing.assert_allclose(found, [growth(time) for time in times], rtol=1e-12)
