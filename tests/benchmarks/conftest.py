"""The page of figures that stands beside the benchmarks, written when they end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmark_ledger import Ledger, machine


@pytest.fixture(scope="session")
def ledger() -> Iterator[Ledger]:
    figures, before = Ledger(), os.getloadavg()[0]
    yield figures
    load = f"The load was {before:.1f} when it started: on a busy machine wall times include waiting."
    page = (
        "# Benchmarks\n\nWritten by `RISKPARAMS_MARKET_DATA=DIR make bench`, DIR the folder of historical prices; "
        f"without it the rows that need them are missing.\n{machine()}.\n{load}\n\n{figures.table()}\n"
    )
    print(f"\n\n{page}")
    Path(__file__).with_name("README.md").write_text(page, encoding="utf-8")
