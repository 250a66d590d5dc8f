"""The losses above a threshold, and the checks that losses pass before anything is fitted to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.errors import ConstantSeries, DataError, InsufficientData
from riskparams.terms import FloatArray, frozen

FEWEST_EXCEEDANCES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceedances:
    """What lies strictly above `tail_threshold` in a sample of `n_obs` losses.

    `excesses` holds loss minus threshold, ascending and read-only, shape (k,).
    """

    tail_threshold: float
    excesses: FloatArray
    n_obs: int

    def __post_init__(self) -> None:
        frozen(self.excesses)

    def __len__(self) -> int:
        return len(self.excesses)

    @property
    def share(self) -> float:
        """Probability of a loss above the threshold, k / n."""
        return len(self.excesses) / self.n_obs


def checked_losses(losses: FloatArray) -> FloatArray:
    """Return the losses as an array of floats; raise `DataError` naming the first row that is not a finite number."""
    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(f"losses have shape {values.shape}: expected one row of them, shape (n,)")
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argmin(finite))
        raise DataError(
            f"row {row} of {len(values)} losses is {values[row]}, and {int((~finite).sum())} in all are not finite: "
            "remove them, or mend the prices they come from"
        )
    return values


def exceedances_over(losses: FloatArray, tail_threshold: float) -> Exceedances:
    """Return the losses (positive = fell) strictly above a threshold in their own units; there may be none.

    Raises `DataError` for a loss that is not finite.

    >>> exceedances_over(np.array([0.5, 3.0, 1.0, 2.0]), 1.0).excesses
    array([1., 2.])
    """
    values = checked_losses(losses)
    return Exceedances(
        tail_threshold=float(tail_threshold),
        excesses=np.sort(values[values > tail_threshold]) - tail_threshold,
        n_obs=len(values),
    )


def largest_losses(losses: FloatArray, count: int) -> Exceedances:
    """Return the `count` largest losses (positive = fell) over the next one below; fewer where losses tie with that one.

    Raises `DataError` for a loss that is not finite, `InsufficientData` for a sample of `count` or fewer and
    `ConstantSeries` where all losses are the same.

    >>> largest_losses(np.array([0.5, 3.0, 1.0, 2.0]), 2).tail_threshold
    1.0
    """
    values = checked_losses(losses)
    n = len(values)
    if count >= n:
        raise InsufficientData(f"{n} residuals cannot hold {count} exceedances: give a longer history or a smaller tail")
    parted = np.partition(values, n - count - 1)
    threshold = float(parted[n - count - 1])
    excesses = np.sort(parted[n - count :]) - threshold
    excesses = excesses[excesses > 0]
    if not len(excesses) and values.min() == values.max():
        raise ConstantSeries(f"all {n} losses are {threshold:.6g}: a series that never moves has no tail")
    return Exceedances(tail_threshold=threshold, excesses=excesses, n_obs=n)
