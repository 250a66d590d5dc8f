"""What a book as it stands sells at once: under a lower threshold, and down a ladder of falls, where sales can feed falls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from riskparams.backtest.impact import MarketImpact, depth_arrays
from riskparams.backtest.liquidation import LiquidationRules
from riskparams.backtest.market import Market
from riskparams.backtest.positions import Cohort, PositionBook
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.errors import ConfigError, ParameterError
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.terms import NANOSECONDS, Asset, FloatArray, frozen

HOUR = 3600 * NANOSECONDS
Terms = Mapping[Asset, RiskParameters | ObservedParameters]
NOBODY_ACTS = Cohort(top_up_hazard=0.0, relever_hazard=0.0, reopen_after=timedelta(days=36_500))


def _sold_at(
    close: FloatArray, terms: Terms, book: PositionBook, rules: LiquidationRules, impact: MarketImpact | None
) -> BacktestResult:
    """Replay prices (bars, assets) over a book whose owners do nothing; what is triggered executes in the same bar."""
    market = Market(
        assets=book.assets, time=HOUR * np.arange(1, len(close) + 1), close=close, low=close.copy(), high=close.copy(), bar=HOUR
    )
    return replay(
        market,
        {asset: ParameterSchedule.constant(parameters, start=0) for asset, parameters in terms.items()},
        book,
        replace(rules, execution_bars=0, auction=None),
        cohort=NOBODY_ACTS,
        impact=None if impact is None else replace(impact, feedback=False),
    )


def _column(book: PositionBook, prices: FloatArray, terms: Terms, asset: Asset) -> int:
    if prices.shape != (len(book.assets),):
        raise ConfigError(f"{prices.shape} prices for a book of {', '.join(book.assets)}: expected one an asset, in its order")
    if asset not in terms or asset not in book.assets:
        raise ConfigError(f"{asset} has no parameters or is not in the book of {', '.join(book.assets)}: give both")
    return book.assets.index(asset)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdStep:
    """What one candidate threshold does to a book at once; amounts in units of account, at the prices of the day.

    `unhealthy` are the accounts with health below 1, `accounts` those of them that are liquidated: the others pay no
    liquidator. `value` is the collateral seized, `repaid` the debt repaid, `bad_debt` what is then left without collateral.
    """

    threshold: float
    unhealthy: int
    accounts: int
    value: float
    repaid: float
    bad_debt: float


def threshold_steps(
    book: PositionBook,
    prices: FloatArray,
    terms: Terms,
    rules: LiquidationRules,
    *,
    asset: Asset,
    thresholds: Sequence[float],
    impact: MarketImpact | None = None,
) -> tuple[ThresholdStep, ...]:
    """Return what each candidate threshold of one asset liquidates at once, each from the same book at `prices` (assets,).

    The governance table of a cut: current threshold, recommended one, value and accounts liquidated; put the current
    threshold among the candidates to see what is liquidatable without a cut. One liquidation an account, as the rules have
    it (an auction counts as a sale at the bonus); max LTV stays as in `terms`. Raises `ParameterError` for a threshold that is
    not above 0 and below 1.

    >>> from riskparams.backtest.positions import unmanaged
    >>> book = unmanaged([Asset("ETH"), Asset("USD")], np.array([[1.0, 0.0]]), np.array([[0.0, 1_580.0]]))
    >>> terms = {Asset("ETH"): ObservedParameters(max_ltv=0.75, liquidation_threshold=0.8, liquidation_bonus=0.05)}
    >>> rules, prices = LiquidationRules(close_factor=0.5), np.array([2_000.0, 1.0])
    >>> steps = threshold_steps(book, prices, terms, rules, asset=Asset("ETH"), thresholds=[0.8, 0.78])
    >>> [(step.threshold, step.accounts, step.value) for step in steps]
    [(0.8, 0, 0.0), (0.78, 1, 829.5)]
    """
    _column(book, prices, terms, asset)
    steps = []
    for threshold in thresholds:
        if not 0 < threshold < 1:
            raise ParameterError(f"a candidate threshold of {asset} is {threshold}: expected a share above 0 and below 1")
        found = _sold_at(
            np.stack([prices, prices]),
            {**terms, asset: ObservedParameters(
                max_ltv=terms[asset].max_ltv,
                liquidation_threshold=threshold,
                liquidation_bonus=terms[asset].liquidation_bonus,
            )},
            book,
            rules,
            impact,
        )  # fmt: skip
        steps.append(
            ThresholdStep(
                threshold=threshold,
                unhealthy=int(found.daily.episodes.sum()),
                accounts=len(np.unique(found.events.account)),
                value=float(found.events.seized.sum()),
                repaid=float(found.events.repaid.sum()),
                bad_debt=float(found.events.bad_debt.sum()),
            )
        )
    return tuple(steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """How far the sales of each step of a fall push the price on, by step; read-only arrays.

    `falls` are simple drops below today's price, `log_step` the way down to each from the one before, `sold` the value
    brought to the market on it and `displacement` (log) what that sale takes off the price. `sold_today` is what is sold
    without a fall; it belongs to no step.
    """

    falls: FloatArray
    log_step: FloatArray
    sold: FloatArray
    displacement: FloatArray
    sold_today: float

    def __post_init__(self) -> None:
        for name in ("falls", "log_step", "sold", "displacement"):
            frozen(getattr(self, name))

    @property
    def density(self) -> FloatArray:
        """rho: value sold per unit of -dlnP."""
        return self.sold / self.log_step

    @property
    def ratio(self) -> FloatArray:
        """R0 = psi x rho with psi = displacement / sold: the fall that the sales cause over the fall that caused them."""
        return self.displacement / self.log_step

    @property
    def worst(self) -> tuple[float, float]:
        """The largest R0 and the fall it stands at; METHOD 7 asks for at most 0.5, and from 1 on a fall feeds itself."""
        place = int(np.argmax(self.ratio))
        return float(self.ratio[place]), float(self.falls[place])


def cascade(
    book: PositionBook,
    prices: FloatArray,
    terms: Terms,
    rules: LiquidationRules,
    impact: MarketImpact,
    *,
    asset: Asset,
    falls: FloatArray,
) -> Cascade:
    """Return the branching ratio of a book over a grid of falls of one asset, simple drops that increase, from `prices`.

    The price goes down the grid, no owner acts, and each step liquidates what it makes unhealthy, as the rules have it, into
    the depth of the asset; `sold` is what liquidators bring to market, without the protocol's part. A cascade whose ratio
    stays below 1 dies out within `1 / (1 - R0)` times the first fall. Where impact is not linear in value the ratio is that
    of a fall of the size of a step: under the square-root law a smaller step has a larger ratio, so choose steps as large
    as a fall that is feared. Raises `ConfigError` for an asset without a depth and falls that do not increase within (0, 1).
    """
    column = _column(book, prices, terms, asset)
    if asset not in impact.depth:
        raise ConfigError(f"impact gives no depth for {asset}: without one its sales move no price; add it")
    if falls.ndim != 1 or not len(falls) or np.any(np.diff(falls, prepend=0.0) <= 0) or not falls[-1] < 1:
        raise ConfigError(f"falls are {falls}: expected increasing simple drops above 0 and below 1, such as 0.01, 0.02, 0.03")
    close = np.tile(prices, (len(falls) + 2, 1))
    close[2:, column] *= 1 - falls
    log = _sold_at(close, terms, book, rules, impact).events
    sales = np.where(log.collateral == column, log.seized - log.protocol_fee, 0.0)
    sold = np.bincount(log.time // HOUR - 2, weights=sales, minlength=len(falls) + 1).astype(np.float64)
    return Cascade(
        falls=falls.copy(),
        log_step=np.diff(-np.log1p(-falls), prepend=0.0),
        sold=sold[1:],
        displacement=_displacements(impact, book.assets, column, sold[1:]),
        sold_today=float(sold[0]),
    )


def _displacements(impact: MarketImpact, assets: Sequence[Asset], column: int, sold: FloatArray) -> FloatArray:
    from riskparams.backtest.kernels import displacement

    depth = depth_arrays(impact, assets, bar_seconds=HOUR / NANOSECONDS)
    law = (depth.law[column], depth.number[column], depth.sold[column], depth.slippage[column])
    return np.array([displacement(*law, 1.0, value) for value in sold.tolist()])
