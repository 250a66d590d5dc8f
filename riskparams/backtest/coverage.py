"""How often a value at risk was missed, and whether one miss called the next: tests of counts.

Each is safe where nothing was missed, or everything was: `0 log 0` is 0, and the p-value is finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, bdtrc, chdtrc, ndtr, xlog1py, xlogy

from riskparams.backtest.block_bootstrap import variance_of_mean
from riskparams.backtest.forecasts import Finding, miss_probability
from riskparams.errors import DataError, InsufficientData
from riskparams.terms import BoolArray, FloatArray, IntArray


def kupiec(failures: int, sample: int, level: float) -> Finding:
    """Return the likelihood ratio of the miss rate against `1 - level`, chi-squared(1) (Kupiec 1995, POF).

    -2 log[p^x (1 - p)^(n - x) / ((x / n)^x (1 - x / n)^(n - x))] for x failures in n.

    >>> found = kupiec(57, 1043, 0.95)
    >>> round(found.statistic, 5), round(found.p_value, 5)
    (0.46147, 0.49694)
    """
    _check(failures, sample)
    return _chi_squared(float(_kupiec_ratio(np.array(failures), sample, miss_probability(level))), 1)


def exact_binomial(failures: int, sample: int, level: float) -> Finding:
    """Return the failures and their exact two-sided binomial p-value; counts less likely than the one seen are as extreme."""
    from scipy.stats import binomtest

    _check(failures, sample)
    return Finding(statistic=float(failures), p_value=float(binomtest(failures, sample, miss_probability(level)).pvalue))


def binomial_z(failures: int, sample: int, level: float) -> Finding:
    """Return `(x - n p) / sqrt(n p (1 - p))` and its two-sided normal p-value (Jorion 2006)."""
    _check(failures, sample)
    p = miss_probability(level)
    return _normal((failures - sample * p) / float(np.sqrt(sample * p * (1 - p))))


def time_until_first_failure(first: int | None, sample: int, level: float) -> Finding:
    """Return the likelihood ratio of the bar of the first failure, chi-squared(1) (Kupiec 1995, TUFF).

    `first` counts from 1 and is None where `sample` bars passed without a failure, which is then all that is known.
    -2 log[p (1 - p)^(n - 1) / ((1 / n) (1 - 1 / n)^(n - 1))].

    >>> round(time_until_first_failure(58, 1043, 0.95).statistic, 4)
    1.7354
    """
    _check(0 if first is None else 1, sample)
    p = miss_probability(level)
    if first is None:
        return _chi_squared(-2 * float(xlog1py(sample, -p)), 1)
    if not 1 <= first <= sample:
        raise DataError(f"the first failure is at bar {first} of {sample}: count bars from 1")
    found = np.log(p) + xlog1py(first - 1, -p)
    best = -np.log(first) + xlog1py(first - 1, -1 / first)
    return _chi_squared(2 * float(best - found), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """Pairs of neighbouring bars by whether each was a hit: `n01` is no hit followed by one."""

    n00: int
    n01: int
    n10: int
    n11: int

    @classmethod
    def of(cls, hits: BoolArray) -> Transitions:
        """Return the transitions of a run of bars, shape (n,) with n at least 2."""
        if len(hits) < 2:
            raise InsufficientData(f"{len(hits)} bars hold no pair of neighbours: score at least 2")
        before, after = hits[:-1], hits[1:]
        n11, n10, n01 = int(np.sum(before & after)), int(np.sum(before & ~after)), int(np.sum(~before & after))
        return cls(n00=len(before) - n11 - n10 - n01, n01=n01, n10=n10, n11=n11)


def independence(transitions: Transitions) -> Finding:
    """Return the likelihood ratio of a first-order Markov chain of hits against none, chi-squared(1) (Christoffersen 1998).

    >>> round(independence(Transitions(n00=932, n01=53, n10=53, n11=4)).statistic, 5)
    0.25866
    """
    n00, n01, n10, n11 = transitions.n00, transitions.n01, transitions.n10, transitions.n11
    pooled = _log_likelihood(n01 + n11, n00 + n10)
    return _chi_squared(2 * (_log_likelihood(n01, n00) + _log_likelihood(n11, n10) - pooled), 1)


def conditional_coverage(failures: int, sample: int, transitions: Transitions, level: float) -> Finding:
    """Return Kupiec's ratio on all bars plus that of independence on their pairs, chi-squared(2) (Christoffersen 1998)."""
    return _chi_squared(kupiec(failures, sample, level).statistic + independence(transitions).statistic, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteredKupiec:
    """Kupiec's question with the variance of the miss rate that hits in clusters have.

    `statistic` is (rate - p) / `deviation`, two-sided normal. `design_effect` is the variance over that of independent hits
    of the same rate, and `scaled` is Kupiec's ratio divided by it (Rao & Scott 1981), chi-squared(1): of the two, the one
    that does not lose power as the rate, and with it the deviation, grows. Where nothing or everything was missed there
    is no variance to correct: both p-values are then the exact binomial's.
    """

    rate: float
    deviation: float
    design_effect: float
    statistic: float
    p_value: float
    scaled: Finding


def clustered_kupiec(hits: BoolArray, level: float, *, mean_block: float) -> ClusteredKupiec:
    """Return the test of the miss rate whose variance is the stationary block bootstrap's over time.

    The variance is the bootstrap's own expectation, not a simulation of it, so there is no seed; `mean_block` is in bars.
    Raises `InsufficientData` unless the sample holds two blocks.
    """
    p, sample, failures = miss_probability(level), len(hits), int(np.sum(hits))
    rate = failures / max(sample, 1)
    variance = variance_of_mean(hits.astype(np.float64), mean_block=mean_block)
    plain = kupiec(failures, sample, level)
    if failures in (0, sample):
        exact = exact_binomial(failures, sample, level).p_value
        deviation = float(np.sqrt(p * (1 - p) / sample))
        return ClusteredKupiec(
            rate=rate,
            deviation=deviation,
            design_effect=1.0,
            statistic=(rate - p) / deviation,
            p_value=exact,
            scaled=Finding(statistic=plain.statistic, p_value=exact),
        )
    deviation, effect = float(np.sqrt(variance)), variance * sample / (rate * (1 - rate))
    normal = _normal((rate - p) / deviation)
    return ClusteredKupiec(
        rate=rate,
        deviation=deviation,
        design_effect=effect,
        statistic=normal.statistic,
        p_value=normal.p_value,
        scaled=_chi_squared(plain.statistic / effect, 1),
    )


def kupiec_region(sample: int, level: float, *, alpha: float = 0.05) -> tuple[int, int]:
    """Return the smallest and largest number of failures that Kupiec's test accepts at `alpha`.

    >>> kupiec_region(255, 0.99)
    (1, 6)
    """
    _check(0, sample)
    counts = np.arange(sample + 1)
    accepted = np.flatnonzero(chdtrc(1, _kupiec_ratio(counts, sample, miss_probability(level))) >= alpha)
    return int(accepted[0]), int(accepted[-1])


def kupiec_power(sample: int, level: float, *, true_rate: float, alpha: float = 0.05) -> float:
    """Return the exact probability that Kupiec's test rejects when independent misses come at `true_rate`.

    >>> round(kupiec_power(1000, 0.99, true_rate=0.015), 3)
    0.336
    """
    low, high = kupiec_region(sample, level, alpha=alpha)
    return float((bdtr(low - 1, sample, true_rate) if low else 0.0) + bdtrc(high, sample, true_rate))


def _kupiec_ratio(failures: IntArray, sample: int, p: float) -> FloatArray:
    rate = failures / sample
    best = xlogy(failures, rate) + xlog1py(sample - failures, -rate)
    return np.asarray(np.maximum(0.0, 2 * (best - failures * np.log(p) - xlog1py(sample - failures, -p))))


def _log_likelihood(hits: int, misses: int) -> float:
    """Return the largest log likelihood of independent trials."""
    trials = max(hits + misses, 1)
    return float(xlogy(hits, hits / trials) + xlogy(misses, misses / trials))


def _check(failures: int, sample: int) -> None:
    if sample < 1:
        raise InsufficientData(f"a sample of {sample} bars: score at least one")
    if not 0 <= failures <= sample:
        raise DataError(f"{failures} failures in {sample} bars: expected from 0 to {sample}")


def _chi_squared(statistic: float, degrees: int) -> Finding:
    statistic = max(statistic, 0.0)
    return Finding(statistic=statistic, p_value=float(chdtrc(degrees, statistic)), degrees=degrees)


def _normal(statistic: float) -> Finding:
    return Finding(statistic=statistic, p_value=float(2 * ndtr(-abs(statistic))))
