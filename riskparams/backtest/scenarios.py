"""Named stress: windows that happened and shocks that are assumed, as the files of `data/scenarios` state them.

A window cites, for each asset, the largest fall from one close to a later one inside it. A file states the drop and
the hours as well as the two prices and their times; if they disagree it is refused, so that no slip of the pen passes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

from riskparams.errors import ConfigError
from riskparams.terms import NANOSECONDS, Asset, iso

HOUR = 3_600 * NANOSECONDS
ROUNDING = 5.1e-5  # drops are stated to four digits or more


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What a scenario rests on, and who says so."""

    says: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """One asset's fall from peak to trough: `drop` is simple and positive, prices are in dollars, times nanoseconds UTC."""

    drop: float
    hours: float
    peak: float
    peak_at: int
    trough: float
    trough_at: int
    source: str

    def __post_init__(self) -> None:
        if not 0 < self.trough < self.peak < math.inf:
            raise ConfigError(f"trough is {self.trough:g} and peak {self.peak:g}: expected positive prices, the peak higher")
        if self.trough_at <= self.peak_at:
            raise ConfigError(f"trough_at is {iso(self.trough_at)}: expected a time after peak_at, {iso(self.peak_at)}")
        if not (0 < self.drop < 1 and abs(self.drop - (1 - self.trough / self.peak)) <= ROUNDING):
            raise ConfigError(f"drop is {self.drop}: expected {1 - self.trough / self.peak:.7g}, which is 1 - trough / peak")
        if not abs(self.hours * HOUR - (self.trough_at - self.peak_at)) <= NANOSECONDS:
            raise ConfigError(f"hours is {self.hours:g}: expected {(self.trough_at - self.peak_at) / HOUR:g}, peak to trough")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of market history, in nanoseconds UTC, and the falls that are on record for it."""

    start: int
    end: int
    falls: Mapping[Asset, Fall]

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ConfigError(f"end is {iso(self.end)}: expected a time after start, {iso(self.start)}")
        for asset, fall in self.falls.items():
            if not self.start <= fall.peak_at < fall.trough_at <= self.end:
                raise ConfigError(
                    f"falls.{asset} lasts from {iso(fall.peak_at)} to {iso(fall.trough_at)}: "
                    f"expected times within the window, {iso(self.start)} to {iso(self.end)}"
                )
        object.__setattr__(self, "falls", MappingProxyType(dict(self.falls)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Depeg:
    """A pegged asset, or without a name all of them, falls by `depth` in one bar and is back at par after `duration`."""

    depth: float
    duration: timedelta
    asset: Asset | None = None

    def __post_init__(self) -> None:
        _require(0 < self.depth < 1, "depth", self.depth, "a drop between 0 and 1")
        _require(self.duration > timedelta(0), "duration", self.duration, "a duration above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shock:
    """What is assumed to go wrong at once; a field left alone changes nothing.

    `gap`: every volatile asset drops by it. `co_crash`: the reference drops by it, the others by their beta times it in
    logs. Either takes one bar, or `falling`, in equal steps of logs. From its first bar on the oracle stands still for
    `oracle_frozen`, gas costs `gas_multiplier` times as much and the market is `depth_multiplier` as deep.
    """

    gap: float = 0.0
    co_crash: float = 0.0
    falling: timedelta = timedelta(0)
    depeg: Depeg | None = None
    oracle_frozen: timedelta = timedelta(0)
    gas_multiplier: float = 1.0
    depth_multiplier: float = 1.0

    def __post_init__(self) -> None:
        for name in ("gap", "co_crash"):
            _require(0 <= getattr(self, name) < 1, name, getattr(self, name), "a drop, 0 or more and below 1")
        _require(not (self.gap and self.co_crash), "co_crash", self.co_crash, "0 beside a gap: a bar falls only once")
        for name in ("falling", "oracle_frozen"):
            _require(getattr(self, name) >= timedelta(0), name, getattr(self, name), "a duration, 0 or more")
        if self.falling and not (self.gap or self.co_crash):
            raise ConfigError(f"falling is {self.falling} and nothing falls: give a gap or a co_crash, or leave it out")
        _require(1 <= self.gas_multiplier < math.inf, "gas_multiplier", self.gas_multiplier, "a number, 1 or more")
        _require(0 < self.depth_multiplier <= 1, "depth_multiplier", self.depth_multiplier, "a share above 0, at most 1")
        if not (self.gap or self.co_crash or self.depeg):
            raise ConfigError("no price moves: give a gap, a co_crash or a depeg, or there is nothing to liquidate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One named stress: a window that happened or a shock that is assumed."""

    name: str
    title: str
    facts: tuple[Fact, ...]
    event: Window | Shock

    def with_stand_ins(self, stands_for: Mapping[Asset, Asset]) -> Scenario:
        """Return the window in which an asset without a fall of its own takes that of the asset it stands for.

        A shock, which names no asset, is returned as it is.
        """
        if isinstance(self.event, Shock):
            return self
        falls = self.event.falls
        lent = {asset: falls[other] for asset, other in stands_for.items() if other in falls and asset not in falls}
        return replace(self, event=replace(self.event, falls={**falls, **lent}))

    def sized(self, drop: float) -> Scenario:
        """Return the same shock with another drop, as reverse stress asks for; a window has the size it had.

        A drop of 0 is not a shock and raises `ConfigError`, as does any outside 0 to 1.
        """
        shock = self.event
        if isinstance(shock, Window):
            raise ConfigError(f"{self.name} is a window of history, which has one size: choose a shock")
        if shock.gap:
            return replace(self, event=replace(shock, gap=drop))
        if shock.co_crash:
            return replace(self, event=replace(shock, co_crash=drop))
        assert shock.depeg is not None  # a shock moves some price
        return replace(self, event=replace(shock, depeg=replace(shock.depeg, depth=drop)))


def _require(holds: bool, name: str, seen: object, expected: str) -> None:
    if not holds:
        raise ConfigError(f"{name} is {seen}: expected {expected}")
