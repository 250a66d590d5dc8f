"""Accounts that somebody else left as they are: so much of X against so much USD, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from slow_replay import HOUR, PAIR, START

from riskparams.backtest.liquidation import Intrabar, LiquidationRules
from riskparams.backtest.market import Market
from riskparams.backtest.positions import PositionBook, unmanaged
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters

AT_ONCE = LiquidationRules(
    close_factor=0.1, full_close_below=0.0, dust=0.0, execution_bars=0, intrabar=Intrabar.BEST, protocol_share=0.0
)
ALL_AT_ONCE = LiquidationRules(full_close_below=1.0, dust=0.0, execution_bars=0, intrabar=Intrabar.BEST, protocol_share=0.0)


def observed(threshold: float, bonus: float) -> ObservedParameters:
    """Return parameters that lend nothing: the accounts are there already."""
    return ObservedParameters(max_ltv=0, liquidation_threshold=threshold, liquidation_bonus=bonus)


def market_at(close: Sequence[float], bar: int = HOUR) -> Market:
    """Return a market of X at these closes, without extremes inside the bars, and USD at 1."""
    prices = np.column_stack([np.asarray(close, dtype=np.float64), np.ones(len(close))])
    time = START + bar * np.arange(1, len(close) + 1)
    return Market(assets=(PAIR.collateral, PAIR.debt), time=time, close=prices, low=prices, high=prices, bar=bar)


def book_at(collateral: float | Sequence[float], debt: float | Sequence[float]) -> PositionBook:
    """Return accounts that hold so much X and owe so much USD, and whose owners do nothing."""
    held, owed = np.atleast_1d(np.asarray(collateral, dtype=np.float64)), np.atleast_1d(np.asarray(debt, dtype=np.float64))
    nothing = np.zeros(len(held))
    return unmanaged((PAIR.collateral, PAIR.debt), np.column_stack([held, nothing]), np.column_stack([nothing, owed]))


def left_alone(
    collateral: float | Sequence[float],
    debt: float | Sequence[float],
    terms: RiskParameters | ObservedParameters,
    rules: LiquidationRules = AT_ONCE,
    *,
    close: Sequence[float] = (1.0, 1.0),
    bar: int = HOUR,
    **options: Any,
) -> BacktestResult:
    """Return what becomes of the accounts; nothing happens in the first bar."""
    schedule = ParameterSchedule.constant(terms, START)
    return replay(market_at(close, bar), schedule, book_at(collateral, debt), rules, **options)
