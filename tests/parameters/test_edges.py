"""Edges of the method: a longer horizon, options, a calendar and carry may tighten, and nothing of it may loosen."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from datetime import timedelta
from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, DataError
from riskparams.execution import LiquidationHorizon
from riskparams.parameters.carry import YEAR, carry_effect, deepest_with_carry, max_ltv_with_carry, net_carry
from riskparams.parameters.event_calendar import EVERY_ASSET, CalendarEvent, Tightening, read_calendar, tightening
from riskparams.parameters.implied_volatility import ImpliedVolatility, average_sigma, volatility_factor
from riskparams.parameters.ltv import max_ltv
from riskparams.terms import DAY, Asset, FloatArray

HOUR = DAY // 24
UNI = Asset("UNI")
CALENDAR = """
[[calendar]]
name = "token unlock"
announced = 2024-05-01
start = 2024-06-01
end = 2024-06-02
assets = ["UNI"]
volatility_factor = 1.5
source = "the vesting contract"

[[calendar]]
name = "quarterly expiry"
announced = 2024-01-01
start = 2024-06-28T07:00:00Z
end = 2024-06-28T09:00:00Z
assets = ["*"]
ltv_cut = 0.02
extra_horizon_seconds = 600
source = "the exchange's calendar"
"""


def at(day: str) -> int:
    return int(np.datetime64(day, "ns").astype(np.int64))


def reading(value: float = 0.9, *, dated: int = 10 * DAY, tenor_days: float = 30.0) -> ImpliedVolatility:
    return ImpliedVolatility(value=value, dated=dated, tenor_days=tenor_days, source="an options exchange")


# horizon


@pytest.mark.parametrize("part", [field.name for field in fields(LiquidationHorizon)])
def test_every_part_of_the_horizon_lengthens_it_by_itself(part: str) -> None:
    assert LiquidationHorizon(**{"oracle": 0.0, part: 5400.0}).seconds == 5400
    with pytest.raises(ConfigError, match=rf"liquidation_horizon\.{part} is -1"):
        LiquidationHorizon(**{part: -1.0})


# implied volatility


@given(value=st.floats(0.01, 9), model=st.floats(0.01, 9))
def test_options_raise_sigma_to_theirs_and_never_lower_it(value: float, model: float) -> None:
    found = volatility_factor(reading(value), model, as_of=11 * DAY, max_age=timedelta(days=2))
    assert found.factor >= 1
    assert found.factor * model == pytest.approx(max(value, model), rel=1e-12)
    assert ("nothing is lowered" in found.reason) is (value <= model)


@pytest.mark.parametrize(
    ("as_of", "said"), [(10 * DAY - 1, "was not known then"), (13 * DAY, r"is 3\.0 days older than .*, and 2\.0 are allowed")]
)
def test_a_reading_of_the_future_or_of_long_ago_is_refused(as_of: int, said: str) -> None:
    with pytest.raises(DataError, match=said):
        volatility_factor(reading(), 0.6, as_of=as_of, max_age=timedelta(days=2))


def test_a_reading_of_the_very_moment_and_of_the_allowed_age_counts() -> None:
    for as_of in (10 * DAY, 12 * DAY):
        assert volatility_factor(reading(), 0.6, as_of=as_of, max_age=timedelta(days=2)).factor == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": 65.0}, "write 65 % as 0.65"),
        ({"value": float("nan")}, "value is nan"),
        ({"tenor_days": 0.0}, "tenor_days is 0"),
        ({"source": " "}, "source is empty"),
    ],
)
def test_what_no_reading_can_be_is_refused_by_name(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ImpliedVolatility(**{"value": 0.6, "dated": 0, "tenor_days": 30.0, "source": "x", **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("tenor", [1 / 24, 1.0, 30.0, 365.0])
def test_the_average_over_a_tenor_is_that_of_the_variances_expected_along_it(tenor: float) -> None:
    half_life, today, long_run = 6.0, 1.2, 0.5
    days = (np.arange(200_000) + 0.5) / 200_000 * tenor
    expected = long_run**2 + (today**2 - long_run**2) * np.exp(-log(2) * days / half_life)
    found = average_sigma(today, long_run, half_life_days=half_life, tenor_days=tenor)
    assert found == pytest.approx(sqrt(expected.mean()), rel=1e-8)


def test_a_short_tenor_sees_today_and_a_long_one_the_long_run() -> None:
    assert average_sigma(1.2, 0.5, half_life_days=6, tenor_days=1e-9) == pytest.approx(1.2)
    assert average_sigma(1.2, 0.5, half_life_days=6, tenor_days=1e7) == pytest.approx(0.5, rel=1e-4)
    assert average_sigma(1.2, 0.5, half_life_days=float("inf"), tenor_days=30) == 1.2


# calendar


def test_a_calendar_of_toml_rows_tightens_while_its_events_last() -> None:
    events = read_calendar(tomllib.loads(CALENDAR)["calendar"])
    day = timedelta(days=1)
    quiet = tightening(events, UNI, at("2024-05-20"), day)
    assert quiet == Tightening()
    unlock = tightening(events, UNI, at("2024-05-31"), day)
    assert (unlock.factor, unlock.ltv_cut, unlock.extra_horizon) == (1.5, 0, 0)
    assert unlock.reasons == ("token unlock, 2024-06-01 to 2024-06-02 (the vesting contract): volatility times 1.5",)
    assert tightening(events, UNI, at("2024-06-02T23:59"), day).factor == 1.5
    assert tightening(events, UNI, at("2024-06-03"), day) == Tightening()
    assert tightening(events, Asset("ETH"), at("2024-06-01"), day) == Tightening()
    expiry = tightening(events, Asset("ETH"), at("2024-06-27T08:00"), day)
    assert (expiry.factor, expiry.ltv_cut, expiry.extra_horizon) == (1, 0.02, 600)


def test_an_event_does_nothing_before_it_was_announced() -> None:
    events = read_calendar(tomllib.loads(CALENDAR)["calendar"])
    month = timedelta(days=40)
    assert tightening(events, UNI, at("2024-04-30T23:59"), month) == Tightening()
    assert tightening(events, UNI, at("2024-05-01"), month).factor == 1.5


def event(factor: float = 1.0, cut: float = 0.0, seconds: float = 0.0, *, days: tuple[int, int] = (10, 12)) -> CalendarEvent:
    return CalendarEvent(
        name="upgrade",
        announced=0,
        start=days[0] * DAY,
        end=days[1] * DAY,
        assets=(EVERY_ASSET,),
        volatility_factor=factor,
        ltv_cut=cut,
        extra_horizon_seconds=seconds,
        source="the developers",
    )


spans = st.tuples(st.integers(0, 20), st.integers(1, 10)).map(lambda pair: (pair[0], pair[0] + pair[1]))
many = st.lists(
    st.builds(event, st.floats(1.01, 3), st.floats(0, 0.5), st.floats(0, 7200), days=spans),
    max_size=5,
)


@given(events=many, one=st.builds(event, st.floats(1.01, 3), st.floats(0, 0.5), days=spans), as_of=st.integers(0, 30))
def test_one_more_event_never_loosens_and_a_longer_look_sees_no_less(
    events: list[CalendarEvent], one: CalendarEvent, as_of: int
) -> None:
    few = tightening(events, UNI, as_of * DAY, timedelta(days=1))
    for more in (
        tightening([*events, one], UNI, as_of * DAY, timedelta(days=1)),
        tightening(events, UNI, as_of * DAY, timedelta(days=5)),
    ):
        assert more.factor >= few.factor >= 1
        assert more.ltv_cut >= few.ltv_cut >= 0
        assert more.extra_horizon >= few.extra_horizon >= 0
        assert len(more.reasons) >= len(few.reasons)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.9, 0.0, 0.0), r"event 'upgrade': volatility_factor is 0\.9: an event may only tighten"),
        ((float("nan"), 0.0, 0.0), "volatility_factor is nan"),
        ((1.0, -0.01, 0.0), r"ltv_cut is -0\.01: an event may only tighten"),
        ((1.0, 2.0, 0.0), r"ltv_cut is 2\.0.*two points being 0\.02"),
        ((1.0, 0.0, -60.0), r"extra_horizon_seconds is -60\.0: an event may only tighten"),
        ((1.0, 0.0, 0.0), "tightens nothing"),
    ],
)
def test_an_event_that_loosens_or_does_nothing_is_refused_by_name(values: tuple[float, float, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        event(*values)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("volatility_factor", "volatilty_factor", "row 1: unknown key volatilty_factor: did you mean 'volatility_factor'"),
        ('source = "the vesting contract"', "", "row 1: source missing"),
        ("2024-06-28T07:00:00Z", "2024-06-28T07:00:00", "row 2: start .* has no timezone"),
        ("start = 2024-06-01", 'start = "June"', "row 1: start is 'June'"),
        ('["UNI"]', '"UNI"', r"row 1: assets is 'UNI': write a list"),
        ("volatility_factor = 1.5", 'volatility_factor = "1.5"', "volatility_factor is '1.5': expected a number"),
        ("end = 2024-06-02", "end = 2024-05-02", "not after its start"),
    ],
)
def test_a_fault_in_a_calendar_row_is_named(old: str, new: str, said: str) -> None:
    assert old in CALENDAR
    with pytest.raises(ConfigError, match=said):
        read_calendar(tomllib.loads(CALENDAR.replace(old, new, 1))["calendar"])


# carry


def walks(seed: int, *, paths: int = 400, bars: int = 48, sigma: float = 0.01) -> FloatArray:
    rng = np.random.default_rng(seed)
    close = np.cumsum(sigma * rng.standard_normal((paths, bars)), axis=1)
    opened = np.concatenate([np.zeros((paths, 1)), close[:, :-1]], axis=1)
    return np.minimum(opened, close) - sigma * np.abs(rng.standard_normal((paths, bars))) / 4


def slow_deepest(path: FloatArray, carry: float) -> float:
    """The definition, one bar after another: the log distance of the start less what price and debt leave of it."""
    deepest = 0.0
    for t, low in enumerate(path, start=1):
        debt = exp(carry * t * HOUR / YEAR)
        deepest = max(deepest, log(debt / exp(low)))
    return deepest


@given(seed=st.integers(0, 10_000), carry=st.floats(0, 20))
@settings(max_examples=40, deadline=None)
def test_the_move_with_carry_is_the_fall_of_collateral_over_debt(seed: int, carry: float) -> None:
    lows = walks(seed, paths=20)
    found = deepest_with_carry(lows, carry, bar=HOUR)
    np.testing.assert_allclose(found, [slow_deepest(path, carry) for path in lows], atol=1e-12)


@given(seed=st.integers(0, 10_000), carry=st.floats(0, 5), more=st.floats(0, 5), distance=st.floats(0.005, 0.2))
@settings(max_examples=40, deadline=None)
def test_more_carry_never_loosens_and_shifts_the_move_by_at_most_its_whole(
    seed: int, carry: float, more: float, distance: float
) -> None:
    lows = walks(seed)
    less, found = (carry_effect(lows, c, bar=HOUR, distance=distance, probability=0.05) for c in (carry, carry + more))
    assert (found.touch_with >= less.touch_with).all()
    assert (less.touch_with >= less.touch_without).all()
    assert (np.diff(found.touch_with) >= 0).all()
    assert less.move_with <= found.move_with + 1e-12
    assert -1e-12 <= less.shift <= less.bound + 1e-12
    exact = max_ltv(0.8, found.move_with)
    bound = max_ltv_with_carry(0.8, found.move_without, carry + more, timedelta(hours=48))
    assert bound <= exact + 1e-12 <= max_ltv(0.8, found.move_without) + 2e-12


def test_without_carry_the_move_and_the_touches_are_those_of_the_price_alone() -> None:
    lows = walks(1)
    np.testing.assert_array_equal(deepest_with_carry(lows, 0.0, bar=HOUR), np.maximum(-lows.min(axis=1), 0))
    found = carry_effect(lows, 0.0, bar=HOUR, distance=0.03, probability=0.05)
    np.testing.assert_array_equal(found.touch_with, found.touch_without)
    assert found.touch_with[-1] == np.mean(np.maximum(-lows.min(axis=1), 0) >= 0.03)


def test_where_the_price_stands_still_carry_alone_liquidates_when_it_has_used_up_the_distance() -> None:
    """10 % a year over a distance of 0.05 takes half a year."""
    lows = np.zeros((3, 365))
    found = carry_effect(lows, 0.10, bar=DAY, distance=0.05, probability=0.05)
    first = int(np.argmax(found.touch_with == 1.0))
    assert first + 1 == 183
    assert found.shift == pytest.approx(0.10)


def test_a_barrier_that_nears_is_reached_as_brownian_motion_with_drift_reaches_it() -> None:
    """P(touch) = N((mT - d) / sT) + exp(2 m d / s^2) N((-d - mT) / sT) for a fall with drift m; d shifted for daily looks."""
    from scipy.stats import norm

    rng, sigma, days, carry, distance = np.random.default_rng(3), 0.8, 90, 0.5, 0.30
    step = sigma / sqrt(365)
    lows = np.cumsum(step * rng.standard_normal((40_000, days)), axis=1)
    found = carry_effect(lows, carry, bar=DAY, distance=distance, probability=0.05)
    d, span = distance + 0.5826 * step, sqrt(days / 365) * sigma

    def touched(drift: float) -> float:
        moved = drift * days / 365
        return float(norm.cdf((moved - d) / span) + exp(2 * drift * d / sigma**2) * norm.cdf((-d - moved) / span))

    assert found.touch_without[-1] == pytest.approx(touched(0.0), abs=0.008)
    assert found.touch_with[-1] == pytest.approx(touched(carry), abs=0.008)
    assert found.touch_with[-1] > found.touch_without[-1] + 0.1


def test_collateral_that_earns_more_than_its_debt_costs_loosens_nothing() -> None:
    assert net_carry(0.02, 0.05) == 0.0
    assert max_ltv_with_carry(0.8, 0.1, net_carry(0.02, 0.05), timedelta(days=365)) == max_ltv(0.8, 0.1)
    for refused in (-0.01, float("nan")):
        with pytest.raises(ConfigError, match=r"expected 0 or more a year.*take it from net_carry"):
            max_ltv_with_carry(0.8, 0.1, refused, timedelta(days=1))
        with pytest.raises(ConfigError, match="net carry is"):
            deepest_with_carry(np.zeros((1, 1)), refused, bar=HOUR)
    with pytest.raises(ConfigError, match="borrow_rate is nan"):
        net_carry(float("nan"), 0.0)
