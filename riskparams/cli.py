"""The command line: parse, make one library call, print. Results on standard output, words on standard error.

Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 data missing or failed its quality gate, 4 model failed with no
allowed fallback, 5 a guardrail was broken, 10 with --exit-code: parameters changed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riskparams import __version__
from riskparams.console import print_backtest, print_json, print_label, print_parameters, print_run, print_table, print_tables
from riskparams.errors import ConfigError, RiskParamsError

if TYPE_CHECKING:
    from riskparams.compute import Executor
    from riskparams.pipeline import RunRecord
    from riskparams.prices.panel import PricePanel
    from riskparams.settings import Study

app = typer.Typer(
    name="riskparams",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From price histories to haircuts, liquidation thresholds and penalty rates, with the backtest that judges them.",
    epilog="Start with: riskparams demo",
)

StudyArgument = Annotated[str, typer.Argument(help="Path of a study file, or a bundled one: sample, index.", metavar="STUDY")]
PricesOption = Annotated[Path | None, typer.Option("--prices", help="Folder that the study's price files are relative to.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Folder of the recorded positions that [history] names.")]
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="Use only what was known then: 2024-06-01 or a full UTC time.")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for reports.")]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Instead of the study's seed.")]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, help="Processes; 0 takes one per core. Results do not depend on it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def main() -> None:
    """Run the command line; a named error becomes its message and its exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("riskparams").setLevel(logging.INFO)
    try:
        app()
    except RiskParamsError as error:
        print(f"riskparams: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def demo(out: OutOption = Path("reports"), workers: WorkersOption = 0, json: JsonOption = False) -> None:
    """Run the bundled SIMULATED market from prices to a report, without a network.

    Example: riskparams demo
    """
    record = _run(_study("sample"), None, None, out=out, workers=workers)
    print_run(record, out, json)


@app.command()
def run(
    study: StudyArgument,
    prices: PricesOption = None,
    as_of: AsOfOption = None,
    out: OutOption = Path("reports"),
    seed: SeedOption = None,
    workers: WorkersOption = 0,
    json: JsonOption = False,
) -> None:
    """Check, fit, recommend, backtest and write the report of a study.

    Example: riskparams run studies/majors.toml --prices data/prices --as-of 2024-06-01
    """
    record = _run(_study(study), prices, as_of, out=out, seed=seed, workers=workers)
    print_run(record, out, json)


@app.command()
def check(study: StudyArgument, prices: PricesOption = None, as_of: AsOfOption = None, json: JsonOption = False) -> None:
    """Read a study's prices and report their quality, asset by asset.

    Example: riskparams check studies/majors.toml --prices data/prices
    """
    from riskparams.prices.quality import assess_panel

    question = _study(study)
    panel = _panel(question, prices, as_of)
    found = assess_panel(panel)
    if json:
        assets = {name: quality.to_dict() for name, quality in found.items()}
        print_json({"schema_version": 1, "study": question.name, "simulated": panel.simulated, "assets": assets})
        return
    print_label(panel.simulated)
    rows = []
    for name, quality in found.items():
        plain: Mapping[str, Any] = quality.to_dict()
        counts = [f"{plain[key]:,}" for key in ("bars", "missing", "filled", "unusable", "segments")]
        rows.append([name, plain["first"][:10], plain["last"][:10], *counts, str(len(plain["wicks"])), plain["sha256"][:10]])
    print_table(["asset", "first", "last", "bars", "missing", "filled", "unusable", "segments", "wicks", "sha256"], rows)
    for name, quality in found.items():
        for warning in quality.warnings:
            print(f"{name}: {warning}")


@app.command()
def inspect(
    asset: Annotated[str, typer.Argument(help="An asset of the study.")],
    study: Annotated[str, typer.Option("--study", help="Path of a study file, or a bundled one.")] = "sample",
    prices: PricesOption = None,
    as_of: AsOfOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for a figure, ASSET.png.")] = None,
    json: JsonOption = False,
) -> None:
    """Show the volatility fit, its diagnostics, the tail and the flags of one asset.

    Example: riskparams inspect ALPHA --study sample --out figures
    """
    from riskparams import pipeline
    from riskparams.proposals.inspection import inspection_tables, inspection_warnings

    question = _study(study)
    found = pipeline.inspect_asset(question, _panel(question, prices, as_of), asset)
    if out is not None:
        print(f"figure: {pipeline.publish_inspection(found, out)}", file=sys.stderr)
    if json:
        print_json({"schema_version": 1, **found.document})
        return
    print_label(found.document["simulated"])
    print(f"{found.document['pair']} as of {found.document['as_of']}")
    for line in inspection_warnings(found.document):
        print(line)
    for table in inspection_tables(found.document):
        print(f"\n{table.caption}")
        print_table(table.head, table.rows)


@app.command()
def recommend(
    study: StudyArgument,
    prices: PricesOption = None,
    as_of: AsOfOption = None,
    seed: SeedOption = None,
    workers: WorkersOption = 0,
    json: JsonOption = False,
) -> None:
    """Recommend parameters without the backtest; nothing is written.

    Example: riskparams recommend studies/majors.toml --prices data/prices --json
    """
    record = _run(_study(study), prices, as_of, workers=workers, seed=seed, judged=False)
    if json:
        print_json(record.parameters)
        return
    print_parameters(record)


@app.command()
def backtest(
    study: StudyArgument,
    prices: PricesOption = None,
    as_of: AsOfOption = None,
    seed: SeedOption = None,
    history: DataOption = None,
    workers: WorkersOption = 0,
    json: JsonOption = False,
) -> None:
    """Walk forward and replay the same borrowers under recommended and current parameters; nothing is written.

    With --data the positions a study's [history] records are replayed instead, and held against their liquidations.

    Example: riskparams backtest sample
    """
    question = _study(study)
    if history is not None:
        from riskparams.pipeline.recorded import replay_recorded
        from riskparams.pipeline.recorded_tables import replay_tables

        found = replay_recorded(question, data=history, prices=prices, as_of=_moment(as_of))
        if json:
            print_json({"schema_version": 1, **found.to_dict()})
        else:
            print_tables(replay_tables(found))
        return
    if question.backtest is None:
        advice = "give the folder of its [history] with --data" if question.history else "add one with a start date"
        raise ConfigError(f"study {question.name} has no [backtest] section: {advice}")
    record = _run(question, prices, as_of, workers=workers, seed=seed)
    data = record.evidence.data
    if json:
        pairs = {pair["pair"]: pair["backtest"] for pair in data["pairs"]}
        print_json(
            {"schema_version": 1, "study": data["study"], "pooled": data["pooled"], "pairs": pairs, "checks": data["checks"]}
        )
        return
    print_label(record.panel.simulated)
    print_backtest(record)


@app.command()
def coverage(
    studies: Annotated[
        list[str], typer.Argument(help="Study files, or bundled ones; their assets are judged together.", metavar="STUDY")
    ],
    prices: PricesOption = None,
    as_of: AsOfOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write every forecast: a .parquet or .csv file.")] = None,
    models: Annotated[str, typer.Option("--models", help="Instead of the studies': names, or all.")] = "",
    workers: WorkersOption = 0,
    json: JsonOption = False,
) -> None:
    """Forecast every bar from what was known before it, and judge the forecasts; the first model is compared with the rest.

    Example: riskparams coverage sample --models all --out forecasts.parquet
    """
    from riskparams.forecasts.model import MODELS
    from riskparams.pipeline import coverage_tables as tables
    from riskparams.pipeline.coverage import run_coverage

    names = list(MODELS) if models == "all" else [name.strip() for name in models.split(",") if name.strip()]
    questions = [_study(study) for study in studies]
    if out is not None:
        tables.check_target(out)
    asked = [(question, _panel(question, prices, as_of)) for question in questions]
    found = run_coverage(asked, models=names, executor=_executor(workers))
    if out is not None:
        tables.write_forecasts(found, out)
        print(f"{sum(len(one.forecasts) for one in found.series):,} forecasts in {out}", file=sys.stderr)
    if json:
        print_json({"schema_version": 1, **found.to_dict()})
        return
    print_label(found.simulated)
    print_tables(tables.judgement_tables(found))


@app.command()
def stress(
    study: StudyArgument,
    prices: PricesOption = None,
    as_of: AsOfOption = None,
    seed: SeedOption = None,
    workers: WorkersOption = 0,
    json: JsonOption = False,
) -> None:
    """Put a study's borrowers through named windows and assumed shocks; find the gap that costs the fund. Nothing is written.

    Example: riskparams stress sample
    """
    from riskparams.pipeline.stress import run_stress
    from riskparams.pipeline.stress_tables import stress_tables

    question = _study(study)
    panel = _prices(question, prices)
    found = run_stress(question, panel, as_of=_moment(as_of), seed=seed, executor=_executor(workers))
    if json:
        print_json({"schema_version": 1, **found.to_dict()})
        return
    print_label(found.simulated)
    print_tables(stress_tables(found))


@app.command()
def audit(
    study: StudyArgument,
    prices: PricesOption = None,
    as_of: AsOfOption = None,
    workers: WorkersOption = 0,
    json: JsonOption = False,
) -> None:
    """Show what the live parameters of a study imply: the drop they survive, and once in how many years they do not.

    Example: riskparams audit studies/majors.toml --prices data/prices
    """
    from riskparams.pipeline.audit import audit_table, run_audit

    question = _study(study)
    found = run_audit(question, _prices(question, prices), as_of=_moment(as_of), executor=_executor(workers))
    if json:
        print_json({"schema_version": 1, **found.to_dict()})
        return
    print_label(found.simulated)
    print_tables([audit_table(found)])


@app.command()
def explain(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or that of a study for its newest one.", metavar="RUN")],
    pair: Annotated[str, typer.Argument(help="A pair of the run, such as ETH/USD.", metavar="PAIR")],
) -> None:
    """Print how a pair's numbers come about, each line to be checked with a pocket calculator.

    Example: riskparams explain reports/sample ALPHA/USD
    """
    from riskparams.proposals.explanation import explain_run
    from riskparams.runs.record import latest

    simulated, steps = explain_run(latest(run) or run, pair)
    print_label(simulated)
    for title, lines in steps:
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}")


@app.command()
def recompute(
    study: StudyArgument,
    prices: PricesOption = None,
    as_of: AsOfOption = None,
    out: OutOption = Path("reports"),
    workers: WorkersOption = 0,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 10 when recommended parameters changed.")] = False,
    json: JsonOption = False,
) -> None:
    """Run a study again if its data, settings or the version changed; otherwise do nothing.

    Example: riskparams recompute studies/majors.toml --prices data/prices --exit-code
    """
    from riskparams import pipeline

    question = _study(study)
    result = pipeline.recompute(question, _prices(question, prices), as_of=_moment(as_of), out=out, executor=_executor(workers))
    if json:
        print_json({"schema_version": 1, **result.to_dict()})
    elif not result.ran:
        print(f"nothing to do: {result.folder} has the same data, settings and version")
    else:
        print(f"{result.folder}: " + ("; ".join(result.changes) if result.changes else "no recommended parameter changed"))
    if exit_code and result.changes:
        raise typer.Exit(10)


def _study(name: str) -> Study:
    from riskparams.prices.sample import bundled
    from riskparams.settings import load_study

    path = Path(name)
    if not path.suffix and not path.exists():
        with contextlib.suppress(ConfigError):  # no such bundled study: the path is at fault
            path = Path(str(bundled(f"studies/{name}.toml")))
    return load_study(path)


def _prices(study: Study, folder: Path | None) -> PricePanel:
    from riskparams.pipeline import load_prices

    return load_prices(study, folder)


def _panel(study: Study, folder: Path | None, as_of: str | None) -> PricePanel:
    from riskparams.pipeline import as_known

    return as_known(study, _prices(study, folder), _moment(as_of))


def _moment(text: str | None) -> int | None:
    from riskparams.settings import parse_moment
    from riskparams.terms import nanoseconds

    if text is None:
        return None
    try:
        return nanoseconds(parse_moment(text))
    except ValueError as error:
        raise ConfigError(f"--as-of: {error}") from None


def _executor(workers: int) -> Executor:
    from riskparams.compute import Executor

    return Executor(workers or os.cpu_count() or 1)


def _run(
    study: Study,
    prices: Path | None,
    as_of: str | None,
    *,
    workers: int,
    seed: int | None = None,
    out: Path | None = None,
    judged: bool = True,
) -> RunRecord:
    """Run a study, and write its report when there is a folder for it."""
    from riskparams import pipeline
    from riskparams.runs.record import writable

    if out is not None:
        writable(out / study.name)
    panel = _prices(study, prices)
    record = pipeline.run(study, panel, as_of=_moment(as_of), seed=seed, executor=_executor(workers), judged=judged)
    if out is not None:
        pipeline.publish_run(record, out)
    return record


if __name__ == "__main__":
    main()
