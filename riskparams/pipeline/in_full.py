"""A recommendation in full: the best parameters of three appetites, how sure they are, and what sets their level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from riskparams.backtest.liquidation import LiquidationRules
from riskparams.backtest.market import pair_market
from riskparams.backtest.positions import Borrowers, Cohort, draw_borrowers
from riskparams.limits.caps import Exposure
from riskparams.parameters.haircut import haircut
from riskparams.parameters.ltv import BONUS_STEP
from riskparams.parameters.optimise import Optimum, ParetoPoint, Question, optimise, pareto
from riskparams.parameters.policy import PairPolicy, PairTask, Simulated
from riskparams.parameters.profiles import Profile, profiles
from riskparams.parameters.recommend import Recommendation, touch_moves
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.parameters.sensitivity import Sensitivity, sensitivity
from riskparams.parameters.uncertainty import PATHS, Mode, Uncertainty, uncertainty
from riskparams.paths.simulate import StartLaw
from riskparams.paths.trigger import deepest_moves
from riskparams.pipeline.candidates import CandidateJudge
from riskparams.pipeline.change_advice import Advice, ChangeControl, advise
from riskparams.pipeline.pair_limits import PairLimits, pair_limits
from riskparams.prices.panel import PricePanel
from riskparams.proposals.grounds import (
    describe_advice,
    describe_front,
    describe_intervals,
    describe_limits,
    describe_profiles,
    describe_prudence,
    describe_sensitivity,
    describe_surroundings,
)
from riskparams.returns import pair_candles
from riskparams.terms import DAY, Pair

ACCOUNTS = 1_000
PAST = 730 * DAY  # prices that candidates are replayed over
DEARER = (0.0, 0.005)  # above the smallest bonus that pays
ONE_SIZE = 10_000.0


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """The recommended parameters against a simulation with fresh draws: it holds where they still repay in full, within error.

    `haircut` is that of the fresh simulation, `error` its Monte-Carlo error and that of the first together.
    """

    seed: int
    haircut: float
    error: float
    holds: bool


@dataclass(frozen=True, kw_only=True)
class InFull:
    """Everything a run says of one pair's parameters as of its last bar.

    `recommendation` holds the parameters of the moderate profile. `optima` are by profile; `front` is what no choice beats.
    """

    recommendation: Recommendation
    optima: Mapping[Profile, Optimum]
    haircuts: Mapping[Profile, float]
    front: tuple[ParetoPoint, ...]
    confirmation: Confirmation
    uncertainty: Uncertainty
    sensitivity: tuple[Sensitivity, ...]
    advice: Advice
    limits: PairLimits | None
    simulated: Simulated
    judge: CandidateJudge


def recommend_in_full(
    task: PairTask,
    panel: PricePanel,
    *,
    cohort: Cohort,
    rules: LiquidationRules,
    control: ChangeControl,
    exposure: Exposure,
    references: Sequence[Pair] = (),
    mode: Mode = Mode.CHEAP,
) -> InFull:
    """Return the recommendation of a pair in full; raises what the policy and `haircut` do.

    The three profiles share one simulation: they differ in what they ask of it. The same borrowers are replayed over the same
    past for every candidate.
    """
    policy = PairPolicy(task)
    simulated = policy.simulate(panel)
    level = task.appetite.haircut_level
    at_estimate = {law: found.value_at_risk(level) for law, found in simulated.drops.items()}
    if task.appetite.parameter_uncertainty:
        cycle = simulated.cycle
        at_estimate = {
            law: policy.drops(simulated.model, law, cycle.barriers, panel, cycle.jumps, drawn=False).value_at_risk(level)
            for law in StartLaw
        }
    first = policy.recommendation(panel, simulated, at_estimate=at_estimate)
    judge = candidate_judge(task, panel, simulated, first, cohort=cohort, rules=rules)
    optima, cuts = _optima(policy, panel, simulated, first, judge)
    best = optima[Profile.MODERATE]
    asked = _question(first.haircut.value, first, first.touch.move)
    found = replace(first, parameters=best.chosen.parameters, binding=(first.binding[0], *best.binding))
    gap = best.chosen.gap
    unsure = uncertainty(policy, panel, simulated, found, at_estimate, gap=gap, mode=mode, paths=min(PATHS, task.paths))
    return InFull(
        recommendation=found,
        optima=optima,
        haircuts=cuts,
        front=tuple(pareto(replace(asked, bonuses=asked.bonuses[:1]), task.appetite, judge)),
        confirmation=_confirm(policy, panel, found),
        uncertainty=unsure,
        advice=advise(task, simulated, found, unsure, control),
        limits=pair_limits(task, simulated, found, best.chosen, judge, cohort=cohort, exposure=exposure),
        sensitivity=tuple(sensitivity(policy, panel, simulated, references=references, paths=min(PATHS, task.paths))),
        simulated=simulated,
        judge=judge,
    )


def candidate_judge(
    task: PairTask, panel: PricePanel, simulated: Simulated, found: Recommendation, *, cohort: Cohort, rules: LiquidationRules
) -> CandidateJudge:
    """Return the judge of a pair's candidates: borrowers of one size, for sizes say nothing here and would only add noise."""
    candles = pair_candles(panel, task.pair)
    last = int(candles.time[-1])
    opening: RiskParameters | ObservedParameters = found.parameters
    if task.current and task.current.max_ltv > 0:
        opening = task.current
    if opening.max_ltv <= 0:
        opening = ObservedParameters(max_ltv=0.5, liquidation_threshold=0.6, liquidation_bonus=0.05)
    drawn = draw_borrowers(cohort, ACCOUNTS, opening, np.random.default_rng([task.seed, 1]))
    return CandidateJudge(
        market=pair_market(candles, task.pair, bar=panel.bar),
        borrowers=Borrowers(utilisation=drawn.utilisation, size=np.full(len(drawn), ONE_SIZE), seed=drawn.seed),
        cohort=cohort,
        rules=rules,
        start=max(last - PAST, int(candles.time[0])),
        end=last,
        drops=simulated.drops[StartLaw.TTC],
        oracle_step=task.oracle_step,
        seed=task.seed,
    )


def _question(cut: float, found: Recommendation, touch_move: float) -> Question:
    least = found.parameters.liquidation_bonus
    bonuses = tuple(round(round((least + more) / BONUS_STEP) * BONUS_STEP, 10) for more in DEARER)
    return Question(haircut=cut, bonuses=bonuses, touch_move=touch_move)


def _optima(
    policy: PairPolicy, panel: PricePanel, simulated: Simulated, found: Recommendation, judge: CandidateJudge
) -> tuple[dict[Profile, Optimum], dict[Profile, float]]:
    task, around = policy.task, found.haircut.surroundings
    optima, cuts = {}, {}
    for profile, appetite in profiles(task.appetite).items():
        cut, move = found.haircut.value, found.touch.move
        if profile is not Profile.MODERATE:
            cut = haircut(
                simulated.drops,
                appetite,
                oracle_step=around.oracle_step,
                conformal=around.conformal,
                scenario=around.scenario,
            ).value
            bars = panel.bars_in(appetite.touch_horizon.total_seconds(), task.pair.collateral)
            falls = simulated.cycle.falls
            if appetite.touch_horizon != task.appetite.touch_horizon:
                law = policy.law(simulated.cycle.model, StartLaw.TTC, bars, simulated.cycle.jumps)
                falls = deepest_moves(law, threads=task.threads)
            move = touch_moves(falls, falls, appetite.touch_probability).move
        cuts[profile] = cut
        if cut >= appetite.largest_haircut:
            cut = 1.0
        optima[profile] = optimise(_question(cut, found, move), appetite, judge)
    return optima, cuts


def _confirm(policy: PairPolicy, panel: PricePanel, found: Recommendation) -> Confirmation:
    seed = policy.task.seed + 1
    fresh = PairPolicy(replace(policy.task, seed=seed))
    again = fresh.recommendation(panel, fresh.simulate(panel)).haircut
    terms = found.parameters
    used = terms.liquidation_threshold * (1 + terms.liquidation_bonus)
    error = float(np.hypot(again.error, found.haircut.error))
    return Confirmation(seed=seed, haircut=again.value, error=error, holds=used <= 1 - again.value + 2 * error)


def describe_in_full(found: InFull) -> dict[str, Any]:
    """Return the grounds of a recommendation as evidence holds them."""
    cycle = found.simulated.cycle
    return {
        "target_health": found.optima[Profile.MODERATE].chosen.target_health,
        "intervals": describe_intervals(found.uncertainty),
        "prudence": describe_prudence(found.recommendation),
        "surroundings": describe_surroundings(found.recommendation.haircut, cycle.scenarios, cycle.jumps),
        "profiles": describe_profiles(found.optima, found.haircuts),
        "front": describe_front(found.front),
        "confirmation": asdict(found.confirmation),
        "sensitivity": describe_sensitivity(found.sensitivity),
        "limits": describe_limits(found.limits.supply, found.limits.liquidated_share, found.limits.branching, found.limits.fund)
        if found.limits
        else None,
        "advice": describe_advice(
            found.advice.decision,
            found.advice.change,
            found.advice.by_source,
            found.advice.designs,
            found.advice.dynamic,
        ),
    }
