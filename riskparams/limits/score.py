"""A score from 0 to 100 and a tier, which can only lower a maximum LTV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, isfinite, log

from riskparams.errors import ConfigError


class Tier(StrEnum):
    """Tiers from the best to the worst; the worst is not collateral."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"

    @property
    def highest_ltv(self) -> float:
        """The largest maximum LTV of the tier."""
        return {"A": 0.90, "B": 0.80, "C": 0.70, "D": 0.50, "E": 0.0}[self.value]


LEAST = {Tier.A: 80.0, Tier.B: 60.0, Tier.C: 40.0, Tier.D: 20.0, Tier.E: 0.0}  # of the score
CAPPED_BY_FLAG = {
    "tail_mean_undefined": Tier.D,
    "liquidity_unknown": Tier.D,
    "proxy_model": Tier.D,
    "jump_to_default": Tier.D,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a score is made of; every map from a quantity to a part is `1 / (1 + (quantity / scale)^2)`, falling and at most 1.

    `haircut` (fraction; scale 0.25) stands for the tail; `largest_sale_share`, what the market takes within the bonus over the
    cap asked for (rising: x / (x + 1)), for liquidity; `largest_correlation` with the rest of the collateral (scale 1) for
    dependence; `oracle_deviation` (scale 2 %) for the oracle; `years` of unbroken history (rising: years / (years + 1)) for
    data.
    """

    haircut: float
    largest_sale_share: float
    largest_correlation: float
    oracle_deviation: float
    years: float

    def __post_init__(self) -> None:
        for name in ("haircut", "largest_sale_share", "largest_correlation", "oracle_deviation", "years"):
            if not (isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ConfigError(f"score: {name} is {getattr(self, name)}: expected a finite number, 0 or more")

    def parts(self) -> dict[str, float]:
        """Return the five parts, each in [0, 1]."""

        def falling(value: float, scale: float) -> float:
            return 1 / (1 + (value / scale) ** 2)

        return {
            "tail": falling(self.haircut, 0.25),
            "liquidity": self.largest_sale_share / (self.largest_sale_share + 1),
            "dependence": falling(self.largest_correlation, 1.0),
            "oracle": falling(self.oracle_deviation, 0.02),
            "data": self.years / (self.years + 1),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The geometric mean of the parts times 100, the tier it earns, and what held the tier down."""

    value: float
    tier: Tier
    parts: Mapping[str, float]
    held_by: tuple[str, ...]
    flags: tuple[str, ...] = ()


def score(measured: Measured, *, security: Tier | None, flags: Sequence[str] = ()) -> Score:
    """Return the score of an asset and its tier.

    `security` is the declared grade of its contracts; the tier is never better, and at most C where none is declared. Flags of
    the recommendation cap it too (`CAPPED_BY_FLAG`).

    >>> good = Measured(haircut=0.15, largest_sale_share=9, largest_correlation=0.5, oracle_deviation=0.005, years=6)
    >>> found = score(good, security=Tier.A)
    >>> round(found.value, 1), str(found.tier), str(score(good, security=None).tier)
    (84.4, 'A', 'C')
    """
    parts = measured.parts()
    worst = min(parts.values())
    value = 100 * exp(sum(log(part) for part in parts.values()) / len(parts)) if worst > 0 else 0.0
    tiers = list(Tier)
    earned = next(tier for tier in tiers if value >= LEAST[tier])
    holds = {f"contract security {security}": security} if security else {"no contract security declared": Tier.C}
    holds |= {flag: CAPPED_BY_FLAG[flag] for flag in flags if flag in CAPPED_BY_FLAG}
    tier = max((earned, *holds.values()), key=tiers.index)
    held = tuple(name for name, most in holds.items() if tiers.index(most) > tiers.index(earned))
    return Score(value=value, tier=tier, parts=parts, held_by=held, flags=() if security else ("security_undeclared",))


def capped_ltv(max_ltv: float, tier: Tier) -> float:
    """Return the maximum LTV under a tier: never raised.

    >>> capped_ltv(0.85, Tier.B), capped_ltv(0.6, Tier.A)
    (0.8, 0.6)
    """
    return min(max_ltv, tier.highest_ltv)
