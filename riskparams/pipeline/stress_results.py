"""What a stress of a study found: rows of losses, and the gaps that would cost the fund; as JSON can hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from riskparams.backtest.impact import MarketImpact
from riskparams.backtest.liquidation import Intrabar, Liquidators
from riskparams.backtest.reverse_stress import ReverseStress
from riskparams.backtest.scenarios import Scenario
from riskparams.backtest.stressed import StressLoss
from riskparams.execution import Depth
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.settings import Study
from riskparams.terms import Pair, iso

Parameters = RiskParameters | ObservedParameters
NO_LOANS = "max LTV is 0: nothing can be borrowed"
FEEDBACK = {True: "with_feedback", False: "without_feedback"}
NOTE = (
    "With feedback, what liquidators sell lowers the prices that follow; without, prices are the scenario's own. Prices that "
    "were replayed or published already hold the impact of the liquidations of their day, which feedback counts a second "
    "time: the truth lies between the two. Shocks hold none."
)


@dataclass(frozen=True, kw_only=True)
class StressRow:
    """One scenario for one pair under one set of parameters; `skipped` says why it has no losses.

    `losses` are by (feedback, intrabar); `prices` says where the path comes from, `fall` is the pair's, peak to trough.
    """

    pair: Pair
    scenario: str
    parameters: str
    prices: str
    fall: float | None = None
    losses: Mapping[tuple[bool, Intrabar], StressLoss] | None = None
    skipped: str = ""

    def to_dict(self, fund: float) -> dict[str, Any]:
        """Return the row as JSON can hold it; `fund` is a share of the debt at the start."""
        losses = self.losses
        return {
            "pair": str(self.pair),
            "scenario": self.scenario,
            "parameters": self.parameters,
            "prices": self.prices,
            "skipped": self.skipped or None,
            "fall": self.fall,
            **{
                name: None if losses is None else {band.value: describe(losses[feedback, band], fund) for band in Intrabar}
                for feedback, name in FEEDBACK.items()
            },
        }


def describe(loss: StressLoss, fund: float) -> dict[str, float]:
    """Return a loss by name, with its amounts in basis points of the debt and as a multiple of the fund."""
    return {
        **asdict(loss),
        "bad_debt_bps": loss.bps(loss.bad_debt),
        "loss_bps": loss.bps(loss.loss),
        "loss_over_fund": loss.loss / (fund * loss.debt),
    }


@dataclass(frozen=True, kw_only=True)
class StressedSet:
    """One set of parameters of a pair, and the gaps at which its loss reaches the fund, by whether impact feeds back.

    `debt` is what the borrowers owe at the start. `refused` says why there is nothing to put under stress.
    """

    name: str
    parameters: Parameters | None = None
    debt: float | None = None
    reverse: Mapping[bool, ReverseStress] | None = None
    refused: str = ""

    def to_dict(self, fund: float) -> dict[str, Any]:
        """Return the set as JSON can hold it; `fund` is a share of the debt at the start."""
        names = ("max_ltv", "liquidation_threshold", "liquidation_bonus")
        searches = self.reverse or {}
        return {
            "parameters": self.name,
            **{name: getattr(self.parameters, name) if self.parameters else None for name in names},
            "refused": self.refused or None,
            "debt": self.debt,
            "fund": None if self.debt is None else fund * self.debt,
            "reverse_stress": {
                FEEDBACK[feedback]: {"verdict": search.verdict.value, **asdict(search)} for feedback, search in searches.items()
            },
        }


@dataclass(frozen=True, kw_only=True)
class PairStress:
    """What the scenarios of a study do to one pair; `depth` is that of its market, None where no volume is known."""

    pair: Pair
    depth: Depth | None
    liquidators: Liquidators | None
    sets: tuple[StressedSet, ...]
    rows: tuple[StressRow, ...]


@dataclass(frozen=True, kw_only=True)
class StressRun:
    """Every pair of a study under every scenario it asks for."""

    study: Study
    as_of: int
    seed: int
    simulated: bool
    accounts: int
    scenarios: Mapping[str, Scenario]
    pairs: tuple[PairStress, ...]

    @property
    def fund(self) -> float:
        """What may be lost, as a share of the debt at the start."""
        return self.study.stress.fund

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON can hold it."""
        stress, impact = self.study.stress.model_dump(mode="json"), MarketImpact(depth={})
        return {
            "study": self.study.name,
            "as_of": iso(self.as_of),
            "seed": self.seed,
            "simulated": self.simulated,
            "note": NOTE,
            "assumptions": {
                "stress": {**stress, "accounts": self.accounts, "scenarios": list(self.scenarios)},
                "borrowers": self.study.cohort().to_dict(),
                "impact": {"permanent": impact.permanent, "half_life_seconds": impact.half_life.total_seconds()},
            },
            "pairs": [
                {
                    "pair": str(one.pair),
                    "depth": asdict(one.depth) if one.depth else None,
                    "liquidators": _finite(asdict(one.liquidators)) if one.liquidators else None,
                    "sets": [found.to_dict(self.fund) for found in one.sets],
                }
                for one in self.pairs
            ],
            "rows": [row.to_dict(self.fund) for one in self.pairs for row in one.rows],
        }


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return the values with None for what has no limit, which JSON cannot write."""
    return {name: None if value == float("inf") else value for name, value in values.items()}
