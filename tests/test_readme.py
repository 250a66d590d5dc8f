"""The README shows what the tool printed: its table is that of the committed example report."""

from __future__ import annotations

import json
import re
from pathlib import Path

from riskparams.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_example_report() -> None:
    pairs = json.loads((ROOT / "reports/example/evidence.json").read_text(encoding="utf-8"))["pairs"]
    for pair in pairs:
        row = next(line for line in README.splitlines() if line.startswith(f"{pair['pair']} "))
        ours = pair["recommended"]
        for name in ("haircut", "liquidation_threshold", "max_ltv"):
            assert f"{ours[name]['value']:.1%} [{ours[name]['low']:.1%}, {ours[name]['high']:.1%}]" in row
        assert row.endswith(f"{ours['liquidation_bonus']['value']:.1%}")
    assert len(re.findall(r"^\w+/USD ", README, flags=re.MULTILINE)) == len(pairs)


def test_every_command_and_file_it_names_exists() -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert known
    shown = set(re.findall(r"^(?:\.venv/bin/)?riskparams (\w+)", README, flags=re.MULTILINE))
    assert shown <= known
    assert known - {"demo"} <= shown
    for link in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_example_is_labelled_simulated() -> None:
    example = ROOT / "reports/example"
    for name in ("proposal.md", "index.html"):
        assert "SIMULATED" in (example / name).read_text(encoding="utf-8")
    assert json.loads((example / "parameters.json").read_text(encoding="utf-8"))["simulated"] is True
