"""A scenario as a market to replay, and what it costs the lenders of a book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import LiquidationRules
from riskparams.backtest.market import Conditions, Market, calm
from riskparams.backtest.oracle import OracleRules
from riskparams.backtest.positions import Borrowers, Cohort
from riskparams.backtest.replay import replay
from riskparams.backtest.scenario_paths import ScenarioPath, bar_of_shock, bars_of
from riskparams.backtest.scenarios import Scenario, Shock
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.errors import DataError
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.prices.panel import Candles
from riskparams.terms import Asset, FloatArray, Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class StressedMarket:
    """The prices of a pair under a scenario, and what the scenario adds to them."""

    market: Market
    conditions: Conditions

    @property
    def fall(self) -> float:
        """The largest drop of the pair's price from one close to a later one; 0 where it only rose."""
        price = self.market.close[:, 0] / self.market.close[:, 1]
        return float(1 - (price / np.maximum.accumulate(price)).min())

    @property
    def lows_are_closes(self) -> bool:
        """Whether a bar's worst price is its close, so that nothing depends on which of the two the oracle shows."""
        market = self.market
        same = (market.low[1:, 0] == market.close[1:, 0]) & (market.high[1:, 1] == market.close[1:, 1])
        return bool(same.all())


def stressed_market(
    scenario: Scenario, paths: Mapping[Asset, ScenarioPath], pair: Pair, *, numeraire: Asset, lead: timedelta
) -> StressedMarket:
    """Return the market of a pair in the numeraire, at 1 where that is the debt, with the conditions of the scenario.

    A shock strikes at bar `max(1, ceil(lead / bar))`, as in `scenario_paths`: from there on gas and depth are multiplied,
    and the oracle stands still for as long as the shock says. A window adds nothing to its prices. Where the debt has a
    price of its own, bars show their closes alone: the lowest collateral over the highest debt may never have been.
    Raises `DataError` where the two assets do not have the same bars.
    """
    collateral = paths[pair.collateral].candles
    debt = None if pair.debt == numeraire else paths[pair.debt].candles
    if debt is not None and not np.array_equal(debt.time, collateral.time):
        raise DataError(
            f"{pair}: the bars of {pair.collateral} and {pair.debt} differ under {scenario.name}: give both the same"
        )
    bar = int(np.diff(collateral.time).mean())
    market = Market(
        assets=(pair.collateral, pair.debt),
        time=collateral.time,
        bar=bar,
        close=_columns(collateral.close, debt, "close"),
        low=_columns(collateral.close if debt else collateral.low, debt, "close"),
        high=_columns(collateral.close if debt else np.maximum(collateral.high, collateral.close), debt, "close"),
    )
    conditions = calm(market)
    if isinstance(shock := scenario.event, Shock):
        hit = bar_of_shock(lead, bar)
        since = np.arange(len(market)) - hit
        conditions = replace(
            conditions,
            gas=np.where(since >= 0, shock.gas_multiplier, 1.0),
            depth=np.where(since >= 0, shock.depth_multiplier, 1.0),
            frozen=(since >= 0) & (since < bars_of(shock.oracle_frozen, bar)),
        )
    return StressedMarket(market=market, conditions=conditions)


def _columns(collateral: FloatArray, debt: Candles | None, name: str) -> FloatArray:
    return np.column_stack([collateral, np.ones(len(collateral)) if debt is None else getattr(debt, name)])


def opening_debt(parameters: RiskParameters | ObservedParameters, borrowers: Borrowers) -> float:
    """Return what borrowers owe at the start, in units of account."""
    return float(parameters.max_ltv * (borrowers.utilisation * borrowers.size).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class StressLoss:
    """What a scenario did to a book, in units of account.

    `debt` was owed at the start, `liquidated` was repaid, `bad_debt` lost for good, `deficit` is the debt above collateral
    at the last close, not yet realised. `accounts` were liquidated at least once; those `written_off` held less than an
    attempt costs, so that nobody touched them. `stuck_hours` are hours of accounts that nobody would liquidate.
    """

    debt: float
    accounts: int
    written_off: int
    liquidated: float
    bad_debt: float
    deficit: float
    stuck_hours: float

    @property
    def loss(self) -> float:
        """What lenders are short of: bad debt, and what will be."""
        return self.bad_debt + self.deficit

    def bps(self, amount: float) -> float:
        """Return an amount in basis points of the debt at the start."""
        return 1e4 * amount / self.debt


def stress_loss(
    stressed: StressedMarket,
    parameters: RiskParameters | ObservedParameters,
    borrowers: Borrowers,
    rules: LiquidationRules,
    *,
    cohort: Cohort,
    oracle: OracleRules,
    impact: MarketImpact | None = None,
) -> StressLoss:
    """Return what borrowers that opened at the first close cost, under one set of parameters that never changes."""
    market = stressed.market
    result = replay(
        market,
        ParameterSchedule.constant(parameters, int(market.time[0]) - 1),
        borrowers,
        rules,
        cohort=cohort,
        oracle=oracle,
        impact=impact,
        conditions=stressed.conditions,
    )
    events = result.events
    sold = np.unique(events.account[events.repaid > 0])
    return StressLoss(
        debt=opening_debt(parameters, borrowers),
        accounts=len(sold),
        written_off=len(np.setdiff1d(events.account, sold)),
        liquidated=float(result.daily.repaid.sum()),
        bad_debt=float(result.daily.bad_debt.sum()),
        deficit=result.last_deficit,
        stuck_hours=float(result.daily.stuck_hours.sum()),
    )
