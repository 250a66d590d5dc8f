"""The prices a study asks for, as they were known at the date it asks about."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from riskparams.errors import ConfigError, InsufficientData
from riskparams.prices.candles import CandleFormat, CandleSource, VolumeUnit, load_panel
from riskparams.prices.panel import PricePanel
from riskparams.prices.sample import index_market, simulated_market
from riskparams.settings import Study
from riskparams.terms import Asset, iso, nanoseconds


def load_prices(study: Study, folder: Path | None) -> PricePanel:
    """Return the panel a study asks for: its files, relative to `folder`, or a bundled market."""
    prices = study.prices
    if prices.bundled:
        panel = simulated_market() if prices.bundled == "simulated" else index_market()
        written = (round(prices.bar / timedelta(microseconds=1)) * 1_000, prices.numeraire, prices.calendar)
        if written != (panel.bar, panel.numeraire, panel.calendar):
            raise ConfigError(
                f'the bundled market "{prices.bundled}" has bars of {panel.bar / 3.6e12:g} h in {panel.numeraire}, calendar '
                f"{panel.calendar}: write so in [prices], or leave these keys to their defaults where they agree"
            )
        return panel
    base = folder or Path()
    sources = []
    for asset, names in prices.files.items():
        files = tuple(base / name for name in ([names] if isinstance(names, str) else names))
        sources.append(CandleSource(Asset(asset), files, prices.stamps.get(asset)))
    return load_panel(sources, candle_format(study), numeraire=Asset(prices.numeraire))


def candle_format(study: Study) -> CandleFormat:
    """Return how the study's price files are read."""
    prices = study.prices
    return CandleFormat(
        bar=round(prices.bar / timedelta(microseconds=1)) * 1_000,
        stamp=prices.stamp,
        calendar=prices.calendar,
        volume_unit=VolumeUnit(prices.volume_unit),
        repair=prices.repair,
    )


def as_known(study: Study, panel: PricePanel, as_of: int | None) -> PricePanel:
    """Return the panel as of the date asked for: the argument, else the study's, else the last complete bar."""
    if as_of is None and study.study.as_of is not None:
        as_of = nanoseconds(study.study.as_of)
    known = panel.until(as_of) if as_of is not None else panel
    for task in study.tasks():
        for asset in task.assets:
            if asset != panel.numeraire and asset not in known.candles:
                first = iso(int(panel[asset].time[0]))
                raise InsufficientData(f"{asset} has no price as of {iso(known.last)}: its first bar closes at {first}")
    return known
