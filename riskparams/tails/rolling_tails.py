"""The tail over many windows of one series of losses: what `fit_tail` gives on each, in one compiled pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from riskparams.errors import ConfigError, RiskParamsError
from riskparams.tails.exceedances import FEWEST_EXCEEDANCES, checked_losses
from riskparams.tails.gpd import TailFit, TailSpec, ThresholdRule, fit_tail, shape_flags
from riskparams.tails.likelihood import estimate
from riskparams.tails.shrinkage import PeerShape
from riskparams.terms import FloatArray, IntArray, frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingTails:
    """One tail per window that could be fitted, in the order asked for; arrays are read-only.

    Row i was fitted to `n_obs[i]` losses that end just before row `ends[i]` of the series, so it may be used from that
    row on. `refused` names the other windows: their end, and the error `fit_tail` raises there.
    """

    ends: IntArray
    tail_threshold: FloatArray
    shape: FloatArray
    scale: FloatArray
    exceedances: IntArray
    n_obs: IntArray
    spec: TailSpec
    refused: tuple[tuple[int, str], ...]

    def __post_init__(self) -> None:
        for floats in (self.tail_threshold, self.shape, self.scale):
            frozen(floats)
        for counts in (self.ends, self.exceedances, self.n_obs):
            frozen(counts)

    def __len__(self) -> int:
        return len(self.ends)

    def tail(self, row: int) -> TailFit:
        """Return one window's tail, with its flags, as `fit_tail` returns it."""
        shape, exceedances = float(self.shape[row]), int(self.exceedances[row])
        return TailFit(
            tail_threshold=float(self.tail_threshold[row]),
            shape=shape,
            scale=float(self.scale[row]),
            exceedances=exceedances,
            n_obs=int(self.n_obs[row]),
            estimator=self.spec.method(exceedances)[1],
            flags=shape_flags(shape),
        )


def rolling_tails(losses: FloatArray, ends: IntArray, *, window: int, spec: TailSpec | None = None) -> RollingTails:
    """Return the tail of each window of losses (positive = fell): the last `window` before each end, or all there are.

    An end is the number of losses known, so that the window is `losses[max(0, end - window):end]`. Raises `DataError`
    for a loss that is not finite, and `ConfigError` for an end outside the series or a spec that scans thresholds.

    >>> losses = np.random.default_rng(1).standard_t(4, 3_000)
    >>> rolled = rolling_tails(losses, np.array([1_500, 3_000]), window=1_500)
    >>> rolled.tail(0) == fit_tail(losses[:1_500])
    True
    """
    spec = spec or TailSpec()
    if spec.threshold is not ThresholdRule.TOP_SHARE:
        raise ConfigError("a scan of thresholds is meant for one fit in a report: roll with the top share")
    values = checked_losses(losses)
    ends = np.array(ends, dtype=np.int64)
    if window < 1 or (len(ends) and not (ends.min() >= 1 and ends.max() <= len(values))):
        raise ConfigError(f"window {window} or ends outside 1..{len(values)}: an end is the number of losses known")
    lengths = np.minimum(ends, window)
    counts = np.array([spec.count(int(length)) for length in lengths], dtype=np.int64)
    methods = np.array([spec.method(k)[0] for k in range(int(counts.max(initial=0)) + 1)], dtype=np.int64)
    prior = spec.peers or PeerShape(mean=0.0, deviation=1.0)
    found = _windows(values, ends - lengths, ends, counts, methods, prior.mean, prior.deviation)
    exceedances = found[:, 3].astype(np.int64)
    fitted = exceedances >= FEWEST_EXCEEDANCES
    refused = tuple(
        (int(end), _reason(values[end - length : end], spec))
        for end, length in zip(ends[~fitted], lengths[~fitted], strict=True)
    )
    threshold, shape, scale = (found[fitted, column] for column in range(3))
    return RollingTails(
        ends=ends[fitted],
        tail_threshold=threshold,
        shape=shape,
        scale=scale,
        exceedances=exceedances[fitted],
        n_obs=lengths[fitted],
        spec=spec,
        refused=refused,
    )


@njit(cache=True, nogil=True)
def _windows(
    losses: FloatArray,
    firsts: IntArray,
    ends: IntArray,
    counts: IntArray,
    methods: IntArray,
    centre: float,
    deviation: float,
) -> FloatArray:
    """Threshold, shape, scale and exceedances of each window; too few exceedances leave shape and scale at 0."""
    found = np.zeros((len(ends), 4))
    for row in range(len(ends)):
        n, count = ends[row] - firsts[row], counts[row]
        if count >= n:
            continue
        parted = np.partition(losses[firsts[row] : ends[row]], n - count - 1)
        threshold = parted[n - count - 1]
        excesses = np.sort(parted[n - count :]) - threshold
        excesses = excesses[excesses > 0]
        found[row, 0], found[row, 3] = threshold, len(excesses)
        if len(excesses) >= FEWEST_EXCEEDANCES:
            found[row, 1], found[row, 2] = estimate(excesses, methods[len(excesses)], centre, deviation)
    return found


def _reason(losses: FloatArray, spec: TailSpec) -> str:
    try:
        fit_tail(losses, spec)
    except RiskParamsError as error:
        return str(error)
    raise AssertionError("fit_tail takes a window that the rolling fit refused")
