"""Small studies over real files: what the bad-input and pipeline tests start from, and then break."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from riskparams.prices.panel import PricePanel
from riskparams.prices.sample import simulated_market
from riskparams.terms import Asset

STUDY = """
[study]
name = "small"
seed = 7

[prices]
bar = "1h"
stamp = "start"

[prices.files]
ALPHA = "ALPHA.csv"
BRAVO = "BRAVO.csv"

[model]
reference = "ALPHA"
min_window = "90d"
window = "365d"
paths = 1000

[backtest]
start = 2024-05-01
refit = "14d"
paths = 1000
accounts = 100

[[pairs]]
collateral = "ALPHA"
current = { max_ltv = 0.75, liquidation_threshold = 0.80, liquidation_bonus = 0.05, source = "invented", dated = 2024-01-01 }

[[pairs]]
collateral = "BRAVO"
"""


def candle_frame(name: str, *, bars: int = 24 * 400, panel: PricePanel | None = None) -> pd.DataFrame:
    """Return the newest bars of a simulated asset as a price file holds them, stamped by their start."""
    market = panel or simulated_market()
    candles = market[Asset(name)]
    part = slice(len(candles) - bars, None)
    start = pd.to_datetime(candles.time[part] - market.bar, unit="ns", utc=True)
    columns = {column: getattr(candles, column)[part] for column in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame({"timestamp": start.strftime("%Y-%m-%dT%H:%M:%SZ"), **columns})


def write_study(folder: Path, text: str = STUDY, **frames: pd.DataFrame) -> Path:
    """Write a study and its price files to a folder; return the study's path."""
    for name in ("ALPHA", "BRAVO"):
        frames.setdefault(name, candle_frame(name))
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path
