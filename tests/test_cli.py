"""The command line on real files: results, words, exit codes, and nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskparams import cli
from studies import STUDY, candle_frame, write_study

Change = Callable[[pd.DataFrame], pd.DataFrame]


def riskparams(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the command in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["riskparams", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def frame() -> pd.DataFrame:
    return candle_frame("ALPHA")


def put(row: int, column: str, value: object) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame

    return change


LIVE = "current = { max_ltv = 0.75, liquidation_threshold = 0.80"
BAD_PRICES: dict[str, tuple[Change, list[str]]] = {
    "zero price": (put(41, "close", 0), ["row 42", "0", "close"]),
    "negative price": (put(41, "low", -1), ["row 42", "-1", "low"]),
    "NaN price": (put(41, "close", "nan"), ["row 42", "close"]),
    "infinite price": (put(41, "high", "inf"), ["row 42", "inf", "high"]),
    "high below low": (put(41, "high", 1e-6), ["row 42", "high"]),
    "duplicate stamp": (lambda frame: pd.concat([frame[:50], frame[49:]]), ["row 51"]),
    "unsorted stamps": (lambda frame: pd.concat([frame[:50], frame[60:70], frame[50:60], frame[70:]]), ["row 61"]),
    "naive stamps": (lambda frame: frame.assign(timestamp=frame["timestamp"].str.rstrip("Z")), ["offset from UTC"]),
    "unknown column": (lambda frame: frame.assign(vwap=1.0), ["vwap"]),
    "two bar lengths": (lambda frame: frame[::4], ["4h", "1h"]),
    "constant price": (lambda frame: frame.assign(open=5.0, high=5.0, low=5.0, close=5.0), ["5"]),
    "empty file": (lambda frame: frame[:0], ["empty"]),
    "60 returns": (lambda frame: frame[:61], ["60 usable returns", "100"]),
}


@pytest.mark.parametrize("case", BAD_PRICES)
def test_bad_prices_end_in_exit_3_with_a_message_and_no_report(
    case: str, tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change, said = BAD_PRICES[case]
    study = write_study(tmp_path, ALPHA=change(frame))
    out = tmp_path / "out"
    assert riskparams(monkeypatch, "run", study, "--prices", tmp_path, "--out", out, "--workers", 1) == 3
    message = capsys.readouterr().err
    for part in ["ALPHA", *said]:
        assert part in message, message
    assert not out.exists()


def test_a_missing_price_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path)
    (tmp_path / "BRAVO.csv").unlink()
    assert riskparams(monkeypatch, "check", study, "--prices", tmp_path) == 3
    assert "BRAVO.csv" in capsys.readouterr().err


def test_a_two_week_gap_splits_the_history_and_is_said_in_the_report(
    tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path, ALPHA=frame.drop(index=range(2000, 2000 + 336)))
    out = tmp_path / "out"
    assert riskparams(monkeypatch, "run", study, "--prices", tmp_path, "--out", out, "--workers", 1, "--json") == 0
    report = Path(json.loads(capsys.readouterr().out)["report"])
    assert "336 bars missing" in (report / "proposal.md").read_text(encoding="utf-8")
    assert "336 bars missing" in (report / "index.html").read_text(encoding="utf-8")


def test_a_gap_that_leaves_too_little_is_refused(
    tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path, ALPHA=frame.drop(index=range(8000, 8000 + 336)))
    assert riskparams(monkeypatch, "recommend", study, "--prices", tmp_path, "--workers", 1) == 3
    message = capsys.readouterr().err
    assert "ALPHA/USD" in message
    assert "after the gap" in message
    assert "min_window" in message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed = 7", "sed = 7", "did you mean 'seed'"),
        ("liquidation_bonus = 0.05", "liquidation_bonus = -0.1", "-0.1"),
        (LIVE, LIVE.replace("current", "proposed").replace("0.80", "0.99"), "1.0395"),
        ("max_ltv = 0.75", "max_ltv = 0.85", "above liquidation_threshold"),
    ],
)  # fmt: skip
def test_a_bad_study_ends_in_exit_2(
    old: str, new: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(STUDY.replace(old, new, 1), encoding="utf-8")
    assert riskparams(monkeypatch, "run", path, "--prices", tmp_path, "--out", tmp_path / "out") == 2
    message = capsys.readouterr().err
    assert said in message
    assert str(path) in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("as_of", "code", "said"), [("2001-01-01", 3, "first bar closes at"), ("yesterday", 2, "not a date")])
def test_an_as_of_before_the_data_or_no_date_at_all_is_refused(
    as_of: str, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path)
    assert riskparams(monkeypatch, "run", study, "--prices", tmp_path, "--as-of", as_of, "--out", tmp_path / "out") == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unwritable_report_folder_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="utf-8")
    study = write_study(tmp_path)
    assert riskparams(monkeypatch, "run", study, "--prices", tmp_path, "--out", blocked) == 2
    message = capsys.readouterr().err
    assert str(blocked) in message
    assert "--out" in message
    assert blocked.read_text(encoding="utf-8") == "in the way"


def test_a_constant_collateral_or_unknown_command_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert riskparams(monkeypatch, "predict") == 2
    assert riskparams(monkeypatch, "run") == 2


def test_recompute_does_nothing_twice_and_says_when_parameters_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path)
    out = tmp_path / "out"
    asked = ("recompute", study, "--prices", tmp_path, "--out", out, "--workers", 1)
    assert riskparams(monkeypatch, *asked, "--as-of", "2024-05-20", "--exit-code", "--json") == 10
    first = json.loads(capsys.readouterr().out)
    assert first["ran"]
    assert first["changes"] == ["ALPHA/USD: new", "BRAVO/USD: new"]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}

    assert riskparams(monkeypatch, *asked, "--as-of", "2024-05-20", "--exit-code", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {**first, "ran": False, "changes": []}
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before

    study.write_text(STUDY.replace("[model]", "[appetite]\nhaircut_level = 0.9\n\n[model]"))
    assert riskparams(monkeypatch, *asked, "--as-of", "2024-05-20", "--exit-code", "--json") == 10
    changed = json.loads(capsys.readouterr().out)
    assert any("liquidation_threshold" in line for line in changed["changes"])
    assert riskparams(monkeypatch, *asked, "--as-of", "2024-05-20") == 0


def test_commands_print_json_for_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path)
    for command in (["check", study], ["recommend", study, "--workers", 1], ["backtest", study, "--workers", 1]):
        assert riskparams(monkeypatch, *command, "--prices", tmp_path, "--json") == 0
        printed = capsys.readouterr()
        assert json.loads(printed.out)["schema_version"] == 1
    assert riskparams(monkeypatch, "inspect", "BRAVO", "--study", study, "--prices", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["pair"] == "BRAVO/USD"


def test_inspect_writes_a_figure_and_says_where_beside_one_json_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures"
    assert riskparams(monkeypatch, "inspect", "PEGD", "--out", out, "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["schema_version"] == 1
    assert str(out / "PEGD.png") in printed.err
    assert (out / "PEGD.png").read_bytes().startswith(b"\x89PNG")
    assert riskparams(monkeypatch, "inspect", "PEGD") == 0
    text = capsys.readouterr().out
    for words in ("pegged_series: The price moves like a pegged one", "no recommendation would be made", "Ljung-Box", "Hill"):
        assert words in text


def test_simulated_prices_are_labelled_wherever_they_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RISKPARAMS__model__paths", "1000")
    assert riskparams(monkeypatch, "recommend", "sample", "--workers", 1) == 0
    assert "SIMULATED" in capsys.readouterr().out
    for command in (["check", "sample"], ["inspect", "ALPHA"]):
        assert riskparams(monkeypatch, *command) == 0
        assert "SIMULATED" in capsys.readouterr().out


def test_volume_may_be_missing_and_is_then_said(
    tmp_path: Path,
    frame: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    study = write_study(tmp_path, ALPHA=frame.drop(columns="volume"))
    assert riskparams(monkeypatch, "recommend", study, "--prices", tmp_path, "--workers", 1, "--json") == 0
    pairs = json.loads(capsys.readouterr().out)["pairs"]
    assert "liquidity_unknown" in pairs["ALPHA/USD"]["flags"]
    assert pairs["ALPHA/USD"]["liquidation_bonus"] == 0.05
    study = write_study(tmp_path, BRAVO=candle_frame("BRAVO").assign(volume=np.nan))
    assert riskparams(monkeypatch, "recommend", study, "--prices", tmp_path, "--workers", 1, "--json") == 0
    [refused] = json.loads(capsys.readouterr().out)["refused"]
    assert (refused["pair"], refused["error"]) == ("BRAVO/USD", "Infeasible")
    assert refused["reason"].startswith("BRAVO/USD: neither volume nor a live bonus")
    assert "BRAVO/USD: refused" in caplog.text


def test_an_audit_and_an_explanation_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study, out = write_study(tmp_path), tmp_path / "out"
    assert riskparams(monkeypatch, "audit", study, "--prices", tmp_path, "--workers", 1) == 0
    assert "years between breaches" in capsys.readouterr().out
    assert riskparams(monkeypatch, "audit", study, "--prices", tmp_path, "--workers", 1, "--json") == 0
    assert json.loads(capsys.readouterr().out)["pairs"][0]["implied"][0]["drop"] > 0
    assert riskparams(monkeypatch, "run", study, "--prices", tmp_path, "--out", out, "--workers", 1) == 0
    capsys.readouterr()
    folder = next(out.iterdir())
    assert riskparams(monkeypatch, "explain", folder, "ALPHA/USD") == 0
    assert "maximum LTV = min(floor_to(" in capsys.readouterr().out
    assert riskparams(monkeypatch, "explain", folder, "OTHER/USD") == 2
    assert "give one of ALPHA/USD" in capsys.readouterr().err


def test_help_has_an_example_for_every_command() -> None:
    commands = ("demo", "run", "check", "inspect", "recommend", "backtest", "stress", "audit", "explain", "recompute")
    listed = subprocess.run(
        [sys.executable, "-m", "riskparams.cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in commands:
        assert command in listed
        shown = subprocess.run(
            [sys.executable, "-m", "riskparams.cli", command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        assert f"riskparams {command}" in shown
