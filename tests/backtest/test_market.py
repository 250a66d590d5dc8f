"""The bars a replay runs on: where they come from, what they refuse, and what the day adds to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
from slow_replay import HOUR, PAIR, START, candles_of

from riskparams.backtest.market import Conditions, Market, calm, pair_market, panel_market
from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.prices.panel import PricePanel
from riskparams.terms import Asset, FloatArray, IntArray, iso

X, Y, USD = Asset("X"), Asset("Y"), Asset("USD")


def market(bars: int = 6) -> Market:
    close = np.column_stack([10.0 + np.arange(bars), 20.0 + np.arange(bars)])
    return Market(
        assets=(X, Y), time=START + HOUR * np.arange(1, bars + 1), close=close, low=close - 1, high=close + 1, bar=HOUR
    )


def changed(values: FloatArray, row: int, column: int, value: float) -> FloatArray:
    other = values.copy()
    other[row, column] = value
    return other


@pytest.mark.parametrize("field", ["close", "low", "high"])
@pytest.mark.parametrize("price", [np.nan, np.inf, -np.inf, 0.0, -5.0])
def test_a_price_that_is_none_is_named_by_asset_field_and_time(field: str, price: float) -> None:
    whole = market()
    with pytest.raises(DataError, match=f"Y: the {field} of the bar closing {iso(START + 4 * HOUR)} is {price}: expected"):
        replace(whole, **{field: changed(getattr(whole, field), 3, 1, price)})


@pytest.mark.parametrize(("field", "price"), [("low", 24.0), ("high", 22.0)])
def test_a_close_outside_its_bar_is_named_by_asset_and_time(field: str, price: float) -> None:
    whole = market()
    with pytest.raises(DataError, match=f"Y: the bar closing {iso(START + 4 * HOUR)} closes at 23.0, outside"):
        replace(whole, **{field: changed(getattr(whole, field), 3, 1, price)})


@pytest.mark.parametrize(
    "disorder",
    [
        lambda time: time[::-1].copy(),
        lambda time: np.where(np.arange(len(time)) == 3, time[2], time),
        lambda time: time[:, None],
    ],
    ids=["unsorted", "duplicate", "two-dimensional"],
)
def test_bars_out_of_order_are_refused(disorder: Callable[[IntArray], IntArray]) -> None:
    whole = market()
    with pytest.raises(DataError, match="not in order of time"):
        replace(whole, time=disorder(whole.time))


def test_prices_of_another_shape_are_refused() -> None:
    whole = market()
    with pytest.raises(DataError, match=r"low has shape \(5, 2\): expected \(6, 2\), bars by assets"):
        replace(whole, low=whole.low[:5])


def test_bars_between_two_times_close_after_the_first_and_by_the_second() -> None:
    part = market().between(START + 2 * HOUR, START + 5 * HOUR)
    assert part.time.tolist() == [START + hour * HOUR for hour in (3, 4, 5)]
    assert part.close[:, 0].tolist() == [12.0, 13.0, 14.0]
    assert (part.low[0, 1], part.high[0, 1], len(part), part.hours) == (21.0, 23.0, 3, 1.0)


@pytest.mark.parametrize(("start", "end", "bars"), [(4, 5, 1), (5, 4, 0), (10, 20, 0)])
def test_fewer_than_two_bars_are_no_market(start: int, end: int, bars: int) -> None:
    with pytest.raises(InsufficientData, match=f"^{bars} bars close after .* at least 2"):
        market().between(START + start * HOUR, START + end * HOUR)


def test_an_asset_is_a_column_and_one_that_is_missing_is_named() -> None:
    assert [market().column(asset) for asset in (X, Y)] == [0, 1]
    with pytest.raises(DataError, match="USD is not among the market's assets X, Y"):
        market().column(USD)


def test_the_digest_is_that_of_every_price_time_and_name() -> None:
    whole = market()
    others = [replace(whole, assets=(X, USD)), replace(whole, time=whole.time + 1)]
    others += [replace(whole, **{name: np.nextafter(getattr(whole, name), 1e9)}) for name in ("low", "high")]
    others += [replace(whole, close=changed(whole.close, 5, 1, np.nextafter(25.0, 26.0)))]
    assert whole.sha256() == market().sha256() == replace(whole, close=np.asfortranarray(whole.close)).sha256()
    assert len({whole.sha256(), *(other.sha256() for other in others)}) == 6


def test_the_market_of_a_pair_has_its_debt_at_1_and_its_close_inside_the_bar() -> None:
    candles = candles_of([5.0, 6.0, 7.0], [4.0, 5.5, 7.0])
    found = pair_market(replace(candles, high=np.array([5.0, 5.9, 8.0])), PAIR, bar=HOUR)
    assert found.assets == (PAIR.collateral, PAIR.debt)
    assert found.low.tolist() == [[4.0, 1.0], [5.5, 1.0], [7.0, 1.0]]
    assert found.close[:, 0].tolist() == [5.0, 6.0, 7.0]
    assert found.high.tolist() == [[5.0, 1.0], [6.0, 1.0], [8.0, 1.0]]  # a high below its close is raised to it


def panel(*, skipped: int | None = None, later: int = 0) -> PricePanel:
    """Return X over 8 bars, and Y that begins `later` hours after it and lacks one bar."""
    x, y = candles_of(np.arange(1.0, 9.0)), candles_of(np.arange(11.0, 19.0))
    keep = np.arange(8) != (-1 if skipped is None else skipped)
    names = ("time", "open", "high", "low", "close", "volume", "usable", "segment", "exclusion")
    y = replace(y, **{name: getattr(y, name)[keep] for name in names})
    return PricePanel(candles={X: x, Y: replace(y, time=y.time + later * HOUR)}, bar=HOUR, numeraire=USD)


def test_a_panel_gives_the_bars_that_its_assets_share_and_its_numeraire_at_1() -> None:
    found = panel_market(panel(later=3), (Y, USD, X))
    assert found.assets == (Y, USD, X)
    assert found.time.tolist() == [START + hour * HOUR for hour in (4, 5, 6, 7, 8)]
    assert found.close[0].tolist() == [11.0, 1.0, 4.0]
    assert found.close[-1].tolist() == [15.0, 1.0, 8.0]


def test_a_bar_that_one_asset_lacks_is_named() -> None:
    with pytest.raises(DataError, match=f"Y and X do not both have the bar closing {iso(START + 4 * HOUR)}"):
        panel_market(panel(skipped=3), (X, Y))


def test_a_panel_without_a_price_or_without_a_shared_bar_is_refused() -> None:
    with pytest.raises(DataError, match="no asset but the numeraire USD"):
        panel_market(panel(), (USD,))
    with pytest.raises(InsufficientData, match="X, Y share no bar"):
        panel_market(panel(later=100), (X, Y))


def test_a_window_of_conditions_keeps_all_of_them_in_step() -> None:
    whole = calm(market())
    numbered = replace(whole, gas=np.arange(6.0), debt_growth=1 + np.arange(12.0).reshape(6, 2), frozen=np.arange(6) == 3)
    part = numbered.window(slice(2, 5))
    assert (part.gas.tolist(), part.frozen.tolist()) == ([2.0, 3.0, 4.0], [False, True, False])
    assert part.debt_growth.tolist() == [[5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]
    assert {len(getattr(part, field.name)) for field in fields(Conditions)} == {3}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("depth", np.ones(5)),
        ("halted", np.zeros(7, dtype=bool)),
        ("gas", np.ones((6, 2))),
        ("debt_growth", np.ones(6)),
        ("depth", np.r_[np.ones(5), -0.1]),
        ("gas", np.r_[np.ones(5), np.nan]),
        ("debt_growth", np.full((6, 2), np.inf)),
        ("debt_growth", np.r_[np.ones((5, 2)), [[1.0, 0.0]]]),
    ],
)
def test_impossible_conditions_are_refused_by_the_name_of_their_field(field: str, values: FloatArray) -> None:
    with pytest.raises(ConfigError, match=rf"conditions\.({field}|\w+ has shape .*expected)"):
        replace(calm(market()), **{field: values})
