"""The penalty rate: the smallest bonus at which liquidators come, over the sizes they will meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    `largest_debt` is the largest debt it serves where a ceiling left fewer than were asked for: caps must shrink to it.
    """

    value: float
    required: tuple[tuple[float, float], ...]
    dearest_size: float
    min_debt: float
    slippage: float = 0.0
    inventory: float = 0.0
    largest_debt: float | None = None


def largest_bonus(haircut: float, liquidation_threshold: float) -> float:
    """Return the bonus above which a liquidation no longer repays the debt in full: `(1 - h) / threshold - 1`.

    >>> round(largest_bonus(0.16, 0.8), 6)
    0.05
    """
    return (1 - haircut) / liquidation_threshold - 1


def recommend_bonus(costs: LiquidationCosts, slippage: SlippageLaw, *, daily_sigma: float, most: float | None = None) -> Bonus:
    """Return `safety` times the largest requirement over the sizes served, rounded up to 10 bp.

    `min_debt` is the smallest debt that the bonus still pays for. With a ceiling `most` (see `largest_bonus`) only the sizes up
    to `largest_size_served` are served. Raises `Infeasible` when a served size cannot be sold at any bonus, or no size under
    the ceiling: the caps must shrink, not the bonus rise.
    """

    def need(debt: float) -> float:
        return required_bonus(debt, costs, slippage, daily_sigma=daily_sigma)

    low, high = _range_served(costs)
    served = high if most is None else largest_size_served(costs, slippage, daily_sigma=daily_sigma, most=most)
    sizes = [float(size) for size in np.geomspace(low, served, 41)]
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
        largest_debt=served if served < high else None,
    )


def largest_size_served(costs: LiquidationCosts, slippage: SlippageLaw, *, daily_sigma: float, most: float) -> float:
    """Return the largest debt (numeraire) up to which every served size is paid for, with its safety, under a bonus of `most`.

    The requirement is U-shaped in size: its gas side ends at the smallest size served, so the search is for where slippage
    passes the ceiling, by bisection to 1e-9. Raises `Infeasible` where the smallest size served does not fit either.
    """
    if not 0 <= most < inf:
        raise ConfigError(f"the ceiling of the bonus is {most}: expected a fraction, 0 or more")

    def fits(debt: float) -> bool:
        need = required_bonus(debt, costs, slippage, daily_sigma=daily_sigma)
        return isfinite(need) and ceiled(costs.safety * need) <= most

    low, high = _range_served(costs)
    if not fits(low):
        need = required_bonus(low, costs, slippage, daily_sigma=daily_sigma)
        raise Infeasible(
            f"liquidating a debt of {low:,.0f}, the smallest served, takes a bonus of {costs.safety * need:.4f}, above the "
            f"{most:.4f} that the haircut and threshold leave: lower the threshold"
        )
    sizes = [float(size) for size in np.geomspace(low, high, 41)]
    above = next((i for i, size in enumerate(sizes) if not fits(size)), None)
    if above is None:
        return high
    inside, outside = sizes[above - 1], sizes[above]
    while outside / inside > 1 + 1e-9:
        middle = sqrt(inside * outside)
        inside, outside = (middle, outside) if fits(middle) else (inside, middle)
    return inside


def _range_served(costs: LiquidationCosts) -> tuple[float, float]:
    return costs.smallest_debt_served, max(costs.largest_debt_served, costs.smallest_debt_served)


def bonus_by_source(
    costs: LiquidationCosts, laws: Mapping[str, SlippageLaw], *, daily_sigma: float
) -> Mapping[str, Bonus | str]:
    """Return the bonus by what is known of the market (volume, a depth curve, a pool), side by side; a reason where none pays.

    >>> from riskparams.execution import ConstantProduct
    >>> found = bonus_by_source(LiquidationCosts(), {"pool": ConstantProduct(1e5).slippage}, daily_sigma=0.04)
    >>> found["pool"].split(": ")[1]
    'the market is too thin; lower the caps'
    """

    def found(slippage: SlippageLaw) -> Bonus | str:
        try:
            return recommend_bonus(costs, slippage, daily_sigma=daily_sigma)
        except Infeasible as reason:
            return str(reason)

    return {source: found(slippage) for source, slippage in laws.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalBonus:
    """A bonus that pays for its own speed: what it makes of the horizon (seconds), the haircut and the largest threshold."""

    value: float
    horizon_seconds: float
    haircut: float
    liquidation_threshold: float


def bonus_with_arrival(
    haircut_of_horizon: Callable[[float], float],
    base_seconds: float,
    arrival: Callable[[float], float],
    bonuses: Sequence[float],
) -> ArrivalBonus:
    """Return which of some bonuses allows the largest threshold, `(1 - h(H_0 + 1 / lambda(b))) / (1 + b)`.

    Ties go to the smallest bonus. `base_seconds` is H_0, the horizon but for the wait for a liquidator. `arrival` is the rate
    (per second) at which liquidators come for a bonus: one is waited for during 1 / lambda. Raises `Infeasible` where none
    comes for any.

    >>> best = bonus_with_arrival(lambda s: 0.002 * s**0.5, 60, lambda b: b / 100, [0.01, 0.03, 0.05, 0.08, 0.12])
    >>> best.value, round(best.horizon_seconds), round(best.liquidation_threshold, 4)
    (0.05, 2060, 0.8659)
    """
    found = []
    for bonus in sorted(bonuses):
        rate = arrival(bonus)
        if rate > 0:
            seconds = base_seconds + 1 / rate
            haircut = haircut_of_horizon(seconds)
            threshold = (1 - haircut) / (1 + bonus)
            found.append(ArrivalBonus(value=bonus, horizon_seconds=seconds, haircut=haircut, liquidation_threshold=threshold))
    if not found:
        raise Infeasible(f"no liquidator comes for any of {len(bonuses)} bonuses: offer larger ones, or keep a backstop")
    return max(found, key=lambda one: one.liquidation_threshold)
