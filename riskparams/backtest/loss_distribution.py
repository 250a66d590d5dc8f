"""What a book loses over many histories: bad debt and liquidations at risk, each apart, with definition and interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riskparams.backtest.metric import Metric
from riskparams.backtest.replay import BacktestResult
from riskparams.compute import Executor
from riskparams.errors import ConfigError, DataError, InsufficientData
from riskparams.terms import FloatArray, frozen

FEWEST = 100  # histories: the worst 1 % is one of them
CHUNKS = 8  # tasks a worker, so that what a task is told is not sent once a history
DRAWS = 999

VALUE_AT_RISK = "VaR: 95th percentile of the bad debt (net insolvent value) of a history"
EXTREME_VALUE_AT_RISK = "EVaR: 99th percentile of the bad debt of a history"
EXPECTED_SHORTFALL = "ES: average bad debt of the worst 1 % of histories"
LIQUIDATIONS_AT_RISK = "LaR: 95th percentile of the debt liquidated in a history, repaid or bad; not a loss of the protocol"

Loss = tuple[float, float]
"""Bad debt and liquidated debt of one history, in units of account."""


def loss_of(result: BacktestResult) -> Loss:
    """Return the bad debt and the liquidated debt (repaid or bad) of one replay.

    Bad debt is net insolvent value: what was realised, and what is owed above collateral on the last day, at the close at
    which that was most: an upper bound where some of that was realised, or made good, before the day ended.
    """
    daily = result.daily
    realised = float(daily.bad_debt.sum())
    return realised + float(daily.deficit[-1]), realised + float(daily.repaid.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class LossDistribution:
    """The losses of many histories in their order, and what is at risk; read-only.

    `failures` are the histories that raised or gave no finite loss, with the reason; both their losses are `worst`.
    `measures` are by name: each one's note is its definition, and `exposure` the number of histories.
    """

    bad_debt: FloatArray
    liquidated: FloatArray
    failures: tuple[tuple[int, str], ...]
    measures: dict[str, Metric]

    def __post_init__(self) -> None:
        frozen(self.bad_debt)
        frozen(self.liquidated)


@dataclass(frozen=True)
class _Attempt:
    """Runs a chunk of histories: the loss of each, or why there is none."""

    run: Callable[[int], Loss]

    def __call__(self, numbers: range) -> list[Loss | str]:
        return [self._one(number) for number in numbers]

    def _one(self, number: int) -> Loss | str:
        try:
            bad, liquidated = (float(value) for value in self.run(number))
        except Exception as error:  # whatever it was, it is not a loss of zero
            return f"{type(error).__name__}: {error}"
        known = math.isfinite(bad) and math.isfinite(liquidated) and bad >= 0 and liquidated >= 0
        return (bad, liquidated) if known else f"bad debt is {bad}, liquidated debt {liquidated}"


def loss_distribution(
    run: Callable[[int], Loss],
    count: int,
    *,
    seed: int,
    executor: Executor | None = None,
    worst: float = math.inf,
    alpha: float = 0.05,
) -> LossDistribution:
    """Return the distribution of `run(0)` to `run(count - 1)`, the same on any number of workers.

    A history that raises or gives a loss that is negative or not finite is a failure: its losses are taken as `worst`, by
    default infinite, so that it stands above all that are known; give the book's whole debt for a finite figure. A risk
    measure that reaches into failures is then infinite: not known. Quantiles are order statistics, with the interval of
    order statistics that holds whatever the law is (its upper end is infinite where so few histories bound nothing);
    expected shortfall has a bootstrap interval. Intervals are of level `1 - alpha` and speak of the number of histories,
    not of the law that drew them. Raises `InsufficientData` for fewer than 100 histories, `DataError` where all failed.

    >>> found = loss_distribution(lambda number: (float(number), 10.0 * number), 1000, seed=1)
    >>> [round(metric.point, 6) for metric in found.measures.values()]
    [949.0, 989.0, 994.5, 9490.0]
    """
    if count < FEWEST:
        raise InsufficientData(f"{count} histories: expected at least {FEWEST}, of which the worst 1 % is one")
    if not worst >= 0:
        raise ConfigError(f"the loss of a failed history is {worst}: expected an amount, 0 or more, or infinity")
    executor = executor or Executor()
    size = math.ceil(count / (CHUNKS * max(1, executor.workers)))
    chunks = [range(first, min(first + size, count)) for first in range(0, count, size)]
    found = [one for chunk in executor.map(_Attempt(run), chunks) for one in chunk]
    failures = tuple((number, one) for number, one in enumerate(found) if isinstance(one, str))
    if len(failures) == count:
        raise DataError(f"all {count} histories failed, the first with {failures[0][1]}: there is no loss to speak of")
    losses = np.array([(worst, worst) if isinstance(one, str) else one for one in found])
    known = np.delete(losses, [number for number, _ in failures], axis=0)
    if known.max() > worst:
        raise ConfigError(f"a history lost {known.max():g}, more than the {worst:g} a failed one counts as: raise it")
    bad, liquidated = losses.T.copy()
    failed = f"; {len(failures)} of {count} histories failed and count as {worst:g}" if failures else ""
    measures = (
        _quantile("value_at_risk_95", bad, 0.95, alpha, VALUE_AT_RISK + failed),
        _quantile("extreme_value_at_risk_99", bad, 0.99, alpha, EXTREME_VALUE_AT_RISK + failed),
        _expected_shortfall("expected_shortfall_99", bad, 0.99, alpha, EXPECTED_SHORTFALL + failed, seed),
        _quantile("liquidations_at_risk_95", liquidated, 0.95, alpha, LIQUIDATIONS_AT_RISK + failed),
    )
    return LossDistribution(
        bad_debt=bad, liquidated=liquidated, failures=failures, measures={measure.name: measure for measure in measures}
    )


def _quantile(name: str, losses: FloatArray, level: float, alpha: float, definition: str) -> Metric:
    """Return the smallest loss that a share `level` does not exceed, with its binomial order-statistic interval."""
    from scipy.stats import binom

    ordered, count = np.append(np.sort(losses), math.inf), len(losses)
    low, high = (int(binom.ppf(share, count, level)) for share in (alpha / 2, 1 - alpha / 2))
    return Metric(
        name=name,
        unit="units of account per history",
        point=float(ordered[math.ceil(level * count - 1e-9) - 1]),
        low=float(ordered[low - 1]) if low > 0 else 0.0,
        high=float(ordered[high]),
        exposure=count,
        note=definition,
    )


def _expected_shortfall(name: str, losses: FloatArray, level: float, alpha: float, definition: str, seed: int) -> Metric:
    """Return the mean of the worst `1 - level`, counting the history at the edge in part (Acerbi & Tasche 2002)."""
    count = len(losses)
    share = round(count * (1 - level), 9)
    weights = np.clip(share - np.arange(math.ceil(share)), 0, 1) / share  # of the worst, the next, ...
    ordered = np.sort(losses)[::-1]
    point = float(ordered[: len(weights)] @ weights)
    picks = np.sort(np.random.default_rng(seed).integers(count, size=(DRAWS, count)), axis=1)[:, : len(weights)]
    sample = ordered[picks] @ weights
    low, high = (float(np.quantile(sample, q, method="closest_observation")) for q in (alpha / 2, 1 - alpha / 2))
    return Metric(
        name=name,
        unit="units of account per history",
        point=point,
        low=min(low, point),
        high=max(high, point),
        exposure=count,
        note=definition,
    )
