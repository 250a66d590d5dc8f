"""[liquidation]: how the protocol of a study liquidates, in its backtest and under stress."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from riskparams.backtest.liquidation import CappedBonus, DutchAuction, LinearBonus, LiquidationRules
from riskparams.errors import ConfigError
from riskparams.settings.fields import Section

_RULES, _AUCTION = LiquidationRules(), DutchAuction()  # the defaults live with the specs


class BonusTable(Section):
    """liquidation.bonus: the law by which a bonus rises above that of the parameters, up to `maximum`."""

    law: Literal["linear", "capped"]
    maximum: float
    health_at_maximum: float | None = None

    def build(self) -> LinearBonus | CappedBonus:
        """Return the law; raise `ConfigError` for values it refuses."""
        if self.law == "capped":
            if self.health_at_maximum is not None:
                raise ConfigError("bonus.health_at_maximum belongs to the linear law: leave it out of a capped bonus")
            return CappedBonus(maximum=self.maximum)
        if self.health_at_maximum is None:
            return LinearBonus(maximum=self.maximum)
        return LinearBonus(maximum=self.maximum, health_at_maximum=self.health_at_maximum)


class AuctionTable(Section):
    """liquidation.auction: a falling price in place of a bonus, as `DutchAuction` says."""

    buffer: float = _AUCTION.buffer
    cut: float = _AUCTION.cut
    step_seconds: float = _AUCTION.step_seconds
    tail_seconds: float = _AUCTION.tail_seconds
    cusp: float = _AUCTION.cusp
    tip: float = _AUCTION.tip
    chip: float = _AUCTION.chip


class LiquidationSection(Section):
    """[liquidation]

    A liquidation repays what brings health to `target_health`, or with a `close_factor` that share of the debt; all of it
    below `full_close_below`, or where less than `dust` would be left. A `bonus` table makes the bonus depend on the
    position, an `auction` table sells at a falling price instead.
    """

    target_health: float = _RULES.target_health
    close_factor: float | None = None
    full_close_below: float = _RULES.full_close_below
    dust: float = _RULES.dust
    bonus: BonusTable | None = None
    auction: AuctionTable | None = None

    def build(self, *, execution_bars: int, protocol_share: float) -> LiquidationRules:
        """Return the rules; raise `ConfigError` for values they refuse."""
        return LiquidationRules(
            target_health=self.target_health,
            close_factor=self.close_factor,
            full_close_below=self.full_close_below,
            dust=self.dust,
            bonus=self.bonus.build() if self.bonus else None,
            auction=DutchAuction(**self.auction.model_dump()) if self.auction else None,
            execution_bars=execution_bars,
            protocol_share=protocol_share,
        )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        try:
            self.build(execution_bars=0, protocol_share=0.0)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self
