"""The best parameters that keep every constraint: bisection on the threshold inside a grid of gap, bonus and target health."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf

from riskparams.errors import ConfigError
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.ltv import STEP, floored, max_liquidation_threshold, max_ltv
from riskparams.parameters.risk_parameters import RiskParameters

GAPS = (1.0, 1.25, 1.5, 2.0, 3.0)  # in touch moves
TARGET = 1.05  # health after a liquidation, while gap and bonus are chosen
TARGETS = (1.02, 1.10, 1.20)  # tried after that
BUDGETS = (0.05, 0.2, 1.0)  # of the appetite's annual loss, for the front

REPAYMENT = "repayment in full: threshold x (1 + bonus) = 1 - haircut"
LOSS = "annual loss"
TOUCH = "touch probability"
RATE = "liquidation rate"
COST = "borrowers' cost"
PARTICIPATION = "liquidators' participation"
COLLATERAL = "not collateral"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a judge says of parameters: liquidations of a position-year, penalty and slippage as a fraction of debt a year, and
    the mean of the worst hundredth of annual losses as a fraction of debt.
    """

    liquidation_rate: float
    borrower_cost: float
    annual_loss: float


Judge = Callable[[RiskParameters, float], Outcome]
"""Parameters and target health after a liquidation -> outcome, with the same borrowers and the same luck for every question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What may be chosen: the haircut (fraction), the bonuses from the smallest that pays upward, and the touch move (log)."""

    haircut: float
    bonuses: tuple[float, ...]
    touch_move: float

    def __post_init__(self) -> None:
        if not self.bonuses or list(self.bonuses) != sorted(self.bonuses):
            raise ConfigError(f"bonuses to choose from are {self.bonuses}: expected at least one, ascending")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Parameters with what is said of them. `objective` is smaller when better, infinite for what breaks a constraint."""

    parameters: RiskParameters
    target_health: float
    gap: float
    outcome: Outcome
    objective: float
    violated: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The best candidate, the constraints that hold it where it is, by name, and all that were looked at."""

    chosen: Candidate
    binding: tuple[str, ...]
    candidates: tuple[Candidate, ...]

    @property
    def feasible(self) -> bool:
        """Whether anything kept every constraint; if not, the chosen parameters are 0: not collateral."""
        return not self.chosen.violated


def optimise(
    question: Question,
    appetite: RiskAppetite,
    judge: Judge,
    *,
    targets: Sequence[float] = TARGETS,
    efficiency_weight: float = 1.0,
    cost_weight: float = 1.0,
) -> Optimum:
    """Minimise `efficiency_weight (1 - max LTV) + cost_weight (borrowers' cost)` under the constraints of the appetite.

    Constraints: threshold x (1 + bonus) <= 1 - haircut; bonus at least the smallest that pays; gap at least the touch move; the
    judge's liquidation rate and annual loss within the appetite's. For each gap, bonus and target health the largest threshold
    of the 0.5 % grid that keeps the annual loss is found by bisection: the loss does not fall as the threshold rises. Where
    nothing keeps all of them the parameters are 0 and the constraints that the best gap broke are named: none is relaxed.
    """
    found: list[Candidate] = []

    def candidate(bonus: float, gap: float, target: float) -> Candidate:
        top = floored(max_liquidation_threshold(question.haircut, bonus))

        def at(threshold: float) -> Candidate:
            ltv = min(floored(max_ltv(threshold, gap * question.touch_move)), round(threshold - STEP, 10))
            if ltv <= 0:
                return _nothing(bonus, target, gap)
            terms = RiskParameters(max_ltv=ltv, liquidation_threshold=threshold, liquidation_bonus=bonus)
            outcome = judge(terms, target)
            broken = (
                *((LOSS,) if outcome.annual_loss > appetite.annual_loss else ()),
                *((RATE,) if outcome.liquidation_rate > appetite.liquidation_rate else ()),
            )
            worth = efficiency_weight * (1 - ltv) + cost_weight * outcome.borrower_cost
            return Candidate(
                parameters=terms,
                target_health=target,
                gap=gap,
                outcome=outcome,
                objective=inf if broken else worth,
                violated=broken,
            )

        best = at(top)
        if LOSS in best.violated:
            low, high = 0, round(top / STEP)  # the loss is kept at 0 and broken at the top
            while high - low > 1:
                middle = (low + high) // 2
                here = at(round(middle * STEP, 10))
                low, high, best = (middle, high, here) if LOSS not in here.violated else (low, middle, best)
            best = at(round(low * STEP, 10))
        found.append(best)
        return best

    target = TARGET
    for bonus in question.bonuses:
        for gap in GAPS:
            candidate(bonus, gap, target)
    kept = [one for one in found if not one.violated]
    if kept:
        best = min(kept, key=lambda one: one.objective)
        for other in targets:
            candidate(best.parameters.liquidation_bonus, best.gap, other)
        chosen = min((one for one in found if not one.violated), key=lambda one: (one.objective, one.gap, one.target_health))
        return Optimum(chosen=chosen, binding=_binding(chosen, question, found), candidates=tuple(found))
    least = min(found, key=lambda one: len(one.violated))
    nothing = _nothing(question.bonuses[0], target, least.gap, least.violated)
    return Optimum(chosen=nothing, binding=(*least.violated, COLLATERAL), candidates=tuple(found))


def _nothing(bonus: float, target: float, gap: float, violated: tuple[str, ...] = (COLLATERAL,)) -> Candidate:
    return Candidate(
        parameters=RiskParameters(max_ltv=0.0, liquidation_threshold=0.0, liquidation_bonus=bonus),
        target_health=target,
        gap=gap,
        outcome=Outcome(liquidation_rate=0.0, borrower_cost=0.0, annual_loss=0.0),
        objective=inf,
        violated=violated or (COLLATERAL,),
    )


def _binding(chosen: Candidate, question: Question, found: Sequence[Candidate]) -> tuple[str, ...]:
    terms = chosen.parameters
    top = floored(max_liquidation_threshold(question.haircut, terms.liquidation_bonus))
    threshold = REPAYMENT if terms.liquidation_threshold >= top else LOSS
    narrower = [one for one in found if one.gap < chosen.gap and one.parameters.liquidation_bonus == terms.liquidation_bonus]
    gap = TOUCH if not narrower else RATE if any(RATE in one.violated for one in narrower) else COST
    bonus = PARTICIPATION if terms.liquidation_bonus <= question.bonuses[0] else COST
    return threshold, gap, bonus


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoPoint:
    """One choice that no other beats in all of max LTV, annual loss, liquidation rate and borrowers' cost."""

    parameters: RiskParameters
    outcome: Outcome
    budget: float


def pareto(
    question: Question, appetite: RiskAppetite, judge: Judge, *, budgets: Sequence[float] = BUDGETS
) -> list[ParetoPoint]:
    """Return the choices that are not dominated, as the annual loss that is allowed goes through multiples of the appetite's.

    Sorted by max LTV. The constraint on the liquidation rate is left out here: the rate is one of the four things traded.
    """
    points: list[ParetoPoint] = []
    for budget in budgets:
        allowed = replace(appetite, annual_loss=budget * appetite.annual_loss, liquidation_rate=inf)
        for one in optimise(question, allowed, judge, targets=()).candidates:
            if not one.violated:
                points.append(ParetoPoint(parameters=one.parameters, outcome=one.outcome, budget=allowed.annual_loss))
    unique = {point.parameters: point for point in reversed(points)}.values()
    kept = [one for one in unique if not any(_beats(_goods(other), _goods(one)) for other in unique)]
    return sorted(kept, key=lambda point: point.parameters.max_ltv)


def _goods(point: ParetoPoint) -> tuple[float, float, float, float]:
    found = point.outcome
    return -point.parameters.max_ltv, found.annual_loss, found.liquidation_rate, found.borrower_cost


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
