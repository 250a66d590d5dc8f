"""Depegs: what counts as one, with prices made up for it and with those of 2021 and 2022."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HOUR

from riskparams.errors import ConfigError, DataError
from riskparams.prices.candles import CandleFormat, CandleSource, Stamp, load_panel
from riskparams.prices.panel import PricePanel
from riskparams.returns import pair_candles
from riskparams.tails.depegs import Depeg, depegs
from riskparams.tails.jumps import extra_depth, extra_depth_within, fit_jumps
from riskparams.terms import DAY, Asset, FloatArray, Pair, iso

STABLE = ("USDT", "USDC", "DAI", "FRAX", "FEI", "LUSD", "sUSD", "TUSD", "BUSD", "GUSD")
MONTH = 30 * 24


def found(price: FloatArray, *, peg: float | None = 1.0) -> tuple[Depeg, ...]:
    return depegs(HOUR * np.arange(1, len(price) + 1), price, bar=HOUR, peg=peg)


def held(*levels: tuple[float, int]) -> FloatArray:
    return np.concatenate([np.full(bars, level) for level, bars in levels])


def test_a_depeg_has_a_start_a_trough_and_an_end() -> None:
    [one] = found(held((1, 5), (0.985, 2), (0.93, 3), (0.97, 4), (0.999, 30)))
    assert (one.start, one.trough, one.end) == (6 * HOUR, 8 * HOUR, 15 * HOUR)
    assert one.depth == pytest.approx(0.07)
    assert (one.bars_to_trough, one.time_to_trough, one.duration) == (3, timedelta(hours=3), timedelta(hours=10))
    assert one.recovered


def test_one_wrong_tick_is_neither_a_depeg_nor_the_depth_of_one() -> None:
    assert found(held((1, 40), (0.5, 1), (1, 40))) == ()
    [one] = found(held((1, 40), (0.98, 3), (0.5, 1), (0.98, 3), (1, 40)))
    assert one.depth == pytest.approx(0.02)


def test_a_drop_of_a_wrong_tick_beside_a_true_one_counts_as_the_true_one() -> None:
    [one] = found(held((1, 40), (0.5, 1), (0.97, 1), (1, 40)))
    assert one.depth == pytest.approx(0.03)


def test_a_depeg_ends_only_after_a_day_within_half_the_threshold() -> None:
    path = held((1, 40), (0.97, 5), (0.996, 23), (0.994, 2), (0.996, 60))
    [one] = found(path)
    assert one.end == HOUR * (40 + 5 + 23 + 2 + 1)
    assert len(found(held((1, 40), (0.97, 5), (0.996, 25), (0.97, 5), (0.996, 60)))) == 2


def test_a_depeg_that_never_recovers_is_kept_with_its_depth() -> None:
    [one] = found(held((1, 40), (0.8, 100), (0.05, 400)))
    assert not one.recovered
    assert one.depth == pytest.approx(0.95)
    assert one.end == 540 * HOUR
    [short] = found(held((1, 40), (0.8, 100), (1.0, 23)))
    assert not short.recovered


def test_the_level_follows_a_token_that_accrues_but_not_a_long_depeg() -> None:
    accrues = np.exp(0.05 * np.arange(400 * 24) / 8766)
    assert found(accrues, peg=None) == ()
    fallen = accrues.copy()
    fallen[200 * 24 : 260 * 24] *= 0.95
    [one] = found(fallen, peg=None)
    assert one.depth == pytest.approx(0.05, abs=0.004)
    assert one.duration > timedelta(days=60)
    assert one.recovered


def test_a_premium_that_is_lost_is_a_depeg_only_where_no_peg_is_known() -> None:
    premium = held((1.03, 2 * MONTH), (1.0, 2 * MONTH))
    assert found(premium) == ()
    [one] = found(premium, peg=None)
    assert not one.recovered


def test_without_a_peg_a_level_is_known_after_a_month() -> None:
    assert found(held((1, 100), (0.9, 50), (1, 100)), peg=None) == ()
    assert len(found(held((1, 100), (0.9, 50), (1, 100)))) == 1
    assert len(found(held((1, MONTH), (0.9, 50), (1, 100)), peg=None)) == 1


@given(seed=st.integers(0, 2**31), cut=st.integers(50, 1499))
@settings(max_examples=30, deadline=None)
def test_the_future_changes_no_depeg_that_has_ended(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    price = 1 - np.abs(np.convolve(rng.standard_t(2, 1500), 0.7 ** np.arange(20))[:1500]) * 0.003
    price = np.maximum(price, 0.2)
    then, now = found(price[:cut]), found(price)
    ended = [one for one in then if one.recovered]
    assert ended == list(now[: len(ended)])
    assert len(then) - len(ended) <= 1
    if len(then) > len(ended):
        assert then[-1].start == now[len(ended)].start
        assert then[-1].depth <= now[len(ended)].depth


@given(unit=st.sampled_from([2.0**-20, 0.5, 1024.0]), seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_depegs_do_not_depend_on_the_unit(unit: float, seed: int) -> None:
    price = np.exp(np.random.default_rng(seed).normal(0, 0.008, 1000))
    assert found(price * unit, peg=unit) == found(price)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(DataError, match=r"row 1: price 0\.0 at 1970-01-01T02:00:00Z"):
        found(np.array([1.0, 0.0]))
    with pytest.raises(DataError, match="increasing times"):
        depegs(np.array([HOUR, HOUR]), np.ones(2), bar=HOUR)
    with pytest.raises(DataError, match="1 times and 2 prices"):
        depegs(np.array([HOUR]), np.ones(2), bar=HOUR)
    with pytest.raises(ConfigError, match=r"threshold 1\.0"):
        depegs(np.array([HOUR]), np.ones(1), bar=HOUR, threshold=1.0)
    with pytest.raises(DataError, match="expected times in order"):
        Depeg(start=2, trough=1, end=3, depth=0.1, bar=1, recovered=True)


@pytest.fixture(scope="module")
def panel(market_data: Path) -> PricePanel:
    folder = market_data / "prices" / "hourly_close"
    sources = [CandleSource(Asset(name), (folder / f"{name}__cgecko23.csv.gz",)) for name in (*STABLE, "stETH", "WETH")]
    return load_panel(sources, CandleFormat(bar=HOUR, stamp=Stamp.OBSERVED), numeraire=Asset("USD"))


def of(panel: PricePanel, collateral: str, debt: str = "USD") -> tuple[Depeg, ...]:
    candles = pair_candles(panel, Pair(Asset(collateral), Asset(debt)))
    seen = candles.observed
    return depegs(candles.time[seen], candles.close[seen], bar=panel.bar, peg=1.0)


def test_staked_ether_fell_by_a_fifteenth_in_june_2022_and_came_back(panel: PricePanel) -> None:
    [one] = [one for one in of(panel, "stETH", "WETH") if "2022-05" <= iso(one.start) < "2022-07"]
    assert 0.931 <= 1 - one.depth <= 0.937
    assert iso(one.trough)[:7] == "2022-06"
    assert one.recovered


def test_the_wrong_ticks_of_may_2021_and_june_2022_are_no_depegs(panel: PricePanel) -> None:
    for name in ("DAI", "USDT"):
        assert not [one for one in of(panel, name) if iso(one.start)[:10] == "2021-05-19"]
    tick = pair_candles(panel, Pair(Asset("stETH"), Asset("WETH")))
    assert tick.close.max() > 1.2
    assert max(one.depth for one in of(panel, "stETH", "WETH")) < 0.125


def test_fei_lost_nearly_a_third_at_its_launch(panel: PricePanel) -> None:
    first = of(panel, "FEI")[0]
    assert iso(first.start)[:10] == "2021-04-03"
    assert first.depth == pytest.approx(0.30, abs=0.03)
    assert first.duration > timedelta(days=30)


def test_as_of_a_date_only_what_had_happened_counts(panel: PricePanel) -> None:
    as_of = pd.Timestamp("2022-05-01", tz="UTC").as_unit("ns").value
    known = panel.until(as_of)
    count = 0
    for name in STABLE:
        then, now = of(known, name), of(panel, name)
        count += len(then)
        ended = [one for one in then if one.recovered]
        assert ended == list(now[: len(ended)])
        assert all(one.end <= as_of for one in then)
        print(name, len(then), f"{max(one.depth for one in then):.3f}", [iso(one.start) for one in then if not one.recovered])
    assert 100 < count < 200


def test_the_layer_of_staked_ether_knew_depegs_as_deep_as_the_one_to_come(panel: PricePanel) -> None:
    known = panel.until(pd.Timestamp("2022-05-01", tz="UTC").as_unit("ns").value)
    peers = {name: of(known, name) for name in STABLE}
    years = {name: (int(known[Asset(name)].time[-1]) - int(known[Asset(name)].time[0])) / (365.25 * DAY) for name in STABLE}
    own = of(known, "stETH", "WETH")
    layer = fit_jumps(peers, own, 1.33, years)
    print(layer.to_dict())
    assert max(one.depth for one in own) > 0.0662
    assert 0.3 < layer.depth.shape < 0.8
    assert 7 < layer.own.rate < layer.pooled.rate < 13
    assert 0.02 < extra_depth_within(layer, 0.03, 0.99, timedelta(hours=1)) < extra_depth(layer, 0.03, 0.99) < 0.5
