"""Hypothesis strategies for prices, shared by the rooms."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

HOUR = 3_600 * 1_000_000_000


@st.composite
def candle_tables(draw: st.DrawFn, *, bars: int = 120, holes: bool = True) -> pd.DataFrame:
    """Return rows of an hourly candle file, stamped by their start, with dead spells and, if wished, holes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    returns = rng.standard_t(4, bars) * draw(st.sampled_from([0.0005, 0.01, 0.08]))
    spells = draw(st.lists(st.tuples(st.integers(1, bars - 1), st.integers(1, 40)), max_size=2))
    dead = np.zeros(bars, bool)
    for start, length in spells:
        dead[start : start + length] = True
    close = draw(st.sampled_from([0.003, 1.0, 40_000.0])) * np.exp(np.cumsum(np.where(dead, 0.0, returns)))
    opened = np.concatenate([close[:1], close[:-1]])
    reach = np.where(dead, 0.0, np.abs(rng.standard_normal(bars)) * 0.003)
    table = pd.DataFrame(
        {
            "timestamp": pd.date_range("2024-01-01", periods=bars, freq="h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "open": opened,
            "high": np.maximum(opened, close) * (1 + reach),
            "low": np.minimum(opened, close) * (1 - reach),
            "close": close,
            "volume": rng.lognormal(3, 1, bars),
        }
    )
    missing = np.zeros(bars, bool)
    if holes:
        for start, length in draw(st.lists(st.tuples(st.integers(2, bars - 1), st.integers(1, 6)), max_size=3)):
            missing[start : start + length] = True
    return table[~missing].reset_index(drop=True)
