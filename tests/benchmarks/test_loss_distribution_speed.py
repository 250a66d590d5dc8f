"""What a thousand histories cost, against the limit of the issue."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest
from benchmark_ledger import Ledger

from riskparams.backtest.histories import BootstrappedMarkets
from riskparams.backtest.liquidation import LiquidationRules
from riskparams.backtest.loss_distribution import Loss, loss_distribution, loss_of
from riskparams.backtest.market import panel_market
from riskparams.backtest.positions import Borrowers, Cohort, draw_borrowers
from riskparams.backtest.replay import replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.compute import Executor
from riskparams.parameters.risk_parameters import ObservedParameters
from riskparams.prices.sample import simulated_market
from riskparams.terms import Asset

pytestmark = pytest.mark.benchmark

TERMS = ObservedParameters(max_ltv=0.8, liquidation_threshold=0.83, liquidation_bonus=0.05)


def weekly(histories: BootstrappedMarkets, book: Borrowers, number: int) -> Loss:
    schedule = ParameterSchedule.constant(TERMS, int(histories.market.time[0]))
    return loss_of(replay(histories[number], schedule, book, LiquidationRules()))


def test_a_thousand_weeks_of_ten_thousand_accounts_take_a_minute(ledger: Ledger) -> None:
    market = panel_market(simulated_market(), [Asset("BRAVO"), Asset("USD")])
    histories = BootstrappedMarkets(market=market, bars=168, count=1_000, mean_block=24, seed=1)
    book = draw_borrowers(Cohort(), 10_000, TERMS, np.random.default_rng(1))
    run = partial(weekly, histories, book)
    loss_distribution(run, 100, seed=1, executor=Executor(2))  # starts the workers, loads the kernels
    start = time.perf_counter()
    found = loss_distribution(run, len(histories), seed=1, executor=Executor(2))
    wall = time.perf_counter() - start
    assert not found.failures
    assert found.liquidated.max() > 0
    ledger.note("1,000 bootstrapped weeks of hours, 10,000 accounts, two workers", wall, "s", at_most=60)
