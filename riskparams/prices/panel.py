"""PricePanel: what every later step reads prices from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import pandas as pd

from riskparams.errors import DataError, InsufficientData
from riskparams.terms import NANOSECONDS, Asset, BoolArray, FloatArray, IntArray, frozen, iso


class Calendar(StrEnum):
    """How the bars of a series follow each other."""

    CONTINUOUS = "continuous"  # a bar every `bar`, day and night: a hole is missing data
    EXCHANGE = "exchange"  # sessions: the series' own stamps are the calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Candles:
    """One asset's bars, oldest first; arrays share their length and are read-only.

    `time` is the close of each bar in integer nanoseconds UTC, strictly increasing. On a continuous
    calendar the grid is regular inside a segment. `volume` is in units of the asset (base); it is NaN where
    unknown. `usable` is False where the bar's own return must not be modelled: the first bar of a segment,
    a bar filled over a short gap, the bar after one, a dead feed. `segment` counts the pieces that a long
    gap splits the history into. `close_only` says that open, high and low repeat the closes.
    """

    time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    usable: BoolArray
    segment: IntArray
    close_only: bool = False

    def __post_init__(self) -> None:
        for name in ("time", "open", "high", "low", "close", "volume", "usable", "segment"):
            frozen(getattr(self, name))

    def __len__(self) -> int:
        return len(self.time)

    def head(self, count: int) -> Candles:
        """Return the first `count` bars."""
        cut = slice(0, count)
        return Candles(
            time=self.time[cut],
            open=self.open[cut],
            high=self.high[cut],
            low=self.low[cut],
            close=self.close[cut],
            volume=self.volume[cut],
            usable=self.usable[cut],
            segment=self.segment[cut],
            close_only=self.close_only,
        )

    def sha256(self) -> str:
        """Return the digest of everything a later step can see."""
        digest = hashlib.sha256(b"close-only" if self.close_only else b"ohlc")
        for array in (self.time, self.open, self.high, self.low, self.close, self.volume, self.usable, self.segment):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


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
        return tuple(self.candles)

    @property
    def last(self) -> int:
        """Close of the newest bar of any asset."""
        return max(int(candles.time[-1]) for candles in self.candles.values())

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
            count = int(np.searchsorted(candles.time, as_of, side="right"))
            if count:
                known[asset] = candles.head(count)
        if not known:
            first = min(int(candles.time[0]) for candles in self.candles.values())
            raise InsufficientData(f"no price is known as of {iso(as_of)}: the first bar closes at {iso(first)}; choose a later date")
        return PricePanel(
            candles=known, bar=self.bar, numeraire=self.numeraire, calendar=self.calendar, simulated=self.simulated
        )

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
