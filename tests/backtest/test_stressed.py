"""Scenarios as markets: troubles strike with the prices, the fall is the pair's, and a deeper gap never costs less."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import Intrabar, LiquidationRules, Liquidators
from riskparams.backtest.oracle import OracleRules
from riskparams.backtest.positions import Borrowers, Cohort, draw_borrowers
from riskparams.backtest.scenario_files import load_scenarios
from riskparams.backtest.scenario_paths import Origin, ScenarioPath, scenario_paths
from riskparams.backtest.scenarios import Depeg, Scenario, Shock, Window
from riskparams.backtest.stressed import StressedMarket, StressLoss, opening_debt, stress_loss, stressed_market
from riskparams.errors import DataError
from riskparams.execution import Depth
from riskparams.parameters.risk_parameters import RiskParameters
from riskparams.prices.panel import PricePanel
from riskparams.prices.sample import simulated_market
from riskparams.terms import Asset, Pair

ALPHA, BRAVO, PEGD, USD = map(Asset, ("ALPHA", "BRAVO", "PEGD", "USD"))
SCENARIOS = load_scenarios()
PAIR = Pair(ALPHA, USD)
TERMS = RiskParameters(max_ltv=0.75, liquidation_threshold=0.80, liquidation_bonus=0.06)
COHORT = Cohort()
LEAD = timedelta(hours=6)


@pytest.fixture(scope="module")
def panel() -> PricePanel:
    return simulated_market()


@pytest.fixture(scope="module")
def borrowers() -> Borrowers:
    return draw_borrowers(COHORT, 300, TERMS, np.random.default_rng(5))


def shock(**fields: object) -> Scenario:
    return Scenario(name="s", title="A shock", facts=(), event=Shock(**fields))  # type: ignore[arg-type]


def stressed(scenario: Scenario, panel: PricePanel, pair: Pair = PAIR) -> StressedMarket:
    assets = [asset for asset in (pair.collateral, pair.debt) if asset != USD]
    found = scenario_paths(scenario, panel, assets, reference=ALPHA, lead=LEAD, spared=(pair.debt,))
    paths = {asset: path for asset, path in found.items() if isinstance(path, ScenarioPath)}
    assert len(paths) == len(assets), found
    return stressed_market(scenario, paths, pair, numeraire=USD, lead=LEAD)


def lost(market: StressedMarket, borrowers: Borrowers, *, liquidators: bool = True, feedback: bool = True) -> StressLoss:
    deep = Depth(daily_volume=2e7, daily_sigma=0.05)
    return stress_loss(
        market,
        TERMS,
        borrowers,
        LiquidationRules(liquidators=Liquidators() if liquidators else None),
        cohort=COHORT,
        oracle=OracleRules(deviation=0.005, heartbeat=timedelta(hours=24)),
        impact=MarketImpact(depth={ALPHA: deep}, feedback=feedback) if liquidators else None,
    )


def test_troubles_strike_at_the_bar_of_the_gap(panel: PricePanel) -> None:
    found = stressed(shock(gap=0.3, oracle_frozen=timedelta(hours=2), gas_multiplier=20, depth_multiplier=0.1), panel)
    price, conditions = found.market.close[:, 0], found.conditions
    hit = int(np.argmax(price < price[0]))
    assert hit == 6
    assert price[hit] == pytest.approx(0.7 * price[hit - 1])
    assert (conditions.gas[:hit] == 1).all()
    assert (conditions.gas[hit:] == 20).all()
    assert (conditions.depth[:hit] == 1).all()
    assert (conditions.depth[hit:] == 0.1).all()
    assert np.flatnonzero(conditions.frozen).tolist() == [hit, hit + 1]
    assert found.fall == pytest.approx(0.3)


@pytest.mark.parametrize("name", sorted(name for name, one in SCENARIOS.items() if isinstance(one.event, Shock)))
def test_every_bundled_shock_makes_a_market(name: str, panel: PricePanel) -> None:
    found = stressed(SCENARIOS[name], panel)
    assert len(found.conditions.gas) == len(found.market)
    assert found.fall == pytest.approx(0.0 if name == "depeg" else 0.3)


def test_a_window_adds_nothing_to_its_prices(panel: PricePanel) -> None:
    window = SCENARIOS["2022-06"].with_stand_ins({ALPHA: Asset("BTC")})
    found = stressed(window, panel)
    assert found.fall == pytest.approx(0.4086, abs=1e-4)
    assert (found.conditions.gas == 1).all()
    assert not found.conditions.frozen.any()


def test_simulated_prices_replay_no_window_and_a_stand_in_lends_its_fall(panel: PricePanel) -> None:
    window = SCENARIOS["2022-06"]
    bare = scenario_paths(window, panel, [ALPHA, BRAVO], reference=ALPHA)
    assert str(bare[ALPHA]) == "skipped: its prices are simulated, and no fall of ALPHA is on record"
    lent = scenario_paths(window.with_stand_ins({ALPHA: Asset("BTC")}), panel, [ALPHA, BRAVO], reference=ALPHA)
    origins = [path.origin for path in lent.values() if isinstance(path, ScenarioPath)]
    assert origins == [Origin.PUBLISHED, Origin.SCALED]


def test_a_stand_in_replaces_no_fall_on_record_and_lends_none_it_lacks() -> None:
    window = SCENARIOS["2022-06"]
    assert isinstance(window.event, Window)
    same = window.with_stand_ins({Asset("ETH"): Asset("BTC"), Asset("NEW"): Asset("NOBODY")})
    assert same == window
    assert SCENARIOS["gap-30"].with_stand_ins({ALPHA: Asset("BTC")}) is SCENARIOS["gap-30"]


def test_a_debt_with_a_price_of_its_own_is_priced_by_its_closes(panel: PricePanel) -> None:
    pair = Pair(ALPHA, BRAVO)
    found = stressed(shock(gap=0.3), panel, pair)
    assert found.market.assets == (ALPHA, BRAVO)
    assert np.array_equal(found.market.low, found.market.close)
    assert found.fall == pytest.approx(0.3)
    both = stressed(shock(co_crash=0.3), panel, pair)
    assert both.market.close[-1, 1] < both.market.close[0, 1]
    assert both.fall < 0.05


def test_assets_whose_bars_differ_are_refused(panel: PricePanel) -> None:
    pair = Pair(ALPHA, BRAVO)
    paths = scenario_paths(shock(gap=0.3), panel, [ALPHA, BRAVO], reference=ALPHA)
    one, other = paths[ALPHA], paths[BRAVO]
    assert isinstance(one, ScenarioPath)
    assert isinstance(other, ScenarioPath)
    cut = {ALPHA: one, BRAVO: replace(other, candles=other.candles.head(10))}
    with pytest.raises(DataError, match="ALPHA/BRAVO: the bars of ALPHA and BRAVO differ under s"):
        stressed_market(shock(gap=0.3), cut, pair, numeraire=USD, lead=LEAD)


def test_a_flat_market_costs_nothing(panel: PricePanel, borrowers: Borrowers) -> None:
    found = lost(stressed(SCENARIOS["depeg"], panel), borrowers)
    assert (found.loss, found.liquidated, found.accounts, found.written_off, found.stuck_hours) == (0, 0, 0, 0, 0)
    assert found.debt == opening_debt(TERMS, borrowers)


def test_dear_gas_and_a_thin_market_never_help(panel: PricePanel, borrowers: Borrowers) -> None:
    plain = lost(stressed(shock(gap=0.3), panel), borrowers)
    for trouble in ({"gas_multiplier": 20}, {"depth_multiplier": 0.1}):
        worse = lost(stressed(shock(gap=0.3, **trouble), panel), borrowers)
        assert worse.loss >= plain.loss - 1e-4 * plain.debt


def test_what_nobody_would_touch_is_written_off_and_not_called_liquidated(panel: PricePanel, borrowers: Borrowers) -> None:
    found = lost(stressed(shock(gap=0.6, gas_multiplier=1_000_000), panel), borrowers)
    assert found.accounts == 0
    assert found.liquidated == 0
    assert found.written_off > 0
    assert found.bad_debt > 0


@settings(max_examples=25)
@given(
    gaps=st.tuples(st.floats(0.02, 0.9), st.floats(0.02, 0.9)).map(sorted),
    feedback=st.booleans(),
)
def test_a_deeper_gap_never_costs_less(gaps: list[float], feedback: bool, panel: PricePanel, borrowers: Borrowers) -> None:
    shallow, deep = (stressed(shock(gap=gap), panel) for gap in gaps)
    noise = 1e-4 * opening_debt(TERMS, borrowers)
    less, more = (lost(market, borrowers, feedback=feedback) for market in (shallow, deep))
    assert more.loss >= less.loss - noise
    less, more = (lost(market, borrowers, liquidators=False) for market in (shallow, deep))
    assert more.liquidated + more.bad_debt >= less.liquidated + less.bad_debt - noise


def test_what_is_left_at_the_end_is_debt_above_collateral(panel: PricePanel, borrowers: Borrowers) -> None:
    still = Cohort(top_up_hazard=0.0, relever_hazard=0.0)
    nobody = LiquidationRules(liquidators=Liquidators(gas=0.0, margin=0.9))
    found = stress_loss(stressed(shock(gap=0.6), panel), TERMS, borrowers, nobody, cohort=still, oracle=OracleRules())
    owed, left = TERMS.max_ltv * borrowers.utilisation * borrowers.size, 0.4 * borrowers.size
    assert found.deficit == pytest.approx(np.maximum(owed - left, 0).sum(), rel=1e-9)
    assert (found.bad_debt, found.liquidated) == (0, 0)
    assert found.debt == pytest.approx(owed.sum())
    assert found.loss == found.deficit


def test_where_lows_are_closes_both_bands_are_one(panel: PricePanel, borrowers: Borrowers) -> None:
    market = stressed(shock(gap=0.3), panel)
    assert market.lows_are_closes
    rules = [LiquidationRules(liquidators=Liquidators(), intrabar=band) for band in Intrabar]
    worst, best = (stress_loss(market, TERMS, borrowers, rule, cohort=COHORT, oracle=OracleRules()) for rule in rules)
    assert worst == best
    assert not stressed(shock(depeg=Depeg(depth=0.1, duration=LEAD, asset=ALPHA)), panel).lows_are_closes


def test_the_same_borrowers_lose_the_same_twice(panel: PricePanel, borrowers: Borrowers) -> None:
    market = stressed(shock(gap=0.4), panel)
    assert lost(market, borrowers) == lost(market, borrowers)
    rules = LiquidationRules(liquidators=Liquidators(), intrabar=Intrabar.BEST)
    best = stress_loss(market, TERMS, borrowers, rules, cohort=COHORT, oracle=OracleRules())
    assert 0 < best.loss <= best.debt
