"""Paths of scenarios: replayed where the panel covers them, drawn to the last digit where it does not, or skipped aloud."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskparams.backtest.scenario_files import load_scenarios
from riskparams.backtest.scenario_paths import Origin, ScenarioPath, Skipped, beta, scaled_drop, scenario_paths
from riskparams.backtest.scenarios import Depeg, Fact, Fall, Scenario, Shock, Window
from riskparams.errors import ConfigError, ConstantSeries, InsufficientData
from riskparams.prices.candles import CandleFormat, CandleSource, load_panel
from riskparams.prices.panel import Candles, Exclusion, PricePanel
from riskparams.terms import Asset, FloatArray, nanoseconds

HOUR = 3_600 * 1_000_000_000
BTC, ETH, NEW, USDC, DAI = map(Asset, ("BTC", "ETH", "NEW", "USDC", "DAI"))
FACTS = (Fact(says="It fell.", source="a test"),)
LAST = nanoseconds(datetime(2024, 1, 31, tzinfo=UTC))
SCENARIOS = load_scenarios()


def candles(close: FloatArray, *, last: int = LAST, bar: int = HOUR) -> Candles:
    """Return bars without a hole that end at a time."""
    exclusion = np.zeros(len(close), np.int8)
    exclusion[0] = Exclusion.FIRST
    return Candles(
        time=last - bar * np.arange(len(close) - 1, -1, -1, dtype=np.int64),
        open=close.copy(),
        high=close * 1.01,
        low=close * 0.99,
        close=close,
        volume=np.ones(len(close)),
        usable=exclusion == Exclusion.NONE,
        segment=np.zeros(len(close), np.int64),
        exclusion=exclusion,
    )


def market(*, bars: int = 600, slope: float = 1.5, seed: int = 1, scale: float = 1.0) -> PricePanel:
    """Return BTC and ETH over the whole span, NEW over its second half with the given beta, and two pegged assets."""
    rng = np.random.default_rng(seed)
    r = 0.01 * rng.standard_normal(bars)
    new = slope * r + 0.002 * rng.standard_normal(bars)
    eth = 1.2 * r + 0.005 * rng.standard_normal(bars)
    prices = {BTC: 40_000 * np.exp(np.cumsum(r)), ETH: 2_000 * np.exp(np.cumsum(eth))}
    prices[NEW] = (7 * np.exp(np.cumsum(new)))[bars // 2 :]
    prices |= {USDC: 1 + 1e-4 * rng.standard_normal(bars), DAI: 1 + 1e-4 * rng.standard_normal(bars)}
    return PricePanel(
        candles={asset: candles(scale * close) for asset, close in prices.items()}, bar=HOUR, numeraire=Asset("USD")
    )


def fall(drop: float, *, start: int, hours: int = 10) -> Fall:
    return Fall(
        drop=drop,
        hours=hours,
        peak=100.0,
        peak_at=start + 2 * HOUR,
        trough=100 * (1 - drop),
        trough_at=start + (2 + hours) * HOUR,
        source="a test",
    )


def window(*, start: int, hours: int = 24, **drops: float) -> Scenario:
    falls = {Asset(asset): fall(drop, start=start) for asset, drop in drops.items()}
    return Scenario(name="w", title="A fall", facts=FACTS, event=Window(start=start, end=start + hours * HOUR, falls=falls))


def shock(**fields: object) -> Scenario:
    return Scenario(name="s", title="A shock", facts=FACTS, event=Shock(**fields))


def path(scenario: Scenario, panel: PricePanel, asset: Asset, **options: object) -> ScenarioPath:
    found = scenario_paths(scenario, panel, [asset], reference=BTC, **options)[asset]
    assert isinstance(found, ScenarioPath), found
    return found


def reason(scenario: Scenario, panel: PricePanel, asset: Asset, reference: Asset = BTC) -> str:
    found = scenario_paths(scenario, panel, [asset], reference=reference)[asset]
    assert isinstance(found, Skipped), found
    return str(found)


EARLY = LAST - 550 * HOUR  # BTC and ETH have prices then, NEW has not
BEFORE = LAST - 5_000 * HOUR  # nobody has


def test_an_asset_replays_its_own_bars_of_a_window_it_covers() -> None:
    panel = market()
    found = path(window(start=EARLY, BTC=0.5), panel, BTC)
    assert (found.origin, str(found)) == (Origin.REPLAYED, "replayed")
    first = int(np.searchsorted(panel[BTC].time, EARLY))
    assert np.array_equal(found.candles.close, panel[BTC].close[first : first + 25])
    assert np.array_equal(found.candles.low, panel[BTC].low[first : first + 25])
    assert (found.candles.time[0], found.candles.time[-1]) == (EARLY, EARLY + 24 * HOUR)


def test_a_window_between_two_closes_takes_the_bars_around_it() -> None:
    found = path(window(start=EARLY + HOUR // 2), market(), BTC).candles
    assert (found.time[0], found.time[-1]) == (EARLY, EARLY + 25 * HOUR)
    drawn = path(window(start=EARLY + HOUR // 2, BTC=0.5), market(), NEW).candles
    assert np.array_equal(drawn.time, found.time)


def test_an_asset_without_the_window_takes_its_own_fall_on_record() -> None:
    found = path(window(start=EARLY, BTC=0.5, NEW=0.7), market(), NEW)
    assert str(found) == "published"
    assert 1 - found.candles.close[-1] / found.candles.close[0] == pytest.approx(0.7, abs=1e-12)


def test_an_asset_without_a_fall_takes_that_of_the_reference_times_its_beta() -> None:
    panel = market()
    found = path(window(start=EARLY, BTC=0.5), panel, NEW)
    slope = beta(panel[NEW], panel[BTC])
    assert found.beta == slope == pytest.approx(1.5, abs=0.05)
    assert str(found) == f"scaled by beta {slope:.2f}"
    assert 1 - found.candles.low.min() / panel[NEW].close[-1] == pytest.approx(1 - 0.5**slope, abs=1e-12)


def test_a_beta_below_one_counts_as_one() -> None:
    found = path(window(start=EARLY, BTC=0.5), market(slope=0.3), NEW)
    assert found.beta == 1.0
    assert 1 - found.candles.low.min() / found.candles.close[0] == pytest.approx(0.5, abs=1e-12)


def test_the_fall_is_a_straight_line_in_logs_at_the_hours_of_the_record() -> None:
    close = path(window(start=BEFORE, BTC=0.5), market(), BTC).candles.close
    steps = np.diff(np.log(close))
    assert np.allclose(steps[:2], 0)
    assert np.allclose(steps[2:12], np.log(0.5) / 10)
    assert np.allclose(steps[12:], 0)


def test_a_pegged_asset_follows_no_beta() -> None:
    panel = market()
    held = path(window(start=BEFORE, BTC=0.5), panel, USDC)
    assert str(held) == "held flat"
    assert np.all(held.candles.close == panel[USDC].close[-1])
    assert path(window(start=BEFORE, BTC=0.5, USDC=0.1), panel, USDC).origin is Origin.PUBLISHED
    assert path(window(start=BEFORE, BTC=0.5), panel, USDC, pegged=()).origin is Origin.SCALED


def test_a_window_with_neither_prices_nor_figures_is_skipped_with_its_reason() -> None:
    assert "do not cover the window in one piece, and no fall of NEW or BTC is on record" in reason(
        window(start=EARLY), market(), NEW
    )
    assert "DOT is not in the price panel" in reason(window(start=EARLY, BTC=0.5), market(), Asset("DOT"))
    assert "expected 100 for a beta" in reason(window(start=EARLY, BTC=0.5), market(bars=150), NEW)
    assert "SOL is not in the price panel" in reason(window(start=EARLY, SOL=0.5), market(), NEW, Asset("SOL"))


def test_an_asset_whose_feed_has_ended_has_no_price_to_start_from() -> None:
    panel = market()
    ended = replace(panel, candles={**panel.candles, ETH: panel[ETH].head(500)})
    assert "the feed has ended" in reason(shock(gap=0.3), ended, ETH)
    assert "the feed has ended" in reason(window(start=BEFORE, ETH=0.5), ended, ETH)
    assert path(window(start=EARLY, ETH=0.5), ended, ETH).origin is Origin.REPLAYED


@pytest.mark.parametrize("wrong", ["segment", "exclusion"])
def test_a_window_with_a_hole_or_a_dead_feed_is_not_replayed(wrong: str) -> None:
    panel = market()
    values = getattr(panel[BTC], wrong).copy()
    inside = int(np.searchsorted(panel[BTC].time, EARLY)) + 5
    if wrong == "segment":
        values[inside:] = 1
    else:
        values[inside] = Exclusion.DEAD_FEED
    broken = replace(panel, candles={**panel.candles, BTC: replace(panel[BTC], **{wrong: values})})
    assert path(window(start=EARLY, BTC=0.5), broken, BTC).origin is Origin.PUBLISHED


def test_a_gap_is_one_bar_whose_low_is_its_close() -> None:
    panel = market()
    found = path(shock(gap=0.3), panel, NEW).candles
    last = panel[NEW].close[-1]
    assert found.time[0] == LAST
    assert np.all(np.diff(found.time) == HOUR)
    assert np.all(found.close[:24] == last)
    assert found.low[24] == found.close[24] == pytest.approx(0.7 * last, rel=1e-15)
    assert found.high[24] == last
    assert np.all(found.close[24:] == found.close[24])
    assert len(found) == 24 + 24 + 1


def test_a_frozen_oracle_lengthens_the_path_by_as_long() -> None:
    plain = path(shock(gap=0.3), market(), BTC).candles
    frozen = path(shock(gap=0.3, oracle_frozen=timedelta(hours=2)), market(), BTC).candles
    assert len(frozen) == len(plain) + 2


def test_a_fall_that_takes_its_time_goes_in_equal_steps_of_logs() -> None:
    panel = market()
    found = path(shock(gap=0.3, falling=timedelta(hours=4)), panel, BTC).candles
    last = panel[BTC].close[-1]
    assert np.all(found.close[:24] == last)
    assert np.allclose(np.diff(np.log(found.close[23:28])), np.log(0.7) / 4, rtol=1e-12)
    assert np.all(found.close[27:] == last * 0.7)
    assert len(found) == 24 + 3 + 24 + 1


def test_a_gap_leaves_pegged_and_spared_assets_alone() -> None:
    found = scenario_paths(shock(gap=0.3), market(), [BTC, ETH, USDC], reference=BTC, spared=[ETH])
    assert [str(found[asset]) for asset in (BTC, ETH, USDC)] == ["shocked", "held flat", "held flat"]


def test_a_depeg_recovers_after_its_time_and_leaves_the_rest_alone() -> None:
    panel = market()
    depeg = Depeg(depth=0.12, duration=timedelta(hours=48))
    found = path(shock(depeg=depeg), panel, USDC).candles
    par = panel[USDC].close[-1]
    assert np.all(found.close[24:72] == par * (1 - 0.12))
    assert np.all(found.close[[0, 23, 72, -1]] == par)
    assert path(shock(depeg=depeg), panel, BTC).origin is Origin.HELD
    named = scenario_paths(shock(depeg=replace(depeg, asset=DAI)), panel, [USDC, DAI, BTC], reference=BTC)
    assert [str(named[asset]) for asset in (USDC, DAI, BTC)] == ["held flat", "shocked", "held flat"]


def test_a_co_crash_drops_the_reference_by_its_size_and_others_by_their_beta() -> None:
    panel = market()
    found = scenario_paths(shock(co_crash=0.3), panel, [BTC, NEW, USDC], reference=BTC, spared=[NEW])
    drops = {}
    for asset, its in found.items():
        assert isinstance(its, ScenarioPath)
        drops[asset] = 1 - its.candles.low.min() / its.candles.close[0]
    assert drops[BTC] == pytest.approx(0.3, abs=1e-12)
    assert drops[NEW] == pytest.approx(1 - 0.7 ** beta(panel[NEW], panel[BTC]), abs=1e-12)
    assert drops[USDC] == 0
    assert str(found[NEW]).startswith("shocked by beta 1.")


def test_a_daily_panel_gaps_in_one_day() -> None:
    bar = 24 * HOUR
    panel = PricePanel(candles={BTC: candles(np.full(50, 2.0), bar=bar)}, bar=bar, numeraire=Asset("USD"))
    found = path(shock(gap=0.3, oracle_frozen=timedelta(hours=2)), panel, BTC, lead=timedelta(0)).candles
    assert np.allclose(found.close, [2.0, 1.4, 1.4, 1.4])


def test_a_time_before_the_shock_cannot_be_negative() -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        scenario_paths(shock(gap=0.3), market(), [BTC], reference=BTC, settling=timedelta(hours=-1))


@given(drop=st.floats(0.001, 0.999), hours=st.integers(1, 20), offset=st.integers(0, HOUR - 1))
def test_the_low_of_a_window_is_the_drop_on_record(drop: float, hours: int, offset: int) -> None:
    start = BEFORE + offset
    event = Window(start=start, end=start + 24 * HOUR, falls={BTC: fall(drop, start=start, hours=hours)})
    panel = market()
    found = path(Scenario(name="w", title="w", facts=FACTS, event=event), panel, BTC).candles
    assert 1 - found.low.min() / panel[BTC].close[-1] == pytest.approx(drop, abs=1e-12)
    assert found.close[0] == panel[BTC].close[-1]
    assert np.all(found.low <= np.minimum(found.open, found.close))
    assert np.all(found.high >= np.maximum(found.open, found.close))
    assert found.time[0] <= start
    assert found.time[-1] >= start + 24 * HOUR


@given(drop=st.floats(0.001, 0.999))
def test_the_low_of_a_gap_is_its_size(drop: float) -> None:
    found = path(shock(gap=drop), market(), ETH).candles
    assert 1 - found.low.min() / found.close[0] == pytest.approx(drop, abs=1e-12)


@given(scale=st.floats(1e-6, 1e6), event=st.sampled_from([shock(gap=0.3), shock(co_crash=0.3), window(start=EARLY, BTC=0.5)]))
def test_the_unit_of_price_changes_no_relative_path(scale: float, event: Scenario) -> None:
    one, other = path(event, market(), NEW), path(event, market(scale=scale), NEW)
    assert np.allclose(other.candles.close / scale, one.candles.close, rtol=1e-9, atol=0)
    assert (one.beta or 0.0) == pytest.approx(other.beta or 0.0, rel=1e-9)


@given(drop=st.floats(0.01, 0.99), first=st.floats(1, 5), second=st.floats(1, 5))
def test_a_larger_beta_never_falls_less(drop: float, first: float, second: float) -> None:
    small, large = sorted((first, second))
    assert scaled_drop(drop, small) <= scaled_drop(drop, large) <= 1
    assert scaled_drop(drop, 1.0) == pytest.approx(drop, abs=1e-15)


@given(seed=st.integers(0, 2**32 - 1), slope=st.floats(-2, 4))
def test_beta_is_the_slope_of_least_squares(seed: int, slope: float) -> None:
    panel = market(seed=seed, slope=slope)
    y, x = (np.diff(np.log(panel[asset].close[-300:])) for asset in (NEW, BTC))
    assert beta(panel[NEW], panel[BTC]) == pytest.approx(np.polyfit(x, y, 1)[0], abs=1e-9)


def test_the_beta_of_the_reference_on_itself_is_one() -> None:
    panel = market()
    assert beta(panel[BTC], panel[BTC]) == pytest.approx(1.0, abs=1e-12)


def test_beta_reads_no_return_that_may_not_be_modelled() -> None:
    panel = market()
    close, usable = panel[NEW].close.copy(), panel[NEW].usable.copy()
    close[50] *= 100  # a bar nobody believes, and the return out of it
    usable[[50, 51]] = False
    spoilt = replace(panel[NEW], close=close, usable=usable)
    assert beta(spoilt, panel[BTC]) == beta(replace(panel[NEW], usable=usable), panel[BTC])


def test_beta_compares_only_returns_over_the_same_time() -> None:
    panel = market()
    keep = np.ones(600, bool)
    keep[450] = False
    holed = replace(panel[BTC], **{name: getattr(panel[BTC], name)[keep] for name in panel[BTC].__slots__ if name in KEPT})
    usable = panel[NEW].usable.copy()
    usable[[150, 151]] = False
    assert beta(panel[NEW], holed) == beta(replace(panel[NEW], usable=usable), panel[BTC])


KEPT = ("time", "open", "high", "low", "close", "volume", "usable", "segment", "exclusion")


def test_beta_refuses_too_few_returns_and_a_reference_that_never_moves() -> None:
    panel = market()
    with pytest.raises(InsufficientData, match="99 returns in common"):
        beta(panel[NEW].head(100), panel[BTC])
    with pytest.raises(ConstantSeries, match="the same"):
        beta(panel[NEW], candles(np.full(600, 3.0)))


def test_what_follows_the_as_of_date_changes_no_path() -> None:
    panel = market()
    as_of = LAST - 100 * HOUR
    shocked = {}
    for asset, its in panel.candles.items():
        close = its.close.copy()
        close[its.time > as_of] *= 10
        shocked[asset] = replace(its, close=close)
    later = replace(panel, candles=shocked)
    for event in (window(start=EARLY, BTC=0.5), shock(co_crash=0.3)):
        one, other = (path(event, each.until(as_of), NEW) for each in (panel, later))
        assert one.beta == other.beta
        assert np.array_equal(one.candles.close, other.candles.close)


def test_paths_are_finished() -> None:
    for event in (window(start=EARLY), window(start=BEFORE, BTC=0.5), shock(gap=0.3)):
        with pytest.raises(ValueError, match="read-only"):
            path(event, market(), BTC).candles.close[0] = 1.0


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_bundled_scenario_has_a_path_for_bitcoin_and_for_a_newcomer(name: str) -> None:
    found = scenario_paths(SCENARIOS[name], market(), [BTC, NEW, USDC], reference=BTC)
    assert all(isinstance(its, ScenarioPath) for its in found.values()), found


def test_real_prices_replay_the_windows_they_cover(market_data: Path) -> None:
    prices = market_data / "prices"
    files = {"BTC": "hourly_close/BTC__binclose25", "LUNA": "hourly/LUNA__binspot22", "USDC": "hourly_close/USDC__binclose25"}
    sources = [CandleSource(Asset(asset), (prices / f"{file}.csv.gz",)) for asset, file in files.items()]
    panel = load_panel(sources, CandleFormat(bar=HOUR), numeraire=Asset("USD"))
    told = {
        name: {asset: str(its) for asset, its in scenario_paths(SCENARIOS[name], panel, panel.assets, reference=BTC).items()}
        for name in ("2020-03-12", "2022-05-luna", "2023-03-usdc", "2024-08-05")
    }
    assert told["2020-03-12"]["BTC"] == "published"
    assert told["2022-05-luna"]["BTC"] == told["2022-05-luna"]["LUNA"] == "replayed"
    assert told["2023-03-usdc"]["USDC"] == "published"  # the panel's bars begin in the middle of the depeg
    assert told["2024-08-05"]["USDC"] == "replayed"
    assert "the feed has ended" in told["2024-08-05"]["LUNA"]
    for name in ("2022-05-luna", "2024-08-05"):
        its = scenario_paths(SCENARIOS[name], panel, [BTC], reference=BTC)[BTC]
        event = SCENARIOS[name].event
        assert isinstance(its, ScenarioPath)
        assert isinstance(event, Window)
        close = its.candles.close
        assert (1 - close / np.maximum.accumulate(close)).max() == pytest.approx(event.falls[BTC].drop, abs=0.03)
