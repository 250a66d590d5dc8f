"""The jump layer of a pegged pair: how often it loses its peg, how deep and how fast it falls, and whether it comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from math import exp, expm1, inf, log, log1p, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, gammaincinv

from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.tails.depegs import THRESHOLD, Depeg
from riskparams.tails.durations import LogNormalHours, fit_hours
from riskparams.tails.exceedances import FEWEST_EXCEEDANCES, Exceedances
from riskparams.tails.gpd import TailFit, fit_exceedances, shape_flags
from riskparams.tails.intervals import Interval
from riskparams.tails.likelihood import scale_at
from riskparams.terms import FloatArray

SHAPE_OF_FEW = 0.5  # of the depths, below 20 depegs: a declared assumption, not an estimate
DEEPEST = log(1e6)  # of a log depth: a millionth of the price is left
HOUR = timedelta(hours=1)
_STRATA = (np.arange(2000) + 0.5) / 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Depegs seen in so many years, and what they say of the yearly rate: Gamma(1/2 + count, 1 + years).

    >>> round(Arrivals(count=2, years=1.5).rate, 6)
    1.0
    """

    count: int
    years: float

    def __post_init__(self) -> None:
        if not (self.count >= 0 and 0 <= self.years < inf):
            raise ConfigError(f"{self.count} depegs in {self.years} years: expected a count and a finite time, both 0 or more")

    @property
    def rate(self) -> float:
        """Posterior mean of the depegs a year."""
        return (0.5 + self.count) / (1 + self.years)

    def quantile(self, level: FloatArray) -> FloatArray:
        """Return quantiles of the posterior of the rate."""
        found: FloatArray = gammaincinv(0.5 + self.count, level) / (1 + self.years)
        return found

    def interval(self, confidence: float = 0.9) -> Interval:
        """Return the equal-tailed interval of the rate."""
        low, high = self.quantile(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
        return Interval(low=float(low), estimate=self.rate, high=float(high), confidence=confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpLayer:
    """What is believed of the depegs of one pair: its own arrivals, and depths and times pooled over a fixed list of peers.

    `depth` is a law of log depths, -log(1 - drop): whatever it draws, the drop stays below 1. Depegs that had not recovered
    by the end of their data are `terminal`. Flag `few_depegs`: below 20 of them the shape of the depths is assumed.
    """

    own: Arrivals
    pooled: Arrivals
    depth: TailFit
    hours_to_trough: LogNormalHours
    hours_lasting: LogNormalHours
    terminal: int
    recovered: int
    peers: tuple[str, ...]

    @property
    def arrivals(self) -> Arrivals:
        """Of the pair's own arrivals and those pooled with its peers, the ones with the higher rate."""
        return max(self.own, self.pooled, key=lambda arrivals: arrivals.rate)

    @property
    def depth_errors(self) -> tuple[float, float] | None:
        """Standard errors of shape and scale, (1 + xi) / sqrt(k) and beta sqrt(2 (1 + xi) / k); none for an assumed shape."""
        k, shape = self.depth.exceedances, self.depth.shape
        return None if k < FEWEST_EXCEEDANCES else ((1 + shape) / sqrt(k), self.depth.scale * sqrt(2 * (1 + shape) / k))

    @property
    def terminal_probability(self) -> float:
        """Posterior mean of the probability that a depeg is never recovered from: Beta(1/2 + terminal, 1/2 + recovered)."""
        return (0.5 + self.terminal) / (1 + self.terminal + self.recovered)

    def terminal_interval(self, confidence: float = 0.9) -> Interval:
        """Return the equal-tailed interval of the terminal probability."""
        low, high = betaincinv(0.5 + self.terminal, 0.5 + self.recovered, [(1 - confidence) / 2, (1 + confidence) / 2])
        return Interval(low=float(low), estimate=self.terminal_probability, high=float(high), confidence=confidence)

    def to_dict(self) -> dict[str, object]:
        """Return the layer and its error bars as JSON can hold them."""
        errors = self.depth_errors
        return {
            **asdict(self),
            "peers": list(self.peers),
            "depth": {**asdict(self.depth), "flags": list(self.depth.flags), "errors": errors and list(errors)},
            "own": {**asdict(self.own), "rate": asdict(self.own.interval())},
            "pooled": {**asdict(self.pooled), "rate": asdict(self.pooled.interval())},
            "rate_used": self.arrivals.rate,
            "hours_to_trough": {**asdict(self.hours_to_trough), "errors": list(self.hours_to_trough.errors)},
            "hours_lasting": {**asdict(self.hours_lasting), "errors": list(self.hours_lasting.errors)},
            "terminal_probability": asdict(self.terminal_interval()),
        }


def fit_jumps(
    peers: Mapping[str, Sequence[Depeg]],
    own: Sequence[Depeg],
    years_own: float,
    years_peers: Mapping[str, float],
    *,
    threshold: float = THRESHOLD,
) -> JumpLayer:
    """Return the jump layer of a pair from its own depegs and those of its peers, all found with the same `threshold`.

    `peers` is a list fixed beforehand and does not hold the pair itself, whose depegs join the pool. Years are those that
    were watched, so that a peer without a depeg counts. Depths: a generalised Pareto law over the threshold, by maximum
    likelihood from 100 depegs and by penalised likelihood from 20. Below 20 its shape is 0.5 and its scale the larger of the
    likeliest and the one at which the deepest depeg is exceeded once in one more than there are. Time to the trough counts
    from the last bar above the threshold. Raises `InsufficientData` below two depegs that recovered, `ConfigError` where
    years are missing and `DataError` for a depeg shallower than the threshold.

    >>> hour = 3_600_000_000_000
    >>> found = [Depeg(start=0, trough=0, end=at * hour, depth=0.01 * at, bar=hour, recovered=True) for at in range(1, 10)]
    >>> layer = fit_jumps({"A": found}, [], 1.0, {"A": 2.0})
    >>> layer.own.rate, layer.pooled.rate, layer.depth.flags
    (0.25, 2.375, ('few_depegs', 'variance_undefined'))
    >>> round(extra_depth(layer, 0.03, 0.99), 3), round(extra_depth_within(layer, 0.03, 0.99, HOUR / 2), 3)
    (0.554, 0.311)
    """
    if set(peers) != set(years_peers):
        raise ConfigError(
            f"depegs of {', '.join(peers)} and years of {', '.join(years_peers)}: expected the years of every peer, "
            "also of one without a depeg"
        )
    pool = [depeg for found in peers.values() for depeg in found] + list(own)
    shallow = [depeg for depeg in pool if depeg.depth < threshold]
    if shallow:
        raise DataError(
            f"a depeg of {shallow[0].depth:.4f} is shallower than the threshold {threshold}: find all depegs with one threshold"
        )
    ended = np.array([depeg.recovered for depeg in pool], bool)
    if ended.sum() < 2:
        raise InsufficientData(
            f"{len(pool)} depegs of the pair and {len(peers)} peers, {int(ended.sum())} of them recovered: expected two or "
            "more that recovered; name more peers, or give longer histories"
        )
    return JumpLayer(
        own=Arrivals(count=len(own), years=float(years_own)),
        pooled=Arrivals(count=len(pool), years=float(years_own + sum(years_peers.values()))),
        depth=_fit_depths(np.array([depeg.depth for depeg in pool]), threshold),
        hours_to_trough=fit_hours(np.array([depeg.time_to_trough / HOUR for depeg in pool]), np.ones(len(pool), bool)),
        hours_lasting=fit_hours(np.array([depeg.duration / HOUR for depeg in pool]), ended),
        terminal=int((~ended).sum()),
        recovered=int(ended.sum()),
        peers=tuple(peers),
    )


def extra_depth(layer: JumpLayer, depth: float, level: float) -> float:
    """Return the quantile of the further drop below the price, given that it is already `depth` below the peg.

    With D the depth the depeg comes to, given that it exceeds `depth` and the threshold: X = 1 - (1 - D) / (1 - depth).
    """
    _check_depth(depth, level)
    return -expm1(_log(depth) - _log_depth(layer, depth, 1 - level))


def extra_depth_within(layer: JumpLayer, depth: float, level: float, horizon: timedelta) -> float:
    """Return the quantile of the further drop within a horizon, given that the price is `depth` below the peg.

    The price falls in a straight line from the peg to the depth D in the hours T to the trough, drawn independently of D, so
    that a share min(1, horizon / (T (1 - depth / D))) of what is left of the fall comes in time:
    X = min(D - depth, D horizon / T) / (1 - depth).
    """
    _check_depth(depth, level)
    hours = horizon / HOUR
    if hours <= 0:
        raise ConfigError(f"a horizon of {horizon}: expected a time above 0")
    tail, start = layer.depth, max(_log(depth), layer.depth.tail_threshold)

    def beyond(drop: float) -> float:
        """The probability of a further drop larger than this within the horizon, above 1 - level."""
        reached = depth + drop * (1 - depth)
        deeper = max(start, _log(reached))
        chance = _survival(tail, deeper) / _survival(tail, start)
        final = -np.expm1(-_log_depth_beyond(tail, deeper, _STRATA))
        return chance * float(layer.hours_to_trough.below(hours * final / (drop * (1 - depth))).mean()) - (1 - level)

    largest = extra_depth(layer, depth, level)
    smallest = 1e-9 * largest
    if beyond(largest) >= 0:
        return largest
    return float(brentq(beyond, smallest, largest, xtol=1e-9)) if beyond(smallest) > 0 else 0.0


def _log(drop: float) -> float:
    return -log1p(-drop)


def _check_depth(depth: float, level: float) -> None:
    if not (0 <= depth < 1 and 0 < level < 1):
        raise ConfigError(f"depth {depth} and level {level}: expected a simple drop in [0, 1) and a probability in (0, 1)")


def _survival(tail: TailFit, log_depth: float) -> float:
    """The probability that a depeg goes beyond a log depth."""
    excess = max(0.0, log_depth - tail.tail_threshold) / tail.scale
    return exp(-excess) if tail.shape < 1e-9 else exp(-log1p(tail.shape * excess) / tail.shape)


def _log_depth(layer: JumpLayer, depth: float, beyond: float) -> float:
    start = max(_log(depth), layer.depth.tail_threshold)
    return float(_log_depth_beyond(layer.depth, start, np.array([beyond]))[0])


def _log_depth_beyond(tail: TailFit, start: float, beyond: FloatArray) -> FloatArray:
    """The log depth that a share `beyond` of the depegs deeper than `start` exceed: the excess over it is Pareto again."""
    scale = tail.scale + tail.shape * (start - tail.tail_threshold)
    logs = -np.log(beyond)
    found: FloatArray = start + scale * (logs if tail.shape < 1e-9 else np.expm1(tail.shape * logs) / tail.shape)
    return found


def _fit_depths(depths: FloatArray, threshold: float) -> TailFit:
    """Return the law of log depths over the threshold; one that just reached it counts as the least above it."""
    start = _log(threshold)
    excesses = np.sort(np.maximum(-np.log1p(-depths) - start, 1e-12))
    k = len(excesses)
    if k >= FEWEST_EXCEEDANCES:
        return fit_exceedances(Exceedances(tail_threshold=start, excesses=excesses, n_obs=k))
    mean, deepest = float(excesses.mean()), float(excesses[-1])
    likeliest = scale_at(excesses, SHAPE_OF_FEW, excesses[0], mean, mean)
    anchored = SHAPE_OF_FEW * deepest / expm1(SHAPE_OF_FEW * log(k + 1))
    return TailFit(
        tail_threshold=start,
        shape=SHAPE_OF_FEW,
        scale=max(likeliest, anchored),
        exceedances=k,
        n_obs=k,
        estimator=f"shape {SHAPE_OF_FEW} assumed, scale anchored to the deepest",
        flags=("few_depegs", *shape_flags(SHAPE_OF_FEW)),
    )
