"""Paired comparisons and the model confidence set, by law and against the plain bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.backtest.comparison import compare_scores, model_confidence_set
from riskparams.backtest.metric import resampled_rows
from riskparams.errors import ConfigError, DataError, InsufficientData


def panel(seed: int, times: int = 300, series: int = 4) -> np.ndarray:
    """Return scores of a panel whose series share their shocks and start one after another."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(times, 1)) + rng.normal(size=(times, series))
    for column in range(series):
        scores[: 20 * column, column] = np.nan
    return scores


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_changing_sides_changes_the_sign(seed: int) -> None:
    first, second = panel(seed), panel(seed + 1)
    ours = compare_scores(first, second, mean_block=5, seed=1, draws=199)
    theirs = compare_scores(second, first, mean_block=5, seed=1, draws=199)
    assert ours.difference == pytest.approx(-theirs.difference)
    assert (ours.p_lower, ours.p_higher) == (theirs.p_higher, theirs.p_lower)
    assert ours.difference == pytest.approx(np.nanmean(first - second))
    assert ours.scores == np.isfinite(first).sum()


def test_a_forecaster_is_no_better_than_itself() -> None:
    found = compare_scores(panel(1), panel(1), mean_block=5, seed=1, draws=199)
    assert (found.difference, found.low, found.high, found.p_lower, found.p_higher, found.p_value) == (0, 0, 0, 1, 1, 1)


def test_a_small_steady_advantage_is_found_where_series_share_their_shocks() -> None:
    first = panel(2)
    second = first + 0.05 + 0.1 * np.random.default_rng(3).normal(size=first.shape)
    found = compare_scores(first, second, mean_block=5, seed=1)
    assert found.high < 0
    assert found.p_lower < 0.01 < 0.99 < found.p_higher


def test_the_interval_is_the_plain_bootstraps_of_whole_times() -> None:
    first, second = panel(4), panel(5)
    found = compare_scores(first, second, mean_block=8, seed=1, draws=4000)
    rows = resampled_rows(300, mean_block=8, draws=2000, seed=2)
    plain = np.array([np.nanmean((first - second)[row]) for row in rows])
    assert (found.low, found.high) == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.3 * plain.std())
    assert (found.high - found.low) / 3.92 == pytest.approx(plain.std(), rel=0.1)


def test_the_comparison_is_the_seeds() -> None:
    once, again, other = (compare_scores(panel(4), panel(5), mean_block=8, seed=seed, draws=199) for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_series_that_move_together_are_no_more_evidence_than_one() -> None:
    first, second = panel(6, series=1), panel(7, series=1)
    one = compare_scores(first, second, mean_block=5, seed=1)
    many = compare_scores(np.tile(first, 10), np.tile(second, 10), mean_block=5, seed=1)
    assert many.p_value == one.p_value
    assert many.high - many.low == pytest.approx(one.high - one.low)


def test_the_confidence_set_keeps_the_best_and_drops_the_plainly_worse() -> None:
    scores = panel(8)
    rng = np.random.default_rng(9)
    models = {
        "worse": scores + 1 + 0.1 * rng.normal(size=scores.shape),
        "best": scores,
        "as good": scores + 0.1 * rng.normal(size=scores.shape),
    }
    found = model_confidence_set(models, mean_block=5, seed=1, draws=200)
    assert set(found.kept) == {"best", "as good"}
    assert found.p_values["worse"] <= 0.1
    assert list(found.mean_scores) == sorted(models, key=lambda name: found.mean_scores[name])
    assert found.mean_scores["best"] == pytest.approx(np.nanmean(scores))
    assert found == model_confidence_set(models, mean_block=5, seed=1, draws=200)


def test_models_with_the_very_same_scores_stand_together() -> None:
    scores = panel(8)
    found = model_confidence_set({"a": scores, "b": scores.copy(), "worse": scores + 1}, mean_block=5, seed=1, draws=200)
    assert found.p_values["a"] == found.p_values["b"] == 1
    assert model_confidence_set({"a": scores, "b": scores}, mean_block=5, seed=1).kept == ("a", "b")
    assert model_confidence_set({"alone": scores}, mean_block=5, seed=1).kept == ("alone",)


def test_scores_that_cannot_be_paired_are_refused() -> None:
    first, second = panel(1), panel(2)
    second[40, 0] = np.nan
    with pytest.raises(DataError, match=r"at row 40 .* compare models on the same bars"):
        compare_scores(first, second, mean_block=5, seed=1)
    with pytest.raises(DataError, match="shapes"):
        compare_scores(first, first[1:], mean_block=5, seed=1)
    with pytest.raises(DataError, match="infinite"):
        compare_scores(np.full(9, np.inf), np.zeros(9), mean_block=2, seed=1)
    with pytest.raises(InsufficientData, match="two blocks"):
        compare_scores(first[:8], first[:8], mean_block=5, seed=1)
    with pytest.raises(InsufficientData, match="two blocks"):
        model_confidence_set({"a": first[:8]}, mean_block=5, seed=1)
    with pytest.raises(InsufficientData, match="none of the 9 times"):
        compare_scores(np.full(9, np.nan), np.full(9, np.nan), mean_block=2, seed=1)
    with pytest.raises(DataError, match="at least one"):
        model_confidence_set({}, mean_block=5, seed=1)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        model_confidence_set({"a": first}, mean_block=5, seed=1, size=1)
