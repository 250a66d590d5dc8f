"""Our policy: prices known so far -> a recommendation for one pair. It reads nothing but the panel it is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import numpy as np

from riskparams.errors import Infeasible, InsufficientData, ModelError
from riskparams.execution import Depth, SlippageLaw
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.haircut import haircut
from riskparams.parameters.penalty import Bonus, LiquidationCosts, recommend_bonus
from riskparams.parameters.recommend import Recommendation, TouchMoves, recommend, touch_moves
from riskparams.parameters.risk_parameters import ObservedParameters
from riskparams.paths.model import ModelSpec, PathModel, describe_model, fit_path_model
from riskparams.paths.simulate import PathLaw, StartLaw, path_law, streams
from riskparams.paths.trigger import TriggerDrops, TriggerSpec, deepest_moves, simulate_drops
from riskparams.prices.panel import PricePanel
from riskparams.returns import pair_candles
from riskparams.terms import DAY, Asset, FloatArray, Pair, iso

PEG_BAND = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTask:
    """What is asked about one pair; `reference` is the pair whose history fills back shorter ones.

    `daily_volume` (numeraire) overrides the volume in the prices and is taken as it stands. `seed` and the pair's name
    key its random streams, so the other pairs of a study do not matter.
    """

    pair: Pair
    reference: Pair
    model: ModelSpec
    appetite: RiskAppetite
    costs: LiquidationCosts
    oracle_step: float
    current: ObservedParameters | None = None
    daily_volume: float | None = None
    paths: int = 80_000
    refine: bool = True
    threads: int = 1
    seed: int = 0

    @property
    def assets(self) -> tuple[Asset, ...]:
        """What the task reads prices of: collateral, debt (perhaps the numeraire) and reference."""
        return self.pair.collateral, self.pair.debt, self.reference.collateral


@dataclass(frozen=True, slots=True, kw_only=True)
class _CycleDrops:
    """The slow part: what does not depend on today's state."""

    model: PathModel
    moves: TouchMoves
    falls: FloatArray
    drops: dict[StartLaw, TriggerDrops]


@dataclass
class PairPolicy:
    """Recommends for one pair from the panel it is called with.

    With `refresh` (nanoseconds) the through-the-cycle and stressed laws are taken as of the last multiple of it after
    `anchor`; without, as of the panel's own last bar. What was computed for a refresh date is kept; nothing else is.
    """

    task: PairTask
    anchor: int = 0
    refresh: int | None = None
    _kept: dict[int, _CycleDrops] = field(default_factory=dict, repr=False)

    def __call__(self, panel: PricePanel) -> Recommendation:
        """Return the recommendation as of the panel's last bar; raise `InsufficientData` when history is too short."""
        task, appetite = self.task, self.task.appetite
        as_of = panel.last
        model = fit_path_model(panel, task.pair, task.reference, task.model)
        refuse_pegged(panel, task.pair, task.model)
        cycle = self._cycle(panel, as_of, model)
        spec = self._triggers(panel)
        barriers = cycle.moves.move * np.array(appetite.barrier_multiples)
        today = self._falls(model, StartLaw.PIT, panel)
        drops = {StartLaw.PIT: self._drops(model, StartLaw.PIT, barriers, spec), **cycle.drops}
        touch = touch_moves(cycle.falls, today, appetite.touch_probability)
        cut = haircut(drops, appetite, oracle_step=task.oracle_step)
        volume = task.daily_volume or daily_volume(panel, task.pair, task.costs)
        bonus, bonus_range = self._bonus(volume, model.daily_sigma)
        return recommend(
            task.pair,
            cut,
            touch,
            bonus,
            bonus_range=bonus_range,
            falls=cycle.falls,
            through_cycle=cycle.drops[StartLaw.TTC],
            oracle_step=task.oracle_step,
            as_of=as_of,
            current=task.current,
            largest_haircut=appetite.largest_haircut,
            flags=(*model.flags(), *cut.flags),
            provenance={
                **describe_model(model),
                "through_the_cycle_as_of": iso(cycle.model.fit.last),
                "daily_volume_assumed": volume,
                "seed": task.seed,
            },
        )

    def _cycle(self, panel: PricePanel, as_of: int, latest: PathModel) -> _CycleDrops:
        date = as_of
        if self.refresh is not None and as_of >= self.anchor:
            date = self.anchor + (as_of - self.anchor) // self.refresh * self.refresh
        if date in self._kept:
            return self._kept[date]
        model = latest
        if date != as_of:
            try:
                model = fit_path_model(panel.until(date), self.task.pair, self.task.reference, self.task.model)
            except InsufficientData:
                date = as_of  # listed since: the slow laws start with its first own date
        falls = self._falls(model, StartLaw.TTC, panel.until(date))
        moves = touch_moves(falls, falls, self.task.appetite.touch_probability)
        barriers = moves.move * np.array(self.task.appetite.barrier_multiples)
        spec = self._triggers(panel.until(date))
        found = _CycleDrops(
            model=model,
            moves=moves,
            falls=falls,
            drops={law: self._drops(model, law, barriers, spec) for law in (StartLaw.TTC, StartLaw.STR)},
        )
        self._kept[date] = found
        return found

    def _law(self, model: PathModel, law: StartLaw, bars: int, paths: int) -> PathLaw:
        keys = streams(self.task.seed, law, str(self.task.pair))
        return path_law(model, law, bars=bars, paths=paths, streams=keys)

    def _falls(self, model: PathModel, law: StartLaw, panel: PricePanel) -> FloatArray:
        return deepest_moves(self._law(model, law, self._touch_bars(panel), self.task.paths), threads=self.task.threads)

    def _drops(self, model: PathModel, law: StartLaw, barriers: FloatArray, spec: TriggerSpec) -> TriggerDrops:
        return simulate_drops(lambda paths: self._law(model, law, spec.follow + spec.wait, paths), barriers, spec)

    def _bonus(self, volume: float | None, daily_sigma: float) -> tuple[Bonus | None, tuple[float, float] | None]:
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

    def _touch_bars(self, panel: PricePanel) -> int:
        return panel.bars_in(self.task.appetite.touch_horizon.total_seconds(), self.task.pair.collateral)

    def _triggers(self, panel: PricePanel) -> TriggerSpec:
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

    Its variance says nothing about the day the peg breaks: that needs a model of jumps, which is not offered yet.
    """
    candles = pair_candles(panel, pair)
    recent = candles.close[candles.time > candles.time[-1] - round(spec.window_days * DAY)]
    log_price = np.log(recent)
    drift = np.linspace(0.0, 1.0, len(recent)) * (log_price[-1] - log_price[0])
    low, high = np.quantile(log_price - drift, [0.05, 0.95])
    if high - low < PEG_BAND:
        raise ModelError(
            f"{pair}: the price kept within {high - low:.2%} on 90 % of bars to {iso(int(candles.time[-1]))}: it is pegged, "
            "and volatility cannot tell how far it falls when the peg breaks; leave the pair out, or set its parameters by hand"
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
