"""From the parameters in force to those wanted: whether to propose the change, and how fast it may come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import inf

from riskparams.errors import ConfigError
from riskparams.parameters.ltv import BONUS_STEP, STEP, ceiled, floored
from riskparams.parameters.risk_parameters import ObservedParameters, RiskParameters
from riskparams.terms import NANOSECONDS, day

LiveParameters = RiskParameters | ObservedParameters
NAMES = ("max_ltv", "liquidation_threshold", "liquidation_bonus")
DEVIATIONS = 1.645  # a change within 90 % of the noise around none is not news
SAME = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedLimits:
    """How far one update may go; fractions of value.

    A threshold falls by at most `threshold_fall`, spread evenly over `ramp`; a maximum LTV may fall at once, for it closes no
    loan. Either is raised by at most `loosening`, and only once looser values were wanted for `looser_for`. The bonus moves by
    at most `bonus_step`. Updates are at least `min_delay` apart, and no ramp is cut short by the next.
    """

    threshold_fall: float = 0.02
    ramp: timedelta = timedelta(days=7)
    loosening: float = 0.01
    looser_for: timedelta = timedelta(days=14)
    bonus_step: float = 0.01
    min_delay: timedelta = timedelta(days=3)

    def __post_init__(self) -> None:
        for name, least in (("threshold_fall", STEP), ("loosening", STEP), ("bonus_step", BONUS_STEP)):
            if not least <= getattr(self, name) < 1:
                raise ConfigError(f"speed limit {name} is {getattr(self, name)}: expected a fraction from {least} to below 1")
        for name in ("ramp", "looser_for", "min_delay"):
            if getattr(self, name) < timedelta(0):
                raise ConfigError(f"speed limit {name} is {getattr(self, name)}: expected a duration, 0 or longer")
        if self.spacing <= timedelta(0):
            raise ConfigError("speed limits ramp and min_delay are both nothing: expected time between two updates")

    @property
    def spacing(self) -> timedelta:
        """The time from one update to the next."""
        return max(self.ramp, self.min_delay)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A threshold on its way from `from_` to `to`, in a straight line between `start` and `end` (nanoseconds)."""

    start: int
    end: int
    from_: float
    to: float

    def at(self, time: int) -> float:
        """Return the threshold in force at a time.

        >>> Ramp(start=0, end=100, from_=0.80, to=0.78).at(50)
        0.79
        """
        if time >= self.end:
            return self.to
        passed = max(time - self.start, 0) / (self.end - self.start)
        return self.from_ + passed * (self.to - self.from_)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedStep:
    """Parameters to be set at a time (nanoseconds), if what is wanted has not changed by then."""

    time: int
    parameters: RiskParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The next update and those after it.

    `step` is set now, its threshold along `ramp` where there is one; `steps` end at what is wanted. `held` says what kept the
    next update from what is wanted.
    """

    step: RiskParameters
    ramp: Ramp | None
    steps: tuple[DatedStep, ...]
    held: tuple[str, ...]


def limited(
    current: LiveParameters, wanted: RiskParameters, *, looser_since: int | None, now: int, limits: SpeedLimits
) -> Change:
    """Return how far towards `wanted` an update may go now, and the dated updates that reach it.

    `looser_since` (nanoseconds) is since when every recommendation was looser than what is in force; None means since
    now. At no time, ramps included, is the market looser than both `current` and `wanted`, in max LTV, threshold or
    threshold x (1 + bonus). Rises and moves of the bonus that a limit cuts are rounded within it; a fall that one cuts is
    taken in full, off the grid where the live value is. A live market whose threshold x (1 + bonus) is not below 1, or whose
    max LTV is not below its threshold, is put right at once, whatever the limits.
    """
    since = now if looser_since is None else looser_since
    allowed_from = since + _nanoseconds(limits.looser_for)
    spacing = _nanoseconds(limits.spacing)
    step, at_once, held = _step(current, wanted, now >= allowed_from, limits)
    ramp = None
    if step.liquidation_threshold < current.liquidation_threshold and not at_once and limits.ramp > timedelta(0):
        start, to = current.liquidation_threshold, step.liquidation_threshold
        ramp = Ramp(start=now, end=now + _nanoseconds(limits.ramp), from_=start, to=to)
    steps: list[DatedStep] = []
    reached, time = step, now
    while reached != wanted:
        time += spacing
        following, _, _ = _step(reached, wanted, time >= allowed_from, limits)
        if following == reached:  # only the wait is left: nothing else holds all three
            time = max(time, allowed_from)
            following, _, _ = _step(reached, wanted, True, limits)
        steps.append(DatedStep(time=time, parameters=following))
        reached = following
    if now < allowed_from and (
        wanted.liquidation_threshold > current.liquidation_threshold or wanted.max_ltv > current.max_ltv
    ):
        held = (
            *held,
            f"loosening waits until {day(allowed_from)}: looser values must be wanted for {limits.looser_for.days} days",
        )
    return Change(step=step, ramp=ramp, steps=tuple(steps), held=held)


def _nanoseconds(duration: timedelta) -> int:
    return round(duration.total_seconds()) * NANOSECONDS


def _step(
    current: LiveParameters, wanted: RiskParameters, loosen: bool, limits: SpeedLimits
) -> tuple[RiskParameters, bool, tuple[str, ...]]:
    """Return one update, whether its threshold must come at once, and what limited it."""
    threshold, bonus = current.liquidation_threshold, current.liquidation_bonus
    toxic = threshold * (1 + bonus) >= 1
    most = max(_product(wanted), 1 - STEP if toxic else _product(current))
    if wanted.liquidation_bonus <= bonus:
        fallen = 0.0 if toxic else min(bonus, ceiled(bonus - limits.bonus_step))
        bonus = max(wanted.liquidation_bonus, fallen)
    if wanted.liquidation_threshold < threshold:
        threshold = max(wanted.liquidation_threshold, round(threshold - limits.threshold_fall, 10))
    elif wanted.liquidation_threshold > threshold and loosen:
        raised = min(wanted.liquidation_threshold, floored(threshold + limits.loosening))
        threshold = raised if raised * (1 + bonus) <= most else max(threshold, floored(most / (1 + bonus)))
    if threshold * (1 + bonus) >= 1:
        threshold = max(min(wanted.liquidation_threshold, threshold), floored(most / (1 + bonus)))
    at_once = current.liquidation_threshold * (1 + bonus) >= 1
    if wanted.liquidation_bonus > bonus:
        raised = min(wanted.liquidation_bonus, floored(bonus + limits.bonus_step, BONUS_STEP))
        highest = threshold if at_once else max(threshold, current.liquidation_threshold)  # where a ramp starts
        room = raised if highest * (1 + raised) <= most else floored(most / highest - 1, BONUS_STEP)
        bonus = max(bonus, room)

    ltv = current.max_ltv
    if wanted.max_ltv < ltv:
        ltv = wanted.max_ltv
    elif wanted.max_ltv > ltv and loosen:
        raised = min(wanted.max_ltv, floored(ltv + limits.loosening))
        ltv = raised if raised < threshold else max(ltv, floored(threshold - STEP))
    if ltv >= threshold:
        ltv = max(floored(threshold - STEP), 0.0)
    found = RiskParameters(max_ltv=ltv, liquidation_threshold=threshold, liquidation_bonus=bonus)
    held = [
        f"{name} goes to {getattr(found, name):.4f} of the wanted {getattr(wanted, name):.4f}"
        for name in NAMES
        if getattr(found, name) != getattr(wanted, name)
    ]
    if toxic:
        held.append(f"the live threshold x (1 + bonus) of {_product(current):.4f} is not below 1: put right at once")
    return found, at_once, tuple(held)


def _product(parameters: LiveParameters) -> float:
    return parameters.liquidation_threshold * (1 + parameters.liquidation_bonus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether to propose a change, and why or why not: no change is a result too."""

    propose: bool
    reasons: tuple[str, ...]


def decide(
    current: LiveParameters,
    wanted: RiskParameters,
    noise: Mapping[str, float],
    materiality: Mapping[str, float],
    *,
    haircut: float,
    haircut_error: float,
) -> Decision:
    """Return whether a change is worth proposing: one parameter must move by more than its noise and its materiality.

    `noise` are standard deviations of what is wanted and `materiality` the smallest moves worth a vote, both fractions for
    each of `NAMES`; a move counts beyond 1.645 deviations. Live parameters that break `threshold (1 + bonus) <= 1 - haircut`
    by more than 1.645 of the `haircut_error` (one deviation) are always proposed to change.

    >>> live = RiskParameters(max_ltv=0.75, liquidation_threshold=0.8, liquidation_bonus=0.05)
    >>> same = dict.fromkeys(NAMES, 0.005)
    >>> decide(live, live, same, same, haircut=0.12, haircut_error=0.01).propose
    False
    """
    for what, values in (("noise", noise), ("materiality", materiality)):
        if set(values) != set(NAMES) or not all(0 <= value < inf for value in values.values()):
            raise ConfigError(f"{what} is {dict(values)}: expected a fraction, 0 or more, for each of {', '.join(NAMES)}")
    if not (0 <= haircut <= 1 and 0 <= haircut_error < inf):
        raise ConfigError(f"haircut {haircut} with error {haircut_error}: expected a fraction, and a deviation of 0 or more")
    reasons, propose = [], False
    excess = _product(current) - (1 - haircut)
    if excess > SAME:
        breach = excess > DEVIATIONS * haircut_error + SAME
        propose = breach
        reasons.append(
            f"live threshold x (1 + bonus) {_product(current):.4f} is above 1 - haircut {1 - haircut:.4f} "
            + ("by more than the haircut's noise: must change" if breach else "but within the haircut's noise")
        )
    for name in NAMES:
        change = getattr(wanted, name) - getattr(current, name)
        unheard, immaterial = DEVIATIONS * noise[name], materiality[name]
        moved = f"{name} would move by {change:+.4f}"
        if abs(change) <= SAME:
            reasons.append(f"{name} is as wanted")
        elif abs(change) <= unheard + SAME:
            reasons.append(f"{moved}: within noise of {unheard:.4f}")
        elif abs(change) <= immaterial + SAME:
            reasons.append(f"{moved}: not more than the {immaterial:.4f} that is material")
        else:
            propose = True
            reasons.append(f"{moved}: beyond noise of {unheard:.4f} and the {immaterial:.4f} that is material")
    return Decision(propose=propose, reasons=tuple(reasons))
