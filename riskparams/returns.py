"""From prices to the returns a model may see: one pair, log returns, intrabar lows, hour of the week."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.errors import ConstantSeries, InsufficientData
from riskparams.prices.panel import Candles, PricePanel
from riskparams.terms import DAY, FloatArray, IntArray, Pair, frozen, iso

HOUR = DAY // 24
MIN_RETURNS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """Log returns of a pair, oldest first; bars that must not be modelled are left out.

    `low` is the log of the bar's low over the close before it, never above `min(0, value)`. `slot` is the hour
    of the week of the bar's close (0 throughout for bars of a day or longer); `next_slot` that of the bar that
    comes next. `segment` changes where a long gap splits the history.
    """

    pair: Pair
    time: IntArray
    value: FloatArray
    low: FloatArray
    slot: IntArray
    segment: IntArray
    bar: int
    next_slot: int

    def __post_init__(self) -> None:
        for array in (self.time, self.value, self.low, self.slot, self.segment):
            frozen(array)

    def __len__(self) -> int:
        return len(self.value)

    @property
    def slots(self) -> int:
        return slots_of(self.bar)

    def since(self, start: int) -> Returns:
        """Return the bars that closed after `start` (nanoseconds)."""
        return self._from(int(np.searchsorted(self.time, start, side="right")))

    def last_segment(self) -> Returns:
        """Return the bars after the newest long gap."""
        return self._from(int(np.searchsorted(self.segment, self.segment[-1])))

    def _from(self, first: int) -> Returns:
        return Returns(
            pair=self.pair,
            time=self.time[first:],
            value=self.value[first:],
            low=self.low[first:],
            slot=self.slot[first:],
            segment=self.segment[first:],
            bar=self.bar,
            next_slot=self.next_slot,
        )


def slots_of(bar: int) -> int:
    """Return how many hours of the week are told apart: 168 below a day, 1 from a day on."""
    return 168 if bar < DAY else 1


def _slot(time: IntArray | int, bar: int) -> IntArray:
    return np.asarray(time // HOUR % slots_of(bar), dtype=np.int64)


def pair_candles(panel: PricePanel, pair: Pair) -> Candles:
    """Return the pair's price, collateral over debt, as candles.

    Against the numeraire these are the collateral's own. Against another asset the closes are exact and the
    low and high are bounds (lowest collateral over highest debt): prudent, since both extremes rarely meet.
    Volume is the collateral's. Raises `DataError` for an asset the panel does not hold.
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
    return Candles(
        time=collateral.time[ours],
        open=collateral.open[ours] / debt.open[theirs],
        high=collateral.high[ours] / debt.low[theirs],
        low=collateral.low[ours] / debt.high[theirs],
        close=collateral.close[ours] / debt.close[theirs],
        volume=collateral.volume[ours],
        usable=usable,
        segment=segment,
        close_only=collateral.close_only or debt.close_only,
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
    low = np.minimum(np.minimum(np.log(candles.low[rows]) - close[rows - 1], value), 0.0)
    return Returns(
        pair=pair,
        time=candles.time[rows],
        value=value,
        low=low,
        slot=_slot(candles.time[rows], panel.bar),
        segment=candles.segment[rows],
        bar=panel.bar,
        next_slot=int(_slot(int(candles.time[-1]) + panel.bar, panel.bar)),
    )


def hour_factor(returns: Returns) -> FloatArray:
    """Return the relative size of returns by hour of the week, shrunk half-way to 1, with mean square 1 over the returns.

    Read from mean absolute returns, which one crash cannot move far; `[1.0]` for bars of a day or longer.
    """
    if returns.slots == 1:
        return np.ones(1)
    size = np.abs(returns.value)
    count = np.bincount(returns.slot, minlength=returns.slots)
    total = np.bincount(returns.slot, weights=size, minlength=returns.slots)
    relative = np.where(count > 0, total / np.maximum(count, 1) / size.mean(), 1.0)
    factor = 1.0 + 0.5 * (relative - 1.0)
    scaled: FloatArray = factor / np.sqrt(np.mean(factor[returns.slot] ** 2))
    return scaled
