"""Pegged pairs: what their depegs are pooled from, what bounds them, and noise that is no movement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from riskparams.errors import ConfigError
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.peg import Peg, fit_peg, jump_table
from riskparams.parameters.penalty import LiquidationCosts
from riskparams.parameters.policy import PairPolicy, PairTask
from riskparams.paths.model import ModelSpec, measurement_noise
from riskparams.prices.panel import Candles, PricePanel
from riskparams.returns import log_returns
from riskparams.tails.jump_paths import draw_jumps
from riskparams.terms import DAY, Asset, FloatArray, Pair

HOUR = 3_600_000_000_000
USD = Asset("USD")
BARS = 24 * 500


def pegged(seed: int, *, depegs: int, depth: float = 0.075, noise: float = 0.001) -> FloatArray:
    rng = np.random.default_rng(seed)
    log_price = noise * rng.standard_normal(BARS)
    for start in np.linspace(800, BARS - 400, depegs).astype(int):
        log_price[start : start + 30] += np.log(1 - depth * (1 + start % 5) / 3)
    return np.exp(log_price)


def panel_of(**prices: FloatArray) -> PricePanel:
    candles = {}
    for name, close in prices.items():
        opened = np.concatenate([close[:1], close[:-1]])
        candles[Asset(name)] = Candles(
            time=19_000 * DAY + HOUR * np.arange(1, len(close) + 1),
            open=opened,
            high=np.maximum(opened, close),
            low=np.minimum(opened, close),
            close=close,
            volume=np.full(len(close), 1e7),
            usable=np.arange(len(close)) > 0,
            segment=np.zeros(len(close), int),
        )
    return PricePanel(candles=candles, bar=HOUR, numeraire=USD)


@pytest.fixture(scope="module")
def panel() -> PricePanel:
    return panel_of(ONE=pegged(1, depegs=2), TWO=pegged(2, depegs=9), SIX=pegged(3, depegs=14))


PEG = Peg(peers=(Pair(Asset("TWO"), USD), Pair(Asset("SIX"), USD)), level=1.0)
ONE = Pair(Asset("ONE"), USD)


def task(peg: Peg | None = PEG, **changes: object) -> PairTask:
    asked = PairTask(
        pair=ONE,
        reference=ONE,
        model=ModelSpec(),
        appetite=RiskAppetite(),
        costs=LiquidationCosts(),
        oracle_step=0.0025,
        peg=peg,
        paths=20_000,
        refine=False,
        seed=4,
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


def test_depegs_are_pooled_with_the_peers_and_the_higher_rate_is_used(panel: PricePanel) -> None:
    layer = fit_peg(panel, ONE, PEG)
    assert (layer.own.count, layer.pooled.count) == (2, 25)
    assert layer.pooled.years == pytest.approx(3 * BARS / (365.25 * 24))
    assert layer.arrivals is layer.pooled
    assert layer.peers == ("TWO/USD", "SIX/USD")


def test_a_peer_without_prices_yet_is_left_out(panel: PricePanel) -> None:
    layer = fit_peg(panel, ONE, replace(PEG, peers=(*PEG.peers, Pair(Asset("LATE"), USD))))
    assert layer.peers == ("TWO/USD", "SIX/USD")


def test_a_redemption_floor_bounds_what_is_made_good_and_nothing_else(panel: PricePanel) -> None:
    layer = fit_peg(panel, ONE, PEG)
    drawn = draw_jumps(layer, paths=40_000, bars=24 * 60, bar=HOUR, key=1)
    free, floored = jump_table(drawn, PEG), jump_table(drawn, replace(PEG, redemption_floor=0.97))
    final = ~drawn.recovers
    assert final.any()
    np.testing.assert_array_equal(free[final], floored[final])
    assert floored[drawn.recovers, 1].max() <= -np.log(0.97) + 1e-12
    assert free[drawn.recovers, 1].max() > -np.log(0.97)
    assert np.isinf(free[final, 3]).all()


def test_without_depegs_the_haircut_would_be_that_of_the_noise(panel: PricePanel) -> None:
    policy = PairPolicy(task())
    simulated = policy.simulate(panel)
    alone = policy.drops(simulated.model, "ttc", simulated.cycle.barriers, panel, None, drawn=False)  # type: ignore[arg-type]
    with_depegs = simulated.drops["ttc"]  # type: ignore[index]
    assert with_depegs.value_at_risk(0.995) > 3 * alone.value_at_risk(0.995)


def test_a_deeper_floor_never_narrows_the_haircut(panel: PricePanel) -> None:
    open_ended, held = (PairPolicy(task(replace(PEG, redemption_floor=floor)))(panel).haircut.value for floor in (0.0, 0.985))
    assert held < open_ended


def test_noise_of_measurement_is_told_from_movement() -> None:
    rng = np.random.default_rng(5)
    walk = np.cumsum(0.002 * rng.standard_normal(20_000))
    noise = 0.002 * rng.standard_normal(20_000)
    shares = [
        measurement_noise(log_returns(panel_of(ONE=np.exp(price)), ONE)) for price in (walk, walk + noise, 1e-5 * walk + noise)
    ]
    assert shares[0] == pytest.approx(0.0, abs=0.03)
    assert shares[1] == pytest.approx(2 * 0.002**2 / (0.002**2 + 2 * 0.002**2), abs=0.03)
    assert shares[2] == 0.95


@pytest.mark.parametrize("wrong", [{"threshold": 0.0}, {"redemption_floor": 1.0}])
def test_a_peg_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        replace(PEG, **wrong)  # type: ignore[arg-type]
