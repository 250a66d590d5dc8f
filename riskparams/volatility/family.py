"""One door to every volatility model: fit, filter, the law of the innovation, and a record that can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

import numpy as np

from riskparams.errors import ConstantSeries, DataError, InsufficientData, ModelError
from riskparams.terms import FloatArray
from riskparams.volatility import garch
from riskparams.volatility.beta_t_egarch import BetaTEgarchFit, BetaTEgarchSpec, beta_t_variance, fit_beta_t_egarch
from riskparams.volatility.component import component_variance, fit_component
from riskparams.volatility.ewma import fit_ewma
from riskparams.volatility.innovations import InnovationLaw
from riskparams.volatility.model import ComponentFit, ComponentSpec, EwmaSpec, GarchFit, GarchSpec
from riskparams.volatility.zoo import ZooFit, ZooSpec, fit_zoo, zoo_variance

Spec = GarchSpec | EwmaSpec | ComponentSpec | BetaTEgarchSpec | ZooSpec
Fit = GarchFit | ComponentFit | BetaTEgarchFit | ZooFit
RECORDED: dict[str, type] = {kind.__name__: kind for kind in (*get_args(Spec), *get_args(Fit))}
FEWEST = 75  # values that start the recursion


def fit_model(e: FloatArray, spec: Spec) -> Fit:
    """Return the fit of a model to returns, shape (n,), any scale, free of their hour-of-week factor.

    A search that did not converge is a value (`fit.convergence`). Raises `DataError` for a value that is not finite,
    `InsufficientData` for fewer than 76 and `ConstantSeries` for returns that are all the same.
    """
    _check(e)
    match spec:
        case GarchSpec():
            return garch.fit_garch(e, spec)
        case EwmaSpec():
            return fit_ewma(e, spec)
        case ComponentSpec():
            return fit_component(e, spec)
        case BetaTEgarchSpec():
            return fit_beta_t_egarch(e, spec)
        case ZooSpec():
            return fit_zoo(e, spec)


def conditional_variance(e: FloatArray, fit: Fit) -> FloatArray:
    """Return n + 1 conditional variances of any returns under a fit; entry t was known before `e[t]`, the last is the forecast.

    The first 75 values may start the recursion and then touch every entry. Raises `ModelError` where an entry is not
    positive and finite, and `ConstantSeries` where the values that start a model of `arch` are all zero.
    """
    match fit:
        case GarchFit():
            variance = garch.conditional_variance(e, fit)
        case ComponentFit():
            variance = component_variance(e, fit)
        case BetaTEgarchFit():
            variance = beta_t_variance(e, fit)
        case ZooFit():
            variance = zoo_variance(e, fit)
    wrong = ~((variance > 0) & (variance < np.inf))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ModelError(
            f"{fit.spec.name}: the variance of bar {row} is {variance[row]}: expected a positive, finite one; the returns "
            "before it do not move or hold no number, so start later or take another model"
        )
    return variance


def innovation_law(fit: Fit) -> InnovationLaw:
    """Return the law of `(e - conditional_mean(fit)) / sigma`: its quantile times sigma is the quantile of the next return."""
    match fit:
        case GarchFit():
            return InnovationLaw(nu=fit.nu, skew=fit.skew)
        case ComponentFit():
            return InnovationLaw()
        case _:
            return fit.law


def conditional_mean(fit: Fit) -> float:
    """Return the constant mean of the returns, 0 for a model without one."""
    return 0.0 if isinstance(fit, BetaTEgarchFit | ComponentFit) else fit.mu


def to_json(fit: Fit) -> dict[str, Any]:
    """Return a fit as JSON can hold it; a number that is not finite becomes its name (`"inf"`).

    >>> fit = fit_ewma(np.array([0.01, -0.02, 0.01]), EwmaSpec(decay=0.94))
    >>> to_json(fit)["nu"], from_json(to_json(fit)) == fit
    ('inf', True)
    """
    return cast("dict[str, Any]", _plain(fit))


def from_json(record: Mapping[str, Any]) -> Fit:
    """Return the fit that `to_json` wrote; raise `DataError` for a record of anything else."""
    try:
        fit = _typed(record, Fit)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"a record cannot be read as a volatility fit ({error!r}): expected what to_json returned") from error
    return cast("Fit", fit)


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {"type": type(value).__name__, **{field.name: _plain(getattr(value, field.name)) for field in fields(value)}}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value


def _typed(value: Any, kind: Any) -> object:
    if kind is float:
        return float(value)
    if get_origin(kind) is tuple:  # of any length: tuple[kind, ...]
        return tuple(_typed(inner, get_args(kind)[0]) for inner in value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if isinstance(kind, UnionType) or is_dataclass(kind):
        found = RECORDED[value["type"]]
        if found not in (get_args(kind) or (kind,)):
            raise TypeError(f"{found.__name__} is not {kind}")
        hints = get_type_hints(found)
        return found(**{name: _typed(inner, hints[name]) for name, inner in value.items() if name != "type"})
    return value


def _check(e: FloatArray) -> None:
    wrong = ~np.isfinite(e)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"return {row} is {e[row]}: expected finite returns; drop the bar or fill the gap before the fit")
    if len(e) <= FEWEST:
        raise InsufficientData(f"{len(e)} returns cannot be fitted: expected more than the {FEWEST} that start the recursion")
    if np.ptp(e) == 0:
        raise ConstantSeries(f"all {len(e)} returns are {e[0]:.6g}: expected a price that moves; check the feed")
