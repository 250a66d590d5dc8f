"""Diagnostics of standardised residuals: held to their textbook sums, finite on odd series, named errors on the rest."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from riskparams.errors import ConstantSeries, DataError, InsufficientData
from riskparams.terms import FloatArray
from riskparams.volatility.diagnostics import Diagnostics, diagnose, half_life
from riskparams.volatility.model import Convergence


def found(z: FloatArray, lags: int = 10) -> Diagnostics:
    return diagnose(z, persistence=0.98, convergence=Convergence.CONVERGED, lags=lags)


def clustered(n: int = 3000) -> FloatArray:
    rng, e, variance = np.random.default_rng(2), np.empty(n), 1.0
    for t in range(n):
        e[t] = np.sqrt(variance) * rng.standard_normal()
        variance = 0.05 + 0.15 * e[t] ** 2 + 0.8 * variance
    return e


def test_ljung_box_is_the_textbook_sum() -> None:
    z, lags = np.random.default_rng(4).standard_normal(500), 7
    for values, test in ((z, found(z, lags).ljung_box), (z**2, found(z, lags).ljung_box_squares)):
        centred, n = values - values.mean(), len(values)
        statistic = 0.0
        for lag in range(1, lags + 1):
            correlation = np.sum(centred[lag:] * centred[:-lag]) / np.sum(centred**2)
            statistic += n * (n + 2) * correlation**2 / (n - lag)
        assert test.statistic == pytest.approx(statistic, rel=1e-10)
        assert test.p_value == pytest.approx(chi2.sf(statistic, lags), rel=1e-10)


def test_arch_lm_is_n_times_the_r_squared_of_squares_on_their_past() -> None:
    z, lags = np.random.default_rng(4).standard_normal(500), 5
    square = z**2
    past = np.column_stack([np.ones(500 - lags), *(square[lags - lag : -lag] for lag in range(1, lags + 1))])
    now = square[lags:]
    residual = now - past @ np.linalg.lstsq(past, now, rcond=None)[0]
    statistic = len(now) * (1 - residual @ residual / np.sum((now - now.mean()) ** 2))
    test = found(z, lags).arch_lm
    assert test.statistic == pytest.approx(statistic, rel=1e-9)
    assert test.p_value == pytest.approx(chi2.sf(statistic, lags), rel=1e-9)


def test_clustered_variance_is_seen_and_independent_draws_are_not_accused() -> None:
    seen = found(clustered())
    assert max(seen.ljung_box_squares.p_value, seen.arch_lm.p_value) < 1e-6
    calm = found(np.random.default_rng(4).standard_normal(3000))
    assert min(calm.ljung_box.p_value, calm.ljung_box_squares.p_value, calm.arch_lm.p_value) > 0.01
    assert calm.kurtosis == pytest.approx(3, abs=0.3)


def test_a_trend_in_the_mean_is_seen() -> None:
    z = np.random.default_rng(4).standard_normal(1000)
    z[1:] += 0.2 * z[:-1]
    assert found(z).ljung_box.p_value < 1e-4


@given(persistence=st.floats(0.01, 0.9999))
def test_after_the_half_life_half_is_left(persistence: float) -> None:
    assert persistence ** half_life(persistence) == pytest.approx(0.5)


def test_an_integrated_recursion_never_forgets_and_says_so_in_json() -> None:
    record = diagnose(clustered(), persistence=1.0, convergence=Convergence.NOT_NEEDED)
    assert record.half_life == inf
    assert record.to_dict()["half_life"] is None
    assert half_life(0.0) == 0.0
    assert json.loads(json.dumps(record.to_dict(), allow_nan=False))["convergence"] == "nothing to estimate"


def test_the_record_survives_json() -> None:
    record = found(clustered())
    assert json.loads(json.dumps(record.to_dict(), allow_nan=False)) == asdict(record)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(44, 200),
    kind=st.sampled_from(["trend", "integrated", "infinite variance", "outlier", "mostly zero", "near-constant"]),
)
def test_every_series_that_moves_gets_finite_answers(seed: int, n: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    z = {
        "trend": np.linspace(-2, 3, n) + 0.1 * rng.standard_normal(n),
        "integrated": np.cumsum(rng.standard_normal(n)),
        "infinite variance": rng.standard_cauchy(n),
        "outlier": np.where(np.arange(n) == n // 2, 1e6, rng.standard_normal(n)),
        "mostly zero": np.where(np.arange(n) % 11 == 3, rng.standard_normal(n), 0.0),
        "near-constant": 1 + 1e-6 * rng.standard_normal(n),
    }[kind]
    record = found(z)
    numbers = [value for value in asdict(record).values() if isinstance(value, float)]
    tests = (record.ljung_box, record.ljung_box_squares, record.arch_lm)
    assert np.isfinite([*numbers, *(test.statistic for test in tests)]).all()
    assert all(0 <= test.p_value <= 1 for test in tests)


@pytest.mark.parametrize(
    "z", [np.zeros(100), np.full(100, 0.1), np.tile([1.0, -1.0], 50)], ids=["zero", "constant", "two signs"]
)
def test_a_series_without_change_in_size_is_named(z: FloatArray) -> None:
    with pytest.raises(ConstantSeries, match="are all"):
        found(z)


@pytest.mark.parametrize(("n", "lags"), [(0, 10), (43, 10), (100, 0)])
def test_too_few_values_for_the_lags_are_named(n: int, lags: int) -> None:
    with pytest.raises(InsufficientData, match=f"{n} standardised residuals cannot test {lags} lags"):
        found(np.random.default_rng(1).standard_normal(n), lags)


@pytest.mark.parametrize("bad", [float("nan"), inf])
def test_a_value_that_is_not_finite_is_named(bad: float) -> None:
    z = np.random.default_rng(1).standard_normal(100)
    z[17] = bad
    with pytest.raises(DataError, match="residual 17"):
        found(z)
