"""Procyclicality: peak over trough, and the worst fall within so many days, of a parameter that moves in steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_replay import START

from riskparams.backtest.procyclicality import procyclicality
from riskparams.errors import ParameterError
from riskparams.terms import DAY


def weekly(*values: float) -> tuple[np.ndarray, np.ndarray]:
    return START + 7 * DAY * np.arange(len(values)), np.array(values)


def test_peak_and_trough_carry_the_dates_from_which_they_were_in_force() -> None:
    found = procyclicality(*weekly(0.80, 0.84, 0.70, 0.75))
    assert (found.peak, found.peak_at) == (0.84, START + 7 * DAY)
    assert (found.trough, found.trough_at) == (0.70, START + 14 * DAY)
    assert found.ratio == pytest.approx(1.2)


def test_a_longer_span_adds_the_steps_within_it() -> None:
    found = procyclicality(*weekly(0.80, 0.78, 0.75, 0.74))
    falls = {one.days: (round(one.fall, 12), one.at) for one in found.tightening}
    assert falls[1] == falls[5] == (0.03, START + 14 * DAY)
    assert falls[30] == (0.06, START + 21 * DAY)


def test_a_parameter_that_never_fell_was_never_tightened() -> None:
    found = procyclicality(*weekly(0.70, 0.75, 0.75))
    assert {(one.fall, one.at) for one in found.tightening} == {(0.0, None)}


def test_a_trough_of_nothing_has_no_ratio() -> None:
    assert procyclicality(*weekly(0.70, 0.0)).ratio is None


@given(st.lists(st.just(0.0) | st.floats(0.01, 0.95), min_size=1, max_size=30), st.integers(1, 40))
def test_it_is_the_largest_fall_of_the_step_function(values: list[float], days: int) -> None:
    effective, value = weekly(*values)
    clock = np.arange(START, int(effective[-1]) + DAY, DAY // 2)
    in_force = value[np.searchsorted(effective, clock, side="right") - 1]
    reach = 2 * days
    worst = max(float(in_force[max(0, t - reach) : t + 1].max() - in_force[t]) for t in range(len(clock)))
    assert procyclicality(effective, value, spans=(days,)).tightening[0].fall == pytest.approx(worst)


def test_a_history_out_of_order_is_refused() -> None:
    with pytest.raises(ParameterError, match="2 values at 2 times"):
        procyclicality(np.array([5, 5]), np.array([0.7, 0.8]))
