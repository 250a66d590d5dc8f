"""Candles from files: CSV, CSV.gz and Parquet, checked row by row and joined on returns, or on levels on request."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd

from riskparams.errors import ConfigError, ConstantSeries, DataError
from riskparams.prices.panel import Calendar, Candles, Exclusion, Note, PricePanel, lay_on_calendar
from riskparams.prices.quality import bar_length, numbers, refuse, times
from riskparams.terms import Asset, BoolArray, FloatArray, IntArray, iso

PRICES = ["open", "high", "low", "close"]
COLUMNS = ("date", "timestamp", *PRICES, "volume")
NOTABLE_LEVEL_RATIO = 0.05
LONGEST_STAND = 2  # bars for which an observed price stands; at a later close it is missing


class Stamp(StrEnum):
    """What the time stamp of a row means."""

    START = "start"  # the bar starts then
    CLOSE = "close"  # the bar closes then
    OBSERVED = "observed"  # the price was seen then, at no regular time, and stands until the next one


class VolumeUnit(StrEnum):
    """What a volume counts: the asset, the currency it is priced in, or nothing that can be used."""

    BASE = "base"
    QUOTE = "quote"
    NONE = "none"


class Join(StrEnum):
    """What is kept where a later file takes over from an earlier one."""

    RETURNS = "returns"  # the later file is scaled to meet the earlier: no return is a change of file
    LEVELS = "levels"  # every price is as its file has it; the return across the join is not modelled


@dataclass(frozen=True, slots=True)
class CandleSource:
    """The files of one asset; where two hold the same bar, the earlier in the list wins.

    `stamp` is what a time means in them, where it is not what the format says of all.
    """

    asset: Asset
    files: tuple[Path, ...]
    stamp: Stamp | None = None

    def __post_init__(self) -> None:
        if not self.files:
            raise DataError(f"{self.asset}: no price file is listed: add one to [prices.files]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleFormat:
    """How candle files are read; `bar` is in nanoseconds; `repair` sorts rows and keeps the last of duplicates."""

    bar: int
    stamp: Stamp = Stamp.START
    calendar: Calendar = Calendar.CONTINUOUS
    volume_unit: VolumeUnit = VolumeUnit.BASE
    repair: bool = False
    join: Join = Join.RETURNS

    def __post_init__(self) -> None:
        if self.bar <= 0:
            raise ConfigError(f"bar length is {self.bar} ns: expected a positive length, such as 1h")


@dataclass(frozen=True, slots=True)
class _Bars:
    """The bars of one file, or of several joined: `numbers` has the columns open, high, low, close, volume.

    `stands` counts the bars behind each for which its close is still the price; none unless prices were observed.
    """

    name: str
    time: IntArray
    numbers: FloatArray
    close_only: bool
    notes: tuple[Note, ...] = ()
    stands: IntArray | None = None

    @property
    def close(self) -> FloatArray:
        return self.numbers[:, 3]


def load_panel(sources: Sequence[CandleSource], layout: CandleFormat, *, numeraire: Asset) -> PricePanel:
    """Return the panel that the files hold, or raise `DataError` naming the file, the row and the value."""
    if not sources:
        raise DataError("no price files: list at least one asset in [prices.files]")
    candles = {source.asset: load_candles(source, layout) for source in sources}
    first = sources[0].asset
    for asset, bars in candles.items():
        apart = int(bars.time[0] - candles[first].time[0])
        if layout.calendar is Calendar.CONTINUOUS and apart % layout.bar:
            raise DataError(
                f"bars of {asset} close at {iso(int(bars.time[0]))}, those of {first} at {iso(int(candles[first].time[0]))}, "
                f"not a multiple of {bar_length(layout.bar)} apart: expected one grid of bars in a panel"
            )
    return PricePanel(candles=candles, bar=layout.bar, numeraire=numeraire, calendar=layout.calendar)


def load_candles(source: CandleSource, layout: CandleFormat) -> Candles:
    """Return one asset's candles, its files joined on returns unless the format asks for levels.

    On returns, the earliest bars keep their level and each later piece is scaled to meet the piece before it, so no
    price changes a level that is dated before it. Volume is divided by the same scale: its value stays what it was.
    On levels nothing is scaled, and the bar at a join is marked as one whose return must not be modelled.

    A bar of observed prices closes at the last one seen by then. Where none was seen in it, the one before stands, marked
    like a filled bar: neither its return of zero nor the return after it is modelled. One that is older than two bars
    stands no longer, and the bars it leaves are missing.
    """
    layout = replace(layout, stamp=source.stamp) if source.stamp else layout
    bars, breaks, stale = _join([_read_bars(source.asset, Path(path), layout) for path in source.files], layout)
    if len(bars.time) > 1 and np.all(bars.close == bars.close[0]):
        raise ConstantSeries(
            f"{source.asset}: all {len(bars.time)} closes in {bars.name} are {bars.close[0]:.8g}: "
            "expected a price that moves; give the asset another file or leave it out"
        )
    from_closes = layout.stamp is Stamp.OBSERVED and bars.close_only
    candles = lay_on_calendar(
        bars.time,
        np.where([not from_closes] * 3 + [True] * 2, bars.numbers, bars.numbers[:, 3:4]),
        bar=layout.bar,
        calendar=layout.calendar,
        breaks=breaks,
        stale=stale,
        close_only=bars.close_only,
        notes=bars.notes,
        stands=bars.stands,
    )
    return _between_closes(candles, layout) if from_closes else candles


def _read_bars(asset: Asset, path: Path, layout: CandleFormat) -> _Bars:
    """Return one file's bars, stamped by their close, or say which row cannot be used and why."""
    where = f"{asset}: {path}"
    table = _read_table(where, path)
    time = times(where, table.iloc[:, 0])
    close_only = "open" not in table
    prices = np.column_stack([numbers(where, table["close" if close_only else name]) for name in PRICES])
    low, high = prices[:, [0, 3]].min(axis=1), prices[:, [0, 3]].max(axis=1)
    if not close_only:
        refuse(where, prices[:, 1] < prices[:, 2], table["high"], lambda row: f"at least the low, {prices[row, 2]}")
        refuse(where, prices[:, 2] > low * (1 + 1e-9), table["low"], lambda row: f"at most open and close, {low[row]}")
        refuse(where, prices[:, 1] < high * (1 - 1e-9), table["high"], lambda row: f"at least open and close, {high[row]}")
    prices[:, 1], prices[:, 2] = np.maximum(prices[:, 1], high), np.minimum(prices[:, 2], low)
    volume = np.full(len(table), np.nan)
    if "volume" in table and layout.volume_unit is not VolumeUnit.NONE:
        volume = numbers(where, table["volume"])
        volume = volume / prices[:, 3] if layout.volume_unit is VolumeUnit.QUOTE else volume
    bars = _in_order(where, _Bars(path.name, time, np.column_stack([prices, volume]), close_only), layout.repair)
    if layout.stamp is Stamp.OBSERVED:
        bars = _observed(bars, layout.bar)
    elif layout.stamp is Stamp.START:
        bars = replace(bars, time=bars.time + layout.bar)
    _check_spacing(where, bars.time, layout)
    return bars


def _read_table(where: str, path: Path) -> pd.DataFrame:
    """Return the file's columns, the stamp first; nothing in them is checked yet."""
    if not path.is_file():
        raise DataError(f"{where} does not exist: expected a .csv, .csv.gz or .parquet file; check the path in [prices.files]")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
            if isinstance(table.index, pd.DatetimeIndex):
                table = table.reset_index(names="date" if table.index.name == "date" else "timestamp")
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header are otherwise cut
                text = {"date": str, "timestamp": str}
                table = pd.read_csv(path, dtype=text, index_col=False, low_memory=False)
    except pd.errors.EmptyDataError:
        raise DataError(f"{where} is empty: expected a header and at least one row") from None
    except (OSError, EOFError, ValueError, zlib.error, pd.errors.ParserWarning) as error:
        raise DataError(f"{where} cannot be read ({error}): expected a CSV, CSV.gz or Parquet file; fetch it again") from error
    names = [str(name) for name in table.columns]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise DataError(f"{where}: column {unknown[0]} is not known: expected some of {', '.join(COLUMNS)}; rename or drop it")
    stamps = [name for name in ("date", "timestamp") if name in names]
    if len(stamps) != 1:
        raise DataError(f"{where}: columns {', '.join(names)}: expected exactly one of date and timestamp")
    missing = [name for name in PRICES if name not in names]
    if missing and missing != PRICES[:3]:
        raise DataError(f"{where}: column {missing[0]} is missing: expected open, high, low and close, or close alone")
    if table.empty:
        raise DataError(f"{where} is empty: expected at least one row below the header")
    return table[stamps + [name for name in names if name not in stamps]].reset_index(drop=True)


def _in_order(where: str, bars: _Bars, repair: bool) -> _Bars:
    """Return bars whose times strictly increase: as they came, or sorted and rid of duplicates on request."""
    late = np.flatnonzero(np.diff(bars.time) <= 0)
    if not len(late):
        return bars
    row = int(late[0]) + 1
    if not repair:
        problem = "repeats" if bars.time[row] == bars.time[row - 1] else "is not after"
        raise DataError(
            f"{where}, row {row + 1}: {iso(int(bars.time[row]))} {problem} row {row}, {iso(int(bars.time[row - 1]))}: "
            "expected increasing times; sort the file and drop duplicates, or load with repair=True"
        )
    order = np.argsort(bars.time, kind="stable")
    time = bars.time[order]
    last = np.append(time[1:] != time[:-1], True)
    note = (
        f"{bars.name}: repaired {len(late)} rows out of order, {int((~last).sum())} duplicates dropped (the last one is kept)"
    )
    return replace(
        bars, time=time[last], numbers=bars.numbers[order][last], notes=(Note(time=int(time[0]), text=note, warning=True),)
    )


def _observed(bars: _Bars, bar: int) -> _Bars:
    """Put irregular observations on the grid: each bar's open, high, low and close from those within it.

    With fewer than two in the median bar, the low of a bar is not known: the series counts as closes only.
    """
    time = -(-bars.time // bar) * bar
    first = np.flatnonzero(np.diff(time, prepend=-1))
    last = np.append(first[1:], len(time)) - 1
    opened, high, low, close, volume = bars.numbers.T
    numbers = np.column_stack(
        [
            opened[first],
            np.maximum.reduceat(high, first),
            np.minimum.reduceat(low, first),
            close[last],
            np.add.reduceat(volume, first),
        ]
    )
    sparse = bars.close_only and bool(np.median(last - first) < 1)
    stands = (bars.time[last] + LONGEST_STAND * bar - time[first]) // bar
    return replace(bars, time=time[first], numbers=numbers, close_only=sparse, stands=stands)


def _between_closes(candles: Candles, layout: CandleFormat) -> Candles:
    """Return candles that open at the close before, and whose low and high are the lower and the higher of the two closes.

    A bar that does not follow the one before at once, or on its level, has only its close.
    """
    follows = np.diff(candles.segment, prepend=-1) == 0
    if layout.calendar is Calendar.CONTINUOUS:
        follows &= np.diff(candles.time, prepend=0) == layout.bar
    if layout.join is Join.LEVELS:
        follows &= candles.exclusion != Exclusion.JOIN
    opened = np.where(follows, np.roll(candles.close, 1), candles.close)
    low, high = np.minimum(opened, candles.close), np.maximum(opened, candles.close)
    return replace(candles, open=opened, low=low, high=high)


def _check_spacing(where: str, time: IntArray, layout: CandleFormat) -> None:
    """Raise unless bars follow each other as the study says."""
    if len(time) < 2:
        return
    steps = np.diff(time)
    usual, smallest = int(np.median(steps)), int(steps.min())
    observed = layout.stamp is Stamp.OBSERVED
    if usual > 2 * layout.bar if observed else layout.bar not in (smallest, usual):
        raise DataError(
            f"two bar lengths in one panel: {where} has {bar_length(usual if observed else smallest)} bars, "
            f"the study says {bar_length(layout.bar)}: change [prices] bar or the file"
        )
    astray = np.flatnonzero((time - time[0]) % layout.bar)
    if layout.calendar is Calendar.CONTINUOUS and len(astray):
        row = int(astray[0])
        raise DataError(
            f"{where}, row {row + 1}: the bar closing at {iso(int(time[row]))} is off the grid of {bar_length(layout.bar)} "
            f'bars from {iso(int(time[0]))}: expected regular stamps; use stamp = "observed" for irregular ones'
        )


def _join(files: Sequence[_Bars], layout: CandleFormat) -> tuple[_Bars, BoolArray, BoolArray]:
    """Return one series on the level of its earliest bars, where it breaks off, and where it was joined across a hole.

    Where the file in use changes, the new one is scaled to agree at the last bar both have: the bar before if
    possible, else this one, else an older one. With none, it goes on unscaled if it opens at the last close,
    and otherwise starts anew.
    """
    time = np.unique(np.concatenate([bars.time for bars in files]))
    breaks, stale = np.zeros(len(time), bool), np.zeros(len(time), bool)
    if len(files) == 1:
        return files[0], breaks, stale
    row = [np.minimum(np.searchsorted(bars.time, time), len(bars.time) - 1) for bars in files]
    has = [bars.time[at] == time for bars, at in zip(files, row, strict=True)]
    taken = np.argmax(has, axis=0)
    close = [bars.close[at] for bars, at in zip(files, row, strict=True)]
    scale, factor = np.ones(len(time)), 1.0
    notes = {note.text: note for bars in files for note in bars.notes}
    apart = [bars.name for bars in files if (bars.time[0] - time[0]) % layout.bar]
    if apart and layout.calendar is Calendar.CONTINUOUS:
        raise DataError(f"{apart[0]} has bars between those of {files[0].name}: expected one grid; join files of one time zone")
    for here in np.flatnonzero(np.diff(taken)) + 1:
        old, new = int(taken[here - 1]), int(taken[here])
        common = has[old][: here + 1] & has[new][: here + 1]
        adjacent = time[here] - time[here - 1] == layout.bar or layout.calendar is Calendar.EXCHANGE
        if common.any():
            met = here - 1 if common[here - 1] else int(np.flatnonzero(common)[-1])
            ratio = float(close[old][met] / close[new][met])
            kept = layout.join is Join.LEVELS
            factor, stale[here] = 1.0 if kept else factor * ratio, kept or met < here - 1
            text, warning = f"at a level ratio of {ratio:.6g}", abs(ratio - 1) > NOTABLE_LEVEL_RATIO
            text += ", which is kept" if kept else ""
        elif adjacent and not files[new].close_only and files[new].numbers[row[new][here], 0] == close[old][here - 1]:
            text, warning = "where one opens at the other's close", False
        else:
            factor, breaks[here] = 1.0, True
            text, warning = "without a common bar: unscaled, a new segment", True
        text = f"{iso(int(time[here]))}: {files[new].name} follows {files[old].name} {text}"
        notes[text] = Note(time=int(time[here]), text=text, warning=warning)
        scale[here:] = factor
    numbers = np.stack([bars.numbers[at] for bars, at in zip(files, row, strict=True)])[taken, np.arange(len(time))]
    numbers *= np.column_stack([scale] * 4 + [1 / scale])
    close_only = any(bars.close_only for bars in files)
    from_closes = np.array([bars.close_only for bars in files])[taken]
    numbers[from_closes, :3] = numbers[from_closes, 3:4]
    joined = " and ".join(bars.name for bars in files)
    stands = None
    if layout.stamp is Stamp.OBSERVED:
        each = [bars.stands[at] for bars, at in zip(files, row, strict=True) if bars.stands is not None]
        stands = np.stack(each)[taken, np.arange(len(time))]
    return _Bars(joined, time, numbers, close_only, tuple(notes.values()), stands), breaks, stale
