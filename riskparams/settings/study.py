"""Study: one question asked of the package, from a TOML file and the environment, as the rooms' spec objects."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from riskparams.backtest.liquidation import LiquidationRules
from riskparams.backtest.positions import Cohort
from riskparams.backtest.scenario_files import load_scenarios
from riskparams.backtest.scenarios import Window
from riskparams.errors import ConfigError, GuardrailError
from riskparams.execution import LiquidationHorizon
from riskparams.forecasts.model import models_named
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.penalty import LiquidationCosts
from riskparams.parameters.policy import PairTask
from riskparams.parameters.scenarios import StressWindow
from riskparams.parameters.uncertainty import Mode
from riskparams.paths.model import ModelSpec
from riskparams.prices.candles import Stamp
from riskparams.prices.panel import Calendar
from riskparams.settings.change import ChangeSection
from riskparams.settings.fields import Duration, Moment, Section, Span
from riskparams.settings.history import HistorySection
from riskparams.settings.liquidation import LiquidationSection
from riskparams.settings.pairs import PairSection
from riskparams.settings.stress import StressSection
from riskparams.tails.gpd import TailSpec
from riskparams.terms import Asset, Pair

_APPETITE, _COSTS, _MODEL = RiskAppetite(), LiquidationCosts(), ModelSpec()  # the defaults live with the specs


class StudySection(Section):
    """[study]"""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    as_of: Moment | None = None


class PricesSection(Section):
    """[prices]: files, or one of the bundled markets."""

    bundled: Literal["simulated", "index"] | None = None
    bar: Span = timedelta(hours=1)
    stamp: Stamp = Stamp.START
    numeraire: str = "USD"
    calendar: Calendar = Calendar.CONTINUOUS
    volume_unit: Literal["base", "quote", "none"] = "base"
    files: Mapping[str, str | list[str]] = {}
    stamps: Mapping[str, Stamp] = {}  # of the assets whose stamps mean something else
    repair: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.files) == bool(self.bundled):
            raise ValueError('give either [prices.files] or bundled = "simulated" | "index", not both and not neither')
        odd = sorted(set(self.stamps) - set(self.files))
        if odd:
            raise ValueError(
                f"stamps names {', '.join(odd)}, of which no file is listed: add it to [prices.files] or remove it"
            )
        return self


class ModelSection(Section):
    """[model]"""

    reference: str
    other_references: tuple[str, ...] = ()  # to show what filling back from them would do
    peers: tuple[str, ...] = ()
    window: Span = timedelta(days=_MODEL.window_days)
    min_window: Span = timedelta(days=_MODEL.min_window_days)
    history: Span = timedelta(days=_MODEL.history_days)
    tail_share: float = _MODEL.tail.share
    block_bars: Annotated[float, Field(ge=1)] = _MODEL.block_bars
    uncertainty: Mode = Mode.CHEAP
    paths: Annotated[int, Field(ge=1_000, le=2_000_000)] = 80_000


class HorizonTable(Section):
    """liquidation_horizon as a table, in seconds."""

    oracle: float = 60.0
    keeper: float = 0.0
    auction: float = 0.0
    bridge: float = 0.0
    call_interval: float = 0.0
    halt: float = 0.0


class AppetiteSection(Section):
    """[appetite]"""

    haircut_level: float = _APPETITE.haircut_level
    shortfall_level: float = _APPETITE.shortfall_level
    liquidation_horizon: HorizonTable | Duration = timedelta(hours=1)
    touch_probability: float = _APPETITE.touch_probability
    touch_horizon: Span = _APPETITE.touch_horizon
    follow: Span = _APPETITE.follow
    barrier_multiples: tuple[float, ...] = _APPETITE.barrier_multiples
    stress_weight: float = _APPETITE.stress_weight
    scenarios: tuple[str, ...] = ()
    cycle_floor: bool = _APPETITE.cycle_floor
    buffer: float = _APPETITE.buffer
    parameter_uncertainty: bool = _APPETITE.parameter_uncertainty
    conformal: bool = _APPETITE.conformal
    annual_loss: float = _APPETITE.annual_loss
    liquidation_rate: float = _APPETITE.liquidation_rate
    branching: float = _APPETITE.branching

    def build(self) -> RiskAppetite:
        """Return the spec object that the rooms take; raise `ConfigError` for values it refuses."""
        horizon = self.liquidation_horizon
        if isinstance(horizon, HorizonTable):
            built = LiquidationHorizon(**horizon.model_dump())
        else:
            seconds = horizon.total_seconds()
            built = LiquidationHorizon(oracle=min(60.0, seconds), keeper=max(seconds - 60.0, 0.0))
        rest = self.model_dump(exclude={"liquidation_horizon", "scenarios"})
        return RiskAppetite(liquidation_horizon=built, **rest)

    def windows(self) -> tuple[StressWindow, ...]:
        """Return the named windows of the past that the stress weight looks at; raise `ConfigError` for an unknown name."""
        known = load_scenarios() if self.scenarios else {}
        found = []
        for name in self.scenarios:
            scenario = known.get(name)
            if scenario is None or not isinstance(scenario.event, Window):
                windows = ", ".join(other for other, one in known.items() if isinstance(one.event, Window))
                raise ConfigError(f"appetite.scenarios names {name!r}: expected windows of the past, some of {windows}")
            found.append(StressWindow(name=name, start=scenario.event.start, end=scenario.event.end))
        return tuple(found)


class ExecutionSection(Section):
    """[execution]: METHOD section 9 defaults, all assumptions."""

    oracle_gap: float = _COSTS.oracle_gap
    venue_fee: float = _COSTS.venue_fee
    flash_fee: float = _COSTS.flash_fee
    margin: float = _COSTS.margin
    inventory_seconds: float = _COSTS.inventory_seconds
    gas: float = _COSTS.gas
    win_probability: float = _COSTS.win_probability
    spread: float = _COSTS.spread
    protocol_share: float = _COSTS.protocol_share
    volume_share: float = _COSTS.volume_share
    volume_stress: float = _COSTS.volume_stress
    safety: float = _COSTS.safety

    def build(self) -> LiquidationCosts:
        """Return the spec object that the rooms take; raise `ConfigError` for values it refuses."""
        return LiquidationCosts(**self.model_dump())


class BacktestSection(Section):
    """[backtest]"""

    start: Moment
    end: Moment | None = None  # the last day tested, inclusive
    refit: Span = timedelta(days=7)
    ttc_refresh: Span = timedelta(days=28)
    paths: Annotated[int, Field(ge=1_000, le=2_000_000)] = 20_000
    accounts: Annotated[int, Field(ge=10, le=1_000_000)] = 10_000
    draws: Annotated[int, Field(ge=99)] = 999

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError(f"end {self.end:%Y-%m-%d} lies before start {self.start:%Y-%m-%d}")
        return self


class CoverageSection(Section):
    """[coverage]: one-bar forecasts, out of sample; the window grows from `min_window` to `window`."""

    models: Annotated[tuple[str, ...], Field(min_length=1)] = ("component",)
    window: Span = timedelta(days=730)
    min_window: Span = timedelta(days=365)
    refit: Span = timedelta(days=7)
    start: Moment | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_window > self.window:
            raise ValueError(f"min_window of {self.min_window.days} days is longer than the window of {self.window.days}")
        try:
            models_named(list(self.models))
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self


class Study(Section):
    """A study file. Sections left out take METHOD's defaults; without [backtest] nothing is judged."""

    study: StudySection
    prices: PricesSection
    model: ModelSection
    appetite: AppetiteSection = AppetiteSection()
    execution: ExecutionSection = ExecutionSection()
    liquidation: LiquidationSection = LiquidationSection()
    change: ChangeSection = ChangeSection()
    backtest: BacktestSection | None = None
    coverage: CoverageSection = CoverageSection()
    history: HistorySection | None = None
    stress: StressSection = StressSection()
    pairs: Annotated[list[PairSection], Field(min_length=1)]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        try:
            horizon = self.appetite.build().liquidation_horizon
            self.appetite.windows()
            self.change.build()
            self.execution.build()
        except ConfigError as error:
            raise ValueError(str(error)) from error
        seen: set[Pair] = set()
        if self.prices.bar >= timedelta(days=1) and horizon.seconds < 12 * 3600:
            raise ValueError(
                f"daily bars cannot resolve a liquidation horizon of {horizon.seconds / 3600:g} hours: "
                'give hourly prices, or set appetite.liquidation_horizon to "12h" or more'
            )
        if self.model.reference == self.prices.numeraire:
            raise ValueError(f"model.reference is the numeraire {self.model.reference}: name the longest-lived asset")
        if self.model.peers:
            raise ValueError(
                f"model.peers names {', '.join(self.model.peers)}: pooling tail shapes is not offered; leave it empty"
            )
        assets = {self.model.reference, *self.model.other_references}
        for section in self.pairs:
            if section.collateral in (section.debt, self.prices.numeraire):
                raise ValueError(
                    f"pair {section.pair}: the collateral must differ from the debt and from the numeraire "
                    f"{self.prices.numeraire}; name the asset that is pledged"
                )
            if section.pair in seen:
                raise ValueError(f"pair {section.pair} is listed twice: remove one")
            seen.add(section.pair)
            try:
                section.observed()
                section.judged()
                section.slippage()
                section.exposed()
                peers = section.peg.build(self.prices.numeraire).assets if section.peg else ()
            except (ConfigError, GuardrailError) as error:
                raise ValueError(f"pair {section.pair}: {error}") from error
            assets |= {section.collateral, section.debt, *peers}
        if self.history and self.history.collateral not in {section.collateral for section in self.pairs}:
            raise ValueError(
                f"history.collateral {self.history.collateral} is that of no pair: name the asset the accounts pledge"
            )
        odd = sorted(set(self.stress.stands_for) - assets)
        if odd:
            raise ValueError(f"stress.stands_for names {', '.join(odd)}, in no pair and not the reference: remove it")
        if self.prices.files:
            missing = sorted(assets - set(self.prices.files) - {self.prices.numeraire})
            if missing:
                raise ValueError(f"[prices.files] names no file for {', '.join(missing)}: add one or drop the pair")
        return self

    @property
    def name(self) -> str:
        """Name of the study, and of its report folder."""
        return self.study.name

    def other_references(self) -> tuple[Pair, ...]:
        """Return the pairs that histories could be filled back from instead."""
        return tuple(Pair(Asset(name), Asset(self.prices.numeraire)) for name in self.model.other_references)

    def tasks(self) -> list[PairTask]:
        """Return what is asked about each pair, for the headline recommendation."""
        reference = Pair(Asset(self.model.reference), Asset(self.prices.numeraire))
        spec = ModelSpec(
            window_days=self.model.window / timedelta(days=1),
            min_window_days=self.model.min_window / timedelta(days=1),
            history_days=self.model.history / timedelta(days=1),
            tail=TailSpec(share=self.model.tail_share),
            block_bars=self.model.block_bars,
        )
        appetite, costs, windows = self.appetite.build(), self.execution.build(), self.appetite.windows()
        return [
            PairTask(
                pair=section.pair,
                reference=section.pair if section.peg else reference,  # a pegged pair borrows nobody's variance
                model=spec,
                appetite=appetite,
                costs=costs,
                oracle_step=section.oracle_deviation,
                current=section.observed(),
                daily_volume=section.daily_volume,
                depth=section.slippage(),
                windows=windows,
                peg=section.peg.build(self.prices.numeraire) if section.peg else None,
                paths=self.model.paths,
                seed=self.study.seed,
            )
            for section in self.pairs
        ]

    def rules(self, bar: int) -> LiquidationRules:
        """Return the liquidation rules that the backtest plays by."""
        horizon = self.appetite.build().liquidation_horizon
        return self.liquidation.build(execution_bars=horizon.bars(bar), protocol_share=self.execution.protocol_share)

    def cohort(self) -> Cohort:
        """Return the assumptions about borrowers."""
        return Cohort()


def load_study(path: Path, environment: Mapping[str, str] | None = None) -> Study:
    """Return the study in a TOML file, with `RISKPARAMS__section__key` of the environment laid over it.

    Raises `ConfigError` naming the file, the key, what was found and, for an unknown key, the nearest known one.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no study at {path}: give the path of a .toml file, for example studies/sample.toml"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the study {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for name, text in sorted((os.environ if environment is None else environment).items()):
        parts = name.split("__")
        if parts[0] != "RISKPARAMS" or len(parts) < 3:
            continue
        table: Any = document
        for part in parts[1:-1]:
            table = table.setdefault(part.lower(), {})
            if not isinstance(table, dict):
                raise ConfigError(f"{name} names no section of {path}: write RISKPARAMS__section__key")
        table[parts[-1].lower()] = _toml_value(text)
    try:
        return Study.model_validate(document)
    except ValidationError as error:
        raise ConfigError(_explain(path, error)) from None


def _toml_value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(path: Path, error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"]) or "the study"
        if fault["type"] == "extra_forbidden":
            known = _fields_at(Study, fault["loc"][:-1])
            nearest = get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=0.5)
            advice = f"did you mean {nearest[0]!r}?" if nearest else f"known keys are {', '.join(sorted(known))}"
            lines.append(f"{path}: unknown key {where}: {advice}")
        elif fault["type"] == "missing":
            lines.append(f"{path}: {where} is missing: add it")
        else:
            message = fault["msg"].removeprefix("Value error, ")
            seen = "" if isinstance(fault["input"], dict | BaseModel) else f" (found {fault['input']!r})"
            lines.append(f"{path}: {where}: {message}{seen}")
    return "\n".join(dict.fromkeys(lines))


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        if isinstance(part, int) or part not in model.model_fields:
            continue
        pending: list[Any] = [model.model_fields[part].annotation]
        while pending:
            candidate = pending.pop()
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
                break
            pending.extend(get_args(candidate))
    return list(model.model_fields)
