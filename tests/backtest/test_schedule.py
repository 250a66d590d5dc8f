"""What was in force when."""

from __future__ import annotations

import numpy as np
import pytest

from riskparams.backtest.schedule import ParameterSchedule, PublishedDrops
from riskparams.errors import ParameterError
from riskparams.parameters.risk_parameters import RiskParameters


def two_rows(first: int = 10, second: int = 20) -> ParameterSchedule:
    return ParameterSchedule(
        effective=np.array([first, second]),
        max_ltv=np.array([0.7, 0.6]),
        liquidation_threshold=np.array([0.8, 0.75]),
        liquidation_bonus=np.array([0.05, 0.06]),
    )


def test_parameters_apply_to_bars_that_close_strictly_after_their_time() -> None:
    assert [two_rows().at(time).max_ltv for time in (11, 20, 21)] == [0.7, 0.7, 0.6]


def test_a_bar_before_the_first_row_has_no_parameters() -> None:
    with pytest.raises(ParameterError, match="no parameters are in force"):
        two_rows().at(10)


@pytest.mark.parametrize("second", [10, 5])
def test_an_unsorted_schedule_is_refused(second: int) -> None:
    with pytest.raises(ParameterError, match="not after"):
        two_rows(second=second)


def test_a_constant_schedule_returns_its_parameters() -> None:
    terms = RiskParameters(max_ltv=0.7, liquidation_threshold=0.8, liquidation_bonus=0.05)
    at = ParameterSchedule.constant(terms, 0).at(10**18)
    assert (at.max_ltv, at.liquidation_threshold, at.liquidation_bonus) == (0.7, 0.8, 0.05)


@pytest.mark.parametrize(
    "wrong", [{"levels": (0.99, 0.95)}, {"touch_move": np.array([0.0])}, {"drop": np.array([[0.1, 0.2, 0.3]])}]
)
def test_published_drops_that_contradict_themselves_are_refused(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {
        "effective": np.array([0]),
        "touch_move": np.array([0.05]),
        "levels": (0.95, 0.99),
        "drop": np.array([[0.05, 0.1]]),
    }
    PublishedDrops(**right)
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        PublishedDrops(**(right | wrong))
