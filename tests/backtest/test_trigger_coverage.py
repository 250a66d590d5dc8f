"""Trigger coverage, by hand and by law."""

from __future__ import annotations

import numpy as np
import pytest
from slow_replay import HOUR, START, candles_of, rough_market

from riskparams.backtest.schedule import PublishedDrops
from riskparams.backtest.trigger_coverage import TriggerOutcomes, pooled_coverage, trigger_coverage
from riskparams.errors import ConfigError, InsufficientData
from riskparams.prices.panel import Candles
from riskparams.terms import DAY


def published(drops: list[list[float]], hours: list[int], move: float = 0.05) -> PublishedDrops:
    return PublishedDrops(
        effective=START + HOUR * np.array(hours),
        touch_move=np.full(len(hours), move),
        levels=(0.95, 0.99),
        drop=np.array(drops),
    )


def covered(candles: Candles, stated: PublishedDrops, *, execution_bars: int = 1, every: int = 8) -> TriggerOutcomes:
    return trigger_coverage(candles, stated, execution_bars=execution_bars, follow_bars=168, every=every, asset="X")


def fall() -> Candles:
    """Flat at 100, then 94.9 within bar 10, 93 and 90 at the next closes."""
    close = np.r_[np.full(10, 100.0), 96.0, 93.0, 90.0, np.full(10, 90.0)]
    low = close.copy()
    low[10] = 94.9
    return candles_of(close, low)


def test_the_drop_runs_from_the_barrier_to_the_close_that_executes() -> None:
    found = covered(fall(), published([[0.02, 0.05]], [0]), every=100)
    barrier = 100 * np.exp(-0.05 * np.array([1, 2]))
    assert found.multiple.tolist() == [0, 1]  # 4 m* is 81.9, never touched
    assert found.positions == 3
    assert found.triggered.tolist() == [START + 11 * HOUR, START + 13 * HOUR]
    assert found.drop == pytest.approx(1 - np.array([93.0, 90.0]) / barrier)
    assert found.missed.tolist() == [[True, False], [False, False]]


def test_the_drop_in_force_at_the_trigger_is_the_one_that_counts() -> None:
    found = covered(fall(), published([[0.02, 0.05], [0.5, 0.6], [0.7, 0.8]], [0, 10, 11]), every=100)
    assert found.published[0].tolist() == [0.5, 0.6]  # effective at hour 11 is too late for the bar closing at hour 11


def test_a_position_whose_execution_lies_beyond_the_history_is_left_out() -> None:
    assert len(covered(fall().head(11), published([[0.02, 0.05]], [0]), every=100)) == 0


def test_no_position_is_followed_across_a_break_in_the_history() -> None:
    whole = fall()
    segment = np.where(np.arange(len(whole)) < 10, 0, 1)
    fields = ("time", "open", "high", "low", "close", "volume", "usable")
    broken = Candles(**{name: getattr(whole, name) for name in fields}, segment=segment)
    assert len(covered(broken, published([[0.02, 0.05]], [0]), every=100)) == 0


def test_later_prices_change_no_earlier_outcome() -> None:
    candles = rough_market(2000, seed=3)
    longer, shorter = (covered(history, published([[0.02, 0.05]], [0])) for history in (candles, candles.head(1500)))
    known = longer.triggered + HOUR <= candles.time[1499]
    assert np.array_equal(np.sort(longer.drop[known]), np.sort(shorter.drop))


def outcomes(days: list[int], missed: list[bool], asset: str = "X") -> TriggerOutcomes:
    count = len(days)
    return TriggerOutcomes(
        asset=asset,
        levels=(0.95,),
        multiples=(1.0,),
        positions=1000,
        opened=START + DAY * np.array(days),
        triggered=START + DAY * np.array(days) + HOUR,
        multiple=np.zeros(count, dtype=np.int64),
        drop=np.where(missed, 0.2, 0.0),
        published=np.full((count, 1), 0.1),
        missed=np.array(missed)[:, None],
    )


def test_misses_are_pooled_over_assets_and_counted_by_crash_day() -> None:
    pooled = pooled_coverage(
        [outcomes([0, 0, 40, 90], [True, True, False, False]), outcomes([0, 60], [True, False], "Y")], seed=1
    )
    assert (pooled.assets, pooled.triggers, pooled.trigger_days) == (("X", "Y"), 6, 4)
    assert (pooled.misses, pooled.miss_share, pooled.target) == ((3,), (0.5,), (0.05,))
    assert pooled.misses_by_day == {"2022-01-01": (3,)}
    assert (pooled.worst_day, pooled.worst_day_share) == (("2022-01-01",), (1.0,))
    assert pooled.low[0] <= 0.5 <= pooled.high[0]


def test_no_miss_is_bounded_by_the_number_of_independent_days() -> None:
    pooled = pooled_coverage([outcomes(list(range(0, 300, 3)), [False] * 100)], seed=1)
    assert (pooled.miss_share, pooled.low, pooled.high) == ((0.0,), (0.0,), (0.03,))
    assert pooled.misses_by_day == {}
    assert pooled.worst_day == (None,)


def test_true_drops_are_missed_as_often_as_stated() -> None:
    days = np.repeat(np.arange(800), 3)
    missed = np.random.default_rng(2).random(2400) < 0.05
    pooled = pooled_coverage([outcomes(days.tolist(), missed.tolist())], seed=1)
    assert pooled.low[0] < 0.05 < pooled.high[0]


def test_what_cannot_be_pooled_is_refused() -> None:
    with pytest.raises(InsufficientData, match="none of 1000"):
        pooled_coverage([outcomes([], [])], seed=1)
    with pytest.raises(ConfigError, match="levels"):
        pooled_coverage([], seed=1)
