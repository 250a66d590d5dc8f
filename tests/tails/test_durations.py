"""Lognormal times, some of them cut short."""

from __future__ import annotations

import numpy as np
import pytest

from riskparams.errors import InsufficientData
from riskparams.tails.durations import fit_hours

HOURS = np.exp(np.random.default_rng(1).normal(2.0, 1.2, 4000))


def test_times_that_all_ended_have_the_moments_of_their_logs() -> None:
    found = fit_hours(HOURS, np.ones(len(HOURS), bool))
    assert (found.log_mean, found.log_deviation) == pytest.approx((np.log(HOURS).mean(), np.log(HOURS).std()))
    assert found.errors == pytest.approx((1.2 / np.sqrt(4000), 1.2 / np.sqrt(8000)), rel=0.05)
    assert found.below(np.array([found.median]))[0] == pytest.approx(0.5)


def test_lower_bounds_count_as_such() -> None:
    cut = np.exp(np.random.default_rng(2).normal(2.5, 1.0, len(HOURS)))
    ended = cut >= HOURS
    found = fit_hours(np.minimum(HOURS, cut), ended)
    assert found.censored == (~ended).sum() > 1000
    assert found.log_mean == pytest.approx(2.0, abs=0.08)
    assert found.log_deviation == pytest.approx(1.2, abs=0.06)
    assert np.log(HOURS[ended]).mean() < 1.6  # what forgetting them would say


def test_times_on_one_bar_keep_a_spread() -> None:
    assert fit_hours(np.ones(9), np.ones(9, bool)).log_deviation == 0.25


def test_times_that_never_end_are_refused() -> None:
    with pytest.raises(InsufficientData, match="1 of 3 times have ended"):
        fit_hours(np.ones(3), np.array([True, False, False]))
