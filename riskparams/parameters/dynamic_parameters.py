"""A table for protocols that can follow volatility: parameters that only tighten as it rises above what they were set at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf

from riskparams.errors import ConfigError, ToxicParameters
from riskparams.parameters.ltv import STEP, floored
from riskparams.parameters.risk_parameters import RiskParameters

RATIOS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicParameters:
    """Max LTV and threshold by the ratio r of forecast volatility to that at the recomputation.

    At r <= 1 they are the `recommended` ones: calm loosens nothing. Above it the log drop and the touch move scale with r,

        threshold(r) = (1 - h)^r / (1 + b),    max_ltv(r) = threshold(r) exp(-m r),

    each rounded down to the 0.5 % grid and never above the recommended; the bonus stays. `haircut` h is a fraction, its oracle
    step scaled with the rest, to the prudent side; `touch_move` m is a log move. A tail is not a volatility: the table follows
    the part of risk that a forecast sees.

    >>> calm = RiskParameters(max_ltv=0.72, liquidation_threshold=0.8, liquidation_bonus=0.05)
    >>> wild = DynamicParameters(recommended=calm, haircut=0.16, touch_move=0.1).at(2)
    >>> wild.max_ltv, wild.liquidation_threshold
    (0.545, 0.67)
    """

    recommended: RiskParameters
    haircut: float
    touch_move: float

    def __post_init__(self) -> None:
        if not (0 <= self.haircut < 1 and 0 <= self.touch_move < inf):
            raise ConfigError(
                f"a dynamic table of haircut {self.haircut} and touch move {self.touch_move}: "
                "expected a fraction from 0 to below 1 and a log move of 0 or more"
            )
        found = self.recommended.liquidation_threshold * (1 + self.recommended.liquidation_bonus)
        if found > 1 - self.haircut + 1e-12:
            raise ToxicParameters(
                f"a dynamic table starts at threshold x (1 + bonus) {found:.4f}, above 1 - haircut {1 - self.haircut:.4f}: "
                "start it at parameters that the haircut allows"
            )

    def at(self, ratio: float) -> RiskParameters:
        """Return the parameters at a ratio of volatilities; no collateral at all where nothing is left of them."""
        if not 0 <= ratio < inf:
            raise ConfigError(f"the ratio of volatilities is {ratio}: expected a finite number, 0 or more")
        if ratio <= 1:
            return self.recommended
        bonus = self.recommended.liquidation_bonus
        allowed = (1 - self.haircut) ** ratio / (1 + bonus)
        threshold = min(self.recommended.liquidation_threshold, floored(allowed))
        ltv = min(self.recommended.max_ltv, floored(threshold * exp(-self.touch_move * ratio)))
        if ltv >= threshold:
            ltv = max(floored(threshold - STEP), 0.0)
        return RiskParameters(max_ltv=ltv, liquidation_threshold=threshold, liquidation_bonus=bonus)

    def table(self, ratios: Sequence[float] = RATIOS) -> tuple[tuple[float, RiskParameters], ...]:
        """Return the rows to publish, by ascending ratio; one holds for all ratios up to its own and above the row before."""
        return tuple((ratio, self.at(ratio)) for ratio in sorted(ratios))
