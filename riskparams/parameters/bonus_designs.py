"""Designs of the liquidation bonus, compared on the same simulated drops: what borrowers pay and what is left unpaid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from riskparams.errors import ConfigError, ModelError
from riskparams.parameters.auction import Auction
from riskparams.paths.trigger import TriggerDrops
from riskparams.terms import FloatArray

SHORT = 1e-9  # a shortfall below this share of debt is the last bits of a design that takes all there is


class BonusDesign(Protocol):
    """A rule from the health factor at execution to the bonus, a share of the debt repaid."""

    def bonus(self, health: FloatArray, liquidation_threshold: float) -> FloatArray:
        """Return the bonus at each health factor, of which those above 1 count as 1."""
        ...

    def largest_threshold(self, haircut: float) -> float:
        """Return the largest threshold at which health of 1 - haircut still repays the debt: `threshold (1 + b) <= 1 - h`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedBonus:
    """One bonus whatever the health (Aave V3, Morpho)."""

    rate: float

    def __post_init__(self) -> None:
        _between("fixed bonus", self.rate)

    def bonus(self, health: FloatArray, liquidation_threshold: float) -> FloatArray:  # noqa: ARG002
        """Return the rate, everywhere."""
        return np.full(len(health), self.rate)

    def largest_threshold(self, haircut: float) -> float:
        """Return `(1 - h) / (1 + b)`."""
        return (1 - haircut) / (1 + self.rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class CappedBonus:
    """All the collateral there is, between a least and a most (Mars): `min(b_max, max(b_min, 1/l - 1))` at loan-to-value l.

    >>> CappedBonus(least=0.02, most=0.10).bonus(np.array([1.0, 0.88, 0.8]), 0.8).round(3).tolist()
    [0.1, 0.1, 0.02]
    """

    least: float
    most: float

    def __post_init__(self) -> None:
        _between("least bonus", self.least)
        _between("most of the bonus", self.most, self.least)

    def bonus(self, health: FloatArray, liquidation_threshold: float) -> FloatArray:
        """Return what is left beyond the debt, `HF / threshold - 1`, kept between the least and the most."""
        return np.clip(np.minimum(health, 1.0) / liquidation_threshold - 1, self.least, self.most)

    def largest_threshold(self, haircut: float) -> float:
        """Return `(1 - h) / (1 + b_min)`: the bonus gives way down to its least before debt is left unpaid."""
        return (1 - haircut) / (1 + self.least)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearBonus:
    """A bonus that rises as health falls (Aave V4): `least` at 1, `most` at `health_of_most` and below."""

    least: float
    most: float
    health_of_most: float

    def __post_init__(self) -> None:
        _between("least bonus", self.least)
        _between("most of the bonus", self.most, self.least)
        if not 0 < self.health_of_most < 1:
            raise ConfigError(
                f"the bonus is largest at a health of {self.health_of_most}: expected between 0 and 1, such as 0.9"
            )

    def bonus(self, health: FloatArray, liquidation_threshold: float) -> FloatArray:  # noqa: ARG002
        """Return `b_min + (b_max - b_min) min(1, (1 - HF) / (1 - HF_max))`."""
        return self.least + (self.most - self.least) * np.clip((1 - health) / (1 - self.health_of_most), 0.0, 1.0)

    def largest_threshold(self, haircut: float) -> float:
        """Return `(1 - h) / (1 + b(1 - h))`."""
        return (1 - haircut) / (1 + float(self.bonus(np.array([1 - haircut]), 1.0)[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthDiscount:
    """Collateral sold at a discount of 1 - HF, at most `cap` (Euler): a bonus of discount / (1 - discount).

    Below the cap, repaying improves health while HF > sqrt(threshold): HF > threshold (1 + b) = threshold / HF.
    """

    cap: float

    def __post_init__(self) -> None:
        if not 0 < self.cap < 1:
            raise ConfigError(f"the cap of the discount is {self.cap}: expected a fraction between 0 and 1, such as 0.15")

    def bonus(self, health: FloatArray, liquidation_threshold: float) -> FloatArray:  # noqa: ARG002
        """Return `discount / (1 - discount)` of `min(cap, 1 - HF)`."""
        discount = np.clip(1 - health, 0.0, self.cap)
        return discount / (1 - discount)

    def largest_threshold(self, haircut: float) -> float:
        """Return `(1 - h)^2`, or `(1 - h)(1 - cap)` once the haircut exceeds the cap."""
        return (1 - haircut) * (1 - min(haircut, self.cap))


@dataclass(frozen=True, slots=True, kw_only=True)
class DutchAuction:
    """Collateral sold at the first acceptable price of an auction, so that the bonus is what the buyer needs: `1 / price - 1`.

    The drops must reach to the end of the auction: its seconds belong in the liquidation horizon they were simulated with.
    """

    auction: Auction

    def bonus(self, health: FloatArray, liquidation_threshold: float) -> FloatArray:  # noqa: ARG002
        """Return `1 / price - 1` at the clearing price, everywhere."""
        return np.full(len(health), 1 / self.auction.clearing_price - 1)

    def largest_threshold(self, haircut: float) -> float:
        """Return `(1 - h) price`."""
        return (1 - haircut) * self.auction.clearing_price


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignOutcome:
    """What one design does over the simulated liquidations, all fractions.

    `mean_penalty` and `penalty_95` (its 95 % quantile) are shares of the debt repaid, what borrowers pay. `unprofitable` is the
    share of liquidations whose bonus, net of the protocol's part, is below what a liquidator requires; `short` the share that
    leaves debt unpaid, and `mean_shortfall` how much of the debt, averaged over all. `largest_threshold` is what the haircut
    allows.
    """

    name: str
    mean_penalty: float
    penalty_95: float
    unprofitable: float
    short: float
    mean_shortfall: float
    largest_threshold: float


def shortfall(health: FloatArray, liquidation_threshold: float, bonus: FloatArray) -> FloatArray:
    """Return the share of the debt that all the collateral leaves unpaid: `max(0, 1 - HF / (threshold (1 + b)))`.

    >>> shortfall(np.array([0.8, 0.75]), 0.8, np.array([0.05, 0.05])).round(6).tolist()
    [0.047619, 0.107143]
    """
    return np.maximum(0.0, 1 - health / (liquidation_threshold * (1 + bonus)))


def compare_designs(
    designs: Mapping[str, BonusDesign],
    drops: TriggerDrops,
    *,
    liquidation_threshold: float,
    oracle_step: float,
    haircut: float,
    required: float,
    protocol_share: float,
) -> tuple[DesignOutcome, ...]:
    """Return what each design does at one threshold over the same drops, in the order given.

    Health at execution is `HF = (1 - oracle_step)(1 - drop)`, at most 1: a rebound does not make it a different liquidation.
    `required` is the bonus a liquidator must be left with after the `protocol_share`. Raises `ModelError` where nothing was
    triggered.
    """
    if not 0 < liquidation_threshold < 1:
        raise ConfigError(f"the threshold to compare designs at is {liquidation_threshold}: expected between 0 and 1")
    for name, value in (("oracle_step", oracle_step), ("haircut", haircut), ("protocol_share", protocol_share)):
        if not 0 <= value < 1:
            raise ConfigError(f"{name} of a comparison of designs is {value}: expected a fraction from 0 to below 1")
    fallen = drops.drop[~np.isnan(drops.drop)]
    if not len(fallen):
        raise ModelError("no simulated position was triggered, so no bonus can be compared: lower the barriers or add paths")
    health = np.minimum((1 - oracle_step) * (1 - fallen), 1.0)

    def outcome(name: str, design: BonusDesign) -> DesignOutcome:
        bonus = design.bonus(health, liquidation_threshold)
        unpaid = shortfall(health, liquidation_threshold, bonus)
        return DesignOutcome(
            name=name,
            mean_penalty=float(bonus.mean()),
            penalty_95=float(np.quantile(bonus, 0.95)),
            unprofitable=float(np.mean(bonus * (1 - protocol_share) < required - 1e-12)),
            short=float(np.mean(unpaid > SHORT)),
            mean_shortfall=float(unpaid.mean()),
            largest_threshold=design.largest_threshold(haircut),
        )

    return tuple(outcome(name, design) for name, design in designs.items())


def _between(name: str, value: float, least: float = 0.0) -> None:
    if not least <= value < 1:
        raise ConfigError(f"the {name} is {value}: expected a fraction from {least:g} to below 1, such as 0.05 for 5 %")
