"""Depegs: when a pegged price fell below its level, how deep, how long, and whether it came back."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from itertools import repeat
from typing import NamedTuple

import numpy as np

from riskparams.errors import ConfigError, DataError
from riskparams.terms import FloatArray, IntArray, iso

THRESHOLD = 0.01  # a simple drop below the level
MEMORY = timedelta(days=30)
CALM = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depeg:
    """One fall of a pegged price below its level; times are closes in nanoseconds, `bar` is in nanoseconds.

    `start` is the first bar below the threshold, `trough` the first of the two that showed the greatest `depth`, a simple
    drop below the level in (0, 1). `end` is the first bar of the day that ended it; where it has not `recovered`, the last
    bar there is.
    """

    start: int
    trough: int
    end: int
    depth: float
    bar: int
    recovered: bool

    def __post_init__(self) -> None:
        if not (self.start <= self.trough <= self.end and 0 < self.depth < 1 and self.bar > 0):
            raise DataError(
                f"a depeg from {iso(self.start)} to {iso(self.end)} with its trough at {iso(self.trough)} and a depth of "
                f"{self.depth:.4f}: expected times in order and a depth in (0, 1)"
            )

    @property
    def bars_to_trough(self) -> int:
        """Bars from the last one above the threshold to the trough, at least 1."""
        return (self.trough - self.start) // self.bar + 1

    @property
    def time_to_trough(self) -> timedelta:
        """Time from the last bar above the threshold to the trough, at least one bar."""
        return timedelta(microseconds=self.bars_to_trough * self.bar / 1_000)

    @property
    def duration(self) -> timedelta:
        """Time from the last bar above the threshold to the end; where it has not recovered, a lower bound."""
        return timedelta(microseconds=(self.end - self.start + self.bar) / 1_000)


class _Open(NamedTuple):
    """An episode that has not ended: its level, the row it began in, and its trough so far."""

    level: float
    start: int
    trough: int
    depth: float
    calm_since: int  # row, or -1


def depegs(
    time: IntArray,
    price: FloatArray,
    *,
    bar: int,
    peg: float | None = None,
    threshold: float = THRESHOLD,
    memory: timedelta = MEMORY,
    calm: timedelta = CALM,
) -> tuple[Depeg, ...]:
    """Return the depegs of one pegged price, oldest first; each is found with prices up to its own end.

    Give the closes of bars that were observed (`Candles.observed`): a price carried forward has not been seen twice. A drop
    counts once two observations in a row have shown it, so that one wrong tick is neither a depeg nor the depth of one:
    the drop of a bar is the smaller of its own and that of the bar before. A depeg starts where that reaches the
    `threshold`, a simple drop below the level, and ends where it has stayed below half of the threshold for `calm`.

    The level is the median of the last `memory` of bars outside depegs, so it follows the slow drift of a token that accrues
    and stands still in a depeg, however long that lasts; it is never above `peg`. Bars before the first count as at the
    peg; without one, no depeg is looked for until the memory is full, and a premium that is lost for good looks like a
    depeg that never ends. Raises `DataError` for prices that are not positive or times that do not increase.

    >>> hours = 3_600_000_000_000 * np.arange(1, 101)
    >>> price = np.ones(100)
    >>> price[10:20], price[50] = 0.95, 0.5
    >>> [found] = depegs(hours, price, bar=hours[0], peg=1.0)
    >>> round(found.depth, 6), found.bars_to_trough, str(found.duration)
    (0.05, 1, '11:00:00')
    """
    _check(time, price, bar, threshold)
    window = _Median(int(memory / timedelta(microseconds=bar / 1_000)), peg)
    wait = int(calm / timedelta(microseconds=1)) * 1_000
    found: list[Depeg] = []
    inside: _Open | None = None
    for row in range(len(price)):
        level = inside.level if inside else window.level
        drop = 0.0 if level is None or row == 0 else 1 - max(price[row], price[row - 1]) / level
        if inside is None:
            if level is None or drop < threshold:
                window.add(price[row])
                continue
            inside = _Open(level, row - 1, row - 1, drop, -1)
        if drop > inside.depth:
            inside = inside._replace(trough=row - 1, depth=drop)
        if drop >= threshold / 2:
            inside = inside._replace(calm_since=-1)
        elif inside.calm_since < 0:
            inside = inside._replace(calm_since=row)
        elif time[row] - time[inside.calm_since] >= wait:
            found.append(_closed(time, bar, inside, inside.calm_since, recovered=True))
            for seen in price[inside.calm_since : row + 1]:
                window.add(seen)
            inside = None
    if inside:
        found.append(_closed(time, bar, inside, len(price) - 1, recovered=False))
    return tuple(found)


def _closed(time: IntArray, bar: int, episode: _Open, end: int, *, recovered: bool) -> Depeg:
    return Depeg(
        start=int(time[episode.start]),
        trough=int(time[episode.trough]),
        end=int(time[end]),
        depth=float(episode.depth),
        bar=int(bar),
        recovered=recovered,
    )


class _Median:
    """The median of the newest prices, of which there are `size`; none before they are that many."""

    def __init__(self, size: int, peg: float | None) -> None:
        self.peg, self.size = peg, size
        self.newest: deque[float] = deque() if peg is None else deque(repeat(peg, size))
        self.ordered = list(self.newest)

    def add(self, price: float) -> None:
        insort(self.ordered, price)
        self.newest.append(price)
        if len(self.newest) > self.size:
            del self.ordered[bisect_left(self.ordered, self.newest.popleft())]

    @property
    def level(self) -> float | None:
        if len(self.newest) < self.size:
            return None
        middle = (self.ordered[(self.size - 1) // 2] + self.ordered[self.size // 2]) / 2
        return middle if self.peg is None else min(middle, self.peg)


def _check(time: IntArray, price: FloatArray, bar: int, threshold: float) -> None:
    if not (bar > 0 and 0 < threshold < 1):
        raise ConfigError(f"bar {bar} ns and threshold {threshold}: expected a bar above 0 and a simple drop in (0, 1)")
    if len(time) != len(price):
        raise DataError(f"{len(time)} times and {len(price)} prices: expected one of each")
    wrong = ~((price > 0) & (price < np.inf))
    wrong[1:] |= np.diff(time) <= 0
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"row {row}: price {price[row]} at {iso(int(time[row]))}: expected positive prices at increasing times")
