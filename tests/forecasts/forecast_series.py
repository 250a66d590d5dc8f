"""Returns to forecast: the simulated hourly market, daily ones, and any values as a series."""

from __future__ import annotations

from functools import cache

import numpy as np

from riskparams.prices.sample import simulated_market
from riskparams.returns import HOUR, Returns, log_returns
from riskparams.terms import DAY, Asset, FloatArray, Pair

PAIR = Pair(Asset("TEST"), Asset("USD"))
MONDAY = 19_723 * DAY + 7 * DAY  # 2024-01-08


def series(value: FloatArray, *, bar: int = HOUR, gap_at: int | None = None, gap: int = 14 * DAY) -> Returns:
    """Return values as log returns of consecutive bars, with a gap before row `gap_at`."""
    value = np.array(value, dtype=np.float64)
    time = MONDAY + bar * np.arange(1, len(value) + 1, dtype=np.int64)
    segment = np.zeros(len(value), dtype=np.int64)
    if gap_at is not None:
        time[gap_at:] += gap
        segment[gap_at:] = 1
    slots = 7 * DAY // bar if bar < DAY else 1
    return Returns(
        pair=PAIR,
        time=time,
        value=value,
        low=np.minimum(value, 0.0),
        slot=time // bar % slots,
        segment=segment,
        bar=bar,
        slots=slots,
        next_slot=int((time[-1] // bar + 1) % slots),
    )


def with_values(returns: Returns, value: FloatArray) -> Returns:
    """Return the same bars with other values."""
    fields = {name: getattr(returns, name) for name in Returns.__slots__}
    return Returns(**{**fields, "value": value, "low": np.minimum(value, 0.0)})


@cache
def hourly() -> Returns:
    """Return 60 days of the simulated market."""
    returns = log_returns(simulated_market(), Pair(Asset("ALPHA"), Asset("USD")))
    return returns.rows(len(returns) - 24 * 60, len(returns))


@cache
def daily() -> Returns:
    """Return 500 daily returns whose variance clusters and whose tails are heavy."""
    rng = np.random.default_rng(11)
    value, variance = np.empty(500), 0.0016
    for t in range(500):
        value[t] = np.sqrt(variance) * rng.standard_t(5) / np.sqrt(5 / 3)
        variance = 0.00008 + 0.1 * value[t] ** 2 + 0.85 * variance
    return series(value, bar=DAY)
