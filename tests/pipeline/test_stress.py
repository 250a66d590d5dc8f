"""`riskparams stress`: a row for every pair, scenario and set, reasons where there is none, and the gap that costs the fund."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from riskparams import cli
from riskparams.backtest.liquidation import Intrabar
from riskparams.backtest.reverse_stress import Verdict
from riskparams.backtest.scenario_files import load_scenarios
from riskparams.compute import Executor
from riskparams.errors import ConfigError, DataError
from riskparams.pipeline import load_prices
from riskparams.pipeline.stress import run_stress
from riskparams.pipeline.stress_results import NOTE, StressRun
from riskparams.pipeline.stress_tables import stress_tables
from riskparams.prices.sample import bundled, simulated_market
from riskparams.settings import Study, load_study, parse_moment
from riskparams.terms import nanoseconds

STUDY = """
[study]
name = "small"
seed = 7

[prices]
bundled = "simulated"

[model]
reference = "ALPHA"
paths = 1000

[stress]
accounts = 200
{stress}

[[pairs]]
collateral = "ALPHA"
oracle_deviation = 0.005
current = {{ max_ltv = 0.80, liquidation_threshold = 0.83, liquidation_bonus = 0.05 }}

[[pairs]]
collateral = "EMBER"
proposed = {{ max_ltv = 0.60, liquidation_threshold = 0.70, liquidation_bonus = 0.08 }}
"""
ONE = """
[[pairs]]
collateral = "EMBER"
"""


def study(folder: Path, stress: str = "", text: str = STUDY) -> Study:
    path = folder / "small.toml"
    path.write_text(text.format(stress=stress), encoding="utf-8")
    return load_study(path, {})


def only_alpha(folder: Path, stress: str) -> Study:
    return study(folder, stress, STUDY.partition(ONE)[0])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> StressRun:
    return run_stress(study(tmp_path_factory.mktemp("stress")), simulated_market())


def strictly(text: str) -> Any:
    def refuse(word: str) -> NoReturn:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_every_pair_set_and_scenario_has_its_row(found: StressRun) -> None:
    seen = [(str(row.pair), row.scenario, row.parameters) for one in found.pairs for row in one.rows]
    sets = {"ALPHA/USD": ("recommended", "current"), "EMBER/USD": ("recommended", "proposed")}
    assert seen == [(pair, name, each) for pair in sets for name in load_scenarios() for each in sets[pair]]


def test_windows_are_skipped_with_a_reason_and_shocks_always_apply(found: StressRun) -> None:
    for row in (row for one in found.pairs for row in one.rows):
        if row.scenario.startswith("20"):
            assert "its prices are simulated, and no fall of" in row.skipped
            assert (row.losses, row.fall, row.prices) == (None, None, "skipped")
        else:
            assert not row.skipped
            assert row.losses is not None
            assert set(row.losses) == {(feedback, band) for feedback in (True, False) for band in Intrabar}
            assert row.prices.startswith(("shocked", "held flat"))


def test_a_fall_on_record_is_borrowed_where_the_study_says_for_whom(tmp_path: Path) -> None:
    stress = 'scenarios = ["2022-06"]\nstands_for = { ALPHA = "BTC" }'
    rows = [row for one in run_stress(study(tmp_path, stress), simulated_market()).pairs for row in one.rows]
    assert [row.prices for row in rows[:2]] == ["published for BTC"] * 2
    assert rows[0].fall == pytest.approx(0.4086, abs=1e-4)
    assert rows[2].prices.startswith("scaled by beta 1.")
    assert rows[2].fall is not None
    assert rows[2].fall > 0.4086


def test_the_gap_found_agrees_with_a_run_at_that_gap(tmp_path: Path) -> None:
    market = simulated_market()

    def bracket(fund: float) -> tuple[StressRun, float, float]:
        run = run_stress(only_alpha(tmp_path, f'scenarios = ["gap-30"]\nfund = {fund}'), market)
        current = run.pairs[0].sets[1]
        assert current.reverse is not None
        search = current.reverse[True]
        assert search.verdict is Verdict.FOUND
        assert search.below is not None
        assert search.above is not None
        assert search.above - search.below <= 0.005
        losses = dict(search.losses)
        assert losses[search.below] < search.fund <= losses[search.above]
        return run, search.below, search.above

    run, _, _ = bracket(0.0025)
    losses = run.pairs[0].rows[1].losses
    assert losses is not None
    worst = losses[True, Intrabar.WORST]
    share = worst.loss / worst.debt
    assert share > 0.0025
    _, below, _ = bracket(0.999 * share)  # the gap of 30 % costs more than that
    assert below < 0.30
    _, _, above = bracket(1.001 * share)  # and less than that
    assert above > 0.30


def test_a_recommendation_that_is_refused_still_has_its_rows(tmp_path: Path) -> None:
    text = (
        STUDY.partition(ONE)[0]
        + """
[[pairs]]
collateral = "PEGD"
current = {{ max_ltv = 0.80, liquidation_threshold = 0.85, liquidation_bonus = 0.04 }}
"""
    )
    pegged = run_stress(study(tmp_path, 'scenarios = ["gap-30"]', text), simulated_market()).pairs[1]
    refused, current = pegged.rows
    assert "it is pegged" in refused.skipped
    assert refused.losses is None
    assert current.losses is not None
    assert current.losses[True, Intrabar.WORST].loss > 0
    assert [one.reverse is None for one in pegged.sets] == [True, False]


def test_nothing_to_replay_at_all_is_an_error_with_the_first_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ALPHA/USD under 2022-06: ALPHA: its prices are simulated"):
        run_stress(only_alpha(tmp_path, 'scenarios = ["2022-06"]'), simulated_market())


@pytest.mark.slow
def test_processes_change_no_number(found: StressRun, tmp_path: Path) -> None:
    again = run_stress(study(tmp_path), simulated_market(), executor=Executor(2))
    assert again.to_dict() == found.to_dict()


def test_other_pairs_change_no_number(found: StressRun, tmp_path: Path) -> None:
    alone = run_stress(only_alpha(tmp_path, ""), simulated_market())
    assert alone.to_dict()["rows"] == [row for row in found.to_dict()["rows"] if row["pair"] == "ALPHA/USD"]


def test_another_seed_draws_other_borrowers(found: StressRun, tmp_path: Path) -> None:
    other = run_stress(only_alpha(tmp_path, 'scenarios = ["gap-30"]'), simulated_market(), seed=8)
    assert other.pairs[0].sets[1].debt != found.pairs[0].sets[1].debt


def test_the_studys_way_of_liquidating_is_put_under_stress(found: StressRun, tmp_path: Path) -> None:
    """All that is left over as a bonus brings the liquidators who do not come for the recommended one."""
    rows = {}
    for name, table in {"fixed": "", "capped": 'bonus = { law = "capped", maximum = 0.2 }', "auction": "auction = {}"}.items():
        run = run_stress(only_alpha(tmp_path, f'scenarios = ["gap-30"]\n\n[liquidation]\n{table}'), simulated_market())
        losses = run.pairs[0].rows[0].losses
        assert losses is not None
        rows[name] = losses[False, Intrabar.WORST]
    fixed = found.pairs[0].rows[list(load_scenarios()).index("gap-30") * 2].losses
    assert fixed is not None
    assert rows["fixed"] == fixed[False, Intrabar.WORST]
    assert rows["capped"].stuck_hours < rows["fixed"].stuck_hours
    assert rows["auction"].liquidated > rows["fixed"].liquidated


@pytest.mark.parametrize(
    ("stress", "said"),
    [
        ('scenarios = ["gap-3"]', "there is no scenario 'gap-3': did you mean 'gap-30'?"),
        ("scenarios = []", "stress.scenarios"),
        ("fund = 0.0", "stress.fund"),
        ("fund = 25", "stress.fund"),
        ('lead = "soon"', "'soon' is not a duration"),
        ('heartbeat = "0s"', "above 0"),
        ("found = 0.01", "did you mean 'fund'"),
        ('stands_for = { ALPHA = "EMBER" }', "ALPHA stands for EMBER, of which no fall is on record: choose among AAVE, BTC"),
        ('stands_for = { WBTC = "BTC" }', "stress.stands_for names WBTC, in no pair"),
    ],
)
def test_a_fault_in_the_section_is_named(stress: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        study(tmp_path, stress)
    assert said in str(caught.value)


def test_all_scenarios_may_be_asked_for_by_a_word_and_repeats_count_once(tmp_path: Path) -> None:
    assert study(tmp_path, 'scenarios = "all"').stress.scenarios is None
    assert study(tmp_path, 'scenarios = ["gap-30", "gap-30"]').stress.scenarios == ("gap-30",)


def test_the_tables_hold_every_row_and_say_what_feedback_counts_twice(found: StressRun) -> None:
    tables = stress_tables(found)
    assert all(len(row) == len(header) for _, header, rows, _ in tables for row in rows)
    assert NOTE in tables[0][3]
    titles = [title for title, _, _, _ in tables]
    shocks = [name for name, one in found.scenarios.items() if not name.startswith("20")]
    assert titles[1:-2] == [f"{name}: {found.scenarios[name].title}" for name in shocks]
    assert titles[-2] == "Skipped"
    assert len(tables[-2][2]) == 7 * 2
    assert all(len(rows) == 4 for _, _, rows, _ in tables[1:-2])
    assert all(len(row) == 5 for row in tables[-1][2])


def command(*arguments: str) -> tuple[int, str]:
    """Run the command in this process; return its exit code and what it printed."""
    out, before = io.StringIO(), sys.argv
    sys.argv = ["riskparams", *arguments]
    code = 0
    try:
        with contextlib.redirect_stdout(out):
            cli.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = before
    return code, out.getvalue()


def test_the_command_on_the_bundled_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "model__paths": "1000",
        "stress__accounts": "100",
        "stress__scenarios": '["gap-30", "2022-06"]',
    }.items():
        monkeypatch.setenv(f"RISKPARAMS__{name}", value)
    code, text = command("stress", "sample", "--workers", "1")
    assert code == 0
    assert text.startswith("SIMULATED")
    for words in ("gap-30: Collateral gaps down by 30 %", "Skipped", "Reverse stress", "already hold the impact"):
        assert words in text
    code, text = command("stress", "sample", "--workers", "1", "--json")
    assert code == 0
    document = strictly(text)
    assert document["schema_version"] == 1
    assert document["simulated"] is True
    assert {row["pair"] for row in document["rows"]} == {"ALPHA/USD", "BRAVO/USD", "EMBER/USD", "FJORD/USD"}
    for row in document["rows"]:
        assert (row["with_feedback"] is None) == (row["skipped"] is not None) == (row["scenario"] == "2022-06")
    assert document["pairs"][0]["sets"][0]["reverse_stress"]["with_feedback"]["verdict"] == "found"


def test_a_study_without_prices_ends_in_exit_3(tmp_path: Path) -> None:
    majors = str(bundled("studies/majors.toml"))
    assert command("stress", majors, "--prices", str(tmp_path))[0] == 3


@pytest.mark.slow
def test_the_majors_replay_what_their_prices_cover(market_data: Path) -> None:
    read = {"RISKPARAMS__model__paths": "1000", "RISKPARAMS__stress__accounts": "500"}
    asked = load_study(Path(str(bundled("studies/majors.toml"))), read)
    as_of = nanoseconds(parse_moment("2024-06-01"))
    run = run_stress(asked, load_prices(asked, market_data / "prices"), as_of=as_of, executor=Executor(2))
    rows = {(str(row.pair.collateral), row.scenario): row for one in run.pairs for row in one.rows}
    assert not [row for row in rows.values() if row.skipped]
    for asset in ("ETH", "BTC", "LINK", "AAVE", "UNI", "MKR", "MATIC", "DOGE"):
        for window in ("2022-06", "2022-11"):
            assert rows[asset, window].prices == "replayed"
        assert rows[asset, "gap-30"].fall == pytest.approx(0.3)
    assert rows["BTC", "2020-03-12"].prices == rows["ETH", "2020-03-12"].prices == "replayed"
    assert rows["BTC", "2020-03-12"].fall == pytest.approx(0.4833, abs=1e-4)
    assert rows["LINK", "2020-03-12"].prices == "published"
    assert rows["LINK", "2020-03-12"].fall == pytest.approx(0.5123, abs=1e-4)
    assert rows["DOGE", "2020-03-12"].prices.startswith("scaled by beta")
    assert rows["BTC", "2024-08-05"].prices == "published"  # later than the date asked about
