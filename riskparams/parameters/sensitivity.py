"""What sets the level: the haircut again, with another grid of barriers, tail share, fill-back or order of the residuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from riskparams.errors import RiskParamsError
from riskparams.parameters.haircut import haircut
from riskparams.parameters.policy import PairPolicy, Simulated
from riskparams.paths.model import ModelSpec, PathModel, assemble, fit_path_model
from riskparams.paths.simulate import StartLaw
from riskparams.paths.trigger import TriggerDrops
from riskparams.prices.panel import PricePanel
from riskparams.terms import Pair

PATHS = 20_000
GRIDS = ((1.0,), (2.0,), (4.0,), (1.0, 2.0), (1.0, 2.0, 4.0), (1.0, 2.0, 4.0, 8.0))
SHARES = (0.025, 0.05, 0.10)
BLOCK = 6.0  # bars: what follows a crash within an hour or six


class Choice(StrEnum):
    """What is varied; nothing else changes, not the random draws either."""

    BARRIERS = "barriers, in touch moves"
    TAIL_SHARE = "tail share"
    FILL_BACK = "fill-back reference"
    RESIDUALS = "order of the residuals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """A haircut and its today-only part under one choice; `used` marks the choice that the recommendation made.

    Not a number, with the `reason`, where a choice gives no answer.
    """

    choice: Choice
    value: str
    haircut: float
    today: float
    used: bool
    reason: str = ""


def sensitivity(
    policy: PairPolicy, panel: PricePanel, simulated: Simulated, *, references: Sequence[Pair] = (), paths: int = PATHS
) -> list[Sensitivity]:
    """Return the haircut under each choice, simulated with the same draws and `paths`, at the fitted parameters.

    `references` are other pairs with histories at least as long as the reference's, to fill back from.
    """
    task, model = policy.task, simulated.model
    used = tuple(sorted(task.appetite.barrier_multiples))

    def cut(changed: PathModel, grid: Sequence[float]) -> tuple[float, float]:
        barriers = simulated.cycle.moves.move * np.array(grid)
        drops = {
            law: policy.drops(changed, law, barriers, panel, simulated.cycle.jumps, paths=paths, drawn=False)
            for law in StartLaw
        }
        return _level(policy, simulated, drops)

    def row(choice: Choice, value: str, changed: PathModel, grid: Sequence[float], mine: bool) -> Sensitivity:
        try:
            found, today = cut(changed, grid)
        except RiskParamsError as error:
            return Sensitivity(choice=choice, value=value, haircut=np.nan, today=np.nan, used=mine, reason=str(error))
        return Sensitivity(choice=choice, value=value, haircut=found, today=today, used=mine)

    rows = [row(Choice.BARRIERS, _listed(grid), model, grid, grid == used) for grid in sorted({*GRIDS, used})]
    for share in sorted({*SHARES, task.model.tail.share}):
        spec = replace(model.spec, tail=replace(model.spec.tail, share=share))
        rows.append(row(Choice.TAIL_SHARE, f"{share:.1%}", _again(model, spec), used, share == task.model.tail.share))
    if model.history.filled.any():
        rows.append(row(Choice.FILL_BACK, "none", assemble(model.own, model.own, model.fit, model.spec), used, False))
        for pair in dict.fromkeys((task.reference, *references)):
            if pair != task.pair:
                lent = model if pair == task.reference else fit_path_model(panel, task.pair, pair, task.model)
                rows.append(row(Choice.FILL_BACK, str(pair), lent, used, pair == task.reference))
    for block in sorted({1.0, BLOCK, model.spec.block_bars}):
        name = "one by one" if block == 1 else f"blocks of {block:g} bars"
        changed = replace(model, spec=replace(model.spec, block_bars=block))
        rows.append(row(Choice.RESIDUALS, name, changed, used, block == model.spec.block_bars))
    return rows


def _again(model: PathModel, spec: ModelSpec) -> PathModel:
    found = assemble(model.own, model.lender, model.fit, spec, variance_ratio=model.history.variance_ratio)
    return replace(found, noise_share=model.noise_share)


def _level(policy: PairPolicy, simulated: Simulated, drops: dict[StartLaw, TriggerDrops]) -> tuple[float, float]:
    appetite, step = policy.task.appetite, policy.task.oracle_step
    found = haircut(drops, appetite, oracle_step=step, scenario=simulated.cycle.scenario)
    return found.value, 1 - (1 - step) * (1 - found.laws[StartLaw.PIT].drop)


def _listed(grid: Sequence[float]) -> str:
    return ", ".join(f"{multiple:g}" for multiple in grid)
