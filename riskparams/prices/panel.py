"""PricePanel: what every later step reads prices from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from riskparams.errors import DataError, InsufficientData
from riskparams.terms import DAY, NANOSECONDS, Asset, BoolArray, FloatArray, IntArray, frozen, iso


class Calendar(StrEnum):
    """How the bars of a series follow each other."""

    CONTINUOUS = "continuous"  # a bar every `bar`, day and night: a hole is missing data
    EXCHANGE = "exchange"  # sessions: the series' own stamps are the calendar


class Exclusion(IntEnum):
    """Why a bar's own return must not be modelled."""

    NONE = 0
    FIRST = 1  # of a segment: it has no return
    FILLED = 2  # without a price of its own: the last one is carried forward
    AFTER_FILL = 3  # its return spans the bars that were filled
    JOIN = 4  # two files met here, and their last common bar is older than the bar before
    DEAD_FEED = 5  # inside a flat run of at least `DEAD_FEED_BARS`
    AFTER_DEAD_FEED = 6  # its return spans the run


DEAD_FEED_BARS = 24
LONGEST_FILL = 3  # missing bars that are filled; a longer gap splits the history
LONGEST_RECESS = 10 * DAY  # on an exchange calendar, the interruption that splits it


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the loader did to a series, dated by the close of the bar where it did it."""

    time: int
    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candles:
    """One asset's bars, oldest first; arrays share their length and are read-only.

    `time` is the close of each bar in integer nanoseconds UTC, strictly increasing. On a continuous
    calendar the grid is regular inside a segment. `volume` is in units of the asset (base); it is NaN where
    unknown. `usable` is False where the bar's own return must not be modelled: the first bar of a segment,
    a bar filled over a short gap, the bar after one, a dead feed; `exclusion` says which. `segment` counts the
    pieces that a long gap splits the history into. `close_only` says that open, high and low know no more than
    the closes: they repeat them, or span the close before and the close.
    """

    time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    usable: BoolArray
    segment: IntArray
    exclusion: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    close_only: bool = False
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.exclusion):
            object.__setattr__(self, "exclusion", np.zeros(len(self.time), np.int8))
        for name in ARRAYS:
            array = getattr(self, name)
            if len(array) != len(self.time):
                raise DataError(f"candles hold {len(self.time)} times and {len(array)} values of {name}: expected one of each")
            frozen(array)

    def __len__(self) -> int:
        return len(self.time)

    @property
    def observed(self) -> BoolArray:
        """Where a bar holds a price that was seen in it, and not one carried forward."""
        return np.asarray(self.exclusion != Exclusion.FILLED)

    def head(self, count: int) -> Candles:
        """Return the first `count` bars."""
        return replace(self, **{name: getattr(self, name)[:count] for name in ARRAYS})

    def until(self, as_of: int) -> Candles:
        """Return the bars as they were known at `as_of`.

        A gap that was still open then has not been filled yet, and a flat run that was still short was not yet a dead feed.
        """
        count = int(np.searchsorted(self.time, as_of, side="right"))
        while count and self.exclusion[count - 1] == Exclusion.FILLED:
            count -= 1
        known = replace(self.head(count), notes=tuple(note for note in self.notes if note.time <= as_of))
        if not count:
            return known
        recent = slice(max(0, count - DEAD_FEED_BARS), count)
        moving = np.flatnonzero(~unchanged(known.close, known.high, known.low, known.segment)[recent])
        if not len(moving) or count - (recent.start + int(moving[-1])) >= DEAD_FEED_BARS:
            return known
        usable, exclusion = known.usable.copy(), known.exclusion.copy()
        run = slice(recent.start + int(moving[-1]) + 1, count)
        dead = exclusion[run] == Exclusion.DEAD_FEED
        usable[run][dead], exclusion[run][dead] = True, Exclusion.NONE
        return replace(known, usable=usable, exclusion=exclusion)

    def sha256(self) -> str:
        """Return the digest of everything a later step can see."""
        digest = hashlib.sha256(b"close-only" if self.close_only else b"ohlc")
        for name in ARRAYS:
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()


ARRAYS = ("time", "open", "high", "low", "close", "volume", "usable", "segment", "exclusion")


def unchanged(close: FloatArray, high: FloatArray, low: FloatArray, segment: IntArray) -> BoolArray:
    """Return where a bar repeats the close before it and shows no range: what a feed that has died looks like."""
    flat = np.zeros(len(close), bool)
    flat[1:] = (close[1:] == close[:-1]) & (high[1:] == low[1:]) & (low[1:] == close[1:]) & (segment[1:] == segment[:-1])
    return flat


def lay_on_calendar(
    time: IntArray,
    numbers: FloatArray,
    *,
    bar: int,
    calendar: Calendar,
    breaks: BoolArray,
    stale: BoolArray,
    close_only: bool,
    notes: tuple[Note, ...],
    stands: IntArray | None = None,
) -> Candles:
    """Return candles with short gaps filled, long ones made segments and every unusable bar marked.

    `numbers` has the columns open, high, low, close, volume. `breaks` marks bars that continue nothing, `stale`
    those joined to the bar before across a hole in their own file. `stands` counts the bars behind each that its close
    may stand for: they are filled and not missing, so that they neither lengthen a gap nor are cut off by one.
    """
    steps = np.diff(time, prepend=time[:1])
    empty = steps // bar - 1 if calendar is Calendar.CONTINUOUS else np.zeros(len(time), np.int64)
    empty = np.maximum(empty, 0)
    carried = np.zeros(len(time), np.int64)
    if stands is not None:
        carried[1:] = np.minimum(empty[1:], stands[:-1])
    missing = empty - carried
    new = breaks | (missing > LONGEST_FILL if calendar is Calendar.CONTINUOUS else steps > LONGEST_RECESS)
    fills = carried + np.where(new, 0, missing)
    after = np.append(fills[1:], 0)  # bars to add behind each
    index = np.repeat(np.arange(len(time)), after + 1)
    rank = np.arange(len(index)) - np.repeat(np.cumsum(after + 1) - (after + 1), after + 1)
    filled = rank > 0
    numbers = numbers[index]
    numbers[filled, :3] = numbers[filled, 3:4]
    numbers[filled, 4] *= 0.0  # unknown stays unknown
    opened, high, low, close, volume = (np.ascontiguousarray(column) for column in numbers.T)
    segment = np.cumsum(new, dtype=np.int64)[index]
    flat = unchanged(close, high, low, segment)
    edges = np.flatnonzero(np.diff(flat.astype(np.int8), prepend=0, append=0))
    exclusion = np.zeros(len(index), np.int8)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start + 1 >= DEAD_FEED_BARS:
            exclusion[start:end] = Exclusion.DEAD_FEED
            exclusion[end : end + 1] = Exclusion.AFTER_DEAD_FEED
    exclusion[~filled & stale[index]] = Exclusion.JOIN
    exclusion[~filled & (fills > 0)[index]] = Exclusion.AFTER_FILL
    exclusion[filled] = Exclusion.FILLED
    exclusion[np.flatnonzero(np.diff(segment, prepend=-1))] = Exclusion.FIRST
    return Candles(
        time=time[index] + rank * bar,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        usable=exclusion == Exclusion.NONE,
        segment=segment,
        exclusion=exclusion,
        close_only=close_only,
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True)
class PricePanel:
    """Prices of several assets in one numeraire and one bar length; each asset keeps its own span.

    `simulated` is True when the prices were generated and must be labelled so wherever they appear.
    """

    candles: Mapping[Asset, Candles]
    bar: int  # nanoseconds
    numeraire: Asset
    calendar: Calendar = Calendar.CONTINUOUS
    simulated: bool = False

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Names of the assets, in the order they were loaded."""
        return tuple(self.candles)

    @property
    def last(self) -> int:
        """Close of the newest bar of any asset."""
        return max(int(candles.time[-1]) for candles in self.candles.values())

    def refuse_stale(self, name: str, last: int) -> None:
        """Raise `InsufficientData` when prices that end at `last` are too old to speak for the panel's last bar.

        A gap that could still be filled is forgiven; on an exchange calendar, a recess.
        """
        allowed = LONGEST_RECESS if self.calendar is Calendar.EXCHANGE else (LONGEST_FILL + 1) * self.bar
        if self.last - last > allowed:
            raise InsufficientData(
                f"{name}: the last usable price is of {iso(last)}, and the date asked for is {iso(self.last)}: "
                "the feed has ended or gone dead; give newer prices, or an --as-of date no later than the last one"
            )

    def __getitem__(self, asset: Asset) -> Candles:
        try:
            return self.candles[asset]
        except KeyError:
            known = ", ".join(self.candles)
            raise DataError(f"{asset} is not in the price panel, which holds {known}: add its file to [prices.files]") from None

    def until(self, as_of: int) -> PricePanel:
        """Return the panel as it was known at `as_of`: bars that had closed by then, and nothing else.

        Assets that had no bar yet are left out; raises `InsufficientData` when none had one.
        """
        known = {}
        for asset, candles in self.candles.items():
            bars = candles.until(as_of)
            if len(bars):
                known[asset] = bars
        if not known:
            first = min(int(candles.time[0]) for candles in self.candles.values())
            raise InsufficientData(
                f"no price is known as of {iso(as_of)}: the first bar closes at {iso(first)}; choose a later one"
            )
        return replace(self, candles=known)

    @cached_property
    def sha256(self) -> Mapping[Asset, str]:
        """Digest of each asset's bars."""
        return {asset: candles.sha256() for asset, candles in self.candles.items()}

    def bars_in(self, seconds: float, asset: Asset) -> int:
        """Return how many of the asset's bars cover a duration, at least one.

        On an exchange calendar a week is the sessions a week holds on average.

        >>> import numpy as np
        >>> hours = 3_600_000_000_000 * np.arange(1, 49)
        >>> flat = {name: np.ones(48) for name in ("open", "high", "low", "close", "volume")}
        >>> candles = Candles(time=hours, usable=np.ones(48, bool), segment=np.zeros(48, int), **flat)
        >>> PricePanel(candles={"X": candles}, bar=3_600_000_000_000, numeraire="USD").bars_in(86_400, "X")
        24
        """
        bars = seconds * NANOSECONDS / self.bar
        if self.calendar is Calendar.EXCHANGE:
            candles = self[asset]
            bars *= (len(candles) - 1) * self.bar / max(int(candles.time[-1] - candles.time[0]), self.bar)
        return max(1, int(np.ceil(bars - 1e-9)))

    def frame(self, field: str = "close") -> pd.DataFrame:
        """Return one field as a frame: UTC index `ts` (bar closes), one column per asset, NaN where an asset has no bar."""
        columns = {
            asset: pd.Series(getattr(candles, field), index=pd.to_datetime(candles.time, unit="ns", utc=True))
            for asset, candles in self.candles.items()
        }
        return pd.DataFrame(columns).rename_axis("ts")
