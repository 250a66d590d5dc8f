"""The whole line: the same bytes twice, whatever the workers; neighbours do not matter; evidence holds what is written."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from riskparams import __version__, pipeline
from riskparams.compute import Executor
from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.pipeline import RunRecord, load_prices, report_files, run
from riskparams.pipeline.event_file import events_parquet
from riskparams.runs.record import latest, publish, read_json, run_id, to_json
from riskparams.settings import load_study
from riskparams.terms import nanoseconds
from studies import STUDY, candle_frame, write_study

AS_OF = nanoseconds(datetime(2024, 5, 25, tzinfo=UTC))


def small(folder: Path, text: str = STUDY, workers: int = 1) -> RunRecord:
    folder.mkdir(exist_ok=True)
    study = load_study(write_study(folder, text), {})
    return run(study, load_prices(study, folder), as_of=AS_OF, executor=Executor(workers))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return small(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def liquidated(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """Return a run whose live parameters leave so little room that accounts are liquidated."""
    bold = STUDY.replace("max_ltv = 0.75, liquidation_threshold = 0.80", "max_ltv = 0.93, liquidation_threshold = 0.94")
    return small(tmp_path_factory.mktemp("bold"), bold.replace("accounts = 100", "accounts = 500"))


def test_two_runs_give_the_same_bytes_whatever_the_workers(record: RunRecord, tmp_path: Path) -> None:
    again = small(tmp_path, workers=2)
    assert again.id == record.id
    assert to_json(again.parameters) == to_json(record.parameters)
    one, other = report_files(record), report_files(again)
    assert one.keys() == other.keys()
    for name in one:
        assert one[name] == other[name], name


def test_the_event_log_holds_every_liquidation_of_every_set(liquidated: RunRecord) -> None:
    files = report_files(liquidated)
    assert files["events.parquet"] == events_parquet(liquidated.outcomes)
    table = pq.read_table(io.BytesIO(files["events.parquet"]))
    told = liquidated.manifest["events"]
    assert (told["file"], told["columns"], told["rows"]) == ("events.parquet", table.column_names, table.num_rows)
    assert table.column_names[:6] == ["time", "pair", "parameters", "account", "collateral", "debt"]
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert table.num_rows > 0
    frame = table.to_pandas()
    for pair, outcome in liquidated.outcomes.items():
        for name, result in outcome.results.items():
            rows = frame[(frame["pair"] == str(pair)) & (frame["parameters"] == name)]
            assert np.array_equal(rows["time"].astype("int64"), result.events.time)
            for column in ("account", "health", "repaid", "seized", "oracle_price", "market_price", "bad_debt", "judged_false"):
                assert np.array_equal(rows[column], getattr(result.events, column), equal_nan=True), column
            assert set(rows["collateral"]) <= {pair.collateral}
            assert set(rows["debt"]) <= {pair.debt}


def test_what_happened_to_borrowers_adds_up_to_the_metrics(liquidated: RunRecord) -> None:
    pooled = liquidated.evidence.data["pooled"]
    assert set(pooled["borrowers"]) == {"recommended", "current"}
    for name, one in pooled["borrowers"].items():
        results = [o.results[name] for o in liquidated.outcomes.values() if name in o.results]
        assert one["pairs"] == [result.name for result in results]
        assert one["liquidations"] == sum(result.daily.liquidations.sum() for result in results)
        share = pooled["sets"][name]["false_liquidation_share"]
        assert one["false"]["judged"] == share["exposure"]
    assert [pair["backtest"]["borrowers"] for pair in liquidated.evidence.data["pairs"]] == [None, None]


def test_how_far_parameters_moved_is_read_from_the_walk_forward(record: RunRecord) -> None:
    for pair in record.evidence.data["pairs"]:
        for name, moved in pair["procyclicality"].items():
            assert moved["peak"] == max(pair["history"][name])
            assert moved["trough"] == min(pair["history"][name])
            assert [one["days"] for one in moved["tightening"]] == [1, 5, 30]


def test_a_run_without_a_backtest_has_no_event_log(tmp_path: Path) -> None:
    study = load_study(write_study(tmp_path), {})
    record = run(study, load_prices(study, tmp_path), as_of=AS_OF, judged=False)
    assert "events.parquet" not in report_files(record)
    assert record.manifest["events"] is None


def test_adding_a_pair_changes_no_other_pairs_numbers(record: RunRecord, tmp_path: Path) -> None:
    alone = STUDY[: STUDY.rindex("[[pairs]]")].replace('BRAVO = "BRAVO.csv"\n', "")
    found = small(tmp_path, alone)
    assert found.id != record.id
    assert found.parameters["pairs"]["ALPHA/USD"] == record.parameters["pairs"]["ALPHA/USD"]
    ours, theirs = (next(p for p in r.evidence.data["pairs"] if p["pair"] == "ALPHA/USD") for r in (found, record))
    assert to_json(ours) == to_json(theirs)


def test_every_guardrail_was_checked_on_every_date(record: RunRecord) -> None:
    checks = record.evidence.data["checks"]
    assert checks["inequality"] == {"checked": 2 * (2 + 1), "broken": []}
    assert checks["order"]["reference"] == "ALPHA/USD"


def test_the_walk_forward_takes_effect_a_bar_after_its_data(record: RunRecord) -> None:
    for outcome in record.outcomes.values():
        for effective, found in outcome.history:
            assert found.as_of == effective - record.panel.bar
        assert outcome.coverage is not None


def test_recommended_and_current_are_judged_on_the_same_accounts(record: RunRecord) -> None:
    outcome = next(iter(record.outcomes.values()))
    assert outcome.results is not None
    ours, theirs = outcome.results["recommended"], outcome.results["current"]
    assert (ours.book_seed, ours.accounts, ours.opened, ours.last) == (
        theirs.book_seed,
        theirs.accounts,
        theirs.opened,
        theirs.last,
    )
    tested = record.evidence.data["pairs"][0]["backtest"]
    for name, metric in tested["difference"].items():
        sides = [tested["sets"][side][name]["point"] for side in ("recommended", "current")]
        if None not in sides:
            assert metric["point"] == pytest.approx(sides[0] - sides[1])


def test_a_proposed_set_is_judged_as_a_third_column(tmp_path: Path) -> None:
    proposed = STUDY.replace(
        'collateral = "BRAVO"',
        'collateral = "BRAVO"\nproposed = { max_ltv = 0.6, liquidation_threshold = 0.7, liquidation_bonus = 0.05 }',
    )
    tested = small(tmp_path, proposed).evidence.data["pairs"][1]["backtest"]
    assert set(tested["sets"]) == {"recommended", "proposed"}
    assert tested["sets"]["proposed"]["capital_efficiency"]["point"] == pytest.approx(0.6)


def test_components_add_up_in_the_evidence(record: RunRecord) -> None:
    for pair in record.evidence.data["pairs"]:
        total = sum(part["value"] for part in pair["components"])
        assert total == pytest.approx(pair["recommended"]["haircut"]["value"], abs=1e-9)


def test_a_backtest_that_starts_after_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="later as-of date"):
        small(tmp_path, STUDY.replace("start = 2024-05-01", "start = 2024-05-25"))


def test_an_asset_listed_after_the_start_is_waited_for(tmp_path: Path) -> None:
    late = candle_frame("BRAVO", bars=24 * 120)
    study = load_study(write_study(tmp_path, STUDY.replace("start = 2024-05-01", "start = 2024-01-20"), BRAVO=late), {})
    record = run(study, load_prices(study, tmp_path), as_of=AS_OF)
    lengths = {str(pair): len(outcome.history) for pair, outcome in record.outcomes.items()}
    assert 0 < lengths["BRAVO/USD"] < lengths["ALPHA/USD"]


def test_a_pair_whose_feed_ended_with_its_references_is_not_dated_by_the_others(tmp_path: Path) -> None:
    ended = {name: candle_frame(name)[:-200] for name in ("ALPHA",)}
    study = load_study(write_study(tmp_path, **ended), {})
    [refused] = run(study, load_prices(study, tmp_path)).evidence.data["refused"]
    assert refused["pair"] == "ALPHA/USD"
    assert re.search(r"ALPHA/USD: the last usable price is of .*ended or gone dead", refused["reason"])


def test_a_study_whose_every_pair_is_refused_is_an_error(tmp_path: Path) -> None:
    study = load_study(write_study(tmp_path, STUDY.replace('min_window = "90d"', 'min_window = "700d"')), {})
    with pytest.raises(InsufficientData, match="min_window asks for 700"):
        run(study, load_prices(study, tmp_path))


def test_recomputing_as_of_another_date_asks_about_that_date(tmp_path: Path) -> None:
    study = load_study(write_study(tmp_path, STUDY.replace("seed = 7", "seed = 7\nas_of = 2024-05-20")), {})
    panel, out = load_prices(study, tmp_path), tmp_path / "out"
    assert pipeline.recompute(study, panel, as_of=AS_OF, out=out).folder.name.startswith("2024-05-25")
    assert not pipeline.recompute(study, panel, as_of=AS_OF, out=out).ran


def test_a_frozen_market_is_compared_all_the_same(tmp_path: Path) -> None:
    record = small(tmp_path, STUDY.replace("max_ltv = 0.75", "max_ltv = 0.0"))
    current = record.evidence.data["pairs"][0]["backtest"]["sets"]["current"]
    assert current["capital_efficiency"]["point"] == 0
    assert current["liquidation_frequency"]["exposure"] == 0


def test_the_manifest_repeats_the_question(record: RunRecord) -> None:
    manifest = record.manifest
    assert manifest["run_id"] == record.id
    assert manifest["settings"]["study"]["seed"] == 7
    assert manifest["data"]["ALPHA"]["sha256"] == record.panel.sha256[next(iter(record.panel.assets))]
    assert set(manifest["versions"]) >= {"riskparams", "python", "numpy", "numba", "arch"}
    again = run_id(manifest["settings"], {n: d["sha256"] for n, d in manifest["data"].items()}, __version__, manifest["as_of"])
    assert again == record.id


def test_a_run_is_published_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "study" / "2024-06-01-abc"
    publish({"parameters.json": "{}\n", "figures/a.png": b"png"}, folder)
    assert latest(tmp_path / "study") == folder
    publish({"parameters.json": '{"a": 1}\n'}, folder)
    assert read_json(folder / "parameters.json") == {"a": 1}
    assert not (folder / "figures").exists()

    def full_disk(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as fault:
        fault.setattr(Path, "write_bytes", full_disk)
        with pytest.raises(ConfigError, match="No space left"):
            publish({"parameters.json": "{}\n"}, folder)
    assert read_json(folder / "parameters.json") == {"a": 1}
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == ["2024-06-01-abc", "latest"]


def test_a_broken_earlier_run_is_named(tmp_path: Path) -> None:
    publish({"manifest.json": "not json"}, tmp_path / "study" / "run")
    with pytest.raises(DataError, match=r"manifest\.json cannot be read"):
        read_json(tmp_path / "study" / "run" / "manifest.json")


def test_json_holds_no_number_that_json_cannot() -> None:
    found: dict[str, Any] = json.loads(to_json({"a": [1.5, float("inf"), np.nan], "b": {"c": None}}))
    assert found == {"a": [1.5, None, None], "b": {"c": None}}


def test_an_unknown_asset_is_named_with_the_known_ones(record: RunRecord) -> None:
    with pytest.raises(DataError, match="ZULU is not in the price panel, which holds ALPHA, BRAVO"):
        pipeline.inspect_asset(record.study, record.panel, "ZULU")


@pytest.mark.slow
def test_the_index_study_runs_on_its_own_sessions() -> None:
    from riskparams.prices.sample import bundled

    study = load_study(Path(str(bundled("studies/index.toml"))), {"RISKPARAMS__backtest__start": "2017-01-01"})
    record = run(study, load_prices(study, None))
    for outcome in record.outcomes.values():
        found = outcome.recommendation
        assert 0.02 < found.haircut.value < 0.4
        assert found.parameters.max_ltv < found.parameters.liquidation_threshold
    assert not record.panel.simulated


@pytest.mark.slow
def test_on_real_prices_every_date_keeps_the_inequality_and_the_order(market_data: Path) -> None:
    """BTC against DOGE and LINK, four-weekly through 2022: no filled-back haircut lies below the reference's."""
    from riskparams.prices.sample import bundled

    environment = {
        "RISKPARAMS__backtest__refit": "28d",
        "RISKPARAMS__backtest__end": "2022-12-31",
        "RISKPARAMS__model__paths": "20000",
    }
    study = load_study(Path(str(bundled("studies/majors.toml"))), environment)
    kept = [pair for pair in study.pairs if pair.collateral in ("BTC", "LINK", "DOGE")]
    study = study.model_copy(update={"pairs": kept})
    record = run(study, load_prices(study, market_data / "prices"), as_of=nanoseconds(datetime(2023, 1, 1, tzinfo=UTC)))
    checks = record.evidence.data["checks"]
    assert checks["inequality"]["checked"] == 3 * (14 + 1)
    assert checks["inequality"]["broken"] == []
    assert checks["order"]["compared"] == 2 * (14 + 1)
    assert checks["order"]["violations"] == []
    thresholds = record.evidence.data["pairs"][0]["history"]["liquidation_threshold_at_current_bonus"]
    assert 0.74 <= float(np.median(thresholds)) <= 0.82  # the median of a trial over 2021 to 2024 was 0.78
