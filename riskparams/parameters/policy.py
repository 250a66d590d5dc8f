"""Our policy: prices known so far -> a recommendation for one pair. It reads nothing but the panel it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np

from riskparams.errors import Infeasible, InsufficientData, ModelError
from riskparams.execution import Depth, SlippageLaw
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.conformal import conformal_factor
from riskparams.parameters.haircut import haircut
from riskparams.parameters.peg import Peg, fit_peg, jump_table
from riskparams.parameters.penalty import Bonus, LiquidationCosts, recommend_bonus
from riskparams.parameters.recommend import Recommendation, TouchMoves, recommend, touch_moves
from riskparams.parameters.risk_parameters import ObservedParameters
from riskparams.parameters.scenarios import ScenarioDrop, StressWindow, scenario_drops, worst
from riskparams.paths.model import ModelSpec, PathModel, describe_model, fit_path_model, measurement_noise
from riskparams.paths.simulate import PathLaw, StartLaw, path_law, streams
from riskparams.paths.trigger import TriggerDrops, TriggerSpec, deepest_moves, simulate_drops
from riskparams.paths.uncertainty import DRAWS, tail_draws
from riskparams.prices.panel import PricePanel
from riskparams.returns import pair_candles
from riskparams.tails.jump_paths import draw_jumps
from riskparams.tails.jumps import JumpLayer
from riskparams.terms import DAY, Asset, FloatArray, Pair, iso

PEG_BAND = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTask:
    """What is asked about one pair; `reference` is the pair whose history fills back shorter ones.

    `daily_volume` (numeraire) overrides the volume in the prices and is taken as it stands; `depth` is a slippage law that was
    measured, which is used in place of that of the volume. `windows` are spans of the past by name that the stress weight
    looks at too. `peg` says what a pegged pair's depegs are pooled from: without it such a pair is refused. `seed` and the
    pair's name key its random streams, so the other pairs of a study do not matter.
    """

    pair: Pair
    reference: Pair
    model: ModelSpec
    appetite: RiskAppetite
    costs: LiquidationCosts
    oracle_step: float
    current: ObservedParameters | None = None
    daily_volume: float | None = None
    depth: SlippageLaw | None = None
    windows: tuple[StressWindow, ...] = ()
    peg: Peg | None = None
    paths: int = 80_000
    refine: bool = True
    threads: int = 1
    seed: int = 0

    @property
    def assets(self) -> tuple[Asset, ...]:
        """What the task reads prices of: collateral, debt (perhaps the numeraire), reference and peers of the peg."""
        peers = self.peg.assets if self.peg else ()
        return (*dict.fromkeys((self.pair.collateral, self.pair.debt, self.reference.collateral, *peers)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleDrops:
    """The slow part: what does not depend on today's state. `drops` are those of the through-the-cycle and stressed laws."""

    model: PathModel
    moves: TouchMoves
    falls: FloatArray
    barriers: FloatArray
    drops: dict[StartLaw, TriggerDrops]
    scenarios: tuple[ScenarioDrop, ...]
    jumps: JumpLayer | None

    @property
    def scenario(self) -> float:
        """The deepest of the scenarios' drops; 0 of none."""
        deepest = worst(self.scenarios)
        return deepest.drop if deepest else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """Everything a recommendation rests on: the model of today, the slow part, and the drops of all three laws."""

    model: PathModel
    cycle: CycleDrops
    drops: dict[StartLaw, TriggerDrops]
    touch: TouchMoves


@dataclass
class PairPolicy:
    """Recommends for one pair from the panel it is called with.

    With `refresh` (nanoseconds) the through-the-cycle and stressed laws are taken as of the last multiple of it after
    `anchor`; without, as of the panel's own last bar. What was computed for a refresh date is kept; nothing else is.
    """

    task: PairTask
    anchor: int = 0
    refresh: int | None = None
    _kept: dict[int, CycleDrops] = field(default_factory=dict, repr=False)

    def __call__(self, panel: PricePanel) -> Recommendation:
        """Return the recommendation as of the panel's last bar; raise `InsufficientData` when history is too short."""
        return self.recommendation(panel, self.simulate(panel))

    def simulate(self, panel: PricePanel) -> Simulated:
        """Return the fitted model and the simulated drops as of the panel's last bar."""
        task = self.task
        model = self._fitted(panel)
        if task.peg is None:
            refuse_pegged(panel, task.pair, task.model)
        cycle = self._cycle(panel, panel.last, model)
        today = deepest_moves(self.law(model, StartLaw.PIT, self.touch_bars(panel), cycle.jumps), threads=task.threads)
        return Simulated(
            model=model,
            cycle=cycle,
            drops={StartLaw.PIT: self.drops(model, StartLaw.PIT, cycle.barriers, panel, cycle.jumps), **cycle.drops},
            touch=touch_moves(cycle.falls, today, task.appetite.touch_probability),
        )

    def recommendation(
        self, panel: PricePanel, simulated: Simulated, *, at_estimate: Mapping[StartLaw, float] | None = None
    ) -> Recommendation:
        """Return what the simulated drops recommend; `at_estimate` splits off the part of estimation error (`haircut`)."""
        task, appetite, model, cycle = self.task, self.task.appetite, simulated.model, simulated.cycle
        cut = haircut(
            simulated.drops,
            appetite,
            oracle_step=task.oracle_step,
            conformal=conformal_factor(model, wait=self.triggers(panel).wait) if appetite.conformal else 1.0,
            scenario=cycle.scenario,
            at_estimate=at_estimate,
        )
        volume = task.daily_volume or daily_volume(panel, task.pair, task.costs)
        bonus, bonus_range = self._bonus(volume, model.daily_sigma)
        return recommend(
            task.pair,
            cut,
            simulated.touch,
            bonus,
            bonus_range=bonus_range,
            falls=cycle.falls,
            through_cycle=cycle.drops[StartLaw.TTC],
            oracle_step=task.oracle_step,
            as_of=panel.last,
            current=task.current,
            largest_haircut=appetite.largest_haircut,
            flags=(*model.flags(), *(("close_only",) if pair_candles(panel, task.pair).close_only else ()), *cut.flags),
            provenance={
                **describe_model(model),
                "through_the_cycle_as_of": iso(cycle.model.fit.last),
                "daily_volume_assumed": volume,
                "seed": task.seed,
            },
        )

    def _fitted(self, panel: PricePanel) -> PathModel:
        """Return the path model; of a pegged pair the noise of measurement is left out, which would drift as no peg does."""
        task = self.task
        model = fit_path_model(panel, task.pair, task.reference, task.model)
        return replace(model, noise_share=measurement_noise(model.own.returns)) if task.peg else model

    def _cycle(self, panel: PricePanel, as_of: int, latest: PathModel) -> CycleDrops:
        task, date = self.task, as_of
        if self.refresh is not None and as_of >= self.anchor:
            date = self.anchor + (as_of - self.anchor) // self.refresh * self.refresh
        if date in self._kept:
            return self._kept[date]
        model = latest
        if date != as_of:
            try:
                model = self._fitted(panel.until(date))
            except InsufficientData:
                date = as_of  # listed since: the slow laws start with its first own date
        known = panel.until(date)
        jumps = fit_peg(known, task.pair, task.peg) if task.peg else None
        falls = deepest_moves(self.law(model, StartLaw.TTC, self.touch_bars(known), jumps), threads=task.threads)
        moves = touch_moves(falls, falls, task.appetite.touch_probability)
        barriers = moves.move * np.array(sorted(task.appetite.barrier_multiples))
        spec = self.triggers(known)
        found = CycleDrops(
            model=model,
            moves=moves,
            falls=falls,
            barriers=barriers,
            drops={law: self.drops(model, law, barriers, known, jumps) for law in (StartLaw.TTC, StartLaw.STR)},
            scenarios=tuple(
                scenario_drops(
                    pair_candles(known, task.pair),
                    pair_candles(known, task.reference),
                    task.windows,
                    barriers,
                    follow=spec.follow,
                    wait=spec.wait,
                    name=str(task.reference),
                )
            ),
            jumps=jumps,
        )
        self._kept[date] = found
        return found

    def law(
        self, model: PathModel, law: StartLaw, bars: int, jumps: JumpLayer | None, *, paths: int = 0, drawn: bool = False
    ) -> PathLaw:
        """Return the law of the task's paths, `paths` of them where given, `drawn` each under a draw of its tail."""
        task, count = self.task, paths or self.task.paths
        keys = streams(task.seed, law, str(task.pair))
        tail = model.window_tail if law is StartLaw.PIT else model.history_tail
        normals = np.random.default_rng(keys.draws).standard_normal((DRAWS, 2))
        laid = draw_jumps(jumps, paths=count, bars=bars, bar=model.bar, key=keys.draws) if jumps else None
        return path_law(
            model,
            law,
            bars=bars,
            paths=count,
            streams=keys,
            tails=tail_draws(tail, normals) if drawn else None,
            jumps=jump_table(laid, task.peg) if laid and task.peg else None,
        )

    def drops(
        self,
        model: PathModel,
        law: StartLaw,
        barriers: FloatArray,
        panel: PricePanel,
        jumps: JumpLayer | None,
        *,
        paths: int = 0,
        drawn: bool | None = None,
    ) -> TriggerDrops:
        """Return the drops after trigger under one law, over draws of the tail where the appetite says so."""
        mixed = self.task.appetite.parameter_uncertainty if drawn is None else drawn
        spec = self.triggers(panel) if not paths else replace(self.triggers(panel), paths=paths, refine=False)
        bars = spec.follow + spec.wait
        return simulate_drops(lambda count: self.law(model, law, bars, jumps, paths=count, drawn=mixed), barriers, spec)

    def _bonus(self, volume: float | None, daily_sigma: float) -> tuple[Bonus | None, tuple[float, float] | None]:
        if self.task.depth:
            found = recommend_bonus(self.task.costs, self.task.depth, daily_sigma=daily_sigma)
            return found, (found.value, found.value)
        if not volume:
            if self.task.current is None:
                raise Infeasible(
                    f"{self.task.pair}: neither volume nor a live bonus is known, so no bonus can be recommended: "
                    "give prices with volume, a daily_volume for the pair, or its current parameters"
                )
            return None, None

        def bonus(times: float) -> Bonus:
            law = slippage_law(volume * times, daily_sigma, self.task.costs)
            return recommend_bonus(self.task.costs, law, daily_sigma=daily_sigma)

        try:
            dearest = bonus(0.5).value
        except Infeasible:
            dearest = inf
        try:
            return bonus(1.0), (bonus(2.0).value, dearest)
        except Infeasible as error:
            raise Infeasible(f"{self.task.pair}: {error}") from error

    def touch_bars(self, panel: PricePanel) -> int:
        """Return the bars of the touch horizon."""
        return panel.bars_in(self.task.appetite.touch_horizon.total_seconds(), self.task.pair.collateral)

    def triggers(self, panel: PricePanel) -> TriggerSpec:
        """Return how triggers are simulated on the panel's bars."""
        appetite = self.task.appetite
        return TriggerSpec(
            follow=panel.bars_in(appetite.follow.total_seconds(), self.task.pair.collateral),
            wait=appetite.liquidation_horizon.bars(panel.bar),
            paths=self.task.paths,
            level=appetite.haircut_level,
            refine=self.task.refine,
            threads=self.task.threads,
        )


def refuse_pegged(panel: PricePanel, pair: Pair, spec: ModelSpec) -> None:
    """Raise `ModelError` for a pair whose price, less its drift, kept within 2 % on 90 % of the fit window.

    Its variance says nothing about the day the peg breaks: that needs a jump layer (`Peg`).
    """
    candles = pair_candles(panel, pair)
    recent = candles.close[candles.time > candles.time[-1] - round(spec.window_days * DAY)]
    log_price = np.log(recent)
    drift = np.linspace(0.0, 1.0, len(recent)) * (log_price[-1] - log_price[0])
    low, high = np.quantile(log_price - drift, [0.05, 0.95])
    if high - low < PEG_BAND:
        raise ModelError(
            f"{pair}: the price kept within {high - low:.2%} on 90 % of bars to {iso(int(candles.time[-1]))}: it is pegged, "
            "and volatility cannot tell how far it falls when the peg breaks; give the pair a peg, whose peers' depegs can"
        )


def daily_volume(panel: PricePanel, pair: Pair, costs: LiquidationCosts) -> float | None:
    """Return the volume (numeraire a day) a liquidator may count on: 30-day median, times share and stress.

    None where no volume is known.
    """
    candles = panel[pair.collateral]
    value = candles.volume * candles.close
    age = (candles.time[-1] - candles.time) // DAY
    recent = age < 30
    known = recent & np.isfinite(value)
    if not known.any():
        return None
    days = np.bincount(age[known], weights=value[known])
    median = float(np.median(days[days > 0])) if (days > 0).any() else 0.0
    return median * costs.volume_share * costs.volume_stress or None


def slippage_law(volume: float, daily_sigma: float, costs: LiquidationCosts) -> SlippageLaw:
    """Return the square-root slippage law of a market with this volume (numeraire a day)."""
    return Depth(daily_volume=volume, daily_sigma=daily_sigma, spread=costs.spread).slippage
