"""The rows and states a simulation draws from: one for each bar of the reference asset, its own or filled back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.returns import Returns
from riskparams.terms import DAY, BoolArray, FloatArray, IntArray, frozen
from riskparams.volatility.model import VolatilityState


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A pair's filtered past: returns and the state they imply under a fit."""

    returns: Returns
    state: VolatilityState


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Standardised residual rows with the state each was met in; shape (rows,), oldest first.

    `z` has mean 0 and variance 1 over the pair's own rows, `low` is in the same units and never above `min(0, z)` by
    more than the centring. `scale` is the standard deviation that was divided out: simulation multiplies it back into
    returns. `filled` marks rows lent by the reference asset, whose states were multiplied by `variance_ratio`.
    """

    z: FloatArray
    low: FloatArray
    sigma2: FloatArray
    slot: IntArray  # of the bar the row belongs to
    filled: BoolArray
    scale: float
    variance_ratio: float

    def __post_init__(self) -> None:
        for array in (self.z, self.low, self.sigma2, self.slot, self.filled):
            frozen(array)

    @property
    def filled_share(self) -> float:
        """Share of the rows that the reference lent."""
        return float(self.filled.mean())


def _standardised(state: VolatilityState, rows: slice) -> tuple[FloatArray, FloatArray, float]:
    z, low = state.z[rows], state.low[rows]
    scale = float(z.std())
    return (z - z.mean()) / scale, (low - z.mean()) / scale, scale


def build_pool(own: History, reference: History, *, since: int, variance_ratio: float | None = None) -> Pool:
    """Return the rows after `since` (nanoseconds): the pair's own, and the reference's for the bars where it has none.

    Where the pair has no bar (it was listed later, or one was left out) the reference's row is lent, with its state times
    the ratio of the two variances over the bars both have, clipped to [1, 2]; 2 when they share less than a year.
    Passing the pair itself as its reference gives its own rows only. `variance_ratio` is used as it is where it is given.
    Assets draw the same row at the same time as long as the reference spans them.
    """
    first = int(np.searchsorted(own.returns.time, since, side="right"))
    own_z, own_low, scale = _standardised(own.state, slice(first, None))
    begin = int(np.searchsorted(reference.returns.time, since, side="right"))
    if reference.returns.pair == own.returns.pair:
        begin = len(reference.returns)
    lendable = reference.returns.time[begin:]
    lent = begin + np.flatnonzero(~np.isin(lendable, own.returns.time[first:], assume_unique=True))
    order = np.argsort(np.concatenate([own.returns.time[first:], reference.returns.time[lent]]), kind="stable")
    ratio = 1.0
    if len(lent):
        ratio = _variance_ratio(own, reference) if variance_ratio is None else variance_ratio
    z, low = own_z, own_low
    if len(lent):
        lent_z, lent_low, _ = _standardised(reference.state, slice(begin, None))
        z, low = np.concatenate([own_z, lent_z[lent - begin]]), np.concatenate([own_low, lent_low[lent - begin]])
    return Pool(
        z=z[order],
        low=low[order],
        sigma2=np.concatenate([own.state.sigma2[first:], reference.state.sigma2[lent] * ratio])[order],
        slot=np.concatenate([own.returns.slot[first:], reference.returns.slot[lent]])[order],
        filled=np.repeat([False, True], [len(own_z), len(lent)])[order],
        scale=scale,
        variance_ratio=ratio,
    )


def _variance_ratio(own: History, reference: History) -> float:
    common, mine, theirs = np.intersect1d(own.returns.time, reference.returns.time, assume_unique=True, return_indices=True)
    if len(common) < 2 or common[-1] - common[0] < 365 * DAY:
        return 2.0
    e2 = own.state.z[mine] ** 2 * own.state.sigma2[mine]
    r2 = reference.state.z[theirs] ** 2 * reference.state.sigma2[theirs]
    return float(np.clip(e2.mean() / r2.mean(), 1.0, 2.0))
