"""Candle files: what is read, what is refused and why, and how files are joined."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import HOUR

from riskparams.errors import ConfigError, ConstantSeries, DataError
from riskparams.prices.candles import CandleFormat, CandleSource, Join, Stamp, VolumeUnit, load_candles, load_panel
from riskparams.prices.panel import ARRAYS, Candles, Exclusion
from riskparams.returns import pair_candles
from riskparams.terms import DAY, Pair, iso

HOURLY = CandleFormat(bar=HOUR)
ROWS = [f"2024-01-01T{hour:02d}:00:00Z,100,{102 + hour},99,{101 + hour},5" for hour in range(6)]
HEADER = "timestamp,open,high,low,close,volume"


def write(folder: Path, lines: list[str], name: str = "eth.csv", header: str = HEADER) -> Path:
    path = folder / name
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def load(*paths: Path, layout: CandleFormat = HOURLY) -> Candles:
    return load_candles(CandleSource("ETH", paths), layout)


def closes(folder: Path, values: list[float], *, first: int = 0, name: str = "eth.csv") -> Path:
    stamps = pd.date_range("2024-01-01", periods=first + len(values), freq="h", tz="UTC")[first:]
    lines = [f"{at:%Y-%m-%dT%H:%M:%SZ},{value!r}" for at, value in zip(stamps, values, strict=True) if not np.isnan(value)]
    return write(folder, lines, name, "timestamp,close")


def same(a: Candles, b: Candles) -> bool:
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in ARRAYS)


def test_a_start_stamped_bar_is_known_when_it_closes(tmp_path: Path) -> None:
    candles = load(write(tmp_path, ROWS))
    assert iso(int(candles.time[0])) == "2024-01-01T01:00:00Z"
    assert (candles.open[0], candles.high[0], candles.low[0], candles.close[0], candles.volume[0]) == (100, 102, 99, 101, 5)
    assert candles.usable.tolist() == [False, True, True, True, True, True]


def test_a_close_stamped_bar_keeps_its_stamp(tmp_path: Path) -> None:
    candles = load(write(tmp_path, ROWS), layout=CandleFormat(bar=HOUR, stamp=Stamp.CLOSE))
    assert iso(int(candles.time[0])) == "2024-01-01T00:00:00Z"


def test_dates_are_days_and_start_with_them(tmp_path: Path) -> None:
    path = write(tmp_path, ["2024-01-31,1", "2024-02-01,2"], header="date,close")
    candles = load(path, layout=CandleFormat(bar=DAY))
    assert [iso(int(time)) for time in candles.time] == ["2024-02-01T00:00:00Z", "2024-02-02T00:00:00Z"]


def test_an_offset_from_utc_is_honoured(tmp_path: Path) -> None:
    path = write(tmp_path, [row.replace("Z", "+03:00") for row in ROWS])
    assert iso(int(load(path).time[0])) == "2023-12-31T22:00:00Z"


def test_csv_gz_and_parquet_hold_the_same_candles(tmp_path: Path) -> None:
    plain = write(tmp_path, ROWS)
    packed = tmp_path / "eth.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    table = pd.read_csv(plain)
    table["timestamp"] = pd.to_datetime(table["timestamp"], utc=True)
    table.to_parquet(tmp_path / "column.parquet")
    table.set_index("timestamp").to_parquet(tmp_path / "index.parquet")
    for other in ("eth.csv.gz", "column.parquet", "index.parquet"):
        assert same(load(plain), load(tmp_path / other))


def test_closes_alone_are_their_own_highs_and_lows(tmp_path: Path) -> None:
    candles = load(closes(tmp_path, [1.0, 2.0, 1.5]))
    assert candles.close_only
    assert candles.low.tolist() == candles.open.tolist() == candles.close.tolist() == [1.0, 2.0, 1.5]
    assert np.isnan(candles.volume).all()


@pytest.mark.parametrize(("unit", "volume"), [(VolumeUnit.BASE, 5.0), (VolumeUnit.QUOTE, 5 / 101), (VolumeUnit.NONE, np.nan)])
def test_volume_is_stored_in_units_of_the_asset(tmp_path: Path, unit: VolumeUnit, volume: float) -> None:
    candles = load(write(tmp_path, ROWS), layout=CandleFormat(bar=HOUR, volume_unit=unit))
    np.testing.assert_equal(candles.volume[0], volume)


def test_irregular_observations_make_the_bars_they_fall_in(tmp_path: Path) -> None:
    seen = [
        *("00:05:00Z,10", "00:20:00Z,12", "00:55:00Z,11"),
        *("01:10:00Z,9", "02:00:00Z,8", "02:00:01Z,7", "02:30:00Z,6"),
        *("04:01:00Z,5", "04:30:00Z,4"),
    ]
    path = write(tmp_path, [f"2024-01-01T{row}" for row in seen], header="timestamp,close")
    candles = load(path, layout=CandleFormat(bar=HOUR, stamp=Stamp.OBSERVED))
    assert [iso(int(time))[11:13] for time in candles.time] == ["01", "02", "03", "04", "05"]
    assert candles.close.tolist() == [11, 8, 6, 6, 4]
    assert candles.open.tolist() == [10, 9, 7, 6, 5]
    assert (candles.high[0], candles.low[0]) == (12, 10)
    assert candles.exclusion.tolist() == [Exclusion.FIRST, 0, 0, Exclusion.FILLED, Exclusion.AFTER_FILL]


OBSERVED = CandleFormat(bar=HOUR, stamp=Stamp.OBSERVED)


def seen(folder: Path, *rows: str, name: str = "eth.csv") -> Path:
    return write(folder, [f"2024-01-01T{row}" for row in rows], name, "timestamp,close")


def test_bars_of_sparse_observations_open_at_the_close_before_and_span_the_two(tmp_path: Path) -> None:
    candles = load(seen(tmp_path, "00:30:00Z,10", "01:10:00Z,9", "01:20:00Z,8", "02:40:00Z,12"), layout=OBSERVED)
    assert candles.close_only
    assert candles.close.tolist() == [10, 8, 12]
    assert candles.open.tolist() == [10, 10, 8]
    assert candles.low.tolist() == [10, 8, 8]
    assert candles.high.tolist() == [10, 10, 12]


def test_an_observed_price_stands_at_the_next_close_and_is_not_a_return_of_zero(tmp_path: Path) -> None:
    candles = load(seen(tmp_path, "00:30:00Z,10", "01:59:58Z,9", "03:00:02Z,8", "04:10:00Z,7"), layout=OBSERVED)
    assert [iso(int(time))[11:13] for time in candles.time] == ["01", "02", "03", "04", "05"]
    assert candles.close.tolist() == [10, 9, 9, 8, 7]
    assert candles.exclusion.tolist() == [Exclusion.FIRST, 0, Exclusion.FILLED, Exclusion.AFTER_FILL, 0]
    assert candles.observed.tolist() == [True, True, False, True, True]


@pytest.mark.parametrize(("last", "bridged", "kept"), [("01:00:00Z", 5, 2), ("00:59:00Z", 4, 1)])
def test_an_observed_price_stands_for_two_bars_and_what_follows_is_missing(
    tmp_path: Path, last: str, bridged: int, kept: int
) -> None:
    for hours, segments, bars in ((bridged, 1, bridged + 6), (bridged + 1, 2, kept + 6)):
        after = [f"{hours + bar:02d}:30:00Z,{9 - bar}" for bar in range(1, 6)]
        candles = load(seen(tmp_path, f"{last},10", *after), layout=OBSERVED)
        assert candles.segment[-1] + 1 == segments
        assert len(candles) == bars
        assert candles.observed.sum() == 6
        low = candles.low[np.flatnonzero(candles.observed)[1]]
        assert low == candles.close[np.flatnonzero(candles.observed)[1]] == 8


def test_joined_files_of_observations_carry_their_prices_forward(tmp_path: Path) -> None:
    earlier = seen(tmp_path, "00:30:00Z,10", "01:30:00Z,9", "03:20:00Z,8", name="a.csv")
    later = seen(tmp_path, "03:30:00Z,80", "04:30:00Z,70", "06:30:00Z,60", name="b.csv")
    candles = load(earlier, later, layout=OBSERVED)
    assert candles.close.tolist() == [10, 9, 9, 8, 7, 7, 6]
    assert candles.low.tolist() == [10, 9, 9, 8, 7, 7, 6]
    assert candles.observed.tolist() == [True, True, False, True, True, False, True]
    levels = load(earlier, later, layout=CandleFormat(bar=HOUR, stamp=Stamp.OBSERVED, join=Join.LEVELS))
    assert levels.high[4] == levels.low[4] == 70


@given(
    minutes=st.lists(st.integers(1, 100), min_size=20, max_size=60),
    gap=st.integers(100, 400),
    cut=st.integers(8, 60),
    place=st.integers(1, 59),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_observations_that_came_later_change_no_bar_before_them(
    tmp_path: Path, minutes: list[int], gap: int, cut: int, place: int
) -> None:
    minutes.insert(place, gap)
    at = pd.Timestamp("2024-01-01T00:00:00Z") + pd.to_timedelta(np.cumsum(minutes), unit="min")
    rows = [f"{time:%Y-%m-%dT%H:%M:%SZ},{100 + i % 7}" for i, time in enumerate(at)]
    end = at[min(cut, len(at) - 1)].floor("h")
    known = [row for row, time in zip(rows, at, strict=True) if time <= end]
    assume(len({row[:13] for row in known}) > 4)
    then, now = seen_rows(tmp_path, known), seen_rows(tmp_path, rows).until(end.as_unit("ns").value)
    assume(then.close_only == now.close_only)
    assert same(then, now)


def seen_rows(folder: Path, rows: list[str]) -> Candles:
    return load(write(folder, rows, header="timestamp,close"), layout=CandleFormat(bar=HOUR, stamp=Stamp.OBSERVED))


REFUSED = {
    "a zero price": (["2024-01-01T06:00:00Z,100,102,99,0,5"], ["row 7", "close is 0", "positive"]),
    "a negative price": (["2024-01-01T06:00:00Z,-1,102,99,100,5"], ["row 7", "open is -1"]),
    "a missing price": (["2024-01-01T06:00:00Z,100,102,99,,5"], ["row 7", "close is nan"]),
    "an infinite price": (["2024-01-01T06:00:00Z,100,inf,99,100,5"], ["row 7", "high is inf"]),
    "garbage for a price": (["2024-01-01T06:00:00Z,100,102,99,n/k,5"], ["row 7", "close is n/k"]),
    "a high below the low": (["2024-01-01T06:00:00Z,100,98,99,100,5"], ["row 7", "high is 98", "99"]),
    "a close above the high": (["2024-01-01T06:00:00Z,100,102,99,103,5"], ["row 7", "high is 102", "103"]),
    "an open below the low": (["2024-01-01T06:00:00Z,98,102,99,100,5"], ["row 7", "low is 99", "98"]),
    "a negative volume": (["2024-01-01T06:00:00Z,100,102,99,100,-5"], ["row 7", "volume is -5"]),
    "garbage for a volume": (["2024-01-01T06:00:00Z,100,102,99,100,much"], ["row 7", "volume is much"]),
    "a repeated time": (ROWS[5:], ["row 7", "2024-01-01T05:00:00Z", "repeats", "repair=True"]),
    "a time out of order": (ROWS[2:3], ["row 7", "2024-01-01T02:00:00Z", "not after", "repair=True"]),
    "a time without an offset": (["2024-01-01 06:00:00,100,102,99,100,5"], ["row 7", "2024-01-01 06:00:00", "offset from UTC"]),
    "an unreadable time": (["yesterdayZ,100,102,99,100,5"], ["row 7", "timestamp is yesterdayZ"]),
    "a time off the grid": (["2024-01-01T06:30:00Z,100,102,99,100,5"], ["row 7", "2024-01-01T07:30:00Z", "off the grid"]),
    "a row too long": (["2024-01-01T06:00:00Z,100,102,99,100,5,6"], ["cannot be read", "line 8"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_row_is_refused_with_file_row_and_value(tmp_path: Path, case: str) -> None:
    rows, words = REFUSED[case]
    with pytest.raises(DataError) as refusal:
        load(write(tmp_path, ROWS + rows))
    for word in ["ETH", "eth.csv", *words]:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("timestamp,open,high,low,close,vol", ["column vol", "volume"]),
        ("timestamp,open,high,low,last,volume", ["column last", "close"]),
        ("time,open,high,low,close,volume", ["column time", "timestamp"]),
        ("date,timestamp,high,low,close,volume", ["exactly one of date and timestamp"]),
        ("open,high,low,close,volume,timestamp", ["row 1"]),
    ],
)
def test_a_header_that_is_not_known_is_refused(tmp_path: Path, header: str, words: list[str]) -> None:
    with pytest.raises(DataError) as refusal:
        load(write(tmp_path, ROWS, header=header))
    for word in ["ETH", "eth.csv", *words]:
        assert word in str(refusal.value)


def test_missing_close_or_one_missing_extreme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"eth\.csv: column close is missing"):
        load(write(tmp_path, ["2024-01-01T00:00:00Z,1,1,1"], header="timestamp,open,high,low"))
    with pytest.raises(DataError, match=r"eth\.csv: column low is missing"):
        load(write(tmp_path, ["2024-01-01T00:00:00Z,1,1,1"], header="timestamp,open,high,close"))


def test_a_date_with_a_time_of_day_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, ["2024-01-31,1", "2024-02-01T12:00:00Z,2"], header="date,close")
    with pytest.raises(DataError, match=r"eth\.csv, row 2: date is 2024-02-01T12:00:00Z: expected a date"):
        load(path, layout=CandleFormat(bar=DAY))


def test_a_naive_parquet_stamp_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "eth.parquet"
    pd.DataFrame({"timestamp": pd.date_range("2024-01-01", periods=3, freq="h"), "close": [1.0, 2.0, 3.0]}).to_parquet(path)
    with pytest.raises(DataError, match=r"eth\.parquet, row 1: timestamp is 2024-01-01 00:00:00: expected .*offset from UTC"):
        load(path)


@pytest.mark.parametrize("name", ["eth.csv.gz", "eth.parquet"])
def test_a_corrupt_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"timestamp,close\n" * 999)[:40])
    with pytest.raises(DataError, match=rf"ETH: .*{name} cannot be read"):
        load(tmp_path / name)


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ETH: .*none\.csv does not exist"):
        load(tmp_path / "none.csv")
    (tmp_path / "eth.csv").write_text("")
    with pytest.raises(DataError, match=r"eth\.csv is empty"):
        load(tmp_path / "eth.csv")
    with pytest.raises(DataError, match=r"eth\.csv is empty"):
        load(write(tmp_path, []))


def test_two_bar_lengths_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, ["2024-01-30,1", "2024-01-31,2", "2024-02-01,3"], header="date,close")
    with pytest.raises(DataError, match=r"two bar lengths .*eth\.csv has 1d bars, the study says 1h"):
        load(path)
    with pytest.raises(DataError, match=r"eth\.csv has 1d bars, the study says 1h"):
        load(path, layout=CandleFormat(bar=HOUR, stamp=Stamp.OBSERVED))
    with pytest.raises(DataError, match=r"eth\.csv has 1h bars, the study says 1d"):
        load(write(tmp_path, ROWS), layout=CandleFormat(bar=DAY))


def test_a_price_that_never_moves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConstantSeries, match=r"ETH: all 5 closes in eth\.csv are 1"):
        load(closes(tmp_path, [1.0] * 5))


def test_sources_and_formats_that_say_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="ETH: no price file"):
        CandleSource("ETH", ())
    with pytest.raises(DataError, match="no price files"):
        load_panel([], HOURLY, numeraire="USD")
    with pytest.raises(ConfigError, match="bar length is 0"):
        CandleFormat(bar=0)


def test_a_panel_has_one_grid(tmp_path: Path) -> None:
    late = write(tmp_path, [row.replace(":00:00Z", ":30:00Z") for row in ROWS], "btc.csv")
    sources = [CandleSource("ETH", (write(tmp_path, ROWS),)), CandleSource("BTC", (late,))]
    with pytest.raises(DataError, match="BTC close at 2024-01-01T01:30:00Z"):
        load_panel(sources, HOURLY, numeraire="USD")
    assert load_panel(sources[:1], HOURLY, numeraire="USD").assets == ("ETH",)


def test_repair_sorts_keeps_the_last_duplicate_and_says_so(tmp_path: Path) -> None:
    rows = [ROWS[1], ROWS[0], ROWS[2].replace("103", "102"), *ROWS[2:]]
    candles = load(write(tmp_path, rows), layout=CandleFormat(bar=HOUR, repair=True))
    assert same(candles, load(write(tmp_path, ROWS, "good.csv")))
    assert "1 duplicates dropped" in candles.notes[0].text
    assert candles.notes[0].warning


def test_the_first_file_wins_the_overlap_and_the_second_is_scaled_to_it(tmp_path: Path) -> None:
    first = closes(tmp_path, [10.0, 11.0, 12.0], name="a.csv")
    second = closes(tmp_path, [22.0, 23.0, 26.0, 30.0], first=1, name="b.csv")
    candles = load(first, second)
    np.testing.assert_allclose(candles.close, [10, 11, 12, 12 * 26 / 23, 12 * 30 / 23], rtol=1e-15)
    assert candles.notes[0].warning
    assert "level ratio of 0.521739" in candles.notes[0].text
    assert candles.usable[1:].all()


def test_a_later_file_that_is_listed_first_takes_over_at_its_first_bar(tmp_path: Path) -> None:
    early = closes(tmp_path, [10.0, 11.0, 12.0, 13.0], name="a.csv")
    late = closes(tmp_path, [24.0, 27.0, 30.0], first=2, name="b.csv")
    np.testing.assert_allclose(load(late, early).close, [10, 11, 12, 13.5, 15], rtol=1e-15)


def test_files_that_meet_at_one_price_are_chained_and_others_are_not(tmp_path: Path) -> None:
    first = write(tmp_path, ROWS[:3], "a.csv")
    meets = write(tmp_path, ["2024-01-01T03:00:00Z,103,105,99,104,5"], "b.csv")
    apart = write(tmp_path, ["2024-01-01T03:00:00Z,90,105,88,104,5"], "c.csv")
    assert load(first, meets).usable[1:].all()
    broken = load(first, apart)
    assert broken.segment.tolist() == [0, 0, 0, 1]
    assert broken.close[-1] == 104
    assert "without a common bar" in broken.notes[0].text


def test_a_join_keeps_the_value_of_volume(tmp_path: Path) -> None:
    later = [f"2024-01-01T{hour:02d}:00:00Z,50,80,40,{60 + hour},7" for hour in range(3, 9)]
    candles = load(write(tmp_path, ROWS, "a.csv"), write(tmp_path, later, "b.csv"))
    np.testing.assert_allclose((candles.close * candles.volume)[6:], [66 * 7, 67 * 7, 68 * 7], rtol=1e-14)


def test_a_join_on_levels_keeps_every_price_and_leaves_its_return_out(tmp_path: Path) -> None:
    old = closes(tmp_path, [100.0, 110.0, 120.0], name="old.csv")
    new = closes(tmp_path, [60.0, 61.0, 62.0], first=2, name="new.csv")
    candles = load(old, new, layout=CandleFormat(bar=HOUR, join=Join.LEVELS))
    assert candles.close.tolist() == [100.0, 110.0, 120.0, 61.0, 62.0]
    assert candles.exclusion.tolist() == [Exclusion.FIRST, 0, 0, Exclusion.JOIN, 0]
    assert "level ratio of 2, which is kept" in candles.notes[0].text
    assert load(old, new).close[3:].tolist() == [122.0, 124.0]


def test_files_on_two_grids_are_not_joined(tmp_path: Path) -> None:
    half = write(tmp_path, [row.replace(":00:00Z", ":30:00Z") for row in ROWS], "half.csv")
    with pytest.raises(DataError, match=r"half\.csv has bars between those of eth\.csv"):
        load(write(tmp_path, ROWS), half)


def test_a_later_file_of_closes_leaves_the_earlier_lows_alone(tmp_path: Path) -> None:
    alone = load(write(tmp_path, ROWS))
    candles = load(write(tmp_path, ROWS), closes(tmp_path, [200.0, 210.0, 220.0], first=4, name="b.csv"))
    assert candles.close_only
    assert np.array_equal(candles.low[: len(alone)], alone.low)
    assert np.array_equal(candles.low[len(alone) :], candles.close[len(alone) :])


def test_ten_years_of_bitcoin_load_and_join(market_data: Path) -> None:
    hourly = market_data / "prices" / "hourly"
    candles = load(hourly / "BTC__bitstamp22.csv.gz", hourly / "BTC__binperp24.csv.gz")
    assert len(candles) > 53_000
    assert candles.segment.max() == 0
    assert candles.notes[0].time == pd.Timestamp("2022-02-04T01:00:00Z").as_unit("ns").value
    assert candles.low.min() == pytest.approx(3_122.28, rel=0.1)


def test_an_on_chain_feed_goes_on_the_grid(market_data: Path) -> None:
    candles = load(
        market_data / "prices" / "hourly_close" / "WETH__comet24.csv.gz",
        layout=CandleFormat(bar=HOUR, stamp=Stamp.OBSERVED),
    )
    assert candles.close_only
    assert candles.usable.mean() > 0.98


def test_two_tokens_seen_at_odd_minutes_share_their_bars(market_data: Path) -> None:
    folder = market_data / "prices" / "hourly_close"
    sources = [CandleSource(name, (folder / f"{name}__cgecko23.csv.gz",)) for name in ("stETH", "WETH")]
    panel = load_panel(sources, OBSERVED, numeraire="USD")
    pair = pair_candles(panel, Pair("stETH", "WETH"))
    shown = pair.observed
    assert not pair.usable[~shown].any()
    assert 0.9 < shown.mean() < panel["stETH"].observed.mean() < 1
    bars = np.diff(pair.segment, prepend=-1) == 0
    assert np.array_equal(pair.open[1:][bars[1:] & pair.usable[1:]], pair.close[:-1][bars[1:] & pair.usable[1:]])
