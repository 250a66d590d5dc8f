"""The oracle: which price the market sees, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from lone_accounts import ALL_AT_ONCE, book_at, left_alone, market_at, observed
from slow_replay import HOUR, START

from riskparams.backtest.liquidation import Intrabar, LiquidationRules
from riskparams.backtest.market import calm
from riskparams.backtest.oracle import INSTANT, OracleRules
from riskparams.backtest.replay import EventLog, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.errors import ConfigError

HOURS = timedelta(hours=1)


def called(close: Sequence[float], oracle: OracleRules, rules: LiquidationRules = ALL_AT_ONCE, debt: float = 0.76) -> EventLog:
    """Return what happens to one unit of X, unsafe below 0.95, as this oracle shows it."""
    return left_alone(1.0, debt, observed(0.8, 0.05), rules, close=close, oracle=oracle).events


def hours(log: EventLog) -> list[int]:
    return ((log.time - START) // HOUR).tolist()


def test_a_move_below_the_deviation_is_not_seen_until_the_heartbeat() -> None:
    close = np.r_[1.0, 0.96, np.full(10, 0.94)]  # 0.96 is 4 % below what was published, 0.94 is 6 %
    wide = OracleRules(deviation=0.10, heartbeat=5 * HOURS)
    assert hours(called(close, OracleRules(deviation=0.05, heartbeat=100 * HOURS))) == [3]
    log = called(close, wide)
    assert (log.oracle_price.tolist(), log.market_price.tolist()) == ([0.94], [0.94])
    assert len(called(close, replace(wide, heartbeat=100 * HOURS))) == 0
    assert hours(called(close, replace(wide, heartbeat=100 * HOURS, by_asset={"X": 0.05}))) == [3]


def test_a_price_published_by_the_heartbeat_triggers_in_the_same_bar() -> None:
    """Published at hour 1, and again 5 hours later: the price read at the close of hour 6 is unsafe."""
    close = np.r_[1.0, np.full(11, 0.94)]
    assert hours(called(close, OracleRules(deviation=0.10, heartbeat=5 * HOURS))) == [6]


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_a_price_is_read_so_many_bars_after_it_was_published(delay: int) -> None:
    log = called(np.r_[1.0, 0.94, 0.93, 0.92, 0.91, 0.90], OracleRules(delay_bars=delay))
    assert (hours(log), log.oracle_price.tolist()) == ([2 + delay], [0.94])
    assert log.market_price.tolist() == [[0.94, 0.93, 0.92, 0.91][delay]]


def test_a_market_pauses_while_its_price_is_stale() -> None:
    """The oracle is frozen from the second bar to the seventh, and the fall comes in the fourth."""
    market = market_at(np.r_[1.0, np.full(2, 0.96), np.full(9, 0.94)])
    frozen = np.zeros(len(market), dtype=bool)
    frozen[1:7] = True
    flash = replace(calm(market), frozen=frozen)
    terms = ParameterSchedule.constant(observed(0.8, 0.05), START)
    sensitive = ParameterSchedule(  # from the fifth bar on, what was safe at 1 no longer is
        effective=START + HOUR * np.array([0, 4]),
        max_ltv=np.zeros(2),
        liquidation_threshold=np.array([0.8, 0.7]),
        liquidation_bonus=np.full(2, 0.05),
    )
    play = {
        (name, stale): hours(
            replay(
                market, schedule, book_at(1.0, 0.76), ALL_AT_ONCE, oracle=OracleRules(stale_after=stale), conditions=flash
            ).events
        )
        for name, schedule in (("same", terms), ("stricter", sensitive))
        for stale in (None, 3 * HOURS)
    }
    assert play == {("same", None): [8], ("same", 3 * HOURS): [8], ("stricter", None): [5], ("stricter", 3 * HOURS): [8]}


def test_a_low_that_moved_too_little_from_the_last_price_triggers_nothing() -> None:
    market = market_at(np.ones(5))
    dipped = replace(market, low=np.where(np.arange(10).reshape(5, 2) == 4, 0.94, market.low))
    rules, terms = replace(ALL_AT_ONCE, intrabar=Intrabar.WORST), ParameterSchedule.constant(observed(0.8, 0.05), START)
    for deviation, episodes in ((0.0, 1), (0.05, 1), (0.07, 0)):
        oracle = OracleRules(deviation=deviation, heartbeat=100 * HOURS)
        assert replay(dipped, terms, book_at(1.0, 0.76), rules, oracle=oracle).daily.episodes.sum() == episodes
    delayed = replay(dipped, terms, book_at(1.0, 0.76), rules, oracle=OracleRules(delay_bars=1))
    assert delayed.daily.episodes.sum() == 0  # closes alone are queued


def test_a_rule_that_is_not_given_never_makes_a_price_stale() -> None:
    assert INSTANT.stale_nanoseconds > 100 * 365 * 86_400 * 1_000_000_000
    assert OracleRules(stale_after=2 * HOURS).stale_nanoseconds == 2 * OracleRules(heartbeat=HOURS).heartbeat_nanoseconds


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"deviation": -0.01}, "oracle.deviation"),
        ({"deviation": np.nan}, "oracle.deviation"),
        ({"deviation": 1.0}, "oracle.deviation"),
        ({"by_asset": {"X": 5.0}}, "oracle.by_asset.X"),
        ({"heartbeat": timedelta(0)}, "heartbeat"),
        ({"stale_after": timedelta(hours=-1)}, "stale_after"),
        ({"delay_bars": -1}, "oracle.delay_bars"),
        ({"delay_bars": 1_000}, "oracle.delay_bars"),
    ],
)
def test_an_impossible_oracle_is_refused_by_the_name_of_its_field(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        OracleRules(**wrong)
