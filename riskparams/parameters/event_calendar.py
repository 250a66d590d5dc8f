"""Dated events that may tighten parameters and never loosen them: unlocks, upgrades, hard forks, expiries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from math import inf
from typing import Any

from riskparams.errors import ConfigError
from riskparams.terms import NANOSECONDS, Asset, day, nanoseconds

EVERY_ASSET = Asset("*")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEvent:
    """An event and by how much it tightens while it lasts.

    `announced`, `start` and `end` are nanoseconds, UTC; before `announced` the event was not known and does nothing.
    `assets` may be `("*",)`. `volatility_factor` multiplies sigma, `ltv_cut` is taken off the max LTV (0.02 is two points) and
    `extra_horizon_seconds` are added to the liquidation horizon. Raises `ConfigError`, naming event and field, for a value
    that would loosen, and for an event that tightens nothing.
    """

    name: str
    announced: int
    start: int
    end: int
    assets: tuple[Asset, ...]
    source: str
    volatility_factor: float = 1.0
    ltv_cut: float = 0.0
    extra_horizon_seconds: float = 0.0

    def __post_init__(self) -> None:
        where = f"event {self.name!r}"
        for field in ("name", "source"):
            if not getattr(self, field).strip():
                raise ConfigError(f"{where}: {field} is empty: say what happens and who says so")
        if not self.assets:
            raise ConfigError(f'{where}: assets is empty: name them, or write ["*"] for every asset')
        if self.end <= self.start:
            raise ConfigError(f"{where}: it ends on {day(self.end)}, not after its start on {day(self.start)}: swap them?")
        if not 1 <= self.volatility_factor < inf:
            raise ConfigError(
                f"{where}: volatility_factor is {self.volatility_factor}: an event may only tighten; expected 1 or more"
            )
        if not 0 <= self.ltv_cut < 1:
            raise ConfigError(
                f"{where}: ltv_cut is {self.ltv_cut}: an event may only tighten; expected 0 to below 1, two points being 0.02"
            )
        if not 0 <= self.extra_horizon_seconds < inf:
            raise ConfigError(
                f"{where}: extra_horizon_seconds is {self.extra_horizon_seconds}: an event may only tighten; expected 0 or more"
            )
        if self.volatility_factor == 1 and self.ltv_cut == 0 and self.extra_horizon_seconds == 0:
            raise ConfigError(f"{where} tightens nothing: give volatility_factor, ltv_cut or extra_horizon_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tightening:
    """What a calendar asks for at one time: sigma times `factor`, max LTV less `ltv_cut`, a longer horizon, and why."""

    factor: float = 1.0
    ltv_cut: float = 0.0
    extra_horizon: float = 0.0
    reasons: tuple[str, ...] = ()


def read_calendar(rows: Iterable[Mapping[str, Any]]) -> tuple[CalendarEvent, ...]:
    """Return the events of TOML rows; a date starts at its midnight and ends at the next one, UTC.

    Raises `ConfigError` naming the row and the key that is missing, unknown or not a date.

    >>> row = {"name": "unlock", "announced": date(2024, 5, 1), "start": date(2024, 6, 1), "end": date(2024, 6, 1),
    ...        "assets": ["UNI"], "volatility_factor": 1.5, "source": "the vesting contract"}
    >>> event = read_calendar([row])[0]
    >>> (event.end - event.start) // (3600 * NANOSECONDS)
    24
    """
    known = {field.name: field for field in fields(CalendarEvent)}
    required = [name for name, field in known.items() if field.default is MISSING]
    events = []
    for number, row in enumerate(rows, start=1):
        where = f"calendar row {number}"
        for key in row:
            if key not in known:
                nearest = get_close_matches(key, known, n=1, cutoff=0.5)
                advice = f"did you mean {nearest[0]!r}?" if nearest else f"known keys are {', '.join(known)}"
                raise ConfigError(f"{where}: unknown key {key}: {advice}")
        missing = [name for name in required if name not in row]
        if missing:
            raise ConfigError(f"{where}: {', '.join(missing)} missing: add it")
        if isinstance(row["assets"], str):
            raise ConfigError(f'{where}: assets is {row["assets"]!r}: write a list, ["{row["assets"]}"]')
        for key in ("volatility_factor", "ltv_cut", "extra_horizon_seconds"):
            if isinstance(row.get(key, 0), bool) or not isinstance(row.get(key, 0), int | float):
                raise ConfigError(f"{where}: {key} is {row[key]!r}: expected a number")
        moments = {key: _moment(f"{where}: {key}", row[key], ends=key == "end") for key in ("announced", "start", "end")}
        events.append(CalendarEvent(**{**row, **moments, "assets": tuple(Asset(name) for name in row["assets"])}))
    return tuple(events)


def tightening(events: Iterable[CalendarEvent], asset: Asset, as_of: int, horizon: timedelta) -> Tightening:
    """Return what the events known at `as_of` ask for, if they touch `asset` between then and `horizon` later.

    Events that overlap add up: factors multiply, cuts and seconds are summed, so that one more event never loosens.
    """
    until = as_of + round(horizon.total_seconds() * NANOSECONDS)
    factor, cut, seconds, reasons = 1.0, 0.0, 0.0, []
    for event in events:
        concerned = asset in event.assets or EVERY_ASSET in event.assets
        if not (concerned and event.announced <= as_of < event.end and event.start <= until):
            continue
        factor *= event.volatility_factor
        cut += event.ltv_cut
        seconds += event.extra_horizon_seconds
        reasons.append(f"{event.name}, {day(event.start)} to {day(event.end - 1)} ({event.source}): {_asks(event)}")
    return Tightening(factor=factor, ltv_cut=min(cut, 1.0), extra_horizon=seconds, reasons=tuple(reasons))


def _asks(event: CalendarEvent) -> str:
    asked = []
    if event.volatility_factor > 1:
        asked.append(f"volatility times {event.volatility_factor:g}")
    if event.ltv_cut > 0:
        asked.append(f"max LTV lower by {100 * event.ltv_cut:g} points")
    if event.extra_horizon_seconds > 0:
        asked.append(f"{event.extra_horizon_seconds:g} seconds longer to liquidate")
    return ", ".join(asked)


def _moment(where: str, value: object, *, ends: bool) -> int:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ConfigError(f"{where} {value} has no timezone: write it as 2024-06-01T00:00:00Z")
        return nanoseconds(value)
    if isinstance(value, date):
        midnight = datetime(value.year, value.month, value.day, tzinfo=UTC)
        return nanoseconds(midnight + timedelta(days=1) if ends else midnight)
    raise ConfigError(f"{where} is {value!r}: expected a date, for example 2024-06-01 without quotes")
