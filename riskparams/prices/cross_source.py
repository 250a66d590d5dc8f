"""Two sources of one price: how far apart they are, and how much of their ratio's movement is their disagreement."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from riskparams.errors import ConstantSeries, InsufficientData
from riskparams.prices.panel import Candles
from riskparams.terms import FloatArray, IntArray

FEWEST_BARS = 100
LAGS = (0, 1, -1, 2, -2)  # bars by which the second source may run ahead (positive) or behind


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossSourceNoise:
    """What separates two price series of one asset, or of two that track each other; logs, per bar.

    `level_ratio` is the median of the first price over the second, and `level_difference` the median distance from it.
    `return_deviation` is the standard deviation of the ratio's returns. `noise_share` is the part of their variance that the
    next bar takes back: it is disagreement of the sources, and a pair whose two prices come from two sources looks that much
    more volatile than it is. `lag` is the delay of the first series behind the second, in bars, at which their returns
    differ least, and `lagged_deviation` the standard deviation of the difference there.
    """

    bars: int
    returns: int
    level_ratio: float
    level_difference: float
    return_deviation: float
    noise_share: float
    lag: int
    lagged_deviation: float

    @property
    def pair_deviation(self) -> float:
        """Standard deviation of the ratio's returns that is left without the noise."""
        return float(self.return_deviation * np.sqrt(1 - self.noise_share))

    def to_dict(self) -> dict[str, float | int]:
        """Return the figures as JSON can hold them."""
        return {**asdict(self), "pair_deviation": self.pair_deviation}


def cross_source_noise(one: Candles, other: Candles) -> CrossSourceNoise:
    """Return how the closes of two sources differ on the bars that both observed.

    A price carried forward is no observation. Returns are those that are usable in both. With independent errors e on the
    log ratio, its returns are r + e - e_before, so that their first autocovariance is -var(e): the share of noise is
    -2 cov(d, d_before) / var(d), held within [0, 1] (Roll 1984). A true ratio that reverts within two bars counts as noise
    too. Raises `InsufficientData` for fewer than 100 common returns and `ConstantSeries` where the ratio never moves.

    >>> from riskparams.prices.sample import simulated_market
    >>> alpha = simulated_market()["ALPHA"]
    >>> cross_source_noise(alpha, alpha.head(500)).bars
    Traceback (most recent call last):
    riskparams.errors.ConstantSeries: the two price series are the same on their 500 common bars: give two sources
    """
    _, ours, theirs = np.intersect1d(one.time, other.time, assume_unique=True, return_indices=True)
    seen = one.observed[ours] & other.observed[theirs]
    levels = np.log(one.close[ours] / other.close[theirs])[seen]
    first, second = _returns(one, ours), _returns(other, theirs)
    difference = first - second
    known = difference[np.isfinite(difference)]
    if len(known) < FEWEST_BARS:
        raise InsufficientData(
            f"{len(known)} returns known to both sources on {len(ours)} common bars: expected at least {FEWEST_BARS}, "
            "give files that cover the same period"
        )
    if not known.any():
        raise ConstantSeries(f"the two price series are the same on their {len(levels)} common bars: give two sources")
    centred = difference - known.mean()
    taken_back = -2 * float(np.nanmean(centred[1:] * centred[:-1])) / float(known.var())
    deviations = {lag: _deviation_at(first, second, lag) for lag in LAGS}
    lag = min(deviations, key=deviations.__getitem__)
    centre = float(np.median(levels))
    return CrossSourceNoise(
        bars=len(levels),
        returns=len(known),
        level_ratio=float(np.exp(centre)),
        level_difference=float(np.median(np.abs(levels - centre))),
        return_deviation=float(known.std()),
        noise_share=min(max(taken_back, 0.0), 1.0),
        lag=lag,
        lagged_deviation=deviations[lag],
    )


def _returns(candles: Candles, rows: IntArray) -> FloatArray:
    """The log return into each row, not a number where it must not be modelled or the bar before is not common."""
    logs = np.log(candles.close)
    follows = np.diff(rows, prepend=-2) == 1
    value: FloatArray = np.where(follows & candles.usable[rows], logs[rows] - logs[rows - 1], np.nan)
    return value


def _deviation_at(first: FloatArray, second: FloatArray, lag: int) -> float:
    """The standard deviation of first[t] - second[t - lag]."""
    end = len(first) - abs(lag)
    return float(np.nanstd(first[max(lag, 0) :][:end] - second[max(-lag, 0) :][:end]))
