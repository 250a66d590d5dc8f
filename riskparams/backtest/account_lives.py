"""The hours an account can be judged in, life by life, and what it held and owed in each.

A life lies between two recorded states without debt, or ends with a recorded liquidation episode. The replay does not know of
the episode: the state it found is held, with interest, for some hours more, so that an alarm may also come late.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from riskparams.backtest.account_states import AccountStates
from riskparams.backtest.event_history import EventKind
from riskparams.errors import ConfigError
from riskparams.terms import FloatArray, IntArray, frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The steps of a replay: `count` publications of the oracle, `step` nanoseconds apart, the first at `first`."""

    first: int
    step: int
    count: int

    @classmethod
    def covering(cls, states: AccountStates, step: int) -> Hours:
        """Return the steps from that of the first event to that of the last, on multiples of the step."""
        time = states.history.time
        first = int(time.min()) // step
        return cls(first=first * step, step=step, count=int(time.max()) // step - first + 1)

    @property
    def start(self) -> IntArray:
        """When each step starts."""
        return self.first + self.step * np.arange(self.count, dtype=np.int64)

    @property
    def end(self) -> IntArray:
        """When each step ends."""
        return self.start + self.step

    def of(self, time: IntArray) -> IntArray:
        """Return the step that each time lies in."""
        return np.asarray((time - self.first) // self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episodes:
    """Recorded liquidations of one account with less than a gap between them; arrays are read-only, by account and time.

    `first` and `last` are events of the history. `debt` and `collateral` are the recorded sums.
    """

    first: IntArray
    last: IntArray
    account: IntArray
    time: IntArray
    debt: FloatArray
    collateral: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            frozen(getattr(self, field.name))

    def __len__(self) -> int:
        return len(self.first)


def liquidation_episodes(states: AccountStates, gap: int) -> Episodes:
    """Return the episodes of a record: a liquidation within `gap` nanoseconds of the one before continues it."""
    history = states.history
    seized = np.flatnonzero(history.kind == EventKind.LIQUIDATION)
    account, time = history.account[seized], history.time[seized]
    new = np.ones(len(seized), bool)
    new[1:] = (account[1:] != account[:-1]) | (np.diff(time) > gap)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(seized))[: len(first)] - 1

    def summed(column: FloatArray) -> FloatArray:
        return np.add.reduceat(column[seized], first) if len(first) else np.zeros(0)

    return Episodes(
        first=seized[first],
        last=seized[last],
        account=account[first],
        time=time[first],
        debt=summed(history.amount),
        collateral=summed(history.collateral),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """Spans of hours with one state each, by account and time, and the life each belongs to; arrays are read-only.

    A span holds from hour `start` to before `end`, `debt` without its interest; only spans with collateral and debt are
    here. `account` and `episode` have one value for each life, `episode` -1 where the record holds none.
    """

    life: IntArray
    start: IntArray
    end: IntArray
    collateral: FloatArray
    debt: FloatArray
    account: IntArray
    episode: IntArray

    def __post_init__(self) -> None:
        for field in fields(self):
            frozen(getattr(self, field.name))

    def __len__(self) -> int:
        return len(self.account)


def account_lives(states: AccountStates, episodes: Episodes, hours: Hours, *, held: int) -> Lives:
    """Return the lives of the accounts whose record is complete, each hour with the state at its end.

    The state that an episode's first liquidation found is that of its hour and of `held` hours after it. What was recorded
    between an episode's liquidations is passed over; what is left after the last one starts a new life.
    """
    if held < 0:
        raise ConfigError(f"the state before a liquidation is held for {held} hours: expected 0 or more")
    history = states.history
    inside = np.zeros(len(history) + 1, np.int64)
    np.add.at(inside, episodes.first, 1)
    np.add.at(inside, episodes.last, -1)
    after = np.flatnonzero(history.block_end & (np.cumsum(inside)[:-1] == 0))
    event = np.concatenate([after, episodes.first])
    episode = np.concatenate([np.full(len(after), -1), np.arange(len(episodes))])
    order = np.lexsort((episode < 0, event))  # the state an episode found comes before the one it left
    event, episode = event[order], episode[order]
    found = episode >= 0
    collateral = np.where(found, states.collateral_before[event], states.collateral[event])
    debt = np.where(found, states.debt_before[event], states.debt[event])

    account = history.account[event]
    same = account[1:] == account[:-1]
    start = hours.of(history.time[event])
    end = np.full(len(event), hours.count)
    end[:-1][same] = start[1:][same]
    end[found] = np.minimum(start[found] + 1 + held, hours.count)
    begins = np.ones(len(event), bool)
    begins[1:] = ~same | found[:-1] | (debt[:-1] == 0)
    life = np.cumsum(begins) - 1

    whose = account[begins]
    taken = np.full(len(whose), -1)
    taken[life[found]] = episode[found]
    judged = ~np.isin(whose, list(states.incomplete))
    spans = (debt > 0) & (collateral > 0) & (end > start) & judged[life]
    kept, number = np.unique(life[spans], return_inverse=True)
    return Lives(
        life=number.astype(np.int64),
        start=start[spans],
        end=end[spans],
        collateral=collateral[spans],
        debt=debt[spans],
        account=whose[kept],
        episode=taken[kept],
    )
