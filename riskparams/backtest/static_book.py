"""What a snapshot says when nobody may act on it: the book of the day before a fall, held still through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from riskparams.backtest.account_lives import Episodes, Hours
from riskparams.backtest.account_states import AccountStates
from riskparams.backtest.price_in_force import OracleView
from riskparams.errors import ConfigError
from riskparams.terms import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """Hours from the peak of a fall to the last one in which the price stood so far below a peak, inclusive."""

    peak: int
    last: int


def deep_falls(price: FloatArray, *, drop: float, within: int) -> list[Fall]:
    """Return the falls of at least `drop` (a simple drop) below the highest price of the `within` hours before.

    Hours no more than `within` apart belong to one fall. The peak is the highest price of the hours before the first of them.

    >>> deep_falls(np.array([10.0, 11.0, 9.0, 8.0, 8.5, 11.0]), drop=0.25, within=3)
    [Fall(peak=1, last=3)]
    """
    if not 0 < drop < 1 or within < 1:
        raise ConfigError(f"falls of {drop} within {within} hours: expected a drop between 0 and 1, and an hour or more")
    padded = np.concatenate([np.full(within, -np.inf), price])
    highest = np.lib.stride_tricks.sliding_window_view(padded, within + 1).max(axis=1)
    deep = np.flatnonzero(price <= (1 - drop) * highest)
    if not len(deep):
        return []
    new = np.flatnonzero(np.diff(deep, prepend=deep[0] - within - 1) > within)
    last = deep[np.append(new[1:], len(deep)) - 1]
    falls = []
    for start, end in zip(deep[new], last, strict=True):
        before = max(0, int(start) - within)
        peak = int(start) - int(np.argmax(price[before : start + 1][::-1]))  # of equal ones the last
        falls.append(Fall(peak=peak, last=int(end)))
    return falls


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticReplay:
    """Debt that fell unsafe in a book without actions, and what was recorded in the same hours, over all falls."""

    falls: int
    debt: float
    recorded_debt: float

    @property
    def total_repaid_ratio(self) -> float | None:
        """One over the other; None where nothing was recorded."""
        return self.debt / self.recorded_debt if self.recorded_debt > 0 else None


def replay_static(
    states: AccountStates,
    episodes: Episodes,
    hours: Hours,
    falls: Sequence[Fall],
    view: OracleView,
) -> StaticReplay:
    """Return what the complete accounts as they stood at each fall's peak would have lost if nobody had acted.

    Debts bear interest; each account counts once a fall, with the debt of its first unsafe hour.
    """
    debt = recorded = 0.0
    episode_hour: IntArray = hours.of(episodes.time)
    for fall in falls:
        book = states.book_at(int(hours.start[fall.peak]))
        through = slice(fall.peak, fall.last + 1)
        growth = view.index[through] / states.index_at(hours.start[fall.peak : fall.peak + 1])[0]
        known = (book.debt > 0) & (book.collateral > 0) & ~np.isin(book.account, list(states.incomplete))
        owed = book.debt[known, None] * growth
        unsafe = book.collateral[known, None] * view.price[through] < owed * view.ratio[through]
        hit = unsafe.any(axis=1)
        debt += float(owed[hit, unsafe.argmax(axis=1)[hit]].sum())
        recorded += float(episodes.debt[(episode_hour >= fall.peak) & (episode_hour <= fall.last)].sum())
    return StaticReplay(falls=len(falls), debt=debt, recorded_debt=recorded)
