"""Reverse stress against losses whose answer is known, and against losses that are not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskparams.backtest.reverse_stress import Verdict, reverse_stress
from riskparams.errors import ConfigError

RANGE = {"lowest": 0.0, "highest": 0.9, "tolerance": 1e-6}


@given(power=st.floats(0.3, 4.0), crossing=st.floats(0.01, 0.89))
def test_the_bracket_holds_the_crossing_and_is_as_narrow_as_asked(power: float, crossing: float) -> None:
    found = reverse_stress(lambda drop: (drop / crossing) ** power, 1.0, **RANGE)
    assert found.verdict is Verdict.FOUND
    assert found.below is not None
    assert found.above is not None
    assert found.below <= crossing <= found.above * (1 + 1e-12)
    assert found.above - found.below <= 1e-6


@given(crossing=st.floats(0.01, 0.89), fund=st.floats(1.0, 1e9))
def test_a_step_is_found_too(crossing: float, fund: float) -> None:
    found = reverse_stress(lambda drop: 2 * fund if drop >= crossing else 0.0, fund, **RANGE)
    assert found.verdict is Verdict.FOUND
    assert found.below is not None
    assert found.above is not None
    assert found.below < crossing <= found.above


@given(scale=st.floats(1e-3, 1e6))
def test_the_unit_of_money_changes_nothing(scale: float) -> None:
    one = reverse_stress(lambda drop: drop**2, 0.25, **RANGE)
    other = reverse_stress(lambda drop: scale * drop**2, scale * 0.25, **RANGE)
    assert other.above == pytest.approx(one.above, abs=2e-6)


def test_a_fund_that_is_never_reached_is_said() -> None:
    found = reverse_stress(lambda drop: drop, 1.0, **RANGE)
    assert (found.verdict, found.below, found.above) == (Verdict.NEVER, 0.9, None)


def test_a_fund_that_the_smallest_shock_reaches_is_said() -> None:
    found = reverse_stress(lambda _: 2.0, 1.0, **RANGE)
    assert (found.verdict, found.below, found.above) == (Verdict.AT_ONCE, None, 0.0)


def test_a_loss_that_falls_again_is_said_and_its_first_crossing_given() -> None:
    found = reverse_stress(lambda drop: math.sin(math.pi * drop / 0.6), 0.5, **RANGE)
    assert found.verdict is Verdict.NOT_MONOTONE
    assert found.above == pytest.approx(0.1, abs=1e-6)
    assert all(smaller < larger for smaller, larger in found.reversals)


def test_a_slow_decline_beyond_the_noise_is_seen() -> None:
    found = reverse_stress(lambda drop: 10.0 - drop, 1.0, lowest=0.0, highest=0.9, tolerance=0.01, noise=0.5)
    assert found.reversals
    assert all(smaller == 0.0 for smaller, _ in found.reversals)


def test_noise_that_is_allowed_is_no_reversal() -> None:
    def loss(drop: float) -> float:
        return drop + 0.001 * math.sin(1e4 * drop)

    assert reverse_stress(loss, 0.5, **RANGE).verdict is Verdict.NOT_MONOTONE
    assert reverse_stress(loss, 0.5, **RANGE, noise=0.002).verdict is Verdict.FOUND


@pytest.mark.parametrize("value", [math.nan, math.inf, None, ValueError("no")])
def test_a_failed_evaluation_is_reported_and_never_a_loss_of_zero(value: object) -> None:
    def loss(drop: float) -> float:
        if 0.3 < drop < 0.6:
            if isinstance(value, Exception):
                raise value
            return value  # type: ignore[return-value]
        return drop

    found = reverse_stress(loss, 0.5, **RANGE)
    assert found.verdict is Verdict.FAILED
    assert found.failures
    assert all(0.3 < size < 0.6 and reason for size, reason in found.failures)
    assert not {size for size, _ in found.failures} & {size for size, _ in found.losses}
    assert found.below is not None
    assert found.above is not None
    assert found.below <= 0.3 < 0.6 <= found.above


def test_a_loss_that_always_fails_has_no_answer() -> None:
    found = reverse_stress(lambda _: math.nan, 1.0, **RANGE)
    assert (found.verdict, found.below, found.above, found.losses) == (Verdict.FAILED, None, None, ())
    assert len(found.failures) == 11


def test_a_failure_beyond_the_crossing_is_reported_and_decides_nothing() -> None:
    found = reverse_stress(lambda drop: math.nan if drop > 0.8 else drop, 0.5, **RANGE)
    assert found.verdict is Verdict.FOUND
    assert [size for size, _ in found.failures] == [pytest.approx(0.81), pytest.approx(0.9)]


def test_a_failure_in_the_middle_of_the_halving_keeps_the_bracket() -> None:
    grid = {round(0.09 * i, 9) for i in range(11)}
    found = reverse_stress(lambda drop: drop if round(drop, 9) in grid else math.nan, 0.5, **RANGE)
    assert found.verdict is Verdict.FAILED
    assert (found.below, found.above) == (pytest.approx(0.45), pytest.approx(0.54))


def test_a_tolerance_below_what_numbers_resolve_ends() -> None:
    found = reverse_stress(lambda drop: drop, 0.5, lowest=0.0, highest=0.9, tolerance=1e-300)
    assert found.above == 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"lowest": 0.9, "highest": 0.1},
        {"highest": math.nan},
        {"tolerance": 0.0},
        {"tolerance": math.nan},
        {"fund": 0.0},
        {"fund": math.inf},
        {"points": 1},
        {"noise": -1.0},
    ],
)
def test_a_question_without_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        reverse_stress(lambda drop: drop, **{"fund": 1.0, **RANGE, **wrong})
