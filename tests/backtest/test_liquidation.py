"""One liquidation: what the rules allow, what the bonus laws give, and the draws of owners, through the kernels."""

from __future__ import annotations

from math import log1p

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lone_accounts import left_alone, observed
from slow_replay import slow_uniform, slow_wait

from riskparams.backtest.engine import RELEVER, TOP_UP
from riskparams.backtest.kernels import CAPPED, FIXED, LINEAR, bonus_at, health_factor, repayment, uniform, waiting_bars
from riskparams.backtest.liquidation import Intrabar, LiquidationRules
from riskparams.errors import ConfigError

THRESHOLD, BONUS = 0.8, 0.05
NEVER_FULL = {"target": 1.05, "close_factor": 0.0, "full_close_below": 0.0, "dust": 0.0}


def repaid_by_rule(debt: float, health: float, threshold: float = THRESHOLD, bonus: float = BONUS, **rules: float) -> float:
    given = NEVER_FULL | rules
    return repayment(
        debt, health, threshold, bonus, given["target"], given["close_factor"], given["full_close_below"], given["dust"]
    )


@pytest.mark.parametrize(("debt", "backing", "health"), [(1.0, 0.95, 0.95), (2.0, 0.0, 0.0), (0.0, 1.0, np.inf)])
def test_health_is_backing_over_debt_and_infinite_without_debt(debt: float, backing: float, health: float) -> None:
    assert health_factor(debt, backing) == health


@pytest.mark.parametrize(
    "rules",
    [{"full_close_below": 0.95}, {"dust": 0.5}, {"target": 0.84}, {"close_factor": 0.6, "dust": 0.5}],
    ids=["unhealthy", "dust", "target-out-of-reach", "dust-after-the-close-factor"],
)
def test_a_position_is_closed_in_full_when(rules: dict[str, float]) -> None:
    assert repaid_by_rule(1.0, 0.94, **rules) == 1.0


def test_a_close_factor_takes_its_share_whatever_the_target() -> None:
    assert repaid_by_rule(8.0, 0.97, close_factor=0.5) == repaid_by_rule(8.0, 0.97, close_factor=0.5, target=0.5) == 4.0


@given(
    debt=st.floats(1, 1e7),
    health=st.floats(0.05, 0.999),
    threshold=st.floats(0.1, 0.95),
    bonus=st.floats(0, 0.3),
    full_close_below=st.floats(0, 1),
    close_factor=st.sampled_from([None, 0.1, 0.5, 1.0]),
)
def test_no_liquidation_repays_more_than_the_debt_or_seizes_more_than_the_collateral(
    debt: float, health: float, threshold: float, bonus: float, full_close_below: float, close_factor: float | None
) -> None:
    collateral = health * debt / threshold
    rules = LiquidationRules(
        close_factor=close_factor, full_close_below=full_close_below, dust=0.0, execution_bars=0, intrabar=Intrabar.BEST
    )
    result = left_alone(collateral, debt, observed(threshold, bonus), rules, close=np.ones(4))
    log = result.events
    assert len(log) >= 1
    assert log.health[0] == pytest.approx(health, rel=1e-12)
    assert min(log.repaid.min(), log.seized.min(), log.bad_debt.min()) >= 0
    assert log.repaid.sum() + log.bad_debt.sum() <= debt * (1 + 1e-12)
    assert log.seized.sum() <= collateral * (1 + 1e-12)
    assert log.seized - log.repaid == pytest.approx(bonus * log.repaid, rel=1e-9, abs=1e-9 * debt)


@pytest.mark.parametrize(
    ("health", "bonus"), [(1.2, 0.05), (1.0, 0.05), (0.95, 0.10), (0.9, 0.15), (0.5, 0.15)], ids=lambda value: f"{value:g}"
)
def test_the_linear_bonus_runs_from_the_markets_own_at_health_1_to_its_maximum(health: float, bonus: float) -> None:
    assert bonus_at(LINEAR, 0.05, 0.15, 0.9, health, 0.9) == pytest.approx(bonus, abs=1e-15)


@pytest.mark.parametrize(
    ("loan_to_value", "bonus"), [(0.5, 0.15), (0.9, 1 / 9), (0.96, 0.05), (1.1, 0.05)], ids=lambda value: f"{value:g}"
)
def test_the_capped_bonus_is_what_is_left_between_the_markets_own_and_the_cap(loan_to_value: float, bonus: float) -> None:
    assert bonus_at(CAPPED, 0.05, 0.15, 0.9, 0.95, loan_to_value) == pytest.approx(bonus, abs=1e-15)


@given(law=st.sampled_from([FIXED, LINEAR, CAPPED]), base=st.floats(0, 0.3), health=st.floats(0, 1), ltv=st.floats(0.1, 3))
def test_a_maximum_below_the_markets_own_bonus_changes_nothing(law: int, base: float, health: float, ltv: float) -> None:
    assert bonus_at(law, base, base / 2, 0.9, health, ltv) == base


@given(seed=st.integers(0, 2**63 - 1), account=st.integers(0, 10**6), number=st.integers(0, 2**40))
def test_a_draw_is_a_hash_of_book_account_subsystem_and_number(seed: int, account: int, number: int) -> None:
    for subsystem in (TOP_UP, RELEVER):
        drawn = uniform(seed, account, subsystem, number)
        assert drawn == slow_uniform(seed, account, subsystem, number)
        assert 0 < drawn <= 1


@pytest.mark.parametrize("chance", [0.02, 0.3])
def test_owners_wait_as_long_as_a_chance_in_every_bar_would_have_them(chance: float) -> None:
    """Geometric: P(wait > n) = (1 - chance)**n, mean 1 / chance, never less than a bar."""
    waits = np.array([waiting_bars(uniform(3, account, TOP_UP, 0), log1p(-chance)) for account in range(20_000)])
    assert waits[:50].tolist() == [slow_wait(3, account, TOP_UP, 0, chance) for account in range(50)]
    assert waits.min() == 1
    assert waits.mean() == pytest.approx(1 / chance, rel=0.03)
    for bars in (1, 5, 20):
        assert np.mean(waits > bars) == pytest.approx((1 - chance) ** bars, abs=0.012)


def test_who_never_acts_waits_longer_than_any_market_lasts() -> None:
    assert waiting_bars(0.5, 0.0) == 2**40


@pytest.mark.parametrize(
    "wrong",
    [
        {"target_health": 0.9},
        {"target_health": np.nan},
        {"dust": -1},
        {"dust": np.inf},
        {"execution_bars": -1},
        {"protocol_share": 2},
        {"full_close_below": -0.1},
        {"close_factor": 0.0},
        {"close_factor": 1.1},
        {"close_factor": np.nan},
    ],
    ids=lambda wrong: "-".join(f"{name}={value}" for name, value in wrong.items()),
)
def test_impossible_rules_are_refused_by_the_name_of_their_field(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LiquidationRules(**wrong)
