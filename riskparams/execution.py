"""How a liquidation reaches the market: how long it takes, what selling costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import pairwise

from riskparams.errors import ConfigError

SlippageLaw = Callable[[float], float]
"""Value sold (numeraire) -> average shortfall of its price, a fraction; 1 or more means it cannot be sold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationHorizon:
    """Seconds from the trigger to the execution of a liquidation, by what takes them; they pass one after another.

    `oracle` until the price is published, `keeper` until a liquidator's transaction is in, congestion included, `auction`
    until it clears, `bridge` until collateral or proceeds that live elsewhere are settled, `call_interval` between two looks
    at a margin account (the whole of it: a fall may begin just after one), `halt` while trading stands still.

    >>> LiquidationHorizon(oracle=60, keeper=1740, auction=1800).seconds
    3600.0
    >>> LiquidationHorizon(oracle=60, bridge=900, call_interval=3600, halt=1800).seconds
    6360.0
    """

    oracle: float = 60.0
    keeper: float = 0.0
    auction: float = 0.0
    bridge: float = 0.0
    call_interval: float = 0.0
    halt: float = 0.0

    def __post_init__(self) -> None:
        for part in fields(self):
            seconds = getattr(self, part.name)
            if not (math.isfinite(seconds) and seconds >= 0):
                raise ConfigError(f"liquidation_horizon.{part.name} is {seconds}: expected seconds, 0 or more")

    @property
    def seconds(self) -> float:
        """The whole time from trigger to execution: the sum of the parts."""
        return self.oracle + self.keeper + self.auction + self.bridge + self.call_interval + self.halt

    def bars(self, bar: int) -> int:
        """Return the bars from the one that touches to the one whose close executes: `max(0, ceil(H / bar - 1/2))`.

        A touch falls mid-bar on average, hence the half. `bar` is in nanoseconds.

        >>> LiquidationHorizon(oracle=3600).bars(3_600_000_000_000)
        1
        """
        return max(0, math.ceil(self.seconds * 1e9 / bar - 0.5 - 1e-12))


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What volume says about the market a liquidator sells into.

    `daily_volume` is in the numeraire, after the share and stress that the study assumes; `daily_sigma` is the
    standard deviation of daily log returns. Without volume nothing can be sold. Raises `ConfigError` for a number that
    none of them can be.
    """

    daily_volume: float
    daily_sigma: float
    spread: float = 0.0005

    def __post_init__(self) -> None:
        for name, most in (("daily_volume", math.inf), ("daily_sigma", math.inf), ("spread", 1.0)):
            value = getattr(self, name)
            if not 0 <= value < most:
                raise ConfigError(f"depth: {name} is {value}: expected a number from 0 to below {most:g}")

    def slippage(self, value: float) -> float:
        """Return the average shortfall of price when selling `value`: `spread/2 + (2/3) sigma sqrt(Q/V)`.

        The square-root law of impact with coefficient 1 (Donier & Bonart 2015); two thirds of the end mark on average.

        >>> round(Depth(daily_volume=1e8, daily_sigma=0.04).slippage(1e6), 6)
        0.002917
        """
        if value > 0 and self.daily_volume == 0:
            return 1.0
        impact = math.sqrt(value / self.daily_volume) if value > 0 else 0.0
        return self.spread / 2 + 2 / 3 * self.daily_sigma * impact


@dataclass(frozen=True, slots=True)
class ConstantProduct:
    """A constant-product pool with `reserve` (numeraire) on each side.

    >>> round(ConstantProduct(10e6).slippage(1e6), 6), round(1 - ConstantProduct(10e6).price_after(1e6), 6)
    (0.090909, 0.173554)
    """

    reserve: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.reserve) and self.reserve > 0):
            raise ConfigError(f"a pool's reserve is {self.reserve}: expected the value of one side, above 0")

    def slippage(self, value: float) -> float:
        """Return the average shortfall of price when selling `value`: `Q / (R + Q)`."""
        return value / (self.reserve + value)

    def price_after(self, value: float) -> float:
        """Return the pool's price after `value` was sold into it, as a share of the price before: `(R / (R + Q))**2`."""
        return (self.reserve / (self.reserve + value)) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthCurve:
    """Depth as it was quoted: selling `sold[i]` (numeraire) at once costs `average_slippage[i]` of it.

    Between points slippage is linear in value; below the first it is linear from 0, and beyond the last nothing more can
    be sold. Values and slippages increase. `riskparams` reads such points from order books, aggregators and the tables
    of protocols ("how much can be sold before the loss reaches 5 %").

    >>> round(DepthCurve(sold=(1e6, 4e6), average_slippage=(0.01, 0.05)).slippage(2.5e6), 6)
    0.03
    """

    sold: tuple[float, ...]
    average_slippage: tuple[float, ...]

    def __post_init__(self) -> None:
        sold, slip = self.sold, self.average_slippage
        if not sold or len(sold) != len(slip):
            raise ConfigError(f"a depth curve has {len(sold)} values and {len(slip)} slippages: expected one of each a point")
        pairs = [(0.0, 0.0), *zip(sold, slip, strict=True)]
        for (q, s), (next_q, next_s) in pairwise(pairs):
            if not (math.isfinite(next_q) and next_q > q and s <= next_s < 1):
                raise ConfigError(
                    f"a depth curve goes from {s:.4f} at {q:g} to {next_s:.4f} at {next_q:g}: "
                    "expected larger values, and slippages that do not fall and stay below 1"
                )

    def slippage(self, value: float) -> float:
        """Return the average shortfall of price when selling `value`; 1 beyond the last point, where it cannot be sold."""
        before, lost = 0.0, 0.0
        for sold, slip in zip(self.sold, self.average_slippage, strict=True):
            if value <= sold:
                return lost + (slip - lost) * (value - before) / (sold - before)
            before, lost = sold, slip
        return 1.0
