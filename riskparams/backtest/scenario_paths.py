"""Price paths of a scenario: history where the panel has it, a figure on record or a multiple of it where not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

import numpy as np

from riskparams.backtest.scenarios import Fall, Scenario, Shock, Window
from riskparams.errors import ConfigError, ConstantSeries, DataError, InsufficientData
from riskparams.prices.panel import ARRAYS, Candles, Exclusion, PricePanel
from riskparams.terms import Asset, FloatArray, IntArray, day

_DOLLARS = (
    "USDC",
    "USDT",
    "DAI",
    "USDS",
    "TUSD",
    "BUSD",
    "USDP",
    "GUSD",
    "LUSD",
    "FRAX",
    "USDD",
    "FDUSD",
    "PYUSD",
    "GHO",
    "crvUSD",
)
DOLLAR_PEGGED = frozenset(map(Asset, _DOLLARS))
SMALLEST_BETA = 1.0
FEWEST_RETURNS = 100
_DAY, _NONE = timedelta(days=1), timedelta(0)


class Origin(StrEnum):
    """Where a path comes from."""

    REPLAYED = "replayed"  # the panel's own bars
    PUBLISHED = "published"  # the asset's own fall on record
    SCALED = "scaled"  # the reference's fall, times beta
    SHOCKED = "shocked"  # the drop that is assumed
    HELD = "held flat"  # pegged, or spared by the shock


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioPath:
    """One asset's bars under a scenario and where they come from; positions open at the close of the first bar.

    A path that was not replayed starts at the asset's last price, knows no volume and is `close_only`.
    """

    candles: Candles
    origin: Origin
    beta: float | None = None

    def __str__(self) -> str:
        return str(self.origin) if self.beta is None else f"{self.origin} by beta {self.beta:.2f}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why an asset has no path."""

    reason: str

    def __str__(self) -> str:
        return f"skipped: {self.reason}"


def scenario_paths(
    scenario: Scenario,
    panel: PricePanel,
    assets: Iterable[Asset],
    *,
    reference: Asset,
    pegged: Collection[Asset] = DOLLAR_PEGGED,
    spared: Collection[Asset] = (),
    lead: timedelta = _DAY,
    settling: timedelta = _DAY,
) -> dict[Asset, ScenarioPath | Skipped]:
    """Return the path of each asset under a scenario, or the reason why there is none.

    A window runs from the last bar that closed by its start to the first that closes at or after its end. An asset whose
    bars cover it replays them. Otherwise its own fall on record, or else the reference's times beta, is drawn at the hours
    of the record: flat, a straight line in logs, flat again. A shock begins at the panel's last bar: flat for `lead`, the
    drop in one bar, flat for `settling` after the last of its troubles is over.

    `pegged` assets follow no beta and no gap: they are held flat unless a fall or a depeg names them. A gap leaves the
    `spared` ones alone too, such as the debt of a pair in which the collateral gaps; a co-crash spares nobody. Betas
    see the panel that is handed in and nothing later; a window may lie after its end, and is then a stress drawn from a
    later record. Simulated prices replay no window: it did not happen in them. On an exchange calendar, bars that are
    drawn follow each other without sessions.
    """
    if lead < _NONE or settling < _NONE:
        raise ConfigError(f"lead is {lead} and settling {settling}: expected durations, 0 or more")
    event = scenario.event
    paths: dict[Asset, ScenarioPath | Skipped] = {}
    for asset in assets:
        try:
            if isinstance(event, Window):
                paths[asset] = _in_window(event, panel, asset, reference=reference, pegged=pegged)
            else:
                paths[asset] = _shocked(
                    event, panel, asset, reference=reference, pegged=pegged, spared=spared, lead=lead, settling=settling
                )
        except DataError as error:
            paths[asset] = Skipped(str(error))
    return paths


def beta(asset: Candles, reference: Candles) -> float:
    """Return the slope of the asset's log returns on the reference's, over the bars that both have and may be modelled.

    Raises `InsufficientData` for fewer than 100 such bars and `ConstantSeries` where those of the reference are all the same.
    """
    ends = [np.flatnonzero(candles.usable[1:]) + 1 for candles in (asset, reference)]
    _, mine, theirs = np.intersect1d(asset.time[ends[0]], reference.time[ends[1]], assume_unique=True, return_indices=True)
    i, j = ends[0][mine], ends[1][theirs]
    same = asset.time[i - 1] == reference.time[j - 1]
    i, j = i[same], j[same]
    if len(i) < FEWEST_RETURNS:
        raise InsufficientData(f"{len(i)} returns in common with the reference: expected {FEWEST_RETURNS} for a beta")
    y, x = (np.log(c.close[k] / c.close[k - 1]) for c, k in ((asset, i), (reference, j)))
    if np.ptp(x) == 0:
        raise ConstantSeries("every return of the reference is the same: a beta on it does not exist")
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


def scaled_drop(drop: float, beta: float) -> float:
    """Return the simple drop whose logarithm is `beta` times that of another: `1 - (1 - drop)^beta`.

    >>> round(scaled_drop(0.3, 1.34), 4)
    0.3799
    """
    return float(1.0 - (1.0 - drop) ** beta)


def _floored_beta(panel: PricePanel, asset: Asset, reference: Asset) -> float:
    return 1.0 if asset == reference else max(SMALLEST_BETA, beta(panel[asset], panel[reference]))


def _in_window(
    window: Window, panel: PricePanel, asset: Asset, *, reference: Asset, pegged: Collection[Asset]
) -> ScenarioPath | Skipped:
    candles = panel[asset]
    replayed = None if panel.simulated else _replayed(candles, window)
    if replayed is not None:
        return ScenarioPath(candles=replayed, origin=Origin.REPLAYED)
    time = _grid(panel, window)
    if asset in window.falls:
        fall = window.falls[asset]
        return ScenarioPath(candles=_drawn(panel, asset, time, _falling(time, fall, fall.drop)), origin=Origin.PUBLISHED)
    if asset in pegged:
        return ScenarioPath(candles=_drawn(panel, asset, time, np.ones(len(time))), origin=Origin.HELD)
    if reference not in window.falls:
        span = f"{day(int(candles.time[0]))} to {day(int(candles.time[-1]))}"
        prices = "its prices are simulated" if panel.simulated else f"its prices, {span}, do not cover the window in one piece"
        found = asset if asset == reference else f"{asset} or {reference}"
        return Skipped(f"{prices}, and no fall of {found} is on record")
    fall, slope = window.falls[reference], _floored_beta(panel, asset, reference)
    factors = _falling(time, fall, scaled_drop(fall.drop, slope))
    return ScenarioPath(candles=_drawn(panel, asset, time, factors), origin=Origin.SCALED, beta=slope)


def _replayed(candles: Candles, window: Window) -> Candles | None:
    """Return the bars of a window, whole and of one piece, or None."""
    start = int(np.searchsorted(candles.time, window.start, side="right")) - 1
    stop = int(np.searchsorted(candles.time, window.end, side="left"))
    if start < 0 or stop == len(candles) or candles.segment[start] != candles.segment[stop]:
        return None
    bars = slice(start, stop + 1)
    if np.any(candles.exclusion[bars] == Exclusion.DEAD_FEED):
        return None
    notes = tuple(note for note in candles.notes if candles.time[start] <= note.time <= candles.time[stop])
    return replace(candles, notes=notes, **{name: getattr(candles, name)[bars].copy() for name in ARRAYS})


def _grid(panel: PricePanel, window: Window) -> IntArray:
    """Return the panel's bar closes, from the last by the window's start to the first at or after its end."""
    first = panel.last + (window.start - panel.last) // panel.bar * panel.bar
    last = panel.last - (panel.last - window.end) // panel.bar * panel.bar
    return np.arange(first, last + 1, panel.bar, dtype=np.int64)


def _falling(time: IntArray, fall: Fall, drop: float) -> FloatArray:
    """Return price over first price: 1 until the peak, a straight line in logs, `1 - drop` from the trough on."""
    factors: FloatArray = np.exp(np.interp(time, [fall.peak_at, fall.trough_at], [0.0, np.log1p(-drop)]))
    factors[time >= fall.trough_at] = 1.0 - drop
    return factors


def _shocked(
    shock: Shock,
    panel: PricePanel,
    asset: Asset,
    *,
    reference: Asset,
    pegged: Collection[Asset],
    spared: Collection[Asset],
    lead: timedelta,
    settling: timedelta,
) -> ScenarioPath:
    drop, slope, depeg, recovers = 0.0, None, shock.depeg, False
    if depeg and asset in (pegged if depeg.asset is None else {depeg.asset}):
        drop, recovers = depeg.depth, True
    elif asset not in pegged and shock.co_crash:
        slope = _floored_beta(panel, asset, reference)
        drop = scaled_drop(shock.co_crash, slope)
    elif asset not in pegged and asset not in spared:
        drop = shock.gap
    away, falling, frozen, calm = (
        bars_of(time, panel.bar) for time in (depeg.duration if depeg else _NONE, shock.falling, shock.oracle_frozen, settling)
    )
    hit, steps = bar_of_shock(lead, panel.bar), max(1, falling)
    factors = np.ones(hit + max(away, frozen, steps - 1) + calm + 1)
    if recovers:
        factors[hit : hit + away] = 1.0 - drop
    else:
        fallen = np.minimum(np.arange(1, len(factors) - hit + 1) / steps, 1.0)
        factors[hit:] = np.where(fallen < 1.0, np.exp(fallen * np.log1p(-drop)), 1.0 - drop)
    time = panel.last + panel.bar * np.arange(len(factors), dtype=np.int64)
    origin = Origin.SHOCKED if drop else Origin.HELD
    return ScenarioPath(candles=_drawn(panel, asset, time, factors), origin=origin, beta=slope)


def bar_of_shock(lead: timedelta, bar: int) -> int:
    """Return the bar of a path at whose close a shock strikes: after `lead`, and never the first, at which positions open.

    >>> bar_of_shock(timedelta(hours=24), 3_600_000_000_000), bar_of_shock(timedelta(0), 3_600_000_000_000)
    (24, 1)
    """
    return max(1, bars_of(lead, bar))


def bars_of(duration: timedelta, bar: int) -> int:
    """Return how many bars of `bar` nanoseconds it takes to cover a duration."""
    return int(np.ceil(duration / timedelta(microseconds=1) * 1000 / bar - 1e-9))


def _drawn(panel: PricePanel, asset: Asset, time: IntArray, factors: FloatArray) -> Candles:
    """Return candles that start at the asset's last price; raise `InsufficientData` where that is too old to start from."""
    candles = panel[asset]
    panel.refuse_stale(asset, int(candles.time[-1]))
    close = candles.close[-1] * factors
    opened = np.concatenate([close[:1], close[:-1]])
    exclusion = np.zeros(len(time), np.int8)
    exclusion[0] = Exclusion.FIRST
    return Candles(
        time=time,
        open=opened,
        high=np.maximum(opened, close),
        low=np.minimum(opened, close),
        close=close,
        volume=np.full(len(time), np.nan),
        usable=exclusion == Exclusion.NONE,
        segment=np.zeros(len(time), np.int64),
        exclusion=exclusion,
        close_only=True,
    )
