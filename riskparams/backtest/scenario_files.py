"""Scenario files: what a TOML file of `data/scenarios` may say, read strictly."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from riskparams.backtest.scenarios import Depeg, Fact, Fall, Scenario, Shock, Window
from riskparams.errors import ConfigError
from riskparams.prices.sample import bundled
from riskparams.terms import Asset, nanoseconds, parse_duration

Reader = Callable[[object], Any]  # value of a key -> what it means; raises ValueError saying what was expected


def load_scenarios(folder: Traversable | Path | None = None) -> dict[str, Scenario]:
    """Return every scenario of a folder by name, in the order of the file names; without one, those that are bundled.

    >>> load_scenarios()["gap-30"].event.gap
    0.3
    """
    found = folder or bundled("data/scenarios")
    if not found.is_dir():
        raise ConfigError(f"there is no folder of scenarios at {found}: give one that holds .toml files")
    files = sorted((entry for entry in found.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    if not files:
        raise ConfigError(f"{found} holds no scenario: expected .toml files")
    return {scenario.name: scenario for scenario in map(read_scenario, files)}


def read_scenario(file: Traversable | Path) -> Scenario:
    """Return the scenario of one TOML file; raise `ConfigError` naming the file, the key, what was seen and expected."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the scenario {file.name} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file.name} is not valid TOML: {error}") from error
    try:
        return _scenario(table, file.name.removesuffix(".toml"))
    except ConfigError as error:
        raise ConfigError(f"{file.name}: {error}") from error


def _scenario(table: Mapping[str, object], name: str) -> Scenario:
    kind = table.get("kind")
    if kind not in ("window", "shock"):
        raise ConfigError(f'kind is {kind!r}: expected "window" or "shock"')
    told = _read(table, _SCENARIO | _WINDOW) if kind == "window" else _read(table, _SCENARIO, _SHOCK)
    if told["name"] != name:
        raise ConfigError(f"name is {told['name']!r}: expected {name!r}, the name of the file")
    about = {key: told.pop(key) for key in _SCENARIO}
    del about["kind"]
    return Scenario(event=Window(**told) if kind == "window" else Shock(**told), **about)


def _read(table: object, required: Mapping[str, Reader], optional: Mapping[str, Reader] | None = None) -> dict[str, Any]:
    """Return the values of a table, each through its reader; a key that is missing or has no reader is an error."""
    if not isinstance(table, dict):
        raise ConfigError(f"found {table!r}: expected a table")
    readers = {**required, **(optional or {})}
    for key in table:
        if key not in readers:
            near = get_close_matches(key, readers, n=1, cutoff=0.5)
            raise ConfigError(
                f"unknown key {key}: " + (f"did you mean {near[0]!r}?" if near else f"expected {', '.join(readers)}")
            )
    told = {}
    for key, reader in readers.items():
        if key in table:
            try:
                told[key] = reader(table[key])
            except ValueError as error:
                raise ConfigError(f"{key} is {table[key]!r}: expected {error}") from None
        elif key in required:
            raise ConfigError(f"{key} is missing: add it")
    return told


def _within(where: str, build: Callable[..., Any], *tables: Any) -> Any:
    try:
        return build(**_read(*tables))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("some text")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number")
    return float(value)


def _moment(value: object) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time in UTC, such as 2024-06-01T00:00:00Z")
    return nanoseconds(value)


def _duration(value: object) -> Any:
    try:
        return parse_duration(value)
    except ValueError:
        raise ValueError('a number and s, m, h or d, such as "2h"') from None


def _facts(value: object) -> tuple[Fact, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("at least one [[facts]] table")
    return tuple(_within(f"facts[{i}]", Fact, table, _FACT) for i, table in enumerate(value))


def _falls(value: object) -> dict[Asset, Fall]:
    if not isinstance(value, dict) or not value:
        raise ValueError("at least one [falls.ASSET] table")
    return {Asset(name): _within(f"falls.{name}", Fall, table, _FALL) for name, table in value.items()}


def _depeg(value: object) -> Depeg:
    depeg: Depeg = _within("depeg", Depeg, value, {"depth": _number, "duration": _duration}, {"asset": _text})
    return depeg


_SCENARIO: dict[str, Reader] = {"kind": _text, "name": _text, "title": _text, "facts": _facts}
_WINDOW: dict[str, Reader] = {"start": _moment, "end": _moment, "falls": _falls}
_SHOCK: dict[str, Reader] = {
    "gap": _number,
    "co_crash": _number,
    "falling": _duration,
    "depeg": _depeg,
    "oracle_frozen": _duration,
    "gas_multiplier": _number,
    "depth_multiplier": _number,
}
_FACT: dict[str, Reader] = {"says": _text, "source": _text}
_FALL: dict[str, Reader] = {
    "drop": _number,
    "hours": _number,
    "peak": _number,
    "peak_at": _moment,
    "trough": _number,
    "trough_at": _moment,
    "source": _text,
}
