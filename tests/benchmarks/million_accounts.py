"""A replay of many accounts over a year of hours, in a process of its own: prints seconds, GB and events as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import LiquidationRules, Liquidators
from riskparams.backtest.market import Market
from riskparams.backtest.oracle import OracleRules
from riskparams.backtest.positions import PositionBook
from riskparams.backtest.replay import replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.execution import Depth
from riskparams.parameters.risk_parameters import ObservedParameters
from riskparams.terms import NANOSECONDS, Asset, FloatArray

HOUR = 3_600 * NANOSECONDS
ASSETS = (Asset("ETH"), Asset("BTC"), Asset("LINK"), Asset("USD"))
TERMS = ObservedParameters(max_ltv=0.78, liquidation_threshold=0.82, liquidation_bonus=0.05)
BARS = 8_760


def year(seed: int) -> Market:
    """Three correlated assets at 75 % of annual volatility, a crash of 26 % in six hours, a year that ends where it began."""
    rng = np.random.default_rng(seed)
    moves = 0.008 * rng.standard_t(4, (BARS, 3)) / np.sqrt(2)
    moves = 0.7 * moves[:, :1] + 0.7 * moves
    moves[4_000:4_006] -= 0.05
    moves -= moves.mean(axis=0)
    close = np.ones((BARS, 4))
    close[:, :3] = np.array([2_000.0, 40_000.0, 20.0]) * np.exp(np.cumsum(moves, axis=0))
    wick = np.abs(0.004 * rng.standard_normal((BARS, 4))) * [1, 1, 1, 0]
    time_of = 1_640_995_200 * NANOSECONDS + HOUR * np.arange(1, BARS + 1)
    return Market(assets=ASSETS, time=time_of, close=close, low=close * np.exp(-wick), high=close * np.exp(wick), bar=HOUR)


def book(accounts: int, prices: FloatArray, *, managed: bool) -> PositionBook:
    """Pareto sizes in three collaterals, a dollar debt at the health factors of METHOD's borrowers."""
    rng = np.random.default_rng(7)
    health = np.maximum(1.6 * np.exp(0.35 * rng.standard_normal(accounts)), TERMS.liquidation_threshold / TERMS.max_ltv)
    size = 1_000 * (1 - rng.random(accounts) * (1 - 1e-4**1.2)) ** (-1 / 1.2)
    held, owed = np.zeros((accounts, 4)), np.zeros((accounts, 4))
    held[:, :3] = rng.dirichlet([0.5, 0.5, 0.5], accounts) * size[:, None] / prices[:3]
    owed[:, 3] = TERMS.liquidation_threshold * size / health
    own = TERMS.liquidation_threshold / TERMS.max_ltv / health if managed else np.zeros(accounts)
    return PositionBook(
        assets=ASSETS, collateral=held, debt=owed, owner=np.arange(accounts), utilisation=own, size=size, seed=1
    )


def main(accounts: int, managed: bool) -> dict[str, float]:
    """Replay with oracle, impact, liquidators and the event log, once to compile and once against the clock."""
    market = year(3)
    schedule = {asset: ParameterSchedule.constant(TERMS, int(market.time[0]) - HOUR) for asset in ASSETS[:3]}
    rules = LiquidationRules(close_factor=0.5, execution_bars=0, liquidators=Liquidators(gas=1.0))
    volumes = zip(ASSETS, (5e9, 9e9, 5e8), strict=False)
    impact = MarketImpact(depth={asset: Depth(daily_volume=volume, daily_sigma=0.04) for asset, volume in volumes})
    for count in (10, accounts):
        positions = book(count, market.close[0], managed=managed)
        start = time.perf_counter()
        result = replay(market, schedule, positions, rules, oracle=OracleRules(deviation=0.005), impact=impact)
        taken = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": taken, "peak": peak, "events": len(result.events), "stuck_hours": float(result.daily.stuck_hours.sum())}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), sys.argv[2] == "managed")))
