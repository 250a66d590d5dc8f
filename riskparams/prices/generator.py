"""The law behind the simulated market: volatility that clusters, fat tails, an hour-of-week pattern and crash hours.

For each bar, with z of unit variance and e<0 counting as bad news:

    sigma2_t = v (1 - pi) + (alpha + gamma 1[e<0]) e²_{t-1} + beta sigma2_{t-1}      pi = alpha + gamma/2 + beta
    e_t = sigma_t z_t                  r_t = f_slot(t) e_t
    z = sqrt(w) g - crash              w = (nu - 2) / chi2_nu, one for all assets; g normal, correlated through one factor
    low  = (r - sqrt(r² - 2 s2 ln U)) / 2       s2 = w f² sigma2
    high = (r + sqrt(r² - 2 s2 ln U')) / 2      the extremes of a Brownian bridge from 0 to r

This is the truth that estimates are held against, so it has no part that cannot be written down here. Crashes come
on top of z: with them, its variance exceeds 1, and that of the returns exceeds v.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from riskparams.errors import ConfigError
from riskparams.terms import Asset, FloatArray, IntArray

HOUR = 3_600 * 1_000_000_000
HOURS_PER_YEAR = 8_766
WEEK = 168


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSpec:
    """One volatile asset; volatility is annual, without crashes; turnover is what a calm day trades, in the numeraire."""

    asset: Asset
    annual_volatility: float
    alpha: float
    gamma: float
    beta: float
    loading: float  # correlation of g with the common factor
    crash_sensitivity: float  # times the size of a crash, in units of sigma
    first_price: float
    daily_turnover: float
    listed_months: float = math.inf  # of history before the end

    def __post_init__(self) -> None:
        if not (
            self.annual_volatility > 0 and 0 < self.persistence < 1 and min(self.alpha, self.beta, self.alpha + self.gamma) >= 0
        ):
            raise ConfigError(
                f"{self.asset}: persistence {self.persistence:.4f}: expected alpha, beta >= 0 that make it below 1"
            )
        if not (-1 <= self.loading <= 1 and self.crash_sensitivity >= 0 and self.first_price > 0 and self.daily_turnover > 0):
            raise ConfigError(f"{self.asset}: expected a loading in [-1, 1], no negative crash, a positive price and turnover")

    @property
    def persistence(self) -> float:
        """alpha + gamma / 2 + beta."""
        return self.alpha + self.gamma / 2 + self.beta

    @property
    def variance(self) -> float:
        """Long-run variance of an hour, v."""
        return self.annual_volatility**2 / HOURS_PER_YEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class PegSpec:
    """One stablecoin: small noise around 1 and one depeg, which falls and recovers in straight lines of the log price."""

    asset: Asset
    noise: float
    reversion: float  # share of the noise that is gone after an hour
    depeg_bars_before_end: int
    depeg_depth: float  # a drop
    fall_bars: int
    recovery_bars: int
    daily_turnover: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashLaw:
    """Hours in which every volatile asset falls at once: Poisson, of size `smallest` + Exp(`mean_extra`), cut at `largest`."""

    per_year: float
    smallest: float
    mean_extra: float
    largest: float

    @property
    def per_bar(self) -> float:
        """Chance of a crash in one hour."""
        return -math.expm1(-self.per_year / HOURS_PER_YEAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSpec:
    """Everything that determines the simulated market; `crashes=None` switches crash hours off."""

    seed: int
    end: int  # close of the last bar
    bars: int
    degrees_of_freedom: float
    crashes: CrashLaw | None
    assets: tuple[AssetSpec, ...]
    pegged: tuple[PegSpec, ...] = ()

    def __post_init__(self) -> None:
        if not self.degrees_of_freedom > 2:
            raise ConfigError(f"degrees_of_freedom is {self.degrees_of_freedom}: expected more than 2, for a finite variance")

    def __getitem__(self, asset: str) -> AssetSpec:
        for spec in self.assets:
            if spec.asset == asset:
                return spec
        known = ", ".join(spec.asset for spec in self.assets)
        raise ConfigError(f"{asset} is not a volatile asset of the simulated market, which has {known}")


def hour_of_week(time: IntArray) -> IntArray:
    """Return the slot of bars by their close, in UTC: 0 closes as Thursday begins, like the first hour of 1970.

    >>> int(hour_of_week(np.array([1717200000000000000]))[0])  # a Saturday begins
    48
    """
    return time // HOUR % WEEK


def hour_factor() -> FloatArray:
    """Return f for each hour of the week: busy afternoons and mid-weeks, mean square 1, from about 0.7 to 1.4."""
    slot = np.arange(WEEK)
    log = 0.2 * np.cos(2 * np.pi * (slot - 15) / 24) + 0.13 * np.cos(2 * np.pi * (slot + 12) / WEEK)
    factor = np.exp(log)
    result: FloatArray = factor / np.sqrt(np.mean(factor**2))
    return result


def bridge_low(r: FloatArray, variance: FloatArray, uniform: FloatArray) -> FloatArray:
    """Return the lowest point of Brownian bridges from 0 to `r`: exact, one uniform in (0, 1] each."""
    result: FloatArray = (r - np.sqrt(r**2 - 2 * variance * np.log(uniform))) / 2
    return result


@njit(cache=True)
def shocks(z, variance, alpha, gamma, beta):  # type: ignore[no-untyped-def]
    """Return e and sigma2; sigma2 starts at `variance` and is one longer, its last value being that of the bar to come."""
    sigma2 = np.empty(len(z) + 1)
    e = np.empty(len(z))
    sigma2[0] = variance
    constant = variance * (1 - alpha - gamma / 2 - beta)
    for t in range(len(z)):
        e[t] = math.sqrt(sigma2[t]) * z[t]
        sigma2[t + 1] = constant + (alpha + gamma * (e[t] < 0)) * e[t] ** 2 + beta * sigma2[t]
    return e, sigma2


@njit(cache=True)
def autoregression(noise, keep):  # type: ignore[no-untyped-def]
    """Return x with x_t = keep x_{t-1} + noise_t, from 0."""
    x = np.empty(len(noise))
    last = 0.0
    for t in range(len(noise)):
        last = keep * last + noise[t]
        x[t] = last
    return x


@njit(cache=True)
def _mix(x):  # type: ignore[no-untyped-def]
    """Scramble 64 bits (the finaliser of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True)
def _uniform(key, draw):  # type: ignore[no-untyped-def]
    """Return draw number `draw` of stream `key`, inside (0, 1)."""
    bits = _mix(key + np.uint64(draw) * np.uint64(0x9E3779B97F4A7C15))
    return (np.float64(bits >> np.uint64(12)) + 0.5) * 2.0**-52


@njit(parallel=True, cache=True)
def drops_after_touch(  # type: ignore[no-untyped-def]
    sigma2, slot, factor, variance, alpha, gamma, beta, nu, crash, barriers, follow, execution, paths, seed
):
    """Return the drop below each barrier at execution, paths x barriers, NaN where the barrier was not touched.

    `crash` holds rate per bar, sensitivity, smallest, mean_extra, largest. Path i starts from `sigma2[i % len]` and
    `slot[i % len]`, which are those of its first bar, and draws from its own stream, whatever thread runs it.
    """
    out = np.full((paths, len(barriers)), np.nan)
    constant = variance * (1 - alpha - gamma / 2 - beta)
    shape = nu / 2 - 1 / 3
    spread = 1 / math.sqrt(9 * shape)
    for path in prange(paths):
        key = _mix(_mix(np.uint64(seed)) + np.uint64(path) * np.uint64(0xD1342543DE82EF95) + np.uint64(1))
        draw = 0
        due = np.full(len(barriers), -1)
        log_price, state, hour, open_barriers = 0.0, sigma2[path % len(sigma2)], slot[path % len(slot)], len(barriers)
        crash_at = follow + execution
        if crash[0] > 0:
            crash_at = int(min(math.log(_uniform(key, draw)) / math.log1p(-crash[0]), 1e9))
            draw += 1
        for t in range(follow + execution):
            while True:  # chi2 by Marsaglia and Tsang; the second normal of the pair is g
                radius = math.sqrt(-2 * math.log(_uniform(key, draw)))
                angle = 2 * math.pi * _uniform(key, draw + 1)
                normal, g = radius * math.cos(angle), radius * math.sin(angle)
                accept = _uniform(key, draw + 2)
                draw += 3
                cube = (1 + spread * normal) ** 3
                if cube > 0 and (
                    accept < 1 - 0.0331 * normal**4  # nearly always, and spares the logarithms
                    or math.log(accept) < 0.5 * normal**2 + shape * (1 - cube + math.log(cube))
                ):
                    break
            w = (nu - 2) / (2 * shape * cube)
            z = math.sqrt(w) * g
            if t == crash_at:
                z -= crash[1] * min(crash[2] - crash[3] * math.log(_uniform(key, draw)), crash[4])
                crash_at += 1 + int(min(math.log(_uniform(key, draw + 1)) / math.log1p(-crash[0]), 1e9))
                draw += 2
            e = math.sqrt(state) * z
            r = factor[hour] * e
            bridge = w * factor[hour] ** 2 * state
            low = _uniform(key, draw)
            draw += 1
            if t < follow:
                for b in range(len(barriers)):
                    if due[b] < 0:
                        distance = log_price + barriers[b]
                        odds = 2 * distance * (distance + r) / bridge  # beyond 40, less than any draw
                        if r <= -distance or (odds < 40 and low <= math.exp(-odds)):
                            due[b] = t + execution
            log_price += r
            waiting = 0
            for b in range(len(barriers)):
                if due[b] == t:
                    out[path, b] = 1 - math.exp(log_price + barriers[b])
                    open_barriers -= 1
                elif due[b] > t:
                    waiting += 1
            if open_barriers == 0 or (t >= follow - 1 and waiting == 0):
                break
            state = constant + (alpha + gamma * (e < 0)) * e**2 + beta * state
            hour = (hour + 1) % len(factor)
    return out
