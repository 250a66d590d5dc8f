"""A whole run: every pair of a study, gathered into evidence that says what it was made from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import riskparams
from riskparams.backtest.borrower_outcomes import daily_falls
from riskparams.compute import Executor
from riskparams.pipeline.event_file import describe_events
from riskparams.pipeline.judge import PairJob, PairOutcome, Refusal, pair_outcome_or_refusal, parameters_moved, tested_pair
from riskparams.pipeline.known_prices import as_known
from riskparams.prices.panel import PricePanel
from riskparams.prices.quality import PriceQuality, assess_panel
from riskparams.proposals.evidence import (
    Evidence,
    check_inequality,
    check_order,
    daily_prices,
    describe_history,
    describe_procyclicality,
    describe_recommendation,
    describe_test,
    gather_evidence,
    parameters_document,
)
from riskparams.returns import pair_candles
from riskparams.runs.record import build_manifest, run_id
from riskparams.settings import Study
from riskparams.terms import Asset, Pair, iso

log = logging.getLogger("riskparams")
REPLAYED = {  # what the replay of a study leaves out, in the words of its report
    "liquidators": "act on every trigger, at no cost to themselves",
    "impact": "none added: past prices hold that of their day",
}


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


def identify(study: Study, panel: PricePanel, *, seed: int) -> tuple[str, dict[str, Any]]:
    """Return a run's id and its settings; `panel` is already cut at the as-of date."""
    settings = study.model_dump(mode="json")
    settings["study"].pop("as_of")
    for section in ("coverage", "history", "stress"):  # asked by other commands; they change nothing here
        settings.pop(section)
    settings["study"]["seed"] = seed
    hashes = {str(asset): digest for asset, digest in sorted(panel.sha256.items())}
    return run_id(settings, hashes, riskparams.__version__, iso(panel.last)), settings


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
    executor = executor or Executor()
    jobs = []
    for section, task in zip(study.pairs, study.tasks(), strict=True):
        references = study.other_references()
        wanted = {*task.assets, newest, *(pair.collateral for pair in references)}  # the newest bar tells all what day it is
        part = replace(known, candles={asset: bars for asset, bars in known.candles.items() if asset in wanted})
        threads = executor.workers if len(study.pairs) == 1 else 1
        jobs.append(PairJob(study, section, replace(task, seed=seed, threads=threads), part, judged, references))
    log.info("%s as of %s: %d pairs", study.name, iso(known.last), len(jobs))
    outcomes = executor.map(pair_outcome_or_refusal, jobs, lambda job: log.info("%s: done", job.task.pair))
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    by_pair = {outcome.recommendation.pair: outcome for outcome in outcomes if isinstance(outcome, PairOutcome)}
    if not by_pair:
        raise refused[0].error
    for refusal in refused:
        log.warning("%s: refused: %s", refusal.pair, refusal.error)
    evidence = _evidence(study, known, identity, seed, by_pair, quality, refused)
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
            events=describe_events(by_pair),
        ),
    )


def _evidence(
    study: Study,
    panel: PricePanel,
    identity: str,
    seed: int,
    outcomes: Mapping[Pair, PairOutcome],
    quality: Mapping[Asset, PriceQuality],
    refused: Sequence[Refusal],
) -> Evidence:
    draws = study.backtest.draws if study.backtest else 999
    pairs, falls = [], {}
    for pair, outcome in outcomes.items():
        described = describe_recommendation(outcome.recommendation, outcome.grounds, quality[pair.collateral])
        tested = tested_pair([outcome], seed=seed, draws=draws, falls=None)
        described["history"] = describe_history(outcome.history) if outcome.history else None
        described["procyclicality"] = describe_procyclicality(parameters_moved(outcome.history)) if outcome.history else None
        described["backtest"] = describe_test(tested) if tested else None
        candles = pair_candles(panel, pair)
        described["prices"] = daily_prices(candles)
        falls[str(pair)] = daily_falls(candles)
        pairs.append(described)
    pooled = tested_pair(list(outcomes.values()), seed=seed, draws=draws, falls=falls)
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
            "rules": {**study.rules(panel.bar).to_dict(), **REPLAYED},
            "backtest": study.backtest.model_dump(mode="json") if study.backtest else None,
            "paths": study.model.paths,
        },
        pairs=pairs,
        refused=[
            {"pair": str(refusal.pair), "error": type(refusal.error).__name__, "reason": str(refusal.error)}
            for refusal in refused
        ],
        pooled=describe_test(pooled) if pooled else None,
        checks={"inequality": check_inequality(histories), "order": check_order(histories, reference)},
    )
