"""Tails over many windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.errors import ConfigError, ConstantSeries, DataError
from riskparams.tails.gpd import Estimator, TailSpec, ThresholdRule, fit_tail
from riskparams.tails.rolling_tails import rolling_tails
from riskparams.tails.shrinkage import PeerShape

SPECS = [TailSpec(share=share, estimator=estimator) for share in (0.05, 0.15) for estimator in Estimator]
SPECS += [TailSpec(peers=PeerShape(mean=0.2, deviation=0.1))]


@given(
    seed=st.integers(0, 1_000),
    window=st.integers(100, 900),
    decimals=st.sampled_from([1, 2, 10]),
    spec=st.sampled_from(SPECS),
)
@settings(max_examples=40)
def test_every_window_is_what_fit_tail_gives_on_it(seed: int, window: int, decimals: int, spec: TailSpec) -> None:
    losses = np.round(np.random.default_rng(seed).standard_t(2.5, 1_200), decimals)
    ends = np.arange(60, 1_201, 95)
    rolled = rolling_tails(losses, ends, window=window, spec=spec)
    assert len(rolled) == len(ends)
    for row, end in enumerate(rolled.ends):
        assert rolled.tail(row) == fit_tail(losses[max(0, end - window) : end], spec)


def test_the_future_changes_no_window_before_it() -> None:
    losses = np.random.default_rng(1).standard_t(4, 1_500)
    shocked = losses.copy()
    shocked[1_000:] *= 10
    ends = np.arange(500, 1_001, 50)
    one, other = (rolling_tails(values, ends, window=400) for values in (losses, shocked))
    assert one.scale.tolist() == other.scale.tolist()
    assert one.tail_threshold.tolist() == other.tail_threshold.tolist()


def test_windows_that_cannot_be_fitted_are_named_with_the_reason() -> None:
    losses = np.random.default_rng(1).standard_t(4, 1_000)
    losses[200:500] = 0.25
    losses[600:800] = np.round(losses[600:800])
    rolled = rolling_tails(losses, np.array([30, 200, 500, 790, 1_000]), window=180)
    assert rolled.ends.tolist() == [200, 1_000]
    assert [end for end, _ in rolled.refused] == [30, 500, 790]
    for (_, reason), expected in zip(rolled.refused, ("cannot hold", "never moves", "ties"), strict=True):
        assert expected in reason
    with pytest.raises(ConstantSeries):
        fit_tail(losses[320:500])


def test_settings_that_cannot_be_rolled_are_refused() -> None:
    losses = np.random.default_rng(1).standard_t(4, 300)
    with pytest.raises(ConfigError, match="top share"):
        rolling_tails(losses, np.array([300]), window=300, spec=TailSpec(threshold=ThresholdRule.FORWARD_STOP))
    for ends, window in (([0], 100), ([301], 100), ([300], 0)):
        with pytest.raises(ConfigError, match="number of losses known"):
            rolling_tails(losses, np.array(ends), window=window)
    losses[7] = np.nan
    with pytest.raises(DataError, match="row 7 of 300"):
        rolling_tails(losses, np.array([300]), window=100)


def test_no_ends_give_no_windows() -> None:
    assert len(rolling_tails(np.ones(10), np.array([], dtype=np.int64), window=5)) == 0
