"""Hedging the fund: how much of a collateral to sell short against its expected loss, and what that costs a year."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from riskparams.errors import ConfigError, DataError

ExpectedLoss = Callable[[float], float]
"""Factor on today's price of the collateral (1 is today's) -> the fund's expected loss of the year (numeraire).

Estimate it with the same paths for every factor: differences of independent runs are noise.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """A short position (numeraire at today's price) that offsets the fund's delta, its share of the exposure and yearly cost.

    `delta` is the change of expected loss per unit of the price factor, below 0 where falls hurt. `unhedged` is what a
    `stress_drop` adds to the expected loss beyond what the short earns: losses are convex, so a delta hedge covers the
    first of a fall and not the last.
    """

    delta: float
    short: float
    ratio: float
    annual_cost: float
    unhedged: float


def hedge(
    expected_loss: ExpectedLoss, *, exposure: float, annual_carry: float, step: float = 0.01, stress_drop: float = 0.30
) -> Hedge:
    """Return the hedge from a central difference of the expected loss, of second order in `step` (a fraction of the price).

    Delta = (L(1 + step) - L(1 - step)) / (2 step); selling -delta short leaves none. `exposure` is the collateral's value
    (numeraire). `annual_carry` is what a unit held short costs a year: funding, borrowing and rolling, a fraction that is
    negative where shorts are paid. A rising loss, which no short offsets, needs a purchase: a negative `short`, whose
    carry has the other sign.

    >>> found = hedge(lambda price: 2e5 * (2 - price) ** 4, exposure=10e6, annual_carry=0.08)
    >>> round(found.short), round(found.ratio, 4), round(found.annual_cost), round(found.unhedged)
    (800080, 0.08, 64006, 131196)
    """
    if not (isfinite(exposure) and exposure > 0 and isfinite(annual_carry)):
        raise ConfigError(
            f"a hedge of an exposure of {exposure} at a carry of {annual_carry}: expected an amount above 0 and a rate"
        )
    if not (0 < step < 1 and 0 < stress_drop <= 1):
        raise ConfigError(f"a hedge with step {step} and stress drop {stress_drop}: expected fractions of the price")
    losses = {factor: expected_loss(factor) for factor in (1 - stress_drop, 1 - step, 1.0, 1 + step)}
    for factor, loss in losses.items():
        if not isfinite(loss):
            raise DataError(f"the expected loss at {factor:g} times the price is {loss}: expected a finite amount")
    delta = (losses[1 + step] - losses[1 - step]) / (2 * step)
    return Hedge(
        delta=delta,
        short=-delta,
        ratio=-delta / exposure,
        annual_cost=-delta * annual_carry,
        unhedged=losses[1 - stress_drop] - losses[1.0] + delta * stress_drop,
    )
