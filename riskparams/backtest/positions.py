"""The borrowers a backtest lends to: who they are is an assumption, written down here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta

import numpy as np

from riskparams.errors import ConfigError, DataError, ParameterError
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.terms import NANOSECONDS, Asset, FloatArray, IntArray, frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """How the borrowers of a backtest open, size, defend and extend their loans. Every field is an assumption.

    Utilisation is debt over `max_ltv x collateral`. A share of the accounts borrows all it may; the others aim at a
    health factor drawn from a lognormal law. A hazard is the rate, per hour, at which an account acts while its health
    factor is beyond the level named. A top-up that fails is an attempt that came to nothing, as in a congested hour.
    Sizes follow a Pareto law of exponent `size_tail` between the smallest and the largest.

    `size_tail`, `top_up_hazard` and `relever_hazard` were calibrated so that this book, under the rules of Aave V2's main
    market, is liquidated from January to June 2021 as that market's borrowers were: how bunched, how steeply in the fall,
    how unequal. July to December came out near the record without being used (`docs/borrowers.md`). The other fields are
    set by judgement.

    >>> Cohort(full_utilisation_share=0.2).to_dict()["full_utilisation_share"]
    0.2
    """

    full_utilisation_share: float = 0.10
    health_median: float = 1.6
    health_log_sd: float = 0.35
    reopen_after: timedelta = timedelta(days=7)
    top_up_below: float = 1.1
    top_up_hazard: float = 2.0
    top_up_success: float = 0.5
    relever_above: float = 2.0
    relever_hazard: float = 0.00075
    size_tail: float = 0.75
    smallest_size: float = 1_000.0
    largest_size: float = 10_000_000.0

    def __post_init__(self) -> None:
        for name in ("full_utilisation_share", "top_up_success"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"cohort.{name} is {getattr(self, name)}: expected a share between 0 and 1")
        for name in ("health_median", "health_log_sd", "size_tail", "smallest_size", "top_up_below", "relever_above"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ConfigError(f"cohort.{name} is {getattr(self, name)}: expected a finite number above 0")
        for name in ("top_up_hazard", "relever_hazard"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ConfigError(f"cohort.{name} is {getattr(self, name)}: expected a rate per hour, 0 or more")
        if not (math.isfinite(self.largest_size) and self.largest_size > self.smallest_size):
            raise ConfigError(
                f"cohort.largest_size is {self.largest_size:g}: expected more than smallest_size {self.smallest_size:g}"
            )
        if self.reopen_after < timedelta(0):
            raise ConfigError(f"cohort.reopen_after is {self.reopen_after}: expected no negative duration")

    @property
    def reopen_nanoseconds(self) -> int:
        """The wait of a closed account before it opens again."""
        return round(self.reopen_after.total_seconds() * NANOSECONDS)

    def top_up_chance(self, hours: float) -> float:
        """Return the probability that a thin account tops up, successfully, within one bar.

        >>> round(Cohort().top_up_chance(1.0), 6)
        0.432332
        """
        return self.top_up_success * -math.expm1(-self.top_up_hazard * hours)

    def relever_chance(self, hours: float) -> float:
        """Return the probability that a safe account borrows back to its own utilisation within one bar."""
        return -math.expm1(-self.relever_hazard * hours)

    def to_dict(self) -> dict[str, float]:
        """Return the assumptions by name; the wait before reopening is in seconds."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"reopen_after": self.reopen_after.total_seconds()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBook:
    """What each account holds and owes when a replay begins, in units of the assets; shape (accounts, assets).

    A row is what is liquidated together: all of an owner's assets where margin is cross, one row a position where it is
    isolated; `owner` numbers the owners. An account whose `utilisation` is above 0 is managed: its owner keeps debt at
    that share of `max_ltv x collateral` as `Cohort` says, and opens again at a collateral value of `size`; its row of `debt`
    is the make-up, whose amount follows from the parameters of the first bar. The others do nothing, and what is
    liquidated of them stays so: an upper bound of what happens. `seed` starts the owners' draws.
    Raises `DataError` for a balance that is negative or not finite, naming account and asset.
    """

    assets: tuple[Asset, ...]
    collateral: FloatArray
    debt: FloatArray
    owner: IntArray
    utilisation: FloatArray
    size: FloatArray
    seed: int = 0

    def __post_init__(self) -> None:
        shape = (len(self.owner), len(self.assets))
        for name in ("collateral", "debt"):
            values = getattr(self, name)
            if values.shape != shape or not len(self.owner):
                raise ConfigError(
                    f"{name} has shape {values.shape}: expected accounts by assets, {shape}, at least one account"
                )
            bad = ~(np.isfinite(values) & (values >= 0))
            if bad.any():
                row, column = np.argwhere(bad)[0]
                raise DataError(
                    f"account {self.owner[row]} has a {name} of {values[row, column]} {self.assets[column]}: "
                    "expected a balance of 0 or more; a borrowed amount belongs in debt, as a positive number"
                )
        managed = self.utilisation > 0
        if self.utilisation.shape != self.owner.shape or not np.all((self.utilisation >= 0) & (self.utilisation <= 1)):
            raise ConfigError("an account's utilisation is not in [0, 1]: it is debt over max_ltv x collateral, 0 if unmanaged")
        if self.size.shape != self.owner.shape or not np.all(np.isfinite(self.size[managed]) & (self.size[managed] > 0)):
            raise ConfigError("the size of a managed account is not a finite value above 0")
        if np.any(managed & ((self.collateral.max(axis=1) <= 0) | (self.debt.max(axis=1) <= 0))):
            row = int(np.argmax(managed & ((self.collateral.max(axis=1) <= 0) | (self.debt.max(axis=1) <= 0))))
            raise ConfigError(f"account {self.owner[row]} is managed and holds or owes nothing: its make-up is not known")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"the book's seed is {self.seed}: expected an integer from 0 to 2**63 - 1")
        for name in ("collateral", "debt", "owner", "utilisation", "size"):
            frozen(getattr(self, name))

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def without_collateral(self) -> int:
        """Accounts that owe and hold nothing: their debt is bad from the start."""
        return int(np.sum((self.debt.max(axis=1) > 0) & (self.collateral.max(axis=1) <= 0)))


def unmanaged(assets: Sequence[Asset], collateral: FloatArray, debt: FloatArray, owner: IntArray | None = None) -> PositionBook:
    """Return a book of accounts whose owners do nothing, as a snapshot gives them; shapes (accounts, assets).

    >>> book = unmanaged([Asset("ETH"), Asset("USD")], np.array([[10.0, 0.0]]), np.array([[0.0, 15_000.0]]))
    >>> len(book), book.without_collateral
    (1, 0)
    """
    count = len(collateral)
    return PositionBook(
        assets=tuple(assets),
        collateral=np.array(collateral, dtype=np.float64),
        debt=np.array(debt, dtype=np.float64),
        owner=np.arange(count) if owner is None else np.array(owner),
        utilisation=np.zeros(count),
        size=np.zeros(count),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrowers:
    """Owners that stay the same whatever parameters are tried on them.

    `utilisation` is each owner's debt over `max_ltv x collateral`; `size` is the collateral value at opening, in units
    of the pair's debt asset (dollars for a dollar debt). `seed` starts the streams of later draws, one an account.
    """

    utilisation: FloatArray
    size: FloatArray
    seed: int

    def __post_init__(self) -> None:
        if self.utilisation.ndim != 1 or self.utilisation.shape != self.size.shape or not len(self.size):
            raise ConfigError(
                f"utilisation has shape {self.utilisation.shape}, size {self.size.shape}: expected one value per account"
            )
        if not (np.all(self.utilisation > 0) and np.all(self.utilisation <= 1)):
            raise ConfigError("an account's utilisation is not in (0, 1]: it is debt over max_ltv x collateral")
        if not (np.all(self.size > 0) and np.all(np.isfinite(self.size))):
            raise ConfigError("an account's size is not a finite value above 0")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"the book's seed is {self.seed}: expected an integer from 0 to 2**63 - 1")
        frozen(self.utilisation)
        frozen(self.size)

    def __len__(self) -> int:
        return len(self.size)

    def book(self, assets: Sequence[Asset], prices: FloatArray) -> PositionBook:
        """Return the book of these owners: each pledges the first asset and borrows the second, at `prices` (assets,)."""
        if len(assets) < 2:
            raise ConfigError(f"the market prices {', '.join(assets)} alone: these owners pledge one asset and borrow another")
        count = len(self)
        collateral, debt = np.zeros((count, len(assets))), np.zeros((count, len(assets)))
        collateral[:, 0] = self.size / prices[0]
        debt[:, 1] = 1.0
        return PositionBook(
            assets=tuple(assets),
            collateral=collateral,
            debt=debt,
            owner=np.arange(count),
            utilisation=self.utilisation,
            size=self.size,
            seed=self.seed,
        )


def draw_borrowers(
    cohort: Cohort, accounts: int, current: RiskParameters | ObservedParameters, rng: np.random.Generator
) -> Borrowers:
    """Return borrowers drawn at the parameters now in force.

    The utilisation is 1 for a share of the accounts, else `min(1, (threshold / max_ltv) / HF)` where HF is lognormal,
    drawn again until `HF >= threshold / max_ltv`. That truncated law is inverted rather than looped over, and an account
    takes one row of three uniforms, so that a larger draw begins with the smaller one. Sizes are Pareto, truncated.

    >>> terms = ObservedParameters(max_ltv=0.75, liquidation_threshold=0.8, liquidation_bonus=0.05)
    >>> len(draw_borrowers(Cohort(), 100, terms, np.random.default_rng(1)))
    100
    """
    from scipy.special import ndtr, ndtri

    if accounts < 1:
        raise ConfigError(f"{accounts} accounts were asked for: expected at least 1")
    if current.max_ltv <= 0:
        raise ParameterError("max LTV is 0, so no loan can be opened: draw the book at parameters that lend")
    seed = int(rng.integers(2**63))
    at_the_limit, health_draw, size_draw = rng.random((accounts, 3)).T

    least_health = current.liquidation_threshold / current.max_ltv
    standardised = (math.log(least_health / cohort.health_median) if least_health > 0 else -math.inf) / cohort.health_log_sd
    health = cohort.health_median * np.exp(-cohort.health_log_sd * ndtri((1 - health_draw) * ndtr(-standardised)))
    utilisation = np.where(at_the_limit < cohort.full_utilisation_share, 1.0, np.minimum(1.0, least_health / health))

    truncation = 1 - (cohort.smallest_size / cohort.largest_size) ** cohort.size_tail
    size = cohort.smallest_size * (1 - truncation * size_draw) ** (-1 / cohort.size_tail)
    return Borrowers(utilisation=utilisation, size=size, seed=seed)
