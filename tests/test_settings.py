"""Studies: what a file may say, what it may not, and how it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from riskparams.backtest.liquidation import CappedBonus, DutchAuction, LinearBonus, LiquidationRules
from riskparams.errors import ConfigError
from riskparams.execution import LiquidationHorizon
from riskparams.prices.sample import bundled
from riskparams.settings import load_study, parse_moment
from riskparams.terms import parse_duration
from studies import STUDY


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["sample", "index", "majors", "maker-ethb"])
def test_the_shipped_studies_are_valid(name: str) -> None:
    study = load_study(Path(str(bundled(f"studies/{name}.toml"))), {})
    assert study.name == name
    assert len(study.tasks()) == len(study.pairs)


def test_what_is_left_out_takes_the_published_default(tmp_path: Path) -> None:
    task = load_study(written(tmp_path, STUDY), {}).tasks()[0]
    assert task.appetite.haircut_level == 0.995
    assert task.appetite.liquidation_horizon.seconds == 3600
    assert task.appetite.touch_horizon == timedelta(hours=24)
    assert task.oracle_step == 0.01
    assert task.costs.gas == 30


def test_a_horizon_is_the_sum_of_what_takes_time(tmp_path: Path) -> None:
    table = "[appetite]\nliquidation_horizon = { oracle = 60, bridge = 900, call_interval = 3600, halt = 1800 }\n\n[model]"
    horizon = load_study(written(tmp_path, STUDY.replace("[model]", table, 1)), {}).tasks()[0].appetite.liquidation_horizon
    assert horizon == LiquidationHorizon(oracle=60, bridge=900, call_interval=3600, halt=1800)
    assert horizon.seconds == 6360


def test_the_protocols_own_rules_reach_the_engine(tmp_path: Path) -> None:
    hour = 3_600_000_000_000
    plain = load_study(written(tmp_path, STUDY), {}).rules(hour)
    assert plain == replace(LiquidationRules(), execution_bars=plain.execution_bars)
    assert plain.execution_bars == 1
    text = """[liquidation]
target_health = 1.1
close_factor = 0.5
full_close_below = 0.9
dust = 10
bonus = { law = "linear", maximum = 0.15, health_at_maximum = 0.8 }
"""
    given = load_study(written(tmp_path, STUDY.replace("[model]", f"{text}\n[model]", 1)), {}).rules(hour)
    assert given == LiquidationRules(
        target_health=1.1,
        close_factor=0.5,
        full_close_below=0.9,
        dust=10,
        bonus=LinearBonus(maximum=0.15, health_at_maximum=0.8),
    )
    for table, part in (
        ('bonus = { law = "capped", maximum = 0.15 }', {"bonus": CappedBonus(maximum=0.15)}),
        ('bonus = { law = "linear", maximum = 0.15 }', {"bonus": LinearBonus(maximum=0.15)}),
        ("auction = { cut = 0.02 }", {"auction": DutchAuction(cut=0.02)}),
    ):
        text = f"[liquidation]\n{table}\n\n[model]"
        assert load_study(written(tmp_path, STUDY.replace("[model]", text, 1)), {}).rules(hour) == replace(plain, **part)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed = 7", "sed = 7", ["unknown key study.sed", "did you mean 'seed'"]),
        ("[model]", "[modle]", ["unknown key modle", "did you mean 'model'"]),
        ('collateral = "BRAVO"', 'colateral = "BRAVO"', ["pairs.1.colateral", "did you mean 'collateral'"]),
        ("liquidation_bonus = 0.05", "liquidation_bonus = -0.1", ["ALPHA/USD", "liquidation_bonus is -0.1", "non-negative"]),
        ("max_ltv = 0.75", "max_ltv = 0.85", ["ALPHA/USD", "max_ltv 0.85 is above liquidation_threshold 0.8"]),
        ("liquidation_bonus = 0.05", "liquidation_bonus = nan", ["liquidation_bonus is nan"]),
        ("current = ", "proposed = ", []),
        ('window = "365d"', 'window = "a year"', ["model.window", "'a year' is not a duration", '"24h"']),
        ("start = 2024-05-01", 'start = "May"', ["backtest.start", "'May' is not a date"]),
        ("paths = 1000\naccounts", "paths = 10\naccounts", ["backtest.paths", "1000", "found 10"]),
        ('collateral = "BRAVO"', 'collateral = "ALPHA"', ["ALPHA/USD is listed twice"]),
        ('collateral = "BRAVO"', 'collateral = "CEDAR"', ["no file for CEDAR"]),
        ('collateral = "BRAVO"', 'collateral = "USD"', ["USD/USD", "must differ"]),
        ('collateral = "BRAVO"', 'collateral = "BRAVO"\ndebt = "BRAVO"', ["BRAVO/BRAVO", "must differ"]),
        ('refit = "14d"', 'refit = "0s"', ["backtest.refit", "above 0"]),
        ("[model]", "[appetite]\nbarrier_multiples = [nan]\n\n[model]", ["barrier_multiples", "positive numbers"]),
        ("[model]", "[execution]\ninventory_seconds = -5\n\n[model]", ["execution.inventory_seconds is -5"]),
        ("[model]", '[model]\npeers = ["BRAVO"]', ["model.peers names BRAVO", "leave it empty"]),
        ('reference = "ALPHA"', 'reference = "USD"', ["model.reference is the numeraire"]),
        ('bar = "1h"', 'bar = "1d"', ["daily bars cannot resolve", "1 hours", '"12h"']),
        ("[prices]", '[prices]\nbundled = "index"', ["not both"]),
        ("[model]", "[liquidation]\nclose_factor = 1.5\n\n[model]", ["rules.close_factor is 1.5", "share of the debt"]),
        ("[model]", "[liquidation.auction]\ncut = 0\n\n[model]", ["auction.cut is 0", "1e-06 to 0.999"]),
        ("[model]", '[liquidation]\nbonus = { law = "cubic", maximum = 0.1 }\n\n[model]', ["liquidation.bonus.law", "linear"]),
        (
            "[model]",
            '[liquidation]\nbonus = { law = "capped", maximum = 0.1, health_at_maximum = 0.9 }\n\n[model]',
            ["health_at_maximum belongs to the linear law"],
        ),
        (
            "[model]",
            '[liquidation]\nbonus = { law = "linear", maximum = 0.1 }\nauction = {}\n\n[model]',
            ["both an auction and a bonus law"],
        ),
        (
            "[model]",
            "[appetite]\nliquidation_horizon = { halt = -1 }\n\n[model]",
            ["liquidation_horizon.halt is -1", "seconds, 0 or more"],
        ),
        ("[study]", "[study", ["not valid TOML"]),
        ('name = "small"', 'name = "../up"', ["study.name"]),
        ("seed = 7", "", ["study.seed is missing"]),
    ],
)
def test_a_fault_is_named_with_its_place_and_value(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    assert old in STUDY
    path = written(tmp_path, STUDY.replace(old, new, 1))
    if not said:
        assert load_study(path, {}).pairs[0].judged() is not None
        return
    with pytest.raises(ConfigError) as caught:
        load_study(path, {})
    for part in [str(path), *said]:
        assert part in str(caught.value)


def test_a_proposed_threshold_that_liquidating_would_worsen_is_refused(tmp_path: Path) -> None:
    toxic = STUDY.replace(
        'collateral = "BRAVO"',
        'collateral = "BRAVO"\nproposed = { max_ltv = 0.9, liquidation_threshold = 0.99, liquidation_bonus = 0.05 }',
    )
    with pytest.raises(ConfigError, match=r"BRAVO/USD.*threshold 0.9900 x \(1 \+ bonus 0.0500\) reaches 1.0395"):
        load_study(written(tmp_path, toxic), {})


def test_a_live_market_may_be_toxic_because_it_is_what_it_is(tmp_path: Path) -> None:
    live = STUDY.replace("liquidation_threshold = 0.80", "liquidation_threshold = 0.99")
    current = load_study(written(tmp_path, live), {}).tasks()[0].current
    assert current is not None
    assert current.implied_drop < 0


def test_the_environment_lies_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, STUDY)
    study = load_study(
        path, {"RISKPARAMS__model__paths": "2000", "RISKPARAMS__study__name": "other", "RISKPARAMS_MARKET_DATA": "x"}
    )
    assert (study.model.paths, study.name) == (2000, "other")
    with pytest.raises(ConfigError, match=r"model\.path"):
        load_study(path, {"RISKPARAMS__model__path": "2000"})


def test_a_missing_or_unreadable_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no study at .*nowhere\.toml"):
        load_study(tmp_path / "nowhere.toml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_study(tmp_path, {})


def test_a_date_is_its_utc_midnight_and_a_time_needs_a_zone() -> None:
    assert parse_moment("2024-06-01T02:00:00+02:00") == parse_moment("2024-06-01")
    with pytest.raises(ValueError, match="no timezone"):
        parse_moment("2024-06-01T00:00:00")
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration("3 weeks")
