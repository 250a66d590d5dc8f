"""RiskAppetite: how much risk the protocol accepts, declared once and printed in every report."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from math import inf

from riskparams.errors import ConfigError
from riskparams.execution import LiquidationHorizon


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskAppetite:
    """Levels and horizons that the parameters answer to.

    `haircut_level` is the share of liquidations that must still repay the debt in full. `touch_probability` is the
    chance that a loan opened at max LTV reaches its liquidation threshold within `touch_horizon`. A simulated position
    is followed for `follow`; its barriers are the touch move times `barrier_multiples`.

    Against procyclicality, each switchable: `stress_weight` of the stressed start law and of named scenarios, 0 for none;
    `cycle_floor`, a haircut is never below that of the through-the-cycle law; `buffer`, a share added to today's drop while it
    is calm and released as it rises (EU 153/2013 art. 28(1)(b), (c), (a)). Against what is not known: `parameter_uncertainty`
    simulates each path under a draw of its tail, `conformal` multiplies the drop after recent misses.

    Of the parameters: `annual_loss` (a share of the pair's debt) bounds the
    mean of the worst hundredth of years, `liquidation_rate` the liquidations of a position-year, `branching` what one
    liquidation may set off.
    """

    haircut_level: float = 0.995
    shortfall_level: float = 0.975
    liquidation_horizon: LiquidationHorizon = field(default_factory=lambda: LiquidationHorizon(oracle=60, keeper=3540))
    touch_probability: float = 0.05
    touch_horizon: timedelta = timedelta(hours=24)
    follow: timedelta = timedelta(days=7)
    barrier_multiples: tuple[float, ...] = (1.0, 2.0, 4.0)
    stress_weight: float = 0.25
    cycle_floor: bool = True
    buffer: float = 0.0
    parameter_uncertainty: bool = True
    conformal: bool = False
    annual_loss: float = 0.05
    liquidation_rate: float = 1.0
    branching: float = 0.5
    smallest_haircut: float = 0.005
    largest_haircut: float = 0.95

    def __post_init__(self) -> None:
        for name in ("haircut_level", "shortfall_level", "touch_probability"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"appetite.{name} is {getattr(self, name)}: expected a fraction between 0 and 1")
        for name in ("stress_weight", "buffer"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"appetite.{name} is {getattr(self, name)}: expected a fraction from 0 to 1")
        for name in ("annual_loss", "liquidation_rate", "branching"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"appetite.{name} is {getattr(self, name)}: expected a number above 0")
        if not self.barrier_multiples or not all(0 < multiple < inf for multiple in self.barrier_multiples):
            raise ConfigError(f"appetite.barrier_multiples is {self.barrier_multiples}: expected positive numbers")
        if self.touch_horizon <= timedelta(0) or self.follow <= timedelta(0):
            raise ConfigError("appetite.touch_horizon and appetite.follow must be longer than nothing")
