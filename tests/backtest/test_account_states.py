"""Accounts rebuilt from events: the rules that close and seize, what is conserved, and what marks a record as incomplete."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_history import HOUR, Event, event_lists, growth, history_of, slow_states

from riskparams.backtest.account_states import AccountStates, RebuildRules, rebuild
from riskparams.backtest.event_history import EventKind
from riskparams.errors import ConfigError, DataError
from riskparams.pipeline.books import history_book
from riskparams.terms import Asset

DEPOSIT, REPAY, LIQUIDATION, WITHDRAW, BORROW = EventKind


def states_of(*events: Event, incomplete: list[int] | None = None) -> AccountStates:
    return rebuild(history_of(events, incomplete=incomplete or []))


@given(event_lists())
def test_the_kernel_is_the_loop_over_events(events: list[Event]) -> None:
    rules = RebuildRules(close_debt=50.0, close_repaid_share=0.3)
    found = rebuild(history_of(events, incomplete=sorted({event.account for event in events})), rules)
    slow = slow_states(events, rules)
    for name, values in (
        ("collateral", [state.collateral for state in slow]),
        ("debt", [state.debt for state in slow]),
        ("taken", [state.taken for state in slow]),
        ("collateral_before", [state.before[0] for state in slow]),
        ("debt_before", [state.before[1] for state in slow]),
    ):
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-9, atol=1e-9)


@given(event_lists())
def test_collateral_is_conserved(events: list[Event]) -> None:
    accounts = sorted({event.account for event in events})
    found = rebuild(history_of(events, incomplete=accounts))
    history = found.history
    for account in accounts:
        own = history.account == account
        put_in = history.amount[own & (history.kind == DEPOSIT)].sum()
        taken_out = history.amount[own & (history.kind == WITHDRAW)].sum()
        left = found.collateral[own][-1]
        assert put_in - taken_out - found.taken[own].sum() - found.dropped[own].sum() == pytest.approx(left, abs=1e-9)


@given(event_lists(), st.integers(0, 100 * HOUR))
def test_the_future_changes_no_past_book(events: list[Event], time: int) -> None:
    accounts = sorted({event.account for event in events})
    past = [event for event in events if event.time <= time]
    book = rebuild(history_of(events, incomplete=accounts)).book_at(time)
    if not past:
        assert not len(book)
        return
    known = rebuild(history_of(past, incomplete=sorted({event.account for event in past}))).book_at(time)
    for name in ("account", "collateral", "debt"):
        assert getattr(book, name).tobytes() == getattr(known, name).tobytes()


def test_debt_grows_with_the_index_and_the_book_shows_it() -> None:
    states = states_of(Event(1, 6, DEPOSIT, 3.0), Event(1, 6, BORROW, 1_000.0), Event(2, 12, DEPOSIT, 1.0))
    book = states.book_at(80 * HOUR)
    assert book.account.tolist() == [1, 2]
    assert book.collateral.tolist() == [3.0, 1.0]
    assert book.debt == pytest.approx([1_000 * growth(80 * HOUR) / growth(HOUR), 0])
    assert states.book_at(HOUR).account.tolist() == [1]


def test_a_position_book_of_a_history_leaves_out_incomplete_accounts() -> None:
    assets = (Asset("ETH"), Asset("USD"), Asset("BTC"))
    known = (Event(1, 6, DEPOSIT, 3.0), Event(1, 6, BORROW, 1_000.0), Event(2, 12, DEPOSIT, 1.0))
    states = states_of(*known, Event(3, 12, DEPOSIT, 2.0), Event(3, 18, REPAY, 500.0))  # which it had not borrowed
    book = history_book(states, 80 * HOUR, assets)
    assert book.owner.tolist() == [1, 2]
    assert book.collateral.tolist() == [[3, 0, 0], [1, 0, 0]]
    assert book.debt[:, 1].tolist() == [pytest.approx(1_000 * growth(80 * HOUR) / growth(HOUR)), 0]
    with pytest.raises(DataError, match="of 0 accounts with a balance"):
        history_book(states, 0, assets)
    with pytest.raises(ConfigError, match="expected its collateral and its debt"):
        history_book(states, HOUR, assets[:1])


@pytest.mark.parametrize(
    ("repaid", "left"),
    [
        (950.0, 0.0),  # 50 is below 100, and below the smallest debt of 100
        (890.0, 110.0),
        (1_000.0, 0.0),
    ],
)
def test_a_remainder_is_closed_below_the_smaller_of_the_limit_and_the_smallest_debt(repaid: float, left: float) -> None:
    states = states_of(Event(1, 1, DEPOSIT, 9.0), Event(1, 1, BORROW, 1_000.0), Event(1, 2, REPAY, repaid))
    assert states.debt[-1] * states.index[-1] == pytest.approx(left, abs=0.01)
    assert states.written_off[-1] == pytest.approx(1_000 - repaid if left == 0 else 0, abs=0.01)


def test_a_remainder_is_closed_when_it_is_a_small_part_of_the_repayment_and_of_the_smallest_debt() -> None:
    late = 51 * 6  # the smallest debt is 20 by then
    events = [Event(1, 1, DEPOSIT, 9.0), Event(1, late, BORROW, 10_000.0), Event(1, late + 1, REPAY, 9_991.0)]
    assert rebuild(history_of(events), RebuildRules(close_debt=5.0)).debt[-1] == 0  # 9 is below 2 % and below 10
    assert rebuild(history_of(events), RebuildRules(close_debt=5.0, close_repaid_share=0)).debt[-1] > 0


OPEN = (Event(1, 1, DEPOSIT, 10.0), Event(1, 1, BORROW, 1_000.0))


@pytest.mark.parametrize(
    ("debt", "collateral", "whole"),
    [
        (999.0, 3.0, True),  # the debt agrees within 0.2 %
        (1_500.0, 3.0, True),  # more than was owed
        (900.0, 11.0, True),  # no chunk, and the collateral agrees within a unit
        (900.0, 8.0, False),
        (100.0, 10.0, False),  # a chunk of 113 with 13 % penalty is part of an account whatever the collateral says
    ],
)
def test_a_liquidation_takes_all_or_its_share(debt: float, collateral: float, whole: bool) -> None:
    states = states_of(*OPEN, Event(1, 2, LIQUIDATION, debt, collateral))
    assert states.whole[-1] == whole
    if whole:
        assert (states.collateral[-1], states.debt[-1], states.taken[-1]) == (0, 0, 10)
    else:
        assert states.taken[-1] == pytest.approx(10 * debt / 1_000, rel=1e-5)
        assert states.debt[-1] * states.index[-1] == pytest.approx(1_000 - debt, abs=0.01)


def test_equal_liquidations_of_a_block_each_count() -> None:
    chunk = Event(1, 2, LIQUIDATION, 100.0, 1.0)
    assert states_of(*OPEN, chunk, chunk, chunk).debt[-1] == pytest.approx(700, abs=0.01)


def test_an_account_that_repays_more_than_it_owed_is_left_out_rather_than_refused() -> None:
    states = states_of(*OPEN, Event(1, 2, REPAY, 1_500.0), *(Event(2, 3, kind, 5.0) for kind in (DEPOSIT, REPAY)))
    assert states.overpaid.tolist() == pytest.approx([0, 0, 500, 0, 5], abs=0.01)
    assert states.overpaying == states.incomplete == {1}


def test_debt_without_collateral_at_the_end_marks_a_record_as_incomplete() -> None:
    states = states_of(*OPEN, Event(1, 2, WITHDRAW, 10.0), Event(3, 3, DEPOSIT, 1.0))
    assert states.stranded == states.uncovered == states.incomplete == {1}
    repaid = states_of(*OPEN, Event(1, 2, WITHDRAW, 10.0), Event(1, 3, REPAY, 1_000.1))
    assert (repaid.uncovered, repaid.incomplete) == ({1}, set())


def test_taking_out_more_than_was_put_in_names_the_row_unless_the_account_is_listed() -> None:
    events = (*OPEN, Event(1, 2, WITHDRAW, 10.5))
    with pytest.raises(DataError) as caught:
        states_of(*events)
    for part in ("events.csv, row 3", "withdraw", "account 1", "collateral of -0.5", "0 or more", "incomplete"):
        assert part in str(caught.value)
    assert states_of(*events, incomplete=[1]).collateral[-1] == 0


def test_rules_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="close_debt is -1"):
        RebuildRules(close_debt=-1)
    with pytest.raises(ConfigError, match="debt_within is nan"):
        RebuildRules(debt_within=float("nan"))
    with pytest.raises(ConfigError, match="collateral_unit is 0"):
        RebuildRules(collateral_unit=0)
