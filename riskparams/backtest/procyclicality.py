"""How far a parameter moved while it was in force, and how suddenly it was tightened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.errors import ParameterError
from riskparams.terms import DAY, FloatArray, IntArray

SPANS = (1, 5, 30)  # days


@dataclass(frozen=True, slots=True, kw_only=True)
class Tightening:
    """The largest fall of a parameter within `days`, in points of the parameter; `at` is when its last step took effect.

    `fall` is 0, and `at` None, where the parameter never fell.
    """

    days: int
    fall: float
    at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Procyclicality:
    """A parameter over its walk-forward; `ratio` is peak over trough, None where the trough is 0."""

    peak: float
    peak_at: int
    trough: float
    trough_at: int
    ratio: float | None
    tightening: tuple[Tightening, ...]


def procyclicality(effective: IntArray, value: FloatArray, *, spans: tuple[int, ...] = SPANS) -> Procyclicality:
    """Return how far a max LTV or a threshold moved; row i is in force from `effective[i]` (nanoseconds) to the next.

    Peak over trough and the worst n-day change are the measures of a margin's procyclicality (Murphy, Vasios & Vause
    2014, Bank of England Financial Stability Paper 29); lower is tighter here. A refit moves a parameter in one step, so
    spans shorter than the time between refits all hold one step. Raises `ParameterError` for rows that are not in order.

    >>> found = procyclicality(DAY * np.array([0, 7, 14]), np.array([0.80, 0.84, 0.78]))
    >>> round(found.ratio, 4), [round(one.fall, 4) for one in found.tightening]
    (1.0769, [0.06, 0.06, 0.06])
    """
    if not len(value) or value.shape != effective.shape or np.any(np.diff(effective) <= 0):
        raise ParameterError(
            f"{len(value)} values at {len(effective)} times: expected one each, at times that increase; sort the history"
        )
    peak, trough = int(value.argmax()), int(value.argmin())
    return Procyclicality(
        peak=float(value[peak]),
        peak_at=int(effective[peak]),
        trough=float(value[trough]),
        trough_at=int(effective[trough]),
        ratio=float(value[peak] / value[trough]) if value[trough] > 0 else None,
        tightening=tuple(_worst(effective, value, days) for days in spans),
    )


def _worst(effective: IntArray, value: FloatArray, days: int) -> Tightening:
    fall, at = 0.0, None
    for row in range(1, len(value)):
        first = int(np.searchsorted(effective, effective[row] - days * DAY, side="right")) - 1  # in force `days` before
        fell = float(value[max(0, first) : row].max() - value[row]) if first < row else 0.0
        if fell > fall:
            fall, at = fell, int(effective[row])
    return Tightening(days=days, fall=fall, at=at)
