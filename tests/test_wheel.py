"""The package as a user gets it: a wheel, installed in an empty folder, runs the demo by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the package, from its wheel; what it depends on stays where the tests have it."""
    built, target = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", built, ROOT], check=True)
    subprocess.run([*pip, "install", *offline, "--target", target, *built.glob("riskparams-*.whl")], check=True)
    return target


def ran(installed: Path, cwd: Path, *command: str | Path) -> str:
    """Return what a command prints when the installed package comes before the checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RISKPARAMS")}
    environment |= {"PYTHONPATH": str(installed), "NUMBA_CACHE_DIR": str(cwd / ".numba")}
    done = subprocess.run([sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_sample_market_the_scenarios_and_the_studies(installed: Path, tmp_path: Path) -> None:
    look = """
import json, riskparams
from importlib.resources import files
bundled = files("riskparams") / "_bundled"
kinds = ("data/sample", "data/scenarios", "studies")
found = {kind: sorted(entry.name for entry in (bundled / kind).iterdir()) for kind in kinds}
print(json.dumps({"file": riskparams.__file__, **found}))
"""
    found = json.loads(ran(installed, tmp_path, "-c", look))
    assert Path(found["file"]).is_relative_to(installed)
    for kind in ("data/sample", "data/scenarios", "studies"):
        assert found[kind] == sorted(entry.name for entry in (ROOT / kind).iterdir())
    assert (installed / "riskparams" / "proposals" / "page.html.jinja").is_file()
    assert list(installed.glob("riskparams-*.dist-info/licenses/LICENSE"))


def test_the_installed_demo_writes_its_report_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    output = ran(installed, tmp_path, installed / "bin" / "riskparams", "demo")
    assert "SIMULATED" in output
    [page] = tmp_path.glob("reports/sample/20*/index.html")
    assert "SIMULATED" in page.read_text(encoding="utf-8")
    parameters = json.loads((page.parent / "parameters.json").read_text(encoding="utf-8"))
    assert parameters["pairs"]
    assert str(ROOT) not in output
