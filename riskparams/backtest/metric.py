"""One number of a backtest with the interval its history allows, and the exact bounds of what never happened."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from riskparams.terms import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number with its interval. `point` is None where there was nothing to divide by, and `note` says so.

    `exposure` is the denominator, in its own unit: position-years, debt-years, liquidations, years, weeks. `low` and
    `high` are None where the history gives no bound; where an event never happened the note says where `high` comes from.
    """

    name: str
    unit: str
    point: float | None
    low: float | None
    high: float | None
    exposure: float
    note: str = ""


def poisson_bound(exposure: float, alpha: float) -> float:
    """Return the rate above which seeing no event at all would have had a chance below `alpha`: `-ln(alpha) / exposure`.

    Exact for events that come independently at a constant rate; at 95 % it is 3 / exposure, the rule of three.

    >>> round(poisson_bound(100.0, 0.05), 4)
    0.03
    """
    return -math.log(alpha) / exposure


def binomial_bound(trials: float, alpha: float) -> float:
    """Return the share above which no success in so many trials would have had a chance below `alpha` (Clopper & Pearson 1934).

    >>> round(binomial_bound(10, 0.05), 4), binomial_bound(0, 0.05)
    (0.2589, 1.0)
    """
    return 1 - alpha ** (1 / trials) if trials > 0 else 1.0


def resampled_rows(count: int, *, mean_block: float, draws: int, seed: int) -> IntArray:
    """Return row numbers of `draws` stationary bootstrap samples of `count` rows (Politis & Romano 1994).

    >>> resampled_rows(30, mean_block=5, draws=4, seed=1).shape
    (4, 30)
    """
    from arch.bootstrap import StationaryBootstrap

    bootstrap = StationaryBootstrap(max(1, round(mean_block)), np.arange(count), seed=np.random.default_rng(seed))
    return np.array([np.array(bootstrap.update_indices()) for _ in range(draws)], dtype=np.int64)


def interval(point: float, sample: FloatArray, alpha: float) -> tuple[float, float, str]:
    """Return the percentile interval of a bootstrap sample, widened if need be to hold the point itself, and a remark.

    Resamples with an empty denominator are left out, and the remark counts them.
    """
    defined = np.isfinite(sample)
    lost = int(np.sum(~defined))
    note = f"{lost} of {len(sample)} resamples had nothing to divide by and were left out" if lost else ""
    low, high = np.quantile(sample[defined] if defined.any() else [point], [alpha / 2, 1 - alpha / 2])
    return min(float(low), point), max(float(high), point), note
