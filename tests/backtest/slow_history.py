"""Event histories the slow way: one event after another, one hour after another, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from riskparams.backtest.account_states import RebuildRules
from riskparams.backtest.dated_values import DatedValues
from riskparams.backtest.event_history import EventHistory, EventKind, EventTable, MarketTerms
from riskparams.terms import NANOSECONDS

HOUR = 3_600 * NANOSECONDS
YEAR_SECONDS = 31_536_000
RATES = [(0, 0.05), (40 * HOUR, 0.9), (90 * HOUR, 0.0)]
RATIOS = [(0, 1.5), (60 * HOUR, 1.3)]
SMALLEST = [(0, 100.0), (50 * HOUR, 20.0)]
CHUNK, PENALTY = 113.0, 0.13

TERMS = MarketTerms(
    borrow_rate=DatedValues(name="rate", time=np.array([t for t, _ in RATES]), value=np.array([v for _, v in RATES])),
    liquidation_ratio=DatedValues(name="ratio", time=np.array([t for t, _ in RATIOS]), value=np.array([v for _, v in RATIOS])),
    smallest_debt=DatedValues(name="least", time=np.array([t for t, _ in SMALLEST]), value=np.array([v for _, v in SMALLEST])),
    chunk=DatedValues(name="chunk", time=np.array([0]), value=np.array([CHUNK])),
    chunk_penalty=DatedValues(name="penalty", time=np.array([0]), value=np.array([PENALTY])),
)


@dataclass(frozen=True)
class Event:
    """One row: the block comes ten minutes after the one before."""

    account: int
    block: int
    kind: EventKind
    amount: float
    collateral: float = 0.0

    @property
    def time(self) -> int:
        return self.block * HOUR // 6


def table(events: Sequence[Event], source: str = "events.csv") -> EventTable:
    """Return events as one file holds them."""
    return EventTable(
        source=source,
        kind=np.array([event.kind for event in events], dtype=np.int64),
        account=np.array([event.account for event in events], dtype=np.int64),
        block=np.array([event.block for event in events], dtype=np.int64),
        time=np.array([event.time for event in events], dtype=np.int64),
        amount=np.array([event.amount for event in events], dtype=np.float64),
        collateral=np.array([event.collateral for event in events], dtype=np.float64),
    )


def history_of(events: Sequence[Event], *, incomplete: Sequence[int] = ()) -> EventHistory:
    """Return events, in order of block, as a history."""
    return EventHistory.of([table(events)], TERMS, incomplete=incomplete)


@st.composite
def event_lists(draw: st.DrawFn) -> list[Event]:
    """Return up to sixty events of three accounts over some days: mostly sensible, sometimes not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    events = []
    for block in np.sort(rng.integers(1, 600, draw(st.integers(1, 60)))).tolist():
        kind = EventKind(int(rng.choice([0, 0, 0, 1, 2, 3, 4, 4, 4])))
        collateral = 0.0
        if kind in (EventKind.DEPOSIT, EventKind.WITHDRAW):
            amount = float(rng.choice([1.0, 2.5, rng.uniform(0, 4)]))
        elif kind is EventKind.LIQUIDATION:
            amount = float(rng.choice([CHUNK / (1 + PENALTY), rng.uniform(10, 400)]))
            collateral = float(rng.integers(0, 6))
        else:
            amount = float(rng.choice([100.0, 150.0, rng.uniform(1, 400)]))
        events.append(Event(int(rng.integers(1, 4)), block, kind, amount, collateral))
    return events


def in_force(changes: Sequence[tuple[int, float]], time: int) -> float:
    """Return the last value dated at or before a time."""
    return [value for since, value in changes if since <= time][-1]


def growth(time: int) -> float:
    """Return the rate index, span by span."""
    index = 1.0
    for (since, rate), until in zip(RATES, [t for t, _ in RATES[1:]] + [time], strict=True):
        if time > since:
            index *= (1 + rate) ** ((min(until, time) - since) / NANOSECONDS / YEAR_SECONDS)
    return index


@dataclass
class State:
    """An account after an event; `debt` is divided by the index."""

    event: Event
    before: tuple[float, float]
    collateral: float
    debt: float
    taken: float = 0.0


def slow_states(events: Sequence[Event], rules: RebuildRules) -> list[State]:
    """Return the state after each event, accounts after one another."""
    found: list[State] = []
    for event in sorted(events, key=lambda one: (one.account, one.block, one.kind)):
        last = found[-1] if found and found[-1].event.account == event.account else None
        collateral, debt = (last.collateral, last.debt) if last else (0.0, 0.0)
        before, taken, index = (collateral, debt), 0.0, growth(event.time)
        least = in_force(SMALLEST, event.time)
        match event.kind:
            case EventKind.DEPOSIT:
                collateral += event.amount
            case EventKind.WITHDRAW:
                collateral -= event.amount
            case EventKind.BORROW:
                debt += event.amount / index
            case EventKind.REPAY:
                debt = max(0.0, debt - event.amount / index)
                owed = debt * index
                tiny = owed < rules.close_debt and owed < least
                share = owed < rules.close_repaid_share * event.amount and owed < rules.close_smallest_share * least
                if tiny or share:
                    debt = 0.0
            case EventKind.LIQUIDATION:
                owed = debt * index
                chunk = abs(event.amount - CHUNK / (1 + PENALTY)) < 1e-4
                agrees = abs(round(collateral / rules.collateral_unit) * rules.collateral_unit - event.collateral)
                if (
                    event.amount >= owed
                    or abs(event.amount / owed - 1) < rules.debt_within
                    or (not chunk and agrees <= rules.collateral_unit)
                ):
                    taken, collateral, debt = collateral, 0.0, 0.0
                else:
                    taken = collateral * event.amount / owed
                    collateral, debt = collateral - taken, debt - event.amount / index
        found.append(State(event, before, 0.0 if collateral < rules.close_collateral else collateral, debt, taken))
    return found


def slow_alarms(
    states: Sequence[State], price: Sequence[float], *, first_hour: int, gap: int, held: int
) -> list[tuple[int, int, float]]:
    """Return (account, hour, debt) of the first unsafe hour of each life, walking each account hour by hour."""
    alarms = []
    for account in sorted({state.event.account for state in states}):
        own = [state for state in states if state.event.account == account]
        for life in _lives(own, gap=gap, held=held, first_hour=first_hour, hours=len(price)):
            for hour, (collateral, debt) in sorted(life.items()):
                end = (first_hour + hour + 1) * HOUR
                needed = in_force(RATIOS, end - HOUR) * debt * growth(end)
                if collateral > 0 and debt > 0 and collateral * price[hour] < needed:
                    alarms.append((account, hour, debt * growth(end)))
                    break
    return sorted(alarms)


def _lives(own: Sequence[State], *, gap: int, held: int, first_hour: int, hours: int) -> list[dict[int, tuple[float, float]]]:
    """Return each life as its hours and what was held and owed at their end."""
    seized = [row for row, state in enumerate(own) if state.event.kind is EventKind.LIQUIDATION]
    episodes: list[list[int]] = []
    for row in seized:
        if episodes and own[row].event.time - own[episodes[-1][-1]].event.time <= gap:
            episodes[-1].append(row)
        else:
            episodes.append([row])

    def hour(row: int) -> int:
        return own[row].event.time // HOUR - first_hour

    lives: list[dict[int, tuple[float, float]]] = [{}]
    now, since = (0.0, 0.0), 0

    def fill(until: int) -> None:
        for at in range(since, until):
            lives[-1][at] = now

    for row, state in enumerate(own):
        for episode in episodes:
            if row == episode[0]:
                fill(hour(row))
                for at in range(hour(row), min(hour(row) + held + 1, hours)):
                    lives[-1][at] = state.before
                lives.append({})
                now, since = (0.0, 0.0), hour(row)
        closes_block = row + 1 == len(own) or own[row + 1].event.block != state.event.block
        running = any(episode[0] <= row < episode[-1] for episode in episodes)
        if closes_block and not running:
            fill(hour(row))
            now, since = (state.collateral, state.debt), hour(row)
            if state.debt == 0:
                lives.append({})
    fill(hours)
    return lives
