"""Walking forecasts: nothing looks ahead, nothing depends on the unit, and bad series end in a flag or a named error."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from forecast_series import PAIR, daily, hourly, series, with_values
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.backtest.scores import fz0_losses
from riskparams.errors import ConfigError, ConstantSeries, DataError, InsufficientData, ModelError
from riskparams.forecasts.model import MODELS
from riskparams.forecasts.walk import LEVELS, Forecasts, ForecastSchedule, refit_blocks, walk_forecasts
from riskparams.prices.panel import Calendar, Candles, PricePanel
from riskparams.returns import HOUR, Returns, log_returns
from riskparams.terms import DAY, FloatArray

MARKETS = {
    "hourly": (hourly, ForecastSchedule(window=30 * DAY, min_window=20 * DAY, refit=7 * DAY)),
    "daily": (daily, ForecastSchedule(window=300 * DAY, min_window=250 * DAY, refit=28 * DAY)),
}
EVERY = [(market, name) for market in MARKETS for name in MODELS]


@cache
def walked(market: str, name: str) -> Forecasts:
    returns, schedule = MARKETS[market]
    return walk_forecasts(returns(), MODELS[name], schedule)


def unchanged_until(before: Forecasts, after: Forecasts, date: int) -> bool:
    """Return whether every forecast made at or before a date is the same, bit for bit."""
    known = before.made_at <= date
    sides = ("time", "made_at", "value_at_risk", "expected_shortfall")
    return all(np.array_equal(getattr(before, side)[known], getattr(after, side)[known]) for side in sides)


def shocked(returns: Returns, date: int) -> Returns:
    value = returns.value.copy()
    value[returns.time > date] *= 10
    return with_values(returns, value)


@pytest.mark.parametrize(("market", "name"), EVERY)
def test_the_future_changes_no_past_forecast(market: str, name: str) -> None:
    found, (returns, schedule) = walked(market, name), MARKETS[market]
    for row in (0, 40, len(found) // 2, len(found) - 10):
        date = int(found.made_at[row])
        again = walk_forecasts(shocked(returns(), date), MODELS[name], schedule)
        assert unchanged_until(found, again, date)
        assert not np.array_equal(found.realised, again.realised)


@given(row=st.integers(0, 958), name=st.sampled_from(["ewma-normal", "filtered-historical-qml"]))
@settings(max_examples=25)
def test_no_date_lets_the_future_into_an_hourly_forecast(row: int, name: str) -> None:
    found, (returns, schedule) = walked("hourly", name), MARKETS["hourly"]
    date = int(found.made_at[row])
    assert unchanged_until(found, walk_forecasts(shocked(returns(), date), MODELS[name], schedule), date)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("gap_at", "gap"),
    [(474, 6 * HOUR), (520, 14 * DAY), (600, 2 * DAY)],
    ids=["just before a refit", "over one", "between two"],
)
def test_the_future_changes_no_forecast_after_a_gap(name: str, gap_at: int, gap: int) -> None:
    returns, schedule = series(hourly().value[:720], gap_at=gap_at, gap=gap), MARKETS["hourly"][1]
    found = walk_forecasts(returns, MODELS[name], schedule)
    for later in (2, 30, 74):
        date = int(returns.time[gap_at + later])
        assert unchanged_until(found, walk_forecasts(shocked(returns, date), MODELS[name], schedule), date)


@pytest.mark.parametrize(("market", "name"), EVERY)
def test_a_forecast_is_made_at_the_close_before_and_meets_the_loss_of_its_bar(market: str, name: str) -> None:
    found, returns = walked(market, name), MARKETS[market][0]()
    row = np.searchsorted(returns.time, found.time)
    assert np.array_equal(returns.time[row], found.time)
    assert np.array_equal(returns.time[row - 1], found.made_at)
    assert (found.made_at < found.time).all()
    assert np.array_equal(found.realised, -returns.value[row])
    assert found.time[-1] == returns.time[-1]
    assert not found.value_at_risk.flags.writeable


@pytest.mark.parametrize(("market", "name"), EVERY)
def test_value_at_risk_rises_with_the_level_and_the_shortfall_lies_beyond_it(market: str, name: str) -> None:
    found = walked(market, name)
    value_at_risk, shortfall = found.value_at_risk, found.expected_shortfall
    assert value_at_risk.shape == shortfall.shape == (len(found), len(LEVELS))
    assert np.isfinite(shortfall).all()
    assert (value_at_risk[:, 0] > 0).all()
    assert (value_at_risk[:, 1] > value_at_risk[:, 0]).all()
    assert (shortfall[:, 1] > shortfall[:, 0]).all()
    assert (shortfall > value_at_risk).all()


@pytest.mark.parametrize(("market", "name"), EVERY)
def test_forecasts_scale_with_the_returns(market: str, name: str) -> None:
    """By a power of two to the bit; by any other factor rounding moves the search a little, by 2e-9 at most here."""
    found, (returns, schedule) = walked(market, name), MARKETS[market]
    for factor, tolerance in ((2.0**-7, 0.0), (3.7, 1e-6), (1e-5, 1e-6)):
        scaled = walk_forecasts(with_values(returns(), factor * returns().value), MODELS[name], schedule)
        np.testing.assert_allclose(scaled.value_at_risk, factor * found.value_at_risk, rtol=tolerance, atol=0)
        np.testing.assert_allclose(scaled.expected_shortfall, factor * found.expected_shortfall, rtol=tolerance, atol=0)
        assert scaled.flags == found.flags


def test_differences_of_scores_do_not_depend_on_the_unit() -> None:
    returns, schedule = MARKETS["hourly"]

    def difference(of: Returns) -> FloatArray:
        one, other = (walk_forecasts(of, MODELS[name], schedule) for name in ("component", "historical"))
        first, second = (
            fz0_losses(said.realised, said.value_at_risk[:, 1], said.expected_shortfall[:, 1], 0.99) for said in (one, other)
        )
        return first - second

    scaled = with_values(returns(), 3.7 * returns().value)
    np.testing.assert_allclose(difference(scaled), difference(returns()), rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["component", "gjr-gpd", "historical"])
def test_prices_in_another_unit_change_nothing(name: str) -> None:
    schedule = MARKETS["hourly"][1]

    def priced(unit: float) -> Forecasts:
        close = unit * np.exp(np.cumsum(hourly().value))
        bars = dict.fromkeys(("open", "high", "low", "close"), close)
        candles = Candles(
            time=hourly().time.copy(), volume=np.ones(len(close)), usable=np.ones(len(close), bool),
            segment=np.zeros(len(close), np.int64), **{name: column.copy() for name, column in bars.items()},
        )  # fmt: skip
        panel = PricePanel(candles={PAIR.collateral: candles}, bar=HOUR, numeraire=PAIR.debt, calendar=Calendar.CONTINUOUS)
        return walk_forecasts(log_returns(panel, PAIR), MODELS[name], schedule)

    dollars, cents = priced(1.0), priced(100.0)
    np.testing.assert_allclose(cents.value_at_risk, dollars.value_at_risk, rtol=1e-9)
    np.testing.assert_allclose(cents.expected_shortfall, dollars.expected_shortfall, rtol=1e-9)


def test_ewma_forecasts_are_those_of_a_plain_loop() -> None:
    returns, schedule = MARKETS["daily"]
    found, r, time = walked("daily", "ewma-normal"), returns().value, returns().time
    for row in range(0, len(found), 7):
        bar = int(np.searchsorted(time, found.time[row]))
        at = int(time[0]) + schedule.min_window
        while at + schedule.refit <= time[bar - 1]:
            at += schedule.refit
        first = next(t for t in range(len(time)) if time[t] > at - schedule.window)
        weight = 0.94 ** np.arange(75)
        variance = float(np.sum(weight * r[first : first + 75] ** 2) / weight.sum())
        for t in range(first, bar):
            variance = 0.94 * variance + 0.06 * r[t] ** 2
        assert found.value_at_risk[row, 1] == pytest.approx(2.3263478740408408 * np.sqrt(variance), rel=1e-12)


def test_historical_forecasts_are_the_quantile_and_mean_of_the_window() -> None:
    returns, schedule = MARKETS["hourly"]
    found, losses, time = walked("hourly", "historical"), -returns().value, returns().time
    for first, known, end in refit_blocks(time, schedule):
        window = losses[first:known]
        quantile = np.quantile(window, 0.975)
        rows = slice(known - np.searchsorted(time, found.time[0]), end - np.searchsorted(time, found.time[0]))
        assert found.value_at_risk[rows, 0] == pytest.approx(quantile)
        assert found.expected_shortfall[rows, 0] == pytest.approx(window[window > quantile].mean())


@st.composite
def calendars(draw: st.DrawFn) -> tuple[np.ndarray, ForecastSchedule]:
    """Return bar closes with holes, and a schedule."""
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 5, 40]), min_size=5, max_size=150))
    time = np.cumsum(np.array(steps, dtype=np.int64)) * DAY
    window = draw(st.integers(1, 60))
    schedule = ForecastSchedule(
        window=window * DAY,
        min_window=draw(st.integers(1, window)) * DAY,
        refit=draw(st.integers(1, 30)) * DAY,
        start=draw(st.one_of(st.none(), st.integers(0, 200).map(lambda day: day * DAY))),
    )
    return time, schedule


@given(calendars())
def test_every_bar_after_the_start_is_forecast_once_from_a_window_before_it(case: tuple[np.ndarray, ForecastSchedule]) -> None:
    time, schedule = case
    begin = max(int(time[0]) + schedule.min_window, schedule.start or 0)
    blocks = refit_blocks(time, schedule)
    covered = [bar for _, known, end in blocks.tolist() for bar in range(known, end)]
    assert covered == np.flatnonzero(time > begin).tolist()
    for first, known, end in blocks.tolist():
        at = begin + (int(time[known]) - begin - 1) // schedule.refit * schedule.refit  # the last refit before the bar
        assert [bar for bar in range(len(time)) if at - schedule.window < time[bar] <= at] == list(range(first, known))
        assert time[end - 1] <= at + schedule.refit


def test_the_window_grows_and_then_rolls() -> None:
    time = DAY * np.arange(1, 101, dtype=np.int64)
    blocks = refit_blocks(time, ForecastSchedule(window=50 * DAY, min_window=20 * DAY, refit=10 * DAY))
    lengths = (blocks[:, 1] - blocks[:, 0]).tolist()
    assert lengths == [21, 31, 41, 50, 50, 50, 50, 50]
    assert np.array_equal(blocks[1:, 1], blocks[:-1, 2])


def test_a_start_before_the_first_window_is_full_waits_for_it() -> None:
    time = DAY * np.arange(1, 101, dtype=np.int64)
    early, late = (
        refit_blocks(time, ForecastSchedule(window=50 * DAY, min_window=20 * DAY, refit=10 * DAY, start=start * DAY))
        for start in (2, 60)
    )
    assert early[0, 1] == 21
    assert time[late[0, 1]] == 61 * DAY


@pytest.mark.parametrize(
    "changed", [{"min_window": 31 * DAY}, {"window": 0, "min_window": 0}, {"min_window": -DAY}, {"refit": 0}, {"refit": -DAY}]
)
def test_a_schedule_out_of_order_is_refused(changed: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="min_window no longer than window"):
        ForecastSchedule(**{"window": 30 * DAY, "min_window": 20 * DAY, "refit": 7 * DAY, **changed})


def test_a_history_too_short_for_a_forecast_is_refused() -> None:
    with pytest.raises(InsufficientData, match=r"TEST/USD: the history from 2024-01-08.* ends before the first forecast"):
        walk_forecasts(series(hourly().value[:480]), MODELS["historical"], MARKETS["hourly"][1])
    with pytest.raises(InsufficientData, match="ends before the first forecast"):
        walk_forecasts(hourly(), MODELS["historical"], ForecastSchedule(window=DAY, min_window=DAY, refit=DAY, start=2**61))


def test_a_window_of_fewer_than_100_returns_is_refused_wherever_it_comes() -> None:
    with pytest.raises(InsufficientData, match="holds 49 returns, and at least 100"):
        walk_forecasts(hourly(), MODELS["component"], ForecastSchedule(window=9 * DAY, min_window=2 * DAY, refit=DAY))
    returns = series(hourly().value[:1000], gap_at=600, gap=40 * DAY)
    for name in ("component", "historical", "ewma-normal"):
        with pytest.raises(InsufficientData, match=r"the window before 2024-03-\d\d.* at least 100 are needed"):
            walk_forecasts(returns, MODELS[name], MARKETS["hourly"][1])


def test_a_hundred_returns_are_enough_for_every_model() -> None:
    returns = series(hourly().value[:130])
    schedule = ForecastSchedule(window=100 * HOUR, min_window=99 * HOUR, refit=30 * HOUR)
    for model in MODELS.values():
        found = walk_forecasts(returns, model, schedule)
        assert len(found) == 30
        assert (found.expected_shortfall > found.value_at_risk).all()


def test_after_a_gap_the_filter_begins_at_the_level_of_the_window() -> None:
    value = hourly().value[:1000].copy()
    returns, schedule = series(value, gap_at=600), MARKETS["hourly"][1]
    found = walk_forecasts(returns, MODELS["ewma-normal"], schedule)
    after = int(np.searchsorted(found.time, returns.time[600]))
    assert found.made_at[after] == returns.time[599] < found.time[after] - 14 * DAY
    first, known, _ = next(block for block in refit_blocks(returns.time, schedule).tolist() if block[1] <= 600 < block[2])
    level = np.sqrt(np.mean(value[first:known] ** 2))
    assert found.value_at_risk[after, 1] == pytest.approx(2.3263478740408408 * level, rel=1e-12)


@pytest.mark.parametrize("name", ["component", "garch-t", "gjr-skew-t", "ewma-normal"])
def test_the_last_bars_before_a_gap_say_nothing_of_the_first_after_it(name: str) -> None:
    schedule, row = MARKETS["hourly"][1], 600
    value = hourly().value[:700].copy()
    value[row - 20 : row] *= 10  # after the refit before the gap
    for gap_at, same in ((row, True), (None, False)):
        calm, wild = (series(of, gap_at=gap_at, gap=DAY) for of in (hourly().value[:700], value))
        at = row - 481  # the first forecast is of row 481
        calm, wild = (walk_forecasts(of, MODELS[name], schedule) for of in (calm, wild))
        assert bool(calm.value_at_risk[at, 1] == wild.value_at_risk[at, 1]) is same


def noise(scale: float = 0.01, *, df: float = 1e9) -> FloatArray:
    return scale * np.random.default_rng(5).standard_t(df, 1200)


def spoilt(rows: slice | int, to: float) -> FloatArray:
    value = noise()
    value[rows] = to
    return value


def ticks(still: float, seed: int = 3) -> FloatArray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(1200) < still, 0.0, rng.choice([-2e-4, -1e-4, 1e-4, 2e-4], 1200))


BAD = {
    "still for a week": spoilt(slice(300, 470), 0.0),
    "still at the end of the window": spoilt(slice(380, 480), 0.0),
    "still but for one bar": np.eye(1, 1200, 400)[0] * 0.01,
    "nearly constant": 1e-12 + 1e-15 * noise(1.0),
    "a steady climb": np.full(1200, 1e-4),
    "a steady fall": np.full(1200, -1e-4),
    "pegged, two in three bars still": ticks(0.66),
    "pegged, nine in ten bars still": ticks(0.9),
    "one fall of 1e3 sigma": spoilt(450, -10.0),
    "one rise of 1e3 sigma": spoilt(450, 10.0),
    "a fall after the last refit": spoilt(1190, -10.0),
    "no variance": noise(0.001, df=1.5),
    "no mean": noise(0.001, df=0.9),
    "a trend": noise() + 0.005,
    "integrated": np.cumsum(noise(0.001)),
    "variance that wanders off": noise() * np.exp(np.cumsum(noise(0.05, df=5))),
    "only rises": np.abs(noise()),
    "one size, both signs": 0.01 * (-1.0) ** np.arange(1200),
    "tiny": noise(1e-12),
    "huge": noise(1e6),
}


ORDINARY = {
    "one fall of 1e3 sigma",
    "one rise of 1e3 sigma",
    "a fall after the last refit",
    "no variance",
    "no mean",
    "a trend",
    "integrated",
    "tiny",
    "huge",
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("case", BAD)
def test_a_bad_series_ends_in_finite_forecasts_or_a_named_error(case: str, name: str) -> None:
    try:
        found = walk_forecasts(series(BAD[case]), MODELS[name], MARKETS["hourly"][1])
    except (DataError, ModelError) as error:
        if case in ORDINARY or "TEST/USD" not in str(error):
            raise
        return
    value_at_risk, shortfall = found.value_at_risk, found.expected_shortfall
    assert np.isfinite(shortfall).all()
    assert value_at_risk.min() > 0
    assert (value_at_risk[:, 1] >= value_at_risk[:, 0]).all()
    assert (shortfall >= value_at_risk).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_window_without_movement_is_a_constant_series_by_name_and_date(name: str) -> None:
    value = noise()
    value[100:1100] = 0.0
    with pytest.raises(ConstantSeries, match=r"TEST/USD: the window before 2024-02-\d\d.* all of them 0"):
        walk_forecasts(series(value), MODELS[name], MARKETS["hourly"][1])


def test_a_series_that_never_falls_has_no_historical_loss() -> None:
    with pytest.raises(ModelError, match="historical forecasts no loss at 2024-01-28"):
        walk_forecasts(series(np.full(1200, 1e-4)), MODELS["historical"], MARKETS["hourly"][1])


def test_what_was_odd_in_a_refit_is_counted() -> None:
    schedule = MARKETS["hourly"][1]
    found = walk_forecasts(series(np.full(1200, -1e-4)), MODELS["component"], schedule)
    assert found.flags["tail_not_fitted"] == found.refits == len(refit_blocks(found.time, schedule)) + 3
    pegged = walk_forecasts(series(ticks(0.9)), MODELS["component"], schedule)
    assert pegged.flags["law_not_fitted"] == pegged.refits
    wild = walk_forecasts(series(noise(0.001, df=1.2)), MODELS["path-model"], schedule)
    assert wild.flags["tail_variance_undefined"] > 0


def test_a_price_that_is_no_number_never_becomes_a_return() -> None:
    with pytest.raises(DataError, match="is nan"):
        walk_forecasts(series(spoilt(300, np.nan)), MODELS["component"], MARKETS["hourly"][1])
