"""Each notebook runs from top to bottom in a kernel of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.py"))


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path: Path, tmp_path: Path) -> None:
    jupytext = pytest.importorskip("jupytext")
    papermill = pytest.importorskip("papermill")
    source, executed = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    jupytext.write(jupytext.read(path), source)
    papermill.execute_notebook(str(source), str(executed), parameters={"paths": 2_000}, progress_bar=False, cwd=str(tmp_path))
    cells = jupytext.read(executed).cells
    pictures = [out for cell in cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert len(pictures) >= 5
    assert any("haircut" in str(out.get("text", "")) for cell in cells for out in cell.get("outputs", []))


def test_there_is_a_notebook() -> None:
    assert [path.name for path in NOTEBOOKS] == ["01_from_prices_to_parameters.py"]
