"""Bonus designs: each rule's own numbers, and what the thresholds they allow must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, ModelError
from riskparams.execution import Depth
from riskparams.parameters.auction import AuctionSpec, design_auction
from riskparams.parameters.bonus_designs import (
    BonusDesign,
    CappedBonus,
    DesignOutcome,
    DutchAuction,
    FixedBonus,
    HealthDiscount,
    LinearBonus,
    compare_designs,
    shortfall,
)
from riskparams.parameters.penalty import LiquidationCosts
from riskparams.paths.trigger import TriggerDrops

DEPTH = Depth(daily_volume=2e8, daily_sigma=0.04)
AUCTION = design_auction(AuctionSpec(lot=1e5), LiquidationCosts(), DEPTH.slippage, DEPTH.slippage, daily_sigma=0.04)
DESIGNS: dict[str, BonusDesign] = {
    "fixed": FixedBonus(rate=0.05),
    "capped": CappedBonus(least=0.02, most=0.10),
    "linear": LinearBonus(least=0.02, most=0.10, health_of_most=0.9),
    "discount": HealthDiscount(cap=0.15),
    "auction": DutchAuction(auction=AUCTION),
}


def drops(values: list[float]) -> TriggerDrops:
    return TriggerDrops(drop=np.array(values)[:, None], barriers=np.array([0.1]))


def compared(fallen: TriggerDrops, *, threshold: float = 0.8, required: float = 0.02) -> dict[str, DesignOutcome]:
    found = compare_designs(
        DESIGNS, fallen, liquidation_threshold=threshold, oracle_step=0, haircut=0.1, required=required, protocol_share=0.1
    )
    return {outcome.name: outcome for outcome in found}


def test_each_design_pays_its_own_bonus_at_a_health_of_95_per_cent() -> None:
    health = np.array([0.95])
    paid = {name: float(design.bonus(health, 0.8)[0]) for name, design in DESIGNS.items()}
    assert paid["fixed"] == 0.05
    assert paid["capped"] == 0.10  # of 18.75 % that are left
    assert paid["linear"] == pytest.approx(0.06)
    assert paid["discount"] == pytest.approx(0.05 / 0.95)
    assert 0 < paid["auction"] < 0.03


def test_the_worked_shortfalls() -> None:
    found = shortfall(np.array([0.95, 0.80, 0.75]), 0.8, np.full(3, 0.05))
    assert found == pytest.approx([0, 0.047619, 0.107143], abs=5e-7)


def test_outcomes_of_four_drops_counted_by_hand() -> None:
    """Health .98, .95, .80 and, rebounded, 1; the untouched barrier counts nowhere."""
    found = compared(drops([0.02, 0.05, 0.20, -0.03, np.nan]))
    assert found["fixed"].mean_penalty == pytest.approx(0.05)
    assert found["fixed"].short == 0.25
    assert found["fixed"].mean_shortfall == pytest.approx(0.047619 / 4, abs=1e-6)
    assert found["capped"].mean_penalty == pytest.approx((3 * 0.10 + 0.02) / 4)
    assert found["capped"].mean_shortfall == pytest.approx((1 - 0.8 / (0.8 * 1.02)) / 4)
    assert found["linear"].penalty_95 == pytest.approx(np.quantile([0.036, 0.06, 0.10, 0.02], 0.95))
    assert found["discount"].unprofitable == 0.5  # bonuses 2.04 % x 0.9 and 0 are below the 2 % required
    assert found["fixed"].unprofitable == 0


@given(
    haircut=st.floats(0.005, 0.6),
    threshold=st.floats(0.3, 0.95),
    least=st.floats(0, 0.1),
    width=st.floats(0, 0.3),
    cap=st.floats(0.01, 0.5),
    full=st.floats(0.3, 0.99),
)
@settings(max_examples=60, deadline=None)
def test_the_largest_threshold_repays_every_drop_up_to_the_haircut_and_no_larger_one_does(
    haircut: float, threshold: float, least: float, width: float, cap: float, full: float
) -> None:
    health = np.linspace(1 - haircut, 1, 101)
    for design in (
        FixedBonus(rate=least),
        CappedBonus(least=least, most=least + width),
        LinearBonus(least=least, most=least + width, health_of_most=full),
        HealthDiscount(cap=cap),
        DutchAuction(auction=AUCTION),
    ):
        largest = design.largest_threshold(haircut)
        assert shortfall(health, largest, design.bonus(health, largest)).max() < 1e-9
        wider = 1.01 * largest
        assert shortfall(health, wider, design.bonus(health, wider)).max() > 1e-3
        assert np.all(np.diff(design.bonus(np.array([1.2, 1.0]), threshold)) == 0)


@given(health=st.floats(0.5, 1), threshold=st.floats(0.3, 0.95))
@settings(max_examples=60, deadline=None)
def test_a_discount_improves_health_exactly_while_health_exceeds_the_root_of_the_threshold(
    health: float, threshold: float
) -> None:
    bonus = float(HealthDiscount(cap=0.6).bonus(np.array([health]), threshold)[0])
    repaid = 1e-3
    after = (health - repaid * threshold * (1 + bonus)) / (1 - repaid)
    assert (after > health + 1e-12) <= (health > np.sqrt(threshold) - 1e-9)
    assert (after < health - 1e-12) <= (health < np.sqrt(threshold) + 1e-9)


def test_a_bonus_that_gives_way_never_leaves_more_unpaid_than_the_fixed_one_of_its_most() -> None:
    fallen = drops(list(np.random.default_rng(1).exponential(0.06, 2_000)))
    found = compare_designs(
        {"capped": CappedBonus(least=0.01, most=0.1), "fixed": FixedBonus(rate=0.1)},
        fallen,
        liquidation_threshold=0.85,
        oracle_step=0.005,
        haircut=0.1,
        required=0.01,
        protocol_share=0.1,
    )
    assert found[0].mean_shortfall < found[1].mean_shortfall
    assert found[0].short < found[1].short
    assert found[0].mean_penalty < found[1].mean_penalty


def test_nothing_to_compare_and_impossible_designs_are_refused() -> None:
    with pytest.raises(ModelError, match="no simulated position was triggered"):
        compared(drops([np.nan]))
    with pytest.raises(ConfigError, match="threshold"):
        compared(drops([0.1]), threshold=1.0)
    with pytest.raises(ConfigError, match="most of the bonus"):
        CappedBonus(least=0.1, most=0.05)
    with pytest.raises(ConfigError, match="health of 1"):
        LinearBonus(least=0, most=0.1, health_of_most=1)
    with pytest.raises(ConfigError, match="cap of the discount"):
        HealthDiscount(cap=0)
    with pytest.raises(ConfigError, match="fixed bonus"):
        FixedBonus(rate=5)
