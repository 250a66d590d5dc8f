"""Speed limits and the decision to propose: worked updates, and the laws any pair of parameters must keep."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError
from riskparams.parameters.change_control import NAMES, Change, Ramp, SpeedLimits, decide, limited
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.terms import DAY

LIMITS = SpeedLimits()
NOW = 1_717_200_000_000_000_000  # 2024-06-01
LONG_AGO = NOW - 30 * DAY


def parameters(ltv: float, threshold: float, bonus: float) -> RiskParameters:
    return RiskParameters(max_ltv=ltv, liquidation_threshold=threshold, liquidation_bonus=bonus)


def moved(current: RiskParameters | ObservedParameters, wanted: RiskParameters, since: int | None = LONG_AGO) -> Change:
    return limited(current, wanted, looser_since=since, now=NOW, limits=LIMITS)


@st.composite
def any_parameters(draw: st.DrawFn, grid: bool = False) -> RiskParameters:
    threshold = draw(st.floats(0.02, 0.96))
    bonus = draw(st.floats(0, 0.98)) * min(1 / threshold - 1, 0.5)
    if grid:
        threshold, bonus = round(round(threshold / 0.005) * 0.005, 10), round(int(bonus * 1000) / 1000, 10)
        if threshold * (1 + bonus) >= 1:
            bonus = 0.0
    return parameters(draw(st.floats(0, 0.999)) * threshold, threshold, bonus)


def products(found: RiskParameters) -> float:
    return found.liquidation_threshold * (1 + found.liquidation_bonus)


def test_a_threshold_falls_two_points_an_update_along_a_ramp_while_max_ltv_falls_at_once() -> None:
    change = moved(parameters(0.75, 0.80, 0.05), parameters(0.65, 0.75, 0.05))
    assert change.step == parameters(0.65, 0.78, 0.05)
    assert change.ramp == Ramp(start=NOW, end=NOW + 7 * DAY, from_=0.80, to=0.78)
    assert [(one.time - NOW) // DAY for one in change.steps] == [7, 14]
    assert [one.parameters.liquidation_threshold for one in change.steps] == [0.76, 0.75]
    assert change.held == ("liquidation_threshold goes to 0.7800 of the wanted 0.7500",)


def test_a_ramp_is_a_straight_line_between_its_ends() -> None:
    ramp = Ramp(start=NOW, end=NOW + 4 * DAY, from_=0.80, to=0.78)
    assert [ramp.at(NOW + days * DAY) for days in (-1, 0, 1, 2, 4, 9)] == pytest.approx([0.8, 0.8, 0.795, 0.79, 0.78, 0.78])


def test_loosening_waits_a_fortnight_and_then_goes_a_point_at_a_time() -> None:
    change = moved(parameters(0.70, 0.80, 0.05), parameters(0.73, 0.82, 0.05), since=NOW - 4 * DAY)
    assert change.step == parameters(0.70, 0.80, 0.05)
    assert change.ramp is None
    assert "loosening waits until 2024-06-11" in change.held[-1]
    assert [(one.time - NOW) // DAY for one in change.steps] == [10, 17, 24]
    assert [one.parameters.max_ltv for one in change.steps] == [0.71, 0.72, 0.73]
    assert moved(parameters(0.70, 0.80, 0.05), parameters(0.73, 0.82, 0.05)).step == parameters(0.71, 0.81, 0.05)


def test_a_bonus_rises_only_as_the_falling_threshold_makes_room() -> None:
    change = moved(parameters(0.70, 0.90, 0.05), parameters(0.65, 0.85, 0.10))
    assert change.step == parameters(0.65, 0.88, 0.05)  # 0.90 x 1.06 is above both products while the ramp begins
    assert change.steps[0].parameters == parameters(0.65, 0.86, 0.06)
    assert change.steps[-1].parameters == parameters(0.65, 0.85, 0.10)


def test_a_toxic_live_market_is_put_right_at_once() -> None:
    live = ObservedParameters(max_ltv=0.9, liquidation_threshold=0.99, liquidation_bonus=0.05)
    change = moved(live, parameters(0.7, 0.8, 0.05))
    assert products(change.step) < 1
    assert change.step.liquidation_threshold == 0.945
    assert change.ramp is None
    assert "put right at once" in change.held[-1]
    assert change.steps[-1].parameters == parameters(0.7, 0.8, 0.05)


@given(current=any_parameters(), wanted=any_parameters(), since=st.sampled_from([None, LONG_AGO, NOW - 9 * DAY]))
@settings(max_examples=60, deadline=None)
def test_no_update_overshoots_or_breaks_a_limit_and_they_all_reach_what_is_wanted(
    current: RiskParameters, wanted: RiskParameters, since: int | None
) -> None:
    change = moved(current, wanted, since)
    path = [(NOW - 1, current), (NOW, change.step), *((one.time, one.parameters) for one in change.steps)]
    assert path[-1][1] == wanted
    for (earlier, before), (later, after) in pairwise(path):
        assert later - earlier >= 7 * DAY or before is current
        for name in NAMES:
            low, high = sorted((getattr(before, name), getattr(wanted, name)))
            assert low <= getattr(after, name) <= high, name
        assert after.liquidation_threshold >= before.liquidation_threshold - 0.02 - 1e-9
        assert abs(after.liquidation_bonus - before.liquidation_bonus) <= 0.01 + 1e-9
        rise = max(after.liquidation_threshold - before.liquidation_threshold, after.max_ltv - before.max_ltv)
        assert rise <= (0.01 if later >= (since or NOW) + 14 * DAY else 0) + 1e-9
        at_start = max(before.liquidation_threshold, after.liquidation_threshold) * (1 + after.liquidation_bonus)
        if after.liquidation_threshold < before.liquidation_threshold:
            assert at_start <= max(products(current), products(wanted)) + 1e-9  # the ramp begins at the old threshold
        assert products(after) <= max(products(current), products(wanted)) + 1e-9
        assert products(after) < 1
        assert after.max_ltv < after.liquidation_threshold


@given(current=any_parameters(), wanted=any_parameters(grid=True))
@settings(max_examples=60, deadline=None)
def test_a_cut_rise_is_rounded_down_to_the_grid_and_rounding_never_loosens(
    current: RiskParameters, wanted: RiskParameters
) -> None:
    step = moved(current, wanted).step
    for name in ("max_ltv", "liquidation_threshold"):
        before, after = getattr(current, name), getattr(step, name)
        if after > before and after != getattr(wanted, name):
            assert after / 0.005 == pytest.approx(round(after / 0.005), abs=1e-6)
            assert after <= before + 0.01 + 1e-9
        if getattr(wanted, name) <= before:
            assert after <= before


@given(
    ltv=st.floats(0, 1.2),
    threshold=st.floats(0.01, 1.2),
    bonus=st.floats(0, 0.5),
    wanted=any_parameters(),
)
@settings(max_examples=60, deadline=None)
def test_any_live_market_at_all_becomes_sound_at_the_first_update(
    ltv: float, threshold: float, bonus: float, wanted: RiskParameters
) -> None:
    live = ObservedParameters(max_ltv=ltv, liquidation_threshold=threshold, liquidation_bonus=bonus)
    change = moved(live, wanted)
    assert products(change.step) < 1
    assert change.step.max_ltv < change.step.liquidation_threshold
    assert change.steps[-1].parameters == wanted if change.steps else change.step == wanted
    if change.ramp:
        assert change.ramp.from_ * (1 + change.step.liquidation_bonus) < 1


@given(same=any_parameters())
@settings(max_examples=30, deadline=None)
def test_what_is_already_wanted_changes_nothing(same: RiskParameters) -> None:
    assert moved(same, same) == Change(step=same, ramp=None, steps=(), held=())
    nothing = dict.fromkeys(NAMES, 0.0)
    assert not decide(same, same, nothing, nothing, haircut=1 - products(same), haircut_error=0).propose


def test_collateral_that_is_no_longer_one_takes_no_new_loans_at_once() -> None:
    change = moved(parameters(0.1, 0.11, 0.05), RiskParameters(max_ltv=0, liquidation_threshold=0, liquidation_bonus=0.05))
    assert change.step == parameters(0, 0.09, 0.05)
    assert change.steps[-1].parameters.liquidation_threshold == 0


def decision(change: float, *, noise: float, material: float, haircut: float = 0.1, error: float = 0.0) -> tuple[bool, str]:
    live = parameters(0.70, 0.80, 0.05)
    found = decide(
        live,
        parameters(0.70, 0.80 + change, 0.05),
        dict.fromkeys(NAMES, noise),
        dict.fromkeys(NAMES, material),
        haircut=haircut,
        haircut_error=error,
    )
    return found.propose, " | ".join(found.reasons)


def test_a_change_must_exceed_both_noise_and_materiality() -> None:
    assert decision(0.02, noise=0.01, material=0.01)[0]
    within = decision(0.02, noise=0.0125, material=0.01)
    assert not within[0]
    assert "liquidation_threshold would move by +0.0200: within noise of 0.0206" in within[1]
    small = decision(0.02, noise=0.01, material=0.02)
    assert not small[0]
    assert "not more than the 0.0200 that is material" in small[1]


def test_a_live_market_that_the_haircut_breaks_beyond_noise_is_always_proposed_to_change() -> None:
    assert decision(-0.005, noise=1, material=1, haircut=0.18, error=0.01)[0]  # 0.84 against 0.82: two deviations
    tolerated = decision(-0.005, noise=1, material=1, haircut=0.18, error=0.02)
    assert not tolerated[0]
    assert "within the haircut's noise" in tolerated[1]


def test_impossible_limits_and_incomplete_noise_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"loosening is 0\.001"):
        SpeedLimits(loosening=0.001)
    with pytest.raises(ConfigError, match="both nothing"):
        SpeedLimits(ramp=timedelta(0), min_delay=timedelta(0))
    with pytest.raises(ConfigError, match="looser_for"):
        SpeedLimits(looser_for=timedelta(days=-1))
    live = parameters(0.7, 0.8, 0.05)
    with pytest.raises(ConfigError, match="materiality is"):
        decide(live, live, dict.fromkeys(NAMES, 0.0), {"max_ltv": 0.01}, haircut=0.1, haircut_error=0)
    with pytest.raises(ConfigError, match="haircut 2"):
        decide(live, live, dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, 0.0), haircut=2, haircut_error=0)
