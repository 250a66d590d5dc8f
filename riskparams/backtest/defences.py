"""What stands around liquidations bar by bar, as arrays for `Conditions`: halts, margin calls, the growth of debts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

import numpy as np

from riskparams.backtest.dated_values import DatedValues, rate_index
from riskparams.backtest.market import Market
from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.terms import NANOSECONDS, Asset, BoolArray, FloatArray, IntArray, frozen, iso


def _nanoseconds(name: str, duration: timedelta) -> int:
    if duration <= timedelta(0):
        raise ConfigError(f"{name} is {duration}: expected a duration above 0")
    return round(duration.total_seconds() * NANOSECONDS)


def circuit_breaker(
    market: Market,
    *,
    halt: timedelta,
    sigmas: float = 6.0,
    window: timedelta = timedelta(minutes=15),
    memory: timedelta = timedelta(days=30),
    sigma: FloatArray | None = None,
) -> BoolArray:
    """Return the bars a circuit breaker halts: any asset moved by more than so many standard deviations over the window.

    The move is that of closes, in logs, either way, over the bars of the window; a window shorter than a bar is one bar,
    since nothing shorter is seen. It is held to `sigmas x sigma x sqrt(bars of the window)`, where `sigma` is the root mean
    square of the asset's returns over the `memory` that ends before the window, or is given: per bar, shape (assets,) or
    (bars, assets), as known before each bar. The halt begins with the bar whose close shows the move, as the breaker acts
    before liquidators do, and lasts `halt`, rounded up to whole bars; a further move begins it anew. Until a memory has
    passed there is no sigma and no halt. What is due in a halted bar executes after it: the halt adds to the time to
    execution. Raises `InsufficientData` for a market that is shorter than the memory.

    >>> close = np.array([[100.0], [101.0], [90.0], [90.0], [90.0]])
    >>> market = Market(assets=(Asset("ETH"),), time=np.arange(1, 6) * 10**9, close=close, low=close, high=close, bar=10**9)
    >>> circuit_breaker(market, halt=timedelta(seconds=2), window=timedelta(seconds=1), sigma=np.array([0.01])).tolist()
    [False, False, True, True, False]
    """
    if not (np.isfinite(sigmas) and sigmas > 0):
        raise ConfigError(f"a circuit breaker of {sigmas} standard deviations: expected a number above 0, such as 6")
    bars, known = len(market), _nanoseconds("memory", memory) // market.bar
    span = max(1, round(_nanoseconds("window", window) / market.bar))
    held = ceil(_nanoseconds("halt", halt) / market.bar)
    level = np.log(market.close)
    move = np.zeros_like(level)
    move[span:] = np.abs(level[span:] - level[:-span])
    if sigma is None:
        if known < 2 or bars <= known + span:
            raise InsufficientData(
                f"the market has {bars} bars and the breaker's memory {known}: expected a memory of 2 bars or more and a "
                "longer market; shorten the memory, begin the market earlier, or give sigma"
            )
        squares = np.zeros_like(level)
        squares[1:] = np.cumsum(np.square(np.diff(level, axis=0)), axis=0)
        sigma = np.full_like(level, np.inf)
        sigma[known + span :] = np.sqrt((squares[known:-span] - squares[: -known - span]) / known)
    if sigma.shape not in (level.shape, level.shape[1:]) or np.any(np.isnan(sigma) | (sigma < 0)):
        raise ConfigError(
            f"sigma has shape {sigma.shape}: expected {level.shape[1:]} or {level.shape}, deviations of one bar, 0 or more"
        )
    tripped = (move > sigmas * np.sqrt(span) * sigma).any(axis=1)
    count = np.cumsum(tripped)
    before: IntArray = np.concatenate([np.zeros(min(held, bars), count.dtype), count[:-held]])
    return np.asarray(count > before)


def margin_calls(market: Market, every: timedelta) -> BoolArray:
    """Return the bars in which health is looked at: the first to close at or after each multiple of `every` since 1970, UTC.

    Intervals of a day begin at midnight. No longer than a bar, the interval checks every bar.

    >>> close = np.ones((5, 1))
    >>> market = Market(assets=(Asset("ETH"),), time=np.arange(3, 8) * 10**9, close=close, low=close, high=close, bar=10**9)
    >>> margin_calls(market, timedelta(seconds=3)).tolist()
    [True, False, False, True, False]
    """
    times = np.concatenate([[market.time[0] - market.bar], market.time])
    return np.asarray(np.diff(times // _nanoseconds("the interval of margin calls", every)) > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """The funding payments of a perpetual: at each `time` (nanoseconds, increasing) longs pay `rate` of what they owe.

    A positive rate is paid by longs, a negative one paid to them. The contract reckons it on the notional; here it is a share
    of the debt, which understates a payment of an account by its collateral over its debt.
    """

    time: IntArray
    rate: FloatArray

    def __post_init__(self) -> None:
        if self.time.ndim != 1 or self.time.shape != self.rate.shape or np.any(np.diff(self.time) <= 0):
            raise DataError(
                f"funding has {self.time.shape} times and {self.rate.shape} rates: expected one rate a time, in order of time"
            )
        wrong = ~(np.isfinite(self.rate) & (self.rate > -1))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"the rate of {iso(int(self.time[row]))} is {self.rate[row]}: expected a fraction above -1, as 0.0001 for 1 bp"
            )
        frozen(self.time)
        frozen(self.rate)


def debt_growth(market: Market, rates: Mapping[Asset, float | DatedValues | Funding]) -> FloatArray:
    """Return what one unit owed at the first bar has become by each bar, (bars, assets); assets without a rate stay at 1.

    A number is an annual effective rate, dated values are such rates with the times from which they held, and debts grow by
    (1 + rate)^(seconds / 31,536,000) as in Maker's accumulator; `Funding` multiplies debts by 1 + rate at each payment, and
    a negative one shrinks them. Raises `DataError` for an asset that the market does not hold, and for an annual rate that
    is negative, not finite, or not yet in force at the first bar.

    >>> year = 365 * 86_400 * 10**9
    >>> ones = np.ones((2, 1))
    >>> market = Market(assets=(Asset("USD"),), time=np.array([0, year]), close=ones, low=ones, high=ones, bar=year)
    >>> debt_growth(market, {Asset("USD"): 0.05})[:, 0].round(6).tolist()
    [1.0, 1.05]
    """
    growth = np.ones(market.close.shape)
    for asset, rate in rates.items():
        column, time = market.column(asset), market.time
        match rate:
            case Funding():
                paid = np.concatenate([[1.0], np.cumprod(1 + rate.rate)])
                index = paid[np.searchsorted(rate.time, time, side="right")]
            case DatedValues():
                index = rate_index(rate, time)
            case _:
                index = rate_index(DatedValues(name=f"rate of {asset}", time=time[:1], value=np.array([float(rate)])), time)
        growth[:, column] = index / index[0]
    return growth
