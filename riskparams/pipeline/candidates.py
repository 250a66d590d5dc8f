"""What candidate parameters would have done to borrowers, and might lose: the judge that an optimiser asks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from riskparams.backtest.liquidation import LiquidationRules
from riskparams.backtest.market import Market
from riskparams.backtest.positions import Borrowers, Cohort
from riskparams.backtest.replay import BacktestResult, replay
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.backtest.weekly_losses import expected_shortfall
from riskparams.parameters.optimise import Outcome
from riskparams.parameters.risk_parameters import RiskParameters
from riskparams.paths.trigger import TriggerDrops
from riskparams.terms import DAY, FloatArray

YEAR_HOURS = 365.25 * 24
WEEKS = 52
YEARS = 10_000


@dataclass(frozen=True, kw_only=True)
class CandidateJudge:
    """Replays the same borrowers over the same past under any parameters, and lays simulated drops over what they liquidate.

    The rate and the borrowers' cost are those of the replay. The annual loss is the mean of the worst hundredth of years, each
    of 52 simulated weeks: a week that touches a barrier liquidates the share of debt that weeks with so deep a fall liquidated
    in the replay, and loses of it what the drop after the trigger leaves uncovered. Weeks are drawn independently.
    """

    market: Market
    borrowers: Borrowers
    cohort: Cohort
    rules: LiquidationRules
    start: int
    end: int
    drops: TriggerDrops
    oracle_step: float
    seed: int
    _said: dict[tuple[RiskParameters, float], Outcome] = field(default_factory=dict)

    def __call__(self, parameters: RiskParameters, target_health: float) -> Outcome:
        """Return the outcome of parameters; what was asked before is not computed again."""
        key = (parameters, target_health)
        if key not in self._said:
            played = self.replayed(parameters, target_health)
            daily = played.daily
            years, debt_years = daily.position_hours.sum() / YEAR_HOURS, daily.debt_hours.sum() / YEAR_HOURS
            self._said[key] = Outcome(
                liquidation_rate=float(daily.episodes.sum() / years) if years else 0.0,
                borrower_cost=float((daily.penalty.sum() + daily.slippage.sum()) / debt_years) if debt_years else 0.0,
                annual_loss=float(expected_shortfall(self.annual_losses(parameters, self.liquidated_shares(played)), 0.99)),
            )
        return self._said[key]

    def replayed(self, parameters: RiskParameters, target_health: float) -> BacktestResult:
        """Return the replay of the past under parameters that stood still."""
        return replay(
            self.market,
            ParameterSchedule.constant(parameters, self.start),
            self.borrowers,
            replace(self.rules, target_health=target_health),
            cohort=self.cohort,
            start=self.start,
            end=self.end,
        )

    def liquidated_shares(self, played: BacktestResult) -> FloatArray:
        """Return the share of debt that weeks whose deepest fall reached each barrier liquidated, (barriers,), not decreasing.

        A barrier that no week reached takes the share of the one before it.
        """
        daily, barriers = played.daily, self.drops.barriers
        week = (daily.day - daily.day[0]) // (7 * DAY)
        count = int(week[-1]) + 1
        liquidated = np.bincount(week, weights=daily.repaid + daily.bad_debt, minlength=count)
        hours = np.bincount(week, weights=daily.hours, minlength=count)
        debt = np.bincount(week, weights=daily.debt_hours, minlength=count) / np.maximum(hours, 1e-9)
        fall = self._weekly_falls(int(daily.day[0]), count)
        share = np.divide(liquidated, debt, out=np.zeros(count), where=debt > 0)
        reached = np.searchsorted(barriers, fall, side="right") - 1
        means = [float(share[reached == i].mean()) if (reached == i).any() else 0.0 for i in range(len(barriers))]
        return np.minimum(np.maximum.accumulate(means), 1.0)

    def _weekly_falls(self, first: int, count: int) -> FloatArray:
        falls = np.zeros(count)
        for week in range(count):
            begin = np.searchsorted(self.market.time, first + 7 * week * DAY, side="left")
            end = np.searchsorted(self.market.time, first + 7 * (week + 1) * DAY, side="right")
            if end > begin + 1:
                falls[week] = max(0.0, float(-np.log(self.market.low[begin + 1 : end, 0].min() / self.market.close[begin, 0])))
        return falls

    def annual_losses(self, parameters: RiskParameters, shares: FloatArray) -> FloatArray:
        """Return the losses of simulated years in units of debt, (10,000,): of 52 weeks each, drawn independently."""
        covered = parameters.liquidation_threshold * (1 + parameters.liquidation_bonus)
        touched = ~np.isnan(self.drops.drop)
        kept = (1 - self.oracle_step) * (1 - np.where(touched, self.drops.drop, 0.0))
        short = np.where(touched, np.maximum(0.0, 1 - kept / covered), 0.0)
        weekly = short @ np.diff(shares, prepend=0.0)
        lossy = np.flatnonzero(weekly > 0)
        if not len(lossy):
            return np.zeros(YEARS)
        rng = np.random.default_rng(self.seed)
        hits = rng.binomial(WEEKS, len(lossy) / len(weekly), YEARS)
        drawn = weekly[rng.choice(lossy, int(hits.sum()))]
        return np.bincount(np.repeat(np.arange(YEARS), hits), weights=drawn, minlength=YEARS).astype(np.float64)

    def liquidated_quantile(self, shares: FloatArray, level: float = 0.95) -> float:
        """Return the quantile, over simulated weeks, of the share of debt that is liquidated."""
        reached = np.sum(~np.isnan(self.drops.drop), axis=1)
        return float(np.quantile(np.concatenate([[0.0], shares])[reached], level, method="higher"))
