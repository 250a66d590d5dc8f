"""The watch on live forecasts, by law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from riskparams.backtest.monitor import ALARM, watch_forecasts
from riskparams.backtest.shortfall_tests import student_tail
from riskparams.errors import ConfigError, DataError

LOSSES = arrays(np.float64, 60, elements=st.floats(-1e6, 1e6))


@given(LOSSES, st.floats(0, 5))
def test_wealth_is_finite_and_never_negative(losses: np.ndarray, room: float) -> None:
    watch = watch_forecasts(losses, np.full(60, 2.0), np.full(60, 2.0 + room), 0.99)
    assert np.isfinite(watch.wealth).all()
    assert (watch.wealth >= 0).all()
    assert (watch.alarm is None) is bool((watch.wealth < ALARM).all())


@given(LOSSES)
def test_the_wealth_is_the_product_of_the_stakes(losses: np.ndarray) -> None:
    losses = np.clip(losses, -10, 10)
    wealth, expected = 1.0, []
    for loss in losses:
        e = max(loss - 2.0, 0) / ((1 - 0.975) * (2.6 - 2.0))
        wealth *= 1 - 0.025 / 6 + 0.025 / 6 * e
        expected.append(wealth)
    assert watch_forecasts(losses, np.full(60, 2.0), np.full(60, 2.6), 0.975).wealth == pytest.approx(np.array(expected))


@given(LOSSES, st.integers(1, 59))
def test_the_future_changes_no_past_wealth(losses: np.ndarray, now: int) -> None:
    shocked = losses.copy()
    shocked[now:] = 1e3
    flat = np.full(60, 2.0)
    first, other = (watch_forecasts(series, flat, flat + 0.5, 0.99) for series in (losses, shocked))
    assert np.array_equal(first.wealth[:now], other.wealth[:now])


def test_bars_without_a_loss_beyond_only_cost_the_stake() -> None:
    watch = watch_forecasts(np.zeros(30_000), np.full(30_000, 2.0), np.full(30_000, 2.5), 0.99)
    assert watch.wealth[:3] == pytest.approx([1 - 0.01 / 6, (1 - 0.01 / 6) ** 2, (1 - 0.01 / 6) ** 3])
    assert watch.alarm is None


def test_right_forecasts_rarely_ring_and_too_small_ones_do_even_after_good_years() -> None:
    law, n, p = student_tail(6.0), 2_000, 0.025
    quantile, shortfall = float(law.exceeded(np.array([p]))[0]), law.mean_beyond(p)
    rng = np.random.default_rng(1)

    def rung(scale: float, good: int = 0, stake: float | None = None) -> float:
        found = []
        for _ in range(300):
            run = rng.standard_t(6, n + good)
            run[good:] *= scale
            flat = np.ones(n + good)
            found.append(watch_forecasts(run, quantile * flat, shortfall * flat, 1 - p, stake=stake).alarm is not None)
        return float(np.mean(found))

    assert rung(1.0) <= 0.05
    assert rung(1.3) > 0.9
    assert rung(1.3, good=1_000) > 0.7
    assert rung(1.3, good=1_000, stake=0.1) < 0.2  # a tenth was spent in the good years


def test_a_stake_outside_zero_and_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="stake 1"):
        watch_forecasts(np.zeros(3), np.ones(3), 2 * np.ones(3), 0.99, stake=1.0)


def test_the_alarm_is_the_first_bar_at_or_above_twenty() -> None:
    losses = np.array([0.0, 4.0, 0.0, 4.0])
    watch = watch_forecasts(losses, np.full(4, 2.0), np.full(4, 2.5), 0.99, stake=0.1)
    assert watch.alarm == 1
    assert not watch.wealth.flags.writeable


def test_a_loss_the_forecast_calls_impossible_rings_at_once() -> None:
    watch = watch_forecasts(np.array([1.0, 2.1]), np.full(2, 2.0), np.full(2, 2.0), 0.99)
    assert watch.wealth[0] == pytest.approx(1 - 0.01 / 6)
    assert watch.alarm == 1


def test_a_missing_outcome_is_refused() -> None:
    with pytest.raises(DataError, match="losses is nan at row 0"):
        watch_forecasts(np.array([np.nan, 1.0]), np.full(2, 2.0), np.full(2, 2.5), 0.99)
