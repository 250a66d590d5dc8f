"""The report on prices: what it counts, what it warns of, what it leaves alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from strategies import HOUR

from riskparams.prices.panel import Calendar, Candles, Note, PricePanel, lay_on_calendar
from riskparams.prices.quality import assess, assess_panel, bar_length
from riskparams.terms import DAY, FloatArray, nanoseconds

MARCH = nanoseconds(datetime(2023, 3, 1, tzinfo=UTC))


def wander(bars: int) -> FloatArray:
    """Return closes that move by about half a per cent an hour."""
    close: FloatArray = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.005, bars)))
    return close


def candles(
    close: FloatArray, *, low: FloatArray | None = None, missing: slice = slice(0), notes: tuple[Note, ...] = ()
) -> Candles:
    """Return candles of which the 100th closes as March 2023 begins; a bar's range is its open and close."""
    opened = np.concatenate([close[:1], close[:-1]])
    floor = np.minimum(opened, close) if low is None else low
    numbers = np.column_stack([opened, np.maximum(opened, close), floor, close, np.full(len(close), 3.0)])
    time = MARCH + HOUR * np.arange(-99, len(close) - 99)
    kept = np.ones(len(close), bool)
    kept[missing] = False
    none = np.zeros(int(kept.sum()), bool)
    return lay_on_calendar(
        time[kept],
        numbers[kept],
        bar=HOUR,
        calendar=Calendar.CONTINUOUS,
        breaks=none,
        stale=none,
        close_only=False,
        notes=notes,
    )


def test_clean_prices_earn_no_warning() -> None:
    close = wander(200)
    quality = assess(candles(close), "ETH", bar=HOUR)
    assert (quality.bars, quality.missing, quality.filled, quality.segments, quality.unusable) == (200, 0, 0, 1, 1)
    assert quality.warnings == quality.notes == quality.gaps == quality.flat_runs == quality.wicks == ()
    assert quality.has_volume
    falls = 1 - close[1:] / close[:-1]
    assert quality.largest_fall == (quality.first + (int(falls.argmax()) + 1) * HOUR, pytest.approx(falls.max()))


def test_two_missing_weeks_are_named_and_counted() -> None:
    quality = assess(candles(wander(600), missing=slice(100, 436)), "ETH", bar=HOUR)
    assert quality.warnings == (
        "2023-03-01T00:00:00Z to 2023-03-15T00:00:00Z: 336 bars missing; history split into 2 segments",
    )
    assert (quality.missing, quality.filled, quality.segments, quality.unusable) == (336, 0, 2, 2)


def test_two_missing_hours_are_filled_and_noted() -> None:
    quality = assess(candles(wander(200), missing=slice(100, 102)), "ETH", bar=HOUR)
    assert (quality.missing, quality.filled, quality.segments, quality.unusable, quality.gaps) == (2, 2, 1, 4, ())
    assert quality.notes == ("2 missing bars filled with the close before them; not modelled",)


def test_the_move_over_a_gap_is_not_the_largest_fall() -> None:
    close = wander(200)
    close[110:] /= 2
    gap = assess(candles(close, missing=slice(100, 110)), "ETH", bar=HOUR)
    assert gap.largest_fall is not None
    assert gap.largest_fall[1] < 0.05


def test_a_dead_feed_is_reported_with_its_span() -> None:
    close = wander(200)
    close[100:130] = close[99]
    quality = assess(candles(close), "ETH", bar=HOUR)
    assert quality.flat_runs == ((MARCH, MARCH + 30 * HOUR, 31),)
    assert quality.warnings == (
        "2023-03-01T00:00:00Z to 2023-03-02T06:00:00Z: price unchanged for 31 bars; a dead feed, not modelled",
    )


def test_a_wick_is_flagged_and_kept() -> None:
    close = wander(200)
    low = np.minimum(close, np.concatenate([close[:1], close[:-1]]))
    low[99] = 0.7 * close[98]
    struck = candles(close, low=low)
    quality = assess(struck, "ETH", bar=HOUR)
    assert quality.wicks == ((MARCH, pytest.approx(-0.3)),)
    assert quality.warnings == ("2023-03-01T00:00:00Z: a move of -30.0% undone by the next bar; kept",)
    assert struck.usable[1:].all()


def test_a_wrong_tick_in_a_close_is_a_wick() -> None:
    close = wander(200)
    close[99] *= 1.5
    assert len(assess(candles(close), "ETH", bar=HOUR).wicks) == 1


def test_a_fall_that_lasts_is_no_wick() -> None:
    close = wander(200)
    close[99:] *= 0.7
    quality = assess(candles(close), "ETH", bar=HOUR)
    assert quality.wicks == ()
    assert quality.largest_fall == (MARCH, pytest.approx(0.3, abs=0.01))


def test_a_large_move_is_no_wick_where_all_moves_are_large() -> None:
    close = 100 * np.exp(np.cumsum(np.where(np.arange(200) % 2, 0.12, -0.12)))
    assert assess(candles(close), "ETH", bar=HOUR).wicks == ()


def test_the_loaders_notes_reach_the_report() -> None:
    notes = (Note(time=MARCH, text="joined"), Note(time=MARCH, text="joined at a loss", warning=True))
    quality = assess(candles(wander(200), notes=notes), "ETH", bar=HOUR)
    assert (quality.notes, quality.warnings) == (("joined",), ("joined at a loss",))


def test_a_recess_of_an_exchange_misses_no_bars() -> None:
    time = DAY * np.array([1, 2, 3, 30, 31])
    numbers = np.column_stack([[1.0, 2.0, 3.0, 4.0, 5.0]] * 4 + [np.full(5, np.nan)])
    none = np.zeros(5, bool)
    sessions = lay_on_calendar(
        time, numbers, bar=DAY, calendar=Calendar.EXCHANGE, breaks=none, stale=none, close_only=False, notes=()
    )
    quality = assess(sessions, "SPX", bar=DAY, calendar=Calendar.EXCHANGE)
    assert (quality.missing, quality.segments, quality.gaps, quality.largest_fall) == (0, 2, (), None)
    assert quality.warnings == ("1970-01-04T00:00:00Z to 1970-01-30T00:00:00Z: no session; history split into 2 segments",)
    assert quality.notes == ("no volume",)


def test_the_report_survives_json() -> None:
    quality = assess(candles(wander(600), missing=slice(100, 436)), "ETH", bar=HOUR)
    plain = json.loads(json.dumps(quality.to_dict()))
    assert plain["gaps"] == [{"start": "2023-03-01T00:00:00Z", "end": "2023-03-15T00:00:00Z", "bars": 336}]
    assert plain["sha256"] == quality.sha256
    assert set(plain) == set(quality.__dataclass_fields__)


def test_every_asset_of_a_panel_is_assessed() -> None:
    panel = PricePanel(candles={"A": candles(wander(200)), "B": candles(wander(300))}, bar=HOUR, numeraire="USD")
    assert {asset: quality.bars for asset, quality in assess_panel(panel).items()} == {"A": 200, "B": 300}


def test_one_bar_can_be_assessed() -> None:
    quality = assess(candles(wander(200)).head(1), "ETH", bar=HOUR)
    assert (quality.bars, quality.largest_fall, quality.wicks) == (1, None, ())


@pytest.mark.parametrize(("length", "text"), [(DAY, "1d"), (4 * HOUR, "4h"), (HOUR // 4, "15min"), (HOUR // 7200, "0.5s")])
def test_bar_lengths_read_as_a_study_writes_them(length: int, text: str) -> None:
    assert bar_length(length) == text
