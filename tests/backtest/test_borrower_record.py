"""The default borrowers against the record of Aave V2 in 2021: half a year they were fitted to, half a year they were not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from aave_v2 import eth_by_the_hour, recorded_calls
from slow_replay import HOUR, START, candles_of, rough_market

from riskparams.backtest.borrower_record import (
    AAVE_V2_ETH,
    AAVE_V2_RULES,
    facts_within,
    left_alone,
    liquidations_a_year,
    replay_aave_v2,
    static_multiple,
)
from riskparams.backtest.liquidation import LiquidationRules
from riskparams.backtest.liquidation_facts import LiquidationFacts, liquidation_facts
from riskparams.backtest.positions import Cohort
from riskparams.backtest.replay import BacktestResult
from riskparams.errors import InsufficientData
from riskparams.parameters.risk_parameters import RiskParameters
from riskparams.prices.panel import Candles
from riskparams.terms import DAY, nanoseconds

LAUNCH, NEW_YEAR, JULY, YEAR_END = (
    nanoseconds(datetime(*date, tzinfo=UTC)) for date in ((2020, 12, 3), (2021, 1, 1), (2021, 7, 1), (2022, 1, 1))
)
PERIODS = {"January to June": (NEW_YEAR, JULY), "July to December": (JULY, YEAR_END), "2021": (NEW_YEAR, YEAR_END)}
SEEDS = (1, 2, 3, 4, 5, 6)  # none of those the cohort was calibrated with
FIVE: dict[str, tuple[Callable[[LiquidationFacts], float | None], float, float]] = {  # of the year: record and tolerance
    "elasticity": (lambda facts: facts.elasticity, 2.7, 0.5),
    "days of -10 % or worse": (lambda facts: facts.crash_days_share, 0.78, 0.10),
    "top five days": (lambda facts: facts.top_five_days_share, 0.54, 0.10),
    "top decile of calls": (lambda facts: facts.top_decile_calls_share, 0.82, 0.06),
    "new 24-hour lows": (lambda facts: facts.new_low_share, 0.82, 0.08),
}


def lived(candles: Candles, rules: LiquidationRules = AAVE_V2_RULES, cohort: Cohort | None = None) -> BacktestResult:
    """Return a short life in a market where much happens."""
    end = START + 60 * DAY
    return replay_aave_v2(candles, cohort or Cohort(), start=START, end=end, accounts=400, seed=3, rules=rules)


def test_the_facts_of_a_period_are_those_of_its_events() -> None:
    candles = rough_market(24 * 60, seed=4, sigma=0.02)
    result = lived(candles)
    middle = START + 25 * DAY
    early = facts_within(result, candles, start=START + DAY, end=middle)
    late = facts_within(result, candles, start=middle, end=START + 60 * DAY)
    known = result.events.repaid[result.events.time > START + DAY]
    assert early.calls + late.calls == int(np.sum(known > 0))
    assert early.total + late.total == pytest.approx(known.sum())


def test_facts_are_counted_from_the_trigger() -> None:
    candles = rough_market(24 * 60, seed=4, sigma=0.02)
    result = lived(candles, replace(AAVE_V2_RULES, execution_bars=2))
    found = facts_within(result, candles, start=START + DAY, end=START + 50 * DAY)
    time = result.events.time - 2 * HOUR
    within = (time > START + DAY) & (time <= START + 50 * DAY) & (result.events.repaid > 0)
    assert found == liquidation_facts(time[within], result.events.repaid[within], candles)


def test_a_call_repays_what_it_pays_to_repay() -> None:
    """30 dollars of gas at a win rate of a half is 60; 5 % of the debt, less 0.4 % of costs, must cover it."""
    repaid = lived(rough_market(24 * 60, seed=4, sigma=0.02)).events.repaid
    assert 60 / 0.05 < repaid[repaid > 0].min() < 60 / 0.04


def test_owners_who_are_left_alone_do_nothing() -> None:
    still = left_alone(Cohort())
    assert (still.top_up_chance(1.0), still.relever_chance(1.0)) == (0, 0)
    assert replace(still, top_up_hazard=Cohort().top_up_hazard, relever_hazard=Cohort().relever_hazard) == Cohort()


def test_a_book_without_actions_loses_more() -> None:
    """A third of the price goes in 20 hours: too fast for many, not for all."""
    close = 2000 * np.exp(-0.02 * np.clip(np.arange(24 * 10) - 100, 0, 20))
    falling = candles_of(close)
    found = static_multiple(falling, Cohort(), start=START, end=START + 10 * DAY, seeds=(1,), accounts=500)
    assert found > 1.2
    assert static_multiple(
        falling, left_alone(Cohort()), start=START, end=START + 10 * DAY, seeds=(1,), accounts=500
    ) == pytest.approx(1)


def test_a_market_that_never_falls_has_no_multiple() -> None:
    candles = candles_of(np.linspace(2000, 2100, 24 * 20))
    with pytest.raises(InsufficientData, match="owners lost nothing in 0 falls of 20%"):
        static_multiple(candles, Cohort(), start=START, end=START + 20 * DAY, seeds=(1,), accounts=50)


@dataclass(frozen=True)
class Comparison:
    """The facts of each period: the record's, and those of every seed."""

    record: dict[str, LiquidationFacts]
    drawn: dict[str, list[LiquidationFacts]]

    def mean(self, period: str, fact: str) -> float:
        values = [FIVE[fact][0](facts) for facts in self.drawn[period]]
        assert None not in values
        return float(np.mean(values))

    def spread(self, period: str, fact: str) -> float:
        return float(np.std([FIVE[fact][0](facts) for facts in self.drawn[period]], ddof=1))


@pytest.fixture(scope="module")
def compared(market_data: Path) -> Comparison:
    """Return six books of 20,000 accounts, open from the market's launch to the end of 2021, beside the record."""
    eth, (time, value) = eth_by_the_hour(market_data), recorded_calls(market_data)
    record, drawn = {}, {}
    lives = [replay_aave_v2(eth, Cohort(), start=LAUNCH, end=YEAR_END, seed=seed) for seed in SEEDS]
    for period, (start, end) in PERIODS.items():
        within = (time > start) & (time <= end)
        record[period] = liquidation_facts(time[within], value[within], eth)
        drawn[period] = [facts_within(life, eth, start=start, end=end) for life in lives]
    return Comparison(record, drawn)


@pytest.mark.slow
def test_the_default_borrowers_are_liquidated_as_those_of_aave_v2(compared: Comparison) -> None:
    """Prints the table of `docs/borrowers.md`; the ranges are those of the whole of 2021."""
    for period in PERIODS:
        calls = np.mean([facts.calls for facts in compared.drawn[period]])
        total = np.mean([facts.total for facts in compared.drawn[period]]) / 1e6
        recorded = compared.record[period]
        print(f"\n{period}: {recorded.calls} calls, {recorded.total / 1e6:.1f} m; borrowers {calls:.0f}, {total:.1f} m")
        for fact, (of, _, _) in FIVE.items():
            mean, spread = compared.mean(period, fact), compared.spread(period, fact)
            print(f"  {fact:24} record {of(recorded):.3f}   borrowers {mean:.3f} (between books {spread:.3f})")
    for fact, (_, expected, tolerance) in FIVE.items():
        assert compared.mean("2021", fact) == pytest.approx(expected, abs=tolerance), fact


@pytest.mark.slow
def test_a_position_is_liquidated_less_than_once_a_year_at_recommended_parameters(market_data: Path) -> None:
    """METHOD 10's bound on the book's rate, at what the default appetite recommends for ETH before each period.

    The parameters are those of `riskparams recommend` on the ETH of the majors study as of the period's first day, at the
    live bonus of 5 %.
    """
    eth = eth_by_the_hour(market_data, "ETH__binperp24.csv.gz")
    june = nanoseconds(datetime(2024, 5, 31, tzinfo=UTC))
    for period, start, end, max_ltv, threshold in (
        ("2021", NEW_YEAR, YEAR_END, 0.65, 0.715),
        ("2022 to May 2024", YEAR_END, june, 0.705, 0.785),
    ):
        terms = RiskParameters(max_ltv=max_ltv, liquidation_threshold=threshold, liquidation_bonus=0.05)
        for name, parameters in (("recommended", terms), ("Aave V2's", AAVE_V2_ETH)):
            life = replay_aave_v2(
                eth, Cohort(), start=start, end=end, accounts=10_000, rules=LiquidationRules(), parameters=parameters
            )
            rate = liquidations_a_year(life)
            print(f"\n{period}, {name} {parameters.max_ltv:.1%} / {parameters.liquidation_threshold:.1%}: {rate:.2f} a year")
            assert rate <= 1 or parameters is AAVE_V2_ETH


@pytest.mark.slow
def test_a_snapshot_overstates_what_owners_lose(market_data: Path) -> None:
    """The recorded multiple of MakerDAO's ETH-B vaults is 8; that of this book is lower, and is stated with it."""
    found = static_multiple(eth_by_the_hour(market_data), Cohort(), start=NEW_YEAR, end=YEAR_END, seeds=(1, 2))
    print(f"\nA book without actions loses {found:.2f} times as much in the falls of 2021")
    assert found > 1.5
