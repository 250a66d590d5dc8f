"""The penalty rate: the smallest bonus at which liquidators come, over the sizes they will meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np

from riskparams.errors import ConfigError, Infeasible
from riskparams.execution import SlippageLaw
from riskparams.parameters.ltv import BONUS_STEP, ceiled, floored


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


def largest_bonus(haircut: float, liquidation_threshold: float) -> float:
    """Return the bonus above which a liquidation no longer repays the debt in full: `(1 - haircut) / threshold - 1`.

    Negative where the threshold is too high for any bonus at all.

    >>> round(largest_bonus(haircut=0.16, liquidation_threshold=0.8), 4)
    0.05
    """
    return (1 - haircut) / liquidation_threshold - 1


def largest_size_served(bonus_cap: float, costs: LiquidationCosts, slippage: SlippageLaw, *, daily_sigma: float) -> float:
    """Return the largest debt (numeraire) whose requirement, times `safety`, a bonus of `bonus_cap` still pays.

    The requirement is U-shaped in size: gas on the left, slippage on the right. This is the right end of the sizes around
    the cheapest that fit, at most `costs.largest`. Raises `Infeasible` where not even the cheapest size fits.

    >>> from riskparams.execution import ConstantProduct
    >>> pool, costs = ConstantProduct(20e6).slippage, LiquidationCosts(inventory_sigmas=0, safety=1.0)
    >>> round(largest_size_served(0.033313, costs, pool, daily_sigma=0), -3)    # the requirement of 500,000
    500000.0
    """
    return _sizes_served(bonus_cap, costs, slippage, daily_sigma=daily_sigma)[1]


def _sizes_served(
    bonus_cap: float, costs: LiquidationCosts, slippage: SlippageLaw, *, daily_sigma: float
) -> tuple[float, float]:
    """Return the two ends of the sizes around the cheapest for which `safety` x requirement is within `bonus_cap`."""

    def fits(debt: float) -> bool:
        return costs.safety * required_bonus(debt, costs, slippage, daily_sigma=daily_sigma) <= bonus_cap

    low = costs.smallest_debt_served
    sizes = [float(size) for size in np.geomspace(low, max(costs.largest, low), 401)]
    required = [required_bonus(size, costs, slippage, daily_sigma=daily_sigma) for size in sizes]
    cheapest = required.index(min(required))
    if not fits(sizes[cheapest]):
        raise Infeasible(
            f"a bonus of at most {bonus_cap:.4f} pays for no size: the cheapest, {sizes[cheapest]:,.0f}, needs "
            f"{costs.safety * required[cheapest]:.4f} with its safety; lower the liquidation threshold or the caps"
        )

    def end(outward: list[float]) -> float:
        inside = outward[0]
        for outside in outward[1:]:
            if not fits(outside):
                while abs(outside / inside - 1) > 1e-9:
                    middle = sqrt(inside * outside)
                    inside, outside = (middle, outside) if fits(middle) else (inside, middle)
                return inside
            inside = outside
        return inside

    return end(sizes[cheapest::-1]), end(sizes[cheapest:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bonus:
    """A recommended bonus, the requirement by debt size (numeraire -> fraction), and the debts it is meant for.

    `min_debt` is the smallest debt it still pays for and `size_limit` the largest it was recommended for. `shrunk` says
    that a cap on the bonus cut that size: debts beyond it are not to be counted on, so caps must shrink with it.
    """

    value: float
    required: tuple[tuple[float, float], ...]
    dearest_size: float
    min_debt: float
    size_limit: float
    shrunk: bool = False


def recommend_bonus(
    costs: LiquidationCosts, slippage: SlippageLaw, *, daily_sigma: float, most: float | None = None
) -> Bonus:
    """Return `safety` times the largest requirement over the sizes served, rounded up to 10 bp.

    `most` caps the bonus, at `largest_bonus` for instance. Where the sizes served need more, the bonus does not rise:
    they shrink to those that the cap pays for, and the result is `shrunk`. Without `most`, raises `Infeasible` when a
    served size cannot be sold at any bonus; with it, when no size fits under the cap.
    """

    def need(debt: float) -> float:
        return required_bonus(debt, costs, slippage, daily_sigma=daily_sigma)

    low, high = costs.smallest_debt_served, max(costs.largest_debt_served, costs.smallest_debt_served)
    sizes = [float(size) for size in np.geomspace(low, high, 41)]
    required = [need(size) for size in sizes]
    shrunk = False
    if most is not None:
        if not isfinite(most):
            raise ConfigError(f"the cap on the bonus is {most}: expected a fraction, for example 0.10, or None for no cap")
        cap = floored(most, BONUS_STEP)
        if costs.safety * max(required) > cap:
            left, right = _sizes_served(cap, costs, slippage, daily_sigma=daily_sigma)
            shrunk = True
            sizes = [float(size) for size in np.geomspace(left, max(min(right, high), left), 41)]
            required = [need(size) for size in sizes]
    worst = max(required)
    if not isfinite(worst):
        size = sizes[required.index(inf)]
        raise Infeasible(f"no bonus pays for liquidating a debt of {size:,.0f}: the market is too thin; lower the caps")
    value = ceiled(costs.safety * worst)
    below, above = 1e-3, sizes[0]
    while above / below > 1 + 1e-9:  # the requirement falls with size on this side: gas
        middle = sqrt(below * above)
        below, above = (below, middle) if need(middle) <= value else (middle, above)
    shown = sorted({0, 10, 20, 30, 40, required.index(worst)})
    return Bonus(
        value=value,
        required=tuple((sizes[i], required[i]) for i in shown),
        dearest_size=sizes[required.index(worst)],
        min_debt=above,
        size_limit=sizes[-1],
        shrunk=shrunk,
    )
