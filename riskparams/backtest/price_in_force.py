"""The price that a lending market sees: the market's, a delay later, and not at all while the oracle is down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from riskparams.errors import ConfigError, InsufficientData
from riskparams.terms import DAY, FloatArray, IntArray, frozen, iso

OLDEST = DAY  # a price that was not followed by another for so long has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which the oracle published nothing: no update from `start` on, none before `end` (nanoseconds)."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ConfigError(f"an outage ends at {iso(self.end)}, not after its start {iso(self.start)}: swap them")


def prices_in_force(
    time: IntArray, price: FloatArray, published: IntArray, *, delay: int, outages: Sequence[Outage] = ()
) -> FloatArray:
    """Return the price in force from each publication to the next.

    The market showed `price` at `time` (a bar's close); what is published at a moment is the last one seen `delay` before
    it. An update that falls in an outage does not happen, and the price before it stays.
    Raises `InsufficientData` where no price was known, or the last known one was a day old.

    >>> hours = np.arange(5)
    >>> market = np.array([10.0, 11.0, 12.0, 13.0, 14.0])
    >>> prices_in_force(hours, market, hours[1:], delay=1, outages=[Outage(start=2, end=4)]).tolist()
    [10.0, 10.0, 10.0, 13.0]
    """
    seen = published - delay
    row = np.searchsorted(time, seen, side="right").astype(np.int64) - 1
    missing = np.flatnonzero((row < 0) | (seen - time[np.maximum(row, 0)] > OLDEST))
    if len(missing):
        moment = int(seen[missing[0]])
        raise InsufficientData(
            f"no market price of {iso(moment)} or the day before it: prices run from {iso(int(time[0]))} to "
            f"{iso(int(time[-1]))}; give the oracle's files for the whole record, or an earlier --as-of"
        )
    down = np.zeros(len(published), bool)
    for outage in outages:
        down |= (published >= outage.start) & (published < outage.end)
    last = np.maximum.accumulate(np.where(down, -1, np.arange(len(published))))
    if len(last) and last[0] < 0:
        raise InsufficientData(f"the oracle is down at {iso(int(published[0]))}, its first update: start the record before it")
    return price[row[last]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleView:
    """What a market goes by, hour by hour; arrays are read-only.

    `price` is the one in force, `ratio` the liquidation ratio, collateral over debt and above 1, and `index` what a debt of
    1 had grown to at the hour's end. An account is unsafe when collateral x price < ratio x debt x index.
    """

    price: FloatArray
    ratio: FloatArray
    index: FloatArray

    def __post_init__(self) -> None:
        for name in ("price", "ratio", "index"):
            frozen(getattr(self, name))

    @property
    def required(self) -> FloatArray:
        """The collateral value that a debt of 1, before its interest, needs in each hour."""
        return np.asarray(self.ratio * self.index)

    def priced(self, price: FloatArray) -> OracleView:
        """Return the view with other prices."""
        return replace(self, price=price)

    def with_allowance(self, allowance: float) -> OracleView:
        """Return the view whose ratio is lower by a fraction: what is unsafe there is so at a price that much higher too."""
        if not 0 <= allowance < 1:
            raise ConfigError(f"the allowance is {allowance}: expected a fraction of the ratio, such as 0.02")
        return replace(self, ratio=self.ratio * (1 - allowance))
