"""One pair: recommended as of today, walked forward through the past, replayed against the prices and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from zlib import crc32

import numpy as np

from riskparams.backtest.borrower_outcomes import DailyFalls, borrower_outcomes
from riskparams.backtest.liquidation import Intrabar
from riskparams.backtest.market import pair_market
from riskparams.backtest.metrics import compare, measure
from riskparams.backtest.positions import Borrowers, Cohort, draw_borrowers
from riskparams.backtest.procyclicality import Procyclicality, procyclicality
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule, PublishedDrops
from riskparams.backtest.trigger_coverage import CoverageTest, TriggerOutcomes, pooled_coverage, trigger_coverage
from riskparams.backtest.walk_forward import refit_dates, walk_forward
from riskparams.errors import REFUSALS, ConfigError, InsufficientData, RiskParamsError
from riskparams.parameters.policy import PairPolicy, PairTask
from riskparams.parameters.recommend import Recommendation
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.paths.simulate import StartLaw
from riskparams.pipeline.change_advice import ChangeControl
from riskparams.pipeline.in_full import describe_in_full, recommend_in_full
from riskparams.prices.panel import Calendar, PricePanel
from riskparams.proposals.evidence import PrudenceCost, TestedPair
from riskparams.returns import pair_candles
from riskparams.settings import PairSection, Study
from riskparams.terms import DAY, FloatArray, Pair, iso, nanoseconds


@dataclass(frozen=True, kw_only=True)
class PairOutcome:
    """What a run knows about one pair: the headline recommendation, its grounds, the walk-forward and its replays."""

    recommendation: Recommendation
    grounds: Mapping[str, Any]
    history: tuple[tuple[int, Recommendation], ...] = ()
    results: Mapping[str, BacktestResult] | None = None
    best_intrabar: Mapping[str, BacktestResult] | None = None
    coverage: TriggerOutcomes | None = None
    coverage_today: TriggerOutcomes | None = None


@dataclass(frozen=True)
class PairJob:
    """One pair of a study, with the prices it may see; `judged=False` leaves the backtest out.

    `references` are pairs to fill back from instead, to see what that choice does.
    """

    study: Study
    section: PairSection
    task: PairTask
    panel: PricePanel
    judged: bool
    references: tuple[Pair, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A pair that the package would not speak for, and why."""

    pair: Pair
    error: RiskParamsError


def pair_outcome_or_refusal(job: PairJob) -> PairOutcome | Refusal:
    """Return the outcome of a pair, or why there is none: no data, no model or nothing feasible; other errors are raised."""
    try:
        return pair_outcome(job)
    except REFUSALS as error:
        return Refusal(pair=job.task.pair, error=error)


def pair_outcome(job: PairJob) -> PairOutcome:
    """Return the headline recommendation of a pair, and what the backtest of its study says about it.

    Raises `ConfigError` for a period without time in it and `InsufficientData` for one without history.
    """
    full = recommend_in_full(
        job.task,
        job.panel,
        cohort=job.study.cohort(),
        rules=job.study.rules(job.panel.bar),
        control=ChangeControl(limits=job.study.change.build(), materiality=job.study.change.worth()),
        exposure=job.section.exposed(),
        references=job.references,
        mode=job.study.model.uncertainty,
    )
    headline, grounds = full.recommendation, describe_in_full(full)
    tested = job.study.backtest
    if tested is None or not job.judged:
        return PairOutcome(recommendation=headline, grounds=grounds)
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
    return _judge(job, PairOutcome(recommendation=headline, grounds=grounds, history=history), end)


def _when_known(policy: PairPolicy) -> Callable[[PricePanel], Recommendation | None]:
    def recommend_or_wait(panel: PricePanel) -> Recommendation | None:
        try:
            return policy(panel)
        except InsufficientData:
            return None

    return recommend_or_wait


def _judge(job: PairJob, outcome: PairOutcome, end: int) -> PairOutcome:
    """Replay the same borrowers under each parameter set, and hold the published drops against the prices."""
    assert job.study.backtest is not None
    candles, history = pair_candles(job.panel, job.task.pair), outcome.history
    begin = history[0][0]
    schedules = {"recommended": _schedule(history)}
    current, proposed = job.task.current, job.section.judged()
    if current:
        schedules["current"] = ParameterSchedule.constant(current, begin)
    if proposed:
        schedules["proposed"] = ParameterSchedule.constant(proposed, begin)
    rules, cohort = job.study.rules(job.panel.bar), job.study.cohort()
    first = next((found.parameters for _, found in history if found.parameters.max_ltv > 0), None)
    opening = current if current and current.max_ltv > 0 else first
    if opening is None:
        return outcome
    borrowers = pair_borrowers(cohort, job.study.backtest.accounts, opening, job.task)
    bar = job.panel.bar
    if job.panel.calendar is Calendar.EXCHANGE:  # a session stands for its share of the year
        bar = int(np.diff(candles.time).mean())
    market = pair_market(candles, job.task.pair, bar=bar)
    bands = {}
    for intrabar in Intrabar:
        rule = replace(rules, intrabar=intrabar)
        bands[intrabar] = {
            name: replay(market, schedule, borrowers, rule, cohort=cohort, start=begin, end=end, name=str(job.task.pair))
            for name, schedule in schedules.items()
        }
    appetite = job.task.appetite
    tested = candles.until(end)

    def covered(*, today: bool) -> TriggerOutcomes:
        return trigger_coverage(
            tested,
            _published(history, today=today),
            execution_bars=rules.execution_bars,
            follow_bars=job.panel.bars_in(appetite.follow.total_seconds(), job.task.pair.collateral),
            every=max(1, 8 * 3_600_000_000_000 // job.panel.bar),
            multiples=appetite.barrier_multiples,
            asset=str(job.task.pair),
        )

    return replace(
        outcome,
        results=bands[Intrabar.WORST],
        best_intrabar=bands[Intrabar.BEST],
        coverage=covered(today=False),
        coverage_today=covered(today=True),
    )


def pair_borrowers(cohort: Cohort, accounts: int, opening: RiskParameters | ObservedParameters, task: PairTask) -> Borrowers:
    """Return the borrowers of a pair, drawn at the parameters they open under from the stream of its seed and name."""
    key = np.random.SeedSequence([task.seed, crc32(b"book"), crc32(str(task.pair).encode())])
    return draw_borrowers(cohort, accounts, opening, np.random.default_rng(key))


def _schedule(history: Sequence[tuple[int, Recommendation]]) -> ParameterSchedule:
    def column(name: str) -> FloatArray:
        return np.array([getattr(found.parameters, name) for _, found in history])

    return ParameterSchedule(
        effective=np.array([effective for effective, _ in history], dtype=np.int64),
        max_ltv=column("max_ltv"),
        liquidation_threshold=column("liquidation_threshold"),
        liquidation_bonus=column("liquidation_bonus"),
    )


def _published(history: Sequence[tuple[int, Recommendation]], *, today: bool) -> PublishedDrops:
    levels = tuple(history[0][1].haircut.published)
    said = [found.haircut.published_today if today else found.haircut.published for _, found in history]
    return PublishedDrops(
        effective=np.array([effective for effective, _ in history], dtype=np.int64),
        touch_move=np.array([found.touch.move for _, found in history]),
        levels=levels,
        drop=np.array([[drops[level] for level in levels] for drops in said]),
    )


def parameters_moved(history: Sequence[tuple[int, Recommendation]]) -> dict[str, Procyclicality]:
    """Return how far the recommended threshold and max LTV moved over the walk-forward."""
    said = _schedule(history)
    return {
        "liquidation_threshold": procyclicality(said.effective, said.liquidation_threshold),
        "max_ltv": procyclicality(said.effective, said.max_ltv),
    }


def prudence_cost(history: Sequence[Recommendation]) -> PrudenceCost:
    """Return what everything beyond today's law took off the threshold over a walk-forward, and what set the haircuts."""
    beyond = [
        (found.haircut.value - (1 - (1 - found.haircut.surroundings.oracle_step) * (1 - found.haircut.laws[StartLaw.PIT].drop)))
        / (1 + found.parameters.liquidation_bonus)
        for found in history
    ]
    bindings = [found.haircut.binding for found in history]
    return PrudenceCost(
        threshold_points=float(np.mean(beyond)),
        set_by={name: bindings.count(name) / len(bindings) for name in dict.fromkeys(bindings)},
    )


def tested_pair(
    outcomes: Sequence[PairOutcome], *, seed: int, draws: int, falls: Mapping[str, DailyFalls] | None
) -> TestedPair | None:
    """Measure one pair, or several pooled; only pairs with live parameters enter a comparison with them.

    With the daily `falls` of the pairs' prices, what happened to borrowers is told too.
    """
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

    def covered(triggers: list[TriggerOutcomes | None]) -> CoverageTest | None:
        known = [found for found in triggers if found is not None]
        return pooled_coverage(known, seed=seed, draws=draws, alpha=0.10) if any(len(found) for found in known) else None

    return TestedPair(
        start=min(result.opened for result in side("recommended", "results")),
        end=max(result.last for result in side("recommended", "results")),
        sets=sets,
        best_intrabar={name: measure(side(name, "best_intrabar"), seed=seed, draws=draws) for name in names},
        difference=difference,
        coverage=covered([outcome.coverage for outcome in replayed]),
        coverage_today=covered([outcome.coverage_today for outcome in replayed]),
        prudence=prudence_cost([found for outcome in replayed for _, found in outcome.history]),
        borrowers={name: borrower_outcomes(side(name, "results"), falls) for name in names} if falls else {},
    )
