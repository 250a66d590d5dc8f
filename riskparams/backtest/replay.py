"""One book of borrowers, replayed over one pair's prices under the parameters in force at each bar."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from riskparams.backtest.liquidation import Intrabar, LiquidationRules
from riskparams.backtest.positions import Cohort, PositionBook
from riskparams.backtest.schedule import ParameterSchedule
from riskparams.errors import DataError, InsufficientData
from riskparams.prices.panel import Candles
from riskparams.terms import DAY, NANOSECONDS, FloatArray, IntArray, frozen, iso

EPISODE_GAP = DAY  # a liquidation episode ends once the health factor has held at 1 or more for this long
JUDGEMENT = 7 * DAY  # how long the position is followed as if it had not been liquidated

DAILY_COLUMNS = (  # in the order of the kernel's daily table
    "position_hours",
    "debt_hours",
    "collateral_hours",
    "episodes",
    "liquidations",
    "judged",
    "false_liquidations",
    "recovered",
    "repaid",
    "seized",
    "penalty",
    "protocol_fee",
    "bad_debt",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyTotals:
    """Sums over all accounts for each UTC day, in units of the debt asset; read-only.

    Exposure of a bar is the debt carried into it, times its hours; `hours` are those replayed that day. A liquidation
    counts on the day it executes, and `judged` are those followed for seven days within the replay: whether one was
    false uses those later prices, and is the only number of a day that does. `deficit` is the day's largest sum of debt
    above collateral at a close, not yet realised.
    """

    day: IntArray
    hours: FloatArray
    max_ltv_hours: FloatArray
    position_hours: FloatArray
    debt_hours: FloatArray
    collateral_hours: FloatArray
    episodes: FloatArray
    liquidations: FloatArray
    judged: FloatArray
    false_liquidations: FloatArray
    recovered: FloatArray
    repaid: FloatArray
    seized: FloatArray
    penalty: FloatArray
    protocol_fee: FloatArray
    bad_debt: FloatArray
    deficit: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            frozen(getattr(self, field.name))

    def __len__(self) -> int:
        return len(self.day)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """Every executed liquidation, by time and then account. `health` is the factor at execution, before it."""

    time: IntArray
    account: IntArray
    health: FloatArray
    repaid: FloatArray
    seized: FloatArray
    price: FloatArray
    bad_debt: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            frozen(getattr(self, field.name))

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """What happened to a book: daily totals, each liquidation, and all that is needed to repeat it."""

    pair: str
    opened: int  # close of the bar at which the book opened
    last: int
    bar: int
    accounts: int
    daily: DailyTotals
    events: EventLog
    rules: LiquidationRules
    cohort: Cohort
    book_seed: int
    candles_sha256: str


def replay(
    candles: Candles,
    schedule: ParameterSchedule,
    book: PositionBook,
    rules: LiquidationRules,
    *,
    cohort: Cohort,
    start: int,
    end: int,
    bar: int,
    pair: str = "",
) -> BacktestResult:
    """Return what happens to the book over the bars that close after `start` and by `end`.

    `candles` are the pair's prices, in units of the debt asset. Accounts open at the first bar's close; a bar's prices
    act on what was decided at earlier closes, and parameters apply to bars closing strictly after their effective time.
    Within a bar: trigger, execution at the close of one that is due, then borrowers. Filled bars are bars like others.
    Past prices already contain the impact of the liquidations of their day, so none is added.
    """
    from riskparams.backtest import kernels

    window = slice(*np.searchsorted(candles.time, [start, end], side="right"))
    time, close = np.ascontiguousarray(candles.time[window]), np.ascontiguousarray(candles.close[window])
    low = np.ascontiguousarray(candles.low[window])
    if len(time) < 2:
        raise InsufficientData(
            f"{len(time)} bars close after {iso(start)} and by {iso(end)}: a replay needs at least 2; move its start or end"
        )
    if not (np.all(np.isfinite(close)) and np.all(low > 0) and np.all(low <= close)):
        raise DataError("a bar's low is not above 0 and at or below its close: check the pair's candles")
    rows = schedule.rows(time)
    hours = bar / NANOSECONDS / 3600
    first_day = (int(time[1]) - 1) // DAY
    day = (time - 1) // DAY - first_day
    days = int(day[-1]) + 1

    begins = np.zeros(len(time), dtype=bool)
    begins[1] = True
    begins[2:] = (np.diff(day[1:]) != 0) | (np.diff(rows[1:]) != 0)
    first = np.flatnonzero(begins)
    trigger_price = low if rules.intrabar is Intrabar.WORST else close
    lowest_ahead, last_ahead, judged = kernels.window_ahead(time, low, close, JUDGEMENT)
    table, deficit, event_bar, event_account, event = kernels.replay_accounts(
        time,
        trigger_price,
        close,
        lowest_ahead,
        last_ahead,
        judged,
        hours,
        np.append(first, len(time)),
        day[first],
        schedule.max_ltv[rows[first]],
        schedule.liquidation_threshold[rows[first]],
        schedule.liquidation_bonus[rows[first]],
        np.minimum.reduceat(trigger_price, first),
        np.maximum.reduceat(close, first),
        np.add.reduceat(close, first),
        float(schedule.max_ltv[rows[0]]),
        days,
        book.utilisation,
        book.size,
        book.seed,
        rules.execution_bars,
        rules.target_health,
        rules.full_close_below,
        rules.dust,
        rules.protocol_share,
        cohort.top_up_below,
        cohort.top_up_chance(hours),
        cohort.relever_above,
        cohort.relever_chance(hours),
        cohort.reopen_nanoseconds,
        EPISODE_GAP,
    )
    largest_deficit = np.zeros(days)
    np.maximum.at(largest_deficit, day[1:], deficit[1:])
    bar_hours = np.full(len(time) - 1, hours)
    daily_hours = np.bincount(day[1:], weights=bar_hours, minlength=days).astype(np.float64)
    max_ltv_hours = np.bincount(day[1:], weights=bar_hours * schedule.max_ltv[rows[1:]], minlength=days).astype(np.float64)
    order = np.lexsort((event_account, event_bar))
    columns = dict(zip(DAILY_COLUMNS, table.T.copy(), strict=True))
    return BacktestResult(
        pair=pair,
        opened=int(time[0]),
        last=int(time[-1]),
        bar=bar,
        accounts=len(book),
        daily=DailyTotals(
            day=(first_day + np.arange(days)) * DAY,
            hours=daily_hours,
            max_ltv_hours=max_ltv_hours,
            deficit=largest_deficit,
            **columns,
        ),
        events=EventLog(
            time=time[event_bar[order]],
            account=event_account[order],
            health=event[order, kernels.HEALTH],
            repaid=event[order, kernels.EVENT_REPAID],
            seized=event[order, kernels.EVENT_SEIZED],
            price=event[order, kernels.PRICE],
            bad_debt=event[order, kernels.EVENT_BAD_DEBT],
        ),
        rules=rules,
        cohort=cohort,
        book_seed=book.seed,
        candles_sha256=candles.sha256(),
    )
