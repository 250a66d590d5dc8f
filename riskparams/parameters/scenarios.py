"""Named windows of the past as stress: the largest drop after a trigger that was seen in one, or that its proxy saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from riskparams.paths.kernels import first_touches
from riskparams.prices.panel import Candles
from riskparams.terms import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StressWindow:
    """A span of the past by name, in nanoseconds: positions are opened in it, at every bar."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioDrop:
    """The largest drop (a fraction) from trigger to execution of positions opened in a window; `beta` is 1 for own prices."""

    name: str
    drop: float
    beta: float = 1.0
    proxy: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.drop:.2%}" + (f", {self.beta:.2f} times {self.proxy}" if self.proxy else "")


def scenario_drops(
    own: Candles, proxy: Candles, windows: Sequence[StressWindow], barriers: FloatArray, *, follow: int, wait: int, name: str
) -> list[ScenarioDrop]:
    """Return what each window that lies wholly in the past of `own` or of its proxy would have cost.

    A position is opened at the close of every bar of the window, its barriers (log) below that, and followed as simulated ones
    are. An asset without prices over the window takes beta times its proxy's log drop, with beta the slope of its returns
    on the proxy's over all bars both have, at least 1; `name` is the proxy's. Windows that neither has are left out.
    """
    found = []
    for window in windows:
        if own.time[0] <= window.start and window.end <= own.time[-1]:
            drop = _largest(own, window, barriers, follow, wait)
            found.append(ScenarioDrop(name=window.name, drop=drop))
        elif proxy.time[0] <= window.start and window.end <= proxy.time[-1]:
            beta = max(_slope(own, proxy), 1.0)
            drop = 1 - (1 - _largest(proxy, window, barriers, follow, wait)) ** beta
            found.append(ScenarioDrop(name=window.name, drop=drop, beta=beta, proxy=name))
    return found


def _largest(candles: Candles, window: StressWindow, barriers: FloatArray, follow: int, wait: int) -> float:
    first, last = np.searchsorted(candles.time, [window.start, window.end])
    opened = np.arange(first, last)
    opened = opened[opened + follow + wait < len(candles)]
    if not len(opened):
        return 0.0
    rows = opened[None, :] + np.arange(1, follow + wait + 1)[:, None]
    start = np.log(candles.close[opened])
    close, low = np.log(candles.close[rows]) - start, np.log(candles.low[rows]) - start
    drop, in_bar = np.empty((len(opened), len(barriers))), np.empty((len(opened), len(barriers)))
    first_touches(close, low, barriers, wait, drop, in_bar)
    return float(max(np.nanmax(drop), 0.0)) if np.isfinite(drop).any() else 0.0


def _slope(own: Candles, proxy: Candles) -> float:
    _, ours, theirs = np.intersect1d(own.time, proxy.time, assume_unique=True, return_indices=True)
    mine, other = np.diff(np.log(own.close[ours])), np.diff(np.log(proxy.close[theirs]))
    return float(mine @ other / (other @ other)) if len(other) and other.any() else 1.0


def worst(drops: Sequence[ScenarioDrop]) -> ScenarioDrop | None:
    """Return the deepest of some scenarios, or None of none."""
    return max(drops, key=lambda found: found.drop, default=None)
