"""One record of every test: whole, finite, serialisable, whatever came."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.backtest.coverage import kupiec
from riskparams.backtest.judgement import judge_forecasts
from riskparams.backtest.scores import fz0_losses
from riskparams.backtest.shortfall_tests import student_tail
from riskparams.errors import DataError, InsufficientData

LAW = student_tail(4.0)


def drawn(seed: int, n: int = 2000, level: float = 0.99) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Student losses in a market whose volatility moves, and the true forecasts."""
    rng = np.random.default_rng(seed)
    scale = 0.01 * np.exp(0.3 * np.sin(np.arange(n) / 30))
    quantile = float(LAW.exceeded(np.array([1 - level]))[0])
    return scale * rng.standard_t(4, n), scale * quantile, scale * LAW.mean_beyond(1 - level)


def test_a_right_forecast_passes() -> None:
    found = judge_forecasts(*drawn(1), 0.99, seed=1).to_dict()
    rejected = [name for name, value in found.items() if name.endswith("_p") and float(value or 0) < 0.01]
    assert rejected == []
    assert found["zone"] == "green"
    assert found["null_law"] == "t(4)"
    assert found["alarm"] is None
    assert 0.9 < float(found["es_ratio"] or 0) < 1.1


def test_a_forecast_that_is_far_too_small_fails() -> None:
    losses, value_at_risk, expected_shortfall = drawn(1)
    found = judge_forecasts(losses, 0.6 * value_at_risk, 0.6 * expected_shortfall, 0.99, seed=1)
    assert max(found.kupiec_p, found.binomial_p, found.clustered_p, found.clustered_scaled_p, found.z2_p) < 0.01
    assert max(found.conditional_coverage_p, found.dynamic_quantile_p) < 0.01
    assert found.zone == "red"


def test_its_entries_are_those_of_the_functions() -> None:
    losses, value_at_risk, expected_shortfall = drawn(3)
    found = judge_forecasts(losses, value_at_risk, expected_shortfall, 0.99, seed=1)
    assert found.hits == int((losses > value_at_risk).sum())
    assert found.kupiec_p == kupiec(found.hits, 2000, 0.99).p_value
    assert found.mean_fz0 == fz0_losses(losses, value_at_risk, expected_shortfall, 0.99).mean()
    assert found == judge_forecasts(losses, value_at_risk, expected_shortfall, 0.99, seed=1)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 0.3, 1.0, 1e3]), st.integers(20, 400))
@settings(max_examples=30)
def test_it_is_finite_from_no_hit_to_nothing_but_hits(seed: int, factor: float, n: int) -> None:
    losses, value_at_risk, expected_shortfall = drawn(seed, n)
    found = judge_forecasts(np.abs(losses), factor * value_at_risk, factor * expected_shortfall, 0.99, seed=1).to_dict()
    assert [name for name, value in found.items() if isinstance(value, float) and not math.isfinite(value)] == []
    assert [name for name, value in found.items() if name.endswith("_p") and not 0 <= float(value or 0) <= 1] == []
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    if not found["hits"]:
        assert found["es_ratio"] is found["z1"] is found["mean_deviation"] is None


def test_forecasts_that_never_move_are_judged_too() -> None:
    found = judge_forecasts(np.zeros(500), np.full(500, 1e-9), np.full(500, 1e-9), 0.99, seed=1)
    assert found.hits == 0
    assert found.dynamic_quantile_gas_p < 0.05  # no hit in 500 bars at 1 % is too few


def test_what_cannot_be_judged_is_refused_by_row() -> None:
    losses, value_at_risk, expected_shortfall = drawn(1, 100)
    broken = losses.copy()
    broken[7] = np.nan
    with pytest.raises(DataError, match="losses is nan at row 7"):
        judge_forecasts(broken, value_at_risk, expected_shortfall, 0.99, seed=1)
    with pytest.raises(DataError, match="at row 0 expected shortfall"):
        judge_forecasts(losses, expected_shortfall, value_at_risk, 0.99, seed=1)
    with pytest.raises(InsufficientData, match="too few for 7 instruments"):
        judge_forecasts(losses[:11], value_at_risk[:11], expected_shortfall[:11], 0.99, seed=1)
    assert judge_forecasts(losses[:12], value_at_risk[:12], expected_shortfall[:12], 0.99, seed=1).bars == 12
