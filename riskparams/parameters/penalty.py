"""The penalty rate: the smallest bonus at which liquidators come, over the sizes they will meet."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np

from riskparams.errors import ConfigError, Infeasible
from riskparams.execution import SlippageLaw
from riskparams.parameters.ltv import ceiled


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationCosts:
    """What a liquidator pays and demands; every default is an assumption that the report prints.

    Fractions of value unless named otherwise: `oracle_gap` is how far the market may stand below the oracle,
    `venue_fee` and `flash_fee` are charged on the sale and the loan, `margin` is the profit demanded, `inventory_seconds`
    the time the collateral is held, `gas` (numeraire) the cost of one attempt and `win_probability` the chance that it
    succeeds. `protocol_share` of the bonus goes to the protocol. Positions are Pareto between `smallest` and `largest`;
    the bonus serves debts up to the size that holds `size_quantile` of all debt, and is `safety` times the requirement.
    """

    oracle_gap: float = 0.001
    venue_fee: float = 0.0005
    flash_fee: float = 0.0005
    margin: float = 0.002
    inventory_seconds: float = 60.0
    inventory_sigmas: float = 1.65
    gas: float = 30.0
    win_probability: float = 0.5
    spread: float = 0.0005
    protocol_share: float = 0.10
    volume_share: float = 1.0
    volume_stress: float = 0.5
    pareto: float = 1.2
    smallest: float = 1_000.0
    largest: float = 10_000_000.0
    size_quantile: float = 0.9
    gas_share: float = 0.005
    safety: float = 1.25

    def __post_init__(self) -> None:
        for name in ("oracle_gap", "venue_fee", "flash_fee", "margin", "spread", "protocol_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"execution.{name} is {getattr(self, name)}: expected a fraction from 0 to below 1")
        for name in ("win_probability", "volume_share", "volume_stress", "size_quantile", "gas_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"execution.{name} is {getattr(self, name)}: expected a fraction above 0 and up to 1")
        for name in ("gas", "inventory_seconds", "inventory_sigmas"):
            if not 0 <= getattr(self, name) < inf:
                raise ConfigError(f"execution.{name} is {getattr(self, name)}: expected a finite number, 0 or more")
        if not (1 <= self.safety < inf and 0 < self.pareto < inf and 0 < self.smallest < self.largest < inf):
            raise ConfigError("execution: expected safety of at least 1, pareto above 0 and smallest below largest, all finite")

    @property
    def smallest_debt_served(self) -> float:
        """Size (numeraire) at which gas is `gas_share` of the debt: smaller ones are left to the dust limit."""
        return max(self.gas / self.win_probability / self.gas_share, self.smallest)

    @property
    def largest_debt_served(self) -> float:
        """Size (numeraire) below which `size_quantile` of the debt lies, for Pareto sizes truncated to the range.

        >>> round(LiquidationCosts().largest_debt_served, -3)
        1189000.0
        """
        power = 1 - self.pareto
        if abs(power) < 1e-9:
            return float(self.smallest * (self.largest / self.smallest) ** self.size_quantile)
        end = (self.largest / self.smallest) ** power
        return float(self.smallest * (1 - self.size_quantile * (1 - end)) ** (1 / power))


def required_bonus(debt: float, costs: LiquidationCosts, slippage: SlippageLaw, *, daily_sigma: float) -> float:
    """Return the smallest bonus that pays a liquidator for repaying `debt` (numeraire); infinite where none does.

    Solves y (1-g)(1-s(y d))(1-f) = 1 + flash + margin + 1.65 sigma sqrt(t) + gas / (win d) for y = 1 + (1 - share) b by
    iteration to 1e-12, at most 200 rounds. Slippage counts the whole of the collateral sold.

    >>> costs = LiquidationCosts(inventory_sigmas=0)
    >>> from riskparams.execution import ConstantProduct
    >>> round(required_bonus(50_000, costs, ConstantProduct(20e6).slippage, daily_sigma=0.0), 6)
    0.0086
    """
    inventory = costs.inventory_sigmas * daily_sigma * sqrt(costs.inventory_seconds / 86_400)
    cost = 1 + costs.flash_fee + costs.margin + inventory + costs.gas / (costs.win_probability * debt)
    kept = (1 - costs.oracle_gap) * (1 - costs.venue_fee)
    gross = 1.0
    for _ in range(200):
        slip = slippage(gross * debt)
        if not (isfinite(slip) and slip < 1):
            return inf
        following = cost / (kept * (1 - slip))
        if abs(following - gross) < 1e-12:
            return (following - 1) / (1 - costs.protocol_share)
        gross = following
    return inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Bonus:
    """A recommended bonus, the requirement by debt size (numeraire -> fraction), and the debt below which it falls short.

    `slippage` and `inventory` are what a liquidator loses by selling at the dearest size, and the charge for holding it.
    """

    value: float
    required: tuple[tuple[float, float], ...]
    dearest_size: float
    min_debt: float
    slippage: float = 0.0
    inventory: float = 0.0


def recommend_bonus(costs: LiquidationCosts, slippage: SlippageLaw, *, daily_sigma: float) -> Bonus:
    """Return `safety` times the largest requirement over the sizes served, rounded up to 10 bp.

    `min_debt` is the smallest debt that the bonus still pays for. Raises `Infeasible` when a served size cannot be sold
    at any bonus: the caps must shrink, not the bonus rise.
    """

    def need(debt: float) -> float:
        return required_bonus(debt, costs, slippage, daily_sigma=daily_sigma)

    low, high = costs.smallest_debt_served, max(costs.largest_debt_served, costs.smallest_debt_served)
    sizes = [float(size) for size in np.geomspace(low, high, 41)]
    required = [need(size) for size in sizes]
    worst = max(required)
    if not isfinite(worst):
        size = sizes[required.index(inf)]
        raise Infeasible(f"no bonus pays for liquidating a debt of {size:,.0f}: the market is too thin; lower the caps")
    value = ceiled(costs.safety * worst)
    below, above = 1e-3, low
    while above / below > 1 + 1e-9:  # the requirement falls with size on this side: gas
        middle = sqrt(below * above)
        below, above = (below, middle) if need(middle) <= value else (middle, above)
    shown = sorted({0, 10, 20, 30, 40, required.index(worst)})
    dearest = sizes[required.index(worst)]
    gross = 1 + (1 - costs.protocol_share) * worst
    return Bonus(
        value=value,
        required=tuple((sizes[i], required[i]) for i in shown),
        dearest_size=dearest,
        min_debt=above,
        slippage=slippage(gross * dearest),
        inventory=costs.inventory_sigmas * daily_sigma * sqrt(costs.inventory_seconds / 86_400),
    )
