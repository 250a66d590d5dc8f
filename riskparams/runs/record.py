"""A run's identity and its folder: written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import riskparams
from riskparams.errors import ConfigError, DataError
from riskparams.terms import iso

VERSIONED = ("numpy", "pandas", "scipy", "numba", "arch", "statsmodels", "pyarrow", "plotly", "matplotlib")
LATEST = "latest"  # names the newest run's folder inside a study's folder


def to_json(value: object) -> str:
    """Return JSON with two-space indent and a final newline; numbers that are not finite become null.

    >>> print(to_json({"a": float("nan")}), end="")
    {
      "a": null
    }
    """

    def plain(item: object) -> object:
        if isinstance(item, Mapping):
            return {str(key): plain(inner) for key, inner in item.items()}
        if isinstance(item, list | tuple):
            return [plain(inner) for inner in item]
        if isinstance(item, float) and not math.isfinite(item):
            return None
        return item

    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def run_id(settings: Mapping[str, object], data: Mapping[str, str], version: str, as_of: str) -> str:
    """Return ten hex digits that follow from settings, data digests, version and date: the same question, the same id."""
    asked = json.dumps([settings, dict(data), version, as_of], sort_keys=True, default=str)
    return hashlib.sha256(asked.encode()).hexdigest()[:10]


def writable(folder: Path) -> None:
    """Raise `ConfigError` unless files can be written below `folder`, before work is spent on them; leaves nothing behind."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise ConfigError(
            f"reports cannot be written to {folder}: {error.strerror or error}; choose another folder with --out"
        ) from error


def publish(files: Mapping[str, str | bytes], folder: Path) -> None:
    """Write the files of one run to `folder`, replacing an earlier copy, and point `latest` beside it there.

    They are written to a temporary neighbour first, so that a reader never finds half a run. Raises `ConfigError`.
    """
    parent = folder.parent
    writable(parent)
    parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=parent))
    try:
        for name, content in files.items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        staging.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=".replaced-", dir=parent))
            folder.rename(old / "run")
            staging.rename(folder)
            shutil.rmtree(old)
        else:
            staging.rename(folder)
        pointer = parent / f".{LATEST}-{os.getpid()}"
        pointer.write_text(folder.name + "\n", encoding="utf-8")
        pointer.replace(parent / LATEST)
    except OSError as error:
        raise ConfigError(f"the report {folder} cannot be written: {error.strerror or error}; choose another folder") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def latest(study_folder: Path) -> Path | None:
    """Return the folder of the study's newest run, or None when there is none."""
    pointer = study_folder / LATEST
    if not pointer.is_file():
        return None
    folder = study_folder / pointer.read_text(encoding="utf-8").strip()
    return folder if folder.is_dir() else None


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON document of a run; raise `DataError` when it is missing or broken."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}; run the study again") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} holds no JSON object: run the study again")
    return found


def build_manifest(
    study: str,
    identity: str,
    as_of: str,
    settings: Mapping[str, object],
    digests: Mapping[Any, str],
    spans: Mapping[Any, tuple[int, int, int]],
    *,
    simulated: bool,
    events: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return all that is needed to repeat a run; `spans` hold first close, last close (nanoseconds) and bars by asset.

    `events` describes the file of its liquidations, where there is one.
    """
    versions = {"riskparams": riskparams.__version__, "python": platform.python_version()}
    for name in VERSIONED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    data = {}
    for asset, digest in sorted(digests.items()):
        first, last, bars = spans[asset]
        data[str(asset)] = {"sha256": digest, "bars": bars, "first": iso(first), "last": iso(last)}
    return {
        "schema_version": 1,
        "study": study,
        "run_id": identity,
        "as_of": as_of,
        "settings": dict(settings),
        "data": data,
        "simulated": simulated,
        "events": dict(events) if events else None,
        "versions": versions,
        "git_revision": git_revision(Path(riskparams.__file__).resolve().parent.parent),
    }


def git_revision(checkout: Path) -> str | None:
    """Return the commit a checkout stands at, or None where there is no git."""
    git = checkout / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        reference = head.removeprefix("ref: ")
        if (git / reference).is_file():
            return (git / reference).read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(reference)), None)
    except OSError:
        return None


def changed_parameters(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one line for each recommended parameter that differs between two runs; a new or dropped pair counts.

    >>> changed_parameters({}, {"ETH/USD": {}})
    ('ETH/USD: new',)
    """
    lines = [f"{pair}: dropped" for pair in old if pair not in new]
    for pair, terms in new.items():
        if pair not in old:
            lines.append(f"{pair}: new")
            continue
        for name in ("max_ltv", "liquidation_threshold", "liquidation_bonus"):
            if terms[name] != old[pair][name]:
                lines.append(f"{pair}: {name} {old[pair][name]:.4f} -> {terms[name]:.4f}")
    return tuple(lines)
