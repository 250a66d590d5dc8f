"""The optimiser: what it returns keeps every constraint, names what binds, and relaxes nothing in silence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.ltv import floored, max_liquidation_threshold, max_ltv
from riskparams.parameters.optimise import (
    COLLATERAL,
    LOSS,
    PARTICIPATION,
    RATE,
    REPAYMENT,
    TOUCH,
    Judge,
    Outcome,
    Question,
    optimise,
    pareto,
)
from riskparams.parameters.profiles import Profile, profiles
from riskparams.parameters.risk_parameters import RiskParameters


def judge(*, loss: float, rate: float, cost: float) -> Judge:
    """Return a judge under whom loss rises with the threshold, and liquidations and cost fall with the gap."""

    def say(terms: RiskParameters, target: float) -> Outcome:
        gap = 1 - terms.max_ltv / terms.liquidation_threshold if terms.liquidation_threshold else 1.0
        return Outcome(
            liquidation_rate=rate * (1 - gap) ** 8,
            borrower_cost=cost * terms.liquidation_bonus * (1 - gap) ** 8 * target,
            annual_loss=loss * (terms.liquidation_threshold * (1 + terms.liquidation_bonus)) ** 6,
        )

    return say


@given(
    cut=st.floats(0.01, 0.8),
    bonus=st.floats(0.01, 0.1),
    move=st.floats(0.005, 0.3),
    loss=st.floats(0.0, 0.3),
    rate=st.floats(0.0, 5.0),
    cost=st.floats(0.0, 5.0),
)
@settings(max_examples=80, deadline=None)
def test_the_chosen_parameters_keep_every_constraint_or_are_nothing(
    cut: float, bonus: float, move: float, loss: float, rate: float, cost: float
) -> None:
    appetite = RiskAppetite()
    found = optimise(
        Question(haircut=cut, bonuses=(bonus, bonus + 0.01), touch_move=move), appetite, judge(loss=loss, rate=rate, cost=cost)
    )
    terms = found.chosen.parameters
    if found.feasible:
        assert terms.liquidation_threshold * (1 + terms.liquidation_bonus) <= 1 - cut + 1e-12
        assert 0 < terms.max_ltv < terms.liquidation_threshold
        assert terms.max_ltv <= max_ltv(terms.liquidation_threshold, move) + 1e-12
        assert found.chosen.outcome.annual_loss <= appetite.annual_loss
        assert found.chosen.outcome.liquidation_rate <= appetite.liquidation_rate
        assert terms.liquidation_bonus >= bonus
    else:
        assert terms.max_ltv == terms.liquidation_threshold == 0
        assert COLLATERAL in found.binding


def test_with_nothing_else_to_fear_it_is_the_formula() -> None:
    question = Question(haircut=0.155, bonuses=(0.016,), touch_move=0.104)
    found = optimise(question, RiskAppetite(), judge(loss=0.0, rate=0.1, cost=0.01))
    threshold = floored(max_liquidation_threshold(0.155, 0.016))
    assert found.chosen.parameters.liquidation_threshold == threshold
    assert found.chosen.parameters.max_ltv == floored(max_ltv(threshold, 0.104))
    assert found.binding == (REPAYMENT, TOUCH, PARTICIPATION)


def test_the_annual_loss_lowers_the_threshold_to_the_last_step_that_keeps_it() -> None:
    appetite = RiskAppetite(annual_loss=0.01)
    say = judge(loss=0.05, rate=0.1, cost=0.0)
    found = optimise(Question(haircut=0.1, bonuses=(0.05,), touch_move=0.05), appetite, say)
    terms = found.chosen.parameters
    assert found.binding[0] == LOSS
    assert found.chosen.outcome.annual_loss <= 0.01
    one_more = replace(terms, liquidation_threshold=round(terms.liquidation_threshold + 0.005, 10))
    assert say(one_more, 1.05).annual_loss > 0.01


def test_too_many_liquidations_widen_the_gap_and_are_named() -> None:
    found = optimise(
        Question(haircut=0.1, bonuses=(0.05,), touch_move=0.05), RiskAppetite(), judge(loss=0.0, rate=1.6, cost=0.0)
    )
    assert found.binding[1] == RATE
    assert found.chosen.gap > 1


def test_where_nothing_is_feasible_the_broken_constraints_are_named() -> None:
    found = optimise(
        Question(haircut=0.1, bonuses=(0.05,), touch_move=0.01), RiskAppetite(), judge(loss=0.0, rate=1e6, cost=0.0)
    )
    assert not found.feasible
    assert found.chosen.parameters.max_ltv == 0
    assert found.binding == (RATE, COLLATERAL)


def test_no_point_of_the_front_beats_another() -> None:
    points = pareto(
        Question(haircut=0.15, bonuses=(0.02,), touch_move=0.08), RiskAppetite(), judge(loss=0.1, rate=1.0, cost=1.0)
    )
    assert len(points) > 3
    goods = [
        (-one.parameters.max_ltv, one.outcome.annual_loss, one.outcome.liquidation_rate, one.outcome.borrower_cost)
        for one in points
    ]
    for one in goods:
        assert not any(other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in goods)


@given(
    level=st.floats(0.9, 0.999),
    chance=st.floats(0.01, 0.4),
    hours=st.integers(1, 400),
    loss=st.floats(0.001, 0.1),
    rate=st.floats(0.1, 5),
)
@settings(max_examples=60, deadline=None)
def test_profiles_are_ordered_whatever_is_declared(level: float, chance: float, hours: int, loss: float, rate: float) -> None:
    from datetime import timedelta

    declared = RiskAppetite(
        haircut_level=level,
        touch_probability=chance,
        touch_horizon=timedelta(hours=hours),
        annual_loss=loss,
        liquidation_rate=rate,
    )
    found = profiles(declared)
    careful, middle, bold = (found[profile] for profile in Profile)
    assert middle == declared
    assert careful.haircut_level >= middle.haircut_level >= bold.haircut_level
    assert careful.touch_probability <= middle.touch_probability <= bold.touch_probability
    assert careful.touch_horizon >= middle.touch_horizon >= bold.touch_horizon
    assert careful.annual_loss < middle.annual_loss < bold.annual_loss
    assert careful.liquidation_rate < middle.liquidation_rate < bold.liquidation_rate


def test_a_question_without_a_bonus_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one, ascending"):
        Question(haircut=0.1, bonuses=(), touch_move=0.1)
