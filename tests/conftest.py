"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Return the folder of historical market data, or skip: it is too large, and not ours, to ship."""
    folder = os.environ.get("RISKPARAMS_MARKET_DATA")
    if not folder:
        pytest.skip("RISKPARAMS_MARKET_DATA is not set: it names the folder of historical prices")
    return Path(folder)
