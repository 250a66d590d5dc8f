"""Filtered historical simulation: paths of close and running low, from three laws of where the market starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from zlib import crc32

import numpy as np

from riskparams.paths.kernels import residual_table, simulate_log_prices, uniform
from riskparams.paths.model import PathModel
from riskparams.paths.pool import Pool
from riskparams.tails.gpd import TailFit
from riskparams.terms import FloatArray, IntArray, frozen


class StartLaw(StrEnum):
    """Where a simulated path starts."""

    PIT = "pit"  # point in time: today's variance, today's hour of the week
    TTC = "ttc"  # through the cycle: any state of the filtered history
    STR = "str"  # stressed: one of the 1 % of states with the largest variance


@dataclass(frozen=True, slots=True)
class Streams:
    """Keys of the two random streams of a simulation.

    `rows` picks the residual row and is shared by all assets under one law, so that they crash together; `draws` is the
    asset's own, so that adding an asset moves no other number.
    """

    rows: int
    draws: int


def streams(seed: int, law: StartLaw, name: str) -> Streams:
    """Return the streams of one pair under one start law.

    >>> streams(1, StartLaw.PIT, "ETH/USD").rows == streams(1, StartLaw.PIT, "BTC/USD").rows
    True
    """

    def key(*parts: int) -> int:
        return int(np.random.SeedSequence([seed, *parts]).generate_state(1, np.uint64)[0] >> np.uint64(1))

    return Streams(key(crc32(law.encode())), key(crc32(law.encode()), crc32(name.encode())))


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePaths:
    """Simulated log prices over the start, shape (paths, bars): closes, and the low of each bar (<= open and close)."""

    close: FloatArray
    low: FloatArray

    def __post_init__(self) -> None:
        frozen(self.close)
        frozen(self.low)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathLaw:
    """What a simulation of so many paths draws from: a model under one start law, ready for the kernels.

    `sigma2` and `slot` (paths,) are where each path starts; `tails` (draws, 3) the shape, scale and cap of a tail draw, one row
    or several that the paths take in turn; `jumps` (paths, 4), or nobody's (0, 4), are laid over the paths.
    """

    table: FloatArray
    stay: float
    tail_threshold: float
    tails: FloatArray
    centre: float
    spread: float
    along: FloatArray
    recursion: FloatArray
    sigma2: FloatArray
    slot: IntArray
    streams: Streams
    jumps: FloatArray
    bars: int

    @property
    def paths(self) -> int:
        """Number of paths in the whole simulation."""
        return len(self.sigma2)

    def arguments(self, first: int, end: int) -> tuple[Any, ...]:
        """Return what the kernels take to simulate paths `first` up to `end`."""
        part = slice(first, end)
        jumps = self.jumps[part] if len(self.jumps) else self.jumps
        return (
            self.table, self.stay, self.tail_threshold, self.tails, self.centre, self.spread, self.along, self.recursion,
            self.sigma2[part], self.slot[part], self.streams.rows, self.streams.draws, first, jumps, self.bars,
        )  # fmt: skip


def path_law(
    model: PathModel,
    law: StartLaw,
    *,
    bars: int,
    paths: int,
    streams: Streams,
    tails: FloatArray | None = None,
    jumps: FloatArray | None = None,
) -> PathLaw:
    """Return the law of `paths` paths of `bars` bars.

    Residual rows are drawn uniformly; beyond the tail threshold the size is a generalised Pareto draw (McNeil & Frey 2000,
    Barone-Adesi et al. 1999), capped at the return level of 10,000 samples. The mixture is re-standardised to mean 0 and
    variance 1 while its variance exists (shape < 1/2). Returns carry the pool's scale and the hour-of-week factor; the
    recursion is fed without them. Rows come one at a time or, as the model's spec says, in blocks of consecutive bars with
    geometric lengths (Politis & Romano 1994), which keeps what usually follows a crash. `tails` (draws, 2) are shapes and
    scales in place of the fitted one: path i takes row i mod draws, which mixes over what is not known of the tail. `jumps`
    (paths, 4): see `kernels.lay_over`.
    """
    pool, tail = (model.window, model.window_tail) if law is StartLaw.PIT else (model.history, model.history_tail)
    centre, spread = mixture_moments(pool, tail)
    sigma2, slot = _starts(model, law, paths, streams)
    shapes = [(tail.shape, tail.scale)] if tails is None else tails
    drawn = [(xi, beta, replace(tail, shape=float(xi), scale=float(beta)).largest_simulated) for xi, beta in shapes]
    emission = model.emission * pool.scale
    return PathLaw(
        table=residual_table(pool.z, pool.low, tail.tail_threshold, centre, spread, model.recursion),
        stay=1 - 1 / model.spec.block_bars,
        tail_threshold=tail.tail_threshold,
        tails=np.array(drawn),
        centre=centre,
        spread=spread,
        along=np.resize(emission, len(emission) + bars),
        recursion=model.recursion,
        sigma2=sigma2,
        slot=slot,
        streams=streams,
        jumps=np.empty((0, 4)) if jumps is None else jumps,
        bars=bars,
    )


def simulate_paths(
    model: PathModel, *, law: StartLaw, bars: int, paths: int, streams: Streams, first: int = 0, count: int | None = None
) -> PricePaths:
    """Return paths `first` to `first + count` of a simulation of `paths` paths; the parts of a whole are its slices.

    What is drawn, `path_law` says.
    """
    whole = path_law(model, law, bars=bars, paths=paths, streams=streams)
    close, low = simulate_log_prices(*whole.arguments(first, paths if count is None else first + count))
    return PricePaths(close=close, low=low)


def mixture_moments(pool: Pool, tail: TailFit) -> tuple[float, float]:
    """Return mean and standard deviation of a draw: residual rows with their lower tail replaced by the fitted one.

    Computed, not simulated: E[Y] = beta / (1 - xi), E[Y^2] = 2 beta^2 / ((1 - xi)(1 - 2 xi)) for the excess Y. With
    shape >= 1/2 there is no variance and the draw is left as it is: (0, 1).
    """
    if tail.shape >= 0.5:
        return 0.0, 1.0
    beyond = pool.z < -tail.tail_threshold
    body, share = pool.z[~beyond], float(beyond.mean())
    first = tail.scale / (1 - tail.shape)
    second = 2 * tail.scale**2 / ((1 - tail.shape) * (1 - 2 * tail.shape))
    u = tail.tail_threshold
    mean = float(body.sum()) / len(pool.z) - share * (u + first)
    square = float(np.square(body).sum()) / len(pool.z) + share * (u**2 + 2 * u * first + second)
    return mean, float(np.sqrt(square - mean**2))


def _starts(model: PathModel, law: StartLaw, paths: int, streams: Streams) -> tuple[FloatArray, IntArray]:
    if law is StartLaw.PIT:
        return np.full(paths, model.next_sigma2), np.full(paths, model.next_slot, dtype=np.int64)
    sigma2 = model.history.sigma2
    states = np.arange(len(sigma2))
    if law is StartLaw.STR:
        worst = max(1, round(0.01 * len(sigma2)))
        states = np.sort(np.argsort(sigma2, kind="stable")[-worst:])
    offset = uniform(streams.rows, -1, -1)
    chosen = states[((np.arange(paths) + offset) * len(states) / paths).astype(np.int64)]
    return sigma2[chosen], model.history.slot[chosen]
