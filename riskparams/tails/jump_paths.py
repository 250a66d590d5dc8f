"""Depegs drawn for simulated paths: when each begins, how deep and how fast it falls, and how long it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from scipy.special import ndtri

from riskparams.errors import ConfigError
from riskparams.tails.durations import LogNormalHours
from riskparams.tails.jumps import DEEPEST, HOUR, JumpLayer
from riskparams.terms import DAY, BoolArray, FloatArray, IntArray, frozen

YEAR = 365.25 * DAY
_UNIFORMS = 8  # a path, of which six are used: two blocks of the counter
_BLOCKS = 2
_LONGEST = 2**40  # bars: longer than any window


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpPaths:
    """At most one depeg a path, arrays of shape (paths,), read-only.

    `start` is the bar in which it begins, counted from 0, and -1 where there is none; the rest is then 0 and True. The price
    falls from the start of that bar, in a straight line, to exp(-log_depth) of the peg at the end of `bars_to_trough` bars;
    `bars_held`, from the same start and never shorter, is when it is back, unless it never `recovers`.
    """

    start: IntArray
    log_depth: FloatArray
    bars_to_trough: IntArray
    bars_held: IntArray
    recovers: BoolArray

    def __post_init__(self) -> None:
        for array in (self.start, self.log_depth, self.bars_to_trough, self.bars_held, self.recovers):
            frozen(array)

    def __len__(self) -> int:
        return len(self.start)

    @property
    def depth(self) -> FloatArray:
        """Simple drop below the peg at the trough, in [0, 1)."""
        found: FloatArray = -np.expm1(-self.log_depth)
        return found


def draw_jumps(layer: JumpLayer, *, paths: int, bars: int, bar: int, key: int, first_path: int = 0) -> JumpPaths:
    """Return the first depeg of each path within a window of `bars` bars of `bar` nanoseconds.

    Each path draws its own rate from the posterior, then waits an exponential time. A path's draws belong to (key, path): they
    are the same in any slice of the paths, and a longer window only adds depegs that begin beyond the shorter one. Log depths
    are capped at the return level of 10,000 samples, and at a price of a millionth of the peg.

    >>> from riskparams.tails.depegs import Depeg
    >>> from riskparams.tails.jumps import fit_jumps
    >>> hour = 3_600_000_000_000
    >>> found = [Depeg(start=0, trough=0, end=at * hour, depth=0.01 * at, bar=hour, recovered=True) for at in range(1, 10)]
    >>> layer = fit_jumps({"A": found}, [], 1.0, {"A": 2.0})
    >>> week = draw_jumps(layer, paths=10_000, bars=168, bar=hour, key=1)
    >>> round(float((week.start >= 0).mean()), 2)
    0.04
    """
    if not (paths >= 0 and bars >= 1 and bar > 0 and first_path >= 0 and key >= 0):
        raise ConfigError(f"{paths} paths from {first_path} of {bars} bars of {bar} ns, key {key}: expected none negative")
    counter = np.random.Philox(key=key).advance(_BLOCKS * first_path)
    u = np.maximum(np.random.Generator(counter).random((paths, _UNIFORMS)), 2.0**-54).T
    wait = -np.log(u[1]) / layer.arrivals.quantile(u[0]) * (YEAR / bar)
    happens = wait < bars
    tail = layer.depth
    excess = -np.log(u[2]) if tail.shape < 1e-9 else np.expm1(-tail.shape * np.log(u[2])) / tail.shape
    depth = np.minimum(tail.tail_threshold + tail.scale * excess, min(tail.largest_simulated, DEEPEST))
    to_trough = _bars(layer.hours_to_trough, u[3], bar)
    held = np.maximum(_bars(layer.hours_lasting, u[4], bar), to_trough)
    return JumpPaths(
        start=np.where(happens, np.floor(np.minimum(wait, bars)), -1).astype(np.int64),
        log_depth=np.where(happens, depth, 0.0),
        bars_to_trough=np.where(happens, to_trough, 0),
        bars_held=np.where(happens, held, 0),
        recovers=~happens | (u[5] >= layer.terminal_probability),
    )


def _bars(law: LogNormalHours, uniform: FloatArray, bar: int) -> IntArray:
    """Whole bars, at least one."""
    hours = np.exp(np.minimum(law.log_mean + law.log_deviation * ndtri(uniform), 60.0))
    count = np.ceil(hours * (HOUR / timedelta(microseconds=bar / 1_000)))
    return np.asarray(np.clip(count, 1, _LONGEST), np.int64)
