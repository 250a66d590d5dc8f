"""One asset looked at closely: whole and finite on good prices, flagged and still whole on bad ones."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from riskparams.errors import ConfigError, InsufficientData, ModelError
from riskparams.paths.model import describe_model, fit_path_model
from riskparams.pipeline import Inspection, as_known, inspect_asset, load_prices, publish_inspection, report_files, run
from riskparams.pipeline.tail_reading import LEVELS
from riskparams.prices.sample import bundled
from riskparams.proposals.sources import FLAGS
from riskparams.settings import Study, load_study, parse_moment
from riskparams.terms import Asset, Pair, nanoseconds
from studies import candle_frame, write_study

PNG = b"\x89PNG\r\n\x1a\n"


def sample() -> Study:
    return load_study(Path(str(bundled("studies/sample.toml"))), {})


def bare_nulls(found: Any, where: str = "") -> Iterator[str]:
    """Yield the places of what is null without a reason beside it, or not finite."""
    if isinstance(found, dict):
        for name, value in found.items():
            if value is None and not found.get("reason"):
                yield f"{where}.{name}"
            yield from bare_nulls(value, f"{where}.{name}")
    elif isinstance(found, list):
        for row, value in enumerate(found):
            yield from bare_nulls(value, f"{where}[{row}]")
    elif isinstance(found, float) and not math.isfinite(found):
        yield where


def flags(found: Inspection) -> set[str]:
    return {one["flag"] for one in found.document["flags"]}


@pytest.fixture(scope="module")
def ember() -> Inspection:
    study = sample()
    return inspect_asset(study, load_prices(study, None), "EMBER")


def small(folder: Path, frame: pd.DataFrame, asset: str = "ALPHA", **frames: pd.DataFrame) -> Inspection:
    study = load_study(write_study(folder, **{asset: frame, **frames}), {})
    return inspect_asset(study, load_prices(study, folder), asset)


def test_every_number_is_finite_or_has_a_reason_and_survives_json(ember: Inspection) -> None:
    assert list(bare_nulls(ember.document)) == []
    assert json.loads(json.dumps(ember.document, allow_nan=False)) == ember.document
    assert ember.document["simulated"] is True


def test_the_fit_shown_is_the_one_a_recommendation_rests_on(ember: Inspection) -> None:
    study = sample()
    task = study.tasks()[0]
    model = fit_path_model(load_prices(study, None), Pair(Asset("EMBER"), Asset("USD")), task.reference, task.model)
    made, shown = describe_model(model), ember.document["volatility"]
    for name in ("model", "alpha", "gamma", "beta", "nu", "persistence", "n_obs", "fit_from", "fit_to", "residual_scale"):
        assert shown[name] == made[name]
    tail = ember.document["tail"]
    for name in ("tail_threshold", "tail_shape", "tail_scale", "tail_exceedances", "tail_estimator"):
        assert tail[name if name in tail else name.removeprefix("tail_")] == made[name]


def test_intervals_hold_what_they_are_of_and_losses_rise_with_the_level(ember: Inspection) -> None:
    levels = ember.document["tail"]["levels"]
    assert [one["level"] for one in levels] == list(LEVELS)
    for name in ("quantile", "expected_shortfall"):
        assert all(one[name]["low"] < one[name]["value"] < one[name]["high"] for one in levels)
        values = [one[name]["value"] for one in levels]
        assert values == sorted(values)
    assert all(one["expected_shortfall"]["value"] > one["quantile"]["value"] for one in levels)
    band = ember.document["tail"]["sensitivity"]
    assert [row["share"] for row in band["rows"]] == [0.025, 0.05, 0.1]
    assert band["low"] <= levels[-1]["quantile"]["value"] <= band["high"]


def test_a_later_price_changes_no_earlier_inspection(tmp_path: Path) -> None:
    frame = candle_frame("ALPHA")
    study = load_study(write_study(tmp_path, ALPHA=frame), {})
    moment = nanoseconds(parse_moment("2024-05-20"))
    before = inspect_asset(study, as_known(study, load_prices(study, tmp_path), moment), "ALPHA")
    late = frame["timestamp"] >= "2024-05-20"
    frame.loc[late, ["open", "high", "low", "close"]] *= 2
    write_study(tmp_path, ALPHA=frame)
    after = inspect_asset(study, as_known(study, load_prices(study, tmp_path), moment), "ALPHA")
    assert after.document == before.document
    assert after.figure() == before.figure()


def test_a_gap_that_refuses_a_recommendation_is_inspected_with_flags_and_the_refusal(tmp_path: Path) -> None:
    found = small(tmp_path, candle_frame("ALPHA").drop(index=range(8000, 8000 + 336)))
    assert {"history_split_by_gap", "short_history", "below_min_window"} <= flags(found)
    assert any("after the gap" in reason and "min_window" in reason for reason in found.document["refused"])
    assert any("336 bars missing" in warning for warning in found.document["price_warnings"])
    assert list(bare_nulls(found.document)) == []


def test_a_pegged_asset_is_inspected_with_its_flag_and_the_refusal() -> None:
    study = sample()
    found = inspect_asset(study, load_prices(study, None), "PEGD")
    assert "pegged_series" in flags(found)
    assert any("it is pegged" in reason for reason in found.document["refused"])
    assert list(bare_nulls(found.document)) == []


def test_a_feed_that_ended_is_inspected_as_of_its_end(tmp_path: Path) -> None:
    found = small(tmp_path, candle_frame("BRAVO")[:-200], "BRAVO")
    assert "feed_ended" in flags(found)
    assert any("ended or gone dead" in reason for reason in found.document["refused"])
    assert found.document["as_of"] == found.document["volatility"]["fit_to"]


def test_a_hundred_returns_are_enough_to_look_and_fewer_are_not(tmp_path: Path) -> None:
    found = small(tmp_path, candle_frame("ALPHA", bars=150))
    assert {"short_history", "below_min_window", "fallback_model"} <= flags(found)
    assert found.document["volatility"]["rejected"][0]["reason"] == "149 returns are fewer than 500"
    assert found.document["volatility"]["nu"] is None
    assert found.document["diagnostics"]["half_life"] is None
    assert list(bare_nulls(found.document)) == []
    assert found.figure().startswith(PNG)
    with pytest.raises(InsufficientData, match="60 usable returns"):
        small(tmp_path, candle_frame("ALPHA", bars=61))


def test_too_few_returns_since_a_break_are_refused_with_its_date(tmp_path: Path) -> None:
    frame = candle_frame("ALPHA")
    with pytest.raises(InsufficientData, match=r"ALPHA/USD: 79 returns since the break .* choose an --as-of date before"):
        small(tmp_path, frame.drop(index=range(len(frame) - 416, len(frame) - 80)))


def test_the_figure_is_written_under_the_assets_name_or_not_at_all(ember: Inspection, tmp_path: Path) -> None:
    path = publish_inspection(ember, tmp_path / "new")
    assert path == tmp_path / "new" / "EMBER.png"
    assert path.read_bytes() == ember.figure()
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(ConfigError, match="--out"):
        publish_inspection(ember, tmp_path / "file")


REAL = """
[study]
name = "real"
seed = 1

[prices]
bar = "{bar}"
stamp = "start"
files = {{ {asset} = "{file}" }}

[appetite]
liquidation_horizon = "{horizon}"

[model]
reference = "{asset}"
min_window = "{least}"
paths = 1000

[[pairs]]
collateral = "{asset}"
current = {{ max_ltv = 0.5, liquidation_threshold = 0.6, liquidation_bonus = 0.1, source = "invented", dated = 2024-01-01 }}
"""


def real(folder: Path, asset: str, file: Path, *, bar: str = "1h", horizon: str = "1h", least: str = "365d") -> Study:
    path = folder / "real.toml"
    path.write_text(REAL.format(asset=asset, file=file, bar=bar, horizon=horizon, least=least), encoding="utf-8")
    return load_study(path, {})


def read(text: str) -> str:
    """Return a page as its reader sees it."""
    import html

    return html.unescape(text).replace("\u00a0", " ")


def reported(study: Study, as_of: str, wanted: set[str]) -> set[str]:
    """Return the flags of the study's pair, once each of the wanted is found in words in both forms of the report."""
    record = run(study, load_prices(study, None), as_of=nanoseconds(parse_moment(as_of)))
    (found,) = record.parameters["pairs"].values()
    assert wanted <= set(found["flags"]), found["flags"]
    files = report_files(record)
    for name in ("proposal.md", "index.html"):
        text = files[name]
        assert isinstance(text, str)
        for flag in found["flags"]:
            assert FLAGS[flag] in read(text), f"{flag} is not in {name}"
    return set(found["flags"])


def inspected(study: Study, asset: str, as_of: str) -> Inspection:
    panel = as_known(study, load_prices(study, None), nanoseconds(parse_moment(as_of)))
    found = inspect_asset(study, panel, asset)
    assert list(bare_nulls(found.document)) == []
    assert found.figure().startswith(PNG)
    return found


def test_luna_before_its_fall_is_flagged_in_both(market_data: Path, tmp_path: Path) -> None:
    """Hourly LUNA lacks four hours on 2021-08-13: of 617 days, 260 are left to fit, too few for the usual min_window."""
    file = market_data / "prices/hourly/LUNA__binspot22.csv.gz"
    study = real(tmp_path, "LUNA", file)
    found = inspected(study, "LUNA", "2022-05-01")
    assert flags(found) >= {"short_history", "history_split_by_gap", "below_min_window"}
    assert any("260 days" in reason or "261 days" in reason for reason in found.document["refused"])
    with pytest.raises(InsufficientData, match="min_window"):
        run(study, load_prices(study, None), as_of=nanoseconds(parse_moment("2022-05-01")))
    lenient = real(tmp_path, "LUNA", file, least="180d")
    said = reported(lenient, "2022-05-01", {"short_history", "history_split_by_gap"})
    assert said - flags(inspected(lenient, "LUNA", "2022-05-01")) <= {"noisy", "few_triggers"}  # of a simulation, not a fit


def test_a_stablecoin_is_flagged_and_its_recommendation_refused(market_data: Path, tmp_path: Path) -> None:
    study = real(tmp_path, "USDC", market_data / "prices/daily/USDC.csv", bar="1d", horizon="24h")
    found = inspected(study, "USDC", "2024-12-01")
    assert "pegged_series" in flags(found)
    assert any("it is pegged" in reason for reason in found.document["refused"])
    with pytest.raises(ModelError, match="it is pegged"):
        run(study, load_prices(study, None), as_of=nanoseconds(parse_moment("2024-12-01")))


def test_a_loose_peg_that_is_not_refused_is_flagged_in_both(market_data: Path, tmp_path: Path) -> None:
    """USDD kept within 2.4 % on 90 % of days: above the 2 % that refuse a pair, and a peg all the same."""
    study = real(tmp_path, "USDD", market_data / "prices/daily/USDD.csv", bar="1d", horizon="24h")
    found = inspected(study, "USDD", "2024-07-01")
    assert "pegged_series" in flags(found)
    assert found.document["refused"] == []
    reported(study, "2024-07-01", {"pegged_series"})


def test_two_missing_weeks_are_flagged_in_both(market_data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(market_data / "prices/hourly/BTC__binperp24.csv.gz")
    kept = table[(table["timestamp"] < "2023-09-01") | (table["timestamp"] >= "2023-09-15")]
    assert len(table) - len(kept) == 14 * 24
    kept.to_csv(tmp_path / "BTC.csv", index=False)
    study = real(tmp_path, "BTC", tmp_path / "BTC.csv")
    wanted = {"short_history", "history_split_by_gap"}
    found = inspected(study, "BTC", "2024-06-01")
    assert flags(found) >= {*wanted, "below_min_window"}
    assert any("336 bars missing" in warning for warning in found.document["price_warnings"])
    reported(real(tmp_path, "BTC", tmp_path / "BTC.csv", least="180d"), "2024-06-01", wanted)
