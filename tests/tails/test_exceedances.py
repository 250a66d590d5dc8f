"""The losses above a threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskparams.errors import DataError
from riskparams.tails.exceedances import exceedances_over, largest_losses


@given(seed=st.integers(0, 1_000), count=st.integers(1, 199), decimals=st.integers(0, 8))
def test_the_largest_losses_are_those_over_their_threshold(seed: int, count: int, decimals: int) -> None:
    losses = np.round(np.random.default_rng(seed).standard_normal(200), decimals)
    top = largest_losses(losses, count)
    over = exceedances_over(losses, top.tail_threshold)
    assert top.excesses.tolist() == over.excesses.tolist()
    assert len(top) <= count
    assert top.tail_threshold == np.sort(losses)[-count - 1]
    assert top.share == len(top) / 200


def test_excesses_are_read_only_and_the_losses_are_left_alone() -> None:
    losses = np.array([3.0, 1.0, 2.0])
    sample = exceedances_over(losses, 1.0)
    with pytest.raises(ValueError, match="read-only"):
        sample.excesses[0] = 5.0
    losses[0] = 9.0
    assert sample.excesses.tolist() == [1.0, 2.0]


def test_a_threshold_above_every_loss_leaves_none() -> None:
    assert len(exceedances_over(np.arange(5.0), 10.0)) == 0


def test_a_loss_that_is_not_a_number_is_named() -> None:
    with pytest.raises(DataError, match="row 2 of 3"):
        largest_losses(np.array([1.0, 2.0, np.nan]), 1)
