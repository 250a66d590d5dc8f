"""Tests of hits, by law: counts, their variance in clusters, transitions, power."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from riskparams.backtest import coverage
from riskparams.backtest.block_bootstrap import resampled_sums, variance_of_mean
from riskparams.backtest.coverage import Transitions
from riskparams.backtest.forecasts import hits_of
from riskparams.backtest.metric import resampled_rows
from riskparams.errors import ConfigError, DataError, InsufficientData

LEVELS = st.sampled_from([0.9, 0.95, 0.975, 0.99, 0.999])


@given(st.integers(1, 30_000), st.data(), LEVELS)
def test_every_count_of_failures_has_a_p_value(sample: int, data: st.DataObject, level: float) -> None:
    failures = data.draw(st.one_of(st.just(0), st.just(sample), st.integers(0, sample)))
    for test in (coverage.kupiec, coverage.exact_binomial, coverage.binomial_z):
        found = test(failures, sample, level)
        assert np.isfinite(found.statistic)
        assert 0 <= found.p_value <= 1
    first = None if not failures else data.draw(st.integers(1, sample - failures + 1))
    found = coverage.time_until_first_failure(first, sample, level)
    assert np.isfinite(found.statistic)
    assert 0 <= found.p_value <= 1


@given(st.integers(1, 2000), st.data(), st.floats(0.55, 0.999))
def test_kupiec_is_the_ratio_of_binomial_likelihoods_of_hits_or_of_misses(
    sample: int, data: st.DataObject, level: float
) -> None:
    failures = data.draw(st.integers(0, sample))
    found = coverage.kupiec(failures, sample, level).statistic
    for count, probability in ((failures, 1 - level), (sample - failures, level)):
        best, stated = binom.logpmf(count, sample, [count / sample, probability])
        assert found == pytest.approx(2 * (best - stated), abs=1e-7 * sample)


def test_a_miss_rate_that_is_exactly_right_is_no_evidence() -> None:
    assert coverage.kupiec(10, 1000, 0.99).statistic == pytest.approx(0, abs=1e-12)
    assert coverage.binomial_z(10, 1000, 0.99).p_value == pytest.approx(1)
    assert coverage.exact_binomial(10, 1000, 0.99).p_value == pytest.approx(1)


@given(st.integers(10, 3000), LEVELS)
def test_the_region_is_where_kupiec_does_not_reject(sample: int, level: float) -> None:
    low, high = coverage.kupiec_region(sample, level)
    for count, accepted in ((low - 1, False), (low, True), (high, True), (high + 1, False)):
        if 0 <= count <= sample:
            assert (coverage.kupiec(count, sample, level).p_value >= 0.05) is accepted


@pytest.mark.parametrize(("sample", "power"), [(500, 0.23), (1000, 0.33), (2500, 0.62), (8760, 0.99)])
def test_what_kupiec_finds_of_a_rate_half_as_high_again(sample: int, power: float) -> None:
    found = coverage.kupiec_power(sample, 0.99, true_rate=0.015)
    assert found == pytest.approx(power, abs=0.01)
    low, high = coverage.kupiec_region(sample, 0.99)
    assert found == pytest.approx(1 - binom.pmf(np.arange(low, high + 1), sample, 0.015).sum())


def test_no_failure_in_a_short_sample_is_accepted_and_in_a_long_one_is_not() -> None:
    assert coverage.kupiec_region(100, 0.99)[0] == 0
    assert coverage.kupiec(0, 100, 0.99).p_value > 0.05
    assert coverage.kupiec(0, 1000, 0.99).p_value < 0.001
    assert coverage.time_until_first_failure(None, 1000, 0.99).p_value < 0.001


@given(st.lists(st.booleans(), min_size=2, max_size=300), LEVELS)
def test_transitions_hold_every_pair_and_their_tests_are_finite(hits: list[bool], level: float) -> None:
    array = np.array(hits)
    pairs = Transitions.of(array)
    counted = {(a, b): sum(x == (a, b) for x in pairwise(hits)) for a in (False, True) for b in (False, True)}
    assert counted == {(False, False): pairs.n00, (False, True): pairs.n01, (True, False): pairs.n10, (True, True): pairs.n11}
    alone, both = coverage.independence(pairs), coverage.conditional_coverage(sum(hits), len(hits), pairs, level)
    assert 0 <= alone.statistic <= both.statistic < np.inf
    assert 0 <= both.p_value <= 1


def test_hits_in_pairs_are_dependent_and_none_at_all_are_not() -> None:
    paired = np.zeros(1000, dtype=bool)
    paired[100:1000:100] = paired[101:1000:100] = True
    assert coverage.independence(Transitions.of(paired)).p_value < 1e-6
    assert coverage.independence(Transitions.of(np.zeros(1000, dtype=bool))).p_value == 1


@given(st.lists(st.booleans(), min_size=10, max_size=300), LEVELS, st.floats(1, 5))
def test_the_corrected_kupiec_is_finite_whatever_was_missed(hits: list[bool], level: float, block: float) -> None:
    found = coverage.clustered_kupiec(np.array(hits), level, mean_block=block)
    assert np.isfinite([found.statistic, found.deviation, found.design_effect, found.scaled.statistic]).all()
    assert 0 <= found.p_value <= 1
    assert 0 <= found.scaled.p_value <= 1
    assert found.deviation > 0


@pytest.mark.parametrize("everything", [False, True])
def test_with_nothing_or_everything_missed_the_corrected_kupiec_is_the_exact_binomial(everything: bool) -> None:
    found = coverage.clustered_kupiec(np.full(500, everything), 0.99, mean_block=8)
    exact = coverage.exact_binomial(500 * everything, 500, 0.99).p_value
    assert (found.p_value, found.scaled.p_value) == (exact, exact)


def test_hits_in_clusters_are_weaker_evidence_than_as_many_apart() -> None:
    apart, together = np.zeros(2000, dtype=bool), np.zeros(2000, dtype=bool)
    apart[25:2000:50] = True
    for start in (100, 700, 1300, 1900):
        together[start : start + 20 : 2] = True
    assert apart.sum() == together.sum() == 40
    loose, tight = (coverage.clustered_kupiec(hits, 0.99, mean_block=15) for hits in (apart, together))
    assert tight.design_effect > 3 > 1 > loose.design_effect
    assert tight.p_value > 0.05 > loose.p_value
    assert tight.scaled.p_value > 0.05 > loose.scaled.p_value


def test_with_blocks_of_one_bar_hits_count_as_independent() -> None:
    hits = np.random.default_rng(1).random(900) < 0.02
    found = coverage.clustered_kupiec(hits, 0.99, mean_block=1)
    assert found.design_effect == pytest.approx(1)
    assert found.scaled.statistic == pytest.approx(coverage.kupiec(int(hits.sum()), 900, 0.99).statistic)


def test_the_variance_is_what_two_bootstraps_of_the_mean_come_to() -> None:
    rng = np.random.default_rng(2)
    values = np.convolve(rng.normal(size=409), np.ones(10), mode="valid")
    exact = variance_of_mean(values, mean_block=12)
    ours = resampled_sums(values[:, None], mean_block=12, draws=20_000, seed=3)[:, 0] / 400
    peers = values[resampled_rows(400, mean_block=12, draws=4000, seed=3)].mean(axis=1)
    assert ours.mean() == pytest.approx(values.mean(), abs=4 * np.sqrt(exact / 20_000))
    assert ours.var() == pytest.approx(exact, rel=0.04)
    assert peers.var() == pytest.approx(exact, rel=0.1)


def test_every_resample_has_as_many_rows_as_the_sample() -> None:
    columns = np.column_stack([np.ones(501), np.arange(501.0)])
    drawn = resampled_sums(columns, mean_block=1, draws=50, seed=1)
    assert (drawn[:, 0] == 501).all()
    assert len(np.unique(drawn[:, 1])) > 40


@pytest.mark.parametrize("level", [0.01, 0.5, 1.0, 99])
def test_a_level_that_is_no_level_is_refused(level: float) -> None:
    with pytest.raises(ConfigError, match=r"write 0\.99"):
        coverage.kupiec(1, 100, level)


def test_what_cannot_be_tested_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"losses is nan at row 1 \(1 such rows of 3\)"):
        hits_of([0.1, np.nan, 0.2], [1, 1, 1])
    with pytest.raises(DataError, match=r"value at risk is inf at row 2"):
        hits_of([0.1, 0.3, 0.2], [1, 1, np.inf])
    with pytest.raises(DataError, match="2 rows where the losses have 3"):
        hits_of([0.1, 0.3, 0.2], [1, 1])
    with pytest.raises(InsufficientData, match="empty"):
        hits_of([], [])
    with pytest.raises(DataError, match="11 failures in 10 bars"):
        coverage.kupiec(11, 10, 0.99)
    with pytest.raises(InsufficientData, match="score at least one"):
        coverage.kupiec(0, 0, 0.99)
    with pytest.raises(InsufficientData, match="no pair"):
        Transitions.of(np.array([True]))
    with pytest.raises(DataError, match="count bars from 1"):
        coverage.time_until_first_failure(0, 10, 0.99)
    with pytest.raises(InsufficientData, match="two blocks"):
        coverage.clustered_kupiec(np.zeros(10, dtype=bool), 0.99, mean_block=6)
