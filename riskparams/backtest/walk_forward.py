"""Walk forward: at each date a policy sees the past alone; what it said is in force after one bar's embargo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from riskparams.prices.panel import PricePanel

T = TypeVar("T")


def refit_dates(start: int, end: int, every: int) -> list[int]:
    """Return `start`, `start + every`, ... up to but not including `end` (nanoseconds).

    >>> refit_dates(0, 10, 4)
    [0, 4, 8]
    """
    return list(range(start, end, every))


def walk_forward(panel: PricePanel, policy: Callable[[PricePanel], T], dates: Sequence[int]) -> list[tuple[int, T]]:
    """Return what the policy said at each date, with the time from which it is in force.

    The policy is called with `panel.until(date)`; its answer applies to bars that close later than `date + bar`, so the
    bar that starts when the decision is made is never judged by it.
    """
    return [(date + panel.bar, policy(panel.until(date))) for date in dates]
