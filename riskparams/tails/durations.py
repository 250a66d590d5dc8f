"""How long something lasts: a lognormal law fitted to times of which some had not ended."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr

from riskparams.errors import InsufficientData
from riskparams.terms import BoolArray, FloatArray

SMALLEST_LOG_DEVIATION = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormalHours:
    """A lognormal law of hours, from times that ended and lower bounds of `censored` ones that had not."""

    log_mean: float
    log_deviation: float
    ended: int
    censored: int

    @property
    def errors(self) -> tuple[float, float]:
        """Standard errors of mean and deviation of the logs, from the ended ones alone: s / sqrt(n) and s / sqrt(2 n)."""
        return self.log_deviation / sqrt(self.ended), self.log_deviation / sqrt(2 * self.ended)

    @property
    def median(self) -> float:
        """Hours that half of them exceed."""
        return exp(self.log_mean)

    def below(self, hours: FloatArray) -> FloatArray:
        """Return the probability of fewer hours."""
        found: FloatArray = ndtr((np.log(hours) - self.log_mean) / self.log_deviation)
        return found


def fit_hours(hours: FloatArray, ended: BoolArray) -> LogNormalHours:
    """Return the lognormal law of maximum likelihood; hours that have not `ended` are lower bounds.

    The deviation of the logs is never below 0.25: a few times on a grid of bars may all be the same. Raises
    `InsufficientData` where fewer than two ended.

    >>> fit_hours(np.array([1.0, np.e**2]), np.ones(2, bool))
    LogNormalHours(log_mean=1.0, log_deviation=1.0, ended=2, censored=0)
    """
    if ended.sum() < 2:
        raise InsufficientData(f"{int(ended.sum())} of {len(hours)} times have ended: expected two or more, give more of them")
    logs = np.log(hours)
    mean, deviation = float(logs[ended].mean()), max(float(logs[ended].std()), SMALLEST_LOG_DEVIATION)
    if not ended.all():

        def minus_log_likelihood(at: FloatArray) -> float:
            spread = max(exp(min(at[1], 50.0)), SMALLEST_LOG_DEVIATION)
            z = (logs - at[0]) / spread
            return float((z[ended] ** 2 / 2 + log(spread)).sum() - log_ndtr(-z[~ended]).sum())

        found = minimize(
            minus_log_likelihood, [mean, log(deviation)], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}
        )
        mean, deviation = float(found.x[0]), max(exp(found.x[1]), SMALLEST_LOG_DEVIATION)
    return LogNormalHours(log_mean=mean, log_deviation=deviation, ended=int(ended.sum()), censored=int((~ended).sum()))
