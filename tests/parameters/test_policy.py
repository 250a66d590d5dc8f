"""The policy as a whole: it reads the past alone, its numbers do not depend on units, neighbours or repetition."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riskparams.backtest.walk_forward import refit_dates, walk_forward
from riskparams.errors import Infeasible, InsufficientData, ModelError
from riskparams.execution import LiquidationHorizon
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.penalty import LiquidationCosts
from riskparams.parameters.policy import PairPolicy, PairTask, daily_volume
from riskparams.parameters.recommend import Recommendation
from riskparams.paths.model import ModelSpec
from riskparams.paths.simulate import StartLaw
from riskparams.prices.panel import Candles, PricePanel
from riskparams.prices.sample import simulated_market
from riskparams.returns import pair_candles
from riskparams.terms import DAY, Asset, Pair

USD = Asset("USD")
REFERENCE = Pair(Asset("ALPHA"), USD)


def task(name: str, **changes: object) -> PairTask:
    asked = PairTask(
        pair=Pair(Asset(name), USD),
        reference=REFERENCE,
        model=ModelSpec(),
        appetite=RiskAppetite(),
        costs=LiquidationCosts(),
        oracle_step=0.005,
        paths=2_000,
        refine=False,
        seed=5,
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


def numbers(found: Recommendation) -> tuple[object, ...]:
    cut = found.haircut
    return (
        cut.value,
        cut.error,
        cut.published,
        found.parameters,
        found.bonus,
        found.touch,
        found.threshold_error,
        found.ltv_error,
    )


@pytest.fixture(scope="module")
def panel() -> PricePanel:
    return simulated_market()


def reshaped(panel: PricePanel, name: str, change: dict[str, np.ndarray]) -> PricePanel:
    candles: Candles = replace(panel[Asset(name)], **change)  # type: ignore[arg-type]
    return replace(panel, candles={**panel.candles, Asset(name): candles})


@given(
    cut=st.integers(0, 2), noise=st.integers(0, 2**32 - 1), size=st.floats(0.05, 0.5), names=st.sampled_from(["AF", "A", "F"])
)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_altered_prices_after_a_date_change_nothing_dated_up_to_it(
    panel: PricePanel, cut: int, noise: int, size: float, names: str
) -> None:
    start = panel.last - 140 * DAY
    dates = refit_dates(start, panel.last - 35 * DAY, 35 * DAY)
    rng = np.random.default_rng(noise)
    altered = panel
    for name in ("ALPHA", "FJORD"):
        if name[0] in names:
            candles = panel[Asset(name)]
            shock = np.where(candles.time > dates[cut], np.exp(size * rng.standard_normal(len(candles))), 1.0)
            columns = {column: getattr(candles, column) * shock for column in ("open", "high", "low", "close", "volume")}
            altered = reshaped(altered, name, columns)

    def walked(prices: PricePanel) -> list[tuple[int, Recommendation]]:
        return walk_forward(prices, PairPolicy(task("FJORD", paths=1_000), anchor=start, refresh=70 * DAY), dates)

    before, after = walked(panel), walked(altered)
    for (effective, one), (_, other), date in zip(before, after, dates, strict=True):
        assert effective == date + panel.bar
        assert (numbers(one) == numbers(other)) is (date <= dates[cut])


def test_another_asset_in_the_panel_changes_nothing(panel: PricePanel) -> None:
    alone = replace(panel, candles={name: panel[name] for name in (Asset("ALPHA"), Asset("BRAVO"))})
    assert numbers(PairPolicy(task("BRAVO"))(alone)) == numbers(PairPolicy(task("BRAVO"))(panel))


def test_the_same_question_has_the_same_answer_bit_for_bit(panel: PricePanel) -> None:
    assert numbers(PairPolicy(task("FJORD"))(panel)) == numbers(PairPolicy(task("FJORD"))(panel))


def test_another_seed_moves_the_haircut_by_its_monte_carlo_error(panel: PricePanel) -> None:
    one, other = (PairPolicy(task("ALPHA", seed=seed, paths=10_000))(panel).haircut for seed in (1, 2))
    assert one.value != other.value
    assert abs(one.value - other.value) < 4 * np.hypot(one.error, other.error)


def test_the_unit_of_the_price_does_not_matter(panel: PricePanel) -> None:
    candles = panel[Asset("ALPHA")]
    columns = {column: getattr(candles, column) * 1024 for column in ("open", "high", "low", "close")}
    scaled = reshaped(panel, "ALPHA", {**columns, "volume": candles.volume / 1024})
    one, other = PairPolicy(task("ALPHA"))(panel), PairPolicy(task("ALPHA"))(scaled)
    assert one.haircut.value == pytest.approx(other.haircut.value, rel=1e-6)
    assert one.parameters == other.parameters


def test_a_longer_wait_never_lowers_the_haircut_beyond_its_error(panel: PricePanel) -> None:
    cuts = []
    for hours in (1, 3, 6):
        appetite = RiskAppetite(liquidation_horizon=LiquidationHorizon(oracle=3600 * hours))
        cuts.append(PairPolicy(task("ALPHA", appetite=appetite, paths=10_000))(panel).haircut)
    for shorter, longer in pairwise(cuts):
        assert longer.value >= shorter.value - np.hypot(shorter.error, longer.error)


def test_between_refreshes_only_todays_law_moves(panel: PricePanel) -> None:
    start = panel.last - 28 * DAY
    policy = PairPolicy(task("ALPHA"), anchor=start, refresh=28 * DAY)
    first, second = (found.haircut.laws for _, found in walk_forward(panel, policy, [start, start + 7 * DAY]))
    assert first["ttc"] == second["ttc"]  # type: ignore[index]
    assert first["str"] == second["str"]  # type: ignore[index]
    assert first["pit"] != second["pit"]  # type: ignore[index]


def test_a_short_history_is_refused_with_what_is_missing(panel: PricePanel) -> None:
    early = int(panel[Asset("FJORD")].time[0]) + 100 * DAY
    with pytest.raises(InsufficientData, match=r"FJORD/USD: 100 days of unbroken history.*min_window asks for 365"):
        PairPolicy(task("FJORD"))(panel.until(early))


def test_volume_is_a_thirty_day_median_with_share_and_stress(panel: PricePanel) -> None:
    candles = panel[Asset("BRAVO")]
    value = candles.volume * candles.close
    days = value[-30 * 24 :].reshape(30, 24).sum(axis=1)
    found = daily_volume(panel, Pair(Asset("BRAVO"), USD), LiquidationCosts(volume_share=0.1))
    assert found == pytest.approx(np.median(days) * 0.1 * 0.5, rel=1e-9)
    unknown = reshaped(panel, "BRAVO", {"volume": np.full(len(candles), np.nan)})
    assert daily_volume(unknown, Pair(Asset("BRAVO"), USD), LiquidationCosts()) is None


def test_a_pair_of_two_volatile_assets_is_modelled_on_its_ratio(panel: PricePanel) -> None:
    pair = Pair(Asset("BRAVO"), Asset("ALPHA"))
    found = PairPolicy(task("BRAVO", pair=pair))(panel)
    against_dollar = PairPolicy(task("BRAVO"))(panel)
    assert found.provenance["daily_sigma"] < against_dollar.provenance["daily_sigma"]  # type: ignore[operator]


def test_a_pegged_asset_is_refused_because_its_risk_is_a_jump(panel: PricePanel) -> None:
    with pytest.raises(ModelError, match=r"PEGD/USD: the price kept within .* it is pegged"):
        PairPolicy(task("PEGD"))(panel)


def test_a_staked_token_that_drifts_is_as_pegged_as_a_stablecoin(panel: PricePanel) -> None:
    alpha = panel[Asset("ALPHA")]
    hours = np.arange(len(alpha)) / (365 * 24)
    rate = np.exp(0.04 * hours + 3e-4 * np.random.default_rng(1).standard_normal(len(alpha)))
    columns = {column: getattr(alpha, column) * rate for column in ("open", "high", "low", "close")}
    staked = replace(panel, candles={**panel.candles, Asset("WST"): replace(alpha, **columns)})
    with pytest.raises(ModelError, match=r"WST/ALPHA.*it is pegged"):
        PairPolicy(task("WST", pair=Pair(Asset("WST"), Asset("ALPHA"))))(staked)


def test_a_feed_that_ended_is_not_recommended_as_of_today(panel: PricePanel) -> None:
    ended = replace(panel, candles={**panel.candles, Asset("BRAVO"): panel[Asset("BRAVO")].head(20_000)})
    with pytest.raises(InsufficientData, match=r"BRAVO/USD: the last usable price is of .*ended or gone dead"):
        PairPolicy(task("BRAVO"))(ended)


def test_without_volume_and_a_live_bonus_there_is_nothing_to_recommend(panel: PricePanel) -> None:
    unknown = reshaped(panel, "BRAVO", {"volume": np.full(len(panel[Asset("BRAVO")]), np.nan)})
    with pytest.raises(Infeasible, match="BRAVO/USD: neither volume nor a live bonus"):
        PairPolicy(task("BRAVO"))(unknown)


def test_the_low_of_a_pair_of_two_assets_is_one_that_was_seen(panel: PricePanel) -> None:
    """The lowest collateral over the highest debt triggers early; the execution close then looks like a recovery."""
    pair = Pair(Asset("BRAVO"), Asset("ALPHA"))
    candles = pair_candles(panel, pair)
    assert candles.close_only
    np.testing.assert_array_equal(candles.low, np.minimum(candles.open, candles.close))
    drop = PairPolicy(task("BRAVO", pair=pair, paths=5_000))(panel).haircut.laws[StartLaw.TTC].drop
    assert drop > 0.03
