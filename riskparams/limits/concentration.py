"""One borrower's collateral in all places together: an account on three chains is still one borrower."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from riskparams.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Collateral of a borrower in one place, in the numeraire."""

    borrower: str
    chain: str
    protocol: str
    value: float

    def __post_init__(self) -> None:
        if not (self.borrower and 0 <= self.value < float("inf")):
            raise DataError(
                f"a holding of {self.borrower or 'nobody'} on {self.chain}, {self.protocol} is {self.value}: "
                "expected a name and an amount, 0 or more"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentration:
    """The largest borrowers with all they hold anywhere, largest first, and the total; `clears` is about the largest alone."""

    largest: tuple[tuple[str, float], ...]
    total: float
    clears: bool

    @property
    def largest_share(self) -> float:
        """Share of the total that the largest borrower holds."""
        return self.largest[0][1] / self.total if self.total else 0.0


def concentration(holdings: Iterable[Holding], *, largest_sale: float, shown: int = 10) -> Concentration:
    """Return who holds most across chains and protocols, and whether the largest could be sold (`largest_sale`, numeraire) at
    once.

    >>> held = [Holding(borrower="w", chain=chain, protocol="p", value=60.0) for chain in ("one", "two")]
    >>> held.append(Holding(borrower="v", chain="one", protocol="p", value=100.0))
    >>> concentration(held, largest_sale=110.0).largest, concentration(held, largest_sale=110.0).clears
    ((('w', 120.0), ('v', 100.0)), False)
    """
    totals: defaultdict[str, float] = defaultdict(float)
    for holding in holdings:
        totals[holding.borrower] += holding.value
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return Concentration(
        largest=tuple(ordered[:shown]),
        total=sum(totals.values()),
        clears=not ordered or ordered[0][1] <= largest_sale,
    )
