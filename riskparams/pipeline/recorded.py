"""Recorded positions, rebuilt and replayed: a study's event history, its oracle, and what was liquidated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from riskparams.backtest.account_lives import Episodes, Hours, Lives, account_lives, liquidation_episodes
from riskparams.backtest.account_states import AccountStates, rebuild
from riskparams.backtest.event_history import EventKind
from riskparams.backtest.price_in_force import OracleView, Outage, prices_in_force
from riskparams.backtest.recorded_match import (
    classify_lives,
    raise_alarms,
    score_alarms,
    score_timing,
    unsafe_spell_starts,
)
from riskparams.backtest.static_book import deep_falls, replay_static
from riskparams.errors import ConfigError
from riskparams.pipeline.known_prices import candle_format
from riskparams.pipeline.recorded_files import load_history
from riskparams.prices.candles import CandleFormat, CandleSource, Join, load_candles
from riskparams.prices.panel import Candles
from riskparams.settings import HistorySection, Study
from riskparams.terms import Asset, BoolArray, iso, nanoseconds

CLOSE_AGREEMENT = 0.001  # the share of whole liquidations whose debt is rebuilt this closely is printed


@dataclass(frozen=True, kw_only=True)
class RecordedReplay:
    """What a rebuilt history agrees with, how the oracle model matches the record, and what its parts are worth."""

    study: str
    states: AccountStates
    document: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return {"study": self.study, **self.document}


@dataclass(frozen=True, kw_only=True)
class _Replay:
    """Everything the scores are made from."""

    section: HistorySection
    states: AccountStates
    hours: Hours
    episodes: Episodes  # of accounts with a complete record
    lives: Lives
    close: Candles
    low: Candles | None

    def steps(self, duration: timedelta) -> int:
        return round(_nanoseconds(duration) / self.hours.step)

    def view(self, *, delay: int, outages: Sequence[Outage] = ()) -> OracleView:
        """Return what the market went by; parameters first dated within the first hour hold for all of it."""
        terms, start = self.states.history.terms, self.hours.start
        return OracleView(
            price=prices_in_force(self.close.time, self.close.close, start, delay=delay, outages=outages),
            ratio=terms.liquidation_ratio.at(np.maximum(start, min(terms.liquidation_ratio.time[0], self.hours.end[0]))),
            index=self.states.index_at(self.hours.end),
        )


def rebuild_recorded(section: HistorySection, data: Path, *, as_of: int | None = None) -> tuple[AccountStates, dict[str, str]]:
    """Return the accounts that files in `data` record, rebuilt from what was known at `as_of`, and each file's digest."""
    history, digests = load_history(section, data)
    return rebuild(history if as_of is None else history.until(as_of), section.rules.build()), digests


def replay_recorded(study: Study, *, data: Path, prices: Path | None = None, as_of: int | None = None) -> RecordedReplay:
    """Return a study's recorded positions, rebuilt from files in `data`, replayed and held against the record.

    Nothing dated after `as_of` (nanoseconds, default the study's) is used. `match` is what the delayed oracle says by itself;
    that it was down is known from the record alone, so what that explains stands apart, in `match_with_outages`.
    """
    section = study.history
    if section is None:
        raise ConfigError(f"study {study.name} has no [history] section: add one, or leave --data out")
    if as_of is None and study.study.as_of is not None:
        as_of = nanoseconds(study.study.as_of)
    dates = [moment for moment in map(nanoseconds, section.dates) if as_of is None or moment <= as_of]
    states, digests = rebuild_recorded(section, data, as_of=as_of)
    layout = replace(candle_format(study), join=Join.LEVELS)
    close = _candles(section.oracle.files, layout, section.collateral, prices, as_of)
    low = _candles(section.oracle.lows, layout, section.collateral, prices, as_of) if section.oracle.lows else close
    every = liquidation_episodes(states, _nanoseconds(section.scoring.episode_gap))
    episodes = _only(every, ~np.isin(every.account, list(states.incomplete)))
    hours = Hours.covering(states, layout.bar)
    held = round(_nanoseconds(section.scoring.alarm_within) / layout.bar)
    replayed = _Replay(
        section=section,
        states=states,
        hours=hours,
        episodes=episodes,
        lives=account_lives(states, episodes, hours, held=held),
        close=close,
        low=None if low.close_only else low,
    )
    outages = [Outage(start=nanoseconds(one.start), end=nanoseconds(one.end)) for one in section.oracle.outages]
    delay = _nanoseconds(section.oracle.delay)
    plain = replayed.view(delay=delay)
    informed = replayed.view(delay=delay, outages=outages)
    document = {
        "rebuild": _rebuild(states, every, episodes, dates=dates, accounts=section.accounts),
        "match": _match(replayed, plain),
        "match_with_outages": _match(replayed, informed) if outages else None,
        "classes": _classes(replayed, informed),
        "ablations": _ablations(replayed, plain),
        "data_sha256": digests,
        "price_sha256": {"closes": close.sha256(), "lows": low.sha256()},
    }
    return RecordedReplay(study=study.name, states=states, document=document)


def _nanoseconds(duration: timedelta) -> int:
    return round(duration / timedelta(microseconds=1)) * 1_000


def _candles(files: Sequence[str], layout: CandleFormat, asset: str, folder: Path | None, as_of: int | None) -> Candles:
    found = load_candles(CandleSource(Asset(asset), tuple((folder or Path()) / name for name in files)), layout)
    return found if as_of is None else found.until(as_of)


def _only(episodes: Episodes, kept: BoolArray) -> Episodes:
    return Episodes(
        first=episodes.first[kept],
        last=episodes.last[kept],
        account=episodes.account[kept],
        time=episodes.time[kept],
        debt=episodes.debt[kept],
        collateral=episodes.collateral[kept],
    )


def _rebuild(
    states: AccountStates, every: Episodes, complete: Episodes, *, dates: Sequence[int], accounts: Sequence[int]
) -> dict[str, Any]:
    """What the rebuilt accounts say that can be checked against the record."""
    history = states.history
    seized = np.flatnonzero(history.kind == EventKind.LIQUIDATION)
    whole = seized[states.whole[seized]]
    owed = states.debt_before * states.index
    error = np.abs(history.amount[whole] / owed[whole] - 1)
    unit = states.rules.collateral_unit
    rounded = np.round(states.taken[seized] / unit) * unit
    closed = states.written_off[states.written_off > 0]
    return {
        "owner_events": len(history) - len(seized),
        "accounts": len(np.unique(history.account)),
        "liquidations": len(seized),
        "liquidated_debt": float(history.amount[seized].sum()),
        "liquidated_collateral": float(history.collateral[seized].sum()),
        "episodes": len(every),
        "accounts_liquidated": len(np.unique(every.account)),
        "dates": [_total(states, moment) for moment in dates],
        "whole_liquidations": {
            "count": len(whole),
            "debt_error_median": float(np.median(error)) if len(whole) else None,
            "debt_error_95": float(np.quantile(error, 0.95)) if len(whole) else None,
            "share_within_0.1_percent": float((error < CLOSE_AGREEMENT).mean()) if len(whole) else None,
        },
        "rounded_collateral_matches": int((np.abs(rounded - history.collateral[seized]) < unit / 2).sum()),
        "lowest_collateral": float(np.minimum(states.collateral, states.dropped).min()),
        "closures": {"count": len(closed), "median_debt": float(np.median(closed)) if len(closed) else None},
        "accounts_named": [
            {
                "account": int(history.account[event]),
                "time": iso(int(history.time[event])),
                "collateral": float(states.collateral_before[event]),
                "debt": float(owed[event]),
                "recorded_debt": float(history.amount[event]),
            }
            for event in seized[np.isin(history.account[seized], accounts)]
        ],
        "incomplete": {
            "accounts": sorted(states.incomplete),
            "found_overpaying": sorted(states.overpaying),
            "found_stranded": sorted(states.stranded),
            "found_uncovered": sorted(states.uncovered),
        },
        "complete": {
            "episodes": len(complete),
            "debt": float(complete.debt.sum()),
            "collateral": float(complete.collateral.sum()),
            "by_year": dict(sorted(Counter(iso(int(time))[:4] for time in complete.time).items())),
        },
    }


def _total(states: AccountStates, time: int) -> dict[str, Any]:
    book = states.book_at(time)
    first = int(states.history.terms.borrow_rate.time[0])
    return {
        "time": iso(time),
        "rate_index": float(states.index_at(np.array([max(time, first)]))[0]),
        "accounts": len(book),
        "debt": float(book.debt.sum()),
        "collateral": float(book.collateral.sum()),
    }


def _match(replayed: _Replay, view: OracleView) -> dict[str, Any]:
    """The oracle model against the record, of accounts whose record is complete."""
    scoring, oracle = replayed.section.scoring, replayed.section.oracle
    within = replayed.steps(scoring.alarm_within)
    timing = _timing(replayed, view)
    alarms = raise_alarms(replayed.lives, view.with_allowance(oracle.allowance))
    found = score_alarms(alarms, replayed.episodes, replayed.hours, within=within)
    better = view.priced(np.maximum(view.price, np.concatenate([view.price[:1], view.price[:-1]])))
    sparing = raise_alarms(replayed.lives, better.with_allowance(oracle.better_of_two_allowance))
    best = score_alarms(sparing, replayed.episodes, replayed.hours, within=within)
    return {
        **timing,
        "precision": found.precision,
        "alarm_recall": found.recall,
        "matched_repaid_ratio": found.matched_repaid_ratio,
        "total_repaid_ratio": found.total_repaid_ratio,
        "false_alarms_better_of_two": best.false_alarms,
        "recall_better_of_two": best.recall,
        "alarms": found.alarms,
        "alarms_better_of_two": best.alarms,
        "episodes": found.episodes,
    }


def _timing(replayed: _Replay, view: OracleView) -> dict[str, float | None]:
    within = replayed.steps(replayed.section.scoring.timing_within)
    spells = unsafe_spell_starts(replayed.lives, replayed.episodes, replayed.hours, view, within=within)
    return asdict(score_timing(*spells))


def _classes(replayed: _Replay, view: OracleView) -> dict[str, Any]:
    found = classify_lives(replayed.lives, view, allowance=replayed.section.oracle.allowance)
    counted = {
        name: dict(zip(("lives", "liquidated"), getattr(found, name), strict=True))
        for name in ("certain", "within_allowance", "safe")
    }
    return {"allowance": found.allowance, **counted}


def _ablations(replayed: _Replay, view: OracleView) -> dict[str, Any]:
    """What becomes of the match when a part of the replay is left out."""
    scoring, hours = replayed.section.scoring, replayed.hours
    bar_low = None
    if replayed.low is not None:
        low = view.priced(prices_in_force(replayed.low.time, replayed.low.low, hours.end, delay=0))
        alarms = raise_alarms(replayed.lives, low)
        bar_low = asdict(score_alarms(alarms, replayed.episodes, hours, within=replayed.steps(scoring.alarm_within)))
    falls = deep_falls(view.price, drop=scoring.fall, within=replayed.steps(scoring.fall_within))
    still = replay_static(replayed.states, replayed.episodes, hours, falls, view)
    return {
        "no_delay": _timing(replayed, replayed.view(delay=0)),
        "bar_low_without_delay": bar_low,
        "static_book": {**asdict(still), "total_repaid_ratio": still.total_repaid_ratio},
    }
