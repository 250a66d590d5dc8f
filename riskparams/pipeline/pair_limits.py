"""The limits of one pair: caps, the branching ratio and the fund, from the same simulation as its parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskparams.backtest.positions import Borrowers, Cohort, draw_borrowers
from riskparams.limits.caps import Cap, Exposure, branching_ratio, supply_cap
from riskparams.limits.fund import FundSize, fund_size
from riskparams.parameters.optimise import Candidate
from riskparams.parameters.policy import PairTask, Simulated, slippage_law
from riskparams.parameters.recommend import Recommendation
from riskparams.paths.simulate import StartLaw
from riskparams.pipeline.candidates import CandidateJudge
from riskparams.terms import FloatArray

DRAWN = 10_000  # borrowers, for the share of the two largest


@dataclass(frozen=True, kw_only=True)
class PairLimits:
    """The supply cap (numeraire), what a week could liquidate of it, what its sales add to a fall, a fund per unit of debt."""

    supply: Cap
    liquidated_share: float
    branching: float | None
    fund: FundSize


def pair_limits(
    task: PairTask,
    simulated: Simulated,
    found: Recommendation,
    chosen: Candidate,
    judge: CandidateJudge,
    *,
    cohort: Cohort,
    exposure: Exposure,
) -> PairLimits | None:
    """Return the limits of a pair at its recommended parameters; None where it is no collateral.

    The shares of debt that falls liquidate are those of the judge's replay. The two largest borrowers are those of the cohort,
    and lose what the stressed drop leaves uncovered.
    """
    terms = found.parameters
    if terms.max_ltv <= 0:
        return None
    volume, sigma = found.provenance.get("daily_volume_assumed"), simulated.model.daily_sigma
    law = task.depth or (slippage_law(volume, sigma, task.costs) if isinstance(volume, float) and volume > 0 else None)
    acting = judge.liquidated_shares(judge.replayed(terms, chosen.target_health))
    barriers = simulated.cycle.barriers
    drawn = draw_borrowers(cohort, DRAWN, terms, np.random.default_rng([task.seed, 3]))
    cushion = np.log(terms.liquidation_threshold / (terms.max_ltv * drawn.utilisation))
    still = np.array([float(np.mean(cushion <= barrier + 1e-9)) for barrier in barriers])
    bands = np.diff(still, prepend=0.0).tolist()
    widths = np.diff(barriers, prepend=0.0).tolist()
    share = judge.liquidated_quantile(still)
    cap = supply_cap(
        bonus=terms.liquidation_bonus,
        costs=task.costs,
        slippage=law,
        daily_sigma=sigma,
        max_ltv=terms.max_ltv,
        exposure=exposure,
        liquidated_share=share,
        band_shares=bands,
        band_widths=widths,
        branching=task.appetite.branching,
        annual_loss=chosen.outcome.annual_loss,
    )
    return PairLimits(
        supply=cap,
        liquidated_share=share,
        branching=branching_ratio(cap.value, law, bands, widths) if law and np.isfinite(cap.value) else None,
        fund=fund_size(judge.annual_losses(terms, acting), _largest_losses(task, found, drawn), 1.0),
    )


def _largest_losses(task: PairTask, found: Recommendation, drawn: Borrowers) -> FloatArray:
    """Return the stressed losses of every drawn borrower, in units of their debt together."""
    terms = found.parameters
    debt = drawn.utilisation * drawn.size
    stressed = found.haircut.laws[StartLaw.STR].drop
    covered = terms.liquidation_threshold * (1 + terms.liquidation_bonus)
    return np.asarray(debt / debt.sum() * max(0.0, 1 - (1 - task.oracle_step) * (1 - stressed) / covered))
