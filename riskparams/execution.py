"""How a liquidation reaches the market: how long it takes, what selling costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from riskparams.errors import ConfigError

SlippageLaw = Callable[[float], float]
"""Value sold (numeraire) -> average shortfall of its price, a fraction; 1 or more means it cannot be sold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationHorizon:
    """Seconds from the trigger to the execution of a liquidation.

    >>> LiquidationHorizon(oracle=60, keeper=1740, auction=1800).seconds
    3600
    """

    oracle: float = 60.0
    keeper: float = 0.0
    auction: float = 0.0

    def __post_init__(self) -> None:
        for name in ("oracle", "keeper", "auction"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ConfigError(f"liquidation_horizon.{name} is {getattr(self, name)}: expected seconds, 0 or more")

    @property
    def seconds(self) -> float:
        """The whole time from trigger to execution."""
        return self.oracle + self.keeper + self.auction

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
    standard deviation of daily log returns.
    """

    daily_volume: float
    daily_sigma: float
    spread: float = 0.0005

    def slippage(self, value: float) -> float:
        """Return the average shortfall of price when selling `value`: `spread/2 + (2/3) sigma sqrt(Q/V)`.

        The square-root law of impact with coefficient 1 (Donier & Bonart 2015); two thirds of the end mark on average.

        >>> round(Depth(daily_volume=1e8, daily_sigma=0.04).slippage(1e6), 6)
        0.002917
        """
        return self.spread / 2 + 2 / 3 * self.daily_sigma * math.sqrt(value / self.daily_volume)


def constant_product_slippage(reserve: float) -> SlippageLaw:
    """Return the slippage law of a constant-product pool with `reserve` (numeraire) on each side: `Q / (R + Q)`.

    >>> round(constant_product_slippage(10e6)(1e6), 6)
    0.090909
    """
    return lambda value: value / (reserve + value)
