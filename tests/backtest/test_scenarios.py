"""Scenarios: what their files say, where that comes from, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskparams.backtest.scenario_files import load_scenarios, read_scenario
from riskparams.backtest.scenarios import Fall, Scenario, Shock, Window
from riskparams.errors import ConfigError
from riskparams.prices.sample import bundled
from riskparams.terms import NANOSECONDS, Asset, iso

SCENARIOS = load_scenarios()
WINDOWS = ["2020-03-12", "2021-05-19", "2022-05-luna", "2022-06", "2022-11", "2023-03-usdc", "2024-08-05"]
SHOCKS = ["co-crash", "depeg", "depth-x0.1", "fall-30-4h", "gap-30", "gas-x20", "oracle-frozen-2h"]
FALLS = [(name, asset) for name in WINDOWS for asset in SCENARIOS[name].event.falls]  # type: ignore[union-attr]

WINDOW = """
name = "test"
title = "A fall"
kind = "window"
start = 2020-01-01T00:00:00Z
end = 2020-01-03T00:00:00Z

[[facts]]
says = "BTC fell."
source = "a test"

[falls.BTC]
drop = 0.5
hours = 12
peak = 100
peak_at = 2020-01-01T06:00:00Z
trough = 50
trough_at = 2020-01-01T18:00:00Z
source = "a test"
"""
SHOCK = """
name = "test"
title = "A gap"
kind = "shock"
gap = 0.3

[[facts]]
says = "It is assumed."
source = "a test"
"""


def window(name: str) -> Window:
    event = SCENARIOS[name].event
    assert isinstance(event, Window)
    return event


def shock(name: str) -> Shock:
    event = SCENARIOS[name].event
    assert isinstance(event, Shock)
    return event


def written(folder: Path, text: str) -> Path:
    path = folder / "test.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_scenario_of_the_issue_is_bundled() -> None:
    assert sorted(SCENARIOS) == sorted(WINDOWS + SHOCKS)
    assert {name for name, scenario in SCENARIOS.items() if isinstance(scenario.event, Window)} == set(WINDOWS)


@pytest.mark.parametrize("name", WINDOWS + SHOCKS)
def test_every_scenario_says_what_it_rests_on(name: str) -> None:
    scenario = SCENARIOS[name]
    assert scenario.title
    assert all(fact.says.endswith(".") and fact.source for fact in scenario.facts)


@pytest.mark.parametrize("name", WINDOWS)
def test_every_window_has_the_fall_of_bitcoin_and_ether(name: str) -> None:
    assert {"BTC", "ETH"} <= set(window(name).falls)


def test_the_named_assets_have_their_falls() -> None:
    assert window("2022-05-luna").falls[Asset("LUNA")].drop > 0.99999
    assert {"USDC", "DAI"} <= set(window("2023-03-usdc").falls)


def test_the_shocks_have_the_sizes_of_the_issue() -> None:
    assert shock("gap-30") == Shock(gap=0.30)
    assert shock("fall-30-4h") == Shock(gap=0.30, falling=timedelta(hours=4))
    assert shock("oracle-frozen-2h") == replace(shock("fall-30-4h"), oracle_frozen=timedelta(hours=2))
    assert shock("gas-x20") == Shock(gap=0.30, gas_multiplier=20)
    assert shock("depth-x0.1") == Shock(gap=0.30, depth_multiplier=0.1)
    assert shock("co-crash") == Shock(co_crash=0.30)
    depeg = shock("depeg").depeg
    assert depeg is not None
    assert depeg.asset is None


@pytest.mark.parametrize(("name", "asset"), FALLS)
def test_every_figure_agrees_with_its_prices_and_times(name: str, asset: Asset) -> None:
    fall = window(name).falls[asset]
    assert fall.drop == pytest.approx(1 - fall.trough / fall.peak, abs=5.1e-5)
    assert fall.hours * 3_600 * NANOSECONDS == fall.trough_at - fall.peak_at
    assert window(name).start <= fall.peak_at < fall.trough_at <= window(name).end


def closes(folder: Path, asset: str, source: str, window: Window) -> pd.Series[float]:
    """Return the closes that a source names, stamped by the close of their bar, inside a window."""
    choices = {
        "Bitstamp hourly closes": [(f"hourly/{asset}__bitstamp22.csv.gz", 1)],
        "Binance spot hourly closes": [
            (f"hourly_close/{asset}__binclose25.csv.gz", 1),
            (f"hourly/{asset}__binspot26.csv.gz", 1),
            (f"hourly/{asset}__binspot22.csv.gz", 1),
        ],
        "Binance spot four-hour closes": [(f"bars4h/{asset}__binspot26.csv.gz", 4)],
    }[source.split(",")[0]]
    name, hours = next((name, hours) for name, hours in choices if (folder / "prices" / name).exists())
    table = pd.read_csv(folder / "prices" / name)
    close = pd.Series(table.close.to_numpy(), index=pd.to_datetime(table.timestamp, utc=True) + pd.Timedelta(hours=hours))
    return close[pd.Timestamp(iso(window.start)) : pd.Timestamp(iso(window.end))]


@pytest.mark.parametrize(("name", "asset"), FALLS)
def test_the_prices_on_record_are_those_of_the_files(name: str, asset: Asset, market_data: Path) -> None:
    fall = window(name).falls[asset]
    if "aily" in fall.source:
        table = pd.read_csv(market_data / "prices" / "daily" / f"{asset}.csv", index_col="date")
        assert table.close["2023-03-10"] == pytest.approx(fall.peak, rel=1e-6)
        assert table.low["2023-03-11"] == pytest.approx(fall.trough, rel=1e-6)
        return
    close = closes(market_data, asset, fall.source, window(name))
    largest = 1 - close / close.cummax()
    trough = largest.idxmax()
    assert largest.max() == pytest.approx(fall.drop, abs=5.1e-5)
    assert (iso(fall.trough_at), close[trough]) == (f"{trough:%Y-%m-%dT%H:%M:%SZ}", pytest.approx(fall.trough, rel=1e-7))
    assert close[pd.Timestamp(iso(fall.peak_at))] == pytest.approx(fall.peak, rel=1e-7)


def test_the_facts_of_the_shocks_that_prices_can_check(market_data: Path) -> None:
    hourly = market_data / "prices" / "hourly"
    btc = pd.read_csv(hourly / "BTC__bitstamp22.csv.gz").close
    assert round((1 - btc / btc.shift(1)).max(), 3) == 0.165
    assert round((1 - btc / btc.shift(24)).max(), 3) == 0.467
    names = ["BTC__bitstamp22", "ETH__bitstamp22", "UNI__binspot26"]
    names += [f"{a}__binperp24" for a in ("LINK", "AAVE", "MKR", "COMP")]
    falls = {}
    for name in names:
        close = pd.read_csv(hourly / f"{name}.csv.gz").close
        falls[name] = round((1 - close / close.shift(1)).max(), 3)
    assert max(falls.values()) == falls["COMP__binperp24"] == 0.274
    for name, below in (("ETH__bitstamp22", 0.278), ("UNI__binspot26", 0.395)):
        table = pd.read_csv(hourly / f"{name}.csv.gz")
        assert round((1 - table.low / table.close.shift(1)).max(), 3) == below
    usdc = closes(market_data, "USDC", "Binance spot hourly closes", window("2023-03-usdc"))
    low = pd.Timestamp(iso(window("2023-03-usdc").falls[Asset("USDC")].trough_at))
    for level, hours in ((0.98, 39), (0.99, 53)):
        last_below = usdc[usdc <= level].index[-1]
        assert (last_below - low) / pd.Timedelta(hours=1) == hours - 1


def test_a_scenario_reads_back_as_it_was_written(tmp_path: Path) -> None:
    event = read_scenario(written(tmp_path, WINDOW)).event
    assert isinstance(event, Window)
    assert event.falls[Asset("BTC")].hours == 12
    assert iso(event.falls[Asset("BTC")].peak_at) == "2020-01-01T06:00:00Z"
    assert read_scenario(written(tmp_path, SHOCK)).event == Shock(gap=0.3)


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (WINDOW, 'name = "test"', 'name = "other"', r"test\.toml: name is 'other': expected 'test', the name of the file"),
        (WINDOW, '"window"', '"storm"', r"test\.toml: kind is 'storm': expected \"window\" or \"shock\""),
        (WINDOW, "title =", "tittle =", r"test\.toml: unknown key tittle: did you mean 'title'\?"),
        (WINDOW, 'title = "A fall"\n', "", r"test\.toml: title is missing"),
        (WINDOW, "end = 2020-01-03T00:00:00Z", "end = 2020-01-03T00:00:00", r"end is .*: expected a time in UTC"),
        (WINDOW, "end = 2020-01-03", "end = 2019-01-03", r"end is 2019-01-03T00:00:00Z: expected a time after start"),
        (WINDOW, "end = 2020-01-03", "end = 2020-01-01T12:00:00Z #", r"falls\.BTC lasts from .*: expected times within"),
        (WINDOW, "drop = 0.5", "drop = 0.4", r"falls\.BTC: drop is 0\.4: expected 0\.5, which is 1 - trough / peak"),
        (WINDOW, "drop = 0.5", "drop = true", r"falls\.BTC: drop is True: expected a number"),
        (WINDOW, "hours = 12", "hours = 13", r"falls\.BTC: hours is 13: expected 12"),
        (WINDOW, "hours = 12", "hours = nan", r"falls\.BTC: hours is nan: expected 12"),
        (WINDOW, "trough = 50", "trough = 150", r"falls\.BTC: trough is 150 and peak 100"),
        (WINDOW, "peak = 100", "peak = nan", r"falls\.BTC: trough is 50 and peak nan"),
        (WINDOW, "18:00:00Z", "05:00:00Z", r"falls\.BTC: trough_at is .*: expected a time after peak_at"),
        (WINDOW, "[[facts]]", "[[fact]]", r"unknown key fact: did you mean 'facts'\?"),
        (WINDOW, 'says = "BTC fell."', "says = 3", r"facts\[0\]: says is 3: expected some text"),
        (WINDOW, "hours = 12", "zzz = 12", r"falls\.BTC: unknown key zzz: expected drop, hours, peak"),
        (SHOCK, "gap = 0.3", "gap = 1.3", r"test\.toml: gap is 1\.3: expected a drop, 0 or more and below 1"),
        (SHOCK, "gap = 0.3", "gap = nan", r"gap is nan: expected a drop"),
        (SHOCK, "gap = 0.3", "gas_multiplier = 20", r"no price moves"),
        (SHOCK, "gap = 0.3", "gap = 0.3\nco_crash = 0.3", r"co_crash is 0\.3: expected 0 beside a gap"),
        (SHOCK, "gap = 0.3", "gap = 0.3\ngas_multiplier = 0.5", r"gas_multiplier is 0\.5: expected a number, 1 or more"),
        (SHOCK, "gap = 0.3", "gap = 0.3\ndepth_multiplier = 0", r"depth_multiplier is 0\.0: expected a share above 0"),
        (
            SHOCK,
            "gap = 0.3",
            'gap = 0.3\noracle_frozen = "soon"',
            r"oracle_frozen is 'soon': expected a number and s, m, h or d",
        ),
        (SHOCK, "gap = 0.3", "depeg = 0.3", r"depeg: found 0\.3: expected a table"),
        (SHOCK, "gap = 0.3", 'depeg = { depth = 2, duration = "1h" }', r"depeg: depth is 2\.0: expected"),
        (SHOCK, "gap = 0.3", "depeg = { depth = 0.1 }", r"depeg: duration is missing"),
        (SHOCK, "gap = 0.3", "start = 2020-01-01T00:00:00Z", r"unknown key start"),
        (SHOCK, "gap = 0.3", "gap = ", r"test\.toml is not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_key(tmp_path: Path, text: str, old: str, new: str, message: str) -> None:
    assert old in text
    with pytest.raises(ConfigError, match=message):
        read_scenario(written(tmp_path, text.replace(old, new, 1)))


def test_a_folder_without_scenarios_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no scenario"):
        load_scenarios(tmp_path)
    with pytest.raises(ConfigError, match="no folder of scenarios"):
        load_scenarios(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"test\.toml cannot be read"):
        read_scenario(tmp_path / "test.toml")


def test_a_shock_can_be_asked_for_in_another_size() -> None:
    assert SCENARIOS["gas-x20"].sized(0.5).event == Shock(gap=0.5, gas_multiplier=20)
    assert SCENARIOS["co-crash"].sized(0.5).event == Shock(co_crash=0.5)
    event = SCENARIOS["depeg"].sized(0.5).event
    assert isinstance(event, Shock)
    assert event.depeg is not None
    assert event.depeg.depth == 0.5
    with pytest.raises(ConfigError, match="one size"):
        SCENARIOS["2020-03-12"].sized(0.5)
    with pytest.raises(ConfigError, match="gap is 1"):
        SCENARIOS["gap-30"].sized(1.0)


def test_scenarios_cannot_be_changed() -> None:
    falls = window("2020-03-12").falls
    with pytest.raises(TypeError):
        falls[Asset("BTC")] = falls[Asset("ETH")]  # type: ignore[index]


def test_the_bundled_files_are_found_where_the_package_looks() -> None:
    assert sorted(entry.name for entry in bundled("data/scenarios").iterdir()) == sorted(f"{name}.toml" for name in SCENARIOS)
    assert all(isinstance(scenario, Scenario) for scenario in SCENARIOS.values())
    assert all(isinstance(fall, Fall) and np.isfinite(fall.drop) for name in WINDOWS for fall in window(name).falls.values())
