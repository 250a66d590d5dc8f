"""What happened to borrowers, read from the event logs of a backtest: its worst hours, false liquidations and bad debt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from riskparams.backtest.metric import binomial_bound
from riskparams.backtest.replay import JUDGEMENT, BacktestResult
from riskparams.errors import DataError
from riskparams.prices.panel import Candles
from riskparams.terms import DAY, BoolArray, FloatArray, IntArray

HOURS_SHOWN, FALSE_SHOWN, BAD_SHOWN = 10, 5, 10
SIZES = (10_000.0, 100_000.0, 1_000_000.0)  # debt liquidated: where one size class ends and the next begins
ALPHA = 0.05


class DailyFalls(NamedTuple):
    """How far the price of a pair fell each UTC day: 1 - the day's low / the last close before it; nan for the first day."""

    day: IntArray
    fall: FloatArray

    def on(self, time: int) -> float | None:
        """Return the fall on the day of a bar's close, or None where it is not known."""
        row = int(np.searchsorted(self.day, (time - 1) // DAY * DAY))
        known = row < len(self.day) and self.day[row] == (time - 1) // DAY * DAY and np.isfinite(self.fall[row])
        return float(self.fall[row]) if known else None


def daily_falls(candles: Candles) -> DailyFalls:
    """Return the falls of a price by day; negative where even the low stood above the close before."""
    number = (candles.time - 1) // DAY
    first = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
    before = np.concatenate([[np.nan], candles.close[first[1:] - 1]])
    return DailyFalls(day=number[first] * DAY, fall=1 - np.minimum.reduceat(candles.low, first) / before)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstHour:
    """One bar in which debt was liquidated; `fall` is the deepest of its pairs' falls that day."""

    time: int
    pairs: tuple[str, ...]
    accounts: int
    liquidated: float
    bad_debt: float
    fall: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseCase:
    """One liquidation of a position that would have lived without it."""

    time: int
    pair: str
    account: int
    repaid: float
    penalty: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseLiquidations:
    """Who was liquidated for nothing, among the liquidations that could be followed for seven days.

    `penalty` is what they lost, `seized - repaid`: in all, its median and 90 % quantile among them, and the part that the
    largest tenth of them (rounded up) bore. Quantiles are None where there were none.
    """

    followed_days: float
    judged: int
    count: int
    accounts: int
    repaid: float
    penalty: float
    median_penalty: float | None
    high_penalty: float | None
    top_tenth_share: float | None
    largest: tuple[FalseCase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadDebtCase:
    """One liquidation that left bad debt.

    `owed` is the debt before it, `health` the factor at execution. A position is called at health 1, so that
    `gap = 1 - health` is the fall from trigger to execution; `covered`, the fall that threshold and bonus leave room for, is
    `1 - health x owed / repaid` where the collateral was exhausted (METHOD 7), and None where nothing was repaid.
    """

    time: int
    pair: str
    account: int
    owed: float
    health: float
    gap: float
    covered: float | None
    bad_debt: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeClass:
    """Liquidations of debts from `above` up to `below` (None: no limit); where bad debt was left, that is all that was owed."""

    above: float
    below: float | None
    liquidations: int
    with_bad_debt: int
    bad_debt: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowerOutcomes:
    """What a parameter set did to its borrowers, over all pairs; amounts in units of the debt asset.

    `worst_hours` are by debt liquidated (repaid or bad), `worst_hours_share` their part of all of it. `clean_days_bound` is
    the share of liquidation days that may hold bad debt though none did, at `bound_level`; None where some did, or where
    nothing was liquidated. `pairs` are those the set was replayed on.
    """

    pairs: tuple[str, ...]
    liquidations: int
    liquidated: float
    hours: int
    days: int
    worst_hours: tuple[WorstHour, ...]
    worst_hours_share: float | None
    false: FalseLiquidations
    bad_debt: float
    bad_debt_events: int
    bad_debt_days: int
    bad_debt_cases: tuple[BadDebtCase, ...]
    by_size: tuple[SizeClass, ...]
    clean_days_bound: float | None
    bound_level: float


def borrower_outcomes(results: Sequence[BacktestResult], falls: Mapping[str, DailyFalls]) -> BorrowerOutcomes:
    """Return what the liquidations of one parameter set did; `falls` are the daily falls by pair, as the results name it.

    Ties go to the earlier time, then to the pair's place among the results. Raises `DataError` without a result.
    """
    if not results:
        raise DataError("no backtest result to read events from: pass at least one")
    pooled = _Pooled(results)
    liquidated, days = pooled.liquidated, (pooled.time - 1) // DAY
    bad = pooled.bad_debt > 0
    hours = np.unique(pooled.time)
    worst = _worst_hours(pooled, falls)
    total, clean = float(liquidated.sum()), len(np.unique(days))
    return BorrowerOutcomes(
        pairs=tuple(pooled.names),
        liquidations=len(pooled.time),
        liquidated=total,
        hours=len(hours),
        days=clean,
        worst_hours=worst,
        worst_hours_share=sum(hour.liquidated for hour in worst) / total if total > 0 else None,
        false=_false(pooled),
        bad_debt=float(pooled.bad_debt.sum()),
        bad_debt_events=int(bad.sum()),
        bad_debt_days=len(np.unique(days[bad])),
        bad_debt_cases=_bad_debt(pooled),
        by_size=_by_size(pooled),
        clean_days_bound=None if bad.any() or not clean else binomial_bound(clean, ALPHA),
        bound_level=1 - ALPHA,
    )


class _Pooled:
    """The event logs of several pairs one under the other, by time."""

    def __init__(self, results: Sequence[BacktestResult]) -> None:
        self.names = [result.name for result in results]
        lengths = [len(result.events) for result in results]
        pair = np.repeat(np.arange(len(results)), lengths)
        order = np.lexsort((pair, np.concatenate([result.events.time for result in results])))
        self.pair: IntArray = pair[order]

        def column(name: str) -> FloatArray:
            return np.asarray(np.concatenate([getattr(result.events, name) for result in results])[order])

        self.time: IntArray = column("time").astype(np.int64)
        self.account: IntArray = column("account").astype(np.int64)
        self.health, self.repaid, self.seized, self.bad_debt, self.judged_false = (
            column(name) for name in ("health", "repaid", "seized", "bad_debt", "judged_false")
        )
        self.liquidated = self.repaid + self.bad_debt

    def accounts(self, chosen: BoolArray) -> int:
        """Return how many accounts the chosen events are of."""
        return len({*zip(self.pair[chosen].tolist(), self.account[chosen].tolist(), strict=True)})


def _largest(amount: FloatArray, count: int) -> IntArray:
    """Return the places of the largest amounts, largest first, the earlier one first where they are equal."""
    return np.argsort(-amount, kind="stable")[:count].astype(np.int64)


def _worst_hours(pooled: _Pooled, falls: Mapping[str, DailyFalls]) -> tuple[WorstHour, ...]:
    hours, of = np.unique(pooled.time, return_inverse=True)
    liquidated = np.zeros(len(hours))
    np.add.at(liquidated, of, pooled.liquidated)
    found = []
    for place in _largest(liquidated, HOURS_SHOWN):
        here, time = of == place, int(hours[place])
        pairs = tuple(pooled.names[number] for number in np.unique(pooled.pair[here]))
        deepest = [fall for pair in pairs if (fall := falls[pair].on(time)) is not None]
        found.append(
            WorstHour(
                time=time,
                pairs=pairs,
                accounts=pooled.accounts(here),
                liquidated=float(liquidated[place]),
                bad_debt=float(pooled.bad_debt[here].sum()),
                fall=max(deepest, default=None),
            )
        )
    return tuple(found)


def _false(pooled: _Pooled) -> FalseLiquidations:
    chosen = pooled.judged_false == 1
    places = np.flatnonzero(chosen)
    penalty = (pooled.seized - pooled.repaid)[chosen]
    total = float(penalty.sum())
    top = np.sort(penalty)[::-1][: (len(penalty) + 9) // 10]
    return FalseLiquidations(
        followed_days=JUDGEMENT / DAY,
        judged=int(np.isfinite(pooled.judged_false).sum()),
        count=len(places),
        accounts=pooled.accounts(chosen),
        repaid=float(pooled.repaid[chosen].sum()),
        penalty=total,
        median_penalty=float(np.median(penalty)) if len(places) else None,
        high_penalty=float(np.quantile(penalty, 0.9)) if len(places) else None,
        top_tenth_share=float(top.sum() / total) if total > 0 else None,
        largest=tuple(
            FalseCase(
                time=int(pooled.time[places[row]]),
                pair=pooled.names[pooled.pair[places[row]]],
                account=int(pooled.account[places[row]]),
                repaid=float(pooled.repaid[places[row]]),
                penalty=float(penalty[row]),
            )
            for row in _largest(penalty, FALSE_SHOWN)
        ),
    )


def _bad_debt(pooled: _Pooled) -> tuple[BadDebtCase, ...]:
    found = []
    for row in _largest(pooled.bad_debt, BAD_SHOWN):
        bad, repaid, health = float(pooled.bad_debt[row]), float(pooled.repaid[row]), float(pooled.health[row])
        if bad <= 0:
            break
        found.append(
            BadDebtCase(
                time=int(pooled.time[row]),
                pair=pooled.names[pooled.pair[row]],
                account=int(pooled.account[row]),
                owed=repaid + bad,
                health=health,
                gap=1 - health,
                covered=1 - health * (repaid + bad) / repaid if repaid > 0 else None,
                bad_debt=bad,
            )
        )
    return tuple(found)


def _by_size(pooled: _Pooled) -> tuple[SizeClass, ...]:
    number = np.searchsorted(SIZES, pooled.liquidated, side="right")
    return tuple(
        SizeClass(
            above=(0.0, *SIZES)[place],
            below=(*SIZES, None)[place],
            liquidations=int(np.sum(number == place)),
            with_bad_debt=int(np.sum(pooled.bad_debt[number == place] > 0)),
            bad_debt=float(pooled.bad_debt[number == place].sum()),
        )
        for place in range(len(SIZES) + 1)
    )
