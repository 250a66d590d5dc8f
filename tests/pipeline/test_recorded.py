"""Recorded positions from files: what a study may say of them, what is refused and how, and the command that replays them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from riskparams import cli
from riskparams.errors import ConfigError, DataError
from riskparams.pipeline.recorded import replay_recorded
from riskparams.settings import load_study, parse_moment
from riskparams.terms import nanoseconds

STUDY = """
[study]
name = "small"
seed = 7

[prices.files]
ALPHA = "ALPHA.csv"

[model]
reference = "ALPHA"

[[pairs]]
collateral = "ALPHA"

[history]
collateral = "ALPHA"
time = "when"
dates = [2024-01-01T05:00:00Z, 2024-01-02]
accounts = [1]

[[history.events]]
file = "owners.csv"
amount = "amount"
kind_column = "what"

[[history.events]]
file = "out.csv"
amount = "amount"
kind = "withdraw"
negative = true

[history.liquidations]
file = "seized.csv"
debt = "debt"
collateral = "taken"

[history.parameters]
file = "changes.csv"
borrow_rate = "fee"
liquidation_ratio = "ratio"

[history.oracle]
files = ["ALPHA.csv"]
delay = "1h"
allowance = 0.02
outages = [{ start = 2024-01-01T09:00:00Z, end = 2024-01-01T10:00:00Z }]
"""

FILES = {
    "owners.csv": """
account,block,when,what,amount
1,1,2024-01-01T02:30:00Z,deposit,10
1,2,2024-01-01T02:40:00Z,Borrow,1000
2,2,2024-01-01T02:40:00Z,deposit,5
2,2,2024-01-01T02:40:00Z,borrow,100
2,9,2024-01-01T12:10:00Z,repay,100
""",
    "out.csv": """
account,block,when,amount
2,10,2024-01-01T12:20:00Z,-5
""",
    "seized.csv": """
account,block,when,debt,taken
1,8,2024-01-01T10:00:10Z,1000,10
""",
    "changes.csv": """
when,parameter,value
2024-01-01T00:00:00Z,fee,0.05
2024-01-01T00:00:00Z,ratio,1.5
2024-01-01T00:00:00Z,penalty,none
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a study, its prices and its history: account 1 is unsafe when it is liquidated, 2 never."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.lstrip())
    close = [200.0] * 8 + [149.0, 140.0, 141.0, 200.0, 201.0, 200.0]
    start = pd.date_range("2024-01-01", periods=len(close), freq="h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    columns = {"timestamp": start, "open": close, "high": close, "low": [0.7 * price for price in close], "close": close}
    pd.DataFrame(columns).to_csv(tmp_path / "ALPHA.csv", index=False)
    (tmp_path / "small.toml").write_text(STUDY)
    return tmp_path


def replayed(folder: Path, **options: Any) -> dict[str, Any]:
    study = load_study(folder / "small.toml", {})
    return replay_recorded(study, data=folder, prices=folder, **options).to_dict()


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


def test_a_small_history_is_rebuilt_and_matched(folder: Path) -> None:
    found = replayed(folder)
    rebuilt = found["rebuild"]
    assert (rebuilt["owner_events"], rebuilt["accounts"], rebuilt["liquidations"], rebuilt["episodes"]) == (6, 2, 1, 1)
    assert [one["collateral"] for one in rebuilt["dates"]] == [15, 0]
    assert rebuilt["accounts_named"][0]["recorded_debt"] == 1_000
    assert rebuilt["incomplete"]["accounts"] == []
    # the bar that starts at 8 closes at 9 with 149, in force from 10 on: the hour of the record
    assert (found["match"]["recall"], found["match"]["same_hour"], found["match"]["episodes"]) == (1, 1, 1)
    assert (found["match"]["precision"], found["match"]["alarm_recall"]) == (1, 1)
    assert found["ablations"]["no_delay"]["same_hour"] == 0
    assert set(found["data_sha256"]) == set(FILES)


def test_an_outage_keeps_the_price_before_it(folder: Path) -> None:
    change(folder, "small.toml", "T09:00:00Z, end = 2024-01-01T10:00:00Z", "T10:00:00Z, end = 2024-01-01T13:00:00Z")
    assert replayed(folder)["match_with_outages"]["recall"] == 0
    change(folder, "small.toml", "outages", "# outages")
    assert replayed(folder)["match_with_outages"] is None


def test_nothing_later_than_the_date_asked_for_is_used(folder: Path) -> None:
    change(folder, "seized.csv", "2024-01-01T10:00:10Z", "2024-01-01T09:00:10Z")
    found = replayed(folder, as_of=nanoseconds(parse_moment("2024-01-01T12:00:00Z")))
    assert found["rebuild"]["owner_events"] == 4
    assert [one["time"] for one in found["rebuild"]["dates"]] == ["2024-01-01T05:00:00Z"]


BAD: dict[str, tuple[str, str, str, list[str]]] = {
    "unknown kind": ("owners.csv", "Borrow", "lend", ["owners.csv, row 2", "what is lend", "deposit, repay, withdraw, borrow"]),
    "no number": ("owners.csv", "deposit,10", "deposit,ten", ["owners.csv, row 1", "amount is ten", "a number"]),
    "negative amount": ("owners.csv", "deposit,10", "deposit,-10", ["owners.csv, row 1", "amount is -10", "negative"]),
    "wrong sign": ("out.csv", ",-5", ",5", ["out.csv, row 1", "amount is -5", "negative"]),
    "no account": ("owners.csv", "1,1,2024", "A,1,2024", ["owners.csv, row 1", "account is A", "a whole number"]),
    "naive time": ("owners.csv", "02:30:00Z", "02:30:00", ["owners.csv, row 1", "offset from UTC"]),
    "unsorted": ("owners.csv", "2,9,", "2,1,", ["owners.csv, row 5", "block is 1", "sort the file"]),
    "missing column": ("out.csv", "amount", "volume", ["out.csv", "column amount is missing", "volume"]),
    "no such parameter": ("changes.csv", "ratio", "ration", ["changes.csv", "no row has parameter ratio", "ration"]),
    "parameter without value": ("changes.csv", "0.05", "five", ["changes.csv, rows of fee, row 1", "value is five"]),
    "collateral below zero": ("out.csv", ",-5", ",-6", ["out.csv, row 1", "withdraw", "account 2", "-1", "incomplete"]),
    "events before the first rate": ("changes.csv", "2024-01-01T00", "2024-01-01T04", ["fee", "no value is in force"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_fault_in_a_file_is_named_with_its_place(folder: Path, case: str) -> None:
    name, old, new, said = BAD[case]
    change(folder, name, old, new)
    with pytest.raises(DataError) as caught:
        replayed(folder)
    for part in said:
        assert part in str(caught.value)


def test_a_missing_or_corrupt_file_is_named(folder: Path) -> None:
    (folder / "out.csv").unlink()
    with pytest.raises(DataError, match=r"out\.csv does not exist: .*--data"):
        replayed(folder)
    (folder / "out.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"out\.csv cannot be read"):
        replayed(folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "withdraw"', 'kind = "withdrawal"', ["history.events.1.kind", "'withdraw'"]),
        ('kind_column = "what"', "", ["give either kind or kind_column"]),
        ('collateral = "ALPHA"\ntime', 'collateral = "BRAVO"\ntime', ["history.collateral BRAVO is that of no pair"]),
        ("delay =", "dely =", ["unknown key history.oracle.dely", "did you mean 'delay'"]),
        ("allowance = 0.02", "allowance = 2", ["history.oracle.allowance"]),
        ("end = 2024-01-01T10", "end = 2024-01-01T08", ["the outage ends", "swap them"]),
        ("[history.oracle]", "[history.rules]\ncollateral_unit = 0\n\n[history.oracle]", ["collateral_unit is 0"]),
        ('borrow_rate = "fee"\n', "", ["history.parameters.borrow_rate is missing"]),
    ],
)
def test_a_fault_in_the_section_is_named(folder: Path, old: str, new: str, said: list[str]) -> None:
    change(folder, "small.toml", old, new)
    with pytest.raises(ConfigError) as caught:
        load_study(folder / "small.toml", {})
    for part in said:
        assert part in str(caught.value)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["riskparams", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_command_prints_tables_or_one_document(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("backtest", folder / "small.toml", "--data", folder, "--prices", folder)
    assert run(monkeypatch, *asked, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema_version"], document["study"], document["match"]["recall"]) == (1, "small", 1)
    assert run(monkeypatch, *asked) == 0
    shown = capsys.readouterr().out
    for part in (
        "accounts rebuilt",
        "with outages",
        "certain: more than 2% below the line",
        "a snapshot without owners' actions",
    ):
        assert part in shown


def test_data_without_a_history_and_a_history_without_data_are_usage_errors(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "backtest", "sample", "--data", folder) == 2
    assert "has no [history] section" in capsys.readouterr().err
    assert run(monkeypatch, "backtest", folder / "small.toml", "--prices", folder) == 2
    assert "with --data" in capsys.readouterr().err
