"""The borrowers: their laws, and that nothing about them depends on who else is in the book."""

from __future__ import annotations

import numpy as np
import pytest
from slow_replay import COHORT, PAIR, TERMS, book_of

from riskparams.backtest.positions import Borrowers, Cohort, PositionBook, draw_borrowers, unmanaged
from riskparams.errors import ConfigError, DataError, ParameterError
from riskparams.parameters.risk_parameters import ObservedParameters
from riskparams.terms import Asset


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
        draw_borrowers(COHORT, 10, closed, np.random.default_rng(0))


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


def test_borrowers_are_read_only_and_whole() -> None:
    borrowers = book_of(3)
    with pytest.raises(ValueError, match="read-only"):
        borrowers.size[0] = 1.0
    with pytest.raises(ConfigError, match="utilisation"):
        Borrowers(utilisation=np.array([1.2]), size=np.array([1.0]), seed=1)


def test_borrowers_pledge_the_first_asset_and_owe_the_second() -> None:
    borrowers = book_of(5)
    book = borrowers.book((Asset("X"), Asset("USD"), Asset("Y")), np.array([20.0, 1.0, 3.0]))
    assert book.collateral @ [20.0, 1.0, 3.0] == pytest.approx(borrowers.size, rel=1e-15)
    assert (np.count_nonzero(book.collateral, axis=0).tolist(), np.count_nonzero(book.debt, axis=0).tolist()) == (
        [5, 0, 0],
        [0, 5, 0],
    )
    assert (book.seed, book.without_collateral) == (borrowers.seed, 0)
    assert np.array_equal(book.utilisation, borrowers.utilisation)


def test_a_snapshot_is_copied_read_only_and_its_empty_accounts_are_counted() -> None:
    held, owed = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 5.0], [0.0, 7.0], [0.0, 0.0]])
    book = unmanaged((PAIR.collateral, PAIR.debt), held, owed)
    held[0, 0] = 99.0
    assert (len(book), book.without_collateral, book.collateral[0, 0], book.utilisation.tolist()) == (3, 1, 1.0, [0, 0, 0])
    with pytest.raises(ValueError, match="read-only"):
        book.debt[0, 1] = 0.0


def snapshot(**changed: object) -> PositionBook:
    """Return a book of two managed accounts, with some of its fields changed."""
    fields = {
        "assets": (PAIR.collateral, PAIR.debt),
        "collateral": np.array([[1.0, 0.0], [2.0, 0.0]]),
        "debt": np.array([[0.0, 1.0], [0.0, 1.0]]),
        "owner": np.array([40, 41]),
        "utilisation": np.array([0.5, 0.5]),
        "size": np.array([100.0, 200.0]),
    }
    return PositionBook(**(fields | changed))


@pytest.mark.parametrize("field", ["collateral", "debt"])
@pytest.mark.parametrize("balance", [-1.0, np.nan, np.inf])
def test_an_impossible_balance_is_refused_by_account_and_asset(field: str, balance: float) -> None:
    with pytest.raises(DataError, match=f"account 41 has a {field} of {balance} USD"):
        snapshot(**{field: np.array([[1.0, 1.0], [1.0, balance]])})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"collateral": np.ones((2, 3))}, r"collateral has shape \(2, 3\): expected accounts by assets, \(2, 2\)"),
        ({"debt": np.ones((1, 2))}, r"debt has shape \(1, 2\)"),
        ({"utilisation": np.array([0.5, 1.1])}, r"utilisation is not in \[0, 1\]"),
        ({"utilisation": np.array([0.5, np.nan])}, r"utilisation is not in \[0, 1\]"),
        ({"size": np.array([100.0, 0.0])}, "size of a managed account"),
        ({"size": np.array([100.0, np.inf])}, "size of a managed account"),
        ({"debt": np.array([[0.0, 1.0], [0.0, 0.0]])}, "account 41 is managed and holds or owes nothing"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_a_book_that_is_not_whole_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        snapshot(**changed)


def test_an_empty_book_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one account"):
        unmanaged((PAIR.collateral, PAIR.debt), np.zeros((0, 2)), np.zeros((0, 2)))
