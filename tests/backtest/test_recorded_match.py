"""Lives, alarms and their scores: the slow walk by hours, and what each measure must say of a case made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from slow_history import HOUR, TERMS, Event, event_lists, history_of, slow_alarms, slow_states

from riskparams.backtest.account_lives import Episodes, Hours, Lives, account_lives, liquidation_episodes
from riskparams.backtest.account_states import RebuildRules, rebuild
from riskparams.backtest.event_history import EventKind
from riskparams.backtest.price_in_force import OracleView, Outage, prices_in_force
from riskparams.backtest.recorded_match import (
    classify_lives,
    raise_alarms,
    score_alarms,
    score_timing,
    unsafe_spell_starts,
)
from riskparams.backtest.static_book import deep_falls, replay_static
from riskparams.errors import ConfigError, InsufficientData

DEPOSIT, REPAY, LIQUIDATION, WITHDRAW, BORROW = EventKind
DAY_GAP = 24 * HOUR


class Case:
    """A history and its prices by hour, ready to be scored."""

    def __init__(self, events: Sequence[Event], price: Sequence[float] | np.ndarray, *, held: int = 5) -> None:
        self.states = rebuild(history_of(events))
        found = Hours.covering(self.states, HOUR)
        self.hours = Hours(first=found.first, step=HOUR, count=len(price))
        every = liquidation_episodes(self.states, DAY_GAP)
        self.episodes: Episodes = every
        self.lives: Lives = account_lives(self.states, every, self.hours, held=held)
        self.view = OracleView(
            price=np.asarray(price, dtype=float),
            ratio=TERMS.liquidation_ratio.at(self.hours.start),
            index=self.states.index_at(self.hours.end),
        )


@given(event_lists(), st.integers(0, 2**32 - 1), st.integers(0, 30))
def test_alarms_are_those_of_the_walk_by_hours(events: list[Event], seed: int, held: int) -> None:
    events = [event for event in events if event.kind is not WITHDRAW]  # nobody takes out more than there is
    assume(events)
    rules = RebuildRules(overpaid=1e9)
    states, slow = rebuild(history_of(events), rules), slow_states(events, rules)
    hours = Hours.covering(states, HOUR)
    price = np.random.default_rng(seed).uniform(50, 400, hours.count)
    lives = account_lives(states, liquidation_episodes(states, DAY_GAP), hours, held=held)
    ratio, index = TERMS.liquidation_ratio.at(hours.start), states.index_at(hours.end)
    alarms = raise_alarms(lives, OracleView(price=price, ratio=ratio, index=index))
    found = sorted(zip(alarms.account.tolist(), alarms.hour.tolist(), alarms.debt.tolist(), strict=True))
    kept = [state for state in slow if state.event.account not in states.stranded]
    expected = slow_alarms(kept, price.tolist(), first_hour=hours.first // HOUR, gap=DAY_GAP, held=held)
    assert [(account, hour) for account, hour, _ in found] == [(account, hour) for account, hour, _ in expected]
    np.testing.assert_allclose([debt for *_, debt in found], [debt for *_, debt in expected], rtol=1e-9)


LOAN = (Event(1, 1, DEPOSIT, 10.0), Event(1, 2, BORROW, 1_000.0))
SEIZED = Event(1, 31, LIQUIDATION, 1_000.0, 10.0)  # hour 5; the line is a price of 150


def test_an_account_is_alarmed_once_a_life_and_scored_against_its_liquidation() -> None:
    case = Case([*LOAN, SEIZED], [200, 200, 200, 149, 140, 140, 140, 140])
    alarms = raise_alarms(case.lives, case.view)
    assert (alarms.account.tolist(), alarms.hour.tolist()) == ([1], [3])
    found = score_alarms(alarms, case.episodes, case.hours, within=2)
    assert (found.alarms, found.false_alarms, found.precision, found.recall) == (1, 0, 1, 1)
    assert found.matched_repaid_ratio == found.total_repaid_ratio == pytest.approx(1, abs=1e-3)
    missed = score_alarms(alarms, case.episodes, case.hours, within=1)
    assert (missed.false_alarms, missed.precision, missed.recall, missed.matched_repaid_ratio) == (1, 0, 0, None)


def test_the_state_before_a_liquidation_is_held_and_no_longer() -> None:
    for held, expected in ((1, []), (2, [7])):
        case = Case([*LOAN, SEIZED], [200] * 7 + [140] * 3, held=held)
        assert raise_alarms(case.lives, case.view).hour.tolist() == expected


def test_what_is_left_after_a_part_was_taken_starts_a_new_life() -> None:
    case = Case([*LOAN, Event(1, 31, LIQUIDATION, 100.0, 1.0)], [140.0] * 8)
    assert case.lives.episode.tolist() == [0, -1]
    assert raise_alarms(case.lives, case.view).hour.tolist() == [0, 5]


def test_an_owner_who_acts_in_time_is_not_alarmed() -> None:
    case = Case([*LOAN, Event(1, 20, REPAY, 500.0)], [200, 200, 200, 140, 140])
    assert not len(raise_alarms(case.lives, case.view))


def test_an_allowance_takes_alarms_away_and_adds_none() -> None:
    case = Case([*LOAN, SEIZED], [200, 200, 149, 149, 149, 140])
    assert raise_alarms(case.lives, case.view).hour.tolist() == [2]
    assert raise_alarms(case.lives, case.view.with_allowance(0.02)).hour.tolist() == [5]
    assert not len(raise_alarms(case.lives, case.view.with_allowance(0.2)))
    with pytest.raises(ConfigError, match="the allowance is 1"):
        case.view.with_allowance(1)


def test_the_first_unsafe_hour_is_that_of_the_spell_near_the_record() -> None:
    case = Case([*LOAN, SEIZED], [200, 140, 200, 140, 140, 140, 140, 200])
    spells = unsafe_spell_starts(case.lives, case.episodes, case.hours, case.view, within=1)
    assert (spells[0].tolist(), spells[1].tolist()) == ([True], [-2])
    timing = score_timing(*spells)
    assert (timing.recall, timing.same_hour, timing.within_1h, timing.within_3h) == (1, 0, 0, 1)
    late = Case([*LOAN, SEIZED], [200, 200, 200, 200, 200, 200, 140, 200])
    found, lag = unsafe_spell_starts(late.lives, late.episodes, late.hours, late.view, within=1)
    assert (found.tolist(), lag.tolist()) == ([True], [1])
    never = Case([*LOAN, SEIZED], [200.0] * 8)
    assert score_timing(*unsafe_spell_starts(never.lives, never.episodes, never.hours, never.view, within=3)).same_hour is None


def test_lives_are_certain_within_the_allowance_or_safe() -> None:
    events = [
        *LOAN,
        Event(2, 1, DEPOSIT, 10.0),
        Event(2, 2, BORROW, 940.0),
        Event(3, 1, DEPOSIT, 20.0),
        Event(3, 2, BORROW, 9.0),
    ]
    events = sorted([*events, SEIZED], key=lambda event: event.block)
    found = classify_lives((case := Case(events, [143.0] * 8)).lives, case.view, allowance=0.02)
    assert (found.certain, found.within_allowance, found.safe) == ((1, 1), (1, 0), (1, 0))


def test_accounts_with_an_incomplete_record_are_not_judged() -> None:
    case = Case([*LOAN, Event(1, 20, REPAY, 1_500.0), Event(2, 30, DEPOSIT, 1.0)], [100.0] * 6)
    assert not len(case.lives)
    with pytest.raises(InsufficientData, match="nothing to score"):
        score_alarms(raise_alarms(case.lives, case.view), case.episodes, case.hours, within=1)


def test_a_snapshot_counts_what_owners_prevented() -> None:
    events = [*LOAN, Event(1, 20, REPAY, 500.0), Event(2, 2, DEPOSIT, 10.0), Event(2, 2, BORROW, 900.0)]
    events = sorted([*events, Event(2, 31, LIQUIDATION, 900.0, 10.0)], key=lambda event: event.block)
    case = Case(events, [200, 200, 170, 150, 130, 120])
    falls = deep_falls(case.view.price, drop=0.3, within=4)
    assert [(fall.peak, fall.last) for fall in falls] == [(1, 5)]
    found = replay_static(case.states, case.episodes, case.hours, falls, case.view)
    assert (found.debt, found.recorded_debt) == (pytest.approx(1_900, abs=2), 900)
    assert found.total_repaid_ratio == pytest.approx(1_900 / 900, abs=0.01)
    quiet = replay_static(case.states, case.episodes, case.hours, [], case.view)
    assert (quiet.debt, quiet.total_repaid_ratio) == (0, None)


@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.lists(st.tuples(st.integers(1, 60), st.integers(1, 9)), max_size=3))
def test_prices_in_force_are_those_of_a_loop(seed: int, delay: int, outages: list[tuple[int, int]]) -> None:
    rng = np.random.default_rng(seed)
    time = np.sort(rng.choice(60, 40, replace=False)) * HOUR
    price = rng.uniform(1, 2, 40)
    hours = np.arange(int(time[0] // HOUR) + delay, 61 + delay) * HOUR
    down = [
        Outage(start=(int(hours[0] // HOUR) + at) * HOUR, end=(int(hours[0] // HOUR) + at + hold) * HOUR)
        for at, hold in outages
    ]
    found = prices_in_force(time, price, hours, delay=delay * HOUR, outages=down)
    shown = np.nan
    for at, value in zip(hours.tolist(), found, strict=True):
        if not any(outage.start <= at < outage.end for outage in down):
            shown = price[time <= at - delay * HOUR][-1]
        assert value == shown


def test_an_oracle_without_prices_or_before_its_first_update_is_refused() -> None:
    hours, price = np.arange(3) * HOUR, np.ones(3)
    with pytest.raises(InsufficientData, match="no market price of 1969-12-31T23:00:00Z"):
        prices_in_force(hours, price, hours, delay=HOUR)
    with pytest.raises(InsufficientData, match=r"prices run from .* to 1970-01-01T02:00:00Z"):
        prices_in_force(hours, price, np.array([30 * HOUR]), delay=0)
    with pytest.raises(InsufficientData, match="down at 1970-01-01T00:00:00Z, its first update"):
        prices_in_force(hours, price, hours, delay=0, outages=[Outage(start=0, end=1)])
    with pytest.raises(ConfigError, match="swap them"):
        Outage(start=2, end=1)
    with pytest.raises(ConfigError, match=r"falls of 1\.5"):
        deep_falls(price, drop=1.5, within=1)
