"""What a list of liquidations says: how much, how bunched together, how tied to the falls of a reference price.

A market's record and a backtest's `EventLog` are read by the same function, so one can be held against the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.errors import DataError, InsufficientData
from riskparams.prices.panel import Candles
from riskparams.terms import DAY, BoolArray, FloatArray, IntArray, day, iso

HOURS = 24  # of a day, and of the look-back of a new low
HOUR = DAY // HOURS
CRASH = 0.10
LEAST_FALL = 0.02  # smaller ones are left out of the elasticity


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationFacts:
    """What the liquidations of a period have in common with the falls of a reference asset.

    Values are the debt repaid, in the units given. The period is whole UTC days, from that of the first liquidation to
    that of the last. A day's *fall* is `1 - its low / the previous day's close`; a *crash day* fell by 10 % or more.

    * `crash_days_share`, `top_five_days_share`, `top_decile_calls_share`: parts of the total value on crash days, on the
      five largest days, in the largest tenth of the calls (rounded up).
    * `elasticity`: slope of ln(daily value) on ln(fall), by ordinary least squares over the `elasticity_days` that fell
      by more than 2 % and had liquidations, with its classical standard error. Both are None with fewer than three such
      days or one fall alone. It depends on that bound, below which value hardly follows the fall: on Aave V2 in 2021
      it is 2.4 from 1 %, 2.7 from 2 %, 2.9 from 3 % or 5 %.
    * `new_low_share`: part of the value in hours whose low is below the lows of all 24 hours before;
      `new_low_hours_share`: the part of all hours that are such, which it would be if nothing tied the two.
    """

    calls: int
    total: float
    days: int
    largest_day: int  # its start, in nanoseconds UTC
    largest_day_value: float
    crash_days: int
    crash_days_share: float
    top_five_days_share: float
    top_decile_calls_share: float
    elasticity: float | None
    elasticity_standard_error: float | None
    elasticity_days: int
    new_low_share: float
    new_low_hours_share: float


def liquidation_facts(time: IntArray, value: FloatArray, candles: Candles) -> LiquidationFacts:
    """Return the facts of liquidations at `time` (nanoseconds UTC, in any order) that repaid `value` (0 or more).

    `candles` are the reference asset's hourly bars: every hour of the period and of the day before it. A liquidation
    belongs to the bar that closes at its time or next after it, as in a replay, whose liquidations execute at closes. Those
    follow their trigger by `execution_bars`, and `new_low_share` falls for it: to compare triggers, subtract that delay.

    Raises `InsufficientData` when nothing was liquidated, `DataError` for a value that is negative or not finite, and for
    bars that are not one an hour or know no lows.

    >>> time, flat = HOUR * np.arange(1, 49), np.full(48, 100.0)
    >>> low = np.where(time == 30 * HOUR, 80.0, flat)
    >>> bars = {"open": flat, "high": flat, "low": low, "close": flat, "volume": flat}
    >>> market = Candles(time=time, usable=np.ones(48, bool), segment=np.zeros(48, int), **bars)
    >>> facts = liquidation_facts(HOUR * np.array([30, 40]), np.array([9.0, 1.0]), market)
    >>> facts.crash_days, facts.crash_days_share, facts.new_low_share
    (1, 1.0, 0.9)
    """
    _check(time, value, candles)
    hour = -(-time // HOUR) * HOUR  # close of the bar
    first, last = (int(moment - 1) // DAY * DAY for moment in (hour.min(), hour.max()))
    low, close = _hourly(candles, first - DAY, last + DAY)

    days = (last - first) // DAY + 1
    daily = np.bincount((hour - 1 - first) // DAY, weights=value, minlength=days)
    fall = 1 - low.reshape(-1, HOURS).min(axis=1)[1:] / close[HOURS - 1 : -1 : HOURS]
    new_low = low[HOURS:] < np.lib.stride_tricks.sliding_window_view(low, HOURS).min(axis=1)[:-1]
    crash = fall >= CRASH - 1e-12  # a fall from 100 to 90 is one
    related = (fall > LEAST_FALL) & (daily > 0)
    elasticity, standard_error = _slope(np.log(fall[related]), np.log(daily[related]))

    total, largest_tenth = float(value.sum()), (len(value) + 9) // 10
    return LiquidationFacts(
        calls=len(value),
        total=total,
        days=days,
        largest_day=first + int(daily.argmax()) * DAY,
        largest_day_value=float(daily.max()),
        crash_days=int(crash.sum()),
        crash_days_share=float(daily[crash].sum() / total),
        top_five_days_share=float(np.sort(daily)[-5:].sum() / total),
        top_decile_calls_share=float(np.sort(value)[-largest_tenth:].sum() / total),
        elasticity=elasticity,
        elasticity_standard_error=standard_error,
        elasticity_days=int(related.sum()),
        new_low_share=float(value[new_low[(hour - first) // HOUR - 1]].sum() / total),
        new_low_hours_share=float(new_low.mean()),
    )


def _check(time: IntArray, value: FloatArray, candles: Candles) -> None:
    """Raise unless something was liquidated and the bars know their lows."""
    if time.ndim != 1 or time.shape != value.shape:
        raise DataError(f"liquidations have {time.shape} times and {value.shape} values: expected one value for each time")
    wrong: BoolArray = ~(np.isfinite(value) & (value >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"liquidation {row} at {iso(int(time[row]))}: value is {value[row]:g}: expected a finite value, 0 or more"
        )
    if not value.any():
        raise InsufficientData(f"{len(value)} liquidations repaid nothing in all: there are no facts to state; leave them out")
    if candles.close_only:
        raise DataError("the reference candles know closes only: falls and new lows need a series with lows")


def _hourly(candles: Candles, start: int, end: int) -> tuple[FloatArray, FloatArray]:
    """Return lows and closes of the hourly bars within `(start, end]`, or raise unless there is one for each hour."""
    held = slice(*np.searchsorted(candles.time, [start, end], side="right"))
    wanted = start + HOUR * np.arange(1, (end - start) // HOUR + 1)
    astray = np.setxor1d(candles.time[held], wanted)
    if len(astray):
        raise DataError(
            f"the reference candles lack hours or have bars between them: {len(astray)}, the first at {iso(int(astray[0]))}: "
            f"expected one for each hour of {day(start)}, the day before the first liquidation, through {day(end - 1)}"
        )
    low, close = candles.low[held], candles.close[held]
    if not (np.all(np.isfinite(close)) and np.all(low > 0) and np.all(low <= close)):
        raise DataError("a bar's low is not above 0 and at or below its close: check the reference candles")
    return low, close


def _slope(x: FloatArray, y: FloatArray) -> tuple[float | None, float | None]:
    """Return the least-squares slope of y on x and its classical standard error, or None where there is none."""
    if len(x) < 3 or np.ptp(x) < 1e-9:
        return None, None
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    residual = y - slope * x
    return slope, float(np.sqrt(residual @ residual / (len(x) - 2) / (x @ x)))
