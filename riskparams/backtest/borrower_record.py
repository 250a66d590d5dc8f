"""Synthetic borrowers under the rules of a real market: what they would have lost there, to be held against its record.

The market is Aave V2's main one in 2021, lending dollars against ETH. `docs/borrowers.md` holds the comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from riskparams.backtest.liquidation import LiquidationRules, Liquidators
from riskparams.backtest.liquidation_facts import LiquidationFacts, liquidation_facts
from riskparams.backtest.market import pair_market
from riskparams.backtest.oracle import OracleRules
from riskparams.backtest.positions import Cohort, draw_borrowers
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.backtest.static_book import deep_falls
from riskparams.errors import InsufficientData
from riskparams.parameters.risk_parameters import RiskParameters
from riskparams.prices.panel import Candles
from riskparams.terms import DAY, Asset, Pair

HOUR = DAY // 24
ETH_DOLLAR = Pair(Asset("ETH"), Asset("USD"))

AAVE_V2_ETH = RiskParameters(max_ltv=0.80, liquidation_threshold=0.825, liquidation_bonus=0.05)
"""ETH as Aave V2's main market was deployed with (aave/protocol-v2, markets/aave/reservesConfigs)."""

AAVE_V2_RULES = LiquidationRules(
    close_factor=0.5,
    full_close_below=0.0,
    dust=0.0,
    execution_bars=0,
    protocol_share=0.0,
    liquidators=Liquidators(),
)
"""Half the debt a call, however thin the account, by whoever profits; the whole bonus is the liquidator's. The costs are
the defaults of `Liquidators`: 30 dollars of gas an attempt, of which half succeed, so that some 1,300 dollars of debt is
the smallest call that pays. (A quarter of the recorded calls was below 1,264.)
"""

CHAINLINK = OracleRules(deviation=0.005)
"""The feed of ETH in dollars: a price at every move of half a per cent, and each hour; read at once."""


def replay_aave_v2(
    eth: Candles,
    cohort: Cohort,
    *,
    start: int,
    end: int,
    accounts: int = 20_000,
    seed: int = 1,
    rules: LiquidationRules = AAVE_V2_RULES,
    parameters: RiskParameters = AAVE_V2_ETH,
) -> BacktestResult:
    """Return what happens to a cohort's accounts that open at `start` and borrow dollars against ETH until `end`.

    `eth` are hourly candles in dollars; times are nanoseconds UTC. The accounts are drawn at Aave V2's parameters and then
    live under `rules` and `parameters`, so that what another market would have done to the same people can be asked. Prices
    are those of the history, which hold the impact of that day's liquidations: sales move nothing here.
    """
    borrowers = draw_borrowers(cohort, accounts, AAVE_V2_ETH, np.random.default_rng(seed))
    return replay(
        pair_market(eth, ETH_DOLLAR, bar=HOUR),
        ParameterSchedule.constant(parameters, start - HOUR),
        borrowers,
        rules,
        cohort=cohort,
        oracle=CHAINLINK,
        start=start,
        end=end,
        name=str(ETH_DOLLAR),
    )


def facts_within(result: BacktestResult, eth: Candles, *, start: int, end: int) -> LiquidationFacts:
    """Return the facts of the liquidations that executed after `start` and by `end`, at their triggers."""
    events, delay = result.events, result.rules.execution_bars * result.bar
    time = events.time - delay
    within = (time > start) & (time <= end) & (events.repaid > 0)
    return liquidation_facts(time[within], events.repaid[within], eth)


def liquidations_a_year(result: BacktestResult) -> float:
    """Return the episodes per position-year with debt (an episode ends once health has held at 1 for a day)."""
    return float(result.daily.episodes.sum() / (result.daily.position_hours.sum() / (24 * 365.25)))


def left_alone(cohort: Cohort) -> Cohort:
    """Return the same borrowers, who neither top up nor borrow more.

    >>> left_alone(Cohort()).relever_hazard
    0.0
    """
    return replace(cohort, top_up_hazard=0.0, relever_hazard=0.0)


def static_multiple(
    eth: Candles, cohort: Cohort, *, start: int, end: int, seeds: Sequence[int], accounts: int = 20_000, drop: float = 0.2
) -> float:
    """Return how many times the debt a book without actions loses in the falls of a period, over that of owners who act.

    A fall takes the close `drop` below the highest of the three days before (`deep_falls`). The same accounts open at the
    peak of each one and live to its last hour, once with their owners' actions and once without. Raises
    `InsufficientData` where owners who act lose nothing.
    """
    within = (eth.time > start) & (eth.time <= end)
    time = eth.time[within]
    falls = deep_falls(eth.close[within], drop=drop, within=72)
    repaid = np.zeros(2)
    for fall in falls:
        for seed in seeds:
            for column, owners in enumerate((left_alone(cohort), cohort)):
                lived = replay_aave_v2(
                    eth, owners, start=int(time[fall.peak]) - 1, end=int(time[fall.last]), accounts=accounts, seed=seed
                )
                repaid[column] += lived.events.repaid.sum()
    if not repaid[1]:
        raise InsufficientData(
            f"owners lost nothing in {len(falls)} falls of {drop:.0%}: ask for deeper falls or more accounts"
        )
    return float(repaid[0] / repaid[1])
