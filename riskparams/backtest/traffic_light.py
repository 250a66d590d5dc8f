"""The supervisor's traffic light: what a count of exceptions says of a model, and what it adds to its multiplier."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import exp

from scipy.special import bdtr, bdtrc, gammaln, ndtri, xlog1py, xlogy

from riskparams.backtest.forecasts import miss_probability
from riskparams.errors import DataError

BASELINE = 3.0
YELLOW_FROM, RED_FROM = 0.95, 0.9999
PLUS_FACTORS = {5: 0.4, 6: 0.5, 7: 0.65, 8: 0.75, 9: 0.85}  # 250 observations at 99 %


class Zone(StrEnum):
    """What the Basle Committee (1996) calls a model with so many exceptions."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficLight:
    """The chance of exactly, at most (`cumulative`) and at least (`type_one`) so many exceptions under a right model.

    `increase` is the rise of the multiplier for any sample, that which would restore the level under a normal law;
    `plus_factor` is the Committee's rounded figure at 250 observations and 99 %, and `increase` elsewhere.
    """

    zone: Zone
    probability: float
    cumulative: float
    type_one: float
    increase: float
    plus_factor: float

    @property
    def multiplier(self) -> float:
        """What the value at risk is multiplied by."""
        return BASELINE + self.plus_factor


def traffic_light(failures: int, sample: int, level: float) -> TrafficLight:
    """Return the zone of so many failures (Basle Committee 1996): yellow from 95 % cumulative chance, red from 99.99 %.

    The increase is `3 (z_level / z_observed - 1)` within [0, 1], 0 in green and 1 in red.

    >>> light = traffic_light(7, 250, 0.99)
    >>> str(light.zone), light.multiplier, round(light.increase, 3)
    ('yellow', 3.65, 0.652)
    """
    if not 0 <= failures <= sample or sample < 1:
        raise DataError(f"{failures} failures in {sample} bars: expected a sample, and from 0 to all of it")
    p = miss_probability(level)
    cumulative = float(bdtr(failures, sample, p))
    zone = Zone.GREEN if cumulative < YELLOW_FROM else Zone.YELLOW if cumulative < RED_FROM else Zone.RED
    ways = gammaln(sample + 1) - gammaln(failures + 1) - gammaln(sample - failures + 1)
    increase = _increase(zone, failures / sample, level)
    published = (sample, round(level, 12)) == (250, 0.99)
    return TrafficLight(
        zone=zone,
        probability=exp(float(ways + xlogy(failures, p) + xlog1py(sample - failures, -p))),
        cumulative=cumulative,
        type_one=float(bdtrc(failures - 1, sample, p)) if failures else 1.0,
        increase=increase,
        plus_factor=PLUS_FACTORS.get(failures, increase) if published else increase,
    )


def _increase(zone: Zone, rate: float, level: float) -> float:
    if zone is Zone.GREEN:
        return 0.0
    if zone is Zone.RED or rate >= 0.5:
        return 1.0
    return min(1.0, max(0.0, BASELINE * float(ndtri(level) / ndtri(1 - rate) - 1)))
