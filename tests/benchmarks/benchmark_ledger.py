"""The ledger of figures that the benchmarks share, and the watch they are timed with."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Ledger:
    """The figures of one run of the benchmarks."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def note(self, what: str, figure: float, unit: str, *, at_most: float | None = None, at_least: float | None = None) -> None:
        """Keep a figure and hold it to its limit."""
        limits = [f"{word} {limit:g}" for word, limit in (("at most", at_most), ("at least", at_least)) if limit is not None]
        self.rows.append((what, f"{figure:.3g} {unit}".strip(), " ".join(limits)))
        assert at_most is None or figure <= at_most, f"{what}: {figure:.3g} {unit} is above {at_most:g}"
        assert at_least is None or figure >= at_least, f"{what}: {figure:.3g} {unit} is below {at_least:g}"

    def table(self) -> str:
        """Return the figures as a Markdown table."""
        rows = [("what", "figure", "limit"), ("---", "---", "---"), *self.rows]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def machine() -> str:
    """Return what the figures depend on, in words that name no machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB of memory, Python {platform.python_version()}, NumPy {np.__version__}"


def seconds(function: Callable[[], object], rounds: int) -> list[float]:
    """Return the duration of each of several calls, after one that warms up."""
    function()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return found
