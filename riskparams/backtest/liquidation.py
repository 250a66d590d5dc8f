"""The rules a liquidation follows: when it triggers, how much it repays, how long it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from riskparams.errors import ConfigError


class Intrabar(StrEnum):
    """Which price of a bar the oracle is taken to show: the truth lies between the two."""

    WORST = "worst"  # the bar's low triggers
    BEST = "best"  # only the close triggers


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationRules:
    """How positions are liquidated; the liquidation bonus itself belongs to the risk parameters.

    A liquidation repays what brings the health factor to `target_health`, or everything when it fell below
    `full_close_below` or when less than `dust` (in units of the debt asset) would be left. It executes at the close,
    `execution_bars` after the bar that triggered it (`LiquidationHorizon.bars`). The protocol keeps `protocol_share` of
    the bonus. Liquidators are assumed to act on every trigger: their profit is not tested here.
    """

    target_health: float = 1.05
    full_close_below: float = 0.95
    dust: float = 100.0
    execution_bars: int = 1
    intrabar: Intrabar = Intrabar.WORST
    protocol_share: float = 0.10

    def __post_init__(self) -> None:
        if not (math.isfinite(self.target_health) and self.target_health >= 1):
            raise ConfigError(f"target_health is {self.target_health}: expected a health factor of 1 or more")
        for name in ("full_close_below", "dust"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ConfigError(f"{name} is {getattr(self, name)}: expected a finite number, 0 or more")
        if self.execution_bars < 0:
            raise ConfigError(f"execution_bars is {self.execution_bars}: expected bars from trigger to execution, 0 or more")
        if not 0 <= self.protocol_share <= 1:
            raise ConfigError(f"protocol_share is {self.protocol_share}: expected a share between 0 and 1")

    def to_dict(self) -> dict[str, float | int | str]:
        """Return the rules by name."""
        return {
            "target_health": self.target_health,
            "full_close_below": self.full_close_below,
            "dust": self.dust,
            "execution_bars": self.execution_bars,
            "intrabar": self.intrabar.value,
            "protocol_share": self.protocol_share,
        }
