"""Fixtures that several rooms share, and the count of tests that found no data to run on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("riskparams", settings(), deadline=None)  # the first example may have to compile a kernel
settings.load_profile("riskparams")

MARKET_DATA = "RISKPARAMS_MARKET_DATA"


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Return the folder of historical market data, or skip: it is too large, and not ours, to ship."""
    folder = os.environ.get(MARKET_DATA)
    if not folder:
        pytest.skip(f"{MARKET_DATA} is not set: it names the folder of historical prices")
    return Path(folder)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many market tests were skipped, so that a pass without them is not taken for a pass with them."""
    skipped = terminalreporter.stats.get("skipped", [])
    market = sum(MARKET_DATA in str(report.longrepr) for report in skipped)
    terminalreporter.write_line(f"market tests skipped: {market}" + (f" ({MARKET_DATA} is not set)" if market else ""))
