"""The bundled markets: a simulated hourly one, whose truth is known, and two real daily stock indices."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd

from riskparams.errors import ConfigError, DataError
from riskparams.prices.generator import (
    HOUR,
    AssetSpec,
    CrashLaw,
    MarketSpec,
    PegSpec,
    autoregression,
    bridge_low,
    drops_after_touch,
    hour_factor,
    hour_of_week,
    shocks,
)
from riskparams.prices.panel import Calendar, Candles, PricePanel, lay_on_calendar
from riskparams.terms import DAY, Asset, FloatArray, IntArray, frozen, nanoseconds

DAYS_PER_MONTH = 365.25 / 12


def bundled(path: str) -> Traversable | Path:
    """Return a file or folder that ships with the package, such as `data/sample/market.toml`, installed or checked out."""
    package = files("riskparams")
    for root in (package / "_bundled", Path(str(package)).parent):
        found = root.joinpath(*path.split("/"))
        if found.is_file() or found.is_dir():
            return found
    raise ConfigError(f"{path} did not come with this installation: expected it in the package; install riskparams again")


def market_spec() -> MarketSpec:
    """Return the parameters of the simulated market, from `data/sample/market.toml`."""
    table = tomllib.loads(bundled("data/sample/market.toml").read_text(encoding="utf-8"))
    return MarketSpec(
        seed=table["seed"],
        end=nanoseconds(table["end"]),
        bars=table["bars"],
        degrees_of_freedom=table["degrees_of_freedom"],
        crashes=CrashLaw(**table["crashes"]),
        assets=tuple(AssetSpec(asset=Asset(name), **values) for name, values in table["assets"].items()),
        pegged=tuple(PegSpec(asset=Asset(name), **values) for name, values in table["pegged"].items()),
    )


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """A simulated panel and the variance behind it.

    `sigma2[asset][i]` is the variance of the deseasonalised return of bar i, known at the close of the bar before;
    it is one longer than the candles, and its last value belongs to the bar after the last.
    """

    panel: PricePanel
    sigma2: Mapping[Asset, FloatArray]


def simulated_market(spec: MarketSpec | None = None) -> PricePanel:
    """Return the bundled simulated market, or another one; its panel says `simulated`, and so must what shows it."""
    return simulate(spec or market_spec()).panel


def simulate(spec: MarketSpec) -> SimulatedMarket:
    """Draw a market. Each asset has its own stream, keyed by its name: one more asset changes none of the others."""
    time = spec.end - HOUR * np.arange(spec.bars - 1, -1, -1, dtype=np.int64)
    factor = hour_factor()[hour_of_week(time)]
    mixing, common, crash_hours = (np.random.default_rng(stream) for stream in np.random.SeedSequence(spec.seed).spawn(3))
    w = (spec.degrees_of_freedom - 2) / mixing.chisquare(spec.degrees_of_freedom, spec.bars)
    crash = np.zeros(spec.bars)
    if spec.crashes is not None:
        struck = crash_hours.random(spec.bars) < spec.crashes.per_bar
        size = spec.crashes.smallest + crash_hours.exponential(spec.crashes.mean_extra, spec.bars)
        crash = np.where(struck, np.minimum(size, spec.crashes.largest), 0.0)
    market = common.standard_normal(spec.bars)
    candles, sigma2 = {}, {}
    for asset in spec.assets:
        listed = max(0, spec.bars - round(min(asset.listed_months * DAYS_PER_MONTH * 24, spec.bars)))
        drawn, variance = _volatile(spec.seed, asset, time, factor, w, market, crash)
        candles[asset.asset] = _candles(time[listed:], drawn[listed:])
        sigma2[asset.asset] = variance[listed:]
        frozen(sigma2[asset.asset])
    for peg in spec.pegged:
        candles[peg.asset] = _candles(time, _pegged(spec.seed, peg, time, factor))
    return SimulatedMarket(PricePanel(candles=candles, bar=HOUR, numeraire=Asset("USD"), simulated=True), sigma2)


def true_drops(
    spec: MarketSpec,
    asset: str,
    *,
    sigma2: float | FloatArray,
    slot: int | IntArray,
    paths: int,
    barriers: FloatArray,
    follow_bars: int,
    execution_bars: int,
    seed: int,
) -> tuple[FloatArray, ...]:
    """Return, for each barrier, the drops below it at execution that the generator itself produces.

    A barrier is a log distance below the start; it counts as touched by the first bar, of `follow_bars`, whose low
    reaches it, and executes at the close `execution_bars` later: X = 1 - close / barrier. `sigma2` and `slot` are
    those of the first simulated bar; given as arrays, the paths take turns over them.
    """
    law = spec[asset]
    distances = np.atleast_1d(np.asarray(barriers, np.float64))
    if not np.all(distances > 0):
        raise ConfigError(f"barriers {distances.tolist()}: expected positive log distances below the start")
    crash = np.zeros(5)
    if spec.crashes is not None:
        crashes = spec.crashes
        crash[:] = crashes.per_bar, law.crash_sensitivity, crashes.smallest, crashes.mean_extra, crashes.largest
    drops = drops_after_touch(
        np.atleast_1d(np.asarray(sigma2, np.float64)),
        np.atleast_1d(np.asarray(slot, np.int64)),
        hour_factor(),
        law.variance,
        law.alpha,
        law.gamma,
        law.beta,
        spec.degrees_of_freedom,
        crash,
        distances,
        follow_bars,
        execution_bars,
        paths,
        seed,
    )
    return tuple(column[~np.isnan(column)] for column in drops.T)


def index_market() -> PricePanel:
    """Return daily S&P 500 (`SPX`) and Nasdaq Composite (`COMP`) candles, 1999 to 2018, as they ship with `arch`.

    Real prices on an exchange calendar; a day is stamped by its last moment, UTC. Volume is left out: shares traded
    say nothing about what a token's market can absorb. In every row low <= open, close <= high, so none is altered.
    """
    from arch.data import nasdaq, sp500

    candles = {}
    for asset, source in (("SPX", sp500), ("COMP", nasdaq)):
        table: pd.DataFrame = source.load()
        time = table.index.to_numpy("datetime64[ns]").astype(np.int64) + DAY
        prices = table[["Open", "High", "Low", "Close"]].to_numpy(np.float64)
        opened, high, low, close = prices.T
        if (low > np.minimum(opened, close)).any() or (high < np.maximum(opened, close)).any():
            raise DataError(
                f"{asset}: a low or high contradicts open and close: expected the data of arch 7.2 or 8; check its version"
            )
        candles[Asset(asset)] = _candles(time, np.column_stack([prices, np.full(len(prices), np.nan)]), Calendar.EXCHANGE, DAY)
    return PricePanel(candles=candles, bar=DAY, numeraire=Asset("USD"), calendar=Calendar.EXCHANGE)


def _candles(time: IntArray, numbers: FloatArray, calendar: Calendar = Calendar.CONTINUOUS, bar: int = HOUR) -> Candles:
    none = np.zeros(len(time), bool)
    return lay_on_calendar(time, numbers, bar=bar, calendar=calendar, breaks=none, stale=none, close_only=False, notes=())


def _own_stream(seed: int, asset: Asset) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, crc32(asset.encode())]))


def _volatile(
    seed: int, spec: AssetSpec, time: IntArray, factor: FloatArray, w: FloatArray, market: FloatArray, crash: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return open, high, low, close, volume and the variance path of one volatile asset."""
    own = _own_stream(seed, spec.asset)
    g = spec.loading * market + np.sqrt(1 - spec.loading**2) * own.standard_normal(len(time))
    z = np.sqrt(w) * g - spec.crash_sensitivity * crash
    e, sigma2 = shocks(z, spec.variance, spec.alpha, spec.gamma, spec.beta)
    r = factor * e
    bridge = w * factor**2 * sigma2[:-1]
    low = bridge_low(r, bridge, 1 - own.random(len(time)))
    high = -bridge_low(-r, bridge, 1 - own.random(len(time)))
    log_close = np.cumsum(r)
    log_open = log_close - r
    prices = spec.first_price * np.exp(np.column_stack([log_open, log_open + high, log_open + low, log_close]))
    prices[1:, 0] = prices[:-1, 3]
    busy = 0.5 * np.log(sigma2[:-1] / spec.variance) + np.log(factor) + 0.35 * (np.minimum(np.abs(z), 6.0) - 0.7)
    return _with_volume(prices, spec.daily_turnover, busy + 0.3 * own.standard_normal(len(time))), sigma2


def _pegged(seed: int, spec: PegSpec, time: IntArray, factor: FloatArray) -> FloatArray:
    """Return open, high, low, close, volume of a stablecoin; its noise and volume grow tenfold at the bottom of the depeg."""
    own = _own_stream(seed, spec.asset)
    since = np.arange(len(time)) - (len(time) - 1 - spec.depeg_bars_before_end)
    depth = np.interp(since, [0, spec.fall_bars, spec.fall_bars + spec.recovery_bars], [0.0, 1.0, 0.0])
    keep = 1 - spec.reversion
    noise = spec.noise * (1 + 9 * depth)
    log_close = autoregression(noise * np.sqrt(1 - keep**2) * own.standard_normal(len(time)), keep) + depth * np.log1p(
        -spec.depeg_depth
    )
    log_open = np.concatenate([[0.0], log_close[:-1]])
    reach = noise[:, None] / 4 * np.abs(own.standard_normal((len(time), 2)))
    high, low = np.maximum(log_open, log_close) + reach[:, 0], np.minimum(log_open, log_close) - reach[:, 1]
    prices = np.exp(np.column_stack([log_open, high, low, log_close]))
    return _with_volume(
        prices, spec.daily_turnover, np.log(factor) + np.log1p(9 * depth) + 0.3 * own.standard_normal(len(time))
    )


def _with_volume(prices: FloatArray, daily_turnover: float, busy: FloatArray) -> FloatArray:
    """Return the prices, extremes at or beyond open and close, and the base volume of an hour's turnover."""
    prices[:, 1], prices[:, 2] = prices[:, [0, 1, 3]].max(axis=1), prices[:, [0, 2, 3]].min(axis=1)
    return np.column_stack([prices, daily_turnover / 24 * np.exp(busy) / prices[:, 3]])
