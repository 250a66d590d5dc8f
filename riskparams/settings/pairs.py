"""[[pairs]]: what a study says of each pair: live parameters, measured depth, what holds a peg."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from riskparams.errors import ParameterError
from riskparams.execution import ConstantProduct, DepthCurve, SlippageLaw
from riskparams.limits.caps import Exposure
from riskparams.parameters.peg import Peg
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.settings.fields import Fraction, Section
from riskparams.terms import Asset, Pair


class ParametersTable(Section):
    """Risk parameters as a study writes them; `source` and `dated` say where live ones were read."""

    max_ltv: float
    liquidation_threshold: float
    liquidation_bonus: float
    source: str = ""
    dated: date | None = None

    def observed(self) -> ObservedParameters:
        """Return them as a market was seen to hold them."""
        return ObservedParameters(
            max_ltv=self.max_ltv,
            liquidation_threshold=self.liquidation_threshold,
            liquidation_bonus=self.liquidation_bonus,
            source=self.source,
            dated=self.dated.isoformat() if self.dated else "",
        )


class DepthTable(Section):
    """pairs.depth: what can be sold at once, as it was quoted: selling `sold` (numeraire) loses `average_slippage` of it."""

    sold: tuple[float, ...]
    average_slippage: tuple[float, ...]
    source: str = ""
    dated: date | None = None


class PegTable(Section):
    """pairs.peg: what a pegged pair's depegs are pooled from, and what bounds them; see `Peg`."""

    peers: tuple[str, ...]
    level: float | None = None
    threshold: float = 0.02
    redemption_floor: float = 0.0
    source: str = ""

    def build(self, numeraire: str) -> Peg:
        """Return the spec object; peers are written "USDT" or "stETH/WETH"."""
        pairs = (peer.split("/") if "/" in peer else (peer, numeraire) for peer in self.peers)
        peers = tuple(Pair(Asset(collateral), Asset(debt)) for collateral, debt in pairs)
        return Peg(peers=peers, level=self.level, threshold=self.threshold, redemption_floor=self.redemption_floor)


class ExposureTable(Section):
    """pairs.exposure: what is declared of how much may stand behind loans, in the numeraire; see `Exposure`."""

    declared: float | None = None
    circulating: float | None = None
    jump_to_default: bool = False
    fund: float | None = None
    loss_budget: float | None = None
    why: str = ""

    def build(self) -> Exposure:
        """Return the spec object; raise `ConfigError` for an amount it refuses."""
        return Exposure(**self.model_dump(exclude={"why"}))


class PairSection(Section):
    """[[pairs]]"""

    collateral: str
    debt: str = "USD"
    oracle_deviation: Fraction = 0.01
    current: ParametersTable | None = None
    proposed: ParametersTable | None = None
    live: tuple[ParametersTable, ...] = ()  # of other markets, for the audit
    daily_volume: Annotated[float, Field(gt=0)] | None = None
    depth: DepthTable | None = None
    pool_reserve: Annotated[float, Field(gt=0)] | None = None
    peg: PegTable | None = None
    exposure: ExposureTable | None = None

    @property
    def pair(self) -> Pair:
        """Collateral against debt."""
        return Pair(Asset(self.collateral), Asset(self.debt))

    def observed(self) -> ObservedParameters | None:
        """Return the live parameters; refuse a max LTV above the threshold, which is a slip of the pen."""
        if self.current is None:
            return None
        found = self.current.observed()
        if found.max_ltv > found.liquidation_threshold:
            raise ParameterError(
                f"max_ltv {found.max_ltv} is above liquidation_threshold {found.liquidation_threshold}: are they swapped?"
            )
        return found

    def markets(self) -> tuple[ObservedParameters, ...]:
        """Return the live parameters of every market the study lists for the pair, its own first."""
        own = self.observed()
        others = (table.observed() for table in self.live)
        return (*((own,) if own else ()), *others)

    def exposed(self) -> Exposure:
        """Return what is declared of the pair's exposure."""
        return self.exposure.build() if self.exposure else Exposure()

    def slippage(self) -> SlippageLaw | None:
        """Return the measured law of what a sale loses, of a quoted depth curve before a pool, or None."""
        if self.depth:
            return DepthCurve(sold=self.depth.sold, average_slippage=self.depth.average_slippage).slippage
        return ConstantProduct(self.pool_reserve).slippage if self.pool_reserve else None

    def judged(self) -> RiskParameters | None:
        """Return the proposed parameters that the backtest judges beside ours, or None."""
        table = self.proposed
        if table is None:
            return None
        return RiskParameters(
            max_ltv=table.max_ltv,
            liquidation_threshold=table.liquidation_threshold,
            liquidation_bonus=table.liquidation_bonus,
        )
