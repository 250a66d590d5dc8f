"""A residual tail read in full: its estimate, intervals, and how far all that moves with the threshold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from riskparams.errors import RiskParamsError
from riskparams.paths.model import PathModel
from riskparams.tails.clusters import intervals_extremal_index
from riskparams.tails.estimators import hill, maximum_likelihood
from riskparams.tails.exceedances import FEWEST_EXCEEDANCES, Exceedances, largest_losses
from riskparams.tails.gpd import TailFit, TailSpec
from riskparams.tails.intervals import Measure, profile_interval
from riskparams.tails.threshold_tables import mean_excesses, shape_stability, threshold_sensitivity
from riskparams.terms import FloatArray, iso

LEVELS = (0.975, 0.99, 0.995, 0.999)
SHARES = (0.15, 0.10, 0.075, 0.05, 0.025, 0.01)
BAND_LEVEL = 0.999


def read_tail(model: PathModel, spec: TailSpec) -> dict[str, Any]:
    """Return the tail that a model draws from, of all residual losses (positive = fell) in its history.

    Losses, scale, quantiles and expected shortfalls are in units of the standardised residual. Standard errors and 95 %
    profile-likelihood intervals are those of plain maximum likelihood, whose shape may be below 0. What cannot be said is
    null, with its reason.
    """
    losses, tail = -model.history.z, model.history_tail
    sample = largest_losses(losses, spec.count(len(losses)))
    return {
        "history_from": iso(model.history_from),
        "losses": len(losses),
        "filled_share": model.history.filled_share,
        "tail_threshold": tail.tail_threshold,
        "exceedances": tail.exceedances,
        "shape": tail.shape,
        "scale": tail.scale,
        "estimator": tail.estimator,
        "flags": list(tail.flags),
        "errors": _errors(sample),
        "window_shape": model.window_tail.shape,
        "levels": [_at_level(tail, sample, level) for level in LEVELS],
        "sensitivity": _sensitivity(losses, spec),
        "thresholds": [_over(losses, share) for share in SHARES],
        "hill": _said("shape", lambda: hill(losses, tail.exceedances)),
        "extremal_index": _said("index", lambda: intervals_extremal_index(losses, tail.tail_threshold)),
    }


def _said(name: str, measure: Callable[[], float]) -> dict[str, Any]:
    """A number by name, or null with the reason why there is none."""
    try:
        value = float(measure())
    except (RiskParamsError, ValueError) as error:
        return {name: None, "reason": str(error)}
    if np.isfinite(value):
        return {name: value}
    return {name: None, "reason": "infinite: the tail has no mean" if value > 0 else "not a number"}


def _errors(sample: Exceedances) -> dict[str, Any]:
    found = maximum_likelihood(sample.excesses)
    errors: dict[str, Any] = {"shape": found.shape_error, "scale": found.scale_error}
    if None in errors.values():
        errors["reason"] = f"maximum likelihood finds shape {found.shape:.3f}, where standard errors are not known"
    return {**errors, "maximum_likelihood_shape": found.shape, "maximum_likelihood_scale": found.scale}


def _at_level(tail: TailFit, sample: Exceedances, level: float) -> dict[str, Any]:
    return {
        "level": level,
        "quantile": {**_said("value", lambda: tail.quantile(level)), **_interval(sample, Measure.QUANTILE, level)},
        "expected_shortfall": {
            **_said("value", lambda: tail.expected_shortfall(level)),
            **_interval(sample, Measure.EXPECTED_SHORTFALL, level),
        },
    }


def _interval(sample: Exceedances, measure: Measure, level: float) -> dict[str, Any]:
    try:
        found = profile_interval(sample, measure, level)
    except (RiskParamsError, ValueError) as error:
        return {"low": None, "high": None, "reason": str(error)}
    ends = {"low": found.low, "high": found.high if np.isfinite(found.high) else None}
    return ends if ends["high"] is not None else {**ends, "reason": "the data do not bound it from above"}


def _sensitivity(losses: FloatArray, spec: TailSpec) -> dict[str, Any]:
    try:
        band = threshold_sensitivity(losses, BAND_LEVEL, spec)
    except RiskParamsError as error:
        return {"level": BAND_LEVEL, "low": None, "high": None, "rows": [], "reason": str(error)}
    rows = [
        {
            "share": share,
            "exceedances": tail.exceedances,
            "tail_threshold": tail.tail_threshold,
            "shape": tail.shape,
            "quantile": quantile,
        }
        for share, tail, quantile in zip(band.shares, band.tails, band.quantile, strict=True)
    ]
    return {"level": BAND_LEVEL, "low": band.low, "high": band.high, "rows": rows}


def _over(losses: FloatArray, share: float) -> dict[str, Any]:
    """One row of the mean-excess and shape-stability table, at the threshold of a share of the losses."""
    count = round(share * len(losses))
    row: dict[str, Any] = {"share": share}
    unknown = dict.fromkeys(
        ("tail_threshold", "exceedances", "mean_excess", "mean_excess_error", "shape", "shape_error", "modified_scale", "hill")
    )
    if count < FEWEST_EXCEEDANCES:
        return {**row, **unknown, "reason": f"{count} of {len(losses)} losses: fewer than {FEWEST_EXCEEDANCES}"}
    try:
        threshold = largest_losses(losses, count).tail_threshold
        excess = mean_excesses(losses, np.array([threshold]))
        row |= {
            **unknown,
            "tail_threshold": threshold,
            "exceedances": int(excess.exceedances[0]),
            "mean_excess": float(excess.mean_excess[0]),
            "mean_excess_error": float(excess.error[0]),
        }
        stable = shape_stability(losses, np.array([threshold]))
        row |= {
            "shape": float(stable.shape[0]),
            "shape_error": float(stable.shape_error[0]),
            "modified_scale": float(stable.modified_scale[0]),
        }
        row["hill"] = hill(losses, count)
    except RiskParamsError as error:
        return {**unknown, **row, "reason": str(error)}
    return row
