"""What happens after a liquidation is triggered: the further drop until it is executed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.errors import ModelError
from riskparams.paths.kernels import deepest_lows, first_touches
from riskparams.paths.model import PathModel
from riskparams.paths.simulate import PricePaths, StartLaw, Streams, simulate_paths
from riskparams.terms import FloatArray, frozen

BATCHES = 10
CHUNK = 10_000
ACCEPTABLE_ERROR = 0.03  # of the quantile: above it, or with too few hits, the simulation is quadrupled once


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDrops:
    """Simple drops below the barrier at execution, (paths, barriers); NaN where the barrier was not touched.

    `barriers` are log distances below the start. Every hit weighs one, so deep barriers weigh as often as they are hit.
    Path i belongs to batch i mod 10; the spread between batches is the Monte-Carlo error.
    """

    drop: FloatArray
    barriers: FloatArray

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


def drops_after_trigger(paths: PricePaths, barriers: FloatArray, *, follow: int, wait: int) -> TriggerDrops:
    """Return the drop below each barrier at the close `wait` bars after the first of `follow` bars to touch it.

    The barrier lies `barriers` (log, positive) below the start; a bar touches it when its low reaches it. A drop is
    `1 - close / barrier`: positive below the barrier, negative when the price rebounded. `paths` must hold
    `follow + wait` bars.
    """
    if paths.close.shape[1] < follow + wait:
        raise ValueError(f"{paths.close.shape[1]} bars simulated; following {follow} and waiting {wait} needs their sum")
    return TriggerDrops(drop=first_touches(paths.close, paths.low, barriers, follow, wait), barriers=barriers.copy())


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSpec:
    """How triggers are simulated: bars to follow a position, bars from trigger to execution, paths, level wanted.

    With `refine` a law that is too noisy (error above 3 % of the quantile, or under 10 / (1 - level) hits) is simulated
    again with four times the paths.
    """

    follow: int
    wait: int
    paths: int
    level: float
    refine: bool = True

    @property
    def wanted_hits(self) -> float:
        """Hits below which the quantile rests on fewer than ten."""
        return 10 / (1 - self.level) - 1e-9


def simulate_drops(model: PathModel, law: StartLaw, barriers: FloatArray, spec: TriggerSpec, streams: Streams) -> TriggerDrops:
    """Return the drops after trigger under one start law, in chunks that bound the memory."""

    def simulated(paths: int) -> TriggerDrops:
        parts = []
        for first in range(0, paths, CHUNK):
            part = simulate_paths(
                model,
                law=law,
                bars=spec.follow + spec.wait,
                paths=paths,
                streams=streams,
                first=first,
                count=min(CHUNK, paths - first),
            )
            parts.append(drops_after_trigger(part, barriers, follow=spec.follow, wait=spec.wait).drop)
        return TriggerDrops(drop=np.concatenate(parts), barriers=barriers.copy())

    drops = simulated(spec.paths)
    noisy = drops.hits < spec.wanted_hits or drops.error(spec.level) > ACCEPTABLE_ERROR * drops.value_at_risk(spec.level)
    return simulated(4 * spec.paths) if spec.refine and noisy else drops


def deepest_moves(model: PathModel, law: StartLaw, *, bars: int, paths: int, streams: Streams) -> FloatArray:
    """Return how far (log, >= 0) each path fell below its start within `bars` bars, shape (paths,)."""
    parts = []
    for first in range(0, paths, CHUNK):
        count = min(CHUNK, paths - first)
        part = simulate_paths(model, law=law, bars=bars, paths=paths, streams=streams, first=first, count=count)
        parts.append(deepest_lows(part.low, bars))
    moves: FloatArray = np.concatenate(parts)
    if not np.isfinite(moves).all():
        raise ModelError(f"{model.pair}: simulated prices are not finite under {law}: the fitted recursion is explosive")
    return moves
