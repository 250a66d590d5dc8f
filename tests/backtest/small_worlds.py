"""Small worlds drawn at random, in which whatever the engine knows can happen."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta

import numpy as np
import pytest
from slow_replay import HOUR, START, SlowReplay

from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import CappedBonus, DutchAuction, Intrabar, LinearBonus, LiquidationRules, Liquidators
from riskparams.backtest.market import Conditions, Market
from riskparams.backtest.oracle import OracleRules
from riskparams.backtest.positions import Cohort, PositionBook
from riskparams.backtest.replay import BacktestResult, DailyTotals, EventLog, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.execution import ConstantProduct, Depth, DepthCurve
from riskparams.terms import Asset

COUNTED = ("episodes", "liquidations", "judged", "false_liquidations", "recovered", "position_hours", "stuck_hours")
ASSETS = (Asset("ETH"), Asset("BTC"), Asset("USD"))


@dataclass(frozen=True)
class World:
    """All that a replay takes."""

    market: Market
    schedules: dict[Asset, ParameterSchedule]
    book: PositionBook
    rules: LiquidationRules
    cohort: Cohort
    oracle: OracleRules
    impact: MarketImpact | None
    conditions: Conditions


def random_world(seed: int, *, bars: int = 300, accounts: int = 12) -> World:
    """Return a world of three assets, fat tails and a crash or two, under rules of any kind."""
    rng = np.random.default_rng(seed)
    moves = 0.012 * rng.standard_t(3, (bars, 3)) / np.sqrt(3) * np.array([1, 1, 0.05])
    moves[rng.integers(20, bars, 3), :2] -= rng.uniform(0.05, 0.4)
    close = np.array([2000.0, 40_000.0, 1.0]) * np.exp(np.cumsum(moves, axis=0))
    low, high = (close * np.exp(side * np.abs(0.006 * rng.standard_normal(close.shape))) for side in (-1, 1))
    market = Market(assets=ASSETS, time=START + HOUR * np.arange(1, bars + 1), close=close, low=low, high=high, bar=HOUR)
    effective = START + HOUR * np.array([0, bars // 3, 2 * bars // 3])
    schedules = {}
    for asset in ASSETS[:2]:
        threshold = 0.8 + 0.05 * rng.standard_normal(3).clip(-1, 1)
        schedules[asset] = ParameterSchedule(
            effective=effective,
            max_ltv=(threshold - rng.uniform(0.02, 0.1)) * [1, seed % 5 > 0, 1],  # nothing may be borrowed for a while
            liquidation_threshold=threshold,
            liquidation_bonus=rng.uniform(0.03, 0.12, 3),
        )
    held, owed = rng.random((accounts, 3)) * [1, 1, 0], rng.random((accounts, 3)) * [0.2, 0, 1]
    held[rng.random(accounts) < 0.5, 0], owed[rng.random(accounts) < 0.6, 0] = 0.0, 0.0
    size = 10 ** rng.uniform(2, 6, accounts)
    held *= (size / (held @ close[0]))[:, None]
    owed *= (size * rng.uniform(0.3, 0.8, accounts) / (owed @ close[0]))[:, None]
    managed = rng.random(accounts) < rng.choice([0.0, 0.5, 1.0])
    book = PositionBook(
        assets=ASSETS,
        collateral=held,
        debt=owed,
        owner=np.arange(accounts),
        utilisation=np.where(managed, rng.uniform(0.5, 1, accounts), 0.0),
        size=size,
        seed=seed,
    )
    auction = DutchAuction(
        buffer=rng.uniform(1, 1.3), cut=rng.uniform(0.005, 0.03), tail_seconds=rng.uniform(900, 9000), tip=5, chip=0.001
    )
    law = rng.choice(4)
    rules = LiquidationRules(
        close_factor=rng.choice([None, 0.5, 1.0]),
        target_health=rng.uniform(1.0, 1.2),
        full_close_below=float(rng.choice([0.0, 0.95])),
        dust=float(rng.choice([0.0, 100.0])),
        execution_bars=int(rng.integers(0, 4)),
        intrabar=list(Intrabar)[rng.integers(2)],
        bonus=(None, LinearBonus(maximum=0.15), CappedBonus(maximum=0.15), None)[law],
        auction=auction if law == 3 else None,
        liquidators=Liquidators(
            gas=rng.choice([0.0, 30.0]), capital=rng.choice([np.inf, 50_000.0]), inventory=rng.uniform(0, 0.002)
        )
        if rng.random() < 0.7
        else None,
    )
    oracle = OracleRules(
        deviation=rng.choice([0.0, 0.01]),
        heartbeat=timedelta(hours=int(rng.integers(1, 24))),
        delay_bars=int(rng.choice([0, 0, 1, 3])),
        stale_after=rng.choice([None, timedelta(hours=30)]),
        by_asset={"ETH": 0.005},
    )
    depth = {
        "ETH": rng.choice([Depth(daily_volume=1e7, daily_sigma=0.05), ConstantProduct(3e6)]),
        "BTC": DepthCurve(sold=(1e5, 1e6, 1e8), average_slippage=(0.002, 0.01, 0.3)),
    }
    conditions = Conditions(
        gas=rng.choice([1.0, 20.0], bars, p=[0.9, 0.1]),
        depth=rng.choice([1.0, 0.1, 0.0], bars, p=[0.8, 0.15, 0.05]),
        frozen=rng.random(bars) < 0.1,
        checked=rng.random(bars) < rng.choice([0.5, 1.0]),
        halted=rng.random(bars) < 0.05,
        debt_growth=np.exp(np.cumsum(1e-5 * rng.random((bars, 3)), axis=0)),
    )
    impact = MarketImpact(depth=depth, feedback=bool(rng.random() < 0.7)) if rng.random() < 0.7 else None
    cohort = Cohort(relever_hazard=0.1, top_up_hazard=0.3, reopen_after=timedelta(days=1))
    return World(market, schedules, book, rules, cohort, oracle, impact, conditions)


def played(world: World, *, skip: bool = True) -> BacktestResult:
    return replay(
        world.market,
        world.schedules,
        world.book,
        world.rules,
        cohort=world.cohort,
        oracle=world.oracle,
        impact=world.impact,
        conditions=world.conditions,
        skip=skip,
    )


def slowly(world: World) -> SlowReplay:
    slow = SlowReplay(
        world.market,
        world.schedules,
        world.book,
        world.rules,
        world.cohort,
        world.oracle,
        world.impact,
        world.conditions,
    )
    return slow.run()


def agree(result: BacktestResult, slow: SlowReplay) -> None:
    log = result.events
    assert len(log) == len(slow.events)
    for field in fields(EventLog):
        expected = np.array([event[field.name] for event in slow.events])
        found = getattr(log, field.name)
        if found.dtype == np.int64:
            assert np.array_equal(found, expected.astype(np.int64)), field.name
        else:
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-5, nan_ok=True), field.name
    for field in fields(DailyTotals):
        if field.name in ("day", "hours", "max_ltv_hours"):
            continue
        expected = np.array([slow.daily[field.name][day] for day in result.daily.day.tolist()])
        found = getattr(result.daily, field.name)
        assert (
            np.array_equal(found, expected) if field.name in COUNTED else found == pytest.approx(expected, rel=1e-6, abs=1e-4)
        ), field.name
