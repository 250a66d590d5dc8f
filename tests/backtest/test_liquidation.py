"""One liquidation: the worked numbers of the method, through the functions the kernel calls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_replay import slow_uniform

from riskparams.backtest.kernels import RELEVER, TOP_UP, account_stream, health_factor, repayment, settled, uniform
from riskparams.backtest.liquidation import LiquidationRules
from riskparams.errors import ConfigError

THRESHOLD, BONUS = 0.8, 0.05
NEVER_FULL = {"target": 1.05, "full_close_below": 0.0, "dust": 0.0}


def repaid_by_rule(debt: float, collateral: float, threshold: float = THRESHOLD, bonus: float = BONUS, **rules: float) -> float:
    rules = NEVER_FULL | rules
    return repayment(debt, collateral, threshold, bonus, rules["target"], rules["full_close_below"], rules["dust"])


@pytest.mark.parametrize(("health", "after"), [(0.95, 0.962222), (0.83, 0.828889)])
def test_repaying_a_tenth_moves_health_as_published(health: float, after: float) -> None:
    """Above theta (1 + b) = 0.84 a liquidation heals; below, it worsens."""
    debt, collateral, _, _ = settled(1.0, health / THRESHOLD, 0.1, BONUS)
    assert round(health_factor(debt, collateral, THRESHOLD), 6) == after


def test_target_health_is_reached_by_repaying_the_published_share() -> None:
    repaid = repaid_by_rule(1.0, 0.93 / THRESHOLD)
    assert round(repaid, 6) == 0.571429
    debt, collateral, _, _ = settled(1.0, 0.93 / THRESHOLD, repaid, BONUS)
    assert health_factor(debt, collateral, THRESHOLD) == pytest.approx(1.05, abs=1e-12)


@pytest.mark.parametrize(("health", "shortfall"), [(0.80, 0.047619), (0.75, 0.107143)])
def test_exhausted_collateral_leaves_the_published_shortfall(health: float, shortfall: float) -> None:
    collateral = health / THRESHOLD
    repaid = repaid_by_rule(1.0, collateral, full_close_below=0.95)
    debt, left, seized, bad_debt = settled(1.0, collateral, repaid, BONUS)
    assert (debt, left, seized) == (0.0, 0.0, collateral)
    assert round(bad_debt, 6) == shortfall


@pytest.mark.parametrize(
    "rules", [{"full_close_below": 0.95}, {"dust": 0.5}, {"target": 0.84}], ids=["unhealthy", "dust", "target-out-of-reach"]
)
def test_a_position_is_closed_in_full_when(rules: dict[str, float]) -> None:
    assert repaid_by_rule(1.0, 0.94 / THRESHOLD, **rules) == 1.0


@given(
    debt=st.floats(1, 1e7),
    health=st.floats(0.05, 0.999),
    threshold=st.floats(0.1, 0.95),
    bonus=st.floats(0, 0.3),
    full_close_below=st.floats(0, 1),
)
def test_no_liquidation_repays_more_than_the_debt_or_seizes_more_than_the_collateral(
    debt: float, health: float, threshold: float, bonus: float, full_close_below: float
) -> None:
    collateral = health * debt / threshold
    repaid = repaid_by_rule(debt, collateral, threshold, bonus, full_close_below=full_close_below)
    debt_left, collateral_left, seized, bad_debt = settled(debt, collateral, repaid, bonus)
    assert 0 <= repaid <= debt
    assert seized <= collateral
    assert min(debt_left, collateral_left, bad_debt) >= 0
    assert debt_left + repaid + bad_debt == pytest.approx(debt, rel=1e-12)
    assert seized - repaid == pytest.approx(bonus * repaid, rel=1e-9, abs=1e-9 * debt)


@given(seed=st.integers(0, 2**63 - 1), account=st.integers(0, 10**6), time=st.integers(0, 2**62))
def test_a_draw_is_a_hash_of_book_account_time_and_subsystem(seed: int, account: int, time: int) -> None:
    for subsystem in (TOP_UP, RELEVER):
        drawn = uniform(np.uint64(account_stream(seed, account)), time, subsystem)
        assert drawn == slow_uniform(seed, account, time, subsystem)
        assert 0 <= drawn < 1


@pytest.mark.parametrize(
    "wrong", [{"target_health": 0.9}, {"dust": -1}, {"execution_bars": -1}, {"protocol_share": 2}, {"full_close_below": -0.1}]
)
def test_impossible_rules_are_refused_by_the_name_of_their_field(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LiquidationRules(**wrong)
