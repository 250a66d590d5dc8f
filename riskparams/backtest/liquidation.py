"""The rules a liquidation follows: what triggers it, what it repays and pays, who carries it out and at what cost."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum

from riskparams.errors import ConfigError


class Intrabar(StrEnum):
    """Which price of a bar the oracle is taken to show: the truth lies between the two."""

    WORST = "worst"  # the bar's low triggers
    BEST = "best"  # only the close triggers


def _finite(where: str, name: str, value: float, low: float, high: float = math.inf) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        above = f"at least {low:g}" if math.isinf(high) else f"a number from {low:g} to {high:g}"
        raise ConfigError(f"{where}.{name} is {value}: expected {above}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearBonus:
    """A bonus that rises from the market's own at health 1 to `maximum` at `health_at_maximum` and below (Aave v4)."""

    maximum: float
    health_at_maximum: float = 0.9

    def __post_init__(self) -> None:
        _finite("linear bonus", "maximum", self.maximum, 0)
        _finite("linear bonus", "health_at_maximum", self.health_at_maximum, 0, 1 - 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class CappedBonus:
    """A bonus of all the collateral left over, `C / D - 1`, between the market's own and `maximum`.

    It leaves bad debt only where collateral does not cover the debt and the market's own bonus.
    """

    maximum: float

    def __post_init__(self) -> None:
        _finite("capped bonus", "maximum", self.maximum, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DutchAuction:
    """A falling price in place of a fixed bonus: `oracle x buffer x (1 - cut)**floor(t / step)` (Maker, Liquidations 2.0).

    It starts when a position is called and takes the first price at which a keeper profits. It starts again, at the
    oracle of that moment, after `tail_seconds` or once the price is below `cusp` times where it began. The bonus of the
    risk parameters is the penalty added to the debt to raise. The keeper that starts it is paid `tip` (numeraire) and
    `chip` (a fraction of the debt) by the protocol.

    >>> DutchAuction().steps_until(0.985)                                    # 20 steps of 90 s
    20
    """

    buffer: float = 1.2
    cut: float = 0.01
    step_seconds: float = 90.0
    tail_seconds: float = 8_400.0
    cusp: float = 0.4
    tip: float = 0.0
    chip: float = 0.0

    def __post_init__(self) -> None:
        _finite("auction", "buffer", self.buffer, 1, 10)
        _finite("auction", "cut", self.cut, 1e-6, 0.999)
        _finite("auction", "step_seconds", self.step_seconds, 1)
        _finite("auction", "tail_seconds", self.tail_seconds, self.step_seconds)
        _finite("auction", "cusp", self.cusp, 0, 1)
        _finite("auction", "tip", self.tip, 0)
        _finite("auction", "chip", self.chip, 0, 1)

    def steps_until(self, share: float) -> int:
        """Return the steps after which the price is at or below `share` of the oracle's: `ceil(ln(buffer/a) / -ln(1-cut))`."""
        return max(0, math.ceil(math.log(self.buffer / share) / -math.log1p(-self.cut) - 1e-12))

    def price(self, steps: int) -> float:
        """Return the price after so many steps, as a share of the oracle's at the start.

        >>> round(DutchAuction().price(20), 6)
        0.981488
        """
        return float(self.buffer * (1 - self.cut) ** steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidators:
    """Who carries liquidations out, and what they demand: they act where it pays, and otherwise the position waits.

    As in `LiquidationCosts`: `oracle_gap`, `venue_fee`, `flash_fee`, `margin` and `inventory` are fractions of value,
    `gas` (numeraire) is the cost of an attempt that succeeds with `win_probability`. `capital` is what all of them
    together can repay in one bar. A liquidation that does not pay at its whole size is tried at halves of it, down to
    `smallest_share`.
    """

    gas: float = 30.0
    win_probability: float = 0.5
    oracle_gap: float = 0.001
    venue_fee: float = 0.0005
    flash_fee: float = 0.0005
    margin: float = 0.002
    inventory: float = 0.0
    capital: float = math.inf
    smallest_share: float = 1 / 64

    def __post_init__(self) -> None:
        for name in ("oracle_gap", "venue_fee", "flash_fee", "margin", "inventory"):
            _finite("liquidators", name, getattr(self, name), 0, 1 - 1e-9)
        _finite("liquidators", "gas", self.gas, 0)
        _finite("liquidators", "win_probability", self.win_probability, 1e-6, 1)
        _finite("liquidators", "smallest_share", self.smallest_share, 1e-6, 1)
        if not self.capital > 0:
            raise ConfigError(f"liquidators.capital is {self.capital}: expected an amount above 0 a bar, or infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationRules:
    """How positions are liquidated; the liquidation bonus itself belongs to the risk parameters.

    A liquidation repays what brings the health factor to `target_health`, or with a `close_factor` that share of the
    debt; everything when health fell below `full_close_below` or when less than `dust` (in units of account) would be
    left. It executes at the close, `execution_bars` after the bar that triggered it (`LiquidationHorizon.bars`). The
    protocol keeps `protocol_share` of the bonus. `bonus` makes the bonus depend on the position, `auction` sells the
    collateral at a falling price instead. Without `liquidators` every trigger is acted on, at no cost.
    """

    target_health: float = 1.05
    close_factor: float | None = None
    full_close_below: float = 0.95
    dust: float = 100.0
    execution_bars: int = 1
    intrabar: Intrabar = Intrabar.WORST
    protocol_share: float = 0.10
    bonus: LinearBonus | CappedBonus | None = None
    auction: DutchAuction | None = None
    liquidators: Liquidators | None = None

    def __post_init__(self) -> None:
        _finite("rules", "target_health", self.target_health, 1)
        _finite("rules", "full_close_below", self.full_close_below, 0)
        _finite("rules", "dust", self.dust, 0)
        _finite("rules", "protocol_share", self.protocol_share, 0, 1)
        if self.close_factor is not None and not 0 < self.close_factor <= 1:
            raise ConfigError(f"rules.close_factor is {self.close_factor}: expected a share of the debt above 0 and up to 1")
        if self.execution_bars < 0:
            raise ConfigError(f"execution_bars is {self.execution_bars}: expected bars from trigger to execution, 0 or more")
        if self.auction is not None and self.bonus is not None:
            raise ConfigError("rules give both an auction and a bonus law: an auction's price is its bonus; drop one of them")

    def to_dict(self) -> dict[str, object]:
        """Return the rules by name; parts that are not used are left out."""
        return {
            name: value.value if isinstance(value, Intrabar) else value
            for name, value in asdict(self).items()
            if value is not None
        }
