"""Noise between two sources of one price, against noise that was put there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from strategies import HOUR

from riskparams.errors import ConstantSeries, InsufficientData
from riskparams.prices.candles import CandleFormat, CandleSource, Stamp, load_candles
from riskparams.prices.cross_source import cross_source_noise
from riskparams.prices.panel import Calendar, Candles, lay_on_calendar
from riskparams.terms import FloatArray

BARS = 20_000
WALK = np.cumsum(np.random.default_rng(1).normal(0, 0.006, BARS))


def candles(logs: FloatArray, *, first: int = 0) -> Candles:
    close = np.exp(logs)
    numbers = np.column_stack([close] * 4 + [np.full(len(close), np.nan)])
    none = np.zeros(len(close), bool)
    time = HOUR * np.arange(first + 1, first + len(close) + 1)
    return lay_on_calendar(
        time, numbers, bar=HOUR, calendar=Calendar.CONTINUOUS, breaks=none, stale=none, close_only=True, notes=()
    )


def test_planted_noise_is_measured() -> None:
    rng = np.random.default_rng(2)
    drift = np.cumsum(rng.normal(0, 0.001, BARS))
    noise = rng.normal(0, 0.002, BARS)
    found = cross_source_noise(candles(WALK + drift + noise + np.log(1.5)), candles(WALK))
    assert found.return_deviation == pytest.approx(np.sqrt(0.001**2 + 2 * 0.002**2), rel=0.02)
    assert found.noise_share == pytest.approx(8 / 9, abs=0.03)
    assert found.pair_deviation == pytest.approx(0.001, rel=0.15)
    assert found.lag == 0


def test_the_level_is_left_out_of_the_distance() -> None:
    noise = np.random.default_rng(3).normal(0, 0.002, BARS)
    found = cross_source_noise(candles(WALK + noise + np.log(1.5)), candles(WALK))
    assert found.level_ratio == pytest.approx(1.5, rel=1e-3)
    assert found.level_difference == pytest.approx(0.002 * 0.6745, rel=0.03)


@pytest.mark.parametrize("lag", [-2, -1, 1, 2])
def test_a_source_that_runs_late_is_found_out(lag: int) -> None:
    late, prompt = (WALK[2 - lag : -2 - lag or None], WALK[2:-2])
    found = cross_source_noise(candles(late), candles(prompt))
    assert found.lag == lag
    assert found.lagged_deviation < 1e-12 < found.return_deviation


def test_only_common_bars_that_were_observed_count() -> None:
    other = candles(WALK[:300] + np.where(np.arange(300) % 2, 0.001, 0.0))
    some = np.delete(np.arange(300), [50, 51])
    holes = lay_on_calendar(
        HOUR * (some + 1),
        np.column_stack([np.exp(WALK[some])] * 4 + [np.full(298, np.nan)]),
        bar=HOUR,
        calendar=Calendar.CONTINUOUS,
        breaks=np.zeros(298, bool),
        stale=np.zeros(298, bool),
        close_only=True,
        notes=(),
    )
    found = cross_source_noise(holes, other)
    assert (found.bars, found.returns) == (298, 296)
    assert found.noise_share == 1.0


def test_too_little_in_common_and_one_source_twice_are_refused() -> None:
    with pytest.raises(InsufficientData, match="49 returns known to both sources on 50 common bars"):
        cross_source_noise(candles(WALK[:200]), candles(WALK[:200], first=150))
    with pytest.raises(ConstantSeries, match="the same on their 200 common bars"):
        cross_source_noise(candles(WALK[:200]), candles(WALK[:200]))


def test_the_figures_survive_json() -> None:
    found = cross_source_noise(candles(WALK + 0.01 * np.sin(np.arange(BARS))), candles(WALK))
    assert json.loads(json.dumps(found.to_dict()))["return_deviation"] == found.return_deviation


def test_wrapped_bitcoin_from_an_aggregator_is_noisy_against_an_exchange(market_data: Path) -> None:
    prices = market_data / "prices"
    wrapped = CandleSource("WBTC", (prices / "hourly_close" / "WBTC__cgecko23.csv.gz",))
    exchange = CandleSource("BTC", (prices / "hourly" / "BTC__binperp24.csv.gz",))
    one = load_candles(wrapped, CandleFormat(bar=HOUR, stamp=Stamp.OBSERVED))
    found = cross_source_noise(one, load_candles(exchange, CandleFormat(bar=HOUR)))
    print(found)
    assert found.bars > 15_000
    assert found.noise_share > 0.5
    assert found.return_deviation > 2 * found.level_difference
