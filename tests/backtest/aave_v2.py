"""The record of Aave V2's main market in 2021, and the prices it is held against, from the folder of market data.

Calls: the IDEA-Blockchain study of TheRensselaerIDEA (DefiResearch/Data/liquidations.csv); ETH by the hour of Bitstamp.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from slow_replay import HOUR

from riskparams.prices.candles import CandleFormat, CandleSource, load_candles
from riskparams.prices.panel import Candles
from riskparams.terms import Asset, FloatArray, IntArray


def recorded_calls(market_data: Path) -> tuple[IntArray, FloatArray]:
    """Return the time of each call (nanoseconds UTC) and the dollars it repaid, without rows of a suspect price."""
    table = pd.read_csv(market_data / "protocols/aave_v2_liquidations.csv.gz", parse_dates=["timestamp"])
    table = table[(table.market == "aave-v2-main") & (table.price_suspect == 0) & (table.timestamp.dt.year == 2021)]
    return table.timestamp.dt.tz_convert(None).to_numpy("datetime64[ns]").astype(np.int64), table.debt_usd.to_numpy()


def eth_by_the_hour(market_data: Path, *later: str) -> Candles:
    """Return ETH in dollars; `later` names files that go on where Bitstamp's ends."""
    files = tuple(market_data / "prices/hourly" / name for name in ("ETH__bitstamp22.csv.gz", *later))
    return load_candles(CandleSource(Asset("ETH"), files), CandleFormat(bar=HOUR))
