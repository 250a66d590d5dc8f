"""Three appetites from one: conservative, moderate and aggressive, in that order by construction."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

from riskparams.parameters.appetite import RiskAppetite

WEEK, DAY = timedelta(days=7), timedelta(hours=24)


class Profile(StrEnum):
    """Names of the appetites, from the smallest risk to the largest."""

    CONSERVATIVE = "conservative"
    MODERATE = "moderate"
    AGGRESSIVE = "aggressive"


def profiles(declared: RiskAppetite) -> dict[Profile, RiskAppetite]:
    """Return the declared appetite as the moderate one, and one on each side of it.

    Conservative: half the misses of the haircut, a loan at max LTV touched with at most 5 % within a week, half the annual
    loss and half the liquidations. Aggressive: twice the misses, touched with 20 % within a day, twice the loss and the
    liquidations. Where the declared appetite goes further already, so does the profile.

    >>> found = profiles(RiskAppetite())
    >>> [round(one.haircut_level, 4) for one in found.values()], [one.touch_probability for one in found.values()]
    ([0.9975, 0.995, 0.99], [0.05, 0.05, 0.2])
    """
    misses = 1 - declared.haircut_level
    return {
        Profile.CONSERVATIVE: replace(
            declared,
            haircut_level=1 - misses / 2,
            touch_probability=min(declared.touch_probability, 0.05),
            touch_horizon=max(declared.touch_horizon, WEEK),
            annual_loss=declared.annual_loss / 2,
            liquidation_rate=declared.liquidation_rate / 2,
        ),
        Profile.MODERATE: declared,
        Profile.AGGRESSIVE: replace(
            declared,
            haircut_level=1 - min(2 * misses, 0.5),
            touch_probability=max(declared.touch_probability, 0.20),
            touch_horizon=min(declared.touch_horizon, DAY),
            annual_loss=2 * declared.annual_loss,
            liquidation_rate=2 * declared.liquidation_rate,
        ),
    }
