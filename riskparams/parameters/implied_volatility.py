"""What options say about volatility: a dated reading that may raise the model's sigma and never lower it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import exp, inf, log, sqrt
from typing import NamedTuple

from riskparams.errors import ConfigError, DataError
from riskparams.terms import NANOSECONDS, iso

DAYS_A_YEAR = 365.0  # markets that never close


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpliedVolatility:
    """An annualised volatility implied by options (0.65 is 65 %), the time it was read and the days its options run.

    `dated` is in nanoseconds, UTC. The year has 365 days. Raises `ConfigError` for what no reading can be.
    """

    value: float
    dated: int
    tenor_days: float
    source: str

    def __post_init__(self) -> None:
        if not 0 < self.value < 10:
            raise ConfigError(
                f"implied_volatility.value is {self.value}: expected a yearly fraction above 0 and below 10; write 65 % as 0.65"
            )
        if not 0 < self.tenor_days < inf:
            raise ConfigError(f"implied_volatility.tenor_days is {self.tenor_days}: expected days, above 0")
        if not self.source.strip():
            raise ConfigError("implied_volatility.source is empty: say where the volatility was read")


class VolatilityFactor(NamedTuple):
    """What the model's sigma is multiplied by, at least 1, and why."""

    factor: float
    reason: str


def average_sigma(today: float, long_run: float, *, half_life_days: float, tenor_days: float) -> float:
    """Return the model's root mean variance over a tenor, in the units of the two sigmas: what an implied one is set beside.

    An implied volatility is an average over its tenor, a fitted one is of today or of always. Between the two the variance
    expected for a day decays exponentially, as in any GARCH(1,1) (half-life `log(1/2) / log(persistence)` bars), so the
    mean over T is `v + (s^2 - v) (1 - exp(-k T)) / (k T)` with `k = log(2) / half-life`. An infinite half-life gives today's.

    >>> round(average_sigma(0.9, 0.6, half_life_days=10, tenor_days=30), 4)
    0.7412
    """
    if not (0 < today < inf and 0 < long_run < inf):
        raise ConfigError(f"sigma is {today} today and {long_run} in the long run: expected positive numbers")
    if not (half_life_days > 0 and 0 < tenor_days < inf):
        raise ConfigError(f"a half-life of {half_life_days} days and a tenor of {tenor_days}: expected both above 0")
    decay = log(2) * tenor_days / half_life_days
    left = (1 - exp(-decay)) / decay if decay > 1e-9 else 1.0
    return sqrt(long_run**2 + (today**2 - long_run**2) * left)


def volatility_factor(
    implied: ImpliedVolatility, model_annual_sigma: float, *, as_of: int, max_age: timedelta
) -> VolatilityFactor:
    """Return `max(1, implied / model)` with its reason; `model_annual_sigma` is the model's over the same tenor.

    `average_sigma` gives that one. The factor is found over the tenor and is then used for the hours of a liquidation too: it
    assumes that the options' excess is spread evenly over their tenor. A long tenor thins out an event that is near, so the
    factor can miss one; it cannot lower anything. Implied volatility also holds a premium that sellers of options ask for,
    which is not taken out. Raises `DataError` for a reading dated after `as_of` (it was not known then) and for one older than
    `max_age` (nanoseconds are compared, both in UTC).

    >>> day = 86_400 * 10**9
    >>> reading = ImpliedVolatility(value=0.9, dated=day, tenor_days=30, source="an options exchange")
    >>> volatility_factor(reading, 0.6, as_of=2 * day, max_age=timedelta(days=3)).factor
    1.5
    """
    if not 0 < model_annual_sigma < inf:
        raise ConfigError(f"the model's annual sigma is {model_annual_sigma}: expected a positive fraction")
    where = f"implied volatility of {implied.source}, dated {iso(implied.dated)}"
    if implied.dated > as_of:
        raise DataError(
            f"{where}, is later than {iso(as_of)}, the date asked for: it was not known then; give an earlier reading"
        )
    age = (as_of - implied.dated) / NANOSECONDS
    if age > max_age.total_seconds():
        raise DataError(
            f"{where}, is {age / 86_400:.1f} days older than {iso(as_of)}, and {max_age / timedelta(days=1):.1f} are allowed: "
            "read it again or leave it out"
        )
    found = (
        f"options ({implied.source}, {iso(implied.dated)}) imply {implied.value:.1%} a year over {implied.tenor_days:g} days"
    )
    if implied.value <= model_annual_sigma:
        return VolatilityFactor(1.0, f"{found}, not above the model's {model_annual_sigma:.1%}: nothing is lowered")
    factor = implied.value / model_annual_sigma
    return VolatilityFactor(factor, f"{found}, above the model's {model_annual_sigma:.1%}: sigma is raised {factor:.2f} times")
