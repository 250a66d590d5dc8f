"""The path engine: its slow twin, its laws of start, its random streams, its moments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from markets import model_of, true_history, true_model

from riskparams.paths.kernels import lay_over, simulate_log_prices, uniform
from riskparams.paths.model import ModelSpec, PathModel, fit_path_model
from riskparams.paths.pool import History, Pool, build_pool
from riskparams.paths.simulate import StartLaw, Streams, mixture_moments, path_law, simulate_paths, streams
from riskparams.prices.sample import SimulatedMarket, market_spec, simulate
from riskparams.tails.gpd import TailFit, fit_tail
from riskparams.terms import Asset, Pair

KEYS = Streams(11, 22)
USD = Asset("USD")


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return simulate(market_spec())


@pytest.fixture(scope="module")
def model(market: SimulatedMarket) -> PathModel:
    return fit_path_model(market.panel, Pair(Asset("BRAVO"), USD), Pair(Asset("ALPHA"), USD), ModelSpec())


def test_the_kernel_equals_the_textbook_loop(model: PathModel) -> None:
    found = simulate_paths(model, law=StartLaw.PIT, bars=30, paths=40, streams=KEYS)
    pool, tail = model.window, model.window_tail
    centre, spread = mixture_moments(pool, tail)
    omega, alpha, gamma, beta = model.recursion
    replaced = 0
    for path in range(40):
        sigma2, slot, price = model.next_sigma2, model.next_slot, 0.0
        for bar in range(30):
            row = int(uniform(KEYS.rows, path, bar) * len(pool.z))
            z, low = pool.z[row], pool.low[row]
            if z < -tail.tail_threshold:
                beyond = tail.share * uniform(KEYS.draws, path, bar)
                size = min(tail.quantile(1 - beyond), tail.largest_simulated)
                z, low, replaced = -size, low * size / -z, replaced + 1
            z, low = (z - centre) / spread, (low - centre) / spread
            size = model.fit.hour_factor[slot] * pool.scale * np.sqrt(sigma2)
            assert found.low[path, bar] == pytest.approx(price + min(0.0, size * z, size * low), abs=1e-12)
            price += size * z
            assert found.close[path, bar] == pytest.approx(price, abs=1e-12)
            e2 = sigma2 * z * z
            sigma2 = omega + (alpha + gamma * (z < 0)) * e2 + beta * sigma2
            slot = (slot + 1) % 168
    assert replaced > 20


def test_paths_take_the_tails_they_are_given_in_turn(model: PathModel) -> None:
    """What is not known of the tail is mixed over: path i is simulated under draw i mod draws, as it would be alone."""
    drawn = np.array([[0.0, 0.4], [0.3, 0.6], [0.7, 1.1]])
    mixed = path_law(model, StartLaw.STR, bars=60, paths=90, streams=KEYS, tails=drawn)
    close, _ = simulate_log_prices(*mixed.arguments(0, 90))
    for i, tail in enumerate(drawn):
        alone, _ = simulate_log_prices(
            *path_law(model, StartLaw.STR, bars=60, paths=90, streams=KEYS, tails=tail[None]).arguments(0, 90)
        )
        assert np.array_equal(close[i::3], alone[i::3])
    assert not np.array_equal(close, alone)


def test_blocks_keep_rows_that_follow_each_other(model: PathModel) -> None:
    """With a mean block of 5 bars four draws in five are the row after the one before; one by one, none but by chance."""
    rows = model.history.z

    def followed(bars: float) -> float:
        blocks = replace(model, spec=replace(model.spec, block_bars=bars), history_tail=replace(model.history_tail))
        law = path_law(blocks, StartLaw.TTC, bars=40, paths=400, streams=KEYS)
        counted = replace(law, table=np.column_stack([np.arange(len(rows), dtype=float)] * 3 + [np.zeros(len(rows))]))
        still = replace(counted, recursion=np.array([1.0, 0.0, 0.0, 0.0]), along=np.ones_like(law.along), sigma2=np.ones(400))
        still.table[:, 2] = 0.0
        close, _ = simulate_log_prices(*still.arguments(0, 400))
        drawn = np.diff(close, axis=1, prepend=0.0)
        return float(np.mean((drawn[:, 1:] - drawn[:, :-1]) % len(rows) == 1))

    assert followed(1.0) < 0.01
    assert followed(5.0) == pytest.approx(0.8, abs=0.02)


def test_a_jump_falls_stays_and_comes_back() -> None:
    close, low = np.zeros((8, 3)), np.full((8, 3), -0.01)
    jumps = np.array([[1.0, 0.3, 3.0, 2.0], [-1.0, 9.9, 1.0, 0.0], [0.0, 0.2, 1.0, np.inf]])
    lay_over(close, low, jumps)
    np.testing.assert_allclose(close[:, 0], [0, -0.1, -0.2, -0.3, -0.3, -0.3, -0.2, -0.1], atol=1e-12)
    np.testing.assert_allclose(low[:, 0], [-0.01, -0.11, -0.21, -0.31, -0.31, -0.31, -0.31, -0.21], atol=1e-12)
    assert (close[:, 1] == 0).all()
    np.testing.assert_allclose(close[:, 2], -0.2)
    assert (low <= close).all()


def test_lows_never_lie_above_open_or_close(model: PathModel) -> None:
    paths = simulate_paths(model, law=StartLaw.STR, bars=50, paths=500, streams=KEYS)
    opened = np.column_stack([np.zeros(500), paths.close[:, :-1]])
    assert (paths.low <= np.minimum(opened, paths.close) + 1e-15).all()


def test_the_parts_of_a_simulation_are_slices_of_the_whole(model: PathModel) -> None:
    for law in StartLaw:
        whole = simulate_paths(model, law=law, bars=20, paths=300, streams=KEYS)
        part = simulate_paths(model, law=law, bars=20, paths=300, streams=KEYS, first=100, count=50)
        assert np.array_equal(whole.close[100:150], part.close)


def test_a_longer_simulation_begins_with_the_shorter(model: PathModel) -> None:
    long = simulate_paths(model, law=StartLaw.TTC, bars=40, paths=100, streams=KEYS)
    short = simulate_paths(model, law=StartLaw.TTC, bars=10, paths=100, streams=KEYS)
    assert np.array_equal(long.close[:, :10], short.close)


def test_assets_share_their_rows_and_nothing_else() -> None:
    one, other = streams(7, StartLaw.PIT, "ETH/USD"), streams(7, StartLaw.PIT, "BTC/USD")
    assert one.rows == other.rows
    assert one.draws != other.draws
    assert one != streams(7, StartLaw.TTC, "ETH/USD")
    assert one != streams(8, StartLaw.PIT, "ETH/USD")


def test_the_counter_based_uniforms_are_uniform_and_uncorrelated() -> None:
    draws = np.array([[uniform(123, path, bar) for bar in range(200)] for path in range(200)])
    assert draws.min() > 0
    assert draws.max() < 1
    counts = np.histogram(draws, bins=20, range=(0, 1))[0]
    assert ((counts - 2000) ** 2 / 2000).sum() < 43.8  # chi-square, 19 degrees of freedom, 0.1 %
    for lagged in (draws[:, 1:] * draws[:, :-1], draws[1:] * draws[:-1]):
        assert abs(lagged.mean() - 0.25) < 4 * np.sqrt(7 / 144 / lagged.size)


def test_a_tail_draw_keeps_mean_zero_and_variance_one() -> None:
    rng = np.random.default_rng(4)
    z = rng.standard_t(5, 30_000) / np.sqrt(5 / 3)
    z = (z - z.mean()) / z.std()
    none = np.zeros(len(z))
    pool = Pool(
        z=z, low=np.minimum(z, none), sigma2=none + 1, slot=none.astype(int), filled=none > 0, scale=1, variance_ratio=1
    )
    tail = fit_tail(-z)
    centre, spread = mixture_moments(pool, tail)
    k = z < -tail.tail_threshold
    sizes = np.array([tail.quantile(1 - tail.share * v) for v in rng.random(400_000)])
    mean = (z[~k].sum() - k.sum() * sizes.mean()) / len(z)
    square = ((z[~k] ** 2).sum() + k.sum() * (sizes**2).mean()) / len(z)
    assert centre == pytest.approx(mean, abs=2e-3)
    assert spread == pytest.approx(np.sqrt(square - mean**2), rel=5e-3)


def test_without_a_variance_the_draw_is_left_as_it_is(model: PathModel) -> None:
    heavy = TailFit(tail_threshold=1.6, shape=0.6, scale=0.6, exceedances=100, n_obs=2000)
    assert mixture_moments(model.window, heavy) == (0.0, 1.0)


def test_simulated_volatility_is_the_fitted_one() -> None:
    """The class of defect in which a shock is scaled by sigma twice: realised volatility would be sigma squared."""
    spec = replace(market_spec(), crashes=None)
    truth = true_model(simulate(spec), spec, "ALPHA", rows=100_000, tail_share=0.05)
    paths = simulate_paths(truth, law=StartLaw.TTC, bars=168, paths=20_000, streams=KEYS)
    realised = np.sqrt(np.var(paths.close[:, -1]) * 52.142857)
    states = np.sqrt(truth.history.sigma2.mean() * 365 * 24)
    assert realised == pytest.approx(states, rel=0.05)
    assert states == pytest.approx(0.55, rel=0.1)


def test_starts_are_today_any_state_or_the_worst_hundredth(model: PathModel) -> None:
    first = {law: simulate_paths(model, law=law, bars=1, paths=8_000, streams=KEYS).close[:, 0].std() for law in StartLaw}
    pool = model.history
    worst = np.sort(pool.sigma2)[-round(0.01 * len(pool.sigma2)) :]
    typical = np.sqrt(np.mean(pool.sigma2 * model.fit.hour_factor[pool.slot] ** 2)) * pool.scale
    today = np.sqrt(model.next_sigma2) * model.fit.hour_factor[model.next_slot] * model.window.scale
    assert first[StartLaw.TTC] == pytest.approx(typical, rel=0.06)
    assert first[StartLaw.PIT] == pytest.approx(today, rel=0.06)
    assert first[StartLaw.STR] == pytest.approx(np.sqrt(worst.mean()) * pool.scale, rel=0.2)


def test_a_late_asset_is_filled_back_with_the_references_rows(market: SimulatedMarket) -> None:
    spec = market_spec()
    lender, _ = true_history(market, spec, "ALPHA")
    late, fit = true_history(market, spec, "FJORD")
    pool = build_pool(late, lender, since=0)
    assert len(pool.z) == len(lender.returns)
    assert pool.variance_ratio == 2.0  # (1.10 / 0.55)**2 = 4, clipped
    listed = np.searchsorted(lender.returns.time, late.returns.time[0])
    assert pool.filled[:listed].all()
    assert not pool.filled[listed:].any()
    np.testing.assert_allclose(pool.sigma2[:listed], 2 * lender.state.sigma2[:listed])
    lent = (lender.state.z - lender.state.z.mean()) / lender.state.z.std()
    np.testing.assert_allclose(pool.z[:listed], lent[:listed])
    own = (late.state.z - late.state.z.mean()) / late.state.z.std()
    np.testing.assert_allclose(pool.z[listed:], own)
    assert model_of(late, fit, pool, fit_tail(-pool.z), 1.0).history.filled_share == pytest.approx(listed / len(pool.z))


def test_under_a_year_in_common_the_lent_states_are_doubled(market: SimulatedMarket) -> None:
    spec = market_spec()
    lender, _ = true_history(market, spec, "ALPHA")
    other, _ = true_history(market, spec, "BRAVO")

    def newest(days: int) -> History:
        bars = days * 24
        returns = other.returns.since(int(other.returns.time[-bars - 1]))
        state = replace(other.state, **{name: getattr(other.state, name)[-bars:] for name in ("sigma2", "z", "low")})
        return History(returns=returns, state=state)

    assert build_pool(newest(364), lender, since=0).variance_ratio == 2.0
    long = newest(700)
    spread = [np.mean(h.state.z[-700 * 24 :] ** 2 * h.state.sigma2[-700 * 24 :]) for h in (long, lender)]
    assert build_pool(long, lender, since=0).variance_ratio == pytest.approx(spread[0] / spread[1], rel=1e-9)
    assert 1 < spread[0] / spread[1] < 2


def test_a_reference_that_ends_early_deletes_none_of_the_assets_own_rows(market: SimulatedMarket) -> None:
    spec = market_spec()
    lender, _ = true_history(market, spec, "ALPHA")
    own, _ = true_history(market, spec, "BRAVO")
    half = len(lender.returns) // 2
    ended = replace(
        lender,
        returns=replace(
            lender.returns,
            **{name: getattr(lender.returns, name)[:half] for name in ("time", "value", "low", "slot", "segment")},
        ),
        state=replace(lender.state, **{name: getattr(lender.state, name)[:half] for name in ("sigma2", "z", "low")}),
    )
    pool = build_pool(own, ended, since=0)
    assert len(pool.z) == len(own.returns)
    assert not pool.filled.any()
    assert pool.z.min() == pytest.approx((own.state.z.min() - own.state.z.mean()) / own.state.z.std())
