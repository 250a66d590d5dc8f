"""Scores, by law: least for the truth, and blind to units where they should be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskparams.backtest.scores import deviations, fz0_losses, pinball_losses
from riskparams.backtest.shortfall_tests import student_tail
from riskparams.errors import DataError

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    value_at_risk = rng.uniform(1, 3, 100)
    return rng.standard_t(3, 100), value_at_risk, value_at_risk * rng.uniform(1, 2, 100)


@given(SEEDS, st.sampled_from([0.95, 0.99]))
def test_fz0_in_return_space_is_the_papers(seed: int, level: float) -> None:
    losses, value_at_risk, expected_shortfall = drawn(seed)
    y, v, e, a = -losses, -value_at_risk, -expected_shortfall, 1 - level
    paper = [-float(y[i] <= v[i]) * (v[i] - y[i]) / (a * e[i]) + v[i] / e[i] + np.log(-e[i]) - 1 for i in range(100)]
    assert fz0_losses(losses, value_at_risk, expected_shortfall, level) == pytest.approx(np.array(paper))


@given(SEEDS, st.floats(1e-6, 1e6))
def test_a_difference_of_fz0_does_not_depend_on_the_units(seed: int, unit: float) -> None:
    losses, value_at_risk, expected_shortfall = drawn(seed)
    _, other_risk, other_shortfall = drawn(seed + 1)

    def difference(scale: float) -> np.ndarray:
        first = fz0_losses(scale * losses, scale * value_at_risk, scale * expected_shortfall, 0.975)
        return first - fz0_losses(scale * losses, scale * other_risk, scale * other_shortfall, 0.975)

    assert difference(unit) == pytest.approx(difference(1.0), rel=1e-8, abs=1e-8)


@given(SEEDS, st.floats(1e-6, 1e6))
def test_pinball_is_never_negative_and_scales_with_the_units(seed: int, unit: float) -> None:
    losses, value_at_risk, _ = drawn(seed)
    found = pinball_losses(losses, value_at_risk, 0.99)
    assert (found >= 0).all()
    assert pinball_losses(unit * losses, unit * value_at_risk, 0.99) == pytest.approx(unit * found)


@pytest.mark.parametrize("factors", [(0.8, 0.8), (1.25, 1.25), (1.0, 0.8), (1.0, 1.25), (0.8, 1.0)])
def test_the_truth_scores_best(factors: tuple[float, float]) -> None:
    law = student_tail(5.0)
    losses = np.random.default_rng(6).standard_t(5, 1_000_000)
    quantile, shortfall = float(law.exceeded(np.array([0.025]))[0]), law.mean_beyond(0.025)

    def mean(at: float, beyond: float) -> float:
        return float(fz0_losses(losses, np.full(len(losses), at), np.full(len(losses), beyond), 0.975).mean())

    assert mean(quantile, shortfall) < mean(factors[0] * quantile, factors[1] * shortfall)
    if factors[0] != 1:
        flat = np.full(len(losses), quantile)
        assert pinball_losses(losses, flat, 0.975).mean() < pinball_losses(losses, factors[0] * flat, 0.975).mean()


def test_without_a_hit_there_is_no_deviation() -> None:
    assert deviations(np.zeros(5), np.ones(5)) is None
    assert deviations(np.array([0.0, 3.0, 2.0]), np.ones(3)) == (1.5, 2.0)


def test_scores_of_no_forecast_are_refused() -> None:
    with pytest.raises(DataError, match="expected a positive shortfall"):
        fz0_losses(np.zeros(3), np.zeros(3), np.zeros(3), 0.99)
    with pytest.raises(DataError, match="value at risk is nan at row 1"):
        pinball_losses(np.zeros(3), np.array([1, np.nan, 1]), 0.99)
