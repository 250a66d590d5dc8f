"""The engine against its slow twin, event by event, in worlds drawn at random."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_replay import SlowReplay
from small_worlds import World, random_world

from riskparams.backtest.replay import BacktestResult, DailyTotals, EventLog, replay

WORLDS = 400
COUNTED = ("episodes", "liquidations", "judged", "false_liquidations", "recovered", "position_hours", "stuck_hours")


def played(world: World, *, skip: bool = True) -> BacktestResult:
    return replay(
        world.market,
        world.schedules,
        world.book,
        world.rules,
        cohort=world.cohort,
        oracle=world.oracle,
        impact=world.impact,
        conditions=world.conditions,
        skip=skip,
    )


def slowly(world: World) -> SlowReplay:
    slow = SlowReplay(
        world.market,
        world.schedules,
        world.book,
        world.rules,
        world.cohort,
        world.oracle,
        world.impact,
        world.conditions,
    )
    return slow.run()


def agree(result: BacktestResult, slow: SlowReplay) -> None:
    log = result.events
    assert len(log) == len(slow.events)
    for field in fields(EventLog):
        expected = np.array([event[field.name] for event in slow.events])
        found = getattr(log, field.name)
        if found.dtype == np.int64:
            assert np.array_equal(found, expected.astype(np.int64)), field.name
        else:
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-5, nan_ok=True), field.name
    for field in fields(DailyTotals):
        if field.name in ("day", "hours", "max_ltv_hours"):
            continue
        expected = np.array([slow.daily[field.name][day] for day in result.daily.day.tolist()])
        found = getattr(result.daily, field.name)
        assert (
            np.array_equal(found, expected) if field.name in COUNTED else found == pytest.approx(expected, rel=1e-6, abs=1e-4)
        ), field.name


@pytest.mark.slow
@pytest.mark.parametrize("block", range(8))
def test_the_engine_agrees_with_the_slow_loop_in_hundreds_of_worlds(block: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(block * WORLDS // 8, (block + 1) * WORLDS // 8):
        world = random_world(seed)
        result, slow = played(world), slowly(world)
        try:
            agree(result, slow)
        except AssertionError as error:
            raise AssertionError(f"world {seed}: {error}") from error
        met.update({name: float(getattr(result.daily, name).sum()) > 0 for name in COUNTED})
        met["bad debt"] += result.daily.bad_debt.sum() > 0
        met["an auction took"] += world.rules.auction is not None and len(result.events) > 0
        met["a price was displaced"] += bool(len(result.events)) and world.impact is not None and world.impact.feedback
    assert all(count >= 2 for count in met.values()), met


@pytest.mark.parametrize("seed", range(12))
def test_the_engine_agrees_with_the_slow_loop(seed: int) -> None:
    world = random_world(seed, bars=120, accounts=6)
    agree(played(world), slowly(world))


@given(seed=st.integers(0, 100_000))
@settings(max_examples=40)
def test_skipping_what_cannot_happen_changes_nothing(seed: int) -> None:
    world = random_world(seed, bars=400, accounts=40)
    quick, whole = played(world), played(world, skip=False)
    for field in fields(EventLog):
        assert np.array_equal(getattr(quick.events, field.name), getattr(whole.events, field.name), equal_nan=True), field.name
    for field in fields(DailyTotals):
        assert np.array_equal(getattr(quick.daily, field.name), getattr(whole.daily, field.name)), field.name
