"""Where the tail begins: goodness of fit over many thresholds, and a rule that stops at the first good one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.errors import DataError
from riskparams.tails.estimators import GpdEstimate, maximum_likelihood
from riskparams.tails.exceedances import FEWEST_EXCEEDANCES, Exceedances, largest_losses
from riskparams.tails.goodness import anderson_darling, refitted_distances
from riskparams.terms import FloatArray, IntArray, frozen

SCANNED_SHARES = (0.15, 0.025)
CANDIDATES = 20
BOOTSTRAP_DRAWS = 199
FALSE_DISCOVERY_RATE = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodnessOfFit:
    """Distance of excesses from the generalised Pareto law fitted to them, and the chance of one as large."""

    statistic: float
    p_value: float
    estimate: GpdEstimate


def goodness_of_fit(sample: Exceedances, rng: np.random.Generator, *, draws: int = BOOTSTRAP_DRAWS) -> GoodnessOfFit:
    """Return the Anderson-Darling test of a maximum-likelihood fit, refitted in parametric bootstraps.

    p = (1 + #{bootstraps at least as far}) / (draws + 1), so that it is never 0.
    """
    found = maximum_likelihood(sample.excesses)
    statistic = anderson_darling(sample.excesses, found.shape, found.scale)
    uniforms = np.sort(1 - rng.random((draws, len(sample))), axis=1)[:, ::-1]
    further = int(np.sum(refitted_distances(np.ascontiguousarray(uniforms), found.shape) >= statistic))
    return GoodnessOfFit(statistic=statistic, p_value=(1 + further) / (draws + 1), estimate=found)


def forward_stop(p_values: FloatArray) -> FloatArray:
    """Return -mean(log(1 - p_i), i <= j) for each j: reject the hypotheses up to the last j where it is at most the rate.

    Controls the false discovery rate of ordered hypotheses (G'Sell, Wager, Chouldechova & Tibshirani 2016).

    >>> forward_stop(np.array([0.01, 0.04])).round(6)
    array([0.01005 , 0.025436])
    """
    p = _checked(p_values)
    return np.asarray(-np.cumsum(np.log1p(-np.minimum(p, 1 - 1e-12))) / np.arange(1, len(p) + 1))


def strong_stop(p_values: FloatArray) -> FloatArray:
    """Return (m / j) exp(sum(log(p_i) / i, i >= j)) for each j of m: controls the family-wise error, and so is stricter.

    Reject up to the last j where it is at most the rate (G'Sell et al. 2016). p-values must be above 0.
    """
    p = _checked(p_values)
    order = np.arange(1, len(p) + 1)
    return np.asarray(np.exp(np.cumsum((np.log(p) / order)[::-1])[::-1]) * len(p) / order)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdScan:
    """One row per candidate threshold, lowest first; arrays are read-only.

    `count` losses were asked for and `exceedances` lie strictly above. `chosen` is the row of the threshold to take, or
    `None` where every one was rejected or none could be tested.
    """

    count: IntArray
    exceedances: IntArray
    tail_threshold: FloatArray
    shape: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    forward_stop: FloatArray
    strong_stop: FloatArray
    chosen: int | None

    def __post_init__(self) -> None:
        for column in (self.count, self.exceedances, self.tail_threshold, self.shape):
            frozen(column)
        for column in (self.statistic, self.p_value, self.forward_stop, self.strong_stop):
            frozen(column)

    def __len__(self) -> int:
        return len(self.count)


def scan_thresholds(losses: FloatArray, rng: np.random.Generator, *, min_exceedances: int = 50) -> ThresholdScan:
    """Return the goodness of fit at 20 thresholds from the top 15 % of the losses to the top 2.5 %, and the one to take.

    ForwardStop rejects the lowest ones at a false discovery rate of 10 %; the next is taken (Bader, Yan & Zhang 2018).
    Candidates with fewer than `min_exceedances` are left out. Raises as `largest_losses` does.
    """
    n = len(losses)
    shares = np.linspace(*SCANNED_SHARES, CANDIDATES)
    wished = [int(count) for count in np.unique(np.round(shares * n).astype(np.int64))[::-1] if count >= min_exceedances]
    samples: dict[float, tuple[int, Exceedances]] = {}
    for count in wished:
        sample = largest_losses(losses, count)
        if len(sample) >= FEWEST_EXCEEDANCES:  # else ties
            samples.setdefault(sample.tail_threshold, (count, sample))
    tests = [goodness_of_fit(sample, rng) for _, sample in samples.values()]
    p_value = np.array([test.p_value for test in tests])
    forward = forward_stop(p_value)
    rejected = int(np.max(np.flatnonzero(forward <= FALSE_DISCOVERY_RATE), initial=-1)) + 1
    return ThresholdScan(
        count=np.array([count for count, _ in samples.values()], dtype=np.int64),
        exceedances=np.array([len(sample) for _, sample in samples.values()], dtype=np.int64),
        tail_threshold=np.array(list(samples)),
        shape=np.array([test.estimate.shape for test in tests]),
        statistic=np.array([test.statistic for test in tests]),
        p_value=p_value,
        forward_stop=forward,
        strong_stop=strong_stop(p_value),
        chosen=rejected if rejected < len(tests) else None,
    )


def _checked(p_values: FloatArray) -> FloatArray:
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise DataError(f"p-values {p} are not all in [0, 1]: they go in order, lowest threshold first")
    return p
