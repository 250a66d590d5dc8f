"""What was in force when: risk parameters by date, and the drops published by date.

Both follow one rule: a value in force from `effective` applies to bars that close strictly after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from riskparams.errors import ConfigError, ParameterError
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.terms import NANOSECONDS, FloatArray, IntArray, frozen, iso


def _check_times(effective: IntArray) -> None:
    if effective.ndim != 1 or not len(effective):
        raise ParameterError("a schedule needs at least one effective time")
    steps = np.diff(effective)
    if np.any(steps <= 0):
        row = int(np.argmax(steps <= 0)) + 1
        raise ParameterError(
            f"effective time {row} is {iso(int(effective[row]))}, not after {iso(int(effective[row - 1]))}: "
            "sort the schedule and keep one row per time"
        )


def rows_in_force(effective: IntArray, times: IntArray) -> IntArray:
    """Return, for each bar close, the row in force over that bar; -1 before the first.

    >>> rows_in_force(np.array([10, 20]), np.array([10, 11, 20, 21])).tolist()
    [-1, 0, 0, 1]
    """
    return np.searchsorted(effective, times, side="left").astype(np.int64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSchedule:
    """Risk parameters and the times (nanoseconds, increasing) from which they applied.

    Row `i` applies to bars closing after `effective[i]`, up to and including the bar that closes at `effective[i + 1]`.
    Values need only be finite and not negative, as in a live market.
    """

    effective: IntArray
    max_ltv: FloatArray
    liquidation_threshold: FloatArray
    liquidation_bonus: FloatArray

    def __post_init__(self) -> None:
        _check_times(self.effective)
        frozen(self.effective)
        for name in ("max_ltv", "liquidation_threshold", "liquidation_bonus"):
            values = getattr(self, name)
            if values.shape != self.effective.shape:
                raise ParameterError(
                    f"{name} has shape {values.shape}: expected one value for each of {len(self.effective)} times"
                )
            if not (np.all(np.isfinite(values)) and np.all(values >= 0)):
                raise ParameterError(f"{name} holds a value that is negative or not finite: write 5 % as 0.05")
            frozen(values)
        if np.any(self.liquidation_threshold > 1):
            raise ParameterError(
                f"liquidation_threshold reaches {self.liquidation_threshold.max():g}: a position would be called when its debt "
                "is above its collateral; write 80 % as 0.8, and a collateral ratio of 130 % as 1 / 1.3"
            )

    @classmethod
    def constant(cls, parameters: RiskParameters | ObservedParameters, start: int) -> ParameterSchedule:
        """Return the schedule that never changes: in force for every bar that closes after `start`.

        >>> terms = ObservedParameters(max_ltv=0.75, liquidation_threshold=0.8, liquidation_bonus=0.05)
        >>> ParameterSchedule.constant(terms, start=0).at(1).max_ltv
        0.75
        """
        return cls(
            effective=np.array([start], dtype=np.int64),
            max_ltv=np.array([parameters.max_ltv], dtype=float),
            liquidation_threshold=np.array([parameters.liquidation_threshold], dtype=float),
            liquidation_bonus=np.array([parameters.liquidation_bonus], dtype=float),
        )

    def rows(self, times: IntArray) -> IntArray:
        """Return the row in force over each bar; raise `ParameterError` for a bar before the first."""
        rows = rows_in_force(self.effective, times)
        if len(rows) and rows.min() < 0:
            early = int(times[int(np.argmin(rows))])
            raise ParameterError(
                f"no parameters are in force for the bar that closes {iso(early)}: the schedule applies after "
                f"{iso(int(self.effective[0]))}; start later or add an earlier row"
            )
        return rows

    def at(self, time: int) -> ObservedParameters:
        """Return the parameters in force over the bar that closes at `time`."""
        row = int(self.rows(np.array([time], dtype=np.int64))[0])
        return ObservedParameters(
            max_ltv=float(self.max_ltv[row]),
            liquidation_threshold=float(self.liquidation_threshold[row]),
            liquidation_bonus=float(self.liquidation_bonus[row]),
        )


def ramped(schedule: ParameterSchedule, *, over: timedelta, every: timedelta = timedelta(hours=1)) -> ParameterSchedule:
    """Return a schedule whose liquidation threshold falls linearly where it fell at once; all else changes at once.

    A fall announced for a time takes `over`, in steps of `every` (the bar of the replay, so that each close sees the value of
    its own time); a rise, the max LTV and the bonus take effect at their time, as in Euler's `setLTV`. An update within
    a ramp begins from the threshold then in force, and ends the ramp.

    >>> cut = ParameterSchedule(
    ...     effective=np.array([0, 10**9]), max_ltv=np.array([0.7, 0.6]), liquidation_threshold=np.array([0.80, 0.78]),
    ...     liquidation_bonus=np.array([0.05, 0.05]),
    ... )
    >>> ramped(cut, over=timedelta(seconds=4), every=timedelta(seconds=1)).liquidation_threshold.round(3).tolist()
    [0.8, 0.795, 0.79, 0.785, 0.78]
    """
    if over <= timedelta(0) or every <= timedelta(0):
        raise ConfigError(f"a ramp over {over} in steps of {every}: expected durations above 0")
    length, step = (round(duration.total_seconds() * NANOSECONDS) for duration in (over, every))
    effective: list[int] = []
    threshold: list[float] = []
    row: list[int] = []
    for i, begins in enumerate(schedule.effective.tolist()):
        target = float(schedule.liquidation_threshold[i])
        ends = int(schedule.effective[i + 1]) if i + 1 < len(schedule.effective) else begins + length
        start = max(threshold[-1], target) if threshold else target
        times = np.arange(begins, min(begins + length, ends), step) if start > target else np.array([begins])
        effective.extend(times.tolist())
        threshold.extend((start + (target - start) * np.minimum((times - begins + step) / length, 1)).tolist())
        row.extend([i] * len(times))
    return ParameterSchedule(
        effective=np.array(effective, dtype=np.int64),
        max_ltv=schedule.max_ltv[row],
        liquidation_threshold=np.array(threshold),
        liquidation_bonus=schedule.liquidation_bonus[row],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedDrops:
    """What was said about drops, and from when: the statements that trigger coverage holds against prices.

    `touch_move[i]` is m*, the fall in logs from opening to trigger; `drop[i, j]` is the drop from trigger to execution
    that is exceeded with probability `1 - levels[j]`, simple and positive. An embargo is already in `effective`.
    """

    effective: IntArray
    touch_move: FloatArray
    levels: tuple[float, ...]
    drop: FloatArray

    def __post_init__(self) -> None:
        _check_times(self.effective)
        if self.touch_move.shape != self.effective.shape or not np.all(self.touch_move > 0):
            raise ParameterError("touch_move needs one move above 0, in logs, for each effective time")
        if not self.levels or any(not 0 < level < 1 for level in self.levels) or list(self.levels) != sorted(set(self.levels)):
            raise ParameterError(f"levels are {self.levels}: expected increasing probabilities such as (0.95, 0.995)")
        if self.drop.shape != (len(self.effective), len(self.levels)) or not np.all(self.drop < 1):
            raise ParameterError(
                f"drop has shape {self.drop.shape}: expected {len(self.effective)} dates x {len(self.levels)} levels, below 1"
            )
        for array in (self.effective, self.touch_move, self.drop):
            frozen(array)
