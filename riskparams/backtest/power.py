"""What each test could have found: the chance that it rejects a forecast that is wrong by a stated amount."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import ndtri

from riskparams.backtest.coverage import Transitions, conditional_coverage, independence, kupiec_power
from riskparams.backtest.forecasts import miss_probability
from riskparams.backtest.hit_dynamics import duration_test, dynamic_quantile
from riskparams.backtest.shortfall_tests import TailLaw, simulated_z, tail_losses
from riskparams.errors import ConfigError
from riskparams.terms import BoolArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Probability that each test rejects at `alpha` a model that is missed at `true_rate`.

    Kupiec's is exact, for independent misses. The tests of timing face misses that repeat: one follows another with
    probability `after_hit`. Those of the shortfall face losses that lie `excess_ratio` times as far beyond the value at
    risk as forecast.
    """

    sample: int
    true_rate: float
    after_hit: float
    excess_ratio: float
    alpha: float
    kupiec: float
    independence: float
    conditional_coverage: float
    dynamic_quantile: float
    duration: float
    exceedance_residuals: float
    z1: float
    z2: float

    def to_dict(self) -> dict[str, float]:
        """Return the fields by name."""
        return asdict(self)


def power_of_tests(
    sample: int,
    level: float,
    *,
    law: TailLaw,
    seed: int,
    miss_ratio: float = 1.5,
    after_hit: float = 0.1,
    excess_ratio: float = 1.25,
    alpha: float = 0.05,
    draws: int = 400,
) -> Power:
    """Return the power of each test in a sample of so many bars, by simulation where there is no formula.

    The true miss rate is `miss_ratio (1 - level)`. A power of 0.5 from 400 draws is known to 0.05 (two standard errors).
    Raises `ConfigError` unless the rate and `after_hit` are probabilities below 1.
    """
    true_rate = miss_ratio * miss_probability(level)
    if not (0 < true_rate < 1 and 0 <= after_hit < 1 and true_rate * (1 - after_hit) <= 1 - true_rate):
        raise ConfigError(f"true rate {true_rate:.4g} and {after_hit} after a hit: expected probabilities that go together")
    rng = np.random.default_rng(seed)
    timing = np.zeros(4)
    for _ in range(draws):
        hits = _repeating_hits(sample, true_rate, after_hit, rng)
        pairs = Transitions.of(hits)
        timing += [
            independence(pairs).p_value < alpha,
            conditional_coverage(int(hits.sum()), sample, pairs, level).p_value < alpha,
            dynamic_quantile(hits, level).p_value < alpha,
            duration_test(hits).p_value < alpha,
        ]
    right = simulated_z(sample, level, law, draws=10 * draws, rng=rng)
    wrong = simulated_z(sample, level, law, draws=draws, rng=rng, miss_ratio=miss_ratio, excess_ratio=excess_ratio)
    z1, z2 = (
        float(np.sum(found < np.quantile(null, alpha)) / draws) if len(null) else 0.0
        for found, null in zip(wrong, right, strict=True)
    )
    counts = rng.binomial(sample, true_rate, size=draws)
    independent, conditional, quantile, duration = (float(share) for share in timing / draws)
    return Power(
        sample=sample,
        true_rate=true_rate,
        after_hit=after_hit,
        excess_ratio=excess_ratio,
        alpha=alpha,
        kupiec=kupiec_power(sample, level, true_rate=true_rate, alpha=alpha),
        independence=independent,
        conditional_coverage=conditional,
        dynamic_quantile=quantile,
        duration=duration,
        exceedance_residuals=_residuals_power(law, level, counts, excess_ratio, alpha, rng),
        z1=z1,
        z2=z2,
    )


def _repeating_hits(sample: int, rate: float, after_hit: float, rng: np.random.Generator) -> BoolArray:
    """Return a Markov chain of hits with so high a rate, whose next bar is a hit with probability `after_hit` after one."""
    after_none = rate * (1 - after_hit) / (1 - rate)
    runs = int(sample * rate * (1 - after_hit) * 1.5 + 10 * (sample * rate) ** 0.5 + 20)
    lengths = np.empty(2 * runs, dtype=np.int64)
    starts_hit = bool(rng.random() < rate)
    lengths[0::2] = rng.geometric(1 - after_hit if starts_hit else after_none, runs)
    lengths[1::2] = rng.geometric(after_none if starts_hit else 1 - after_hit, runs)
    ends = np.cumsum(lengths)
    change = np.zeros(sample, dtype=np.int64)
    np.add.at(change, ends[ends < sample], 1)
    return np.asarray((np.cumsum(change) + starts_hit) % 2 == 1)


def _residuals_power(
    law: TailLaw, level: float, counts: IntArray, excess_ratio: float, alpha: float, rng: np.random.Generator
) -> float:
    p = miss_probability(level)
    mean, critical = law.mean_beyond(p), -float(ndtri(alpha))
    rejected = 0
    for hits in counts[counts > 1]:
        residuals = tail_losses(law, p, int(hits), excess_ratio, rng) - mean
        rejected += int(residuals.mean() * hits**0.5 > critical * residuals.std(ddof=1))
    return rejected / len(counts)
