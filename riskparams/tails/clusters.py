"""Extremes that come in clusters: declustering by runs, and the extremal index, 1 / mean cluster size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.errors import ConfigError, InsufficientData
from riskparams.tails.exceedances import checked_losses
from riskparams.terms import FloatArray, IntArray, frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Clusters of exceedances in order of time: rows of the first, last and largest loss of each. Read-only arrays."""

    first: IntArray
    last: IntArray
    peak: IntArray
    exceedances: int

    def __post_init__(self) -> None:
        for column in (self.first, self.last, self.peak):
            frozen(column)

    def __len__(self) -> int:
        return len(self.peak)

    @property
    def extremal_index(self) -> float:
        """The runs estimate of the extremal index: clusters / exceedances (Leadbetter et al. 1989)."""
        return len(self) / self.exceedances


def runs_clusters(losses: FloatArray, tail_threshold: float, *, run_length: int) -> Clusters:
    """Return the clusters of losses above a threshold; one ends when `run_length` losses in a row are at or below it.

    Losses are positive when the price fell, in order of time. Raises `InsufficientData` when none is above.

    >>> len(runs_clusters(np.array([3.0, 0.0, 3.0, 0.0, 0.0, 4.0]), 1.0, run_length=2))
    2
    """
    if run_length < 1:
        raise ConfigError(f"run_length {run_length}: a cluster ends after one or more losses below the threshold")
    values = checked_losses(losses)
    rows = _exceeding(values, tail_threshold, 1)
    breaks = np.flatnonzero(np.diff(rows) > run_length)
    starts, ends = np.append(0, breaks + 1), np.append(breaks, len(rows) - 1)
    peaks = [int(rows[a + np.argmax(values[rows[a : b + 1]])]) for a, b in zip(starts, ends, strict=True)]
    return Clusters(first=rows[starts], last=rows[ends], peak=np.array(peaks, dtype=np.int64), exceedances=len(rows))


def intervals_extremal_index(losses: FloatArray, tail_threshold: float) -> float:
    """Return the intervals estimate of the extremal index, in (0, 1], from the times between exceedances alone.

    With N - 1 times T: min(1, 2 sum(T - 1)**2 / ((N - 1) sum((T - 1)(T - 2)))), and without the subtractions where no
    T is above 2 (Ferro & Segers 2003). Raises `InsufficientData` for fewer than two exceedances.

    >>> intervals_extremal_index(np.array([2, 2, 2, 0, 0, 0, 0, 0, 0, 2.0]), 1.0)
    0.8
    """
    gaps = np.diff(_exceeding(checked_losses(losses), tail_threshold, 2)).astype(np.float64)
    if gaps.max() > 2:
        ratio = 2 * np.sum(gaps - 1) ** 2 / (len(gaps) * np.sum((gaps - 1) * (gaps - 2)))
    else:
        ratio = 2 * np.sum(gaps) ** 2 / (len(gaps) * np.sum(gaps**2))
    return float(min(1.0, ratio))


def _exceeding(values: FloatArray, tail_threshold: float, fewest: int) -> IntArray:
    rows = np.flatnonzero(values > tail_threshold)
    if len(rows) < fewest:
        raise InsufficientData(
            f"{len(rows)} of {len(values)} losses exceed {tail_threshold:.6g}: expected {fewest} or more, lower the threshold"
        )
    return rows
