"""What a backtest says, with the interval its history allows; every ratio is resampled over whole days."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from riskparams.backtest.metric import Metric, binomial_bound, interval, poisson_bound, resampled_rows
from riskparams.backtest.replay import DAILY_COLUMNS, BacktestResult
from riskparams.backtest.weekly_losses import compare_weeks, measure_weeks
from riskparams.errors import DataError
from riskparams.terms import FloatArray, IntArray, iso

YEAR_HOURS = 365.25 * 24

Totals = dict[str, FloatArray]


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A metric as the quotient of two columns of `_pooled`, and what to say where it is empty."""

    name: str
    unit: str
    numerator: str
    denominator: str
    never: str
    scale: float = 1.0
    bound: Callable[[float, float], float] | None = None  # of exposure and alpha: what no event at all still bounds
    empty: str = "no position had debt"

    def exposure(self, sums: Totals) -> float:
        return float(sums[self.denominator])

    def of(self, sums: Totals) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.scale * sums[self.numerator] / sums[self.denominator], dtype=np.float64)


_COUNTED = "it never happened: the upper bound is {rule} / exposure, as if events came independently"
_NO_BAD_DEBT = (
    "no bad debt on {days:.0f} days with liquidations: at most {share:.1%} of such days have some (3 / days), "
    "which bounds no amount"
)
_NEVER_INSOLVENT = (
    "no account still owed more than it held after a bar's liquidations: such bars come at most {rate:.2g} times a "
    "position-year ({rule} / exposure), which bounds no duration"
)
RATIOS = (
    _Ratio(
        "liquidation_frequency",
        "episodes per position-year with debt",
        "episodes",
        "position_years",
        _COUNTED,
        bound=poisson_bound,
    ),
    _Ratio(
        "false_liquidation_share",
        "share of the liquidations followed for 7 days",
        "false_liquidations",
        "judged",
        "none was false: the upper bound is that of so many independent ones, about {rule} / their number",
        bound=binomial_bound,
        empty="no liquidation was followed for 7 days",
    ),
    _Ratio("shortfall_bps", "bp of average debt over the period", "bad_debt", "average_debt", _NO_BAD_DEBT, scale=1e4),
    _Ratio(
        "shortfall_liquidated_bps",
        "bp of liquidated debt (repaid or bad)",
        "bad_debt",
        "liquidated_debt",
        _NO_BAD_DEBT,
        scale=1e4,
        empty="no debt was liquidated",
    ),
    _Ratio(
        "insolvent_hours",
        "hours with debt above collateral per position-year",
        "insolvent_hours",
        "position_years",
        _NEVER_INSOLVENT,
    ),
    _Ratio(
        "stuck_hours",
        "hours due and not liquidated per position-year",
        "stuck_hours",
        "attended_years",
        "every liquidation found a taker, which bounds no duration",
        empty="no liquidators were modelled: every trigger is acted on, and nothing waits",
    ),
    _Ratio("penalty_paid", "fraction of debt per year", "penalty", "debt_years", "no penalty was paid, which bounds nothing"),
    _Ratio(
        "borrower_cost",
        "penalty and slippage, fraction of debt per year",
        "borrower_cost",
        "debt_years",
        "liquidations cost nothing, which bounds nothing",
    ),
    _Ratio("liquidations", "executed liquidations per year", "liquidations", "years", _COUNTED, bound=poisson_bound),
    _Ratio("capital_efficiency", "time-average max LTV", "max_ltv_hours", "pair_hours", "nothing could be borrowed"),
    _Ratio("utilised_ltv", "debt over its collateral", "debt_hours", "collateral_hours", "nothing was borrowed"),
)


def _pooled(results: Sequence[BacktestResult]) -> tuple[IntArray, Totals]:
    """Return the days and, for each, the sums over pairs; the hours of a day are the longest of any pair's."""
    if not results:
        raise DataError("no backtest result to measure: pass at least one")
    days = np.unique(np.concatenate([result.daily.day for result in results]))
    names = ("max_ltv_hours", "hours", *DAILY_COLUMNS)
    totals = {name: np.zeros(len(days)) for name in (*names, "attended_hours")}
    longest = np.zeros(len(days))
    for result in results:
        rows = np.searchsorted(days, result.daily.day)
        for name in names:
            totals[name][rows] += getattr(result.daily, name)
        rules = result.rules
        if rules.liquidators is not None or rules.auction is not None or result.daily.stuck_hours.any():
            totals["attended_hours"][rows] += result.daily.position_hours
        longest[rows] = np.maximum(longest[rows], result.daily.hours)
    totals["pair_hours"], totals["hours"] = totals["hours"], longest
    totals["liquidated_debt"] = totals["repaid"] + totals["bad_debt"]
    totals["borrower_cost"] = totals["penalty"] + totals["slippage"]
    totals["liquidation_days"] = (totals["liquidations"] > 0).astype(np.float64)
    return days, totals


def _summed(totals: Totals, rows: IntArray | None = None) -> Totals:
    """Return the sums over all days, or over each row of resampled days, and the exposures made of them."""
    sums = {name: np.asarray(values.sum() if rows is None else values[rows].sum(axis=1)) for name, values in totals.items()}
    sums["years"] = sums["hours"] / YEAR_HOURS
    sums["position_years"] = sums["position_hours"] / YEAR_HOURS
    sums["attended_years"] = sums["attended_hours"] / YEAR_HOURS
    sums["debt_years"] = sums["debt_hours"] / YEAR_HOURS
    sums["average_debt"] = sums["debt_hours"] / sums["hours"]
    return sums


def _as_list(results: BacktestResult | Sequence[BacktestResult]) -> Sequence[BacktestResult]:
    return [results] if isinstance(results, BacktestResult) else results


def _metric(ratio: _Ratio, whole: Totals, samples: Totals, alpha: float) -> Metric:
    exposure = ratio.exposure(whole)
    if exposure <= 0:
        return Metric(name=ratio.name, unit=ratio.unit, point=None, low=None, high=None, exposure=exposure, note=ratio.empty)
    point = float(ratio.of(whole))
    if whole[ratio.numerator] == 0:
        days, rule = float(whole["liquidation_days"]), f"{-math.log(alpha):.2g}"
        note = ratio.never.format(days=days, share=binomial_bound(days, alpha), rate=poisson_bound(exposure, alpha), rule=rule)
        high = ratio.bound(exposure, alpha) if ratio.bound else None
        return Metric(name=ratio.name, unit=ratio.unit, point=point, low=0.0, high=high, exposure=exposure, note=note)
    low, high, note = interval(point, ratio.of(samples), alpha)
    if ratio.name == "borrower_cost" and whole["slippage"] == 0:
        note = "; ".join(part for part in ("no sale met slippage, so it is the penalty", note) if part)
    return Metric(name=ratio.name, unit=ratio.unit, point=point, low=low, high=high, exposure=exposure, note=note)


def _difference(ratio: _Ratio, whole: tuple[Totals, Totals], samples: tuple[Totals, Totals], alpha: float) -> Metric:
    exposures = [ratio.exposure(side) for side in whole]
    if min(exposures) <= 0:
        empty = f"on one side at least, {ratio.empty}"
        return Metric(name=ratio.name, unit=ratio.unit, point=None, low=None, high=None, exposure=exposures[1], note=empty)
    point = float(ratio.of(whole[0]) - ratio.of(whole[1]))
    if whole[0][ratio.numerator] == whole[1][ratio.numerator] == 0:
        never = "it happened on neither side, so the difference has no interval"
        return Metric(name=ratio.name, unit=ratio.unit, point=point, low=None, high=None, exposure=exposures[1], note=never)
    low, high, note = interval(point, ratio.of(samples[0]) - ratio.of(samples[1]), alpha)
    return Metric(name=ratio.name, unit=ratio.unit, point=point, low=low, high=high, exposure=exposures[1], note=note)


def measure(
    results: BacktestResult | Sequence[BacktestResult],
    *,
    seed: int,
    draws: int = 999,
    mean_block_days: float = 28,
    alpha: float = 0.05,
) -> dict[str, Metric]:
    """Return the metrics of one backtest, or of several pooled, by name.

    Days are resampled in blocks (stationary bootstrap) with all pairs together, and numerators with denominators; for the
    tails of weekly losses, weeks are. The interval is of level `1 - alpha` and speaks for histories like this one, not for
    crashes it does not hold. What never happened has an exact upper bound where events are counted, and none where
    amounts are.
    """
    days, totals = _pooled(_as_list(results))
    samples = _summed(totals, resampled_rows(len(days), mean_block=mean_block_days, draws=draws, seed=seed))
    whole = _summed(totals)
    ratios = {ratio.name: _metric(ratio, whole, samples, alpha) for ratio in RATIOS}
    return ratios | measure_weeks(totals, seed=seed, draws=draws, mean_block_days=mean_block_days, alpha=alpha)


def compare(
    recommended: BacktestResult | Sequence[BacktestResult],
    current: BacktestResult | Sequence[BacktestResult],
    *,
    seed: int,
    draws: int = 999,
    mean_block_days: float = 28,
    alpha: float = 0.05,
) -> dict[str, Metric]:
    """Return the differences, recommended minus current, on the same resampled days; `exposure` is the current side's.

    Raises `DataError` unless both sides cover the same days.
    """
    days, ours = _pooled(_as_list(recommended))
    other_days, theirs = _pooled(_as_list(current))
    if not np.array_equal(days, other_days):
        raise DataError(
            f"the recommended side covers {iso(int(days[0]))} to {iso(int(days[-1]))} ({len(days)} days), the current side "
            f"{iso(int(other_days[0]))} to {iso(int(other_days[-1]))} ({len(other_days)}): replay both over the same days"
        )
    rows = resampled_rows(len(days), mean_block=mean_block_days, draws=draws, seed=seed)
    whole, other_whole, samples, other_samples = _summed(ours), _summed(theirs), _summed(ours, rows), _summed(theirs, rows)
    ratios = {ratio.name: _difference(ratio, (whole, other_whole), (samples, other_samples), alpha) for ratio in RATIOS}
    return ratios | compare_weeks(ours, theirs, seed=seed, draws=draws, mean_block_days=mean_block_days, alpha=alpha)
