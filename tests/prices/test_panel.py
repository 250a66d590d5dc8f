"""The price panel: its calendar, its look-ups, and what was known when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import HOUR, candle_tables

from riskparams.errors import DataError, InsufficientData
from riskparams.prices.candles import CandleFormat, CandleSource, load_candles
from riskparams.prices.panel import ARRAYS, Calendar, Candles, Exclusion, PricePanel, lay_on_calendar
from riskparams.terms import DAY, FloatArray, IntArray


def bars(
    time: IntArray,
    close: FloatArray,
    *,
    low: FloatArray | None = None,
    bar: int = HOUR,
    calendar: Calendar = Calendar.CONTINUOUS,
) -> Candles:
    none = np.zeros(len(time), bool)
    numbers = np.column_stack([close, close, close if low is None else low, close, close])
    return lay_on_calendar(time, numbers, bar=bar, calendar=calendar, breaks=none, stale=none, close_only=low is None, notes=())


def hourly(*close: float) -> Candles:
    """Return hourly closes; NaN where a bar is missing."""
    values = np.array(close, float)
    known = ~np.isnan(values)
    return bars(HOUR * np.flatnonzero(known), values[known])


def panel(**candles: Candles) -> PricePanel:
    return PricePanel(candles=candles, bar=HOUR, numeraire="USD")


LONG = bars(HOUR * np.arange(1, 61), np.arange(1.0, 61.0))
SHORT = bars(HOUR * np.arange(41, 61), np.arange(1.0, 21.0))


def test_a_short_gap_is_filled_and_not_modelled() -> None:
    candles = hourly(1, 2, np.nan, np.nan, np.nan, 3, 4)
    assert candles.close.tolist() == [1, 2, 2, 2, 2, 3, 4]
    assert candles.usable.tolist() == [False, True, False, False, False, False, True]
    assert np.unique(np.diff(candles.time)).tolist() == [HOUR]
    assert candles.segment.max() == 0


def test_a_filled_bar_repeats_the_close_and_traded_nothing() -> None:
    candles = bars(HOUR * np.array([1, 2, 4]), np.array([5.0, 6.0, 7.0]), low=np.array([4.0, 4.0, 4.0]))
    assert candles.volume.tolist() == [5, 6, 0, 7]
    assert candles.low[2] == candles.high[2] == candles.open[2] == candles.close[1]


def test_a_long_gap_splits_the_history() -> None:
    candles = hourly(1, 2, *[np.nan] * 4, 3, 4)
    assert candles.close.tolist() == [1, 2, 3, 4]
    assert candles.segment.tolist() == [0, 0, 1, 1]
    assert candles.usable.tolist() == [False, True, False, True]


def test_an_exchange_calendar_has_recesses_and_no_gaps() -> None:
    candles = bars(DAY * np.array([4, 5, 8, 18, 29, 30]), np.arange(1.0, 7.0), bar=DAY, calendar=Calendar.EXCHANGE)
    assert candles.close.tolist() == [1, 2, 3, 4, 5, 6]
    assert candles.segment.tolist() == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize(("length", "dead"), [(23, 0), (24, 23), (40, 39)])
def test_a_dead_feed_is_not_modelled_once_it_lasts_a_day(length: int, dead: int) -> None:
    candles = hourly(1.0, 1.1, *[2.0] * length, 2.1, 2.2)
    assert int((candles.exclusion == Exclusion.DEAD_FEED).sum()) == dead
    assert bool(candles.usable[2])
    assert bool(candles.usable[-2]) is (dead == 0)
    assert bool(candles.usable[-1])


def test_an_unchanged_close_with_a_range_is_alive() -> None:
    assert bars(HOUR * np.arange(1, 51), np.full(50, 2.0), low=np.full(50, 1.9)).usable[1:].all()


def test_each_asset_keeps_its_own_span() -> None:
    both = panel(A=LONG, B=SHORT)
    assert both.assets == ("A", "B")
    assert (len(both["A"]), len(both["B"]), both.last) == (60, 20, 60 * HOUR)
    frame = both.frame()
    assert frame.shape == (60, 2)
    assert frame["B"].isna().sum() == 40
    assert str(frame.index.tz) == "UTC"
    assert frame.index.name == "ts"


def test_an_unknown_asset_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="C is not in the price panel, which holds A"):
        panel(A=LONG)["C"]


def test_until_holds_the_bars_that_had_closed() -> None:
    known = panel(A=LONG, B=SHORT).until(30 * HOUR + 1)
    assert known.assets == ("A",)
    assert known.last == 30 * HOUR


def test_before_the_first_bar_nothing_is_known() -> None:
    with pytest.raises(InsufficientData, match="the first bar closes at 1970-01-01T01:00:00Z"):
        panel(A=LONG).until(HOUR - 1)


def test_an_open_gap_has_not_been_filled_yet() -> None:
    gap = bars(HOUR * np.array([1, 2, 5, 6]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert len(gap) == 6
    assert gap.until(3 * HOUR).time.tolist() == [HOUR, 2 * HOUR]
    assert len(gap.until(5 * HOUR)) == 5


def test_a_run_is_a_dead_feed_only_once_it_has_lasted() -> None:
    close = np.concatenate([[1.0, 2.0], np.full(30, 3.0), [4.0]])
    feed = bars(HOUR * np.arange(1, 34), close)
    assert feed.usable.sum() == 2
    assert feed.until(25 * HOUR).usable[1:].all()
    dead = feed.until(26 * HOUR)
    assert dead.exclusion[3:].tolist() == [Exclusion.DEAD_FEED] * 23
    assert feed.exclusion[-1] == Exclusion.AFTER_DEAD_FEED


def test_candles_are_read_only_and_of_one_length() -> None:
    with pytest.raises(ValueError, match="read-only"):
        LONG.close[0] = 9.0
    arrays = {name: getattr(LONG, name) for name in ARRAYS}
    with pytest.raises(DataError, match="60 times and 59 values of low"):
        Candles(**{**arrays, "low": LONG.low[:-1]})


def test_the_digest_sees_every_array() -> None:
    digests = {LONG.sha256()}
    arrays = {name: getattr(LONG, name) for name in ARRAYS}
    for name, array in arrays.items():
        changed = array.copy()
        changed[7] = not changed[7] if changed.dtype == bool else changed[7] + 1
        digests.add(Candles(**{**arrays, name: changed}, close_only=True).sha256())
    assert len(digests) == 1 + len(ARRAYS)
    assert panel(A=LONG).sha256["A"] == bars(LONG.time, LONG.close.copy()).sha256()


def test_bars_in_counts_sessions_on_an_exchange_calendar() -> None:
    days = DAY * np.arange(1, 71)
    weekdays = days[np.arange(70) % 7 < 5]
    sessions = bars(weekdays, np.arange(1.0, 51.0))
    index = PricePanel(candles={"SPX": sessions}, bar=DAY, numeraire="USD", calendar=Calendar.EXCHANGE)
    assert index.bars_in(7 * 86_400, "SPX") == 6  # 49 returns in 67 days, rounded up
    assert panel(A=LONG).bars_in(1, "A") == 1
    assert panel(A=LONG).bars_in(7 * 86_400, "A") == 168


def load(*paths: Path) -> Candles:
    return load_candles(CandleSource("ETH", paths), CandleFormat(bar=HOUR))


def same(a: Candles, b: Candles) -> bool:
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in ARRAYS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("candles")


def known_by(table: pd.DataFrame, cut: int) -> pd.DataFrame:
    return table[pd.to_datetime(table["timestamp"], utc=True).dt.as_unit("ns").astype(np.int64) + HOUR <= cut]


START = pd.Timestamp("2024-01-01", tz="UTC").as_unit("ns").value


@given(table=candle_tables(), bars=st.integers(30, 118))
@settings(max_examples=60, deadline=None)
def test_what_was_known_then_is_what_the_file_held_then(folder: Path, table: pd.DataFrame, bars: int) -> None:
    cut = START + bars * HOUR
    short = known_by(table, cut)
    assume(short["close"].nunique() > 1)
    table.to_csv(folder / "whole.csv", index=False)
    short.to_csv(folder / "short.csv", index=False)
    known, then = load(folder / "whole.csv").until(cut), load(folder / "short.csv")
    assert same(known, then)
    assert [note.time for note in known.notes] == [note.time for note in then.notes]


@given(a=candle_tables(), b=candle_tables(), bars=st.integers(30, 118), end=st.integers(20, 100), first=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_the_future_changes_no_level_before_it_across_a_join(
    folder: Path, a: pd.DataFrame, b: pd.DataFrame, bars: int, end: int, first: int
) -> None:
    cut = START + bars * HOUR
    a, b = a.iloc[:end], b.iloc[first:]
    assume(len(known_by(b, cut)) and a["close"].iloc[:15].nunique() > 1)

    def joined(name: str, *tables: pd.DataFrame) -> Candles:
        paths = [folder / f"{name}{k}.csv" for k in range(len(tables))]
        for path, table in zip(paths, tables, strict=True):
            table.to_csv(path, index=False)
        return load(*paths).until(cut)

    changed = []
    for table in (a, b):
        table = table.copy()
        after = ~table.index.isin(known_by(table, cut).index)
        table.loc[after, ["open", "high", "low", "close"]] *= np.linspace(2, 3, after.sum())[:, None]
        changed.append(table)
    assert same(joined("as-it-was", a, b), joined("changed", *changed))


@given(a=candle_tables(holes=False), b=candle_tables(holes=False), end=st.integers(10, 119), first=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_joined_returns_are_each_files_own(folder: Path, a: pd.DataFrame, b: pd.DataFrame, end: int, first: int) -> None:
    a, b = a.iloc[:end], b.iloc[first:]
    assume(a["close"].nunique() > 1)
    for name, table in (("a", a), ("b", b)):
        table.to_csv(folder / f"{name}.csv", index=False)
    returns = np.diff(np.log(load(folder / "a.csv", folder / "b.csv").close))
    own = np.concatenate([np.diff(np.log(a["close"])), np.diff(np.log(b["close"]))[end - first - 1 :]])
    np.testing.assert_allclose(returns, own, atol=1e-12)
