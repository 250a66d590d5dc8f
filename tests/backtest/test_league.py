"""Forecasters on the same bars: scores against a plain loop, and a confidence set that knows only the past."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskparams.backtest.comparison import compare_scores
from riskparams.backtest.league import (
    RESELECT,
    Scored,
    against_first,
    average_of_members,
    confidence_set,
    members_over_time,
    score_forecasts,
)
from riskparams.errors import DataError, InsufficientData
from riskparams.terms import DAY, FloatArray, IntArray

HOUR = DAY // 24
Said = tuple[IntArray, FloatArray, FloatArray, FloatArray]


def said(time: IntArray, seed: int, size: float = 1.0) -> Said:
    """Return times, losses that depend on nothing but the bars, and forecasts `size` times what they should be."""
    rng = np.random.default_rng([seed, len(time)])
    losses, value_at_risk = rng.normal(size=len(time)), size * rng.uniform(1.9, 2.1, len(time))
    return time, losses, value_at_risk, 1.2 * value_at_risk


def days(count: int, first: int = 0) -> IntArray:
    return DAY * np.arange(first + 1, first + count + 1, dtype=np.int64)


def plain(losses: FloatArray, value_at_risk: FloatArray, shortfall: FloatArray, level: float) -> FloatArray:
    """Return FZ0 by the loop of the paper, on returns Y = -L: -1/(a e) 1[Y<=v](v - Y) + v/e + log(-e) - 1."""
    found = np.empty(len(losses))
    for t in range(len(losses)):
        y, v, e, alpha = -losses[t], -value_at_risk[t], -shortfall[t], 1 - level
        found[t] = -1 / (alpha * e) * (y <= v) * (v - y) + v / e + np.log(-e) - 1
    return found


def scores(seed: int, models: int = 3, length: int = 900) -> Scored:
    """Return scores of models, the later ones a little worse, of two assets of which the second starts late."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(length, 2))
    common[: length // 3, 1] = np.nan
    tables = {f"model {m}": common + 0.05 * m + 0.3 * rng.normal(size=(length, 2)) for m in range(models)}
    return Scored(assets=("A", "B"), time=days(length), scores=tables)


def test_scores_are_those_of_a_plain_loop_each_in_its_row_and_column() -> None:
    first, late = said(days(30), 1), said(days(12, first=20), 2)
    found = score_forecasts({"one": {"A": first, "B": late}, "two": {"B": late, "A": first}}, 0.975)
    assert found.assets == ("A", "B")
    assert np.array_equal(found.time, days(32))
    for name in ("one", "two"):
        for column, (time, *forecast) in enumerate((first, late)):
            expected = dict(zip(time.tolist(), plain(*forecast, 0.975), strict=True))
            for row, moment in enumerate(found.time.tolist()):
                score = found.scores[name][row, column]
                assert score == pytest.approx(expected[moment]) if moment in expected else np.isnan(score)
    assert not found.scores["one"].flags.writeable


def test_forecasters_of_different_bars_or_assets_are_refused() -> None:
    whole, part, other = said(days(30), 1), said(days(29), 1), said(days(30, first=1), 1)
    for wrong in (part, other):
        with pytest.raises(DataError, match="two and one forecast different bars of A"):
            score_forecasts({"one": {"A": whole}, "two": {"A": wrong}}, 0.99)
    for fewer, more in (({"A": whole}, {"A": whole, "B": part}), ({"A": whole}, {"B": whole})):
        for one, two in ((fewer, more), (more, fewer)):
            with pytest.raises(DataError, match="score the same assets"):
                score_forecasts({"one": one, "two": two}, 0.99)


def test_the_first_is_compared_with_each_other() -> None:
    scored = scores(1)
    found = against_first(scored, seed=1)
    assert list(found) == ["model 1", "model 2"]
    for name, one in found.items():
        expected = np.nanmean(scored.scores["model 0"] - scored.scores[name])
        assert one.difference == pytest.approx(expected)
        assert one == compare_scores(scored.scores["model 0"], scored.scores[name], mean_block=scored.block(), seed=1)
    assert found["model 2"].difference < found["model 1"].difference < 0


def test_a_block_is_four_weeks_of_rows() -> None:
    assert scores(1).block() == pytest.approx(28, rel=0.01)
    hourly = Scored(assets=("A",), time=HOUR * np.arange(1, 5001, dtype=np.int64), scores={"one": np.zeros((5000, 1))})
    assert hourly.block() == pytest.approx(672, rel=0.01)


def test_days_hold_the_sums_of_their_bars() -> None:
    rng = np.random.default_rng(3)
    time = HOUR * np.sort(rng.choice(np.arange(1, 24 * 20 + 1), 300, replace=False)).astype(np.int64)
    table = rng.normal(size=(300, 2))
    table[:100, 1] = np.nan
    found = Scored(assets=("A", "B"), time=time, scores={"one": table}).by_day()
    for day in range(20):
        rows = [t for t in range(300) if day * DAY < time[t] <= (day + 1) * DAY]  # midnight closes the day before
        assert found.time[day] == (day + 1) * DAY
        assert found.scores["one"][day, 0] == pytest.approx(sum(np.nansum(table[t]) for t in rows))


@given(seed=st.integers(0, 2**31), cut=st.integers(200, 890))
@settings(max_examples=5)
def test_later_scores_change_no_earlier_membership(seed: int, cut: int) -> None:
    scored = scores(seed % 50)
    rng, date = np.random.default_rng(seed), int(scored.time[cut])
    shocked = {name: array.copy() for name, array in scored.scores.items()}
    for array in shocked.values():
        array[cut + 1 :] += rng.normal(10, 5, array[cut + 1 :].shape)
    changed = Scored(assets=scored.assets, time=scored.time.copy(), scores=shocked)
    before, after = members_over_time(scored, seed=1), members_over_time(changed, seed=1)
    assert [term for term in before if term[0] <= date] == [term for term in after if term[0] <= date]


@pytest.mark.parametrize("term", [1, 2, 3])
def test_no_score_after_the_date_is_looked_at_and_the_one_of_the_date_is(term: int) -> None:
    scored = scores(4)
    expected = members_over_time(scored, seed=1)[: term + 1]
    date = expected[-1][0]
    until = int(np.searchsorted(scored.time, date + 3 * DAY))

    def spoilt(moment: int) -> Scored:
        tables = {name: array[:until].copy() for name, array in scored.scores.items()}
        tables["model 1"][scored.time[:until] >= moment] = np.inf  # refused wherever it is compared
        return Scored(assets=scored.assets, time=scored.time[:until].copy(), scores=tables)

    assert members_over_time(spoilt(date + DAY), seed=1) == expected
    with pytest.raises(DataError, match="infinite"):
        members_over_time(spoilt(date), seed=1)


def test_membership_is_chosen_every_half_year_from_the_scores_known_then() -> None:
    scored = scores(4)
    terms = members_over_time(scored, seed=1)
    assert [date for date, _ in terms[1:]] == [DAY + RESELECT * k for k in (1, 2, 3, 4)]
    assert terms[0] == (DAY - 1, ("model 0", "model 1", "model 2"))
    for date, members in terms[1:]:
        known = scored.time <= date
        past = Scored(
            assets=scored.assets,
            time=scored.time[known],
            scores={name: array[known] for name, array in scored.scores.items()},
        )
        assert members == confidence_set(past, seed=1).kept
    assert len(terms[-1][1]) < 3


def test_the_order_of_the_forecasters_does_not_matter_to_the_set() -> None:
    scored = scores(4)
    turned = Scored(assets=scored.assets, time=scored.time.copy(), scores=dict(reversed(scored.scores.items())))
    assert confidence_set(turned, seed=1) == confidence_set(scored, seed=1)


def test_the_average_is_the_mean_of_the_members_of_the_time() -> None:
    rng = np.random.default_rng(5)
    time = days(50)
    forecasts = {name: rng.uniform(1, 2, (50, 2)) for name in "abc"}
    terms = [(DAY - 1, ("a", "b", "c")), (10 * DAY, ("b",)), (30 * DAY, ("c", "a"))]
    found = average_of_members(time, forecasts, terms)
    for row, moment in enumerate(time.tolist()):
        names = next(names for date, names in reversed(terms) if date < moment)
        assert found[row] == pytest.approx(np.mean([forecasts[name][row] for name in names], axis=0))
    assert np.array_equal(found[9], np.mean([forecasts[name][9] for name in "abc"], axis=0))  # at the date: the old set
    assert np.array_equal(found[10], forecasts["b"][10])


def test_the_average_is_the_same_to_the_bit_in_whatever_order_members_come() -> None:
    rng = np.random.default_rng(6)
    forecasts = {name: rng.uniform(1, 2, (500, 2)) for name in "abcdefg"}
    one, other = (average_of_members(days(500), forecasts, [(0, tuple(names))]) for names in ("abcdefg", "gdbfcae"))
    assert np.array_equal(one, other)


def test_an_average_knows_no_later_term() -> None:
    rng = np.random.default_rng(7)
    forecasts = {name: rng.uniform(1, 2, (50, 2)) for name in "ab"}
    terms = [(DAY - 1, ("a", "b")), (20 * DAY, ("a",))]
    one, other = (average_of_members(days(50), forecasts, [*terms, (40 * DAY, last)]) for last in (("a",), ("b",)))
    assert np.array_equal(one[:40], other[:40])
    assert not np.array_equal(one[40:], other[40:])


def test_too_short_a_time_to_choose_in_is_refused_or_leaves_everyone_in() -> None:
    with pytest.raises(InsufficientData, match="two blocks"):
        confidence_set(scores(1, length=50), seed=1)
    assert members_over_time(scores(1, length=150), seed=1) == [(DAY - 1, ("model 0", "model 1", "model 2"))]
