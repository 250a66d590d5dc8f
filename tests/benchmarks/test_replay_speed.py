"""What replays of books cost: a million accounts over a year, a thousand histories of a week."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

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


def alone(accounts: int, kind: str) -> dict[str, float]:
    """Return what `million_accounts.py` prints of a replay in a process of its own."""
    script = Path(__file__).with_name("million_accounts.py")
    output = subprocess.run([sys.executable, script, str(accounts), kind], check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(output)
    return found


def test_a_million_accounts_over_a_year_take_seconds(ledger: Ledger) -> None:
    size = "1,000,000 accounts x 4 assets x 8,760 hours, oracle, impact, event log"
    still, managed = alone(1_000_000, "still"), alone(1_000_000, "managed")
    ledger.note(f"{size}: owners who do nothing", still["seconds"], "s", at_most=10)
    ledger.note("the same, peak memory", still["peak"], "GB", at_most=4)
    ledger.note("the same, liquidations", still["events"], "")
    ledger.note(f"{size}: owners who act", managed["seconds"], "s", at_most=30)
    ledger.note("the same, peak memory", managed["peak"], "GB", at_most=4)
    ledger.note("the same, liquidations", managed["events"], "")


def test_what_an_account_costs_beside_how_many_others(ledger: Ledger) -> None:
    counts = [100_000, 200_000, 400_000, 800_000]
    taken = [min(alone(count, "still")["seconds"] for _ in range(2)) for count in counts]
    exponent = float(np.polyfit(np.log(counts), np.log(taken), 1)[0])
    ledger.note("exponent of the time in accounts, 100,000 to 800,000: caches fill", exponent, "")


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
