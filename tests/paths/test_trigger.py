"""Triggers: first passage against theory, the drop after it by hand, the noise of it all."""

from __future__ import annotations

import numpy as np
import pytest

from riskparams.paths.model import ModelSpec, PathModel, fit_path_model
from riskparams.paths.simulate import PathLaw, PricePaths, StartLaw, Streams, path_law, simulate_paths
from riskparams.paths.trigger import (
    TriggerDrops,
    TriggerSpec,
    batch_error,
    deepest_moves,
    drops_after_trigger,
    simulate_drops,
)
from riskparams.prices.sample import simulated_market
from riskparams.terms import Asset, Pair

KEYS = Streams(11, 22)


@pytest.fixture(scope="module")
def model() -> PathModel:
    pair = Pair(Asset("ALPHA"), Asset("USD"))
    return fit_path_model(simulated_market(), pair, pair, ModelSpec())


def test_a_hand_made_path_gives_the_drop_by_hand() -> None:
    close = np.log(np.array([[0.98, 0.93, 0.90, 0.95], [1.01, 1.02, 1.03, 1.04]]))
    low = np.log(np.array([[0.97, 0.89, 0.85, 0.90], [1.00, 1.01, 1.02, 1.03]]))
    barriers = -np.log(np.array([0.95, 0.86]))
    found = drops_after_trigger(PricePaths(close=close, low=low), barriers, wait=1)
    # the low of the second bar touches 0.95, the close of the third executes; 0.86 is touched by the third, fourth executes
    np.testing.assert_allclose(found.drop[0], [1 - 0.90 / 0.95, 1 - 0.95 / 0.86])
    np.testing.assert_allclose(found.in_bar[0], [1 - 0.89 / 0.95, 1 - 0.85 / 0.86])
    assert np.isnan(found.drop[1]).all()
    assert found.hits == 2


def test_a_touch_after_the_followed_bars_does_not_count() -> None:
    close = np.log(np.array([[1.0, 1.0, 0.5]]))
    found = drops_after_trigger(PricePaths(close=close, low=close), np.array([0.1]), wait=1)
    assert found.hits == 0
    assert found.value_at_risk(0.995) == 0.0


def test_too_few_bars_are_refused() -> None:
    paths = PricePaths(close=np.zeros((1, 5)), low=np.zeros((1, 5)))
    with pytest.raises(ValueError, match="5 bars simulated"):
        drops_after_trigger(paths, np.array([0.1]), wait=5)


def test_first_passage_of_a_driftless_price_matches_theory() -> None:
    """sigma 0.8, seven days, from 0.75 to 0.8 of the threshold: 0.549 observed hourly (0.578254 in continuous time)."""
    rng, hours, paths = np.random.default_rng(6), 168, 200_000
    step = 0.8 / np.sqrt(365 * 24)
    close = np.cumsum(step * rng.standard_normal((paths, hours + 1)) - step**2 / 2, axis=1)
    found = drops_after_trigger(PricePaths(close=close, low=close), np.array([np.log(0.8 / 0.75)]), wait=1)
    assert found.hits / paths == pytest.approx(0.549, abs=0.004)


def test_every_hit_weighs_one_whatever_its_barrier() -> None:
    drop = np.array([[0.1, np.nan], [0.2, 0.4], [np.nan, np.nan], [0.3, np.nan]])
    found = TriggerDrops(drop=drop, barriers=np.array([0.1, 0.2]))
    assert found.hits == 4
    assert found.value_at_risk(0.5) == pytest.approx(0.25)
    assert found.by_barrier(0.5) == pytest.approx((0.2, 0.4))
    assert found.expected_shortfall(0.5) == pytest.approx(0.35)
    assert found.exceeded(0.25) == 0.5


def test_the_monte_carlo_error_is_that_of_repeated_simulations() -> None:
    rng = np.random.default_rng(8)
    runs = [TriggerDrops(drop=rng.standard_t(4, (20_000, 1)), barriers=np.array([0.1])) for _ in range(60)]
    actual = np.std([run.value_at_risk(0.99) for run in runs], ddof=1)
    assert np.mean([run.error(0.99) for run in runs]) == pytest.approx(actual, rel=0.3)
    assert batch_error(np.array([1.0, 3.0])) == pytest.approx(1.0)


def test_drops_are_never_reported_below_zero() -> None:
    assert TriggerDrops(drop=np.full((10, 1), -0.2), barriers=np.array([0.1])).value_at_risk(0.995) == 0.0


@pytest.mark.parametrize("threads", [1, 3])
def test_paths_that_are_not_kept_say_the_same_as_those_that_are(model: PathModel, threads: int) -> None:
    def law(paths: int) -> PathLaw:
        return path_law(model, StartLaw.TTC, bars=49, paths=paths, streams=KEYS)

    barriers = np.array([0.01, 0.03, 0.1])
    kept = simulate_paths(model, law=StartLaw.TTC, bars=49, paths=5_000, streams=KEYS)
    expected = drops_after_trigger(kept, barriers, wait=1)
    spec = TriggerSpec(follow=48, wait=1, paths=5_000, level=0.99, refine=False, threads=threads)
    found = simulate_drops(law, barriers, spec)
    assert np.array_equal(found.drop, expected.drop, equal_nan=True)
    assert found.in_bar is not None
    assert np.array_equal(found.in_bar, expected.in_bar, equal_nan=True)
    deepest = deepest_moves(law(5_000), threads=threads)
    assert np.array_equal(deepest, np.maximum(-kept.low.min(axis=1), 0))


def test_a_noisy_law_is_simulated_again_with_four_times_the_paths(model: PathModel) -> None:
    def law(paths: int) -> PathLaw:
        return path_law(model, StartLaw.PIT, bars=25, paths=paths, streams=KEYS)

    spec = TriggerSpec(follow=24, wait=1, paths=1_000, level=0.995)
    assert simulate_drops(law, np.array([0.05]), spec).paths == 4_000
