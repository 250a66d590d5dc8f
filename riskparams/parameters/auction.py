"""The Dutch auction: how fast its price must fall for collateral to be sold soon and near what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log, sqrt

from riskparams.errors import ConfigError, Infeasible
from riskparams.execution import SlippageLaw
from riskparams.parameters.ltv import ceiled
from riskparams.parameters.penalty import LiquidationCosts

CUT_STEP = 0.0001  # cuts are published on this grid
TAIL_MULTIPLE = 1.5  # of the time to clear under stress, before an auction is reset
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionSpec:
    """An auction's start and clock; prices are shares of the oracle's.

    The price starts at `buffer` (>= 1) and is multiplied by 1 - cut every `step_seconds`; `lot` is the value (numeraire, at the
    oracle's price) sold at once. `sigmas` weighs the risk of waiting against that of paying too little.
    """

    lot: float
    buffer: float = 1.2
    step_seconds: float = 90.0
    sigmas: float = 1.65

    def __post_init__(self) -> None:
        if not 1 <= self.buffer < inf:
            raise ConfigError(
                f"auction.buffer is {self.buffer}: expected a share of the oracle's price, 1 or more, such as 1.2"
            )
        for name in ("lot", "step_seconds"):
            if not 0 < getattr(self, name) < inf:
                raise ConfigError(f"auction.{name} is {getattr(self, name)}: expected a finite number above 0")
        if not 0 <= self.sigmas < inf:
            raise ConfigError(f"auction.sigmas is {self.sigmas}: expected a finite number, 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Auction:
    """A designed auction: `cut` per step, seconds to clear and the price then, in calm and under stress, and the reset.

    Prices are shares of the oracle's. `tail_seconds` is when an auction nobody took is reset. `cost` is the fraction of value
    that was minimised: half a cut of underpricing, and the price's risk while the auction runs.
    """

    spec: AuctionSpec
    cut: float
    seconds_to_clear: float
    clearing_price: float
    stressed_seconds_to_clear: float
    stressed_clearing_price: float
    tail_seconds: float
    cost: float

    def price(self, seconds: float) -> float:
        """Return the price asked `seconds` after the start: `buffer (1 - cut)^floor(t / step)`."""
        return self.spec.buffer * (1 - self.cut) ** int(seconds / self.spec.step_seconds + 1e-9)


def acceptable_price(lot: float, costs: LiquidationCosts, slippage: SlippageLaw) -> float:
    """Return the share of the oracle's price at which a buyer of `lot` (numeraire) breaks even; not positive where none does.

    a = (1 - g)(1 - s)(1 - f) - G / lot, with oracle gap g, slippage s, venue fee f and gas G.

    >>> from riskparams.execution import ConstantProduct
    >>> round(acceptable_price(50_000, LiquidationCosts(), ConstantProduct(20e6).slippage), 6)
    0.99541
    """
    kept = (1 - costs.oracle_gap) * (1 - slippage(lot)) * (1 - costs.venue_fee)
    return kept - costs.gas / lot


def steps_to_clear(buffer: float, acceptable: float, cut: float) -> int:
    """Return after how many steps the price first is acceptable: `ceil(ln(buffer / a) / -ln(1 - cut))`.

    >>> steps = steps_to_clear(1.2, 0.985, 0.01)
    >>> 90 * steps, round(1.2 * 0.99**steps, 6)
    (1800, 0.981488)
    """
    return max(0, ceil(log(buffer / acceptable) / -log(1 - cut) - 1e-9))


def design_auction(
    spec: AuctionSpec, costs: LiquidationCosts, slippage: SlippageLaw, stressed: SlippageLaw, *, daily_sigma: float
) -> Auction:
    """Return the auction whose cut minimises `cut / 2 + sigmas sigma sqrt(t*)` among cuts of at least `2 sigma sqrt(step)`.

    Of all cuts that clear in n steps the smallest, 1 - (a / buffer)^(1/n), is best; so these, rounded up to a basis point, and
    the smallest cut allowed are all there is to try. A slower price than the market's own would chase it downwards. The tail is
    1.5 times t* at the `stressed` slippage, rounded up to whole steps; t* is the auction part of the liquidation horizon.
    Raises `Infeasible` where nobody buys the lot at any price, in calm or under stress, or one step outruns any cut.
    """
    if not 0 < daily_sigma < inf:
        raise ConfigError(f"daily_sigma of an auction is {daily_sigma}: expected a standard deviation above 0, such as 0.04")
    calm, tense = acceptable_price(spec.lot, costs, slippage), acceptable_price(spec.lot, costs, stressed)
    for acceptable, when in ((calm, "in calm"), (tense, "under stress")):
        if acceptable <= 0:
            raise Infeasible(f"an auction of a lot of {spec.lot:,.0f} finds no buyer {when}: auction smaller lots")
    sigma = daily_sigma / sqrt(DAY_SECONDS)
    least = max(ceiled(2 * sigma * sqrt(spec.step_seconds), CUT_STEP), CUT_STEP)
    if least >= 1:
        raise Infeasible(f"the price moves {least:.0%} in a step of {spec.step_seconds:g} s: choose a shorter step")

    def seconds(cut: float, acceptable: float) -> float:
        return spec.step_seconds * steps_to_clear(spec.buffer, acceptable, cut)

    def cost(cut: float) -> float:
        return cut / 2 + spec.sigmas * sigma * sqrt(seconds(cut, calm))

    cuts = {least}
    for steps in range(1, steps_to_clear(spec.buffer, calm, least)):
        cuts.add(max(ceiled(1 - (calm / spec.buffer) ** (1 / steps), CUT_STEP), least))
    cut = min(sorted(one for one in cuts if one < 1), key=cost)
    taken, under_stress = seconds(cut, calm), seconds(cut, tense)
    return Auction(
        spec=spec,
        cut=cut,
        seconds_to_clear=taken,
        clearing_price=spec.buffer * (1 - cut) ** round(taken / spec.step_seconds),
        stressed_seconds_to_clear=under_stress,
        stressed_clearing_price=spec.buffer * (1 - cut) ** round(under_stress / spec.step_seconds),
        tail_seconds=ceiled(TAIL_MULTIPLE * under_stress, spec.step_seconds),
        cost=cost(cut),
    )
