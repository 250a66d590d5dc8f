"""Carry: debt that grows by its borrow rate brings the liquidation threshold nearer even where the price stands still."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import isfinite

import numpy as np

from riskparams.errors import ConfigError
from riskparams.parameters.ltv import max_ltv
from riskparams.terms import NANOSECONDS, FloatArray

YEAR = 365 * 86_400 * NANOSECONDS


def net_carry(borrow_rate: float, collateral_yield: float) -> float:
    """Return the rate at which debt outgrows its collateral, continuous and per year: `max(0, borrow rate - yield)`.

    Both are continuous (`log(1 + APY)`), fractions per year. A yield above the borrow rate gives 0: a yield is a promise, and
    it may not loosen a parameter.

    >>> round(net_carry(0.08, 0.03), 6), net_carry(0.02, 0.03)
    (0.05, 0.0)
    """
    for name, rate in (("borrow_rate", borrow_rate), ("collateral_yield", collateral_yield)):
        if not isfinite(rate):
            raise ConfigError(f"{name} is {rate}: expected a fraction per year, 5 % as 0.05")
    return max(0.0, borrow_rate - collateral_yield)


def deepest_with_carry(lows: FloatArray, carry: float, *, bar: int) -> FloatArray:
    """Return how far (log, >= 0) each path comes towards its threshold: `max over t of -low_t + carry t`, shape (paths,).

    `lows` are log prices over the start, (paths, bars), as `PricePaths.low`; `bar` is in nanoseconds and `carry` from
    `net_carry`. The debt of a bar is that of its end, which is exact for its close and early by at most a bar for its low.

    >>> hour = 3600 * NANOSECONDS
    >>> deepest_with_carry(np.array([[-0.1, 0.2], [0.1, 0.1]]), 8760 * 0.05, bar=hour).round(6).tolist()
    [0.15, 0.0]
    """
    _refuse_negative(carry)
    grown = carry * bar / YEAR * np.arange(1, lows.shape[1] + 1)
    found: FloatArray = np.maximum((grown - lows).max(axis=1), 0.0)
    return found


def max_ltv_with_carry(liquidation_threshold: float, touch_move: float, carry: float, horizon: timedelta) -> float:
    """Return `threshold * exp(-(move + carry T))`, the LTV whose threshold is one touch move and the carry away.

    `touch_move` (log) is the one without carry. The whole carry of the horizon is added to it, though most paths are deepest
    before its end: the LTV is at or below the exact one, `max_ltv` of a quantile of `deepest_with_carry`.

    >>> round(max_ltv_with_carry(0.8, 0.1, 0.05, timedelta(days=7)), 4)
    0.7232
    """
    _refuse_negative(carry)
    return max_ltv(liquidation_threshold, touch_move + carry * (horizon / timedelta(days=365)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryEffect:
    """What carry does to a loan `distance` (log) above its threshold.

    `touch_without` and `touch_with` are the chances, after each bar, that the threshold was reached, shape (bars,): a
    threshold that stands still, and one that comes nearer at the rate of the carry. `move_without` and `move_with` are the
    touch moves (log) exceeded with the chosen probability over all bars; `bound` is the shift that no path exceeds, `carry T`.
    """

    touch_without: FloatArray
    touch_with: FloatArray
    move_without: float
    move_with: float
    bound: float

    @property
    def shift(self) -> float:
        """How much further (log) below the threshold a loan must open because of carry: between 0 and `bound`."""
        return self.move_with - self.move_without


def carry_effect(lows: FloatArray, carry: float, *, bar: int, distance: float, probability: float) -> CarryEffect:
    """Return the effect of carry on the chance of liquidation by each bar and on the touch move, from the same paths.

    A loan is touched by bar t when `-low_s + carry s >= distance` for some s up to t. The two columns share their paths, so
    their difference carries little Monte-Carlo error.
    """
    if not (distance > 0 and 0 < probability < 1):
        raise ConfigError(f"distance {distance} and probability {probability}: expected a log distance above 0 and a fraction")

    def touched(rate: float) -> FloatArray:
        grown = rate * bar / YEAR * np.arange(1, lows.shape[1] + 1)
        share: FloatArray = np.logical_or.accumulate(grown - lows >= distance, axis=1).mean(axis=0)
        return share

    return CarryEffect(
        touch_without=touched(0.0),
        touch_with=touched(carry),
        move_without=float(np.quantile(deepest_with_carry(lows, 0.0, bar=bar), 1 - probability)),
        move_with=float(np.quantile(deepest_with_carry(lows, carry, bar=bar), 1 - probability)),
        bound=carry * lows.shape[1] * bar / YEAR,
    )


def _refuse_negative(carry: float) -> None:
    if not (isfinite(carry) and carry >= 0):
        raise ConfigError(
            f"net carry is {carry}: expected 0 or more a year, because carry may not loosen; take it from net_carry"
        )
