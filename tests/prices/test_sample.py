"""The bundled markets: the simulated one follows the law it documents, and says that it is simulated."""

from __future__ import annotations

import math
from dataclasses import replace

import numba
import numpy as np
import pytest
from scipy import stats

from riskparams.errors import ConfigError
from riskparams.prices.generator import HOUR, HOURS_PER_YEAR, WEEK, AssetSpec, MarketSpec, bridge_low, hour_factor, hour_of_week
from riskparams.prices.panel import Calendar
from riskparams.prices.quality import assess_panel
from riskparams.prices.sample import SimulatedMarket, bundled, index_market, market_spec, simulate, simulated_market, true_drops
from riskparams.terms import FloatArray, iso

SPEC = market_spec()
CALM = replace(SPEC, crashes=None)


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return simulate(SPEC)


@pytest.fixture(scope="module")
def long_market() -> SimulatedMarket:
    """Thirty years of two assets without crashes: long enough to see the parameters through the noise."""
    return simulate(replace(CALM, bars=30 * HOURS_PER_YEAR, assets=SPEC.assets[:2], pegged=()))


def log_returns(market: SimulatedMarket, asset: str) -> FloatArray:
    returns: FloatArray = np.diff(np.log(market.panel[asset].close))
    return returns


def test_the_market_is_labelled_simulated_and_spans_three_years(market: SimulatedMarket) -> None:
    panel = market.panel
    assert panel.simulated
    assert len(panel.assets) == 8
    assert iso(panel.last) == "2024-06-01T00:00:00Z"
    assert len(panel["ALPHA"]) == 26_280
    assert {asset for asset in panel.assets if len(panel[asset]) < 26_280} == {"FJORD", "GLINT"}
    assert len(panel["FJORD"]) == round(20 * 365.25 / 12 * 24)


def test_the_market_is_the_same_each_time(market: SimulatedMarket) -> None:
    assert simulated_market().sha256 == market.panel.sha256


def test_another_seed_is_another_market(market: SimulatedMarket) -> None:
    other = simulated_market(replace(SPEC, seed=1)).sha256
    assert all(other[asset] != digest for asset, digest in market.panel.sha256.items())


def test_one_more_asset_changes_none_of_the_others(market: SimulatedMarket) -> None:
    fewer = simulated_market(replace(SPEC, assets=SPEC.assets[2:5], pegged=())).sha256
    assert fewer == {asset: market.panel.sha256[asset] for asset in ("CEDAR", "DELTA", "EMBER")}


def test_lows_and_highs_enclose_open_and_close(market: SimulatedMarket) -> None:
    for candles in market.panel.candles.values():
        assert (candles.low <= np.minimum(candles.open, candles.close)).all()
        assert (candles.high >= np.maximum(candles.open, candles.close)).all()
        assert (candles.low > 0).all()
        assert np.array_equal(candles.open[1:], candles.close[:-1])
        assert candles.usable[1:].all()


def test_sample_volatility_is_that_of_the_law(long_market: SimulatedMarket) -> None:
    for asset in ("ALPHA", "BRAVO"):
        annual = np.sqrt(np.mean(log_returns(long_market, asset) ** 2) * HOURS_PER_YEAR)
        assert annual == pytest.approx(SPEC[asset].annual_volatility, rel=0.05)


def test_the_hour_of_week_pattern_is_in_the_returns(long_market: SimulatedMarket) -> None:
    factor = hour_factor()
    assert np.mean(factor**2) == pytest.approx(1)
    assert 0.65 < factor.min() < 0.75 < 1.3 < factor.max() < 1.45
    slot = hour_of_week(long_market.panel["ALPHA"].time[1:])
    size = np.bincount(slot, np.abs(log_returns(long_market, "ALPHA"))) / np.bincount(slot)
    assert np.corrcoef(size, factor)[0, 1] > 0.95


def test_deseasonalised_returns_over_sigma_have_the_shocks_law(long_market: SimulatedMarket) -> None:
    panel, sigma2 = long_market.panel, long_market.sigma2["ALPHA"]
    assert len(sigma2) == len(panel["ALPHA"]) + 1
    factor = hour_factor()[hour_of_week(panel["ALPHA"].time[1:])]
    z = log_returns(long_market, "ALPHA") / factor / np.sqrt(sigma2[1:-1])
    nu = SPEC.degrees_of_freedom
    assert stats.kstest(z * math.sqrt(nu / (nu - 2)), stats.t(nu).cdf).pvalue > 0.001
    e = np.sqrt(sigma2[1:-1]) * z
    law = SPEC["ALPHA"]
    again = law.variance * (1 - law.persistence) + (law.alpha + law.gamma * (e < 0)) * e**2 + law.beta * sigma2[1:-1]
    np.testing.assert_allclose(sigma2[2:], again, rtol=1e-6)


def test_tails_are_fat_and_assets_move_together(market: SimulatedMarket) -> None:
    for asset in SPEC.assets:
        assert stats.kurtosis(log_returns(market, asset.asset), fisher=False) > 5
    expected = SPEC["ALPHA"].loading * SPEC["BRAVO"].loading
    assert np.corrcoef(log_returns(market, "ALPHA"), log_returns(market, "BRAVO"))[0, 1] == pytest.approx(expected, abs=0.08)


def test_crash_hours_are_common_deep_and_can_be_switched_off(market: SimulatedMarket) -> None:
    calm = simulate(CALM)
    first = {}
    for asset in ("ALPHA", "BRAVO", "CEDAR"):
        with_crashes, without = log_returns(market, asset), log_returns(calm, asset)
        first[asset] = int(np.flatnonzero(with_crashes != without)[0])
        jump = (without - with_crashes)[first[asset]]
        at = first[asset] + 1
        sigma = np.sqrt(calm.sigma2[asset][at]) * hour_factor()[hour_of_week(calm.panel[asset].time[at : at + 1])[0]]
        assert jump / sigma / SPEC[asset].crash_sensitivity + 1e-6 >= 6
        assert jump / sigma / SPEC[asset].crash_sensitivity <= 12 + 1e-6
        assert market.sigma2[asset][at + 1] > calm.sigma2[asset][at + 1]
    assert len(set(first.values())) == 1


def test_volume_is_plausible_and_rises_with_the_move(market: SimulatedMarket) -> None:
    for spec in SPEC.assets:
        candles = market.panel[spec.asset]
        assert (candles.volume * candles.close).mean() * 24 == pytest.approx(spec.daily_turnover, rel=0.25)
        size = np.abs(log_returns(market, spec.asset))
        assert stats.spearmanr(size, (candles.volume * candles.close)[1:]).statistic > 0.4


def test_the_stablecoin_lost_its_peg_once(market: SimulatedMarket) -> None:
    close = market.panel["PEGD"].close
    away = np.flatnonzero(np.abs(close - 1) > 0.01)
    assert close.min() == pytest.approx(0.88, abs=0.01)
    assert 40 < len(away) <= away[-1] - away[0] + 1 < 80
    calm = np.delete(np.log(close), np.arange(away[0] - 10, away[-1] + 30))
    assert calm.std() == pytest.approx(0.0005, rel=0.1)


def test_no_simulated_price_fails_its_quality_report(market: SimulatedMarket) -> None:
    for quality in assess_panel(market.panel).values():
        assert (quality.missing, quality.flat_runs, quality.segments) == (0, (), 1)


def test_bridge_lows_follow_a_walk_of_fine_steps() -> None:
    rng = np.random.default_rng(2)
    steps = rng.standard_normal((4_000, 1_600)) / 40
    walk = np.cumsum(steps, axis=1)
    r = 0.6
    bridge = walk + (r - walk[:, -1:]) * np.arange(1, 1_601) / 1_600
    fine = np.minimum(bridge.min(axis=1), 0) - 0.5826 / 40  # what a discrete walk leaves unseen (Broadie et al. 1997)
    exact = bridge_low(np.full(4_000, r), np.ones(4_000), 1 - rng.random(4_000))
    for level in (0.05, 0.25, 0.5, 0.75):
        assert np.quantile(fine, level) == pytest.approx(np.quantile(exact, level), abs=0.04)


def test_lows_of_normal_returns_are_half_normal() -> None:
    rng = np.random.default_rng(3)
    lows = bridge_low(rng.standard_normal(50_000), np.ones(50_000), 1 - rng.random(50_000))
    assert stats.kstest(-lows, stats.halfnorm.cdf).pvalue > 0.01


def slow_drops(
    spec: MarketSpec, law: AssetSpec, sigma2: float, slot: int, paths: int, barriers: list[float]
) -> list[list[float]]:
    """The law as the generator's docstring states it, one bar after the other: 24 bars to touch, 2 to execute."""
    rng = np.random.default_rng(4)
    factor, nu, found = hour_factor(), spec.degrees_of_freedom, [[] for _ in barriers]
    for _ in range(paths):
        log_price, state, lows, closes = 0.0, sigma2, [], []
        for t in range(26):
            w = (nu - 2) / rng.chisquare(nu)
            z = math.sqrt(w) * rng.standard_normal()
            if spec.crashes is not None and rng.random() < spec.crashes.per_bar:
                size = spec.crashes.smallest + rng.exponential(spec.crashes.mean_extra)
                z -= law.crash_sensitivity * min(size, spec.crashes.largest)
            e = math.sqrt(state) * z
            f = factor[(slot + t) % WEEK]
            r = f * e
            lows.append(log_price + (r - math.sqrt(r * r - 2 * w * f * f * state * math.log(1 - rng.random()))) / 2)
            log_price += r
            closes.append(log_price)
            bad_news = law.gamma if e < 0 else 0.0
            state = law.variance * (1 - law.persistence) + (law.alpha + bad_news) * e * e + law.beta * state
        for k, m in enumerate(barriers):
            touched = next((t for t in range(24) if lows[t] <= -m), None)
            if touched is not None:
                found[k].append(1 - math.exp(closes[touched + 2] + m))
    return found


@pytest.mark.parametrize("crashes_per_year", [0.0, 60.0])
def test_true_drops_agree_with_the_slow_loop(crashes_per_year: float) -> None:
    assert SPEC.crashes is not None
    spec = replace(SPEC, crashes=replace(SPEC.crashes, per_year=crashes_per_year))
    law, barriers = spec["CEDAR"], [0.02, 0.05]
    paths = 15_000
    slow = slow_drops(spec, law, 2 * law.variance, 30, paths, barriers)
    fast = true_drops(
        spec, "CEDAR", sigma2=2 * law.variance, slot=30, paths=200_000, barriers=np.array(barriers), follow_bars=24,
        execution_bars=2, seed=5,
    )  # fmt: skip
    for k in range(2):
        share = len(slow[k]) / paths
        assert len(fast[k]) / 200_000 == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / paths))
        assert stats.ks_2samp(slow[k], fast[k]).pvalue > 0.001


def test_true_drops_do_not_depend_on_the_number_of_threads() -> None:
    def drops() -> tuple[FloatArray, ...]:
        return true_drops(
            SPEC, "ALPHA", sigma2=np.array([1e-5, 9e-5]), slot=np.array([3, 99]), paths=5_000, barriers=np.array([0.01, 0.04]),
            follow_bars=48, execution_bars=1, seed=6,
        )  # fmt: skip

    many = drops()
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        one = drops()
    finally:
        numba.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(many, one, strict=True))
    assert len(many[0]) > len(many[1]) > 0


def test_a_touch_executed_at_once_is_never_above_the_barrier_by_more_than_the_bar_recovers() -> None:
    law = SPEC["ALPHA"]
    drops = true_drops(
        CALM,
        "ALPHA",
        sigma2=law.variance,
        slot=0,
        paths=20_000,
        barriers=np.array([0.01]),
        follow_bars=24,
        execution_bars=0,
        seed=7,
    )[0]
    assert np.median(drops) < 0.003
    assert np.quantile(drops, 0.995) > 0.01


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alpha": 0.2}, "persistence 1.1"),
        ({"loading": 1.5}, "loading"),
        ({"beta": -0.1}, "persistence"),
        ({"first_price": 0.0}, "price"),
    ],
)
def test_a_law_that_cannot_be_is_refused(change: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(SPEC["ALPHA"], **change)


def test_other_wrong_questions_are_refused() -> None:
    with pytest.raises(ConfigError, match="degrees_of_freedom is 2"):
        replace(SPEC, degrees_of_freedom=2.0)
    with pytest.raises(ConfigError, match="PEGD is not a volatile asset"):
        SPEC["PEGD"]
    with pytest.raises(ConfigError, match="positive log distances"):
        true_drops(SPEC, "ALPHA", sigma2=1e-5, slot=0, paths=1, barriers=np.zeros(1), follow_bars=1, execution_bars=1, seed=1)
    with pytest.raises(ConfigError, match=r"data/none\.toml did not come with this installation"):
        bundled("data/none.toml")


def test_bundled_data_is_found() -> None:
    assert "simulated" in bundled("data/sample/market.toml").read_text(encoding="utf-8")
    assert bundled("data/sample").is_dir()


def test_the_indices_are_real_daily_candles_on_an_exchange_calendar() -> None:
    panel = index_market()
    assert panel.assets == ("SPX", "COMP")
    assert not panel.simulated
    assert panel.calendar is Calendar.EXCHANGE
    candles = panel["SPX"]
    assert iso(int(candles.time[0])) == "1999-01-05T00:00:00Z"
    assert candles.close[0] == pytest.approx(1228.10, abs=0.005)
    assert np.isnan(candles.volume).all()
    assert (len(candles), int(candles.segment[-1])) == (5_031, 0)
    assert panel.bar == 24 * HOUR
