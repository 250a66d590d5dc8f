"""The jump layer: laws recovered from depegs of a known law, and what is read from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HOUR

from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.tails.depegs import Depeg
from riskparams.tails.exceedances import exceedances_over
from riskparams.tails.gpd import fit_exceedances
from riskparams.tails.jumps import SHAPE_OF_FEW, Arrivals, JumpLayer, extra_depth, extra_depth_within, fit_jumps
from riskparams.terms import FloatArray

START = -np.log(0.99)


def pareto(rng: np.random.Generator, count: int, shape: float, scale: float) -> FloatArray:
    """Simple drops whose logs beyond the threshold are generalised Pareto."""
    excess = scale / shape * np.expm1(-shape * np.log(1 - rng.random(count)))
    return -np.expm1(-START - excess)


def made(depths: Sequence[float] | FloatArray, *, bars: int = 4, lasting: int = 10, recovered: bool = True) -> list[Depeg]:
    return [
        Depeg(start=HOUR, trough=bars * HOUR, end=lasting * HOUR, depth=float(depth), bar=HOUR, recovered=recovered)
        for depth in depths
    ]


def layer_of(depths: Sequence[float] | FloatArray, *, years: float = 10.0) -> JumpLayer:
    return fit_jumps({"A": made(depths)}, [], years_own=1.0, years_peers={"A": years})


MANY = layer_of(pareto(np.random.default_rng(1), 400, 0.4, 0.02))


def test_arrivals_have_the_posterior_of_a_poisson_rate() -> None:
    arrivals = Arrivals(count=3, years=4.0)
    assert arrivals.rate == 0.7
    draws = np.random.default_rng(1).gamma(3.5, 1 / 5.0, 200_000)
    interval = arrivals.interval(0.9)
    assert (interval.low, interval.high) == pytest.approx(np.quantile(draws, [0.05, 0.95]), rel=0.01)


def test_the_interval_of_a_rate_covers_rates_drawn_from_the_prior() -> None:
    rng = np.random.default_rng(2)
    rates = rng.gamma(0.5, 1.0, 4000)
    counts = rng.poisson(rates * 3.0)
    inside = [Arrivals(count=int(n), years=3.0).interval(0.9) for n in counts]
    share = np.mean([one.low <= rate <= one.high for one, rate in zip(inside, rates, strict=True)])
    assert share == pytest.approx(0.9, abs=0.015)


def test_the_higher_of_own_and_pooled_rates_is_used() -> None:
    calm = fit_jumps({"A": made([0.02] * 8), "B": []}, made([0.03]), years_own=2.0, years_peers={"A": 2.0, "B": 2.0})
    assert calm.own.rate == 0.5
    assert (calm.pooled.count, calm.pooled.years) == (9, 6.0)
    assert calm.arrivals is calm.pooled
    wild = fit_jumps({"A": []}, made([0.02] * 8), years_own=2.0, years_peers={"A": 2.0})
    assert wild.arrivals is wild.own


def test_the_depth_tail_is_that_of_the_law_it_came_from() -> None:
    shape_error, scale_error = MANY.depth_errors or (0.0, 0.0)
    assert MANY.depth.estimator == "maximum likelihood"
    assert abs(MANY.depth.shape - 0.4) < 2.5 * shape_error
    assert abs(MANY.depth.scale - 0.02) < 2.5 * scale_error


def test_error_bars_of_the_depth_cover_the_truth() -> None:
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(60):
        found = layer_of(pareto(rng, 200, 0.4, 0.02))
        shape_error, scale_error = found.depth_errors or (0.0, 0.0)
        hits.append((abs(found.depth.shape - 0.4) < 1.645 * shape_error, abs(found.depth.scale - 0.02) < 1.645 * scale_error))
    assert np.all(np.abs(np.mean(hits, axis=0) - 0.9) < 0.1)


def test_twenty_depegs_are_fitted_as_any_other_tail() -> None:
    depths = pareto(np.random.default_rng(4), 30, 0.3, 0.02)
    expected = fit_exceedances(exceedances_over(-np.log1p(-depths), float(START)))
    found = layer_of(depths).depth
    assert (found.shape, found.scale) == pytest.approx((expected.shape, expected.scale), rel=1e-9)
    assert found.estimator == "penalised likelihood"


@pytest.mark.parametrize("count", [2, 5, 19])
def test_few_depegs_have_an_assumed_shape_and_reach_the_deepest(count: int) -> None:
    depths = np.append(np.full(count - 1, 0.012), 0.2)
    found = layer_of(depths)
    assert found.depth.shape == SHAPE_OF_FEW
    assert found.depth.flags[0] == "few_depegs"
    assert found.depth_errors is None
    assert -np.expm1(-found.depth.quantile(count / (count + 1))) >= 0.2 - 1e-12


def test_few_depegs_are_not_read_as_safer_than_many() -> None:
    rng = np.random.default_rng(5)
    few = [extra_depth(layer_of(pareto(rng, 10, 0.3, 0.02)), 0.03, 0.99) for _ in range(200)]
    truth = extra_depth(layer_of(pareto(rng, 20_000, 0.3, 0.02)), 0.03, 0.99)
    assert np.median(few) > truth


def test_the_extra_depth_is_that_of_depegs_as_deep() -> None:
    depths = pareto(np.random.default_rng(6), 4_000_000, MANY.depth.shape, MANY.depth.scale)
    for depth in (0.0, 0.01, 0.05):
        further = 1 - (1 - depths[depths > depth]) / (1 - depth)
        assert extra_depth(MANY, depth, 0.99) == pytest.approx(np.quantile(further, 0.99), rel=0.02)


def test_what_falls_within_a_horizon_is_that_of_simulated_falls() -> None:
    depths = pareto(np.random.default_rng(7), 2_000_000, MANY.depth.shape, MANY.depth.scale)
    spread = layer_of(pareto(np.random.default_rng(1), 400, 0.4, 0.02))
    law = spread.hours_to_trough
    final = depths[depths > 0.03]
    hours = np.exp(np.random.default_rng(8).normal(law.log_mean, law.log_deviation, len(final)))
    left = hours * (1 - 0.03 / final)
    within = np.minimum(1.0, 1.0 / left) * (1 - (1 - final) / (1 - 0.03))
    for level in (0.5, 0.9, 0.99):
        found = extra_depth_within(MANY, 0.03, level, timedelta(hours=1))
        assert found == pytest.approx(np.quantile(within, level), rel=0.03)


@given(depth=st.floats(0, 0.3), level=st.floats(0.05, 0.999), minutes=st.integers(1, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_longer_horizon_and_a_higher_level_take_more_up_to_the_whole(depth: float, level: float, minutes: int) -> None:
    whole = extra_depth(MANY, depth, level)
    short = extra_depth_within(MANY, depth, level, timedelta(minutes=minutes))
    longer = extra_depth_within(MANY, depth, level, timedelta(minutes=2 * minutes))
    assert 0 <= short <= longer + 1e-8 <= whole + 2e-8 < 1
    assert short <= extra_depth_within(MANY, depth, (1 + level) / 2, timedelta(minutes=minutes)) + 1e-8
    assert extra_depth_within(MANY, depth, level, timedelta(days=10_000)) == pytest.approx(whole, abs=1e-6)


def test_depegs_that_did_not_recover_make_a_default_likelier() -> None:
    both = fit_jumps({"A": made([0.02] * 7), "B": made([0.5], recovered=False)}, [], 1.0, {"A": 5.0, "B": 5.0})
    assert (both.terminal, both.recovered) == (1, 7)
    assert both.terminal_probability == pytest.approx(1.5 / 9)
    draws = np.random.default_rng(9).beta(1.5, 7.5, 200_000)
    interval = both.terminal_interval()
    assert (interval.low, interval.high) == pytest.approx(np.quantile(draws, [0.05, 0.95]), rel=0.03)
    assert both.hours_lasting.censored == 1


def test_the_layer_survives_json() -> None:
    plain = json.loads(json.dumps(MANY.to_dict()))
    assert plain["depth"]["shape"] == MANY.depth.shape
    assert plain["rate_used"] == MANY.arrivals.rate
    assert plain["pooled"]["rate"]["low"] < MANY.pooled.rate < plain["pooled"]["rate"]["high"]
    assert plain["peers"] == ["A"]


def test_questions_that_cannot_be_answered_are_refused() -> None:
    with pytest.raises(ConfigError, match="depegs of A and years of B"):
        fit_jumps({"A": []}, [], 1.0, {"B": 1.0})
    with pytest.raises(InsufficientData, match="1 depegs of the pair and 1 peers, 1 of them recovered"):
        fit_jumps({"A": made([0.02])}, [], 1.0, {"A": 1.0})
    with pytest.raises(DataError, match=r"0\.0050 is shallower than the threshold 0\.01"):
        layer_of([0.02, 0.005])
    with pytest.raises(ConfigError, match="depth 1"):
        extra_depth(MANY, 1.0, 0.99)
    with pytest.raises(ConfigError, match="horizon of 0:00:00"):
        extra_depth_within(MANY, 0.1, 0.99, timedelta(0))
    with pytest.raises(ConfigError, match="-1 depegs"):
        Arrivals(count=-1, years=1.0)
