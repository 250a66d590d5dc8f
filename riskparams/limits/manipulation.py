"""What it costs to move a price, and the deposit that makes it worth while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import inf, sqrt

import numpy as np

from riskparams.errors import ConfigError
from riskparams.execution import ConstantProduct, Depth

MOVES = np.linspace(0.001, 1.0, 1000)


class OraclePricing(StrEnum):
    """Where the oracle takes its price from."""

    SPOT = "spot"  # the pool's price of the moment: moved and moved back within one block
    AVERAGE = "average"  # over several blocks: the price has to be held against arbitrage
    EXTERNAL = "external"  # other venues: the market itself has to be moved


CostOfMoving = Callable[[float], float]
"""A rise of the price (0.1 for 10 %) -> what moving it there costs (numeraire)."""


def pool_cost(pool: ConstantProduct, *, fee: float, pricing: OraclePricing) -> CostOfMoving:
    """Return the cost of moving a constant-product pool up by x.

    Buying up to (1 + x) takes R (sqrt(1 + x) - 1) of the quote. Within one block the loan is flash and the purchase is sold
    back at the same prices: only the venue's fee is paid, both ways. Where the price must stand, arbitrage sells into it, and
    the attacker is left with collateral bought at an average of sqrt(1 + x) that is worth 1: he loses R (sqrt(1 + x) - 1)^2 /
    sqrt(1 + x), and the fee.

    >>> pool = ConstantProduct(10e6)
    >>> [round(pool_cost(pool, fee=0.003, pricing=how)(0.21)) for how in (OraclePricing.SPOT, OraclePricing.AVERAGE)]
    [6000, 93909]
    """
    if not 0 <= fee < 1:
        raise ConfigError(f"the venue's fee is {fee}: expected a fraction, 0 or more")
    if pricing is OraclePricing.EXTERNAL:
        raise ConfigError("an external price does not follow from this pool: give the depth of its market to market_cost")

    def cost(rise: float) -> float:
        root = sqrt(1 + rise)
        put = pool.reserve * (root - 1)
        if pricing is OraclePricing.SPOT:
            return 2 * fee * put
        return fee * put + pool.reserve * (root - 1) ** 2 / root

    return cost


def market_cost(depth: Depth) -> CostOfMoving:
    """Return the cost of moving a market up by x under the square-root law: V (x / sigma)^2 is bought at (2/3) x too dear.

    >>> round(market_cost(Depth(daily_volume=1e8, daily_sigma=0.04))(0.04) / 1e6, 4)
    2.6667
    """
    if depth.daily_sigma <= 0:
        raise ConfigError("depth.daily_sigma is 0: a price that does not move has no cost of moving it")

    def cost(rise: float) -> float:
        return depth.daily_volume * (rise / depth.daily_sigma) ** 2 * rise * 2 / 3

    return cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Manipulation:
    """The largest deposit (numeraire) that no rise makes worth while, and the rise at which it is tightest."""

    largest_deposit: float
    rise: float


def largest_deposit(max_ltv: float, cost: CostOfMoving) -> Manipulation:
    """Return the deposit bound by `deposit x max(0, max LTV (1 + x) - 1) <= cost(x)` for every rise x up to 100 %.

    Collateral valued (1 + x) times too high lets out more than it is worth once max LTV (1 + x) passes 1.

    >>> found = largest_deposit(0.8, market_cost(Depth(daily_volume=1e8, daily_sigma=0.04)))
    >>> round(found.rise, 2), round(found.largest_deposit / 1e9, 2)
    (0.38, 21.97)
    """
    if not 0 <= max_ltv < 1:
        raise ConfigError(f"max_ltv is {max_ltv}: expected a fraction from 0 to below 1")
    best = Manipulation(largest_deposit=inf, rise=0.0)
    for rise in MOVES:
        gain = max_ltv * (1 + float(rise)) - 1
        if gain > 0:
            bound = cost(float(rise)) / gain
            if bound < best.largest_deposit:
                best = Manipulation(largest_deposit=bound, rise=float(rise))
    return best
