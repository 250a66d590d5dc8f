"""What happens after a liquidation is triggered: the further drop until it is executed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from riskparams.errors import ModelError
from riskparams.paths.kernels import first_touches, follow_paths
from riskparams.paths.simulate import PathLaw, PricePaths
from riskparams.terms import FloatArray, frozen

BATCHES = 10
CHUNK = 2_048  # paths that one thread takes at a time
ACCEPTABLE_ERROR = 0.03  # of the quantile: above it, or with too few hits, the simulation is quadrupled once


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDrops:
    """Simple drops below the barrier at execution, (paths, barriers); NaN where the barrier was not touched.

    `barriers` are log distances below the start, ascending. Every hit weighs one, so deep barriers weigh as often as they are
    hit. `in_bar`, of the same shape, is the drop at the low of the bar that touched. Path i belongs to batch i mod 10; the
    spread between batches is the Monte-Carlo error.
    """

    drop: FloatArray
    barriers: FloatArray
    in_bar: FloatArray | None = None

    def __post_init__(self) -> None:
        frozen(self.drop)
        frozen(self.barriers)

    @property
    def hits(self) -> int:
        """Number of barriers touched, over all paths."""
        return int(np.count_nonzero(~np.isnan(self.drop)))

    @property
    def paths(self) -> int:
        """Number of simulated paths."""
        return len(self.drop)

    def value_at_risk(self, level: float) -> float:
        """Return the drop exceeded by a share `1 - level` of the hits; 0 when there is none. Never negative."""
        return _quantile(self.drop, level)

    def by_barrier(self, level: float) -> tuple[float, ...]:
        """Return the same for each barrier alone."""
        return tuple(_quantile(self.drop[:, i], level) for i in range(self.drop.shape[1]))

    def expected_shortfall(self, level: float) -> float:
        """Return the mean of the hits at or beyond the quantile; on the bounded drop it always exists."""
        hits = self.drop[~np.isnan(self.drop)]
        beyond = hits[hits >= np.quantile(hits, level)] if len(hits) else np.zeros(1)
        return float(max(beyond.mean(), 0.0))

    def exceeded(self, drop: float) -> float:
        """Return the share of the hits that fell further than `drop`; 0 when there is none."""
        hits = self.drop[~np.isnan(self.drop)]
        return float(np.mean(hits > drop)) if len(hits) else 0.0

    def batches(self, level: float) -> FloatArray:
        """Return the quantile in each of ten batches of paths, shape (10,)."""
        return np.array([_quantile(self.drop[i::BATCHES], level) for i in range(BATCHES)])

    def error(self, level: float) -> float:
        """Return the Monte-Carlo standard error of the quantile."""
        return batch_error(self.batches(level))


def batch_error(batches: FloatArray) -> float:
    """Return the standard error of a mean of batches: their standard deviation over the root of their number."""
    return float(np.std(batches, ddof=1) / np.sqrt(len(batches)))


def _quantile(drops: FloatArray, level: float) -> float:
    hits = drops[~np.isnan(drops)]
    return float(max(np.quantile(hits, level), 0.0)) if len(hits) else 0.0


def drops_after_trigger(paths: PricePaths, barriers: FloatArray, *, wait: int) -> TriggerDrops:
    """Return the drop below each barrier at the close `wait` bars after the first bar to touch it.

    The barrier lies `barriers` (log, positive, ascending) below the start; a bar touches it when its low reaches it, and the
    last `wait` bars of a path are for execution alone. A drop is `1 - close / barrier`: positive below the barrier, negative
    when the price rebounded.
    """
    count, bars = paths.close.shape
    if bars <= wait:
        raise ValueError(f"{bars} bars simulated: expected more than the {wait} to wait for execution")
    drop, in_bar = np.empty((count, len(barriers))), np.empty((count, len(barriers)))
    first_touches(np.ascontiguousarray(paths.close.T), np.ascontiguousarray(paths.low.T), barriers, wait, drop, in_bar)
    return TriggerDrops(drop=drop, barriers=barriers.copy(), in_bar=in_bar)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSpec:
    """How triggers are simulated: bars to follow a position, bars from trigger to execution, paths, level wanted.

    With `refine` a law that is too noisy (error above 3 % of the quantile, or under 10 / (1 - level) hits) is simulated
    again with four times the paths. `threads` share the paths; the result does not depend on it.
    """

    follow: int
    wait: int
    paths: int
    level: float
    refine: bool = True
    threads: int = 1

    @property
    def wanted_hits(self) -> float:
        """Hits below which the quantile rests on fewer than ten."""
        return 10 / (1 - self.level) - 1e-9


Laws = Callable[[int], PathLaw]
"""Number of paths -> their law: what a simulation that may be refined draws from."""


def simulate_drops(laws: Laws, barriers: FloatArray, spec: TriggerSpec) -> TriggerDrops:
    """Return the drops after trigger of simulated paths, which must be `follow + wait` bars long; `barriers` as above."""

    def simulated(paths: int) -> TriggerDrops:
        drop, in_bar = np.empty((paths, len(barriers))), np.empty((paths, len(barriers)))
        _follow(laws(paths), barriers, spec.wait, drop, in_bar, np.empty(0), spec.threads)
        return TriggerDrops(drop=drop, barriers=barriers.copy(), in_bar=in_bar)

    drops = simulated(spec.paths)
    noisy = drops.hits < spec.wanted_hits or drops.error(spec.level) > ACCEPTABLE_ERROR * drops.value_at_risk(spec.level)
    return simulated(4 * spec.paths) if spec.refine and noisy else drops


def deepest_moves(law: PathLaw, *, threads: int = 1) -> FloatArray:
    """Return how far (log, >= 0) each path fell below its start, shape (paths,)."""
    moves = np.empty(law.paths)
    nothing = np.empty((law.paths, 0))
    _follow(law, np.empty(0), 0, nothing, nothing, moves, threads)
    if not np.isfinite(moves).all():
        raise ModelError("simulated prices are not finite: the fitted recursion is explosive")
    return moves


def _follow(
    law: PathLaw, barriers: FloatArray, wait: int, drop: FloatArray, in_bar: FloatArray, deepest: FloatArray, threads: int
) -> None:
    def part(first: int) -> None:
        these = slice(first, min(first + CHUNK, law.paths))
        follow_paths(barriers, wait, drop[these], in_bar[these], deepest[these], *law.arguments(these.start, these.stop))

    parts = range(0, law.paths, CHUNK)
    if threads == 1:
        for first in parts:
            part(first)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, parts))
