"""What a reader should be warned of before trusting a fit: flags of the prices it saw and of the residuals it left."""

from __future__ import annotations

import numpy as np

from riskparams.prices.panel import LONGEST_RECESS, Candles
from riskparams.returns import MIN_RETURNS, Returns
from riskparams.terms import DAY, FloatArray
from riskparams.volatility.diagnostics import ljung_box
from riskparams.volatility.model import VolatilityFit, VolatilityState

PEGGED_BAND = 0.05
PEGGED_SHARE = 1 / 3
REJECTED = 1e-4  # thousands of bars find the slightest autocorrelation: flag what no chance explains


def fit_flags(
    candles: Candles, returns: Returns, fit: VolatilityFit, state: VolatilityState, *, window_days: float, history_days: float
) -> tuple[str, ...]:
    """Return the flags of a fit to the newest stretch of a pair's returns; `state` is its filter over all of them.

    `short_history`: the stretch is shorter than the window asked for. `history_split_by_gap`: the history used has a break.
    `pegged_series`: see `looks_pegged`. `volatility_still_clustered`, `returns_autocorrelated`: Ljung and Box (1978) reject
    the squares, or the values, of the standardised residuals at 1e-4 over 10 lags.
    """
    last = int(returns.time[-1])
    flags = []
    if fit.first - (last - round(window_days * DAY)) > LONGEST_RECESS:
        flags.append("short_history")
    used = returns.since(last - round(history_days * DAY))
    if used.segment[0] != used.segment[-1]:
        flags.append("history_split_by_gap")
    since = last - round(window_days * DAY)
    if looks_pegged(candles.close[candles.time > since], returns.since(since).value):
        flags.append("pegged_series")
    z = state.z[returns.time >= fit.first]
    if _correlated(z**2):
        flags.append("volatility_still_clustered")
    if _correlated(z):
        flags.append("returns_autocorrelated")
    return tuple(flags)


def looks_pegged(close: FloatArray, returns: FloatArray) -> bool:
    """Return whether prices kept within 5 % on 90 % of bars, and within a third of where free returns would have led.

    The band is that of the log price, with or without its drift, whichever is narrower; returns (log) of the same bars
    that were independent would spread it over their root mean square times sqrt(n).

    >>> rng = np.random.default_rng(1)
    >>> noise = 0.001 * rng.standard_normal(1001)
    >>> looks_pegged(np.exp(noise), np.diff(noise)), looks_pegged(np.exp(np.cumsum(noise)), noise[1:])
    (True, False)
    """
    log_price = np.log(close)
    drift = np.linspace(0.0, 1.0, len(close)) * (log_price[-1] - log_price[0])
    band = min(float(np.subtract(*np.quantile(price, [0.95, 0.05]))) for price in (log_price, log_price - drift))
    free = float(np.sqrt(np.sum(np.square(returns))))
    return band < PEGGED_BAND and band < PEGGED_SHARE * free


def _correlated(values: FloatArray) -> bool:
    return len(values) >= MIN_RETURNS and bool(np.ptp(values) > 0) and ljung_box(values).p_value < REJECTED
