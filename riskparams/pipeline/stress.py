"""Stress of a study: its borrowers through every scenario, and the smallest gap whose loss reaches the fund."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import sqrt

from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import Intrabar, LiquidationRules, Liquidators
from riskparams.backtest.oracle import OracleRules
from riskparams.backtest.positions import Borrowers
from riskparams.backtest.reverse_stress import ReverseStress, reverse_stress
from riskparams.backtest.scenario_files import load_scenarios
from riskparams.backtest.scenario_paths import DOLLAR_PEGGED, Origin, ScenarioPath, Skipped, scenario_paths
from riskparams.backtest.scenarios import Scenario, Shock
from riskparams.backtest.stressed import StressedMarket, StressLoss, opening_debt, stress_loss, stressed_market
from riskparams.compute import Executor
from riskparams.errors import DataError, GuardrailError, InsufficientData, ModelError
from riskparams.execution import Depth
from riskparams.parameters.penalty import LiquidationCosts
from riskparams.parameters.policy import PairPolicy, PairTask, daily_volume
from riskparams.paths.model import fit_path_model
from riskparams.pipeline.judge import pair_borrowers
from riskparams.pipeline.known_prices import as_known
from riskparams.pipeline.stress_results import NO_LOANS, PairStress, Parameters, StressedSet, StressRow, StressRun
from riskparams.prices.panel import PricePanel
from riskparams.settings import PairSection, Study
from riskparams.terms import Asset, iso

log = logging.getLogger("riskparams")

SMALLEST_GAP, LARGEST_GAP, TOLERANCE = 0.01, 0.95, 0.005
NOISE = 1e-4  # of debt: how much less a deeper gap may lose because owners and liquidators act at other times
ACCOUNTS = 10_000  # where neither [stress] nor [backtest] says


def run_stress(
    study: Study, panel: PricePanel, *, as_of: int | None = None, seed: int | None = None, executor: Executor | None = None
) -> StressRun:
    """Return what each scenario costs each pair of a study, under the parameters recommended, current and proposed.

    The same borrowers, draws of their owners and liquidators serve every scenario and set. Nothing dated after `as_of`
    (nanoseconds) is read; a window that lies later is drawn from the record. A recommendation that is refused and a
    scenario without prices are rows with their reason; raises `DataError` with the first where there is no other row.
    """
    known = as_known(study, panel, as_of)
    seed = study.study.seed if seed is None else seed
    every = load_scenarios()
    chosen = {name: every[name] for name in study.stress.scenarios or every}
    newest = next(asset for asset, bars in known.candles.items() if int(bars.time[-1]) == known.last)
    jobs = []
    for section, task in zip(study.pairs, study.tasks(), strict=True):
        wanted = {*task.assets, newest}  # the newest bar tells every pair what day it is
        part = replace(known, candles={asset: bars for asset, bars in known.candles.items() if asset in wanted})
        jobs.append(StressJob(study, section, replace(task, seed=seed), part, chosen))
    log.info("%s as of %s: %d pairs under %d scenarios", study.name, iso(known.last), len(jobs), len(chosen))
    pairs = (executor or Executor()).map(pair_stress, jobs, lambda job: log.info("%s: done", job.task.pair))
    rows = [row for one in pairs for row in one.rows]
    if all(row.losses is None for row in rows):
        raise DataError(f"nothing could be put under stress; {rows[0].pair} under {rows[0].scenario}: {rows[0].skipped}")
    return StressRun(
        study=study,
        as_of=known.last,
        seed=seed,
        simulated=known.simulated,
        accounts=_accounts(study),
        scenarios=chosen,
        pairs=tuple(pairs),
    )


def _accounts(study: Study) -> int:
    return study.stress.accounts or (study.backtest.accounts if study.backtest else ACCOUNTS)


@dataclass(frozen=True)
class StressJob:
    """One pair of a study, with the prices it may see and the scenarios it is put through."""

    study: Study
    section: PairSection
    task: PairTask
    panel: PricePanel
    scenarios: Mapping[str, Scenario]

    def stressed(
        self, scenario: Scenario, *, pegged: Collection[Asset] = DOLLAR_PEGGED
    ) -> tuple[StressedMarket, dict[Asset, ScenarioPath]]:
        """Return the pair's market under a scenario and the paths it is made of; the debt is spared a gap.

        Raises `DataError` with the reason where one of its assets has no path.
        """
        pair, stress = self.task.pair, self.study.stress
        found = scenario_paths(
            scenario.with_stand_ins({Asset(asset): Asset(other) for asset, other in stress.stands_for.items()}),
            self.panel,
            [asset for asset in (pair.collateral, pair.debt) if asset != self.panel.numeraire],
            reference=self.task.reference.collateral,
            pegged=pegged,
            spared=(pair.debt,),
            lead=stress.lead,
            settling=stress.settling,
        )
        paths = {}
        for asset, path in found.items():
            if isinstance(path, Skipped):
                raise DataError(f"{asset}: {path.reason}")
            paths[asset] = path
        return stressed_market(scenario, paths, pair, numeraire=self.panel.numeraire, lead=stress.lead), paths


@dataclass(frozen=True)
class _Lending:
    """What is the same under every scenario and set of parameters: who borrows, who liquidates, and at what depth."""

    job: StressJob
    borrowers: Borrowers
    liquidators: Liquidators
    depth: Depth | None

    def loss(self, market: StressedMarket, parameters: Parameters, *, feedback: bool, intrabar: Intrabar) -> StressLoss:
        study, task = self.job.study, self.job.task
        rules: LiquidationRules = study.rules(self.job.panel.bar)
        return stress_loss(
            market,
            parameters,
            self.borrowers,
            replace(rules, liquidators=self.liquidators, intrabar=intrabar),
            cohort=study.cohort(),
            oracle=OracleRules(deviation=task.oracle_step, heartbeat=study.stress.heartbeat),
            impact=MarketImpact(depth={task.pair.collateral: self.depth}, feedback=feedback) if self.depth else None,
        )


def pair_stress(job: StressJob) -> PairStress:
    """Return what the scenarios do to one pair, and the gaps that would cost the fund."""
    recommended: Parameters | None = None
    described: Mapping[str, object] = {}
    refusal = ""
    try:
        found = PairPolicy(job.task)(job.panel)
        recommended, described = found.parameters, found.provenance
    except (GuardrailError, InsufficientData, ModelError) as error:
        refusal = str(error)
    given = {"current": job.task.current, "proposed": job.section.judged()}
    asked = {"recommended": recommended, **{name: one for name, one in given.items() if one}}
    sets = [
        StressedSet(name=name, parameters=one, refused=refusal if one is None else NO_LOANS if one.max_ltv <= 0 else "")
        for name, one in asked.items()
    ]
    lending = None
    try:
        lending = _lending(job, sets, described)
    except (InsufficientData, ModelError) as error:
        sets = [replace(one, refused=one.refused or str(error)) for one in sets]
    rows = [row for scenario in job.scenarios.values() for row in _rows(job, scenario, lending, sets)]
    if lending:
        sets = [one if one.refused else _reversed(lending, one) for one in sets]
    return PairStress(
        pair=job.task.pair,
        depth=lending.depth if lending else None,
        liquidators=lending.liquidators if lending else None,
        sets=tuple(sets),
        rows=tuple(rows),
    )


def _lending(job: StressJob, sets: Sequence[StressedSet], described: Mapping[str, object]) -> _Lending | None:
    """Return the borrowers and the market they meet, None where no set lends; they are those of the backtest.

    Volume and volatility are those the recommendation `described`, or what it would have read had it not been refused.
    """
    lends = [one.parameters for one in sets if one.parameters and not one.refused]
    if not lends:
        return None
    task, current = job.task, job.task.current
    opening = current if current and current.max_ltv > 0 else lends[0]
    sigma = described.get("daily_sigma") or fit_path_model(job.panel, task.pair, task.reference, task.model).daily_sigma
    volume = task.daily_volume or daily_volume(job.panel, task.pair, task.costs)
    assert isinstance(sigma, float)
    return _Lending(
        job=job,
        borrowers=pair_borrowers(job.study.cohort(), _accounts(job.study), opening, task),
        liquidators=liquidators_of(task.costs, sigma),
        depth=Depth(daily_volume=volume, daily_sigma=sigma, spread=task.costs.spread) if volume else None,
    )


def liquidators_of(costs: LiquidationCosts, daily_sigma: float) -> Liquidators:
    """Return liquidators that pay and demand what a study's execution costs say.

    >>> round(liquidators_of(LiquidationCosts(), 0.04).inventory, 6)
    0.001739
    """
    return Liquidators(
        gas=costs.gas,
        win_probability=costs.win_probability,
        oracle_gap=costs.oracle_gap,
        venue_fee=costs.venue_fee,
        flash_fee=costs.flash_fee,
        margin=costs.margin,
        inventory=costs.inventory_sigmas * daily_sigma * sqrt(costs.inventory_seconds / 86_400),
    )


def _rows(job: StressJob, scenario: Scenario, lending: _Lending | None, sets: Sequence[StressedSet]) -> list[StressRow]:
    """Return a row for each set of parameters, with the losses or the reason why there are none."""
    pair, rows = job.task.pair, []
    market, fall, prices, reason = None, None, "skipped", ""
    try:
        market, paths = job.stressed(scenario)
        prices, fall = _origins(job, paths), market.fall
    except DataError as error:
        reason = str(error)
    for one in sets:
        refused, losses = reason or one.refused, None
        if market and lending and one.parameters and not refused:
            losses = _bands(lending, market, one.parameters)
        rows.append(
            StressRow(
                pair=pair,
                scenario=scenario.name,
                parameters=one.name,
                prices=prices,
                fall=fall,
                losses=losses,
                skipped=refused,
            )
        )
    return rows


def _bands(lending: _Lending, market: StressedMarket, parameters: Parameters) -> dict[tuple[bool, Intrabar], StressLoss]:
    """Return the losses by (feedback, intrabar); the two bands are one where lows are closes."""
    found = {}
    for feedback in (True, False):
        worst = lending.loss(market, parameters, feedback=feedback, intrabar=Intrabar.WORST)
        best = worst
        if not market.lows_are_closes:
            best = lending.loss(market, parameters, feedback=feedback, intrabar=Intrabar.BEST)
        found[feedback, Intrabar.WORST], found[feedback, Intrabar.BEST] = worst, best
    return found


def _origins(job: StressJob, paths: Mapping[Asset, ScenarioPath]) -> str:
    """Return where the prices of a pair come from, in words."""
    told = {}
    for asset, path in paths.items():
        other = job.study.stress.stands_for.get(asset)
        told[asset] = f"{path} for {other}" if other and path.origin is Origin.PUBLISHED else str(path)
    return next(iter(told.values())) if len(told) == 1 else ", ".join(f"{asset} {words}" for asset, words in told.items())


def _reversed(lending: _Lending, one: StressedSet) -> StressedSet:
    """Return a set of parameters with the smallest gap, other frictions as usual, whose loss reaches the fund.

    The losses are those of the worst price within a bar, with the same borrowers and draws for every gap.
    """
    job, parameters = lending.job, one.parameters
    assert parameters is not None
    debt = opening_debt(parameters, lending.borrowers)

    @cache
    def market(gap: float) -> StressedMarket:
        shock = Scenario(name="gap", title="The collateral gaps", facts=(), event=Shock(gap=gap))
        return job.stressed(shock, pegged=())[0]

    def search(feedback: bool) -> ReverseStress:
        return reverse_stress(
            lambda gap: lending.loss(market(gap), parameters, feedback=feedback, intrabar=Intrabar.WORST).loss,
            job.study.stress.fund * debt,
            lowest=SMALLEST_GAP,
            highest=LARGEST_GAP,
            tolerance=TOLERANCE,
            noise=NOISE * debt,
        )

    return replace(one, debt=debt, reverse={feedback: search(feedback) for feedback in (True, False)})
