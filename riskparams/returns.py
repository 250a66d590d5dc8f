"""From prices to the returns a model may see: one pair, log returns, intrabar lows, hour of the week."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.errors import ConstantSeries, InsufficientData
from riskparams.prices.panel import Calendar, Candles, Exclusion, PricePanel
from riskparams.terms import DAY, FloatArray, IntArray, Pair, frozen, iso

HOUR = DAY // 24
WEEK = 7 * DAY
MIN_RETURNS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """Log returns of a pair, oldest first; bars that must not be modelled are left out.

    `low` is the log of the bar's low over the close before it, never above `min(0, value)`. `slot` numbers
    the bar in its week, of `slots` (1 where bars last a day or follow an exchange's sessions); `next_slot` is that of the
    bar that comes next. `segment` changes where a long gap splits the history.
    """

    pair: Pair
    time: IntArray
    value: FloatArray
    low: FloatArray
    slot: IntArray
    segment: IntArray
    bar: int
    slots: int
    next_slot: int

    def __post_init__(self) -> None:
        for array in (self.time, self.value, self.low, self.slot, self.segment):
            frozen(array)

    def __len__(self) -> int:
        return len(self.value)

    def since(self, start: int) -> Returns:
        """Return the bars that closed after `start` (nanoseconds)."""
        return self.rows(int(np.searchsorted(self.time, start, side="right")), len(self))

    def last_segment(self) -> Returns:
        """Return the bars after the newest long gap."""
        return self.rows(int(np.searchsorted(self.segment, self.segment[-1])), len(self))

    def rows(self, first: int, end: int) -> Returns:
        """Return the bars from index `first` up to, not including, `end`."""
        return Returns(
            pair=self.pair,
            time=self.time[first:end],
            value=self.value[first:end],
            low=self.low[first:end],
            slot=self.slot[first:end],
            segment=self.segment[first:end],
            bar=self.bar,
            slots=self.slots,
            next_slot=self.next_slot if end == len(self) else int(self.slot[end]),
        )


def slots_of(bar: int, calendar: Calendar) -> int:
    """Return the number of bars in a week, which repeat week after week; 1 from a day on, and on an exchange calendar.

    >>> slots_of(HOUR, Calendar.CONTINUOUS), slots_of(4 * HOUR, Calendar.CONTINUOUS), slots_of(DAY, Calendar.CONTINUOUS)
    (168, 42, 1)
    """
    whole = bar < DAY and DAY % bar == 0 and calendar is Calendar.CONTINUOUS
    return WEEK // bar if whole else 1


def pair_candles(panel: PricePanel, pair: Pair) -> Candles:
    """Return the pair's price, collateral over debt, as candles.

    Against the numeraire these are the collateral's own. Against another asset only opens and closes are known: when in
    the bar each side was lowest is not, and the lowest collateral over the highest debt would be a low that never was,
    which triggers early and makes the execution look like a recovery. A bar in which either side has no price of its own
    is marked as filled. Volume is the collateral's. Raises `DataError` for an asset the panel does not hold.
    """
    collateral = panel[pair.collateral]
    if pair.debt == panel.numeraire:
        return collateral
    debt = panel[pair.debt]
    _, ours, theirs = np.intersect1d(collateral.time, debt.time, assume_unique=True, return_indices=True)
    if len(ours) == 0:
        raise InsufficientData(f"{pair}: the two assets share no bar; check that their files cover the same period")
    skipped = np.diff(ours, prepend=ours[0]) + np.diff(theirs, prepend=theirs[0]) > 2
    segment = collateral.segment[ours] + debt.segment[theirs] + np.cumsum(skipped)
    usable = collateral.usable[ours] & debt.usable[theirs] & ~skipped
    usable[0] = False
    opened, close = collateral.open[ours] / debt.open[theirs], collateral.close[ours] / debt.close[theirs]
    exclusion = np.where(collateral.observed[ours], debt.exclusion[theirs], Exclusion.FILLED)
    exclusion = np.where(exclusion == Exclusion.NONE, collateral.exclusion[ours], exclusion).astype(np.int8)
    exclusion[~usable & (exclusion == Exclusion.NONE)] = Exclusion.FIRST
    return Candles(
        time=collateral.time[ours],
        open=opened,
        high=np.maximum(opened, close),
        low=np.minimum(opened, close),
        close=close,
        volume=collateral.volume[ours],
        usable=usable,
        segment=segment,
        exclusion=exclusion,
        close_only=True,
    )


def log_returns(panel: PricePanel, pair: Pair) -> Returns:
    """Return the pair's log returns; raise `InsufficientData` below 100 and `ConstantSeries` when none moves.

    >>> from riskparams.prices.sample import simulated_market
    >>> from riskparams.terms import Asset
    >>> returns = log_returns(simulated_market(), Pair(Asset("ALPHA"), Asset("USD")))
    >>> bool((returns.low <= np.minimum(0, returns.value)).all())
    True
    """
    candles = pair_candles(panel, pair)
    usable = candles.usable.copy()
    usable[0] = False
    rows = np.flatnonzero(usable)
    if len(rows) < MIN_RETURNS:
        raise InsufficientData(
            f"{pair}: {len(rows)} usable returns between {iso(int(candles.time[0]))} and {iso(int(candles.time[-1]))}; "
            f"at least {MIN_RETURNS} are needed: give a longer history"
        )
    close = np.log(candles.close)
    value = close[rows] - close[rows - 1]
    if not value.any():
        raise ConstantSeries(f"{pair}: the price never moves over {len(rows)} returns: a dead feed, or a wrong column")
    slots = slots_of(panel.bar, panel.calendar)
    low = np.minimum(np.minimum(np.log(candles.low[rows]) - close[rows - 1], value), 0.0)
    return Returns(
        pair=pair,
        time=candles.time[rows],
        value=value,
        low=low,
        slot=candles.time[rows] // panel.bar % slots,
        segment=candles.segment[rows],
        bar=panel.bar,
        slots=slots,
        next_slot=(int(candles.time[-1]) // panel.bar + 1) % slots,
    )


def hour_factor(returns: Returns) -> FloatArray:
    """Return the relative size of returns by hour of the week, with mean square 1 over the returns.

    A factor of the hour of the day times one of the day of the week, from mean absolute returns, which one crash cannot move
    far, and a quarter of it given back to 1: 31 numbers, because 168 free ones follow the noise of a year. One value a slot;
    bars shorter than an hour share that of their hour; `[1.0]` where there is one slot.
    """
    if returns.slots == 1 or not returns.value.any():
        return np.ones(returns.slots)
    size = np.abs(returns.value) / np.abs(returns.value).mean()
    shared = max(1, HOUR // returns.bar)
    bars = returns.slots // 7
    hours = -(-bars // shared)
    begin = (returns.slot - 1) % returns.slots  # a bar is stamped by its close and belongs to the hour it began in
    hour, weekday = begin % bars // shared, begin // bars
    of_hour, of_day = np.ones(hours), np.ones(7)
    for _ in range(4):
        of_hour = _relative(size / of_day[weekday], hour, hours)
        of_day = _relative(size / of_hour[hour], weekday, 7)
    profile = np.outer(of_day, np.repeat(of_hour, shared)[:bars]).ravel()
    factor = np.roll(1.0 + 0.75 * (profile - 1.0), 1)
    scaled: FloatArray = factor / np.sqrt(np.mean(factor[returns.slot] ** 2))
    return scaled


def _relative(size: FloatArray, group: IntArray, groups: int) -> FloatArray:
    """Return the mean of each group, 1 where it is empty and never below 0.05."""
    count = np.bincount(group, minlength=groups)
    total = np.bincount(group, weights=size, minlength=groups)
    means: FloatArray = np.maximum(np.where(count > 0, total / np.maximum(count, 1), 1.0), 0.05)
    return means
