"""ForecastModel: a variance, and a law for what is left once it is divided out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from riskparams.errors import ConfigError
from riskparams.terms import DAY
from riskparams.volatility.ewma import default_ewma
from riskparams.volatility.model import ComponentSpec, EwmaSpec, GarchSpec, Innovations


class ResidualTail(StrEnum):
    """Where the quantile and the expected shortfall of a standardised loss come from."""

    LAW = "the law of the innovations"
    EMPIRICAL = "the losses seen in the window"
    PARETO = "a generalised Pareto law of the largest"
    CREDIBLE = "Pareto and Student t, weighted by the number of exceedances"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastModel:
    """One way to forecast the next bar's loss; `variance=None` takes returns as they are (historical simulation).

    `variance="ewma"` takes the usual decay for the bar. `seasonal` divides by the factor of hour and weekday first.
    """

    name: str
    variance: GarchSpec | ComponentSpec | str | None
    tail: ResidualTail
    seasonal: bool = False
    tail_share: float = 0.10

    def spec(self, bar: int) -> GarchSpec | ComponentSpec | EwmaSpec | None:
        """Return the variance model for bars of this length (nanoseconds)."""
        return default_ewma(bar) if isinstance(self.variance, str) else self.variance


def _plain(*, asymmetric: bool, innovations: Innovations) -> GarchSpec:
    return GarchSpec(asymmetric=asymmetric, innovations=innovations, targeted=False, persistence_cap=1.0)


_NORMAL, _T, _SKEWED = Innovations.NORMAL, Innovations.STUDENT_T, Innovations.SKEWED_T
_GJR_T = _plain(asymmetric=True, innovations=_T)

DEFAULT = ForecastModel(name="component", variance=ComponentSpec(), tail=ResidualTail.CREDIBLE, seasonal=True)
MODELS = {
    model.name: model
    for model in (
        DEFAULT,
        # What the simulated paths of a recommendation are built on.
        ForecastModel(name="path-model", variance=GarchSpec(), tail=ResidualTail.PARETO, seasonal=True, tail_share=0.05),
        # The peers: intercepts free and no hour-of-week factor, as their packages fit them.
        ForecastModel(name="historical", variance=None, tail=ResidualTail.EMPIRICAL),
        ForecastModel(name="ewma-normal", variance="ewma", tail=ResidualTail.LAW),
        ForecastModel(name="garch-normal", variance=_plain(asymmetric=False, innovations=_NORMAL), tail=ResidualTail.LAW),
        ForecastModel(name="garch-t", variance=_plain(asymmetric=False, innovations=_T), tail=ResidualTail.LAW),
        ForecastModel(name="gjr-t", variance=_GJR_T, tail=ResidualTail.LAW),
        ForecastModel(name="gjr-skew-t", variance=_plain(asymmetric=True, innovations=_SKEWED), tail=ResidualTail.LAW),
        ForecastModel(name="gjr-gpd", variance=_GJR_T, tail=ResidualTail.PARETO),
        ForecastModel(name="filtered-historical", variance=_GJR_T, tail=ResidualTail.EMPIRICAL),
        ForecastModel(
            name="filtered-historical-qml",
            variance=_plain(asymmetric=False, innovations=_NORMAL),
            tail=ResidualTail.EMPIRICAL,
        ),
    )
}


def models_named(names: list[str]) -> list[ForecastModel]:
    """Return the models of these names; raise `ConfigError` for one that is not offered, or named twice."""
    for name, times in Counter(names).items():
        if name not in MODELS:
            nearest = get_close_matches(name, MODELS, n=1)
            advice = f"did you mean {nearest[0]!r}? " if nearest else ""
            raise ConfigError(f"there is no forecast model {name!r}: {advice}known are {', '.join(MODELS)}")
        if times > 1:
            raise ConfigError(f"forecast model {name!r} is named {times} times: name each once")
    return [MODELS[name] for name in names]


def bar_name(bar: int) -> str:
    """Return a bar's length as a table names it.

    >>> bar_name(DAY), bar_name(DAY // 24), bar_name(DAY // 96)
    ('1d', '1h', '15m')
    """
    for letter, size in (("d", DAY), ("h", DAY // 24), ("m", DAY // 1440)):
        if bar % size == 0:
            return f"{bar // size}{letter}"
    return f"{bar // (DAY // 86_400)}s"
