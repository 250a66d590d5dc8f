"""Parameters that a market changed by date, and the index by which its debts grew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.errors import DataError
from riskparams.terms import DAY, NANOSECONDS, FloatArray, IntArray, frozen, iso

YEAR = 365 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedValues:
    """One parameter by date: each value is in force from its own time (nanoseconds) on, until the next.

    >>> fee = DatedValues(name="fee", time=np.array([10, 20]), value=np.array([0.05, 0.03]))
    >>> fee.at(np.array([10, 19, 20])).tolist()
    [0.05, 0.05, 0.03]
    """

    name: str
    time: IntArray
    value: FloatArray

    def __post_init__(self) -> None:
        if self.time.ndim != 1 or not len(self.time) or self.time.shape != self.value.shape:
            raise DataError(
                f"{self.name}: {len(self.time)} times and {len(self.value)} values: expected at least one, and one value each; "
                "check how the study spells the parameter"
            )
        late = np.flatnonzero(np.diff(self.time) <= 0)
        if len(late):
            row = int(late[0])
            raise DataError(
                f"{self.name}: change {row + 2} is dated {iso(int(self.time[row + 1]))}, not after change {row + 1}, "
                f"{iso(int(self.time[row]))}: expected increasing times; sort the changes and keep the last of one moment"
            )
        wrong = np.flatnonzero(~(np.isfinite(self.value) & (self.value >= 0)))
        if len(wrong):
            row = int(wrong[0])
            raise DataError(
                f"{self.name}: the value of {iso(int(self.time[row]))} is {self.value[row]}: "
                "expected a finite number, 0 or more; rates and ratios are fractions"
            )
        frozen(self.time)
        frozen(self.value)

    def at(self, times: IntArray) -> FloatArray:
        """Return the value in force at each time; raise `DataError` for a time before the first."""
        row = self._rows(times)
        return self.value[row]

    def _rows(self, times: IntArray) -> IntArray:
        row = np.searchsorted(self.time, times, side="right").astype(np.int64) - 1
        if row.size and row.min() < 0:
            raise DataError(
                f"{self.name}: no value is in force at {iso(int(np.min(times)))}, the first is of {iso(int(self.time[0]))}: "
                "give an earlier value, or leave out what came before it"
            )
        return row


def rate_index(rate: DatedValues, times: IntArray) -> FloatArray:
    """Return what a debt of 1 at the first date of `rate` has grown to at each time, if nothing is repaid.

    Rates are effective per year of 365 days: R(t) = product of (1 + rate)^(seconds / 31,536,000).

    >>> fee = DatedValues(name="fee", time=np.array([0, YEAR]), value=np.array([0.05, 0.10]))
    >>> rate_index(fee, np.array([0, YEAR, 2 * YEAR])).round(6).tolist()
    [1.0, 1.05, 1.155]
    """
    row = rate._rows(times)
    seconds = (times - rate.time[row]) / NANOSECONDS
    spans = np.diff(rate.time) / NANOSECONDS
    year = YEAR / NANOSECONDS
    earlier = np.concatenate([[0.0], np.cumsum(np.log1p(rate.value[:-1]) * spans / year)])
    return np.asarray(np.exp(earlier[row] + np.log1p(rate.value[row]) * seconds / year))
