"""Out-of-sample forecasts of every asset of one or more studies, judged series by series and against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import median
from typing import Any

import numpy as np

from riskparams.backtest.judgement import Judgement, judge_forecasts
from riskparams.backtest.league import (
    WEEKS,
    Scored,
    against_first,
    average_of_members,
    confidence_set,
    members_over_time,
    score_forecasts,
)
from riskparams.backtest.power import Power, power_of_tests
from riskparams.backtest.shortfall_tests import tail_of_forecasts
from riskparams.compute import Executor
from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.forecasts.model import ForecastModel, bar_name, models_named
from riskparams.forecasts.walk import LEVELS, Forecasts, ForecastSchedule, walk_forecasts
from riskparams.prices.panel import PricePanel
from riskparams.returns import Returns, log_returns
from riskparams.settings import CoverageSection, Study
from riskparams.terms import DAY, Asset, Pair, iso, nanoseconds

AVERAGE = "confidence-set"
POWER_BARS = 3_000_000  # drawn for the power of the tests at one level


@dataclass(frozen=True)
class _Task:
    returns: Returns
    model: ForecastModel
    schedule: ForecastSchedule
    seed: int


@dataclass(frozen=True, kw_only=True)
class Series:
    """One model's forecasts of one asset and what the tests say of them, by level."""

    forecasts: Forecasts
    judged: dict[float, Judgement]


@dataclass(frozen=True, kw_only=True)
class CoverageRun:
    """Every forecast of a run, judged; `tables` holds one comparison per bar length and level."""

    series: tuple[Series, ...]
    tables: tuple[dict[str, Any], ...]
    simulated: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the judgement as JSON can hold it."""
        return {
            "simulated": self.simulated,
            "tables": list(self.tables),
            "series": [
                {
                    "asset": one.forecasts.asset,
                    "bar": bar_name(one.forecasts.bar),
                    "model": one.forecasts.model,
                    "level": level,
                    "refits": one.forecasts.refits,
                    "flags": dict(one.forecasts.flags),
                    **found.to_dict(),
                }
                for one in self.series
                for level, found in one.judged.items()
            ],
        }


def run_coverage(
    asked: Sequence[tuple[Study, PricePanel]], *, models: Sequence[str] = (), executor: Executor | None = None
) -> CoverageRun:
    """Return the forecasts of each study's collaterals by each model, judged; `models` overrides the studies' choice.

    Forecasts of assets with bars of the same length are compared together, against the model named first.
    Raises `ConfigError` where two studies ask for the same bars of an asset, or for other models at bars of the same length,
    and `InsufficientData` where several models are scored over less than two blocks of the bootstrap, eight weeks.
    """
    tasks = []
    for study, panel, chosen in _together(asked, models):
        schedule = _schedule(study.coverage)
        for asset in _collaterals(study):
            returns = log_returns(panel, Pair(asset, panel.numeraire))
            tasks += [_Task(returns, model, schedule, study.study.seed) for model in chosen]
    series = (executor or Executor()).map(_series, tasks)
    tables = []
    for bar in sorted({one.forecasts.bar for one in series}, reverse=True):
        group = [one for one in series if one.forecasts.bar == bar]
        seed = asked[0][0].study.seed
        try:
            if len({one.forecasts.model for one in group}) > 1:
                averaged, terms, spread = _averaged(group, seed)
                series += averaged
                tables += [_table(group + averaged, level, seed) | {"members": terms, "range": spread} for level in LEVELS]
            else:
                tables += [_table(group, level, seed) for level in LEVELS]
        except InsufficientData as error:
            raise InsufficientData(f"{bar_name(bar)} bars cannot compare models: {error}, or name one model alone") from error
    return CoverageRun(series=tuple(series), tables=tuple(tables), simulated=any(panel.simulated for _, panel in asked))


def _together(
    asked: Sequence[tuple[Study, PricePanel]], models: Sequence[str]
) -> list[tuple[Study, PricePanel, list[ForecastModel]]]:
    """Return each study with its models; refuse studies whose forecasts could not be told apart, or not be compared."""
    found = []
    owner: dict[tuple[int, Asset], str] = {}
    peers: dict[int, tuple[str, set[str]]] = {}
    for study, panel in asked:
        chosen = models_named(list(models or study.coverage.models))
        names = {model.name for model in chosen}
        other, theirs = peers.setdefault(panel.bar, (study.name, names))
        if names != theirs:
            raise ConfigError(
                f"studies {other} and {study.name} both have {bar_name(panel.bar)} bars and ask for different models, "
                f"{', '.join(sorted(names ^ theirs))} in one of them only: name the same in both, or give --models"
            )
        for asset in _collaterals(study):
            if (panel.bar, asset) in owner:
                raise ConfigError(
                    f"studies {owner[panel.bar, asset]} and {study.name} both forecast the {bar_name(panel.bar)} bars of "
                    f"{asset}: leave it in one of them"
                )
            owner[panel.bar, asset] = study.name
        found.append((study, panel, chosen))
    return found


def _collaterals(study: Study) -> list[Asset]:
    return list(dict.fromkeys(task.pair.collateral for task in study.tasks()))


def _schedule(section: CoverageSection) -> ForecastSchedule:
    def span(duration: timedelta) -> int:
        return round(duration / timedelta(microseconds=1)) * 1_000

    return ForecastSchedule(
        window=span(section.window),
        min_window=span(section.min_window),
        refit=span(section.refit),
        start=nanoseconds(section.start) if section.start else None,
    )


def _series(task: _Task) -> Series:
    return _judged(walk_forecasts(task.returns, task.model, task.schedule), task.seed)


def _judged(found: Forecasts, seed: int) -> Series:
    rows_a_day = max(len(found) - 1, 1) * DAY / max(int(found.time[-1]) - int(found.time[0]), found.bar)
    block = min(WEEKS * 7 * rows_a_day, len(found) / 2)
    judged = {}
    for column, level in enumerate(found.levels):
        value_at_risk, shortfall = found.value_at_risk[:, column], found.expected_shortfall[:, column]
        try:
            judged[level] = judge_forecasts(found.realised, value_at_risk, shortfall, level, seed=seed, mean_block=block)
        except DataError as error:
            raise type(error)(f"{found.asset}, {found.model}: {error}") from error
    return Series(forecasts=found, judged=judged)


def _scored(group: Sequence[Series], level: float) -> Scored:
    by_model: dict[str, dict[str, Any]] = {}
    for one in group:
        said = one.forecasts
        column = said.levels.index(level)
        row = (said.time, said.realised, said.value_at_risk[:, column], said.expected_shortfall[:, column])
        by_model.setdefault(said.model, {})[said.asset] = row
    return score_forecasts(by_model, level)


def _averaged(group: Sequence[Series], seed: int) -> tuple[list[Series], list[dict[str, Any]], dict[str, Any]]:
    """Return the average of the confidence set as one more model, who was in it when, and how far its members lie apart."""
    scored = [_scored(group, level) for level in LEVELS]
    both = Scored(
        assets=scored[0].assets,
        time=scored[0].time,
        scores={name: np.add(*(one.scores[name] for one in scored)) for name in scored[0].scores},
    )
    members = members_over_time(both, seed=seed)
    final = confidence_set(both, seed=seed).kept
    by_asset: dict[str, dict[str, Forecasts]] = {}
    for one in group:
        by_asset.setdefault(one.forecasts.asset, {})[one.forecasts.model] = one.forecasts
    found, low, high = [], [], []
    for said in by_asset.values():
        first = next(iter(said.values()))
        losses = {name: one.value_at_risk for name, one in said.items()}
        shortfalls = {name: one.expected_shortfall for name, one in said.items()}
        average = replace(
            first,
            model=AVERAGE,
            value_at_risk=average_of_members(first.time, losses, members),
            expected_shortfall=average_of_members(first.time, shortfalls, members),
            refits=len(members),
            flags={},
        )
        found.append(_judged(average, seed))
        kept = np.array([losses[name] for name in final])
        middle = kept.mean(axis=0)
        low.append(float(np.median(kept.min(axis=0) / middle)))
        high.append(float(np.median(kept.max(axis=0) / middle)))
    terms = [{"from": iso(date), "members": list(names)} for date, names in members]
    return found, terms, {"members": list(final), "low": median(low), "high": median(high)}


def _table(group: Sequence[Series], level: float, seed: int) -> dict[str, Any]:
    scored = _scored(group, level)
    ours = next(iter(scored.scores))
    versus = against_first(scored, seed=seed)
    candidates = {model: scores for model, scores in scored.scores.items() if model != AVERAGE}
    kept = confidence_set(replace(scored, scores=candidates), seed=seed).kept if versus else (ours,)
    rows = []
    for model, scores in scored.scores.items():
        judged = [one.judged[level] for one in group if one.forecasts.model == model]
        ratios = [one.es_ratio for one in judged if one.es_ratio is not None]
        other = versus.get(model)
        rows.append({
            "model": model,
            "bars": sum(one.bars for one in judged),
            "hits": sum(one.hits for one in judged),
            "hit_rate_over_target": sum(one.hits for one in judged) / sum(one.expected for one in judged),
            "kupiec_rejected": sum(one.kupiec_p < 0.05 for one in judged),
            "kupiec_corrected_rejected": sum(one.clustered_scaled_p < 0.05 for one in judged),
            "kupiec_corrected_z_rejected": sum(one.clustered_p < 0.05 for one in judged),
            "conditional_coverage_passed": sum(one.conditional_coverage_p >= 0.05 for one in judged),
            "dynamic_quantile_passed": sum(one.dynamic_quantile_p >= 0.05 for one in judged),
            "dynamic_quantile_var_passed": sum(one.dynamic_quantile_var_p >= 0.05 for one in judged),
            "es_ratio_median": median(ratios) if ratios else None,
            "fz0": float(np.nanmean(scores)),
            "first_less_this": other.difference if other else None,
            "p_first_better": other.p_lower if other else None,
            "p_first_worse": other.p_higher if other else None,
            "in_confidence_set": model in kept if model in candidates else None,
        })  # fmt: skip
    flags: dict[str, Counter[str]] = {}
    for one in group:
        flags.setdefault(one.forecasts.model, Counter()).update(one.forecasts.flags)
    return {
        "bar": bar_name(group[0].forecasts.bar),
        "level": level,
        "flags": {model: dict(counted) for model, counted in flags.items() if counted},
        "assets": list(scored.assets),
        "from": iso(int(scored.time[0])),
        "to": iso(int(scored.time[-1])),
        "rows": rows,
        "power": _power([one.forecasts for one in group if one.forecasts.model == ours], level, seed).to_dict(),
    }


def _power(ours: Sequence[Forecasts], level: float, seed: int) -> Power:
    """Return the power of the tests in the median series, under the tail law that the first model's forecasts imply."""
    column = LEVELS.index(level)
    value_at_risk = np.concatenate([one.value_at_risk[:, column] for one in ours])
    law = tail_of_forecasts(value_at_risk, np.concatenate([one.expected_shortfall[:, column] for one in ours]), level)
    bars = round(median(len(one) for one in ours))
    return power_of_tests(bars, level, law=law, seed=seed, draws=max(50, min(400, POWER_BARS // bars)))
