"""The oracle: which price a lending market sees, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from math import isfinite

from riskparams.errors import ConfigError
from riskparams.terms import NANOSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleRules:
    """When the oracle publishes a price, and when the market may read it.

    It publishes where the price moved by `deviation` (a fraction of the last published one; 0 publishes every price), or
    where `heartbeat` has passed since. `delay_bars` bars later the market reads it: an oracle security module of one hour
    delays by one hourly bar. Without delay a bar's extreme can be published and trigger; with one, closes alone are. A
    market pauses while a price it uses was published longer than `stale_after` ago.

    >>> OracleRules(deviation=0.005, heartbeat=timedelta(hours=1)).heartbeat_nanoseconds
    3600000000000
    """

    deviation: float = 0.0
    heartbeat: timedelta = timedelta(hours=1)
    delay_bars: int = 0
    stale_after: timedelta | None = None
    by_asset: dict[str, float] = field(default_factory=dict)  # deviations that differ

    def __post_init__(self) -> None:
        for name, value in (("deviation", self.deviation), *((f"by_asset.{k}", v) for k, v in self.by_asset.items())):
            if not (isfinite(value) and 0 <= value < 1):
                raise ConfigError(f"oracle.{name} is {value}: expected a fraction from 0 to below 1, 0.005 for half a per cent")
        if self.heartbeat <= timedelta(0) or (self.stale_after is not None and self.stale_after <= timedelta(0)):
            raise ConfigError(f"oracle: heartbeat {self.heartbeat} and stale_after {self.stale_after}: expected above 0")
        if not 0 <= self.delay_bars < 1_000:
            raise ConfigError(f"oracle.delay_bars is {self.delay_bars}: expected bars from publication to use, 0 to 999")

    @property
    def heartbeat_nanoseconds(self) -> int:
        """The longest time without a publication."""
        return round(self.heartbeat.total_seconds() * NANOSECONDS)

    @property
    def stale_nanoseconds(self) -> int:
        """The age at which a published price is no longer used; far beyond any history where there is no such rule."""
        return 2**62 if self.stale_after is None else round(self.stale_after.total_seconds() * NANOSECONDS)


INSTANT = OracleRules()
"""An oracle that publishes every price at once."""
