"""Alarms of an oracle model held against the liquidations that were recorded."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from riskparams.backtest.account_lives import Episodes, Hours, Lives
from riskparams.backtest.price_in_force import OracleView
from riskparams.errors import ConfigError, InsufficientData
from riskparams.terms import BoolArray, FloatArray, IntArray, frozen

NOTHING = "no liquidation of an account with a complete record: there is nothing to score; give a record that holds some"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """The first unsafe hour of each life that has one, by account and hour; `debt` is what was owed then, with interest."""

    life: IntArray
    account: IntArray
    hour: IntArray
    debt: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            frozen(getattr(self, field.name))

    def __len__(self) -> int:
        return len(self.life)


def raise_alarms(lives: Lives, view: OracleView) -> Alarms:
    """Return one alarm for each life that is unsafe in some hour.

    After its alarm an account is closed, and what was recorded of that life later is not applied.
    """
    from riskparams.backtest.event_kernels import first_unsafe

    found = first_unsafe(
        len(lives), lives.life, lives.start, lives.end, lives.collateral, lives.debt, view.price, view.required
    )
    life = np.flatnonzero(found[:, 0] >= 0)
    hour, span = found[life].T
    order = np.lexsort((hour, lives.account[life]))
    life, hour, span = life[order], hour[order], span[order]
    return Alarms(life=life, account=lives.account[life], hour=hour, debt=lives.debt[span] * view.index[hour])


def match_alarms(alarms: Alarms, episodes: Episodes, hours: Hours, *, within: int) -> IntArray:
    """Return for each alarm the episode it foretold, -1 for none.

    That is the nearest of the same account within so many hours, the earlier of two as near, unless an earlier alarm has it.
    """
    episode_hour = hours.of(episodes.time)
    free = np.ones(len(episodes), bool)
    matched = np.full(len(alarms), -1)
    for row, (account, hour) in enumerate(zip(alarms.account, alarms.hour, strict=True)):
        away = np.abs(episode_hour - hour)
        near = np.flatnonzero(free & (episodes.account == account) & (away <= within))
        if len(near):
            matched[row] = near[np.argmin(away[near])]
            free[matched[row]] = False
    return matched


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmScores:
    """How alarms compare with `episodes` of the record; a ratio whose denominator is 0 is None.

    `precision` is the share of alarms with an episode, `recall` the share of episodes with an alarm. `matched_repaid_ratio`
    is the debt of those alarms over the recorded debt of their episodes, `total_repaid_ratio` that of all alarms over all
    episodes.
    """

    alarms: int
    false_alarms: int
    episodes: int
    precision: float | None
    recall: float
    matched_repaid_ratio: float | None
    total_repaid_ratio: float


def score_alarms(alarms: Alarms, episodes: Episodes, hours: Hours, *, within: int) -> AlarmScores:
    """Return the scores of alarms that may lie `within` so many hours of their episode, before or after."""
    if not len(episodes):
        raise InsufficientData(
            "no recorded liquidation of an account with a complete record: there is nothing to score against"
        )
    matched = match_alarms(alarms, episodes, hours, within=within)
    hit = matched >= 0
    return AlarmScores(
        alarms=len(alarms),
        false_alarms=int((~hit).sum()),
        episodes=len(episodes),
        precision=float(hit.mean()) if len(alarms) else None,
        recall=float(hit.sum() / len(episodes)),
        matched_repaid_ratio=float(alarms.debt[hit].sum() / episodes.debt[matched[hit]].sum()) if hit.any() else None,
        total_repaid_ratio=float(alarms.debt.sum() / episodes.debt.sum()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingScores:
    """When accounts became unsafe beside when they were liquidated, in hours.

    `recall` is the share of episodes with an unsafe hour near the record; the others are shares of those, by how far the
    first hour of that unsafe spell lies from the record; None without any.
    """

    recall: float
    same_hour: float | None
    within_1h: float | None
    within_3h: float | None


def unsafe_spell_starts(
    lives: Lives,
    episodes: Episodes,
    hours: Hours,
    view: OracleView,
    *,
    within: int,
) -> tuple[BoolArray, IntArray]:
    """Return which episodes had an unsafe hour `within` so many hours, and by how many hours its spell began before (< 0).

    A spell is an unbroken run of unsafe hours of the life that the episode ended. Of several near the record the one with
    the hour nearest to it counts, the earlier of two as near.
    """
    required = view.required
    found, lag = np.zeros(len(episodes), bool), np.zeros(len(episodes), np.int64)
    life_of = {int(episode): life for life, episode in enumerate(lives.episode) if episode >= 0}
    for number, hour in enumerate(hours.of(episodes.time)):
        if number not in life_of:
            continue
        spans = slice(*np.searchsorted(lives.life, [life_of[number], life_of[number] + 1]))
        first, stop = int(lives.start[spans][0]), int(lives.end[spans][-1])
        unsafe = np.zeros(stop - first, bool)
        for start, end, collateral, debt in zip(
            lives.start[spans], lives.end[spans], lives.collateral[spans], lives.debt[spans], strict=True
        ):
            unsafe[start - first : end - first] = collateral * view.price[start:end] < debt * required[start:end]
        at = np.flatnonzero(unsafe) + first
        near = at[np.abs(at - hour) <= within]
        if not len(near):
            continue
        nearest = int(near[np.argmin(np.abs(near - hour))])
        safe = np.flatnonzero(~unsafe[: nearest - first])
        found[number], lag[number] = True, (safe[-1] + 1 if len(safe) else 0) + first - hour
    return found, lag


def score_timing(found: BoolArray, lag: IntArray) -> TimingScores:
    """Return the scores of what `unsafe_spell_starts` found.

    >>> score_timing(np.array([True, True, False, True]), np.array([0, -2, 0, 1])).same_hour
    0.3333333333333333
    """
    if not len(found):
        raise InsufficientData(
            "no recorded liquidation of an account with a complete record: there is nothing to score against"
        )
    apart = np.abs(lag[found])

    def share(most: int) -> float | None:
        return float((apart <= most).mean()) if len(apart) else None

    return TimingScores(recall=float(found.mean()), same_hour=share(0), within_1h=share(1), within_3h=share(3))


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverClasses:
    """Lives by their lowest collateral ratio over the liquidation ratio, and how many of each were liquidated.

    `certain` fell below 1 - allowance, `within_allowance` came no further than that from the line on either side, and
    `safe` stayed above 1 + allowance: an oracle whose price may be off by the allowance can tell no more.
    """

    allowance: float
    certain: tuple[int, int]
    within_allowance: tuple[int, int]
    safe: tuple[int, int]


def classify_lives(lives: Lives, view: OracleView, *, allowance: float) -> CoverClasses:
    """Return each class as (lives, of them liquidated)."""
    from riskparams.backtest.event_kernels import lowest_cover

    if not 0 <= allowance < 1:
        raise ConfigError(f"the allowance is {allowance}: expected a fraction of the ratio, such as 0.02")
    lowest = lowest_cover(
        len(lives), lives.life, lives.start, lives.end, lives.collateral, lives.debt, view.price, view.required
    )
    certain, safe = lowest < 1 - allowance, lowest > 1 + allowance
    liquidated = lives.episode >= 0

    def counted(members: BoolArray) -> tuple[int, int]:
        return int(members.sum()), int((members & liquidated).sum())

    return CoverClasses(
        allowance=allowance, certain=counted(certain), within_allowance=counted(~certain & ~safe), safe=counted(safe)
    )
