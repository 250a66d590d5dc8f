"""Clusters of exceedances and the extremal index."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.tails.clusters import intervals_extremal_index, runs_clusters

LOSSES = np.array([0.0, 3.0, 5.0, 0.0, 4.0, 0.0, 0.0, 2.0, 0.0])


def test_a_cluster_ends_after_the_run_of_small_losses() -> None:
    short, long = runs_clusters(LOSSES, 1.0, run_length=1), runs_clusters(LOSSES, 1.0, run_length=2)
    assert (short.first.tolist(), short.last.tolist(), short.peak.tolist()) == ([1, 4, 7], [2, 4, 7], [2, 4, 7])
    assert (long.first.tolist(), long.last.tolist(), long.peak.tolist()) == ([1, 7], [4, 7], [2, 7])
    assert long.extremal_index == 2 / 4


@given(seed=st.integers(0, 1_000), run_length=st.integers(1, 30))
def test_longer_runs_join_clusters_and_peaks_are_their_largest_losses(seed: int, run_length: int) -> None:
    losses = np.random.default_rng(seed).standard_t(3, 500)
    clusters = runs_clusters(losses, 1.5, run_length=run_length)
    assert len(runs_clusters(losses, 1.5, run_length=run_length + 1)) <= len(clusters) <= clusters.exceedances
    for first, last, peak in zip(clusters.first, clusters.last, clusters.peak, strict=True):
        assert losses[peak] == losses[first : last + 1].max()


def test_independent_losses_have_an_index_near_one_and_repeated_ones_near_a_half() -> None:
    losses = np.random.default_rng(1).standard_t(4, 20_000)
    assert intervals_extremal_index(losses, 3.0) == pytest.approx(1, abs=0.1)
    assert intervals_extremal_index(np.maximum(losses[1:], losses[:-1]), 3.0) == pytest.approx(0.5, abs=0.06)


def test_exceedances_one_after_another_use_the_form_without_subtractions() -> None:
    assert intervals_extremal_index(np.array([0.0, 2.0, 2.0, 0.0, 2.0]), 1.0) == pytest.approx(min(1, 2 * 9 / (2 * 5)))


def test_too_few_exceedances_have_a_named_error() -> None:
    with pytest.raises(InsufficientData, match="0 of 9 losses"):
        runs_clusters(LOSSES, 9.0, run_length=1)
    with pytest.raises(InsufficientData, match="1 of 9 losses"):
        intervals_extremal_index(LOSSES, 4.5)
    with pytest.raises(ConfigError, match="run_length 0"):
        runs_clusters(LOSSES, 1.0, run_length=0)
    with pytest.raises(DataError, match="row 1 "):
        intervals_extremal_index(np.array([1.0, np.inf, 2.0]), 0.5)
