"""Goodness of fit over thresholds, and the rule that picks one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskparams.errors import DataError, InsufficientData
from riskparams.tails.exceedances import exceedances_over, largest_losses
from riskparams.tails.gpd import TailSpec, ThresholdRule, fit_tail
from riskparams.tails.thresholds import forward_stop, goodness_of_fit, scan_thresholds, strong_stop
from riskparams.terms import FloatArray

SCANNING = TailSpec(threshold=ThresholdRule.FORWARD_STOP)


def pareto(seed: int, n: int) -> FloatArray:
    return np.random.default_rng(seed).pareto(4, n)


def kinked(n: int) -> FloatArray:
    """Uniform losses below 1, and the 5 % above it exponential: no Pareto law reaches over the kink."""
    rng = np.random.default_rng(2)
    return np.where(rng.random(n) < 0.95, rng.random(n), 1 + 3 * rng.standard_exponential(n))


def test_p_values_of_pareto_losses_are_spread_evenly() -> None:
    rng = np.random.default_rng(6)
    p_values = [goodness_of_fit(exceedances_over(rng.pareto(4, 60), 0.0), rng, draws=99).p_value for _ in range(200)]
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.07)
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.06)


def test_losses_that_are_not_pareto_are_rejected_with_the_smallest_p_value_there_is() -> None:
    losses = 10 + np.random.default_rng(1).standard_normal(2_000)
    assert goodness_of_fit(exceedances_over(losses, 0.0), np.random.default_rng(1)).p_value == 1 / 200


def test_a_scan_of_pareto_losses_takes_the_lowest_threshold() -> None:
    losses = pareto(1, 4_000)
    scan = scan_thresholds(losses, np.random.default_rng(1))
    assert len(scan) == 20
    assert (scan.count[0], scan.count[-1]) == (600, 100)
    assert np.all(np.diff(scan.tail_threshold) > 0)
    assert scan.chosen == 0
    assert fit_tail(losses, SCANNING, rng=np.random.default_rng(1)).exceedances == 600


def test_a_scan_steps_over_the_kink() -> None:
    losses = kinked(6_000)
    scan = scan_thresholds(losses, np.random.default_rng(3))
    assert scan.chosen is not None
    last_rejected = np.flatnonzero(scan.forward_stop <= 0.10).max()
    assert scan.chosen == last_rejected + 1
    assert scan.count[scan.chosen] < 0.06 * 6_000
    tail = fit_tail(losses, SCANNING, rng=np.random.default_rng(3))
    assert (tail.exceedances, tail.flags) == (scan.exceedances[scan.chosen], ())


def test_a_sample_that_no_threshold_fits_keeps_the_top_share_and_says_so() -> None:
    rng = np.random.default_rng(4)
    losses = np.where(rng.random(8_000) < 0.985, rng.random(8_000), 5 + 0.01 * rng.random(8_000))
    assert scan_thresholds(losses, np.random.default_rng(1)).chosen is None
    tail = fit_tail(losses, SCANNING, rng=np.random.default_rng(1))
    assert (tail.exceedances, tail.flags[0]) == (400, "all_thresholds_rejected")


def test_a_sample_too_short_to_scan_keeps_the_top_share_and_says_so() -> None:
    tail = fit_tail(pareto(1, 300), SCANNING, rng=np.random.default_rng(1))
    assert (tail.exceedances, tail.flags) == (50, ("too_few_thresholds",))


def test_the_same_seed_gives_the_same_scan() -> None:
    one, other = (scan_thresholds(kinked(1_000), np.random.default_rng(7)) for _ in range(2))
    assert one.p_value.tolist() == other.p_value.tolist()


def test_ties_give_each_threshold_once() -> None:
    scan = scan_thresholds(np.round(pareto(3, 3_000), 1), np.random.default_rng(1))
    assert len(set(scan.tail_threshold)) == len(scan) < 20


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=20))
def test_stopping_transforms_are_their_sums(p_values: list[float]) -> None:
    p, m = np.minimum(p_values, 1 - 1e-12), len(p_values)
    forward = [-np.mean(np.log1p(-p[: j + 1])) for j in range(m)]
    strong = [np.exp(sum(np.log(p_values[i]) / (i + 1) for i in range(j, m))) * m / (j + 1) for j in range(m)]
    assert forward_stop(np.array(p_values)) == pytest.approx(forward, rel=1e-6)
    assert strong_stop(np.array(p_values)) == pytest.approx(strong, rel=1e-9)


def test_a_p_value_of_one_stays_finite_and_one_beyond_is_refused() -> None:
    assert np.isfinite(forward_stop(np.array([1.0, 0.5]))).all()
    with pytest.raises(DataError, match="p-values"):
        forward_stop(np.array([0.5, np.nan]))


def test_a_test_needs_exceedances() -> None:
    with pytest.raises(InsufficientData):
        goodness_of_fit(largest_losses(np.array([0.0, 0.0, 1.0]), 1), np.random.default_rng(1))
