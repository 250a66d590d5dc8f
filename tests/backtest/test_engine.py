"""The engine against its slow twin, event by event, in worlds drawn at random."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import COUNTED, agree, played, random_world, slowly

from riskparams.backtest.positions import Cohort
from riskparams.backtest.replay import DailyTotals, EventLog

WORLDS = 200


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_the_engine_agrees_with_the_slow_loop_in_hundreds_of_worlds(block: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(block * WORLDS // 4, (block + 1) * WORLDS // 4):
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
    assert all(count > 0 for count in met.values()), met


@pytest.mark.parametrize("seed", range(12))
def test_the_engine_agrees_with_the_slow_loop(seed: int) -> None:
    world = random_world(seed, bars=120, accounts=6)
    agree(played(world), slowly(world))


def test_what_is_repaid_because_nothing_may_be_borrowed_any_more_is_out_of_the_sums() -> None:
    """A position that tops up to no debt and borrows again later is counted once."""
    world = replace(
        random_world(0), cohort=Cohort(top_up_below=3.0, top_up_hazard=30.0, top_up_success=0.99, relever_hazard=1.0)
    )
    book = replace(world.book, utilisation=np.full(len(world.book), 0.5))
    world = replace(world, book=book)
    result, slow = played(world), slowly(world)
    agree(result, slow)
    assert result.daily.position_hours.min() < result.daily.position_hours.max()


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_the_work_is_linear_in_accounts_and_far_below_accounts_times_bars(share: float) -> None:
    """Looks at accounts, which is what a replay costs: not a tenth of one in each bar, however many there are."""
    world = random_world(4, bars=2_000, accounts=4_000)
    owner = np.arange(4_000)
    book = replace(world.book, utilisation=np.where(owner % 10 < 10 * share, 0.3 + 0.5 * (owner % 97) / 97, 0.0))
    calm = replace(world, book=book, impact=None)
    few = replace(book, **{name: getattr(book, name)[:400] for name in ("collateral", "debt", "owner", "utilisation", "size")})
    many, less = played(calm).looks / 4_000, played(replace(calm, book=few)).looks / 400
    assert many == pytest.approx(less, rel=0.15)
    assert many < 0.1 * 2_000
    assert played(replace(calm, book=few), skip=False).looks == 400 * 1_999


@given(seed=st.integers(0, 100_000))
@settings(max_examples=40)
def test_skipping_what_cannot_happen_changes_nothing(seed: int) -> None:
    world = random_world(seed, bars=400, accounts=40)
    quick, whole = played(world), played(world, skip=False)
    for field in fields(EventLog):
        assert np.array_equal(getattr(quick.events, field.name), getattr(whole.events, field.name), equal_nan=True), field.name
    for field in fields(DailyTotals):
        ours, theirs = getattr(quick.daily, field.name), getattr(whole.daily, field.name)
        if field.name in ("debt_hours", "collateral_hours"):  # sums over accounts, in another order
            assert np.allclose(ours, theirs, rtol=1e-12), field.name
        else:
            assert np.array_equal(ours, theirs), field.name
