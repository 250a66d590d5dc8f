"""The insurance fund, and who bears a loss: the margin of the position, the fund, deleveraged winners, then everybody."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from riskparams.backtest.replay import BacktestResult
from riskparams.errors import ConfigError, DataError
from riskparams.terms import FloatArray, IntArray, frozen, iso


@dataclass(frozen=True, slots=True, kw_only=True)
class InsuranceFund:
    """What stands behind the margin, in units of account: an `opening` fund, and the share of liquidation fees paid into it.

    `deleveraging` is what closing profitable positions against bankrupt ones can bear in all, over the whole run; 0 in a
    lending market, which has nobody to deleverage.
    """

    opening: float
    fee_share: float = 1.0
    deleveraging: float = 0.0

    def __post_init__(self) -> None:
        for name in ("opening", "deleveraging"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ConfigError(f"fund.{name} is {getattr(self, name)}: expected an amount, 0 or more")
        if not 0 <= self.fee_share <= 1:
            raise ConfigError(f"fund.fee_share is {self.fee_share}: expected the share of fees paid in, from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What liquidations repaid, left unpaid and brought in at each time (nanoseconds, increasing), in units of account."""

    time: IntArray
    repaid: FloatArray
    bad_debt: FloatArray
    fees: FloatArray

    def __post_init__(self) -> None:
        if self.time.ndim != 1 or np.any(np.diff(self.time) <= 0):
            raise DataError("the times of losses do not increase: sort them and add up what shares a time")
        for name in ("repaid", "bad_debt", "fees"):
            values = getattr(self, name)
            if values.shape != self.time.shape:
                raise DataError(f"losses.{name} has shape {values.shape}: expected {self.time.shape}, a value for each time")
            wrong = ~(np.isfinite(values) & (values >= 0))
            if wrong.any():
                row = int(np.argmax(wrong))
                raise DataError(
                    f"losses.{name} of {iso(int(self.time[row]))} is {values[row]}: expected an amount, 0 or more; "
                    "a run that failed has no known loss"
                )
        for field in fields(self):
            frozen(getattr(self, field.name))


def losses_of(results: BacktestResult | Sequence[BacktestResult]) -> Losses:
    """Return the losses in the event log of a backtest, or of several that share a fund, bar by bar.

    Where the incentives of auctions cost the protocol more than a bar's fees brought in, the rest is a loss like bad debt.
    """
    logs = [result.events for result in ([results] if isinstance(results, BacktestResult) else results)]
    if not logs:
        raise DataError("no backtest result to take losses from: pass at least one")
    time, bar = np.unique(np.concatenate([log.time for log in logs]), return_inverse=True)

    def total(name: str) -> FloatArray:
        values = np.concatenate([getattr(log, name) for log in logs])
        return np.bincount(bar, weights=values, minlength=len(time)).astype(np.float64)

    fees = total("protocol_fee")
    return Losses(
        time=time,
        repaid=total("repaid"),
        bad_debt=total("bad_debt") + np.maximum(-fees, 0),
        fees=np.maximum(fees, 0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """Who bore the liquidated debt at each time: the four layers add up to `repaid + bad_debt`, none is negative.

    `margin` is what the collateral of the accounts themselves repaid. `level` is the fund after each time, with its fees.
    """

    time: IntArray
    margin: FloatArray
    fund: FloatArray
    deleveraged: FloatArray
    socialised: FloatArray
    level: FloatArray
    lowest: float  # the fund after a time's losses and before its fees, at its lowest
    dry_at: int | None  # close of the first bar whose loss the fund could not pay in full
    fund_needed: float  # the smallest opening fund with which nothing would have been socialised

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(getattr(self, field.name), np.ndarray):
                frozen(getattr(self, field.name))


def waterfall(losses: Losses, fund: InsuranceFund) -> Waterfall:
    """Return what each layer bore: margin, then the fund, then deleveraging, and the rest socialised (METHOD 11, 13).

    Within one time losses come before fees, which therefore never pay for the loss that earned them. With cumulated
    losses L and fees paid in before F, what a fund of size S leaves unpaid is U = max(0, running max of L - F - S): the
    reflection of the fund at 0. Nothing is socialised once S reaches max(L - F) less what deleveraging bears.

    >>> day = 86_400 * 10**9
    >>> losses = Losses(
    ...     time=day * np.arange(1, 4), repaid=np.array([100.0, 50.0, 80.0]), bad_debt=np.array([0.0, 30.0, 9.0]),
    ...     fees=np.array([5.0, 1.0, 2.0]),
    ... )
    >>> found = waterfall(losses, InsuranceFund(opening=20.0, deleveraging=4.0))
    >>> found.fund.tolist(), found.deleveraged.tolist(), found.socialised.tolist()
    ([0.0, 25.0, 1.0], [0.0, 4.0, 0.0], [0.0, 1.0, 8.0])
    >>> found.lowest, found.fund_needed
    (0.0, 29.0)
    """
    paid_in = fund.fee_share * np.concatenate([[0.0], np.cumsum(losses.fees)])
    lost = np.cumsum(losses.bad_debt)
    exposed = np.maximum.accumulate(lost - paid_in[:-1])
    unpaid = np.maximum(exposed - fund.opening, 0)
    deleveraged = np.minimum(unpaid, fund.deleveraging)
    step = {
        name: np.diff(values, prepend=0.0)
        for name, values in (("uncovered", unpaid), ("deleveraged", deleveraged), ("socialised", unpaid - deleveraged))
    }
    after_losses = np.maximum(fund.opening + paid_in[:-1] - (lost - unpaid), 0)
    dry = np.flatnonzero(step["uncovered"] > 0)
    return Waterfall(
        time=losses.time,
        margin=losses.repaid.copy(),
        fund=np.maximum(losses.bad_debt - step["uncovered"], 0),
        deleveraged=step["deleveraged"],
        socialised=step["socialised"],
        level=after_losses + np.diff(paid_in),
        lowest=float(after_losses.min(initial=fund.opening)),
        dry_at=int(losses.time[dry[0]]) if len(dry) else None,
        fund_needed=float(max(0.0, exposed.max(initial=0.0) - fund.deleveraging)),
    )
