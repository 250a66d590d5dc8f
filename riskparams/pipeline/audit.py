"""The audit of a study: what the live parameters of every market it lists imply, pair by pair."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

from riskparams.compute import Executor
from riskparams.errors import REFUSALS, ConfigError, RiskParamsError
from riskparams.parameters.audit import Implied, audit
from riskparams.parameters.policy import PairPolicy, PairTask
from riskparams.parameters.risk_parameters import ObservedParameters
from riskparams.pipeline.known_prices import as_known
from riskparams.prices.panel import PricePanel
from riskparams.settings import Study
from riskparams.terms import iso


@dataclass(frozen=True, kw_only=True)
class AuditedPair:
    """One pair: our haircut beside what each market's parameters imply; `refused` says why there is neither."""

    pair: str
    haircut: float | None
    implied: tuple[Implied, ...]
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The pairs of a study as of one time."""

    study: str
    as_of: int
    simulated: bool
    pairs: tuple[AuditedPair, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as JSON can hold it; an infinite time is null."""

        def plain(found: Implied) -> dict[str, Any]:
            numbers = asdict(found)
            return {
                name: None if isinstance(value, float) and not isfinite(value) else value for name, value in numbers.items()
            }

        return {
            "study": self.study,
            "as_of": iso(self.as_of),
            "simulated": self.simulated,
            "pairs": [
                {"pair": one.pair, "haircut": one.haircut, "refused": one.refused, "implied": list(map(plain, one.implied))}
                for one in self.pairs
            ],
        }


@dataclass(frozen=True)
class _Job:
    task: PairTask
    panel: PricePanel
    observed: tuple[ObservedParameters, ...]


def run_audit(study: Study, panel: PricePanel, *, as_of: int | None = None, executor: Executor | None = None) -> Audit:
    """Return what every live parameter of the study implies; raise `ConfigError` where it lists none."""
    known = as_known(study, panel, as_of)
    listed = [section.markets() for section in study.pairs]
    if not any(listed):
        raise ConfigError(f"study {study.name} lists no live parameters: give its pairs current = {{...}} or live = [...]")
    executor = executor or Executor()
    threads = executor.workers if len(study.pairs) == 1 else 1
    jobs = [
        _Job(replace(task, threads=threads), known, observed)
        for task, observed in zip(study.tasks(), listed, strict=True)
        if observed
    ]
    return Audit(study=study.name, as_of=known.last, simulated=known.simulated, pairs=tuple(executor.map(_audited, jobs)))


def _audited(job: _Job) -> AuditedPair:
    policy = PairPolicy(job.task)
    try:
        simulated = policy.simulate(job.panel)
        haircut = policy.recommendation(job.panel, simulated).haircut.value
    except REFUSALS as error:
        return AuditedPair(pair=str(job.task.pair), haircut=None, implied=(), refused=_said(error))
    implied = tuple(audit(policy, job.panel, simulated, one) for one in job.observed)
    return AuditedPair(pair=str(job.task.pair), haircut=haircut, implied=implied)


def _said(error: RiskParamsError) -> str:
    return f"{type(error).__name__}: {error}"


WORDS = [
    "survives: the drop from trigger to execution at which a liquidation still repays the debt, 1 - threshold x (1 + bonus).",
    "years between breaches: of a loan held at max LTV all the time, a week at the threshold counting once.",
]


def audit_table(found: Audit) -> tuple[str, list[str], list[list[str]], list[str]]:
    """Return title, header, rows and definitions of an audit."""
    rows = []
    for pair in found.pairs:
        if pair.refused:
            rows.append([pair.pair, "refused", pair.refused, *[""] * 5])
        for one in pair.implied:
            terms = one.parameters
            rows.append(
                [
                    pair.pair,
                    terms.source or "not stated",
                    f"{terms.max_ltv:.1%} / {terms.liquidation_threshold:.1%} / {terms.liquidation_bonus:.1%}",
                    f"{one.drop:.1%}",
                    f"{pair.haircut:.1%}",
                    f"{one.breach:.2%} [{one.breach_low:.2%}, {one.breach_high:.2%}]",
                    f"{one.touches:.1f}",
                    f"{_years(one.years)} [{_years(one.years_low)}, {_years(one.years_high)}]",
                ]
            )
    header = [
        "pair", "market", "LTV / threshold / bonus", "survives", "our haircut", "liquidations that fall further",
        "weeks a year at the threshold", "years between breaches",
    ]  # fmt: skip
    title = f"{found.study} as of {iso(found.as_of)}, through the cycle; 90 % intervals of estimation"
    return title, header, rows, WORDS


def _years(value: float) -> str:
    return f"{value:,.1f}" if isfinite(value) else "never"
