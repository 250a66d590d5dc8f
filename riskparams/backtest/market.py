"""The prices a replay runs on: several assets on one grid of bars, and what the day added to them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.prices.panel import Candles, PricePanel
from riskparams.terms import NANOSECONDS, Asset, BoolArray, FloatArray, IntArray, Pair, frozen, iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Bars of several assets in one unit of account: `close`, `low` and `high` have shape (bars, assets).

    `time` is the close of each bar in nanoseconds UTC, increasing; `bar` its length. Raises `DataError` for a price that
    is not finite and above 0, or a close outside its bar, naming the asset and the time.
    """

    assets: tuple[Asset, ...]
    time: IntArray
    close: FloatArray
    low: FloatArray
    high: FloatArray
    bar: int

    def __post_init__(self) -> None:
        shape = (len(self.time), len(self.assets))
        if self.time.ndim != 1 or np.any(np.diff(self.time) <= 0):
            raise DataError("the bars of a market are not in order of time: sort them and keep one bar a time")
        for name in ("close", "low", "high"):
            values = getattr(self, name)
            if values.shape != shape:
                raise DataError(f"{name} has shape {values.shape}: expected {shape}, bars by assets")
            bad = ~(np.isfinite(values) & (values > 0))
            if bad.any():
                row, column = np.argwhere(bad)[0]
                raise DataError(
                    f"{self.assets[column]}: the {name} of the bar closing {iso(int(self.time[row]))} is "
                    f"{values[row, column]}: expected a price above 0; repair or leave out the bar"
                )
        outside = (self.low > self.close) | (self.high < self.close)
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise DataError(
                f"{self.assets[column]}: the bar closing {iso(int(self.time[row]))} closes at {self.close[row, column]}, "
                f"outside its low {self.low[row, column]} and high {self.high[row, column]}: check the candles"
            )
        for name in ("time", "close", "low", "high"):
            frozen(getattr(self, name))

    def __len__(self) -> int:
        return len(self.time)

    @property
    def hours(self) -> float:
        """Hours of one bar."""
        return self.bar / NANOSECONDS / 3600

    def column(self, asset: Asset) -> int:
        """Return the column of an asset; raise `DataError` for one that is not here."""
        if asset not in self.assets:
            raise DataError(f"{asset} is not among the market's assets {', '.join(self.assets)}: add its prices")
        return self.assets.index(asset)

    def between(self, start: int, end: int) -> Market:
        """Return the bars that close after `start` and by `end`; raise `InsufficientData` for fewer than two."""
        window = slice(*np.searchsorted(self.time, [start, end], side="right"))
        if len(self.time[window]) < 2:
            raise InsufficientData(
                f"{len(self.time[window])} bars close after {iso(start)} and by {iso(end)}: "
                "a replay needs at least 2; move its start or end"
            )
        return replace(
            self,
            time=self.time[window].copy(),
            close=self.close[window].copy(),
            low=self.low[window].copy(),
            high=self.high[window].copy(),
        )

    def sha256(self) -> str:
        """Return the digest of every price."""
        digest = hashlib.sha256(",".join(self.assets).encode())
        for name in ("time", "close", "low", "high"):
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()


def pair_market(candles: Candles, pair: Pair, *, bar: int) -> Market:
    """Return the market of one pair in units of its debt asset, whose own price is 1; `candles` are the pair's."""
    ones = np.ones(len(candles))
    return Market(
        assets=(pair.collateral, pair.debt),
        time=candles.time,
        close=np.column_stack([candles.close, ones]),
        low=np.column_stack([candles.low, ones]),
        high=np.column_stack([np.maximum(candles.high, candles.close), ones]),
        bar=bar,
    )


def panel_market(panel: PricePanel, assets: Sequence[Asset]) -> Market:
    """Return the market of several assets of a panel in its numeraire, which may be one of them at price 1.

    It runs from the latest first bar to the earliest last one. Raises `DataError` where an asset lacks a bar that another
    one has: a gap of one asset cannot be told from a standstill of its price.
    """
    priced = {asset: panel[asset] for asset in assets if asset != panel.numeraire}
    if not priced:
        raise DataError(f"no asset but the numeraire {panel.numeraire} was asked for: name one that has a price")
    first = max(int(candles.time[0]) for candles in priced.values())
    last = min(int(candles.time[-1]) for candles in priced.values())
    grid = {asset: candles.time[(candles.time >= first) & (candles.time <= last)] for asset, candles in priced.items()}
    time = next(iter(grid.values()))
    if not len(time):
        raise InsufficientData(f"{', '.join(priced)} share no bar: their histories do not overlap")
    for asset, own in grid.items():
        odd = np.setxor1d(time, own)
        if len(odd):
            at = iso(int(odd[0]))
            raise DataError(f"{asset} and {next(iter(grid))} do not both have the bar closing {at}: fill or cut the longer gap")
    columns: dict[str, list[FloatArray]] = {"close": [], "low": [], "high": []}
    for asset in assets:
        for name, found in columns.items():
            candles = priced.get(asset)
            found.append(np.ones(len(time)) if candles is None else getattr(candles, name)[np.isin(candles.time, time)])
    return Market(assets=tuple(assets), time=time, bar=panel.bar, **{name: np.column_stack(c) for name, c in columns.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the day added to its prices, bar by bar; `calm` is a day that added nothing.

    `gas` and `depth` multiply the cost of an attempt and the depth of the market; a depth of 0 is no market at all. In a
    `frozen` bar the oracle publishes nothing. Health is looked at in `checked` bars alone (the margin-call interval), and
    in `halted` ones nothing is called, executed or borrowed (a circuit breaker). `debt_growth` has shape (bars, assets):
    what one unit owed at the first bar has become by interest or funding.
    """

    gas: FloatArray
    depth: FloatArray
    frozen: BoolArray
    checked: BoolArray
    halted: BoolArray
    debt_growth: FloatArray

    def __post_init__(self) -> None:
        bars = len(self.gas)
        for item in fields(self):
            values = getattr(self, item.name)
            wanted = 2 if item.name == "debt_growth" else 1
            if values.ndim != wanted or len(values) != bars:
                raise ConfigError(f"conditions.{item.name} has shape {values.shape}: expected {bars} bars, as gas has")
            if values.dtype != bool and not np.all(np.isfinite(values) & (values >= 0)):
                raise ConfigError(f"conditions.{item.name} holds a value that is negative or not finite: 1 is as usual")
            frozen(values)
        if np.any(self.debt_growth <= 0):
            raise ConfigError("conditions.debt_growth falls to 0: debt that bears no interest has a growth of 1")

    def window(self, bars: slice) -> Conditions:
        """Return the conditions of some of the bars."""
        return Conditions(**{item.name: np.ascontiguousarray(getattr(self, item.name)[bars]) for item in fields(self)})


def calm(market: Market) -> Conditions:
    """Return conditions that add nothing to the prices of a market."""
    bars = len(market)
    return Conditions(
        gas=np.ones(bars),
        depth=np.ones(bars),
        frozen=np.zeros(bars, dtype=bool),
        checked=np.ones(bars, dtype=bool),
        halted=np.zeros(bars, dtype=bool),
        debt_growth=np.ones((bars, len(market.assets))),
    )
