"""The parts of a haircut, the price of each tool of prudence, the conformal factor and named scenarios."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, DataError
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.conformal import conformal_factor, conformal_factors
from riskparams.parameters.haircut import haircut
from riskparams.parameters.scenarios import StressWindow, scenario_drops, worst
from riskparams.paths.model import ModelSpec, fit_path_model
from riskparams.paths.simulate import StartLaw
from riskparams.paths.trigger import TriggerDrops
from riskparams.prices.panel import Candles
from riskparams.prices.sample import simulated_market
from riskparams.terms import Asset, Pair

HOUR = 3_600_000_000_000
ALPHA = Pair(Asset("ALPHA"), Asset("USD"))


def drops(scale: float, *, seed: int = 1) -> TriggerDrops:
    falls = scale * np.abs(np.random.default_rng(seed).standard_t(4, (30_000, 1)))
    return TriggerDrops(drop=1 - np.exp(-falls), barriers=np.array([0.1]))


def three(pit: float, ttc: float, stressed: float) -> dict[StartLaw, TriggerDrops]:
    return {StartLaw.PIT: drops(pit), StartLaw.TTC: drops(ttc), StartLaw.STR: drops(stressed)}


small = st.floats(0.001, 0.2)


@given(
    laws=st.tuples(small, small, small),
    at_fit=st.floats(0.7, 1.2),
    conformal=st.floats(1.0, 1.5),
    around=st.tuples(*[st.floats(0.0, 0.3)] * 4),
    weight=st.floats(0.0, 1.0),
    floor=st.booleans(),
    buffer=st.sampled_from([0.0, 0.25]),
)
@settings(max_examples=60, deadline=None)
def test_the_parts_add_up_whatever_the_tools(
    laws: tuple[float, float, float],
    at_fit: float,
    conformal: float,
    around: tuple[float, float, float, float],
    weight: float,
    floor: bool,
    buffer: float,
) -> None:
    appetite = RiskAppetite(stress_weight=weight, cycle_floor=floor, buffer=buffer)
    simulated = three(*laws)
    estimate = {law: at_fit * found.value_at_risk(0.995) for law, found in simulated.items()}
    step, scenario, slippage, fee = around
    cut = haircut(
        simulated,
        appetite,
        oracle_step=step,
        conformal=conformal,
        scenario=scenario,
        slippage=slippage,
        fee=fee,
        at_estimate=estimate,
    )
    assert sum(cut.components.values()) == pytest.approx(cut.value, abs=1e-9)
    assert cut.components["conformal factor"] >= -1e-12
    for tool in ("through-the-cycle floor", "conformal factor"):
        assert cut.without[tool] <= cut.value + 1e-12


def test_the_protocols_own_sale_widens_the_haircut_and_nothing_else() -> None:
    plain = haircut(three(0.02, 0.02, 0.04), RiskAppetite(), oracle_step=0.005)
    sold = haircut(three(0.02, 0.02, 0.04), RiskAppetite(), oracle_step=0.005, slippage=0.03, fee=0.01)
    assert sold.value == pytest.approx(1 - (1 - plain.value) * 0.97 * 0.99)
    assert sold.drop == plain.drop


def test_a_scenario_counts_with_the_stress_weight_alone() -> None:
    without = haircut(three(0.02, 0.001, 0.02), RiskAppetite(), oracle_step=0.0)
    beside = haircut(three(0.02, 0.001, 0.02), RiskAppetite(), oracle_step=0.0, scenario=0.5)
    pit = without.laws[StartLaw.PIT].drop
    assert beside.value == pytest.approx(0.75 * pit + 0.25 * 0.5)
    assert beside.binding == "mix of today and the worst scenario"
    none = haircut(three(0.02, 0.001, 0.02), RiskAppetite(stress_weight=0.0), oracle_step=0.0, scenario=0.5)
    assert none.value == pytest.approx(pit)
    assert none.binding == "today's tail"


@given(pit=st.floats(0.005, 0.1), ttc=st.floats(0.005, 0.1), more=st.floats(1.0, 1.3))
@settings(max_examples=40, deadline=None)
def test_a_buffer_is_released_without_the_haircut_falling_while_risk_rises(pit: float, ttc: float, more: float) -> None:
    appetite = RiskAppetite(buffer=0.25, stress_weight=0.0, cycle_floor=False)
    calm = haircut(three(pit, ttc, ttc), appetite, oracle_step=0.0)
    wilder = haircut(three(pit * more, ttc, ttc), appetite, oracle_step=0.0)
    assert wilder.value >= calm.value - 1e-9


@pytest.mark.parametrize("wrong", [{"conformal": 0.9}, {"scenario": 1.0}, {"slippage": -0.1}, {"oracle_step": 1.5}])
def test_a_surrounding_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong)).replace("_", ".")):
        haircut(three(0.02, 0.02, 0.02), RiskAppetite(), **{"oracle_step": 0.0, **wrong})


@given(losses=st.lists(st.floats(0, 1), min_size=5, max_size=200), misses=st.sampled_from([0.01, 0.05]))
@settings(max_examples=60, deadline=None)
def test_the_average_miss_keeps_the_bound_of_the_conformal_factor(losses: list[float], misses: float) -> None:
    loss, forecast = np.array(losses), np.full(len(losses), 0.3)
    factors = conformal_factors(loss, forecast, misses=misses)
    missed = np.mean(loss > factors[:-1] * forecast)
    assert missed <= misses + (factors[-1] - 1) / (0.1 * len(loss)) + 1e-12
    assert factors.min() >= 1


def test_the_conformal_factor_is_near_one_for_the_law_it_was_fitted_to() -> None:
    panel = simulated_market()
    model = fit_path_model(panel, ALPHA, ALPHA, ModelSpec())
    assert 1.0 <= conformal_factor(model, wait=1) < 1.5
    with pytest.raises(DataError, match="one forecast for each loss"):
        conformal_factors(np.zeros(2), np.zeros(3))


def candles(close: np.ndarray, first: int = 1) -> Candles:
    opened = np.concatenate([close[:1], close[:-1]])
    return Candles(
        time=HOUR * (first + np.arange(len(close))),
        open=opened,
        high=np.maximum(opened, close),
        low=np.minimum(opened, close),
        close=close,
        volume=np.ones(len(close)),
        usable=np.ones(len(close), bool),
        segment=np.zeros(len(close), int),
    )


def test_a_window_costs_what_its_worst_position_lost_after_its_trigger() -> None:
    close = np.full(40, 100.0)
    close[20:] = 80.0  # a gap of 20 % in one bar
    close[21:] = 70.0
    window = StressWindow(name="gap", start=15 * HOUR, end=19 * HOUR)
    own = candles(close)
    [found] = scenario_drops(own, own, [window], np.array([0.05]), follow=10, wait=1, name="X/USD")
    assert found.drop == pytest.approx(1 - 0.70 / np.exp(-0.05))
    assert (found.beta, found.proxy) == (1.0, "")
    assert worst([found]) is found
    assert worst([]) is None


def test_an_asset_that_did_not_exist_takes_its_proxys_fall_times_beta() -> None:
    rng = np.random.default_rng(1)
    moves = 0.01 * rng.standard_normal(200)
    proxy = np.exp(np.cumsum(moves))
    proxy[100:] *= 0.8
    own = np.exp(np.cumsum(1.5 * moves))[120:]
    window = StressWindow(name="gap", start=95 * HOUR, end=100 * HOUR)
    found = scenario_drops(
        candles(own, first=121), candles(proxy), [window], np.array([0.05]), follow=10, wait=1, name="BTC/USD"
    )
    assert found[0].proxy == "BTC/USD"
    assert found[0].beta == pytest.approx(1.5, abs=0.05)
    alone = scenario_drops(candles(proxy), candles(proxy), [window], np.array([0.05]), follow=10, wait=1, name="")
    assert found[0].drop == pytest.approx(1 - (1 - alone[0].drop) ** found[0].beta)


def test_a_window_that_nobody_has_prices_of_is_left_out() -> None:
    late = candles(np.linspace(100, 90, 50), first=1000)
    assert not scenario_drops(late, late, [StressWindow(name="x", start=1, end=5)], np.array([0.05]), follow=5, wait=1, name="")


def test_a_buffer_has_no_interval_and_says_so() -> None:
    assert replace(RiskAppetite(), buffer=0.2).buffer == 0.2
    with pytest.raises(ConfigError, match="buffer"):
        RiskAppetite(buffer=1.5)
