"""What a volatility model is told, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from riskparams.terms import FloatArray, frozen


class Convergence(StrEnum):
    """How the search for the maximum likelihood ended."""

    CONVERGED = "converged"
    ITERATION_LIMIT = "iteration limit"
    FAILED = "failed"
    NOT_NEEDED = "nothing to estimate"


class Innovations(StrEnum):
    """The law of the standardised innovation, mean 0 and variance 1."""

    NORMAL = "normal"
    STUDENT_T = "t"
    SKEWED_T = "skew-t"  # Hansen (1994)


class Presample(StrEnum):
    """The variance that stands in for the past of the first bar."""

    BACKCAST = "backcast"  # squares of the first 75 values, weights falling by 0.94, as in arch
    MEAN_SQUARE = "mean square"  # of the whole sample, as in rugarch and Fiorentini, Calzolari & Panattoni (1996)


@dataclass(frozen=True, slots=True, kw_only=True)
class GarchSpec:
    """GJR-GARCH(1,1); zero mean unless `constant_mean`.

    `targeted` sets the intercept so that the unconditional variance is the sample's; otherwise it is free, as in
    `arch`. `asymmetric=False` drops the leverage term.
    """

    asymmetric: bool = True
    innovations: Innovations = Innovations.STUDENT_T
    targeted: bool = True
    constant_mean: bool = False
    presample: Presample = Presample.BACKCAST
    persistence_cap: float = 0.9995

    @property
    def name(self) -> str:
        """The rung as a report names it."""
        family = "GJR" if self.asymmetric else "GARCH"
        return f"{family}-{self.innovations}" + (", variance-targeted" if self.targeted else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class EwmaSpec:
    """Exponentially weighted moving average of squared returns: `sigma2 = (1 - decay) e**2 + decay sigma2`."""

    decay: float

    @property
    def name(self) -> str:
        """The rung as a report names it."""
        return f"EWMA({self.decay:g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalSpec:
    """A constant variance: the mean square of the newest `bars` returns. Nothing is estimated, nothing is forecast."""

    bars: int = 500

    @property
    def name(self) -> str:
        """The rung as a report names it."""
        return f"historical({self.bars})"


@dataclass(frozen=True, slots=True, kw_only=True)
class GarchFit:
    """Parameters in the units of the returns that were fitted; `nu` is infinite where no tail was estimated.

    `skew` is Hansen's lambda, negative when falls are larger; `mu` the constant mean. `starts_spread` is the largest
    shortfall of log likelihood among the starting points.
    """

    spec: GarchSpec | EwmaSpec | HistoricalSpec
    omega: float
    alpha: float
    gamma: float
    beta: float
    nu: float
    log_likelihood: float
    variance: float  # of the sample, about zero
    n_obs: int
    convergence: Convergence
    starts_spread: float = 0.0
    skew: float = 0.0
    mu: float = 0.0

    @property
    def persistence(self) -> float:
        """alpha + gamma / 2 + beta: the share of a variance shock that is left after one bar."""
        return self.alpha + self.gamma / 2 + self.beta

    @property
    def unconditional_variance(self) -> float:
        """Long-run variance; infinite for an integrated recursion."""
        return self.omega / (1 - self.persistence) if self.persistence < 1 else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSpec:
    """Two components of variance, a fast and a slow one, each with its own response to falls; Gaussian quasi-likelihood.

    The intercept is set so that the unconditional variance is the sample's; `response_cap` bounds what the components carry.
    """

    response_cap: float = 0.9995

    @property
    def name(self) -> str:
        """The rung as a report names it."""
        return "GJR-normal of two components, variance-targeted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentFit:
    """Two components in the units of the returns: `sigma2 = omega + fast + slow`.

    Each component is an exponentially weighted mean, with its `decay`, of `rise` times squared rises and `fall` times
    squared falls. `starts_spread` is the largest shortfall of log likelihood among the starting points.
    """

    spec: ComponentSpec
    omega: float
    fast_rise: float
    fast_fall: float
    fast_decay: float
    slow_rise: float
    slow_fall: float
    slow_decay: float
    log_likelihood: float
    variance: float  # of the sample, about zero
    n_obs: int
    convergence: Convergence
    starts_spread: float = 0.0

    @property
    def persistence(self) -> float:
        """The larger root of the recursion of the expected components: what is left of a variance shock after one bar."""
        a, b = (self.fast_rise + self.fast_fall) / 2, (self.slow_rise + self.slow_fall) / 2
        one = self.fast_decay + (1 - self.fast_decay) * a
        two = self.slow_decay + (1 - self.slow_decay) * b
        across = (1 - self.fast_decay) * (1 - self.slow_decay) * a * b
        return (one + two + sqrt((one - two) ** 2 + 4 * across)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityFit:
    """The rung that passed, the hour-of-week factor it was fitted under, and why the rungs above did not pass."""

    garch: GarchFit
    hour_factor: FloatArray
    first: int  # close of the first and last bar of the fit window
    last: int
    flags: tuple[str, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        frozen(self.hour_factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityState:
    """The filtered past of one pair under a fit, and the variance forecast for the next bar.

    `sigma2[t]` was known before bar t and is free of the hour-of-week factor; `z` and `low` are the bar's return
    and low over that sigma and factor, neither centred nor scaled.
    """

    sigma2: FloatArray
    z: FloatArray
    low: FloatArray
    next_sigma2: float

    def __post_init__(self) -> None:
        for array in (self.sigma2, self.z, self.low):
            frozen(array)
