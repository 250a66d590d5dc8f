"""Pooling peers' shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskparams.errors import ConfigError, InsufficientData
from riskparams.tails.shrinkage import PeerShape, pool_peers


def test_peers_that_agree_are_averaged_by_their_precision() -> None:
    pooled = pool_peers(np.array([0.2, 0.2 + 1e-9]), np.array([0.1, 0.2]))
    assert pooled.mean == pytest.approx(0.2)
    assert pooled.deviation == pytest.approx((1 / (1 / 0.01 + 1 / 0.04)) ** 0.5)


def test_equal_errors_give_the_plain_variance_between() -> None:
    """Then the equation has a closed form: t = sample variance - s**2; add the error of the mean."""
    shapes = np.array([0.0, 0.2, 0.4, 0.6])
    pooled = pool_peers(shapes, np.full(4, 0.1))
    assert pooled.mean == pytest.approx(0.3)
    assert pooled.deviation**2 == pytest.approx(shapes.var(ddof=1) - 0.01 + shapes.var(ddof=1) / 4)


def test_pooling_recovers_where_the_shapes_come_from() -> None:
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.02, 0.2, 400)
    pooled = pool_peers(rng.normal(0.25, 0.1, 400) + errors * rng.standard_normal(400), errors)
    assert pooled.mean == pytest.approx(0.25, abs=0.03)
    assert pooled.deviation == pytest.approx(0.1, abs=0.02)


@given(seed=st.integers(0, 1_000), peers=st.integers(2, 20), shift=st.floats(-1, 1))
def test_the_order_of_peers_does_not_matter_and_a_shift_moves_the_mean_alone(seed: int, peers: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    shapes, errors, order = rng.normal(0.2, 0.1, peers), rng.uniform(0.02, 0.2, peers), rng.permutation(peers)
    one = pool_peers(shapes, errors)
    other = pool_peers(shapes[order] + shift, errors[order])
    assert other.mean == pytest.approx(one.mean + shift, abs=1e-8)
    assert other.deviation == pytest.approx(one.deviation, rel=1e-5)
    assert shapes.min() <= one.mean <= shapes.max()


def test_what_cannot_be_pooled_has_a_named_error() -> None:
    with pytest.raises(InsufficientData, match="two or more peers"):
        pool_peers(np.array([0.2]), np.array([0.1]))
    with pytest.raises(ConfigError, match="leave that peer out"):
        pool_peers(np.array([0.2, 0.3]), np.array([0.1, 0.0]))
    with pytest.raises(ConfigError, match="deviation above 0"):
        PeerShape(mean=0.2, deviation=0.0)
