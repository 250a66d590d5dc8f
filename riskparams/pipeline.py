"""The one place that joins the rooms: a study and its prices become recommendations, a backtest and evidence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

import riskparams
from riskparams.backtest.liquidation import Intrabar
from riskparams.backtest.metrics import compare, measure
from riskparams.backtest.positions import draw_book
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule, PublishedDrops
from riskparams.backtest.trigger_coverage import TriggerOutcomes, pooled_coverage, trigger_coverage
from riskparams.backtest.walk_forward import refit_dates, walk_forward
from riskparams.compute import Executor
from riskparams.errors import ConfigError, InsufficientData
from riskparams.parameters.policy import PairPolicy, PairTask
from riskparams.parameters.recommend import Recommendation
from riskparams.paths.model import describe_model, fit_path_model
from riskparams.prices.candles import CandleFormat, CandleSource, VolumeUnit, load_panel
from riskparams.prices.panel import Calendar, PricePanel
from riskparams.prices.quality import PriceQuality, assess_panel
from riskparams.prices.sample import index_market, simulated_market
from riskparams.proposals.evidence import (
    Evidence,
    TestedPair,
    check_inequality,
    check_order,
    daily_prices,
    describe_history,
    describe_recommendation,
    describe_test,
    gather_evidence,
    parameters_document,
)
from riskparams.returns import pair_candles
from riskparams.runs.record import build_manifest, changed_parameters, latest, publish, read_json, run_id, to_json, writable
from riskparams.settings import PairSection, Study
from riskparams.terms import DAY, Asset, FloatArray, Pair, iso, nanoseconds

log = logging.getLogger("riskparams")


@dataclass(frozen=True, kw_only=True)
class PairOutcome:
    """What a run knows about one pair: the headline recommendation, the walk-forward and its replays."""

    recommendation: Recommendation
    history: tuple[tuple[int, Recommendation], ...] = ()
    results: Mapping[str, BacktestResult] | None = None
    best_intrabar: Mapping[str, BacktestResult] | None = None
    coverage: TriggerOutcomes | None = None


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A finished run: its identity, what it found, the evidence, and what is needed to repeat it."""

    study: Study
    as_of: int
    id: str
    panel: PricePanel
    outcomes: Mapping[Pair, PairOutcome]
    evidence: Evidence
    manifest: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """Name of the run's folder: `<as-of>-<id>`."""
        return f"{iso(self.as_of)[:10]}-{self.id}"

    @property
    def parameters(self) -> dict[str, Any]:
        """The machine-readable result, `parameters.json`."""
        found = [outcome.recommendation for outcome in self.outcomes.values()]
        return parameters_document(self.evidence, found)


def load_prices(study: Study, folder: Path | None) -> PricePanel:
    """Return the panel a study asks for: its files, relative to `folder`, or a bundled market."""
    prices = study.prices
    if prices.bundled:
        panel = simulated_market() if prices.bundled == "simulated" else index_market()
        written = (round(prices.bar / timedelta(microseconds=1)) * 1_000, prices.numeraire, prices.calendar)
        if written != (panel.bar, panel.numeraire, panel.calendar):
            raise ConfigError(
                f'the bundled market "{prices.bundled}" has bars of {panel.bar / 3.6e12:g} h in {panel.numeraire}, calendar '
                f"{panel.calendar}: write so in [prices], or leave these keys to their defaults where they agree"
            )
        return panel
    base = folder or Path()
    sources = []
    for asset, names in prices.files.items():
        files = tuple(base / name for name in ([names] if isinstance(names, str) else names))
        sources.append(CandleSource(Asset(asset), files))
    layout = CandleFormat(
        bar=round(prices.bar / timedelta(microseconds=1)) * 1_000,
        stamp=prices.stamp,
        calendar=prices.calendar,
        volume_unit=VolumeUnit(prices.volume_unit),
        repair=prices.repair,
    )
    return load_panel(sources, layout, numeraire=Asset(prices.numeraire))


def as_known(study: Study, panel: PricePanel, as_of: int | None) -> PricePanel:
    """Return the panel as of the date asked for: the argument, else the study's, else the last complete bar."""
    if as_of is None and study.study.as_of is not None:
        as_of = nanoseconds(study.study.as_of)
    known = panel.until(as_of) if as_of is not None else panel
    for task in study.tasks():
        for asset in task.assets:
            if asset != panel.numeraire and asset not in known.candles:
                first = iso(int(panel[asset].time[0]))
                raise InsufficientData(f"{asset} has no price as of {iso(known.last)}: its first bar closes at {first}")
    return known


def identify(study: Study, panel: PricePanel, *, seed: int) -> tuple[str, dict[str, Any]]:
    """Return a run's id and its settings; `panel` is already cut at the as-of date."""
    settings = study.model_dump(mode="json")
    settings["study"].pop("as_of")
    settings["study"]["seed"] = seed
    hashes = {str(asset): digest for asset, digest in sorted(panel.sha256.items())}
    return run_id(settings, hashes, riskparams.__version__, iso(panel.last)), settings


@dataclass(frozen=True)
class _PairJob:
    study: Study
    section: PairSection
    task: PairTask
    panel: PricePanel
    judged: bool


def run(
    study: Study,
    panel: PricePanel,
    *,
    as_of: int | None = None,
    seed: int | None = None,
    executor: Executor | None = None,
    judged: bool = True,
) -> RunRecord:
    """Return the whole run of a study on a panel: recommend for every pair, walk forward, replay, gather evidence.

    `as_of` (nanoseconds) and `seed` override the study's. Nothing dated after `as_of` is read. With `judged=False` the
    backtest is left out. Pairs are computed independently, over the executor.
    """
    known = as_known(study, panel, as_of)
    seed = study.study.seed if seed is None else seed
    identity, settings = identify(study, known, seed=seed)
    quality = assess_panel(known)
    newest = next(asset for asset, bars in known.candles.items() if int(bars.time[-1]) == known.last)
    jobs = []
    for section, task in zip(study.pairs, study.tasks(), strict=True):
        wanted = {*task.assets, newest}  # the newest bar tells every pair what day it is
        part = replace(known, candles={asset: bars for asset, bars in known.candles.items() if asset in wanted})
        jobs.append(_PairJob(study, section, replace(task, seed=seed), part, judged))
    log.info("%s as of %s: %d pairs", study.name, iso(known.last), len(jobs))
    outcomes = (executor or Executor()).map(_pair_outcome, jobs, lambda job: log.info("%s: done", job.task.pair))
    by_pair = {outcome.recommendation.pair: outcome for outcome in outcomes}
    evidence = _evidence(study, known, identity, seed, by_pair, quality)
    return RunRecord(
        study=study,
        as_of=known.last,
        id=identity,
        panel=known,
        outcomes=by_pair,
        evidence=evidence,
        manifest=build_manifest(
            study.name,
            identity,
            iso(known.last),
            settings,
            known.sha256,
            {asset: (int(candles.time[0]), int(candles.time[-1]), len(candles)) for asset, candles in known.candles.items()},
            simulated=known.simulated,
        ),
    )


def _pair_outcome(job: _PairJob) -> PairOutcome:
    headline = PairPolicy(job.task)(job.panel)
    tested = job.study.backtest
    if tested is None or not job.judged:
        return PairOutcome(recommendation=headline)
    start = nanoseconds(tested.start)
    last = int(job.panel[job.task.pair.collateral].time[-1])
    end = last if tested.end is None else min(nanoseconds(tested.end) + DAY, last)
    if end <= start + job.panel.bar:
        raise ConfigError(
            f"the backtest would start {iso(start)} and end {iso(end)}: "
            "choose a later as-of date or an earlier [backtest] start"
        )
    refit, refresh = (round(span / timedelta(microseconds=1)) * 1_000 for span in (tested.refit, tested.ttc_refresh))
    task = replace(job.task, paths=tested.paths, refine=False)
    policy = _when_known(PairPolicy(task, anchor=start, refresh=refresh))
    listed = max(int(bars.time[0]) for asset, bars in job.panel.candles.items() if asset in task.assets)
    dates = [date for date in refit_dates(start, end - job.panel.bar, refit) if date >= listed]
    said = walk_forward(job.panel, policy, dates)
    history = tuple((effective, found) for effective, found in said if found is not None)
    if not history:
        raise InsufficientData(
            f"{task.pair}: no date between {iso(start)} and {iso(end)} has the history that min_window asks for"
        )
    return _judge(job, headline, history, end)


def _when_known(policy: PairPolicy) -> Callable[[PricePanel], Recommendation | None]:
    def recommend_or_wait(panel: PricePanel) -> Recommendation | None:
        try:
            return policy(panel)
        except InsufficientData:
            return None

    return recommend_or_wait


def _judge(job: _PairJob, headline: Recommendation, history: Sequence[tuple[int, Recommendation]], end: int) -> PairOutcome:
    """Replay the same borrowers under each parameter set, and hold the published drops against the prices."""
    assert job.study.backtest is not None
    candles = pair_candles(job.panel, job.task.pair)
    begin = history[0][0]
    schedules = {"recommended": _schedule(history)}
    current, proposed = job.task.current, job.section.judged()
    if current:
        schedules["current"] = ParameterSchedule.constant(current, begin)
    if proposed:
        schedules["proposed"] = ParameterSchedule.constant(proposed, begin)
    rules, cohort = job.study.rules(job.panel.bar), job.study.cohort()
    key = np.random.SeedSequence([job.task.seed, crc32(b"book"), crc32(str(job.task.pair).encode())])
    first = next((found.parameters for _, found in history if found.parameters.max_ltv > 0), None)
    opening = current if current and current.max_ltv > 0 else first
    if opening is None:
        return PairOutcome(recommendation=headline, history=tuple(history))
    book = draw_book(cohort, job.study.backtest.accounts, opening, np.random.default_rng(key))
    bar = job.panel.bar
    if job.panel.calendar is Calendar.EXCHANGE:  # a session stands for its share of the year
        bar = int(np.diff(candles.time).mean())
    bands = {}
    for intrabar in Intrabar:
        rule = replace(rules, intrabar=intrabar)
        bands[intrabar] = {
            name: replay(candles, schedule, book, rule, cohort=cohort, start=begin, end=end, bar=bar, pair=str(job.task.pair))
            for name, schedule in schedules.items()
        }
    appetite = job.task.appetite
    tested = candles.until(end)
    coverage = trigger_coverage(
        tested,
        _published(history),
        execution_bars=rules.execution_bars,
        follow_bars=job.panel.bars_in(appetite.follow.total_seconds(), job.task.pair.collateral),
        every=max(1, 8 * 3_600_000_000_000 // job.panel.bar),
        multiples=appetite.barrier_multiples,
        asset=str(job.task.pair),
    )
    return PairOutcome(
        recommendation=headline,
        history=tuple(history),
        results=bands[Intrabar.WORST],
        best_intrabar=bands[Intrabar.BEST],
        coverage=coverage,
    )


def _schedule(history: Sequence[tuple[int, Recommendation]]) -> ParameterSchedule:
    def column(name: str) -> FloatArray:
        return np.array([getattr(found.parameters, name) for _, found in history])

    return ParameterSchedule(
        effective=np.array([effective for effective, _ in history], dtype=np.int64),
        max_ltv=column("max_ltv"),
        liquidation_threshold=column("liquidation_threshold"),
        liquidation_bonus=column("liquidation_bonus"),
    )


def _published(history: Sequence[tuple[int, Recommendation]]) -> PublishedDrops:
    levels = tuple(history[0][1].haircut.published)
    return PublishedDrops(
        effective=np.array([effective for effective, _ in history], dtype=np.int64),
        touch_move=np.array([found.touch.move for _, found in history]),
        levels=levels,
        drop=np.array([[found.haircut.published[level] for level in levels] for _, found in history]),
    )


def _tested(outcomes: Sequence[PairOutcome], *, seed: int, draws: int) -> TestedPair | None:
    """Measure one pair, or several pooled; only pairs with live parameters enter a comparison with them."""
    replayed = [outcome for outcome in outcomes if outcome.results]
    if not replayed:
        return None

    def side(name: str, band: str) -> list[BacktestResult]:
        return [results[name] for outcome in replayed if name in (results := getattr(outcome, band))]

    names = dict.fromkeys(name for outcome in replayed for name in outcome.results or ())
    sets = {name: measure(side(name, "results"), seed=seed, draws=draws) for name in names}
    paired = [outcome for outcome in replayed if outcome.results and "current" in outcome.results]
    difference = {}
    if paired:
        ours = [outcome.results["recommended"] for outcome in paired if outcome.results]
        theirs = [outcome.results["current"] for outcome in paired if outcome.results]
        difference = compare(ours, theirs, seed=seed, draws=draws)
        if len(paired) < len(replayed):
            sets["recommended, listed pairs"] = measure(ours, seed=seed, draws=draws)
    triggers = [outcome.coverage for outcome in replayed if outcome.coverage is not None]
    return TestedPair(
        start=min(result.opened for result in side("recommended", "results")),
        end=max(result.last for result in side("recommended", "results")),
        sets=sets,
        best_intrabar={name: measure(side(name, "best_intrabar"), seed=seed, draws=draws) for name in names},
        difference=difference,
        coverage=pooled_coverage(triggers, seed=seed, draws=draws) if any(len(found) for found in triggers) else None,
    )


def _evidence(
    study: Study,
    panel: PricePanel,
    identity: str,
    seed: int,
    outcomes: Mapping[Pair, PairOutcome],
    quality: Mapping[Asset, PriceQuality],
) -> Evidence:
    draws = study.backtest.draws if study.backtest else 999
    pairs = []
    for pair, outcome in outcomes.items():
        described = describe_recommendation(outcome.recommendation, quality[pair.collateral])
        tested = _tested([outcome], seed=seed, draws=draws)
        described["history"] = describe_history(outcome.history) if outcome.history else None
        described["backtest"] = describe_test(tested) if tested else None
        described["prices"] = daily_prices(pair_candles(panel, pair))
        pairs.append(described)
    pooled = _tested(list(outcomes.values()), seed=seed, draws=draws)
    histories = {str(pair): [found for _, found in outcome.history] for pair, outcome in outcomes.items()}
    for pair, outcome in outcomes.items():
        histories[str(pair)].append(outcome.recommendation)
    tasks = study.tasks()
    reference = str(tasks[0].reference)
    return gather_evidence(
        study={
            "name": study.name,
            "as_of": iso(panel.last),
            "run_id": identity,
            "version": riskparams.__version__,
            "seed": seed,
            "simulated": panel.simulated,
            "numeraire": panel.numeraire,
            "bar_seconds": panel.bar / 1e9,
            "calendar": str(panel.calendar),
            "reference": reference,
        },
        assumptions={
            "appetite": {
                **study.appetite.model_dump(mode="json"),
                "liquidation_horizon_seconds": tasks[0].appetite.liquidation_horizon.seconds,
                "touch_horizon_hours": study.appetite.touch_horizon / timedelta(hours=1),
                "follow_days": study.appetite.follow / timedelta(days=1),
            },
            "execution": asdict(tasks[0].costs),
            "oracle_deviation": {str(task.pair): task.oracle_step for task in tasks},
            "borrowers": study.cohort().to_dict(),
            "rules": study.rules(panel.bar).to_dict(),
            "backtest": study.backtest.model_dump(mode="json") if study.backtest else None,
            "paths": study.model.paths,
        },
        pairs=pairs,
        pooled=describe_test(pooled) if pooled else None,
        checks={"inequality": check_inequality(histories), "order": check_order(histories, reference)},
    )


def inspect_asset(study: Study, panel: PricePanel, asset: str) -> dict[str, Any]:
    """Return the volatility fit and tails of one asset against the numeraire, as of the panel's last bar."""
    task = study.tasks()[0]
    pair = Pair(Asset(asset), panel.numeraire)
    model = fit_path_model(panel, pair, task.reference, task.model)
    return {"pair": str(pair), "as_of": iso(panel.last), "simulated": panel.simulated, **describe_model(model)}


def report_files(record: RunRecord) -> dict[str, str | bytes]:
    """Return every file of a run's folder by name."""
    from riskparams.proposals.document import render_proposal
    from riskparams.proposals.figures import figures
    from riskparams.proposals.page import render_page

    return {
        "index.html": render_page(record.evidence),
        "proposal.md": render_proposal(record.evidence),
        "parameters.json": to_json(record.parameters),
        "evidence.json": to_json(record.evidence.data),
        "manifest.json": to_json(record.manifest),
        **figures(record.evidence),
    }


def publish_run(record: RunRecord, out: Path) -> Path:
    """Write a run's folder below `out/<study>` and return it; raise `ConfigError` when it cannot be written."""
    folder = out / record.study.name / record.folder
    publish(report_files(record), folder)
    return folder


@dataclass(frozen=True, kw_only=True)
class Recomputation:
    """What a scheduled recomputation did: whether it ran, where the result is, which parameters changed and how."""

    ran: bool
    folder: Path
    changes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the outcome as JSON can hold it."""
        return {"ran": self.ran, "report": str(self.folder), "changes": list(self.changes)}


def recompute(
    study: Study, panel: PricePanel, *, as_of: int | None, out: Path, executor: Executor | None = None
) -> Recomputation:
    """Run a study unless its newest report has the same data, settings and version; say what changed since that report."""
    writable(out / study.name)
    known = as_known(study, panel, as_of)
    identity, _ = identify(study, known, seed=study.study.seed)
    before = latest(out / study.name)
    if before is not None and read_json(before / "manifest.json").get("run_id") == identity:
        return Recomputation(ran=False, folder=before)
    record = run(study, panel, as_of=known.last, executor=executor)
    old = read_json(before / "parameters.json")["pairs"] if before is not None else {}
    folder = publish_run(record, out)
    return Recomputation(ran=True, folder=folder, changes=changed_parameters(old, record.parameters["pairs"]))
