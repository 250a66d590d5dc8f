"""Tables to choose a threshold by, and how far the tail moves with the choice."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from riskparams.errors import InsufficientData
from riskparams.tails.estimators import maximum_likelihood
from riskparams.tails.exceedances import Exceedances, exceedances_over
from riskparams.tails.gpd import TailFit, TailSpec, ThresholdRule, fit_tail
from riskparams.terms import FloatArray, IntArray, frozen

BAND_SHARES = (0.025, 0.05, 0.10)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanExcesses:
    """Mean of loss minus threshold over each threshold, and its standard error; arrays are read-only."""

    tail_threshold: FloatArray
    exceedances: IntArray
    mean_excess: FloatArray
    error: FloatArray

    def __post_init__(self) -> None:
        for column in (self.tail_threshold, self.exceedances, self.mean_excess, self.error):
            frozen(column)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeStability:
    """The fit over each threshold; above a good one, shape and `modified_scale` stay level. Arrays are read-only.

    `modified_scale` is scale - shape x threshold (Coles 2001, section 4.3.4). Errors are standard errors.
    """

    tail_threshold: FloatArray
    exceedances: IntArray
    shape: FloatArray
    shape_error: FloatArray
    modified_scale: FloatArray

    def __post_init__(self) -> None:
        for column in (self.tail_threshold, self.exceedances, self.shape, self.shape_error, self.modified_scale):
            frozen(column)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityBand:
    """One quantile under several thresholds: `quantile[i]` is that of `tails[i]`, fitted to the top `shares[i]`.

    Small shares of short samples are widened to the fewest exceedances allowed: read what was used from `tails`.
    """

    level: float
    shares: tuple[float, ...]
    tails: tuple[TailFit, ...]
    quantile: tuple[float, ...]

    @property
    def low(self) -> float:
        """The smallest of the quantiles."""
        return min(self.quantile)

    @property
    def high(self) -> float:
        """The largest of the quantiles."""
        return max(self.quantile)


def mean_excesses(losses: FloatArray, thresholds: FloatArray) -> MeanExcesses:
    """Return the mean-excess table of losses (positive = fell) at the given thresholds.

    A straight line that rises is a Pareto tail, a level one an exponential (Davison & Smith 1990). Raises
    `InsufficientData` for a threshold with fewer than two losses above.
    """
    samples = [_over(losses, float(threshold), 2) for threshold in thresholds]
    return MeanExcesses(
        tail_threshold=np.array(thresholds, dtype=np.float64),
        exceedances=np.array([len(sample) for sample in samples]),
        mean_excess=np.array([sample.excesses.mean() for sample in samples]),
        error=np.array([sample.excesses.std(ddof=1) / np.sqrt(len(sample)) for sample in samples]),
    )


def shape_stability(losses: FloatArray, thresholds: FloatArray) -> ShapeStability:
    """Return the maximum-likelihood shape, its error and the modified scale at the given thresholds.

    Raises `InsufficientData` for a threshold with fewer than ten losses above, or whose shape has no error: at or below
    -0.5 the tail ends too abruptly for one.
    """
    samples = [_over(losses, float(threshold), 10) for threshold in thresholds]
    fits = [maximum_likelihood(sample.excesses) for sample in samples]
    for sample, fit in zip(samples, fits, strict=True):
        if fit.shape_error is None:
            raise InsufficientData(
                f"shape {fit.shape:.3f} over threshold {sample.tail_threshold:.6g} has no standard error: use a lower one"
            )
    u = np.array(thresholds, dtype=np.float64)
    shape = np.array([fit.shape for fit in fits])
    return ShapeStability(
        tail_threshold=u,
        exceedances=np.array([len(sample) for sample in samples]),
        shape=shape,
        shape_error=np.array([fit.shape_error for fit in fits], dtype=np.float64),
        modified_scale=np.array([fit.scale for fit in fits]) - shape * u,
    )


def threshold_sensitivity(
    losses: FloatArray, level: float, spec: TailSpec | None = None, *, shares: tuple[float, ...] = BAND_SHARES
) -> SensitivityBand:
    """Return the quantile at `level` with the threshold at the top 2.5, 5 and 10 % of the losses; raise as `fit_tail`."""
    spec = replace(spec or TailSpec(), threshold=ThresholdRule.TOP_SHARE)
    tails = tuple(fit_tail(losses, replace(spec, share=share)) for share in shares)
    return SensitivityBand(level=level, shares=shares, tails=tails, quantile=tuple(tail.quantile(level) for tail in tails))


def _over(losses: FloatArray, threshold: float, fewest: int) -> Exceedances:
    sample = exceedances_over(losses, threshold)
    if len(sample) < fewest:
        raise InsufficientData(f"{len(sample)} of {sample.n_obs} losses exceed {threshold:.6g}: at least {fewest} are needed")
    return sample
