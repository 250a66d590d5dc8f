"""`riskparams coverage` on real files: the table, the JSON, the file of forecasts, and what is refused before the work."""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest

from riskparams import cli
from riskparams.forecasts.model import MODELS
from riskparams.pipeline.coverage import AVERAGE
from riskparams.prices.panel import PricePanel
from riskparams.prices.sample import simulated_market
from studies import candle_frame

COLUMNS = ["asset", "time", "bar", "model", "var_975", "var_990", "es_975", "es_990", "realised", "made_at"]
FORECASTS = COLUMNS[4:8]
STUDY = """
[study]
name = "{name}"
seed = 7

[prices]
{prices}

[model]
reference = "{asset}"

[appetite]
liquidation_horizon = "24h"

[coverage]
models = [{models}]
window = "{window}"
min_window = "{min_window}"
refit = "{refit}"
{start}

[[pairs]]
collateral = "{asset}"
"""
FILES = 'bar = "1h"\n\n[prices.files]\nALPHA = "ALPHA.csv"\nBRAVO = "BRAVO.csv"'
INDEX = 'bundled = "index"\nbar = "1d"\ncalendar = "exchange"'


def study(path: Path, **changed: str) -> Path:
    """Write a study of 110 days of hourly files, refitted weekly on a month, unless told otherwise."""
    fields = {
        "name": path.stem, "prices": FILES, "asset": "ALPHA", "models": '"ewma-normal"', "window": "45d",
        "min_window": "40d", "refit": "7d", "start": "", **changed,
    }  # fmt: skip
    path.write_text(STUDY.format(**fields), encoding="utf-8")
    return path


@cache
def market() -> PricePanel:
    return simulated_market()


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prices")
    for name in ("ALPHA", "BRAVO"):
        candle_frame(name, bars=24 * 110, panel=market()).to_csv(folder / f"{name}.csv", index=False)
    return folder


def coverage(*arguments: object) -> tuple[int, str, str]:
    """Run the command in this process; return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["riskparams", "coverage", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def strictly(text: str) -> Any:
    """Return JSON that holds no NaN and no infinity."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def forecasts(path: Path, *arguments: object) -> pd.DataFrame:
    code, _, err = coverage(*arguments, "--out", path, "--workers", 1)
    assert code == 0, err
    return pd.read_parquet(path)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], pd.DataFrame, str]:
    """Return the JSON, the forecasts and the text of every model on two months of the bundled market."""
    folder = tmp_path_factory.mktemp("sample")
    path = study(folder / "short.toml", prices='bundled = "simulated"', start="start = 2024-04-02")
    out = folder / "new" / "forecasts.parquet"
    code, printed, err = coverage(path, "--models", "all", "--json", "--out", out, "--workers", 1)
    assert code == 0, err
    assert f"{12 * 60 * 24:,} forecasts in {out}" in err
    assert [file.name for file in out.parent.iterdir()] == ["forecasts.parquet"]
    code, text, _ = coverage(path, "--models", "all", "--workers", 1)
    assert code == 0
    return strictly(printed), pd.read_parquet(out), text


def test_the_file_holds_one_row_per_forecast_in_the_columns_that_were_promised(
    sample: tuple[dict[str, Any], pd.DataFrame, str],
) -> None:
    table = sample[1]
    assert list(table.columns) == COLUMNS
    assert len(table) == 12 * 60 * 24
    assert not table.duplicated(["asset", "time", "bar", "model"]).any()
    assert list(table["model"].unique()) == [*MODELS, AVERAGE]
    assert set(table["asset"]) == {"ALPHA"}
    assert set(table["bar"]) == {"1h"}
    for column in ("time", "made_at"):
        assert str(table[column].dtype.tz) == "UTC"
    assert (table["time"] - table["made_at"] == pd.Timedelta(hours=1)).all()
    assert table["time"].min() == pd.Timestamp("2024-04-02T01:00Z")
    assert np.isfinite(table[[*FORECASTS, "realised"]].to_numpy()).all()
    assert (table["var_975"] > 0).all()
    assert (table["var_990"] > table["var_975"]).all()
    assert (table["es_990"] > table["es_975"]).all()
    assert (table["es_975"] > table["var_975"]).all()
    assert (table["es_990"] > table["var_990"]).all()
    closes = pd.Series(np.log(market()["ALPHA"].close), index=pd.to_datetime(market()["ALPHA"].time, utc=True))
    one = table[table["model"] == "component"].set_index("time")
    np.testing.assert_allclose(one["realised"], -closes.diff().loc[one.index], rtol=1e-12)


def test_the_json_says_what_was_judged_in_finite_numbers_or_null(sample: tuple[dict[str, Any], pd.DataFrame, str]) -> None:
    found, table, _ = sample
    assert (found["schema_version"], found["simulated"]) == (1, True)
    assert [(one["bar"], one["level"], one["assets"]) for one in found["tables"]] == [
        ("1h", 0.975, ["ALPHA"]),
        ("1h", 0.99, ["ALPHA"]),
    ]
    for one, column in zip(found["tables"], ("var_975", "var_990"), strict=True):
        assert (one["from"], one["to"]) == ("2024-04-02T01:00:00Z", "2024-06-01T00:00:00Z")
        assert [row["model"] for row in one["rows"]] == [*MODELS, AVERAGE]
        assert [row["first_less_this"] is None for row in one["rows"]] == [True] + [False] * 11
        assert one["members"] == [{"from": "2024-04-02T00:59:59Z", "members": list(MODELS)}]
        assert 0 < one["range"]["low"] < 1 < one["range"]["high"]
        assert set(one["range"]["members"]) <= set(MODELS)
        for row in one["rows"]:
            said = table[table["model"] == row["model"]]
            assert row["hits"] == int((said["realised"] > said[column]).sum())
            assert row["hit_rate_over_target"] == pytest.approx(row["hits"] / len(said) / (1 - one["level"]))
            assert all(value is None or np.isfinite(value) for key, value in row.items() if key != "model")
    assert len(found["series"]) == 2 * 12
    assert {(one["model"], one["level"]) for one in found["series"]} == {
        (model, level) for model in (*MODELS, AVERAGE) for level in (0.975, 0.99)
    }
    assert all(one["bars"] == 1440 and one["refits"] >= 1 for one in found["series"])


def test_the_power_of_the_tests_stands_beside_them(sample: tuple[dict[str, Any], pd.DataFrame, str]) -> None:
    found, _, text = sample
    for one in found["tables"]:
        power = one["power"]
        assert power["sample"] == 1440
        assert power["true_rate"] == pytest.approx(1.5 * (1 - one["level"]))
        for name in ("kupiec", "conditional_coverage", "dynamic_quantile", "exceedance_residuals"):
            assert 0 < power[name] <= 1
    assert found["tables"][1]["power"]["kupiec"] < found["tables"][0]["power"]["kupiec"]
    lines = [line for line in text.splitlines() if line.startswith("Power at 1,440 bars and 5%")]
    assert len(lines) == 2
    for line, one in zip(lines, found["tables"], strict=True):
        assert f"Kupiec {one['power']['kupiec']:.2f} against a miss rate of {one['power']['true_rate']:.2%}" in line
        assert f"ES residuals {one['power']['exceedance_residuals']:.2f}" in line


def test_the_text_is_the_json_as_a_table(sample: tuple[dict[str, Any], pd.DataFrame, str]) -> None:
    found, _, text = sample
    lines = text.splitlines()
    assert lines[0] == "SIMULATED prices: an example, not advice"
    assert "1h bars, level 97.5%, 1 series, 1,440 forecasts by each model, 2024-04-02 to 2024-06-01" in lines
    for model in (*MODELS, AVERAGE):
        shown = [line.split() for line in lines if line.split()[:1] == [model]]
        rows = [row for one in found["tables"] for row in one["rows"] if row["model"] == model]
        assert [(line[1], line[8], line[-1]) for line in shown] == [
            (
                f"{row['hit_rate_over_target']:.3f}",
                f"{row['fz0']:.4f}",
                {True: "yes", False: "no", None: "-"}[row["in_confidence_set"]],
            )
            for row in rows
        ]
    assert sum(line.startswith("Confidence set at the end, both levels together: ") for line in lines) == 2
    assert "nan" not in text


def test_the_average_is_the_mean_of_its_members(sample: tuple[dict[str, Any], pd.DataFrame, str]) -> None:
    table = sample[1]
    mean = table[table["model"] != AVERAGE].groupby("time")[FORECASTS].mean()
    average = table[table["model"] == AVERAGE].set_index("time")[FORECASTS]
    pd.testing.assert_frame_equal(average, mean, check_like=True, rtol=1e-12)


def test_two_processes_write_the_same_bytes_as_one(tmp_path: Path, prices: Path) -> None:
    path = study(tmp_path / "short.toml")
    for workers in (1, 2):
        asked = (path, "--prices", prices, "--models", "component,garch-t,historical", "--workers", workers)
        code, printed, err = coverage(*asked, "--json", "--out", tmp_path / f"{workers}.parquet")
        assert code == 0, err
        (tmp_path / f"{workers}.json").write_text(printed, encoding="utf-8")
    for kind in ("parquet", "json"):
        assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes()


def test_the_order_of_the_models_changes_no_forecast(tmp_path: Path, prices: Path) -> None:
    path = study(tmp_path / "short.toml")
    names = ["garch-t", "component", "historical"]
    one, other = (
        forecasts(tmp_path / f"{at}.parquet", path, "--prices", prices, "--models", ",".join(order))
        for at, order in enumerate((names, names[::-1]))
    )
    assert list(other["model"].unique()) == [*names[::-1], AVERAGE]
    by = ["model", "time"]
    pd.testing.assert_frame_equal(
        one.sort_values(by, ignore_index=True), other.sort_values(by, ignore_index=True), check_exact=True
    )


def test_a_csv_holds_the_same_forecasts_to_the_bit(tmp_path: Path, prices: Path) -> None:
    path = study(tmp_path / "short.toml")
    expected = forecasts(tmp_path / "out.parquet", path, "--prices", prices)
    assert coverage(path, "--prices", prices, "--out", tmp_path / "out.csv")[0] == 0
    found = pd.read_csv(tmp_path / "out.csv", dtype=str)
    found = found.astype(dict.fromkeys([*FORECASTS, "realised"], float))
    for column in ("time", "made_at"):
        found[column] = pd.to_datetime(found[column])
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=False)


def test_an_earlier_date_ends_the_forecasts_and_changes_none(tmp_path: Path, prices: Path) -> None:
    path = study(tmp_path / "short.toml", models='"component"')
    whole = forecasts(tmp_path / "whole.parquet", path, "--prices", prices)
    known = forecasts(tmp_path / "known.parquet", path, "--prices", prices, "--as-of", "2024-05-10")
    assert known["time"].max() == pd.Timestamp("2024-05-10T00:00Z")
    past = whole[whole["time"] <= known["time"].max()].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, past, check_exact=True)


def test_studies_of_two_bar_lengths_are_judged_apart(tmp_path: Path, prices: Path) -> None:
    hourly = study(tmp_path / "hourly.toml")
    daily = study(
        tmp_path / "daily.toml", prices=INDEX, asset="SPX", window="500d", min_window="500d", start="start = 2018-01-01"
    )
    code, printed, err = coverage(hourly, daily, "--prices", prices, "--json", "--out", tmp_path / "both.parquet")
    assert code == 0, err
    found = strictly(printed)
    assert found["simulated"] is False
    assert [(one["bar"], one["level"], one["assets"]) for one in found["tables"]] == [
        ("1d", 0.975, ["SPX"]), ("1d", 0.99, ["SPX"]), ("1h", 0.975, ["ALPHA"]), ("1h", 0.99, ["ALPHA"]),
    ]  # fmt: skip
    assert found["tables"][0]["rows"][0]["in_confidence_set"] is True
    table = pd.read_parquet(tmp_path / "both.parquet")
    assert table.groupby("asset")["bar"].unique().map(list).to_dict() == {"ALPHA": ["1h"], "SPX": ["1d"]}
    alone = forecasts(tmp_path / "alone.parquet", hourly, "--prices", prices)
    pd.testing.assert_frame_equal(table[table["bar"] == "1h"].reset_index(drop=True), alone, check_exact=True)


def test_two_studies_of_the_same_bars_are_judged_together(tmp_path: Path, prices: Path) -> None:
    one, other = study(tmp_path / "one.toml"), study(tmp_path / "other.toml", asset="BRAVO", refit="14d")
    code, printed, _ = coverage(one, other, "--prices", prices, "--json")
    assert code == 0
    assert [table["assets"] for table in strictly(printed)["tables"]] == [["ALPHA", "BRAVO"]] * 2


def test_a_collateral_of_two_pairs_is_forecast_once(tmp_path: Path, prices: Path) -> None:
    path = study(tmp_path / "short.toml")
    path.write_text(path.read_text() + '\n[[pairs]]\ncollateral = "ALPHA"\ndebt = "BRAVO"\n', encoding="utf-8")
    table = forecasts(tmp_path / "out.parquet", path, "--prices", prices)
    assert not table.duplicated(["asset", "time", "model"]).any()


def test_a_two_week_gap_is_walked_over(tmp_path: Path) -> None:
    frame = candle_frame("ALPHA", bars=24 * 110, panel=market())
    frame.drop(index=range(24 * 60, 24 * 74)).to_csv(tmp_path / "ALPHA.csv", index=False)
    frame.to_csv(tmp_path / "BRAVO.csv", index=False)
    path = study(tmp_path / "gap.toml", models='"component"')
    table = forecasts(tmp_path / "out.parquet", path, "--prices", tmp_path)
    apart = (table["time"] - table["made_at"]).value_counts()
    assert apart.to_dict() == {pd.Timedelta(hours=1): len(table) - 1, pd.Timedelta(days=14, hours=2): 1}
    assert np.isfinite(table[FORECASTS].to_numpy()).all()


REFUSED: dict[str, tuple[dict[str, str], list[str], int, list[str]]] = {
    "a name without a kind": ({}, ["--out", "{folder}/forecasts"], 2, ["ends in .parquet or .csv"]),
    "another kind": ({}, ["--out", "{folder}/forecasts.xlsx"], 2, ["ends in .parquet or .csv"]),
    "a folder": ({}, ["--out", "{folder}/folder.parquet"], 2, ["folder.parquet is a folder"]),
    "a file in the way": ({}, ["--out", "{folder}/blocked/out.csv"], 2, ["blocked", "--out"]),
    "an unknown model": ({}, ["--models", "garch_t"], 2, ["'garch_t'", "did you mean 'garch-t'"]),
    "a model twice": ({}, ["--models", "garch-t,garch-t"], 2, ["'garch-t' is named 2 times"]),
    "an unknown model of the study": ({"models": '"gjr"'}, [], 2, ["short.toml: coverage", "no forecast model 'gjr'"]),
    "no model": ({"models": ""}, [], 2, ["coverage.models"]),
    "a window that shrinks": ({"window": "30d"}, [], 2, ["min_window of 40 days is longer than the window of 30"]),
    "a refit of nothing": ({"refit": "0d"}, [], 2, ["coverage.refit", "above 0"]),
    "a history too short": ({"window": "400d", "min_window": "200d"}, [], 3, ["ALPHA/USD", "ends before the first forecast"]),
    "a start after the end": ({"start": "start = 2030-01-01"}, [], 3, ["ALPHA/USD", "start earlier"]),
    "too few bars to judge": ({"start": "start = 2024-05-31T20:00:00Z"}, [], 3, ["ALPHA, ewma-normal", "4 "]),
    "one bar to judge": ({"start": "start = 2024-05-31T23:00:00Z"}, [], 3, ["ALPHA, ewma-normal"]),
    "too few weeks to compare": (
        {"start": "start = 2024-05-10"}, ["--models", "ewma-normal,historical"], 3, ["1h bars cannot compare models"]
    ),
    "an earlier date": ({}, ["--as-of", "2024-03-01"], 3, ["ends before the first forecast"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_refused_by_name_and_leaves_nothing(case: str, tmp_path: Path, prices: Path) -> None:
    changed, options, code, said = REFUSED[case]
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "blocked").write_text("in the way", encoding="utf-8")
    path = study(tmp_path / "short.toml", **changed)
    asked = [option.format(folder=tmp_path) for option in options]
    if "--out" not in asked:
        asked += ["--out", f"{tmp_path}/new/out.parquet"]
    found, printed, err = coverage(path, "--prices", prices, "--workers", 1, *asked)
    assert (found, printed) == (code, ""), err
    for part in said:
        assert part in err
    assert "Traceback" not in err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["blocked", "folder.parquet", "short.toml"]


def test_a_target_that_cannot_be_written_is_refused_before_any_price_is_read(tmp_path: Path) -> None:
    path = study(tmp_path / "short.toml")
    code, _, err = coverage(path, "--prices", tmp_path / "nowhere", "--out", tmp_path / "out.txt")
    assert code == 2
    assert "out.txt" in err


def test_two_studies_that_would_overwrite_each_other_are_refused(tmp_path: Path, prices: Path) -> None:
    one, other = study(tmp_path / "one.toml"), study(tmp_path / "other.toml", refit="14d")
    code, printed, err = coverage(one, other, "--prices", prices)
    assert (code, printed) == (2, "")
    assert "studies one and other both forecast the 1h bars of ALPHA" in err


def test_two_studies_whose_models_differ_at_the_same_bars_are_refused(tmp_path: Path, prices: Path) -> None:
    one = study(tmp_path / "one.toml", models='"ewma-normal", "historical"')
    other = study(tmp_path / "other.toml", asset="BRAVO", models='"historical"')
    for asked in ((one, other), (other, one)):
        code, _, err = coverage(*asked, "--prices", prices)
        assert code == 2
        assert "ask for different models, ewma-normal in one of them only" in err
    assert coverage(one, other, "--prices", prices, "--models", "historical")[0] == 0


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_write_that_fails_leaves_the_earlier_file_whole(kind: str, tmp_path: Path, prices: Path) -> None:
    path, out = study(tmp_path / "short.toml"), tmp_path / "new" / f"out.{kind}"
    assert coverage(path, "--prices", prices, "--workers", 1, "--out", out)[0] == 0
    earlier = out.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a full disk
    try:
        code, _, err = coverage(path, "--prices", prices, "--workers", 1, "--out", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2
    assert f"{out} cannot be written" in err
    assert out.read_bytes() == earlier
    assert [file.name for file in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("name", ["prices.csv", "prices.parquet", "study.csv"])
def test_a_file_that_holds_something_else_is_not_overwritten(name: str, tmp_path: Path, prices: Path) -> None:
    path, out = study(tmp_path / "short.toml"), tmp_path / name
    held = b"timestamp,close\n2024-01-01T00:00:00Z,1.0\n" if name != "study.csv" else b"\xff\x00"
    out.write_bytes(held)
    code, _, err = coverage(path, "--prices", prices, "--out", out)
    assert code == 2
    assert "is no table of forecasts: it is not overwritten" in err
    assert out.read_bytes() == held


@pytest.mark.slow
def test_on_bitcoin_and_ether_the_default_beats_historical_simulation(tmp_path: Path, market_data: Path) -> None:
    text = (Path(__file__).parents[1] / "studies" / "forecasts-daily.toml").read_text(encoding="utf-8")
    head, *pairs = text.split("[[pairs]]")
    path = tmp_path / "daily.toml"
    path.write_text("[[pairs]]".join([head, *(pair for pair in pairs if "BTC" in pair or "ETH" in pair)]), encoding="utf-8")
    asked = ("--prices", market_data / "prices", "--models", "component,garch-t,historical", "--workers", 1)
    code, printed, err = coverage(path, *asked, "--json", "--out", tmp_path / "out.parquet")
    assert code == 0, err
    found = strictly(printed)
    for table in found["tables"]:
        fz0 = {row["model"]: row["fz0"] for row in table["rows"]}
        assert table["assets"] == ["BTC", "ETH"]
        assert fz0["component"] < fz0["historical"]
    component = [one for one in found["series"] if one["model"] == "component"]
    assert len(component) == 4
    assert min(one["kupiec_p"] for one in component) >= 0.01
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert list(table.columns) == COLUMNS
    assert not table.isna().any(axis=None)
    assert (table["made_at"] < table["time"]).all()
    assert table["time"].min() > pd.Timestamp("2020-01-01T00:00Z")
    assert (table[FORECASTS] > 0).all(axis=None)
    assert table[FORECASTS].median().between(0.02, 0.3).all()
