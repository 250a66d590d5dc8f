"""The power of tests: it grows with the sample, and is the size where nothing is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from riskparams.backtest.coverage import kupiec_power
from riskparams.backtest.power import _repeating_hits, power_of_tests
from riskparams.backtest.shortfall_tests import student_tail
from riskparams.errors import ConfigError

TESTS = ("independence", "conditional_coverage", "dynamic_quantile", "duration", "exceedance_residuals", "z1", "z2")


def test_a_longer_sample_finds_more() -> None:
    short, long = (power_of_tests(n, 0.975, law=student_tail(4), seed=1, draws=150).to_dict() for n in (500, 5000))
    assert {name for name in ("kupiec", *TESTS) if long[name] <= short[name]} == set()


def test_where_nothing_is_wrong_the_power_is_about_the_size() -> None:
    found = power_of_tests(
        5000, 0.975, law=student_tail(6), seed=1, miss_ratio=1, after_hit=0.025, excess_ratio=1, draws=400
    ).to_dict()
    assert {name: found[name] for name in TESTS if not 0.005 <= found[name] <= 0.12} == {}


def test_kupiecs_power_is_the_exact_one() -> None:
    found = power_of_tests(1000, 0.99, law=student_tail(4), seed=1, draws=20)
    assert found.kupiec == kupiec_power(1000, 0.99, true_rate=found.true_rate)
    assert found == power_of_tests(1000, 0.99, law=student_tail(4), seed=1, draws=20)


def test_hits_of_the_alternative_come_as_often_as_stated_and_repeat_as_often() -> None:
    rng = np.random.default_rng(1)
    hits = np.array([_repeating_hits(1000, 0.03, 0.2, rng) for _ in range(400)])
    assert hits.mean() == pytest.approx(0.03, abs=0.002)
    assert hits[:, 0].mean() == pytest.approx(0.03, abs=0.03)
    before, after = hits[:, :-1], hits[:, 1:]
    assert after[before].mean() == pytest.approx(0.2, abs=0.02)


def test_rates_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected probabilities"):
        power_of_tests(500, 0.9, law=student_tail(4), seed=1, miss_ratio=11)
    with pytest.raises(ConfigError, match="expected probabilities"):
        power_of_tests(500, 0.99, law=student_tail(4), seed=1, after_hit=1)
