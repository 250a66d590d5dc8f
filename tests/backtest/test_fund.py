"""The waterfall: its layers, its identities, and the fund with which nothing is socialised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_replay import HOUR, START, book_of, replayed, rough_market
from small_worlds import random_world
from test_engine import played

from riskparams.backtest.fund import InsuranceFund, Losses, Waterfall, losses_of, waterfall
from riskparams.errors import ConfigError, DataError

AMOUNT = st.one_of(st.just(0.0), st.floats(0, 1e6), st.floats(0, 10))


@st.composite
def losses(draw: st.DrawFn) -> Losses:
    rows = draw(st.lists(st.tuples(AMOUNT, AMOUNT, AMOUNT), min_size=1, max_size=30))
    repaid, bad, fees = np.array(rows).T.copy()
    return Losses(time=START + HOUR * np.arange(len(rows)), repaid=repaid, bad_debt=bad, fees=fees)


FUNDS = st.builds(InsuranceFund, opening=AMOUNT, fee_share=st.floats(0, 1), deleveraging=AMOUNT)


def slowly(found: Losses, fund: InsuranceFund) -> list[tuple[float, float, float, float]]:
    """Return what fund, deleveraging and everybody bore, and the fund's level, as one would do it by hand."""
    level, capacity, rows = fund.opening, fund.deleveraging, []
    for bad, fee in zip(found.bad_debt.tolist(), found.fees.tolist(), strict=True):
        by_fund = min(bad, level)
        by_winners = min(bad - by_fund, capacity)
        level, capacity = level - by_fund + fund.fee_share * fee, capacity - by_winners
        rows.append((by_fund, by_winners, bad - by_fund - by_winners, level))
    return rows


def layers(found: Waterfall) -> np.ndarray:
    return np.column_stack([found.fund, found.deleveraged, found.socialised, found.level])


@given(losses(), FUNDS)
def test_the_reflection_is_the_loop_by_hand(found: Losses, fund: InsuranceFund) -> None:
    assert layers(waterfall(found, fund)) == pytest.approx(np.array(slowly(found, fund)), rel=1e-9, abs=1e-6)


@given(losses(), FUNDS)
def test_layers_add_up_to_the_debt_and_none_is_negative(found: Losses, fund: InsuranceFund) -> None:
    fall = waterfall(found, fund)
    borne = fall.margin + fall.fund + fall.deleveraged + fall.socialised
    assert borne == pytest.approx(found.repaid + found.bad_debt, rel=1e-9, abs=1e-6)
    assert min(fall.margin.min(), layers(fall).min(), fall.lowest, fall.fund_needed) >= 0
    assert fall.deleveraged.sum() <= fund.deleveraging * (1 + 1e-9)
    assert fall.level[-1] == pytest.approx(
        fund.opening + fund.fee_share * found.fees.sum() - fall.fund.sum(), rel=1e-9, abs=1e-6
    )


@given(losses(), FUNDS)
def test_the_fund_needed_is_the_smallest_that_socialises_nothing(found: Losses, fund: InsuranceFund) -> None:
    needed = waterfall(found, fund).fund_needed
    assert waterfall(found, replace(fund, opening=needed)).socialised.sum() <= 1e-6
    if needed > 1e-3:
        assert waterfall(found, replace(fund, opening=needed * 0.999)).socialised.sum() > 0


def test_a_fee_does_not_pay_for_the_loss_that_earned_it() -> None:
    found = Losses(
        time=START + HOUR * np.arange(2), repaid=np.zeros(2), bad_debt=np.array([3.0, 3.0]), fees=np.array([3.0, 0.0])
    )
    fall = waterfall(found, InsuranceFund(opening=0.0))
    assert fall.socialised.tolist() == [3, 0]
    assert fall.fund.tolist() == [0, 3]
    assert fall.dry_at == START


def test_a_fund_that_is_never_needed_never_runs_dry() -> None:
    found = Losses(time=np.array([START]), repaid=np.ones(1), bad_debt=np.zeros(1), fees=np.ones(1))
    fall = waterfall(found, InsuranceFund(opening=5.0, fee_share=0.25))
    assert (fall.dry_at, fall.lowest, fall.fund_needed, fall.level.tolist()) == (None, 5.0, 0.0, [5.25])
    empty = Losses(time=np.zeros(0, np.int64), repaid=np.zeros(0), bad_debt=np.zeros(0), fees=np.zeros(0))
    assert waterfall(empty, InsuranceFund(opening=5.0)).lowest == 5.0


def test_the_losses_of_a_run_are_those_of_its_days() -> None:
    result = replayed(rough_market(2000, seed=4, sigma=0.02), book_of(200))
    found = losses_of([result, result])
    assert found.bad_debt.sum() == pytest.approx(2 * result.daily.bad_debt.sum())
    assert found.repaid.sum() == pytest.approx(2 * result.daily.repaid.sum())
    assert found.fees.sum() == pytest.approx(2 * result.daily.protocol_fee.sum())
    assert found.bad_debt.sum() > 0


@given(st.integers(0, 10_000), FUNDS)
@settings(max_examples=40)
def test_fund_and_bad_debt_add_up_over_any_run(seed: int, fund: InsuranceFund) -> None:
    result = played(random_world(seed, bars=150))
    daily, fall = result.daily, waterfall(losses_of(result), fund)
    outside = fall.deleveraged.sum() + fall.socialised.sum()
    liquidated, fees = daily.repaid.sum() + daily.bad_debt.sum(), losses_of(result).fees.sum()
    incentives = fees - daily.protocol_fee.sum()
    close = {"rel": 1e-9, "abs": 1e-6 * (1 + fund.opening)}
    assert fall.margin.sum() + fall.fund.sum() + outside == pytest.approx(liquidated + incentives, **close)
    if len(fall.level):
        change = fund.fee_share * fees - (daily.bad_debt.sum() + incentives - outside)
        assert fall.level[-1] - fund.opening == pytest.approx(change, **close)


def test_incentives_that_fees_do_not_cover_are_a_loss() -> None:
    world = next(world for world in map(random_world, range(100)) if world.rules.auction is not None and played(world).events)
    auction = replace(world.rules.auction, tip=1e6)  # type: ignore[type-var]
    result = played(replace(world, rules=replace(world.rules, auction=auction)))
    found = losses_of(result)
    net = result.daily.bad_debt.sum() - result.daily.protocol_fee.sum()
    assert found.bad_debt.sum() - found.fees.sum() == pytest.approx(net)
    assert found.bad_debt.sum() > result.daily.bad_debt.sum()


def test_nonsense_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"fund\.opening is -1"):
        InsuranceFund(opening=-1.0)
    with pytest.raises(ConfigError, match=r"fund\.fee_share is 2"):
        InsuranceFund(opening=1.0, fee_share=2.0)
    with pytest.raises(DataError, match=r"losses\.bad_debt of 2022-01-01T00:00:00Z is nan"):
        Losses(time=np.array([START]), repaid=np.ones(1), bad_debt=np.array([np.nan]), fees=np.ones(1))
    with pytest.raises(DataError, match="do not increase"):
        Losses(time=np.array([2, 1]), repaid=np.ones(2), bad_debt=np.ones(2), fees=np.ones(2))
    with pytest.raises(DataError, match="at least one"):
        losses_of([])
