"""What a lending market is told about one collateral and debt pair."""

from __future__ import annotations

import math
from dataclasses import dataclass

from riskparams.errors import ParameterError, ToxicParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskParameters:
    """Parameters we would recommend; all fractions. Both loan-to-value levels at 0 mean "not collateral".

    Raises `ParameterError` for a maximum LTV that is not below the liquidation threshold or a negative bonus,
    and `ToxicParameters` for `liquidation_threshold * (1 + liquidation_bonus) >= 1`, at which liquidating
    would worsen a position.

    >>> RiskParameters(max_ltv=0.75, liquidation_threshold=0.8, liquidation_bonus=0.05).implied_drop
    0.16
    """

    max_ltv: float
    liquidation_threshold: float
    liquidation_bonus: float

    def __post_init__(self) -> None:
        ltv, threshold, bonus = self.max_ltv, self.liquidation_threshold, self.liquidation_bonus
        if not (0 <= ltv < threshold or ltv == threshold == 0):
            raise ParameterError(
                f"max LTV {ltv:.4f} is not below the liquidation threshold {threshold:.4f}: "
                "a new loan would be liquidatable at once; lower max_ltv or raise liquidation_threshold"
            )
        if not (math.isfinite(bonus) and bonus >= 0):
            raise ParameterError(f"liquidation bonus {bonus:.4f} is not a non-negative fraction: write 5 % as 0.05")
        if threshold * (1 + bonus) >= 1:
            raise ToxicParameters(
                f"threshold {threshold:.4f} x (1 + bonus {bonus:.4f}) reaches {threshold * (1 + bonus):.4f}, not below 1: "
                "liquidating would worsen the position; lower one of them"
            )

    @property
    def implied_drop(self) -> float:
        """The drop between trigger and execution that these parameters survive: `1 - threshold * (1 + bonus)`."""
        return implied_drop(self.liquidation_threshold, self.liquidation_bonus)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedParameters:
    """Parameters found in a live market, which holds all sorts: only finiteness and sign are checked."""

    max_ltv: float
    liquidation_threshold: float
    liquidation_bonus: float
    source: str = ""
    dated: str = ""

    def __post_init__(self) -> None:
        for name in ("max_ltv", "liquidation_threshold", "liquidation_bonus"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ParameterError(f"{name} is {value}: expected a non-negative fraction, for example 0.05 for 5 %")

    @property
    def implied_drop(self) -> float:
        """The drop between trigger and execution that these parameters survive; negative for a toxic market."""
        return implied_drop(self.liquidation_threshold, self.liquidation_bonus)


def implied_drop(liquidation_threshold: float, liquidation_bonus: float) -> float:
    """Return the fall from trigger to execution at which a full-bonus liquidation just repays the debt.

    >>> round(implied_drop(0.86, 1 / (0.3 * 0.86 + 0.7) - 1), 5)
    0.1023
    """
    return round(1 - liquidation_threshold * (1 + liquidation_bonus), 15)
