"""The borrowers: their laws, and that nothing about them depends on who else is in the book."""

from __future__ import annotations

import numpy as np
import pytest
from slow_replay import COHORT, TERMS, book_of

from riskparams.backtest.positions import Cohort, PositionBook, draw_book
from riskparams.errors import ConfigError, ParameterError
from riskparams.parameters.risk_parameters import ObservedParameters


def test_one_account_in_ten_borrows_all_it_may() -> None:
    assert np.mean(book_of(20_000).utilisation == 1) == pytest.approx(0.10, abs=0.01)


def test_other_accounts_open_at_the_health_factor_law_redrawn_until_it_can_open() -> None:
    book = book_of(20_000)
    health = TERMS.liquidation_threshold / TERMS.max_ltv / book.utilisation
    health = health[book.utilisation < 1]
    drawn = np.exp(np.random.default_rng(5).normal(np.log(1.6), 0.35, 400_000))
    drawn = drawn[drawn >= TERMS.liquidation_threshold / TERMS.max_ltv]
    assert np.quantile(health, [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(drawn, [0.1, 0.5, 0.9]), rel=0.02)


def test_sizes_follow_the_truncated_pareto_law() -> None:
    size = book_of(20_000).size
    assert size.min() >= 1_000
    assert size.max() <= 10_000_000
    beyond = (10_000 / 1_000) ** -0.75 - 10_000**-0.75  # of the law without its end, less what the end cuts off
    assert np.mean(size > 10_000) == pytest.approx(beyond / (1 - 10_000**-0.75), abs=0.01)


def test_a_larger_book_begins_with_the_smaller_one() -> None:
    small, large = book_of(10), book_of(500)
    assert small.seed == large.seed
    assert np.array_equal(small.utilisation, large.utilisation[:10])
    assert np.array_equal(small.size, large.size[:10])


def test_a_market_that_lends_nothing_has_no_book_to_draw() -> None:
    closed = ObservedParameters(max_ltv=0, liquidation_threshold=0, liquidation_bonus=0.05)
    with pytest.raises(ParameterError, match="no loan can be opened"):
        draw_book(COHORT, 10, closed, np.random.default_rng(0))


def test_assumptions_print_by_name() -> None:
    printed = Cohort().to_dict()
    assert printed["reopen_after"] == 7 * 86_400
    assert printed["relever_hazard"] == 0.00075


@pytest.mark.parametrize(
    "wrong", [{"full_utilisation_share": 1.5}, {"health_log_sd": 0}, {"top_up_hazard": -1}, {"largest_size": 10}]
)
def test_an_impossible_cohort_is_refused_by_the_name_of_its_field(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Cohort(**wrong)


def test_a_book_is_read_only_and_whole() -> None:
    book = book_of(3)
    with pytest.raises(ValueError, match="read-only"):
        book.size[0] = 1.0
    with pytest.raises(ConfigError, match="utilisation"):
        PositionBook(utilisation=np.array([1.2]), size=np.array([1.0]), seed=1)
