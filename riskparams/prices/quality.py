"""What prices must satisfy on the way in, and what the report says about those that did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from riskparams.errors import DataError
from riskparams.prices.panel import DEAD_FEED_BARS, Calendar, Candles, Exclusion, PricePanel, unchanged
from riskparams.terms import DAY, NANOSECONDS, Asset, BoolArray, FloatArray, IntArray, iso

WICK_SCALES = 8.0  # times the median absolute return of the 24 bars before
SMALLEST_WICK = 0.10


def refuse(where: str, wrong: BoolArray, column: pd.Series, expected: Callable[[int], str]) -> None:
    """Raise for the first wrong row, if any; rows count from 1 below the header."""
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{where}, row {row + 1}: {column.name} is {column.iloc[row]}: expected {expected(row)}; correct or remove the row"
        )


def times(where: str, column: pd.Series) -> IntArray:
    """Return time stamps as nanoseconds; a date is its first moment, and a time of day needs its offset from UTC."""
    if column.name == "date":
        expected = "a date such as 2024-01-31 (a column of times is called timestamp)"
        days = column if isinstance(column.dtype, np.dtype) and column.dtype.kind == "M" else column.astype(str)
        moments = pd.to_datetime(days, format="%Y-%m-%d", utc=True, errors="coerce")
        moments = moments.where(moments == moments.dt.normalize())
    else:
        expected = "a time with its offset from UTC, such as 2024-01-31T00:00:00Z"
        text = column
        if not isinstance(column.dtype, pd.DatetimeTZDtype):
            text = column.astype(str)
            text = text.where(text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$").to_numpy(bool), "without offset")
        moments = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    moments = moments.where(moments.dt.year.between(1900, 2200))  # what nanoseconds can hold
    refuse(where, moments.isna().to_numpy(bool), column, lambda _: expected)
    return np.asarray(moments.dt.as_unit("ns").astype(np.int64), np.int64)


def numbers(where: str, column: pd.Series) -> FloatArray:
    """Return prices, all positive and finite, or volumes, which may be zero or unknown."""
    values: FloatArray = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan).copy()
    if column.name == "volume":
        wrong = (np.isnan(values) & column.notna().to_numpy(bool)) | (values < 0) | np.isinf(values)
        refuse(where, wrong, column, lambda _: "a volume, 0 or more, or nothing")
    else:
        refuse(where, ~((values > 0) & (values < np.inf)), column, lambda _: "a positive, finite price")
    return values


def bar_length(nanoseconds: int) -> str:
    """Return a bar length as a study writes it."""
    for unit, size in (("d", DAY), ("h", DAY // 24), ("min", 60 * NANOSECONDS)):
        if nanoseconds % size == 0:
            return f"{nanoseconds // size}{unit}"
    return f"{nanoseconds / NANOSECONDS:g}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceQuality:
    """What is known about one asset's candles; times are nanoseconds, and a span ends where its last missing bar closes."""

    asset: Asset
    first: int
    last: int
    bars: int
    missing: int  # bars, filled ones included
    filled: int
    segments: int
    gaps: tuple[tuple[int, int, int], ...]  # too long to fill: start, end, bars
    flat_runs: tuple[tuple[int, int, int], ...]  # dead feeds: first close, last close, bars
    wicks: tuple[tuple[int, float], ...]  # time, simple move from the close before
    largest_fall: tuple[int, float] | None  # time, drop from one close to the next; none if no close fell
    unusable: int
    close_only: bool
    has_volume: bool
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    sha256: str

    def to_dict(self) -> dict[str, object]:
        """Return the report as JSON can hold it; times become ISO 8601."""
        plain: dict[str, object] = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["first"], plain["last"] = iso(self.first), iso(self.last)
        for name in ("gaps", "flat_runs"):
            plain[name] = [{"start": iso(start), "end": iso(end), "bars": bars} for start, end, bars in getattr(self, name)]
        plain["wicks"] = [{"time": iso(time), "move": move} for time, move in self.wicks]
        fall = self.largest_fall
        plain["largest_fall"] = None if fall is None else {"time": iso(fall[0]), "drop": fall[1]}
        plain["notes"], plain["warnings"] = list(self.notes), list(self.warnings)
        return plain


def assess_panel(panel: PricePanel) -> dict[Asset, PriceQuality]:
    """Return the quality report of every asset."""
    return {asset: assess(candles, asset, bar=panel.bar, calendar=panel.calendar) for asset, candles in panel.candles.items()}


def assess(candles: Candles, asset: Asset, *, bar: int, calendar: Calendar = Calendar.CONTINUOUS) -> PriceQuality:
    """Return what a reader should know about candles before trusting a number made from them.

    Nothing is changed: wicks are flagged and stay in the data.
    """
    time, segments = candles.time, int(candles.segment[-1]) + 1
    starts = np.flatnonzero(np.diff(candles.segment)) + 1
    skipped = np.diff(time)[starts - 1] // bar - 1
    if calendar is Calendar.EXCHANGE:
        skipped = np.zeros(len(starts), np.int64)
    long = [(int(time[at - 1]), int(time[at]) - bar, int(count)) for at, count in zip(starts, skipped, strict=True)]
    gaps = tuple(gap for gap in long if gap[2])
    filled = int((candles.exclusion == Exclusion.FILLED).sum())
    flat = unchanged(candles.close, candles.high, candles.low, candles.segment)
    edges = np.flatnonzero(np.diff(flat.astype(np.int8), prepend=0, append=0))
    runs = [(int(start) - 1, int(end) - 1) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    flat_runs = tuple((int(time[a]), int(time[b]), b - a + 1) for a, b in runs if b - a + 1 >= DEAD_FEED_BARS)
    returns = np.where(np.diff(candles.segment) == 0, np.diff(np.log(candles.close)), 0.0)
    wicks = _wicks(candles, returns)
    fall = 1 - np.exp(returns.min(initial=0.0))
    warnings = [
        f"{iso(start)} to {iso(end)}: {bars} bars missing; history split into {segments} segments" for start, end, bars in gaps
    ]
    if calendar is Calendar.EXCHANGE:
        warnings += [
            f"{iso(start)} to {iso(end)}: no session; history split into {segments} segments" for start, end, _ in long
        ]
    warnings += [
        f"{iso(a)} to {iso(b)}: price unchanged for {bars} bars; a dead feed, not modelled" for a, b, bars in flat_runs
    ]
    warnings += [f"{iso(at)}: a move of {move:+.1%} undone by the next bar; kept" for at, move in wicks]
    notes = [note.text for note in candles.notes if not note.warning]
    notes += [f"{filled} missing bars filled with the close before them; not modelled"] if filled else []
    notes += ["closes only: lows and highs inside a bar are not known"] if candles.close_only else []
    known_volume = bool(np.isfinite(candles.volume).any())
    return PriceQuality(
        asset=asset,
        first=int(time[0]),
        last=int(time[-1]),
        bars=len(candles),
        missing=filled + sum(bars for _, _, bars in gaps),
        filled=filled,
        segments=segments,
        gaps=gaps,
        flat_runs=flat_runs,
        wicks=wicks,
        largest_fall=(int(time[int(np.argmin(returns)) + 1]), float(fall)) if fall > 0 else None,
        unusable=int((~candles.usable).sum()),
        close_only=candles.close_only,
        has_volume=known_volume,
        notes=(*notes, *(() if known_volume else ("no volume",))),
        warnings=(*(note.text for note in candles.notes if note.warning), *warnings),
        sha256=candles.sha256(),
    )


def _wicks(candles: Candles, returns: FloatArray) -> tuple[tuple[int, float], ...]:
    """Return bars whose low, high or close left the close before by far and whose next close was back within a quarter of it.

    Far is `WICK_SCALES` times the median absolute return of the 24 bars before, and at least `SMALLEST_WICK`.
    """
    if len(returns) < 2:
        return ()
    usual = pd.Series(np.abs(returns)).rolling(24, min_periods=1).median().shift(1, fill_value=np.inf).to_numpy()
    before = candles.close[:-2]
    limit = np.maximum(WICK_SCALES * usual[:-1], SMALLEST_WICK)
    down, up = candles.low[1:-1] / before - 1, candles.high[1:-1] / before - 1
    move = np.where(-down > up, down, up)
    left = np.abs(candles.close[2:] / before - 1)
    one_piece = candles.segment[2:] == candles.segment[:-2]
    found = np.flatnonzero(one_piece & (np.abs(move) > limit) & (left <= np.abs(move) / 4))
    return tuple((int(candles.time[at + 1]), float(move[at])) for at in found)
