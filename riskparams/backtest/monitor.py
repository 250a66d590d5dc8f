"""The watch kept on live forecasts: evidence against them that may be read after every bar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.backtest.forecasts import miss_probability, shortfall_series
from riskparams.errors import ConfigError
from riskparams.terms import FloatArray, frozen

ALARM = 20.0
LARGEST_E = 1e6  # a smaller e-value than earned is still one
LARGEST_WEALTH = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Wealth of a bet against the forecasts after each bar, starting from 1; read-only, shape (n,).

    Under right forecasts it reaches `ALARM` with probability at most 1 / 20, however often it is looked at. `alarm` is
    the first row at or above it, None if there was none.
    """

    wealth: FloatArray
    alarm: int | None

    def __post_init__(self) -> None:
        frozen(self.wealth)


def watch_forecasts(
    losses: FloatArray, value_at_risk: FloatArray, expected_shortfall: FloatArray, level: float, *, stake: float | None = None
) -> Watch:
    """Return the wealth that staking a share each bar on losses beyond the value at risk would have made.

    e = (L - z)+ / (p (r - z)) for value at risk z, shortfall r and p = 1 - level has mean at most 1 when both are right
    (Wang, Wang & Ziegel 2022); wealth is the product of 1 - s + s e for the stake s. It tests the pair jointly, not each. The
    stake is p / 6 unless told, which grows fastest (Kelly 1956) where misses come half as often again as they should and
    their excess is exponential: e then has mean 1.5 and mean square 3 / p. A tenth would lose all but a few thousandths in
    a hundred calm bars, and catch nothing that breaks later. A loss beyond a value at risk that equals its shortfall, which
    the forecast calls impossible, counts as the largest e, a million.

    >>> watch_forecasts(np.array([0.0, 4.0]), np.full(2, 2.0), np.full(2, 2.5), 0.99, stake=0.1).wealth.round(6).tolist()
    [0.9, 36.81]
    """
    p = miss_probability(level)
    share = p / 6 if stake is None else stake
    if not 0 < share < 1:
        raise ConfigError(f"stake {share} of the watch: expected a share between 0 and 1")
    losses, value_at_risk, expected_shortfall = shortfall_series(losses, value_at_risk, expected_shortfall)
    beyond = np.maximum(losses - value_at_risk, 0.0)
    room = p * np.maximum(expected_shortfall - value_at_risk, 0.0)
    e = np.divide(beyond, room, out=np.where(beyond > 0, LARGEST_E, 0.0), where=room * LARGEST_E > beyond)
    wealth = np.exp(np.minimum(np.cumsum(np.log(1 - share + share * e)), np.log(LARGEST_WEALTH)))
    reached = np.flatnonzero(wealth >= ALARM)
    return Watch(wealth=wealth, alarm=int(reached[0]) if len(reached) else None)
