"""Reverse stress: the smallest shock whose loss reaches the fund."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from riskparams.errors import ConfigError


class Verdict(StrEnum):
    """What a search found; the first that applies, in this order."""

    FAILED = "failed"  # a loss that could decide the answer is unknown
    NOT_MONOTONE = "not monotone"  # a larger shock lost less, beyond the noise: the first crossing need not be the only one
    NEVER = "never reached"  # no shock of the range costs as much as the fund holds
    AT_ONCE = "reached by the smallest shock"
    FOUND = "found"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseStress:
    """The bracket of the smallest shock whose loss reaches `fund`, and all that was tried.

    `below` is the largest shock tried under `above` whose loss is known and stays short of the fund; `above` is the smallest
    whose loss reaches it; either is None where there is none. `losses` are the known ones by size; `failures` say why
    the others are not; `reversals` are sizes (smaller, larger) of which the larger lost less, beyond the noise.
    """

    fund: float
    below: float | None
    above: float | None
    losses: tuple[tuple[float, float], ...]
    failures: tuple[tuple[float, str], ...]
    reversals: tuple[tuple[float, float], ...]

    @property
    def verdict(self) -> Verdict:
        """What may be said of the bracket."""
        if any(self.above is None or size < self.above for size, _ in self.failures):
            return Verdict.FAILED
        if self.reversals:
            return Verdict.NOT_MONOTONE
        if self.above is None:
            return Verdict.NEVER
        return Verdict.AT_ONCE if self.below is None else Verdict.FOUND


def reverse_stress(
    loss: Callable[[float], float],
    fund: float,
    *,
    lowest: float,
    highest: float,
    tolerance: float,
    points: int = 11,
    noise: float = 0.0,
) -> ReverseStress:
    """Return the smallest shock from `lowest` to `highest` whose loss reaches `fund`, to within `tolerance`.

    `loss` gives what a shock of that size costs, in the unit of the fund, and should not decrease; `noise` is how much
    less a larger shock may lose by simulation alone. A grid of `points` sizes is tried first, then the first interval
    in which the loss reaches the fund is halved. An evaluation that raises, or is not finite, is a failure: it is kept
    with its reason, decides nothing, and ends the halving.

    >>> found = reverse_stress(lambda drop: 100 * drop, 30.0, lowest=0.0, highest=0.9, tolerance=0.05)
    >>> found.verdict.value, round(found.below, 3), round(found.above, 3)
    ('found', 0.27, 0.315)
    """
    if not (math.isfinite(lowest) and math.isfinite(highest) and lowest < highest):
        raise ConfigError(f"shocks from {lowest} to {highest}: expected two numbers, the lowest first")
    for name, value in (("fund", fund), ("tolerance", tolerance)):
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{name} is {value}: expected a number above 0")
    if points < 2 or not (math.isfinite(noise) and noise >= 0):
        raise ConfigError(f"{points} points and noise {noise}: expected two points or more, and noise of 0 or more")
    losses: dict[float, float] = {}
    failures: dict[float, str] = {}

    def known(size: float) -> bool:
        try:
            value = float(loss(size))
        except Exception as error:  # whatever it was, it is not a loss of zero
            failures[size] = f"{type(error).__name__}: {error}"
            return False
        if math.isfinite(value):
            losses[size] = value
        else:
            failures[size] = f"the loss is {value}"
        return size in losses

    def bracket() -> tuple[float | None, float | None]:
        above = min((size for size, value in losses.items() if value >= fund), default=None)
        return max((size for size in losses if above is None or size < above), default=None), above

    for size in np.linspace(lowest, highest, points).tolist():
        known(size)
    below, above = bracket()
    while below is not None and above is not None and above - below > tolerance:
        middle = below + (above - below) / 2
        if not below < middle < above or not known(middle):
            break
        below, above = bracket()
    return ReverseStress(
        fund=fund,
        below=below,
        above=above,
        losses=tuple(sorted(losses.items())),
        failures=tuple(sorted(failures.items())),
        reversals=_reversals(losses, noise),
    )


def _reversals(losses: dict[float, float], noise: float) -> tuple[tuple[float, float], ...]:
    """Return the pairs of a size and a larger one that lost less than the most so far, by more than the noise."""
    found, worst = [], min(losses, default=0.0)
    for size in sorted(losses):
        if losses[size] < losses[worst] - noise:
            found.append((worst, size))
        elif losses[size] >= losses[worst]:
            worst = size
    return tuple(found)
