"""The hedge of a fund's delta."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, DataError
from riskparams.limits.hedge import hedge


@settings(max_examples=50, deadline=None)
@given(level=st.floats(0, 1e6), slope=st.floats(-1e6, 1e6), bend=st.floats(-1e6, 1e6), step=st.floats(0.001, 0.2))
def test_a_quadratic_loss_is_hedged_exactly_whatever_the_step(level: float, slope: float, bend: float, step: float) -> None:
    found = hedge(lambda p: level + slope * (p - 1) + bend * (p - 1) ** 2, exposure=1e7, annual_carry=0.1, step=step)
    assert found.delta == pytest.approx(slope, abs=1e-2)
    assert found.short == -found.delta
    assert found.unhedged == pytest.approx(bend * 0.3**2, abs=1e-2)


def test_the_price_and_the_short_together_no_longer_move_the_fund() -> None:
    def loss(price: float) -> float:
        return 1e5 * price**-3

    found = hedge(loss, exposure=2e6, annual_carry=0.05, step=1e-3)
    hedged = [loss(p) - found.short * (1 - p) for p in (0.999, 1.001)]
    assert hedged[1] - hedged[0] == pytest.approx(0, abs=1e-6)
    assert found.ratio == pytest.approx(3e5 / 2e6, rel=1e-4)
    assert found.annual_cost == pytest.approx(0.05 * found.short)
    assert found.unhedged > 0  # convex


def test_the_error_falls_with_the_square_of_the_step() -> None:
    errors = [abs(hedge(lambda p: p**-3, exposure=1.0, annual_carry=0.0, step=h).delta + 3) for h in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.01)


def test_what_cannot_be_hedged_is_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        hedge(lambda p: float("nan") if p < 1 else 0.0, exposure=1.0, annual_carry=0.0)
    with pytest.raises(ConfigError, match="exposure"):
        hedge(lambda p: p, exposure=0.0, annual_carry=0.0)
    with pytest.raises(ConfigError, match="step"):
        hedge(lambda p: p, exposure=1.0, annual_carry=0.0, step=0.0)
