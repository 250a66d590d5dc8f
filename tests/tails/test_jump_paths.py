"""Depegs drawn for paths: the laws they are drawn from, and that a path's draws are its own."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HOUR

from riskparams.errors import ConfigError
from riskparams.tails.depegs import Depeg
from riskparams.tails.jump_paths import JumpPaths, draw_jumps
from riskparams.tails.jumps import Arrivals, JumpLayer, fit_jumps

YEAR = 8766


def some(count: int, depth: float, bars: int, *, recovered: bool = True) -> list[Depeg]:
    return [
        Depeg(
            start=HOUR,
            trough=(bars + at) * HOUR,
            end=(4 * bars + 3 * at) * HOUR,
            depth=depth * (1 + at / count),
            bar=HOUR,
            recovered=recovered,
        )
        for at in range(count)
    ]


LAYER: JumpLayer = fit_jumps({"A": some(12, 0.02, 3), "B": some(4, 0.1, 20, recovered=False)}, [], 1.0, {"A": 2.0, "B": 3.0})


def same(a: JumpPaths, b: JumpPaths) -> bool:
    return all(np.array_equal(getattr(a, field.name), getattr(b, field.name)) for field in fields(JumpPaths))


def rows(jumps: JumpPaths, first: int, end: int) -> JumpPaths:
    return JumpPaths(**{field.name: getattr(jumps, field.name)[first:end].copy() for field in fields(JumpPaths)})


WHOLE = draw_jumps(LAYER, paths=1000, bars=YEAR, bar=HOUR, key=7)


@given(first=st.integers(0, 999), count=st.integers(0, 400))
@settings(max_examples=40, deadline=None)
def test_a_paths_draws_do_not_depend_on_the_others(first: int, count: int) -> None:
    count = min(count, 1000 - first)
    slice_ = draw_jumps(LAYER, paths=count, bars=YEAR, bar=HOUR, key=7, first_path=first)
    assert same(slice_, rows(WHOLE, first, first + count))


def test_a_longer_window_only_adds_depegs_beyond_the_shorter() -> None:
    month = draw_jumps(LAYER, paths=1000, bars=720, bar=HOUR, key=7)
    early = (WHOLE.start >= 0) & (WHOLE.start < 720)
    assert np.array_equal(month.start >= 0, early)
    assert np.array_equal(month.log_depth[early], WHOLE.log_depth[early])
    assert not same(month, draw_jumps(LAYER, paths=1000, bars=720, bar=HOUR, key=8))


def test_the_share_of_paths_with_a_depeg_is_that_of_a_gamma_mixture() -> None:
    arrivals = LAYER.arrivals
    for bars in (168, YEAR):
        drawn = draw_jumps(LAYER, paths=200_000, bars=bars, bar=HOUR, key=1)
        none = ((1 + arrivals.years) / (1 + arrivals.years + bars / YEAR)) ** (0.5 + arrivals.count)
        assert np.mean(drawn.start >= 0) == pytest.approx(1 - none, rel=0.015)
        assert drawn.start.max() < bars


def test_depth_times_and_recoveries_have_the_layers_laws() -> None:
    drawn = draw_jumps(LAYER, paths=200_000, bars=YEAR, bar=HOUR, key=2)
    at = drawn.start >= 0
    for level in (0.5, 0.9, 0.99):
        assert np.quantile(drawn.log_depth[at], level) == pytest.approx(LAYER.depth.quantile(level), rel=0.03)
    assert np.median(drawn.bars_to_trough[at]) == pytest.approx(np.ceil(LAYER.hours_to_trough.median), abs=1)
    assert np.mean(~drawn.recovers[at]) == pytest.approx(LAYER.terminal_probability, rel=0.03)
    assert (drawn.bars_held >= drawn.bars_to_trough).all()
    assert (drawn.bars_to_trough[at] >= 1).all()


def test_no_price_falls_to_nothing_however_heavy_the_tail() -> None:
    heavy = replace(LAYER, depth=replace(LAYER.depth, shape=3.0), own=Arrivals(count=1000, years=1.0))
    drawn = draw_jumps(heavy, paths=50_000, bars=YEAR, bar=HOUR, key=3)
    assert 0.9999 < drawn.depth.max() < 1
    assert (drawn.start >= 0).all()


def test_a_path_without_a_depeg_says_so_throughout() -> None:
    calm = draw_jumps(LAYER, paths=1000, bars=24, bar=HOUR, key=4)
    none = calm.start == -1
    assert none.any()
    assert not calm.log_depth[none].any()
    assert not calm.bars_held[none].any()
    assert calm.recovers[none].all()


def test_bars_of_four_hours_hold_the_same_times() -> None:
    fine = draw_jumps(LAYER, paths=5000, bars=YEAR, bar=HOUR, key=5)
    coarse = draw_jumps(LAYER, paths=5000, bars=YEAR // 4, bar=4 * HOUR, key=5)
    both = (fine.start >= 0) & (coarse.start >= 0)
    assert np.array_equal(coarse.start[both], fine.start[both] // 4)
    assert np.array_equal(coarse.bars_to_trough[both], -(-fine.bars_to_trough[both] // 4))


def test_windows_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 bars"):
        draw_jumps(LAYER, paths=1, bars=0, bar=HOUR, key=1)
