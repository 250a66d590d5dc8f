"""Supply and borrow caps: how much may stand behind loans, by what binds first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from riskparams.errors import ConfigError
from riskparams.execution import SlippageLaw
from riskparams.parameters.penalty import LiquidationCosts, required_bonus

ASSUMED_SHARE = 0.25  # of the collateral, liquidated at once, where no simulation says
CIRCULATING = 0.5  # of the circulating supply, at most
END_MARK = 1.5  # the last price of a sale lies this many average slippages below the first, under a square-root law
MOST = 1e15  # numeraire: no market is searched beyond it


def largest_sale(slippage: SlippageLaw, limit: float) -> float:
    """Return the largest value (numeraire) that sells at an average slippage of at most `limit`; infinite where any does.

    >>> from riskparams.execution import ConstantProduct
    >>> round(largest_sale(ConstantProduct(10e6).slippage, 0.05), 2)
    526315.79
    """

    def sells(value: float) -> bool:
        lost = slippage(value)
        return lost <= limit and lost < 1

    return _largest(sells)


def largest_liquidation(bonus: float, costs: LiquidationCosts, slippage: SlippageLaw, *, daily_sigma: float) -> float:
    """Return the largest debt (numeraire) whose liquidation the bonus pays for; 0 where it pays for none.

    It solves `required_bonus = bonus` on the side where slippage binds, so that the cap and the bonus rest on one algebra.
    """

    def pays(debt: float) -> bool:
        sellable = slippage((1 + bonus) * debt) < 1  # all that is handed over, where a curve ends
        return sellable and required_bonus(debt, costs, slippage, daily_sigma=daily_sigma) <= bonus

    start = costs.smallest_debt_served
    while start < MOST and not pays(start):
        start *= 1.05  # gas binds below; sizes that pay can be few
    return _largest(pays, start) if start < MOST else 0.0


def _largest(holds: Callable[[float], bool], start: float = 1.0) -> float:
    if not holds(start):
        return _between(holds, 0.0, start) if holds(1e-9) else 0.0
    low, high = start, 2 * start
    while holds(high):
        low, high = high, 2 * high
        if high > MOST:
            return inf
    return _between(holds, low, high)


def _between(holds: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(200):
        middle = (low + high) / 2
        if high - low <= 1e-9 * high:
            break
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A cap (numeraire), the reason that binds by name, and what each reason alone would allow; flags as a report names
    them."""

    value: float
    binding: str
    by_reason: Mapping[str, float]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What is said of an asset's exposure, each in the numeraire and None where nothing is said.

    `declared` is a cap set by hand. `circulating` is the value of all there is of the asset. `fund` is what a default of the
    asset may cost; with `jump_to_default` the debt against it must stay within that. `loss_budget` bounds the mean of the worst
    hundredth of annual losses, `annual_loss` of the debt. `manipulation` is a bound found by `manipulation.largest_deposit`.
    """

    declared: float | None = None
    circulating: float | None = None
    jump_to_default: bool = False
    fund: float | None = None
    loss_budget: float | None = None
    manipulation: float | None = None

    def __post_init__(self) -> None:
        for name in ("declared", "circulating", "fund", "loss_budget", "manipulation"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ConfigError(f"exposure.{name} is {value}: expected an amount, 0 or more")


def supply_cap(
    *,
    bonus: float,
    costs: LiquidationCosts,
    slippage: SlippageLaw | None,
    daily_sigma: float,
    max_ltv: float,
    exposure: Exposure,
    liquidated_share: float | None = None,
    band_shares: Sequence[float] = (),
    band_widths: Sequence[float] = (),
    branching: float = 0.5,
    annual_loss: float = 0.0,
) -> Cap:
    """Return the largest collateral (numeraire) that every reason allows, and which of them binds.

    - liquidity: `liquidated_share` of the cap (the 95 % quantile of simulated weeks, 0.25 where unknown) must be paid for by
    the
      bonus at once;
    - cascade: in each band of falling prices, of `band_widths` (log), sales of `band_shares` of the cap move the price by at
    most
      `branching` times the width (the end mark, 1.5 average slippages);
    - jump to default: cap x max LTV within the fund, 0 where none is declared; a haircut is never the answer to it;
    - loss budget, manipulation, half of the circulating supply, and a declared cap, where they are given.

    Without a slippage law the cap is 0 unless declared, flagged `liquidity_unknown`.
    """
    flags: tuple[str, ...] = ()
    reasons: dict[str, float] = {}
    if slippage is None:
        flags = (*flags, "liquidity_unknown")
        reasons["liquidity"] = exposure.declared if exposure.declared is not None else 0.0
    else:
        share = liquidated_share
        if share is None or share <= 0:
            share = ASSUMED_SHARE
            flags = (*flags, "liquidated_share_assumed")
        reasons["liquidity"] = (1 + bonus) * largest_liquidation(bonus, costs, slippage, daily_sigma=daily_sigma) / share
        reasons["cascade"] = min(
            (
                largest_sale(slippage, branching * width / END_MARK) / part
                for part, width in zip(band_shares, band_widths, strict=True)
                if part > 0
            ),
            default=inf,
        )
    if exposure.jump_to_default:
        reasons["jump to default"] = (exposure.fund or 0.0) / max_ltv if max_ltv > 0 else 0.0
        flags = (*flags, "jump_to_default")
    if exposure.loss_budget is not None and annual_loss > 0 and max_ltv > 0:
        reasons["loss budget"] = exposure.loss_budget / (annual_loss * max_ltv)
    if exposure.manipulation is not None:
        reasons["manipulation"] = exposure.manipulation
    if exposure.circulating is not None:
        reasons["half of the circulating supply"] = CIRCULATING * exposure.circulating
    if exposure.declared is not None:
        reasons["declared"] = exposure.declared
    binding = min(reasons, key=lambda name: reasons[name])
    return Cap(value=reasons[binding] if max_ltv > 0 else 0.0, binding=binding, by_reason=reasons, flags=flags)


def borrow_cap(
    *,
    bonus: float,
    costs: LiquidationCosts,
    buy_back: SlippageLaw | None,
    daily_sigma: float,
    liquidated_share: float | None = None,
    supplied: float | None = None,
    optimal_utilisation: float = 0.9,
    declared: float | None = None,
) -> Cap:
    """Return the largest debt (numeraire) in an asset: the liquidated part must be bought back at a slippage the bonus pays
    for.

    Where `supplied` is known, no more than `optimal_utilisation` of it is lent.
    """
    if not 0 < optimal_utilisation <= 1:
        raise ConfigError(f"optimal_utilisation is {optimal_utilisation}: expected a fraction above 0 and up to 1")
    flags: tuple[str, ...] = ()
    reasons: dict[str, float] = {}
    if buy_back is None:
        flags = ("liquidity_unknown",)
        reasons["liquidity"] = declared if declared is not None else 0.0
    else:
        share = liquidated_share if liquidated_share else ASSUMED_SHARE
        flags = () if liquidated_share else ("liquidated_share_assumed",)
        reasons["liquidity"] = largest_liquidation(bonus, costs, buy_back, daily_sigma=daily_sigma) / share
    if supplied is not None:
        reasons["optimal utilisation of what is supplied"] = optimal_utilisation * supplied
    if declared is not None:
        reasons["declared"] = declared
    binding = min(reasons, key=lambda name: reasons[name])
    return Cap(value=reasons[binding], binding=binding, by_reason=reasons, flags=flags)


def branching_ratio(cap: float, slippage: SlippageLaw, band_shares: Sequence[float], band_widths: Sequence[float]) -> float:
    """Return the largest share of a band of falling prices that the sales it triggers add to the fall: R0, a branching ratio.

    >>> from riskparams.execution import ConstantProduct
    >>> round(branching_ratio(1e6, ConstantProduct(10e6).slippage, [0.1], [0.1]), 4)
    0.1485
    """
    found = [END_MARK * slippage(part * cap) / width for part, width in zip(band_shares, band_widths, strict=True) if part > 0]
    return max((ratio for ratio in found if isfinite(ratio)), default=0.0)
