"""The factor of hour and weekday: it finds the profile that was planted, in any unit, at any bar length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.prices.panel import Calendar
from riskparams.returns import HOUR, WEEK, Returns, hour_factor, slots_of
from riskparams.terms import DAY, Asset, FloatArray, IntArray, Pair

BARS = {"15m": HOUR // 4, "1h": HOUR, "4h": 4 * HOUR, "8h": 8 * HOUR}
KEPT = 0.75  # a quarter is given back to 1


def returns_of(value: FloatArray, bar: int, *, keep: np.ndarray | None = None) -> Returns:
    """Return values as returns of consecutive bars, or of those `keep` names."""
    time = bar * np.arange(1, len(value) + 1, dtype=np.int64)
    slots = slots_of(bar, Calendar.CONTINUOUS)
    rows = np.ones(len(value), bool) if keep is None else keep
    return Returns(
        pair=Pair(Asset("TEST"), Asset("USD")),
        time=time[rows],
        value=value[rows],
        low=np.minimum(value[rows], 0.0),
        slot=(time // bar % slots)[rows],
        segment=np.zeros(int(rows.sum()), dtype=np.int64),
        bar=bar,
        slots=slots,
        next_slot=0,
    )


def planted(bar: int) -> FloatArray:
    """Return a profile by the slot a bar began in: a smooth day, and a quiet sixth and seventh day of seven."""
    slot = np.arange(WEEK // bar)
    a_day = DAY // bar
    middle = (slot % a_day) / a_day
    return np.asarray((1 + 0.5 * np.sin(2 * np.pi * middle)) * np.where(slot // a_day >= 5, 0.6, 1.0))


def noise(count: int, seed: int = 0) -> FloatArray:
    return 0.01 * np.random.default_rng(seed).standard_t(5, count)


def began(count: int, bar: int) -> IntArray:
    """Return the slot in which each bar began: the one before that of its close."""
    return np.arange(count, dtype=np.int64) % (WEEK // bar)


def by_beginning(factor: FloatArray) -> FloatArray:
    return np.roll(factor, -1)


@pytest.mark.parametrize("name", BARS)
def test_it_recovers_a_planted_profile_of_hour_and_weekday(name: str) -> None:
    bar = BARS[name]
    count, profile = 300 * WEEK // bar, planted(bar)
    found = hour_factor(returns_of(noise(count) * profile[began(count, bar)], bar))
    of_day = profile.reshape(7, -1)
    shared = max(1, HOUR // bar)  # bars of one hour share its mean
    of_hour = np.repeat(of_day.mean(axis=0).reshape(-1, shared).mean(axis=1), shared)
    relative = np.outer(of_day.mean(axis=1), of_hour).ravel() / of_day.mean() / profile.mean()
    expected = 1 + KEPT * (relative - 1)
    expected /= np.sqrt(np.mean(expected**2))
    assert len(found) == WEEK // bar
    np.testing.assert_allclose(by_beginning(found), expected, rtol=0.06)


@pytest.mark.parametrize("name", BARS)
@pytest.mark.parametrize("length", [100, 5000])
def test_its_mean_square_over_the_returns_is_one(name: str, length: int) -> None:
    returns = returns_of(noise(length) * planted(BARS[name])[began(length, BARS[name])], BARS[name])
    found = hour_factor(returns)
    assert np.mean(found[returns.slot] ** 2) == pytest.approx(1, abs=1e-12)
    assert (found > 0.2).all()


def test_without_a_profile_it_is_flat_but_for_noise() -> None:
    found = hour_factor(returns_of(noise(300 * 168), HOUR))
    assert np.abs(found - 1).max() < 0.06


@given(unit=st.sampled_from([1e-9, 0.01, 3.7, 1e6]), seed=st.integers(0, 2**31), length=st.integers(100, 2000))
@settings(max_examples=30)
def test_it_does_not_depend_on_the_unit(unit: float, seed: int, length: int) -> None:
    value = noise(length, seed)
    once, scaled = (hour_factor(returns_of(scale * value, HOUR)) for scale in (1.0, unit))
    np.testing.assert_allclose(scaled, once, rtol=1e-10)


def test_daily_and_odd_bars_have_one_slot() -> None:
    for bar in (DAY, 7 * DAY, 7 * HOUR):
        returns = returns_of(noise(200), bar)
        assert returns.slots == 1
        assert hour_factor(returns).tolist() == [1.0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BARS)
def test_a_missing_weekday_or_hour_is_neutral_there_and_finite(name: str) -> None:
    bar, a_day = BARS[name], DAY // BARS[name]
    count = 60 * WEEK // bar
    slot = began(count, bar)
    value = noise(count) * planted(bar)[slot]
    weekdays = returns_of(value, bar, keep=slot // a_day < 5)
    first = max(1, HOUR // bar)
    mornings = returns_of(value, bar, keep=slot % a_day >= first)
    for returns in (weekdays, mornings):
        found = hour_factor(returns)
        assert np.isfinite(found).all()
        assert found.min() > 0.2
        assert np.mean(found[returns.slot] ** 2) == pytest.approx(1, abs=1e-12)
    ratio = by_beginning(hour_factor(weekdays)).reshape(7, -1)
    assert ratio[5] == pytest.approx(ratio[6])  # never seen: the mean weekday


@pytest.mark.filterwarnings("error")
def test_still_hours_keep_a_factor_above_zero() -> None:
    slot = began(5000, HOUR)
    found = hour_factor(returns_of(np.where(slot % 24 < 6, 0.0, noise(5000)), HOUR))
    assert found.min() > 0.2


def test_one_crash_cannot_move_it_far() -> None:
    value = noise(365 * 24)
    crashed = value.copy()
    crashed[1000] = -0.7
    before, after = (hour_factor(returns_of(of, HOUR)) for of in (value, crashed))
    assert np.abs(after / before - 1).max() < 0.25


def test_bars_of_one_hour_share_their_factor() -> None:
    found = by_beginning(hour_factor(returns_of(noise(5000), HOUR // 4))).reshape(-1, 4)
    assert (found == found[:, :1]).all()


def test_an_hour_is_that_in_which_its_bars_began() -> None:
    quarters = began(20_000, HOUR // 4)
    loud = np.where(quarters % 96 // 4 == 15, 2.0, 1.0)  # all that began from 15:00 to 15:45
    found = by_beginning(hour_factor(returns_of(noise(20_000) * loud, HOUR // 4)))[:96].reshape(24, 4)
    assert (found.argmax(axis=0) == 15).all()
    assert found[15].min() > 1.3 * found[14].max()
    midnight = np.where(began(20_000, HOUR) // 24 == 2, 3.0, 1.0)  # the bar that closes at midnight ends the third day
    found = hour_factor(returns_of(noise(20_000) * midnight, HOUR))
    assert found[72] == pytest.approx(found[71], rel=0.2)
    assert found[73] < 0.6 * found[72]


def test_bars_that_do_not_fill_an_hour_evenly_have_a_factor_each() -> None:
    for minutes in (9, 18):
        returns = returns_of(noise(30_000), minutes * HOUR // 60)
        assert len(hour_factor(returns)) == returns.slots
