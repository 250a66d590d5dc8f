"""Intervals: the cheap mode against the full bootstrap, and both against a truth that is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_world import PAIR, known_world, true_haircut

from riskparams.errors import ConfigError
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.penalty import LiquidationCosts
from riskparams.parameters.policy import PairPolicy, PairTask
from riskparams.parameters.uncertainty import Mode, Uncertainty, haircuts, measure, uncertainty
from riskparams.paths.model import ModelSpec
from riskparams.paths.simulate import StartLaw
from riskparams.paths.uncertainty import bootstrap_draws, cheap_draws, reversed_tails
from riskparams.pipeline.known_prices import as_known, load_prices
from riskparams.settings import load_study
from riskparams.terms import nanoseconds

TASK = PairTask(
    pair=PAIR,
    reference=PAIR,
    model=ModelSpec(),
    appetite=RiskAppetite(),
    costs=LiquidationCosts(),
    oracle_step=0.005,
    paths=40_000,
    refine=False,
    threads=2,
    seed=3,
)


def found(seed: int, **changes: object) -> tuple[Uncertainty, float, float]:
    """Return the uncertainty of one known world, the haircut recommended and the true one."""
    world = known_world(seed)
    policy = PairPolicy(replace(TASK, seed=seed))
    simulated = policy.simulate(world.panel)
    at_fit = {
        law: policy.drops(simulated.model, law, simulated.cycle.barriers, world.panel, None, drawn=False).value_at_risk(0.995)
        for law in StartLaw
    }
    said = policy.recommendation(world.panel, simulated, at_estimate=at_fit)
    spread = uncertainty(policy, world.panel, simulated, said, at_fit, **changes)  # type: ignore[arg-type]
    return spread, said.haircut.value, true_haircut(world, policy, simulated, paths=160_000)


def test_an_interval_holds_its_recommendation_and_is_the_same_again() -> None:
    one, value, _ = found(1, paths=4_000)
    again, _, _ = found(1, paths=4_000)
    assert one == again
    spread = one.spreads["haircut"]
    assert spread.low < value < spread.high
    threshold = one.spreads["liquidation_threshold"]
    assert threshold.low < threshold.high < 1
    assert one.spreads["max_ltv"].high < threshold.high


def test_a_buffered_haircut_is_refused_an_interval() -> None:
    world = known_world(2, days=400)
    policy = PairPolicy(replace(TASK, paths=2_000, appetite=RiskAppetite(buffer=0.25)))
    simulated = policy.simulate(world.panel)
    said = policy.recommendation(world.panel, simulated)
    with pytest.raises(ConfigError, match="buffer"):
        uncertainty(policy, world.panel, simulated, said, dict.fromkeys(StartLaw, 0.1))


@pytest.mark.slow
@pytest.mark.xfail(
    reason="intervals are too narrow: the truth was inside 80 % of 270 of them, as often below as above", strict=True
)
def test_intervals_of_90_percent_hold_the_truth_in_85_to_95_percent_of_worlds() -> None:
    """Each world is fitted anew; the truth is the haircut of its own law from the states it was in, at the same barriers."""
    worlds = 110
    held = []
    for seed in range(worlds):
        spread, _, true = found(1_000 + seed, paths=10_000)
        interval = spread.spreads["haircut"]
        held.append((interval.low <= true <= interval.high, true < interval.low, true > interval.high))
    inside, below, above = np.mean(held, axis=0)
    print(f"the truth was inside {inside:.1%} of {worlds} intervals, below {below:.1%}, above {above:.1%}")
    assert 0.85 <= inside <= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ETH/USD", "LINK/USD", "MKR/USD"])
def test_the_cheap_mode_agrees_with_the_bootstrap_within_its_monte_carlo_error(name: str, market_data: Path) -> None:
    """Ends of the 90 % interval of the prudent drop, as multiples of the drop at the fit.

    The error of an end is that of a quantile of so many draws, sqrt(p (1 - p) / n) over the density there, from 2,000 resamples
    of the bootstrap's draws; the two modes agree within 1.96 of them plus the error that the simulated drops leave in the cheap
    mode's own curvature, taken from another set of draws.
    """
    study = load_study(Path(__file__).parents[2] / "studies" / "majors.toml", {})
    from datetime import UTC, datetime

    panel = as_known(study, load_prices(study, market_data / "prices"), nanoseconds(datetime(2024, 6, 1, tzinfo=UTC)))
    task = next(task for task in study.tasks() if str(task.pair) == name)
    policy = PairPolicy(replace(task, threads=2))
    simulated = policy.simulate(panel)
    around = policy.recommendation(panel, simulated).haircut.surroundings

    def ends(mode: Mode, seed: int, paths: int) -> tuple[np.ndarray, np.ndarray]:
        luck = PairPolicy(replace(task, threads=2, seed=seed))
        of = measure(luck, panel, simulated, paths=paths)
        rng = np.random.default_rng(seed)
        draws = bootstrap_draws(of, simulated.model, rng=rng) if mode is Mode.BOOTSTRAP else None
        sampled = cheap_draws(of, simulated.model, rng=rng) if draws is None else draws
        base = haircuts(of(simulated.model)[None, :], task.appetite, around)[0]
        relative = haircuts(sampled, task.appetite, around) / base
        return np.array(reversed_tails(relative)), relative

    full, draws = ends(Mode.BOOTSTRAP, task.seed, 40_000)
    cheap, _ = ends(Mode.CHEAP, task.seed, 40_000)
    others = np.array([ends(Mode.CHEAP, task.seed + extra, 40_000)[0] for extra in (11, 12, 13)])
    rng = np.random.default_rng(0)
    resampled = np.array([reversed_tails(rng.choice(draws, len(draws))) for _ in range(2_000)])
    error = np.hypot(resampled.std(axis=0), np.vstack([cheap, others]).std(axis=0, ddof=1))
    print(f"{name}: bootstrap {full.round(3)}, cheap {cheap.round(3)}, error {error.round(3)}")
    assert np.all(np.abs(full - cheap) <= 1.96 * error)
