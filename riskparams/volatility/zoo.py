"""EGARCH, TARCH, APARCH and FIGARCH: the volatility models that `arch` fits for us."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from enum import StrEnum
from math import inf, log, sqrt
from typing import Any

import numpy as np

from riskparams.errors import ConfigError, ConstantSeries
from riskparams.terms import FloatArray
from riskparams.volatility.garch import backcast, mean_square
from riskparams.volatility.innovations import InnovationLaw
from riskparams.volatility.model import Convergence, Innovations, Presample

OUR_NAMES = {"eta": "nu", "lambda": "skew"}  # of the skew-t in arch
WIDEST = 1e12  # times the presample variance: where arch bends a recursion that explodes


class ZooVolatility(StrEnum):
    """The recursion of the variance, as `arch` writes it; z = e / sigma and falls are e < 0."""

    EGARCH = "EGARCH"  # log sigma**2 = omega + alpha (|z| - sqrt(2 / pi)) + gamma z + beta log sigma**2 (Nelson 1991)
    TARCH = "TARCH"  # sigma = omega + (alpha + gamma [e < 0]) |e| + beta sigma (Zakoian 1994)
    APARCH = "APARCH"  # sigma**delta = omega + alpha (|e| - gamma e)**delta + beta sigma**delta (Ding, Granger & Engle 1993)
    FIGARCH = "FIGARCH"  # long memory of order d (Baillie, Bollerslev & Mikkelsen 1996), cut off after 1,000 bars


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooSpec:
    """A volatility of `arch` with `p` reactions to size, `o` to sign and `q` own lags; zero mean unless `constant_mean`.

    FIGARCH knows no sign: it needs `o=0`, and p and q of 0 or 1. Raises `ConfigError` for orders a model cannot have.
    """

    volatility: ZooVolatility
    p: int = 1
    o: int = 1
    q: int = 1
    innovations: Innovations = Innovations.STUDENT_T
    constant_mean: bool = False
    presample: Presample = Presample.BACKCAST

    def __post_init__(self) -> None:
        fractional = self.volatility is ZooVolatility.FIGARCH
        fits = self.o == 0 and self.p in (0, 1) and self.q in (0, 1) if fractional else self.p >= 1 and 0 <= self.o <= self.p
        if not fits or self.q < 0:
            expected = "o = 0, p and q of 0 or 1" if fractional else "p of at least 1, o between 0 and p, q of 0 or more"
            raise ConfigError(f"{self.volatility}({self.p}, {self.o}, {self.q}) is not a model: expected {expected}")

    @property
    def name(self) -> str:
        """The model as a report names it."""
        orders = "" if self.o == 1 == self.p == self.q else f"({self.p},{self.o},{self.q})"
        return f"{self.volatility}{orders}-{self.innovations}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooFit:
    """Parameters under `arch`'s names (nu and skew for the law) and in the units of the returns that were fitted.

    Standard errors are those of the inverse Hessian, infinite where the likelihood is flat or bends the wrong way.
    """

    spec: ZooSpec
    names: tuple[str, ...]
    values: tuple[float, ...]
    standard_errors: tuple[float, ...]
    log_likelihood: float
    n_obs: int
    convergence: Convergence

    @property
    def parameters(self) -> dict[str, float]:
        """The values by name."""
        return dict(zip(self.names, self.values, strict=True))

    @property
    def mu(self) -> float:
        """The constant mean, 0 if there is none."""
        return self.parameters.get("mu", 0.0)

    @property
    def law(self) -> InnovationLaw:
        """The law of the standardised innovation."""
        return InnovationLaw(nu=self.parameters.get("nu", inf), skew=self.parameters.get("skew", 0.0))

    @property
    def persistence(self) -> float:
        """Share of a shock to the recursion's own quantity (log variance, sigma, sigma**delta) left after one bar.

        EGARCH: the sum of beta. TARCH and APARCH: that and the expected reaction to an innovation, infinite where it
        does not exist (delta >= nu). FIGARCH: 1, for its weights sum to one.
        """
        if self.spec.volatility is ZooVolatility.FIGARCH:
            return 1.0
        values = self.parameters
        own = sum(value for name, value in values.items() if name.startswith("beta"))
        if self.spec.volatility is ZooVolatility.EGARCH:
            return own
        delta = values.get("delta", 1.0)
        if delta >= self.law.nu:
            return inf
        return own + self._expected_reaction(delta)

    def _expected_reaction(self, delta: float) -> float:
        """Return the mean, over the law of z, of what multiplies sigma**delta beside beta."""
        from scipy.integrate import quad

        values, law = self.parameters, self.law

        def integrand(z: float) -> float:
            reaction = 0.0
            for lag in range(1, self.spec.p + 1):
                alpha, gamma = values[f"alpha[{lag}]"], values.get(f"gamma[{lag}]", 0.0)
                if self.spec.volatility is ZooVolatility.TARCH:
                    reaction += (alpha + gamma * (z < 0)) * abs(z)
                else:
                    reaction += alpha * (abs(z) - gamma * z) ** delta
            return reaction * float(np.exp(law.log_density(z)))

        return float(quad(integrand, -inf, 0)[0] + quad(integrand, 0, inf)[0])


def fit_zoo(e: FloatArray, spec: ZooSpec) -> ZooFit:
    """Return the maximum-likelihood fit of returns, shape (n,), any scale, by `arch` from its grid of starting values.

    The fit is made at unit variance and brought back to the units of `e`; its presample variance is about the sample's
    mean, which is not yet `mu`. A search that did not converge is a value, not an error. Raises `ConstantSeries` where
    the values that start the recursion are all zero.
    """
    scale = sqrt(mean_square(e))
    unit = e / scale
    centred = unit - np.mean(unit) if spec.constant_mean else unit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a search that stopped early: the fit says so
        found = _model(spec, unit).fit(disp="off", show_warning=False, cov_type="classic", backcast=_level(centred, spec))
        covariance = _covariance(found)
    names = tuple(OUR_NAMES.get(name, name) for name in found.params.index)
    values = found.params.to_numpy(float)
    convergence = {0: Convergence.CONVERGED, 9: Convergence.ITERATION_LIMIT}.get(found.convergence_flag, Convergence.FAILED)
    if not (np.isfinite(found.loglikelihood) and np.isfinite(values).all()):
        convergence = Convergence.FAILED
    slopes = np.empty((len(values), len(values)))
    for i, step in enumerate(1e-6 * np.eye(len(values))):
        slopes[:, i] = (_in_units(values + step, names, spec, scale) - _in_units(values - step, names, spec, scale)) / 2e-6
    with np.errstate(invalid="ignore"):
        spread = np.diag(slopes @ covariance @ slopes.T)
    errors = [sqrt(square) if 0 <= square < inf else inf for square in spread]
    return ZooFit(
        spec=spec,
        names=names,
        values=tuple(_in_units(values, names, spec, scale).tolist()),
        standard_errors=tuple(errors),
        log_likelihood=float(found.loglikelihood) - len(e) * log(scale),
        n_obs=len(e),
        convergence=convergence,
    )


def zoo_variance(e: FloatArray, fit: ZooFit) -> FloatArray:
    """Return n + 1 conditional variances of any returns under a fit; entry t was known before `e[t]`, the last is the forecast.

    As for our own GARCH, the presample variance is that of `e`, about `mu`. Raises `ConstantSeries` where it is zero.
    """
    centred = e - fit.mu
    level = _level(centred, fit.spec)
    volatility = _model(fit.spec, None).volatility
    first = 1 if fit.spec.constant_mean else 0
    parameters = np.array(fit.values[first : first + volatility.num_params])
    limits = (level * np.array([1 / WIDEST, WIDEST])) ** (getattr(volatility, "power", 2.0) / 2)
    n = len(e) + 1  # one bar more, whose return no entry reads
    variance: FloatArray = volatility.compute_variance(
        parameters, np.append(centred, 0.0), np.empty(n), volatility.backcast_transform(level), np.tile(limits, (n, 1))
    )
    return variance


def _model(spec: ZooSpec, e: FloatArray | None) -> Any:
    """Return the model of `arch`, of data or of none."""
    from arch.univariate import APARCH, EGARCH, FIGARCH, GARCH, ConstantMean, Normal, SkewStudent, StudentsT, ZeroMean

    volatility: Any
    match spec.volatility:
        case ZooVolatility.EGARCH:
            volatility = EGARCH(spec.p, spec.o, spec.q)
        case ZooVolatility.TARCH:
            volatility = GARCH(spec.p, spec.o, spec.q, power=1.0)
        case ZooVolatility.APARCH:
            volatility = APARCH(spec.p, spec.o, spec.q)
        case ZooVolatility.FIGARCH:
            volatility = FIGARCH(spec.p, spec.q)
    law: Any = {Innovations.NORMAL: Normal, Innovations.STUDENT_T: StudentsT, Innovations.SKEWED_T: SkewStudent}[
        spec.innovations
    ]
    mean = ConstantMean if spec.constant_mean else ZeroMean
    return mean(e, volatility=volatility, distribution=law(), rescale=False)


def _level(centred: FloatArray, spec: ZooSpec) -> float:
    """Return the presample variance."""
    level = mean_square(centred) if spec.presample is Presample.MEAN_SQUARE else backcast(centred)
    if not level > 0:
        raise ConstantSeries(
            f"the {min(75, len(centred))} returns that start {spec.name} are all zero: expected some that move; start later"
        )
    return level


def _covariance(found: Any) -> FloatArray:
    """Return the inverse of the Hessian, infinite where there is none."""
    try:
        return np.asarray(found.param_cov, float)
    except np.linalg.LinAlgError:
        return np.full((len(found.params), len(found.params)), inf)


def _in_units(values: FloatArray, names: tuple[str, ...], spec: ZooSpec, scale: float) -> FloatArray:
    """Return parameters fitted to `e / scale` as those of `e`: only the mean and the intercept have units."""
    named = dict(zip(names, values.tolist(), strict=True))
    if spec.constant_mean:
        named["mu"] *= scale
    match spec.volatility:
        case ZooVolatility.EGARCH:
            kept = sum(value for name, value in named.items() if name.startswith("beta"))
            named["omega"] += (1 - kept) * log(scale**2)
        case ZooVolatility.TARCH:
            named["omega"] *= scale
        case ZooVolatility.APARCH:
            named["omega"] *= scale ** named["delta"]
        case ZooVolatility.FIGARCH:
            named["omega"] *= scale**2
    return np.array(list(named.values()))
