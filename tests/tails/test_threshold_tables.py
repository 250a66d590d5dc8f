"""Tables to choose a threshold by."""

from __future__ import annotations

import numpy as np
import pytest

from riskparams.errors import DataError, InsufficientData
from riskparams.tails.gpd import TailSpec, fit_tail
from riskparams.tails.threshold_tables import mean_excesses, shape_stability, threshold_sensitivity

PARETO = np.expm1(-0.25 * np.log(1 - np.random.default_rng(1).random(50_000))) / 0.25


def test_mean_excesses_of_pareto_losses_lie_on_a_line() -> None:
    """(scale + shape u) / (1 - shape), with scale 1 and shape 0.25."""
    thresholds = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
    table = mean_excesses(PARETO, thresholds)
    assert np.all(np.abs(table.mean_excess - (1 + 0.25 * thresholds) / 0.75) < 4 * table.error)
    assert table.exceedances.tolist() == [np.count_nonzero(PARETO - u > 0) for u in thresholds]


def test_shape_and_modified_scale_stay_level_over_pareto_losses() -> None:
    table = shape_stability(PARETO, np.array([0.5, 1.0, 2.0]))
    assert np.all(np.abs(table.shape - 0.25) < 4 * table.shape_error)
    assert table.modified_scale == pytest.approx(np.ones(3), abs=0.15)


def test_the_band_holds_the_quantile_of_each_threshold() -> None:
    losses = np.random.default_rng(2).standard_t(4, 4_000)
    band = threshold_sensitivity(losses, 0.999)
    assert [tail.exceedances for tail in band.tails] == [100, 200, 400]
    assert band.quantile[1] == fit_tail(losses, TailSpec(share=0.05)).quantile(0.999)
    assert band.low <= band.quantile[1] <= band.high


def test_thresholds_with_too_little_above_have_a_named_error() -> None:
    losses = np.arange(100.0)
    with pytest.raises(InsufficientData, match="1 of 100 losses exceed 98"):
        mean_excesses(losses, np.array([10.0, 98.0]))
    with pytest.raises(InsufficientData, match="9 of 100"):
        shape_stability(losses, np.array([90.0]))
    with pytest.raises(InsufficientData, match="no standard error"):
        shape_stability(losses, np.array([10.0]))
    with pytest.raises(DataError, match="row 5 "):
        mean_excesses(np.where(losses == 5, np.nan, losses), np.array([10.0]))
