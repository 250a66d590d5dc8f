"""How large an insurance fund should be: three reasons, the largest binds, and the chance that it runs dry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from riskparams.errors import DataError, InsufficientData
from riskparams.terms import FloatArray

LEVEL = 0.99
COVER = 2  # of the largest borrowers
FLOOR = 0.0025  # of the debt
RUIN = 0.01  # a year
FEWEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FundSize:
    """A fund (in the units of the losses), the reason that binds and what each asks; `coverage` is per unit of debt.

    `ruin` is the share of simulated years that it does not survive, with an exact 90 % interval of the binomial.
    `smallest_sound` is the smallest fund that at most 1 % of them would ruin.
    """

    value: float
    binding: str
    by_reason: Mapping[str, float]
    coverage: float
    ruin: float
    ruin_low: float
    ruin_high: float
    smallest_sound: float


def fund_size(annual_losses: FloatArray, stressed_losses: Sequence[float] | FloatArray, debt: float) -> FundSize:
    """Return the fund: the largest of the mean of the worst 1 % of years, the two largest borrowers' stressed losses, 25 bp of
    debt.

    `annual_losses` (years,) are net of what the fund takes in, and may be negative. Raises `InsufficientData` for fewer than
    100 years and `DataError` for what is not finite.

    >>> found = fund_size(np.arange(1000.0), [300.0, 1800.0, 900.0], 1e6)
    >>> found.binding, found.value, round(found.ruin, 3)
    ('two largest borrowers', 2700.0, 0.0)
    """
    if len(annual_losses) < FEWEST:
        raise InsufficientData(
            f"{len(annual_losses)} simulated years: expected at least {FEWEST}, the worst 1 % of which is one"
        )
    if not (np.isfinite(annual_losses).all() and np.isfinite(stressed_losses).all() and np.isfinite(debt) and debt >= 0):
        raise DataError(
            "a loss or the debt is not a finite amount: a run that failed has no known loss; leave none out, rerun it"
        )
    reasons = {
        "expected shortfall of a year, 99 %": max(_tail_mean(annual_losses), 0.0),
        "two largest borrowers": float(np.sort(np.maximum(stressed_losses, 0.0))[-COVER:].sum())
        if len(stressed_losses)
        else 0.0,
        "25 bp of debt": FLOOR * debt,
    }
    binding = max(reasons, key=lambda name: reasons[name])
    value = reasons[binding]
    ruin, low, high = ruin_probability(annual_losses, value)
    return FundSize(
        value=value,
        binding=binding,
        by_reason=reasons,
        coverage=value / debt if debt else 0.0,
        ruin=ruin,
        ruin_low=low,
        ruin_high=high,
        smallest_sound=smallest_fund(annual_losses),
    )


def ruin_probability(annual_losses: FloatArray, fund: float, *, confidence: float = 0.90) -> tuple[float, float, float]:
    """Return the share of years that lose more than the fund, and its exact binomial interval (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    count, ruined = len(annual_losses), int(np.sum(annual_losses > fund))
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, ruined, count - ruined + 1)) if ruined else 0.0
    high = float(beta.ppf(1 - tail, ruined + 1, count - ruined)) if ruined < count else 1.0
    return ruined / count, low, high


def smallest_fund(annual_losses: FloatArray, ruin: float = RUIN) -> float:
    """Return the smallest fund that at most a share `ruin` of the years would exceed; never negative.

    >>> smallest_fund(np.arange(1000.0))
    989.0
    """
    ordered = np.sort(annual_losses)
    allowed = int(np.floor(ruin * len(ordered) + 1e-9))
    return float(max(ordered[len(ordered) - 1 - allowed], 0.0))


def _tail_mean(losses: FloatArray) -> float:
    """Return the mean of the worst 1 %, the loss at the edge counting in part (Acerbi & Tasche 2002)."""
    share = round(len(losses) * (1 - LEVEL), 9)
    ordered = np.sort(losses)[::-1]
    weights = np.clip(share - np.arange(int(np.ceil(share))), 0, 1) / share
    return float(ordered[: len(weights)] @ weights)
