"""What a backtest says, with the interval its history allows; every ratio is resampled over whole days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from riskparams.backtest.replay import BacktestResult
from riskparams.errors import DataError
from riskparams.terms import FloatArray, IntArray, iso

YEAR_HOURS = 365.25 * 24

# numerators and denominators that ratios are made of; `hours` of a day are the longest of any pair pooled
SUMS = (
    "max_ltv_hours",
    "position_hours",
    "debt_hours",
    "collateral_hours",
    "episodes",
    "liquidations",
    "judged",
    "false_liquidations",
    "recovered",
    "repaid",
    "penalty",
    "bad_debt",
)
Totals = dict[str, FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number with its interval. `point` is None where there was nothing to divide by, and `note` says so.

    `exposure` is the denominator, in its own unit: position-years, debt-years, liquidations, days. `high` is None where
    the history gives no bound; where an event never happened `low` is 0 and the note says where `high` comes from.
    """

    name: str
    unit: str
    point: float | None
    low: float | None
    high: float | None
    exposure: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ratio:
    """A metric's numerator and denominator as functions of summed totals."""

    name: str
    unit: str
    numerator: Callable[[Totals], FloatArray]
    denominator: Callable[[Totals], FloatArray]
    zero_bound: Callable[[Totals], float | None]  # upper bound when the event never happened
    zero_note: str
    empty_note: str


def _none(_: Totals) -> None:
    return None


RATIOS = (
    _Ratio(
        name="liquidation_frequency",
        unit="episodes per position-year with debt",
        numerator=lambda sums: sums["episodes"],
        denominator=lambda sums: sums["position_hours"] / YEAR_HOURS,
        zero_bound=lambda sums: 3 / float(sums["position_hours"] / YEAR_HOURS),
        zero_note="no episode: the upper bound is 3 / exposure, as if episodes came independently",
        empty_note="no position had debt",
    ),
    _Ratio(
        name="false_liquidation_share",
        unit="share of the liquidations followed for 7 days",
        numerator=lambda sums: sums["false_liquidations"],
        denominator=lambda sums: sums["judged"],
        zero_bound=lambda sums: min(1.0, 3 / float(sums["judged"])),
        zero_note="no false liquidation: the upper bound is 3 / exposure, as if liquidations were independent",
        empty_note="no liquidation was followed for 7 days",
    ),
    _Ratio(
        name="shortfall_bps",
        unit="bp of average debt over the period",
        numerator=lambda sums: 1e4 * sums["bad_debt"],
        denominator=lambda sums: sums["debt_hours"] / sums["hours"],
        zero_bound=_none,
        zero_note="no bad debt on {days:.0f} days with liquidations: at most {bound:.2%} of such days have some (3 / days), "
        "which bounds no amount",
        empty_note="no position had debt",
    ),
    _Ratio(
        name="shortfall_liquidated_bps",
        unit="bp of liquidated debt (repaid or bad)",
        numerator=lambda sums: 1e4 * sums["bad_debt"],
        denominator=lambda sums: sums["repaid"] + sums["bad_debt"],
        zero_bound=_none,
        zero_note="no bad debt on {days:.0f} days with liquidations: at most {bound:.2%} of such days have some (3 / days), "
        "which bounds no amount",
        empty_note="no debt was liquidated",
    ),
    _Ratio(
        name="penalty_paid",
        unit="fraction of debt per year",
        numerator=lambda sums: sums["penalty"],
        denominator=lambda sums: sums["debt_hours"] / YEAR_HOURS,
        zero_bound=_none,
        zero_note="no penalty was paid: the history gives no upper bound",
        empty_note="no position had debt",
    ),
    _Ratio(
        name="liquidations",
        unit="executed liquidations per year",
        numerator=lambda sums: sums["liquidations"],
        denominator=lambda sums: sums["hours"] / YEAR_HOURS,
        zero_bound=lambda sums: 3 / float(sums["hours"] / YEAR_HOURS),
        zero_note="no liquidation: the upper bound is 3 / exposure, as if liquidations came independently",
        empty_note="no bar was replayed",
    ),
    _Ratio(
        name="capital_efficiency",
        unit="time-average max LTV",
        numerator=lambda sums: sums["max_ltv_hours"],
        denominator=lambda sums: sums["pair_hours"],
        zero_bound=_none,
        zero_note="nothing could be borrowed",
        empty_note="no bar was replayed",
    ),
    _Ratio(
        name="utilised_ltv",
        unit="debt over the collateral of positions with debt",
        numerator=lambda sums: sums["debt_hours"],
        denominator=lambda sums: sums["collateral_hours"],
        zero_bound=_none,
        zero_note="nothing was borrowed",
        empty_note="no position had debt",
    ),
)


def resampled_rows(count: int, *, mean_block: float, draws: int, seed: int) -> IntArray:
    """Return row numbers of `draws` stationary bootstrap samples of `count` rows (Politis & Romano 1994).

    >>> resampled_rows(30, mean_block=5, draws=4, seed=1).shape
    (4, 30)
    """
    from arch.bootstrap import StationaryBootstrap

    bootstrap = StationaryBootstrap(max(1, round(mean_block)), np.arange(count), seed=np.random.default_rng(seed))
    return np.array([np.array(bootstrap.update_indices()) for _ in range(draws)], dtype=np.int64)


def interval(point: float, sample: FloatArray, alpha: float) -> tuple[float, float]:
    """Return the percentile interval of a bootstrap sample, widened if it must be to hold the point itself."""
    low, high = np.quantile(sample, [alpha / 2, 1 - alpha / 2])
    return min(float(low), point), max(float(high), point)


def _pooled(results: Sequence[BacktestResult]) -> tuple[IntArray, Totals]:
    """Return the days and, for each, the sums over pairs; a pair counts on the days it has."""
    if not results:
        raise DataError("no backtest result to measure: pass at least one")
    days = np.unique(np.concatenate([result.daily.day for result in results]))
    totals = {name: np.zeros(len(days)) for name in (*SUMS, "hours", "pair_hours")}
    for result in results:
        rows = np.searchsorted(days, result.daily.day)
        for name in SUMS:
            totals[name][rows] += getattr(result.daily, name)
        totals["pair_hours"][rows] += result.daily.hours
        totals["hours"][rows] = np.maximum(totals["hours"][rows], result.daily.hours)
    totals["liquidation_days"] = (totals["liquidations"] > 0).astype(np.float64)
    return days, totals


def _summed(totals: Totals, rows: IntArray | None = None) -> Totals:
    """Return the sum over days, or over each row of resampled days."""
    return {name: values.sum() if rows is None else values[rows].sum(axis=1) for name, values in totals.items()}


def _as_list(results: BacktestResult | Sequence[BacktestResult]) -> Sequence[BacktestResult]:
    return [results] if isinstance(results, BacktestResult) else results


def _ratio_of(ratio: _Ratio, sums: Totals) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        values: FloatArray = np.asarray(np.divide(ratio.numerator(sums), ratio.denominator(sums)), dtype=np.float64)
    return values


def _metric(ratio: _Ratio, whole: Totals, samples: Totals, alpha: float) -> Metric:
    exposure = float(ratio.denominator(whole)) if whole["hours"] > 0 else 0.0
    if exposure <= 0:
        return Metric(name=ratio.name, unit=ratio.unit, point=None, low=None, high=None, exposure=0.0, note=ratio.empty_note)
    point = float(_ratio_of(ratio, whole))
    if ratio.numerator(whole) == 0:
        liquidation_days = float(whole["liquidation_days"])
        note = ratio.zero_note.format(days=liquidation_days, bound=min(1.0, 3 / max(liquidation_days, 1.0)))
        return Metric(
            name=ratio.name, unit=ratio.unit, point=point, low=0.0, high=ratio.zero_bound(whole), exposure=exposure, note=note
        )
    sample = _ratio_of(ratio, samples)
    defined = np.isfinite(sample)
    note = "" if defined.all() else f"{np.sum(~defined)} of {len(sample)} resamples had nothing to divide by and were left out"
    low, high = interval(point, sample[defined], alpha)
    return Metric(name=ratio.name, unit=ratio.unit, point=point, low=low, high=high, exposure=exposure, note=note)


def measure(
    results: BacktestResult | Sequence[BacktestResult],
    *,
    seed: int,
    draws: int = 999,
    mean_block_days: float = 28,
    alpha: float = 0.05,
) -> dict[str, Metric]:
    """Return the metrics of one backtest, or of several pooled, by name.

    Days are resampled in blocks (stationary bootstrap) with all pairs together, and numerators with denominators. The
    interval is of level `1 - alpha` and speaks for histories like this one, not for crashes it does not hold.
    """
    days, totals = _pooled(_as_list(results))
    samples = _summed(totals, resampled_rows(len(days), mean_block=mean_block_days, draws=draws, seed=seed))
    whole = _summed(totals)
    return {ratio.name: _metric(ratio, whole, samples, alpha) for ratio in RATIOS}


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
    return {ratio.name: _difference(ratio, (whole, other_whole), (samples, other_samples), alpha) for ratio in RATIOS}


def _difference(ratio: _Ratio, whole: tuple[Totals, Totals], samples: tuple[Totals, Totals], alpha: float) -> Metric:
    exposures = [float(ratio.denominator(side)) if side["hours"] > 0 else 0.0 for side in whole]
    if min(exposures) <= 0:
        return Metric(
            name=ratio.name, unit=ratio.unit, point=None, low=None, high=None, exposure=exposures[1], note=ratio.empty_note
        )
    point = float(_ratio_of(ratio, whole[0]) - _ratio_of(ratio, whole[1]))
    sample = _ratio_of(ratio, samples[0]) - _ratio_of(ratio, samples[1])
    defined = np.isfinite(sample)
    low, high = interval(point, sample[defined], alpha)
    never = ratio.numerator(whole[0]) == 0 and ratio.numerator(whole[1]) == 0
    note = "it happened on neither side, so the difference says nothing about how rare it is" if never else ""
    return Metric(name=ratio.name, unit=ratio.unit, point=point, low=low, high=high, exposure=exposures[1], note=note)
