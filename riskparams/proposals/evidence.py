"""Evidence: every number a report may state, with its unit, interval and date; the text adds none of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import hypot
from typing import Any

import numpy as np

from riskparams.backtest.borrower_outcomes import BorrowerOutcomes
from riskparams.backtest.metric import Metric
from riskparams.backtest.procyclicality import Procyclicality
from riskparams.backtest.trigger_coverage import CoverageTest
from riskparams.parameters.ltv import max_liquidation_threshold
from riskparams.parameters.recommend import Recommendation
from riskparams.prices.panel import Candles
from riskparams.prices.quality import PriceQuality
from riskparams.terms import DAY, day, iso

SCHEMA_VERSION = 1
EXPLAIN_ABOVE = 0.03  # a threshold further than this from the live one, at the live bonus, is explained


@dataclass(frozen=True, slots=True, kw_only=True)
class PrudenceCost:
    """What prudence beyond today's law took off the threshold on average (a fraction), and the share of dates by what set
    it."""

    threshold_points: float
    set_by: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedPair:
    """What the backtest found for one pair, or for all: metrics by parameter set, differences to the live set, trigger
    coverage of the published drop and of today's law alone, what prudence cost, and what happened to borrowers under each set,
    which is told for all pairs together only.
    """

    start: int
    end: int
    sets: Mapping[str, Mapping[str, Metric]]
    best_intrabar: Mapping[str, Mapping[str, Metric]]
    difference: Mapping[str, Metric]
    coverage: CoverageTest | None
    coverage_today: CoverageTest | None
    prudence: PrudenceCost
    borrowers: Mapping[str, BorrowerOutcomes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A JSON-ready document; see `gather_evidence` for its parts."""

    data: Mapping[str, Any]


def estimate(value: float, low: float, high: float, *, unit: str, basis: str) -> dict[str, object]:
    """Return a number with its interval and what the interval means."""
    return {"value": value, "low": low, "high": high, "unit": unit, "basis": basis}


def describe_recommendation(found: Recommendation, grounds: Mapping[str, Any], quality: PriceQuality) -> dict[str, Any]:
    """Return one pair's part of the evidence; `grounds` come from `proposals.grounds`."""
    basis = "90 % of what estimation and simulation leave open, before rounding; not the uncertainty of the model"
    parameters, cut, spreads = found.parameters, found.haircut, grounds["intervals"]["spreads"]

    def between(value: float, name: str) -> dict[str, object]:
        return estimate(value, spreads[name]["low"], spreads[name]["high"], unit="fraction", basis=basis)

    bonus_low, bonus_high = found.bonus_range
    current = None
    if found.current:
        gap = found.at_current_bonus - found.current.liquidation_threshold
        current = {
            **asdict(found.current),
            "implied_drop": found.current.implied_drop,
            "breach_share": found.breach_at_current,
            "touch_probability": found.touch_at_current,
            "threshold_difference_at_current_bonus": round(gap, 10),
            "needs_explanation": abs(gap) > EXPLAIN_ABOVE + 1e-9,
        }
    return {
        "pair": str(found.pair),
        "collateral": found.pair.collateral,
        "debt": found.pair.debt,
        "as_of": iso(found.as_of),
        "recommended": {
            "haircut": between(cut.value, "haircut"),
            "liquidation_threshold": between(parameters.liquidation_threshold, "liquidation_threshold"),
            "max_ltv": between(parameters.max_ltv, "max_ltv"),
            "liquidation_bonus": estimate(
                parameters.liquidation_bonus, bonus_low, bonus_high, unit="fraction", basis="twice and half the assumed volume"
            ),
            "liquidation_threshold_at_current_bonus": estimate(
                found.at_current_bonus,
                *(
                    max_liquidation_threshold(spreads["haircut"][end], found.current.liquidation_bonus)
                    for end in ("high", "low")
                ),
                unit="fraction",
                basis=basis,
            )
            if found.current
            else None,
            "target_health": grounds["target_health"],
            "min_debt": found.bonus.min_debt if found.bonus else None,
            "implied_drop": parameters.implied_drop,
        },
        "current": current,
        "components": [{"name": name, "value": value} for name, value in cut.components.items()],
        "binding": list(found.binding),
        "laws": {str(law): asdict(drop) for law, drop in cut.laws.items()},
        "published_drops": {str(level): drop for level, drop in cut.published.items()},
        "touch": asdict(found.touch),
        "bonus_by_size": [{"debt": size, "required": needed} for size, needed in found.bonus.required] if found.bonus else [],
        "bonus_at_dearest": {
            "debt": found.bonus.dearest_size,
            "slippage": found.bonus.slippage,
            "inventory": found.bonus.inventory,
            "bonus": found.bonus.value,
        }
        if found.bonus
        else None,
        "flags": list(found.flags),
        "monte_carlo_error": {
            "haircut": cut.error,
            "liquidation_threshold": found.threshold_error,
            "max_ltv": found.ltv_error,
        },
        "published_today": {str(level): drop for level, drop in cut.published_today.items()},
        **{name: part for name, part in grounds.items() if name != "target_health"},
        "provenance": dict(found.provenance),
        "quality": quality.to_dict(),
    }


def describe_history(history: Sequence[tuple[int, Recommendation]]) -> dict[str, list[Any]]:
    """Return the walk-forward recommendations as columns; dates are those of the data, not of taking effect."""
    rows = [found for _, found in history]
    return {
        "as_of": [iso(row.as_of) for row in rows],
        "haircut": [row.haircut.value for row in rows],
        "haircut_error": [row.haircut.error for row in rows],
        "liquidation_threshold": [row.parameters.liquidation_threshold for row in rows],
        "liquidation_threshold_at_current_bonus": [row.at_current_bonus for row in rows],
        "max_ltv": [row.parameters.max_ltv for row in rows],
        "liquidation_bonus": [row.parameters.liquidation_bonus for row in rows],
        "binding": [row.haircut.binding for row in rows],
    }


def describe_test(tested: TestedPair) -> dict[str, Any]:
    """Return one backtest, of a pair or pooled, as evidence."""

    def plain(sets: Mapping[str, Mapping[str, Metric]]) -> dict[str, Any]:
        return {name: {metric: asdict(value) for metric, value in metrics.items()} for name, metrics in sets.items()}

    return {
        "start": iso(tested.start),
        "end": iso(tested.end),
        "sets": plain(tested.sets),
        "best_intrabar": plain(tested.best_intrabar),
        "difference": {name: asdict(value) for name, value in tested.difference.items()},
        "coverage": asdict(tested.coverage) if tested.coverage else None,
        "coverage_today": asdict(tested.coverage_today) if tested.coverage_today else None,
        "prudence": asdict(tested.prudence),
        "borrowers": {name: _dated(asdict(found)) for name, found in tested.borrowers.items()} or None,
    }


def describe_procyclicality(moved: Mapping[str, Procyclicality]) -> dict[str, Any]:
    """Return how far each recommended parameter moved over the walk-forward, by its name."""
    return {name: _dated(asdict(found)) for name, found in moved.items()}


def _dated(value: Any) -> Any:
    """Return a copy in which times (`time`, `at`, `peak_at`, ...) are ISO text instead of nanoseconds."""
    if isinstance(value, Mapping):
        return {
            name: iso(inner) if inner is not None and (name in ("time", "at") or name.endswith("_at")) else _dated(inner)
            for name, inner in value.items()
        }
    return [_dated(inner) for inner in value] if isinstance(value, list | tuple) else value


def check_inequality(histories: Mapping[str, Sequence[Recommendation]]) -> dict[str, Any]:
    """Count the recommendations that break threshold x (1 + bonus) <= 1 - haircut or max LTV < threshold, by date."""
    broken = []
    checked = 0
    for pair, rows in histories.items():
        for row in rows:
            checked += 1
            terms = row.parameters
            fits = terms.liquidation_threshold * (1 + terms.liquidation_bonus) <= 1 - row.haircut.value + 1e-12
            if not fits or not (terms.max_ltv < terms.liquidation_threshold or terms.liquidation_threshold == 0):
                broken.append({"pair": pair, "date": day(row.as_of)})
    return {"checked": checked, "broken": broken}


def check_order(histories: Mapping[str, Sequence[Recommendation]], reference: str) -> dict[str, Any]:
    """List the dates on which a filled-back asset's haircut lies below the reference's by more than two errors.

    Nothing enforces the order: a violation is a finding, listed with the law that set each haircut.
    """
    ours = {row.as_of: row for row in histories.get(reference, ())}
    compared, violations = 0, []
    for pair, rows in histories.items():
        for row in rows:
            other = ours.get(row.as_of)
            if pair == reference or other is None or "filled_back" not in row.flags:
                continue
            compared += 1
            short = other.haircut.value - row.haircut.value
            error = hypot(other.haircut.error, row.haircut.error)
            if short > 2 * error:
                cause = f"{reference}: {other.haircut.binding}; {pair}: {row.haircut.binding}; " + ", ".join(
                    f"{law} {other.haircut.laws[law].drop:.4f} against {row.haircut.laws[law].drop:.4f}"
                    for law in row.haircut.laws
                )
                violations.append({"pair": pair, "date": day(row.as_of), "points": short, "error": error, "cause": cause})
    return {"reference": reference, "compared": compared, "violations": violations}


def gather_evidence(
    *,
    study: Mapping[str, Any],
    assumptions: Mapping[str, Any],
    pairs: Sequence[Mapping[str, Any]],
    refused: Sequence[Mapping[str, Any]],
    pooled: Mapping[str, Any] | None,
    checks: Mapping[str, Any],
) -> Evidence:
    """Return the whole evidence of a run.

    `study` names it (name, as_of, run_id, version, seed, simulated, numeraire, bar_seconds); `assumptions` are the appetite,
    execution, borrowers and rules; `pairs` come from `describe_recommendation`, with `history`, `procyclicality`, `backtest`
    and `prices` laid in; `refused` are pairs without a recommendation, each with its reason; `pooled` is the backtest over all
    pairs; `checks` are the guardrails.
    """
    return Evidence(
        data={
            "schema_version": SCHEMA_VERSION,
            "study": dict(study),
            "assumptions": dict(assumptions),
            "pairs": [dict(pair) for pair in pairs],
            "refused": [dict(refusal) for refusal in refused],
            "pooled": dict(pooled) if pooled else None,
            "checks": dict(checks),
        }
    )


def daily_prices(candles: Candles) -> dict[str, list[Any]]:
    """Return the last close and the lowest low of each UTC day, as columns."""
    number = (candles.time - 1) // DAY
    last = np.flatnonzero(np.diff(number, append=number[-1] + 1))
    first = np.append(0, last[:-1] + 1)
    return {
        "date": [day(int(value) * DAY) for value in number[last]],
        "close": [float(f"{value:.8g}") for value in candles.close[last]],
        "low": [float(f"{value:.8g}") for value in np.minimum.reduceat(candles.low, first)],
    }


def parameters_document(evidence: Evidence, recommendations: Sequence[Recommendation]) -> dict[str, Any]:
    """Return `parameters.json`: what a program needs to act on the recommendations, and to know which run they are from."""
    study = evidence.data["study"]
    pairs = {}
    for found in recommendations:
        pairs[str(found.pair)] = {
            "collateral": found.pair.collateral,
            "debt": found.pair.debt,
            "haircut": found.haircut.value,
            "haircut_error": found.haircut.error,
            "liquidation_threshold": found.parameters.liquidation_threshold,
            "liquidation_threshold_error": found.threshold_error,
            "max_ltv": found.parameters.max_ltv,
            "max_ltv_error": found.ltv_error,
            "liquidation_bonus": found.parameters.liquidation_bonus,
            "liquidation_threshold_at_current_bonus": found.at_current_bonus,
            "min_debt": found.bonus.min_debt if found.bonus else None,
            "binding": list(found.binding),
            "flags": list(found.flags),
        }
    return {
        "schema_version": SCHEMA_VERSION,
        "study": study["name"],
        "as_of": study["as_of"],
        "run_id": study["run_id"],
        "version": study["version"],
        "simulated": study["simulated"],
        "pairs": pairs,
        "refused": list(evidence.data["refused"]),
    }
