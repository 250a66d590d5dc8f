"""Haircut, threshold, LTV and bonus: worked numbers, and the laws they must keep for any input."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, Infeasible, ParameterError, ToxicParameters
from riskparams.execution import ConstantProduct, Depth, LiquidationHorizon
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.haircut import Haircut, haircut
from riskparams.parameters.ltv import ceiled, floored, max_liquidation_threshold, max_ltv, touch_probability
from riskparams.parameters.penalty import LiquidationCosts, recommend_bonus, required_bonus
from riskparams.parameters.recommend import Recommendation, recommend, touch_moves
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters, implied_drop
from riskparams.paths.simulate import StartLaw
from riskparams.paths.trigger import TriggerDrops
from riskparams.terms import Asset, Pair

WORKED = LiquidationCosts(inventory_sigmas=0)  # G 30, p_w 0.5, g 0.1 %, f 5 bp, flash 5 bp, margin 0.2 %, share 10 %
HOUR = 3_600_000_000_000


def drops(scale: float, *, seed: int = 1, hits: int = 30_000) -> TriggerDrops:
    falls = scale * np.abs(np.random.default_rng(seed).standard_t(4, (hits, 1)))
    return TriggerDrops(drop=1 - np.exp(-falls), barriers=np.array([0.1]))


def three(pit: float, ttc: float, stressed: float) -> dict[StartLaw, TriggerDrops]:
    return {StartLaw.PIT: drops(pit), StartLaw.TTC: drops(ttc), StartLaw.STR: drops(stressed)}


@pytest.mark.parametrize(
    ("debt", "bonus"), [(500, 0.138019), (5e3, 0.018091), (5e4, 0.008600), (5e5, 0.033313), (2e6, 0.128995)]
)
def test_required_bonus_of_the_worked_example(debt: float, bonus: float) -> None:
    assert required_bonus(debt, WORKED, ConstantProduct(20e6).slippage, daily_sigma=0) == pytest.approx(bonus, abs=5e-7)


@pytest.mark.parametrize("debt", [500, 5e4, 2e6, 9e6])
def test_the_iteration_meets_the_closed_form(debt: float) -> None:
    """y = B R / (A R - B d); infeasible when B d >= A R."""
    a, b = 0.999 * 0.9995, 1 + 0.0005 + 0.002 + 30 / (0.5 * debt)
    expected = (b * 20e6 / (a * 20e6 - b * debt) - 1) / 0.9
    assert required_bonus(debt, WORKED, ConstantProduct(20e6).slippage, daily_sigma=0) == pytest.approx(expected, rel=1e-9)


def test_a_size_that_no_bonus_pays_for_is_infeasible() -> None:
    assert required_bonus(2.1e7, WORKED, ConstantProduct(20e6).slippage, daily_sigma=0) == inf
    with pytest.raises(Infeasible, match="lower the caps"):
        recommend_bonus(WORKED, ConstantProduct(1e5).slippage, daily_sigma=0)


def test_the_bonus_covers_every_size_it_serves_with_its_safety() -> None:
    costs = LiquidationCosts()
    slippage = Depth(daily_volume=2e8, daily_sigma=0.04).slippage
    bonus = recommend_bonus(costs, slippage, daily_sigma=0.04)
    served = np.geomspace(costs.smallest_debt_served, costs.largest_debt_served, 200)
    needed = max(required_bonus(float(size), costs, slippage, daily_sigma=0.04) for size in served)
    assert bonus.value == pytest.approx(ceiled(1.25 * needed), abs=1e-3)
    assert bonus.value >= 1.25 * needed - 1e-4
    at_dust = required_bonus(bonus.min_debt, costs, slippage, daily_sigma=0.04)
    assert at_dust <= bonus.value < required_bonus(0.99 * bonus.min_debt, costs, slippage, daily_sigma=0.04)


@given(volume=st.floats(1e7, 1e10), sigma=st.floats(0.01, 0.15))
@settings(max_examples=40, deadline=None)
def test_a_thinner_or_wilder_market_never_lowers_the_bonus(volume: float, sigma: float) -> None:
    def bonus(volume: float, sigma: float) -> float:
        return recommend_bonus(
            LiquidationCosts(), Depth(daily_volume=volume, daily_sigma=sigma).slippage, daily_sigma=sigma
        ).value

    assert bonus(volume / 2, sigma) >= bonus(volume, sigma)
    assert bonus(volume, sigma * 1.5) >= bonus(volume, sigma)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"win_probability": 0}, "win_probability"), ({"spread": -0.1}, "spread"), ({"safety": 0.9}, "safety")],
)
def test_impossible_costs_are_refused_by_name(change: dict[str, float], field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        LiquidationCosts(**change)


def test_slippage_of_constant_product_and_square_root() -> None:
    assert ConstantProduct(10e6).slippage(1e6) == pytest.approx(0.090909, abs=5e-7)
    depth = Depth(daily_volume=1e8, daily_sigma=0.04, spread=0.001)
    assert depth.slippage(4e6) == pytest.approx(0.0005 + 2 / 3 * 0.04 * 0.2)


@pytest.mark.parametrize(("hours", "bars"), [(0.0, 0), (0.5, 0), (0.6, 1), (1.0, 1), (1.5, 1), (1.51, 2), (3.0, 3)])
def test_a_touch_falls_mid_bar_on_average(hours: float, bars: int) -> None:
    assert LiquidationHorizon(oracle=hours * 3600).bars(HOUR) == bars


def test_an_existing_market_implies_the_drop_it_survives() -> None:
    assert implied_drop(0.86, 1 / (0.3 * 0.86 + 0.7) - 1) == pytest.approx(0.10230, abs=5e-6)
    assert ObservedParameters(max_ltv=0.9, liquidation_threshold=0.99, liquidation_bonus=0.05).implied_drop < 0


def test_parameters_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ToxicParameters, match=r"1\.0395"):
        RiskParameters(max_ltv=0.8, liquidation_threshold=0.99, liquidation_bonus=0.05)
    with pytest.raises(ParameterError, match="not below the liquidation threshold"):
        RiskParameters(max_ltv=0.8, liquidation_threshold=0.8, liquidation_bonus=0.05)
    with pytest.raises(ParameterError, match="non-negative"):
        RiskParameters(max_ltv=0.7, liquidation_threshold=0.8, liquidation_bonus=-0.1)
    with pytest.raises(ParameterError, match="liquidation_bonus is nan"):
        ObservedParameters(max_ltv=0.7, liquidation_threshold=0.8, liquidation_bonus=float("nan"))
    assert RiskParameters(max_ltv=0, liquidation_threshold=0, liquidation_bonus=0.05).implied_drop == 1


@given(pit=st.floats(0.002, 0.2), ttc=st.floats(0.002, 0.2), stressed=st.floats(0.002, 0.3), step=st.floats(0, 0.05))
@settings(max_examples=60, deadline=None)
def test_components_add_up_and_more_risk_never_lowers_the_haircut(pit: float, ttc: float, stressed: float, step: float) -> None:
    appetite = RiskAppetite()
    cut = haircut(three(pit, ttc, stressed), appetite, oracle_step=step)
    assert sum(cut.components.values()) == pytest.approx(cut.value, abs=1e-12)
    assert 0 < cut.value < 1
    assert list(cut.published.values()) == sorted(cut.published.values())
    for wilder in (three(pit * 1.2, ttc, stressed), three(pit, ttc * 1.2, stressed), three(pit, ttc, stressed * 1.2)):
        assert haircut(wilder, appetite, oracle_step=step).value >= cut.value - 1e-12
    assert haircut(three(pit, ttc, stressed), appetite, oracle_step=step + 0.01).value >= cut.value
    assert haircut(three(pit, ttc, stressed), appetite, oracle_step=step, conformal=1.1).value >= cut.value
    assert haircut(three(pit, ttc, stressed), replace(appetite, haircut_level=0.999), oracle_step=step).value >= cut.value


def test_the_law_that_sets_the_level_is_named() -> None:
    assert haircut(three(0.01, 0.05, 0.02), RiskAppetite(), oracle_step=0).binding == "through-the-cycle floor"
    assert haircut(three(0.05, 0.02, 0.08), RiskAppetite(), oracle_step=0).binding == "mix of today and stress"
    assert haircut(three(1e-5, 1e-5, 1e-5), RiskAppetite(), oracle_step=0).binding == "smallest haircut"


def test_few_or_no_triggers_today_are_flagged_and_floored_by_the_cycle() -> None:
    few = {**three(0.05, 0.05, 0.05), StartLaw.PIT: drops(0.05, hits=100)}
    assert haircut(few, RiskAppetite(), oracle_step=0).flags[0] == "few_triggers"
    none = {**few, StartLaw.PIT: TriggerDrops(drop=np.full((10, 1), np.nan), barriers=np.array([0.1]))}
    cut = haircut(none, RiskAppetite(), oracle_step=0)
    assert cut.flags[0] == "no_triggers"
    assert cut.drop == cut.laws[StartLaw.TTC].drop


def test_threshold_and_ltv_are_rounded_to_the_prudent_side() -> None:
    assert floored(max_liquidation_threshold(0.16, 0.05)) == 0.8
    assert floored(0.8049) == 0.8
    assert ceiled(0.0151) == 0.016
    assert ceiled(0.015) == 0.015
    assert max_ltv(0.8, 0.1) == pytest.approx(0.8 * np.exp(-0.1))
    assert touch_probability(np.array([0.01, 0.03, 0.2, 0.5]), 0.83, 0.805) == 0.5


def recommended(
    cut: Haircut, *, current: ObservedParameters | None = None, move: float = 0.1, bonus: bool = True
) -> Recommendation:
    falls = np.abs(np.random.default_rng(2).standard_normal(10_000)) * move / 1.96
    slippage = Depth(daily_volume=2e8, daily_sigma=0.04).slippage
    found = recommend_bonus(LiquidationCosts(), slippage, daily_sigma=0.04) if bonus else None
    return recommend(
        Pair(Asset("ETH"), Asset("USD")),
        cut,
        touch_moves(falls, falls, 0.05),
        found,
        bonus_range=None,
        falls=falls,
        through_cycle=drops(0.05),
        oracle_step=0.005,
        as_of=0,
        current=current,
        largest_haircut=0.95,
        flags=(),
        provenance={},
    )


@given(scale=st.floats(0.001, 0.5), move=st.floats(0.001, 1.0))
@settings(max_examples=60, deadline=None)
def test_every_recommendation_repays_in_full_and_opens_below_its_threshold(scale: float, move: float) -> None:
    found = recommended(haircut(three(scale, scale, scale), RiskAppetite(), oracle_step=0.005), move=move)
    terms = found.parameters
    assert terms.liquidation_threshold * (1 + terms.liquidation_bonus) <= 1 - found.haircut.value + 1e-12
    assert terms.max_ltv < terms.liquidation_threshold or terms.max_ltv == terms.liquidation_threshold == 0


def test_a_recommendation_refuses_a_threshold_its_haircut_does_not_allow() -> None:
    found = recommended(haircut(three(0.05, 0.05, 0.05), RiskAppetite(), oracle_step=0.005))
    wider = replace(found.parameters, liquidation_threshold=found.parameters.liquidation_threshold + 0.05)
    with pytest.raises(ToxicParameters, match="above 1 - haircut"):
        replace(found, parameters=wider)


def test_a_haircut_near_one_means_not_collateral() -> None:
    found = recommended(haircut(three(0.9, 0.9, 0.9), RiskAppetite(), oracle_step=0.005))
    assert found.parameters.liquidation_threshold == found.parameters.max_ltv == 0
    assert "not collateral" in found.binding


def test_the_threshold_is_printed_at_the_live_bonus_too() -> None:
    live = ObservedParameters(max_ltv=0.7, liquidation_threshold=0.75, liquidation_bonus=0.10)
    cut = haircut(three(0.03, 0.03, 0.03), RiskAppetite(), oracle_step=0.005)
    found = recommended(cut, current=live)
    assert found.at_current_bonus == floored((1 - cut.value) / 1.10)
    assert found.at_current_bonus < found.parameters.liquidation_threshold
    assert 0 < found.touch_at_current < 1


def test_without_volume_the_live_bonus_is_kept_and_flagged() -> None:
    live = ObservedParameters(max_ltv=0.7, liquidation_threshold=0.75, liquidation_bonus=0.10)
    found = recommended(haircut(three(0.03, 0.03, 0.03), RiskAppetite(), oracle_step=0.005), current=live, bonus=False)
    assert found.parameters.liquidation_bonus == 0.10
    assert "liquidity_unknown" in found.flags
