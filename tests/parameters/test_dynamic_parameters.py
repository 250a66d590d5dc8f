"""Tables that follow volatility: they tighten, and never below or above what their formula allows."""

from __future__ import annotations

from itertools import pairwise
from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, ToxicParameters
from riskparams.parameters.dynamic_parameters import RATIOS, DynamicParameters
from riskparams.parameters.ltv import floored
from riskparams.parameters.risk_parameters import RiskParameters

CALM = RiskParameters(max_ltv=0.72, liquidation_threshold=0.8, liquidation_bonus=0.05)


def test_twice_the_volatility_doubles_the_log_drop_and_the_touch_move() -> None:
    found = DynamicParameters(recommended=CALM, haircut=0.16, touch_move=0.1).at(2)
    assert found.liquidation_threshold == floored(0.84**2 / 1.05) == 0.67
    assert found.max_ltv == floored(0.67 * exp(-0.2))
    assert found.liquidation_bonus == 0.05


@given(
    cut=st.floats(0.005, 0.9),
    move=st.floats(0, 1),
    bonus=st.floats(0, 0.2),
    prudence=st.floats(0.5, 1),
    gap=st.floats(0.01, 0.9),
    ratios=st.lists(st.floats(0, 20), min_size=2, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_the_table_is_monotone_starts_at_the_recommended_and_covers_the_scaled_drop(
    cut: float, move: float, bonus: float, prudence: float, gap: float, ratios: list[float]
) -> None:
    threshold = prudence * (1 - cut) / (1 + bonus) * 0.999
    calm = RiskParameters(max_ltv=gap * threshold, liquidation_threshold=threshold, liquidation_bonus=bonus)
    dynamic = DynamicParameters(recommended=calm, haircut=cut, touch_move=move)
    rows = dynamic.table(ratios)
    for (_, before), (_, after) in pairwise(rows):
        assert after.liquidation_threshold <= before.liquidation_threshold
        assert after.max_ltv <= before.max_ltv
    for ratio, row in rows:
        assert row == calm if ratio <= 1 else row.liquidation_threshold * (1 + bonus) <= (1 - cut) ** ratio + 1e-9
        assert row.max_ltv < row.liquidation_threshold or row.max_ltv == row.liquidation_threshold == 0


def test_the_published_rows_begin_at_the_recommended_parameters() -> None:
    rows = DynamicParameters(recommended=CALM, haircut=0.16, touch_move=0.1).table()
    assert [ratio for ratio, _ in rows] == list(RATIOS)
    assert rows[0][1] == CALM


def test_a_table_refuses_what_its_haircut_does_not_allow() -> None:
    with pytest.raises(ToxicParameters, match=r"0\.8400, above 1 - haircut 0\.8000"):
        DynamicParameters(recommended=CALM, haircut=0.2, touch_move=0.1)
    with pytest.raises(ConfigError, match="touch move -1"):
        DynamicParameters(recommended=CALM, haircut=0.16, touch_move=-1)
    with pytest.raises(ConfigError, match="ratio of volatilities is nan"):
        DynamicParameters(recommended=CALM, haircut=0.16, touch_move=0.1).at(float("nan"))
