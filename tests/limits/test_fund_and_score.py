"""The fund, the score and concentration: worked numbers, and the directions they must move in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.limits.concentration import Holding, concentration
from riskparams.limits.fund import fund_size, ruin_probability, smallest_fund
from riskparams.limits.score import LEAST, Measured, Tier, capped_ltv, score

GOOD = Measured(haircut=0.15, largest_sale_share=9.0, largest_correlation=0.5, oracle_deviation=0.005, years=6.0)


def test_each_reason_of_the_fund_can_bind() -> None:
    years = np.linspace(0, 100, 1001)
    assert fund_size(years, [10.0], 1000.0).binding == "expected shortfall of a year, 99 %"
    assert fund_size(years, [80.0, 90.0, 1.0], 1000.0).value == 170.0
    found = fund_size(years, [], 1e6)
    assert (found.binding, found.value, found.coverage) == ("25 bp of debt", 2500.0, 0.0025)


def test_the_ruin_of_a_fund_is_counted_with_its_exact_interval() -> None:
    """3 of 300: the 90 % interval of Clopper and Pearson is (0.2733 %, 2.5652 %)."""
    losses = np.concatenate([np.zeros(297), np.full(3, 10.0)])
    share, low, high = ruin_probability(losses, 5.0)
    assert share == 0.01
    assert low == pytest.approx(0.002733, abs=2e-5)
    assert high == pytest.approx(0.025652, abs=2e-5)
    assert ruin_probability(losses, 10.0) == (0.0, 0.0, pytest.approx(1 - 0.05 ** (1 / 300)))


@given(seed=st.integers(0, 1000), more=st.floats(1.0, 5.0))
@settings(max_examples=40, deadline=None)
def test_larger_losses_never_ask_for_a_smaller_fund(seed: int, more: float) -> None:
    years = np.random.default_rng(seed).standard_t(3, 500) * 100
    assert fund_size(years * more, [], 0.0).value >= fund_size(years, [], 0.0).value - 1e-9
    assert np.mean(years > smallest_fund(years)) <= 0.01


def test_too_few_years_or_an_unknown_loss_are_named() -> None:
    with pytest.raises(InsufficientData, match="99 simulated years"):
        fund_size(np.zeros(99), [], 1.0)
    with pytest.raises(DataError, match="not a finite amount"):
        fund_size(np.full(100, np.nan), [], 1.0)


@given(
    name=st.sampled_from(["haircut", "largest_correlation", "oracle_deviation"]),
    value=st.floats(0.0, 2.0),
    more=st.floats(0.0, 2.0),
)
@settings(max_examples=60, deadline=None)
def test_more_risk_never_raises_the_score(name: str, value: float, more: float) -> None:
    from dataclasses import replace

    one, other = (score(replace(GOOD, **{name: at}), security=Tier.A) for at in (value, value + more))
    assert other.value <= one.value + 1e-9
    assert list(Tier).index(other.tier) >= list(Tier).index(one.tier)


@given(share=st.floats(0.0, 50.0), years=st.floats(0.0, 20.0), more=st.floats(0.0, 5.0))
@settings(max_examples=60, deadline=None)
def test_more_depth_and_more_history_never_lower_the_score(share: float, years: float, more: float) -> None:
    from dataclasses import replace

    base = replace(GOOD, largest_sale_share=share, years=years)
    found = score(base, security=Tier.A).value
    assert score(replace(base, largest_sale_share=share + more), security=Tier.A).value >= found - 1e-9
    assert score(replace(base, years=years + more), security=Tier.A).value >= found - 1e-9


def test_the_score_is_a_geometric_mean_so_that_nothing_makes_up_for_nothing() -> None:
    from dataclasses import replace

    assert score(replace(GOOD, years=0.0), security=Tier.A).value == 0.0
    assert score(replace(GOOD, years=0.0), security=Tier.A).tier is Tier.E


def test_security_and_flags_hold_a_tier_down_and_say_so() -> None:
    assert score(GOOD, security=None).flags == ("security_undeclared",)
    assert score(GOOD, security=None).held_by == ("no contract security declared",)
    found = score(GOOD, security=Tier.B, flags=["liquidity_unknown", "noisy"])
    assert found.tier is Tier.D
    assert found.held_by == ("contract security B", "liquidity_unknown")
    assert score(GOOD, security=Tier.A).tier is Tier.A


@given(ltv=st.floats(0, 1), tier=st.sampled_from(list(Tier)))
def test_a_tier_never_raises_a_parameter(ltv: float, tier: Tier) -> None:
    assert capped_ltv(ltv, tier) <= ltv
    assert capped_ltv(ltv, tier) <= tier.highest_ltv


def test_tiers_descend() -> None:
    assert [LEAST[tier] for tier in Tier] == sorted(LEAST.values(), reverse=True)
    assert [tier.highest_ltv for tier in Tier] == [0.9, 0.8, 0.7, 0.5, 0.0]
    with pytest.raises(ConfigError, match="years"):
        Measured(haircut=0.1, largest_sale_share=1, largest_correlation=0, oracle_deviation=0, years=-1)


def test_one_borrower_on_many_chains_is_one() -> None:
    held = [Holding(borrower="w", chain=str(i), protocol="p", value=10.0) for i in range(20)]
    held.append(Holding(borrower="v", chain="0", protocol="q", value=150.0))
    found = concentration(held, largest_sale=160.0)
    assert found.largest[0] == ("w", 200.0)
    assert found.largest_share == pytest.approx(200 / 350)
    assert not found.clears
    assert concentration([], largest_sale=0.0).largest_share == 0.0
    with pytest.raises(DataError, match="expected a name"):
        Holding(borrower="", chain="c", protocol="p", value=1.0)
