"""Peaks over threshold: a generalised Pareto tail on residual losses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import expm1, inf, log

import numpy as np

from riskparams.errors import ConfigError, InsufficientData
from riskparams.tails.exceedances import FEWEST_EXCEEDANCES, Exceedances, largest_losses
from riskparams.tails.likelihood import (
    MAXIMUM_LIKELIHOOD,
    PEER_PRIOR,
    PENALISED_LIKELIHOOD,
    PROBABILITY_WEIGHTED,
    estimate,
)
from riskparams.tails.shrinkage import PeerShape
from riskparams.tails.thresholds import scan_thresholds
from riskparams.terms import FloatArray

FEWEST_FOR_LIKELIHOOD = 100


class Estimator(StrEnum):
    """How shape and scale are found."""

    AUTOMATIC = "automatic"  # maximum likelihood from 100 exceedances, penalised below
    MAXIMUM_LIKELIHOOD = "maximum likelihood"
    PENALISED_LIKELIHOOD = "penalised likelihood"  # Coles & Dixon (1999)
    WEIGHTED_MOMENTS = "probability-weighted moments"  # Hosking & Wallis (1987), unbiased


class ThresholdRule(StrEnum):
    """How the threshold is chosen."""

    TOP_SHARE = "top share"
    FORWARD_STOP = "forward stop"  # a scan of Anderson-Darling tests; takes a second, meant for reports


@dataclass(frozen=True, slots=True, kw_only=True)
class TailSpec:
    """Where the tail begins and how it is fitted.

    The tail is the largest `share` of the losses, and at least `min_exceedances` of them; with the rule `FORWARD_STOP`
    that holds only where the scan rejects every threshold. With `peers` the shape is shrunk towards theirs: likelihood
    times their prior, which then stands in for the penalty too.
    """

    share: float = 0.05
    min_exceedances: int = 50
    estimator: Estimator = Estimator.AUTOMATIC
    threshold: ThresholdRule = ThresholdRule.TOP_SHARE
    peers: PeerShape | None = None

    def __post_init__(self) -> None:
        if not (0 < self.share < 0.5 and self.min_exceedances >= FEWEST_EXCEEDANCES):
            raise ConfigError(
                f"tail share {self.share} or min_exceedances {self.min_exceedances} is out of range: "
                f"expected a share in (0, 0.5) and at least {FEWEST_EXCEEDANCES} exceedances"
            )
        if self.peers and self.estimator not in (Estimator.AUTOMATIC, Estimator.MAXIMUM_LIKELIHOOD):
            raise ConfigError(f"the {self.estimator} takes no peers: drop them, or use maximum likelihood")

    def count(self, n_obs: int) -> int:
        """Return how many of so many losses are the tail, before ties."""
        return max(self.min_exceedances, round(self.share * n_obs))

    def method(self, exceedances: int) -> tuple[int, str]:
        """Return the estimator for so many exceedances: its number in `likelihood`, and its name."""
        if self.peers:
            return PEER_PRIOR, f"{Estimator.MAXIMUM_LIKELIHOOD}, shape shrunk to peers"
        match self.estimator:
            case Estimator.AUTOMATIC if exceedances < FEWEST_FOR_LIKELIHOOD:
                return PENALISED_LIKELIHOOD, Estimator.PENALISED_LIKELIHOOD.value
            case Estimator.PENALISED_LIKELIHOOD:
                return PENALISED_LIKELIHOOD, Estimator.PENALISED_LIKELIHOOD.value
            case Estimator.WEIGHTED_MOMENTS:
                return PROBABILITY_WEIGHTED, Estimator.WEIGHTED_MOMENTS.value
            case _:
                return MAXIMUM_LIKELIHOOD, Estimator.MAXIMUM_LIKELIHOOD.value


@dataclass(frozen=True, slots=True, kw_only=True)
class TailFit:
    """A generalised Pareto law of the losses above `tail_threshold`.

    `shape` (xi) is never negative, `scale` (beta) is in the units of the losses; `exceedances` of `n_obs` losses lie
    above the threshold. Losses are positive when the residual fell.
    """

    tail_threshold: float
    shape: float
    scale: float
    exceedances: int
    n_obs: int
    estimator: str = "maximum likelihood"
    flags: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Probability of a loss above the threshold, k / n."""
        return self.exceedances / self.n_obs

    def quantile(self, level: float) -> float:
        """Return the loss not exceeded with probability `level`; raise `ValueError` below the threshold's level.

        u + (beta / xi) * (((1 - q) n / k)**-xi - 1) (McNeil & Frey 2000).

        >>> tail = TailFit(tail_threshold=1.5, shape=0.2, scale=0.6, exceedances=100, n_obs=1000)
        >>> round(tail.quantile(0.999), 6)
        6.035659
        """
        beyond = (1 - level) / self.share
        if not 0 < beyond < 1:
            raise ValueError(
                f"level {level} is not beyond the tail threshold's {1 - self.share:.4f}: use the empirical quantile there"
            )
        if self.shape < 1e-9:
            return self.tail_threshold - self.scale * log(beyond)
        return self.tail_threshold + self.scale / self.shape * expm1(-self.shape * log(beyond))

    def expected_shortfall(self, level: float) -> float:
        """Return the mean loss beyond the quantile; infinite for shape >= 1, where no mean exists.

        >>> tail = TailFit(tail_threshold=1.5, shape=0.2, scale=0.6, exceedances=100, n_obs=1000)
        >>> round(tail.expected_shortfall(0.999), 6)
        7.919574
        """
        if self.shape >= 1:
            return inf
        return (self.quantile(level) + self.scale - self.shape * self.tail_threshold) / (1 - self.shape)

    def return_level(self, observations: float) -> float:
        """Return the loss exceeded once in so many observations on average: the quantile at 1 - 1 / observations."""
        return self.quantile(1 - 1 / observations)

    @property
    def largest_simulated(self) -> float:
        """Cap on simulated losses: the return level of 10,000 samples."""
        return self.quantile(1 - 1 / (1e4 * self.n_obs))


def fit_tail(losses: FloatArray, spec: TailSpec | None = None, *, rng: np.random.Generator | None = None) -> TailFit:
    """Return the generalised Pareto fit of the largest losses (positive = fell), shape (n,).

    `rng` is for the rule `FORWARD_STOP` alone. Raises `InsufficientData` for a sample that holds fewer than the spec's
    exceedances, or fewer than 20 above the ties at its threshold, `ConstantSeries` for losses that are all the same and
    `DataError` for one that is not finite. Flags: `variance_undefined` and `mean_undefined` for a shape of 0.5 and of 1
    or more; `all_thresholds_rejected` and `too_few_thresholds` where a scan left the threshold to the top share.

    >>> rng = np.random.default_rng(1)
    >>> tail = fit_tail(rng.standard_t(4, 20_000))
    >>> 0.1 < tail.shape < 0.4
    True
    """
    spec = spec or TailSpec()
    flags: tuple[str, ...] = ()
    count = spec.count(len(losses))
    if spec.threshold is ThresholdRule.FORWARD_STOP:
        if rng is None:
            raise ConfigError("a threshold by forward stop draws bootstrap samples: give fit_tail a generator, rng=...")
        scan = scan_thresholds(losses, rng, min_exceedances=spec.min_exceedances)
        if scan.chosen is not None:
            count = int(scan.count[scan.chosen])
        else:
            flags = ("all_thresholds_rejected",) if len(scan) else ("too_few_thresholds",)
    return fit_exceedances(largest_losses(losses, count), spec, flags=flags)


def fit_exceedances(sample: Exceedances, spec: TailSpec | None = None, *, flags: tuple[str, ...] = ()) -> TailFit:
    """Return the fit above a threshold already chosen, by the spec's estimator; `flags` are carried into it.

    Raises `InsufficientData` for fewer than 20 exceedances.
    """
    spec = spec or TailSpec()
    if len(sample) < FEWEST_EXCEEDANCES:
        raise InsufficientData(
            f"only {len(sample)} of {sample.n_obs} losses lie above the threshold {sample.tail_threshold:.4g}, and a tail "
            f"needs {FEWEST_EXCEEDANCES}: too many ties there or too high a threshold; use finer prices or a larger share"
        )
    number, name = spec.method(len(sample))
    prior = spec.peers or PeerShape(mean=0.0, deviation=1.0)
    shape, scale = estimate(sample.excesses, number, prior.mean, prior.deviation)
    return TailFit(
        tail_threshold=sample.tail_threshold,
        shape=shape,
        scale=scale,
        exceedances=len(sample),
        n_obs=sample.n_obs,
        estimator=name,
        flags=flags + shape_flags(shape),
    )


def shape_flags(shape: float) -> tuple[str, ...]:
    """Return what a shape warns of: no variance from 0.5, no mean from 1."""
    return (("variance_undefined",) if shape >= 0.5 else ()) + (("mean_undefined",) if shape >= 1 else ())
