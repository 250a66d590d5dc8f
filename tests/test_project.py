"""The frame of the project: lock, layout, start-up cost, what a repository may and may not hold."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import riskparams

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]
SOURCES = sorted((ROOT / "riskparams").rglob("*.py"))
HEAVY = {"arch", "statsmodels", "numba", "pandas", "scipy", "ccxt"}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Return the files under version control, except those deleted but not yet committed."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of files to look through")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def loaded_after(code: str) -> set[str]:
    """Return which of the heavy packages a fresh interpreter has loaded after some code."""
    report = "import sys; print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED")[2].split()) & HEAVY


def test_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import riskparams") == set()


def test_help_loads_nothing_heavy() -> None:
    command = """
import sys
from riskparams.cli import main
sys.argv = ["riskparams", "--help"]
try:
    main()
except SystemExit as done:
    assert not done.code
"""
    assert loaded_after(command) == set()


def test_the_watch_for_heavy_packages_sees_one() -> None:
    assert "pandas" in loaded_after("import pandas")


def test_the_lock_pins_and_hashes_every_package_and_holds_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    requirements = [entry for entry in text.replace("\\\n", " ").splitlines() if entry.strip() and not entry.startswith("#")]
    assert len(requirements) > 50
    pinned = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,._-]+\])?==[^\s;]+( ;.*?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [entry for entry in requirements if not pinned.fullmatch(entry)] == []


def test_the_lock_holds_every_dependency_of_the_project() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))
    groups = PROJECT["dependency-groups"]
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["notebook"]]
    wanted += [name for group in groups.values() for name in group if isinstance(name, str)]
    names = {re.split(r"[\[<>=~! ;]", name)[0].lower().replace("_", "-") for name in wanted}
    assert names - locked == set()


def test_source_files_are_short() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert statistics.median(lines.values()) <= 200
    assert {name: count for name, count in lines.items() if count > 450} == {}


def test_no_file_holds_a_path_of_a_machine_or_the_address_of_a_registry(tracked: list[Path]) -> None:
    unwanted = re.compile(r"(?<![\w.-])/(work|home|root)/|pypi\.org|pythonhosted\.org|index-url[= ]+\S*://")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="ignore").splitlines(), 1)
        if unwanted.search(line)
    ]
    assert found == []


def test_the_layers_name_every_room() -> None:
    layers = next(contract for contract in CONTRACTS if contract.get("containers") == ["riskparams"])
    named = {room.strip(" ()") for layer in layers["layers"] for room in layer.split("|")}
    rooms = {path.stem if path.is_file() else path.name for path in (ROOT / "riskparams").iterdir()}
    assert named == {room for room in rooms if room.isidentifier() and not room.startswith("_")}


def test_the_version_is_the_projects_and_the_changelog_has_it() -> None:
    assert riskparams.__version__ == PROJECT["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(riskparams.__version__)}\b", changelog, re.MULTILINE)


def undocumented(path: Path) -> Iterator[str]:
    """Yield what a module shows to others without saying what it is: itself, its functions and its classes."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    where = path.relative_to(ROOT)
    if not ast.get_docstring(module):
        yield str(where)
    for node in module.body:
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ):
            yield f"{where}:{node.lineno} {node.name}"


def test_everything_public_says_what_it_is() -> None:
    assert [name for path in SOURCES for name in undocumented(path)] == []
