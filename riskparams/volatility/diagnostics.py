"""What is left in the standardised residuals: the tests a reader asks for before trusting a volatility fit."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from math import inf, log

import numpy as np
from scipy.special import chdtrc

from riskparams.errors import ConstantSeries, DataError, InsufficientData
from riskparams.terms import FloatArray
from riskparams.volatility.model import Convergence

FEWEST_PER_LAG = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Portmanteau:
    """A test that the first `lags` autocorrelations are all zero; a small p-value says that they are not."""

    statistic: float
    p_value: float
    lags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """Residual tests and the shape of z; `kurtosis` is 3 for a normal law, `half_life` counts bars.

    Ljung-Box on z looks for a mean that was missed, on z**2 and ARCH-LM for a variance that was. Their p-values treat
    z as observed, not as the residual of a fit, and are somewhat too large for that.
    """

    n_obs: int
    convergence: Convergence
    persistence: float
    half_life: float  # of a shock to the variance; infinite for an integrated recursion
    mean: float
    standard_deviation: float
    skewness: float
    kurtosis: float
    smallest: float
    largest: float
    ljung_box: Portmanteau
    ljung_box_squares: Portmanteau
    arch_lm: Portmanteau

    def to_dict(self) -> dict[str, object]:
        """Return the record as JSON can hold it; a half-life without end becomes `None`."""
        plain = asdict(self)
        plain["convergence"] = str(self.convergence)
        plain["half_life"] = None if self.half_life == inf else self.half_life
        return plain


def diagnose(z: FloatArray, *, persistence: float, convergence: Convergence, lags: int = 10) -> Diagnostics:
    """Return what standardised residuals, shape (n,), say about the fit they come from.

    Ljung & Box (1978) of z and z**2, and Engle's (1982) test of z for ARCH, each over `lags` bars; the half-life is
    log(1/2) / log(persistence). Raises `DataError` for values that are not finite, `InsufficientData` for fewer than 4
    per lag and `ConstantSeries` where z or z**2 never changes.

    >>> rng = np.random.default_rng(1)
    >>> found = diagnose(rng.standard_normal(1000), persistence=0.99, convergence=Convergence.CONVERGED)
    >>> round(found.half_life, 1), found.arch_lm.p_value > 0.01
    (69.0, True)
    """
    from scipy.stats import kurtosis, skew
    from statsmodels.stats.diagnostic import het_arch

    _check(z, lags)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the tuple returned is to become a named one of the same order
        statistic, p_value, *_ = het_arch(z, nlags=lags)
    return Diagnostics(
        n_obs=len(z),
        convergence=convergence,
        persistence=persistence,
        half_life=half_life(persistence),
        mean=float(np.mean(z)),
        standard_deviation=float(np.std(z)),
        skewness=float(skew(z)),
        kurtosis=float(kurtosis(z, fisher=False)),
        smallest=float(np.min(z)),
        largest=float(np.max(z)),
        ljung_box=ljung_box(z, lags),
        ljung_box_squares=ljung_box(z**2, lags),
        arch_lm=Portmanteau(statistic=float(statistic), p_value=float(p_value), lags=lags),
    )


def ljung_box(values: FloatArray, lags: int = 10) -> Portmanteau:
    """Return the test of values that move, shape (n,) with n > `lags`: n (n + 2) sum(r_k**2 / (n - k)), chi-squared.

    r_k is the autocorrelation at k of so many lags (Ljung & Box 1978). Light enough for every fit.

    >>> round(ljung_box(np.array([1.0, -1.0, 1.0, -1.0, 2.0, -2.0]), lags=1).statistic, 4)
    5.4
    """
    n, centred = len(values), values - values.mean()
    total = float(np.sum(np.square(centred)))
    found = [float(np.sum(centred[k:] * centred[:-k])) / total for k in range(1, lags + 1)]
    statistic = n * (n + 2) * sum(r**2 / (n - k) for k, r in enumerate(found, 1))
    return Portmanteau(statistic=statistic, p_value=float(chdtrc(lags, statistic)), lags=lags)


def half_life(persistence: float) -> float:
    """Return the bars after which half of a variance shock is left: infinite from persistence 1, 0 without any.

    >>> round(half_life(0.5), 6)
    1.0
    """
    if persistence <= 0:
        return 0.0
    return log(0.5) / log(persistence) if persistence < 1 else inf


def _check(z: FloatArray, lags: int) -> None:
    wrong = ~np.isfinite(z)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"standardised residual {row} is {z[row]}: expected finite values; drop the bar or refit without it")
    if lags < 1 or len(z) < FEWEST_PER_LAG * (lags + 1):
        raise InsufficientData(
            f"{len(z)} standardised residuals cannot test {lags} lags: expected at least one lag and "
            f"{FEWEST_PER_LAG * (lags + 1)} values; give a longer history or fewer lags"
        )
    for name, values in (("residuals", z), ("squared residuals", z**2)):
        if float(np.std(values)) <= 1e-12 * float(np.max(np.abs(values))):
            raise ConstantSeries(f"{len(z)} {name} are all {values[0]:.6g}: expected a series that moves; check the prices")
