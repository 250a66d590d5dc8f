"""The estimator of `garch` over thousands of windows: each search begins where that of the window before it ended.

Windows are cut into runs of equal number, and a run begins cold, from several starting points: a result does not depend on how
many processes share the work, nor on windows outside its run. A warm search stays at the local maximum it came from. On windows
of a thousand daily returns one bar apart it met none that a cold search beats; shorter windows, longer steps or returns
without clusters do have them, and there `run=1` begins every window cold. Two components always do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from riskparams.compute import Executor
from riskparams.errors import ConfigError, ConstantSeries, DataError
from riskparams.terms import FloatArray, IntArray, frozen
from riskparams.volatility import component
from riskparams.volatility.garch import ENDINGS, PARAMETERS, natural, search_problem
from riskparams.volatility.model import ComponentFit, ComponentSpec, Convergence, GarchFit, GarchSpec, Presample
from riskparams.volatility.search import climb_windows

RUN = 100  # windows
CLOSE = 1e-5  # promised gain in log likelihood at which a window is done


def windows_of(n: int, length: int, *, every: int = 1) -> IntArray:
    """Return windows of equal length over n returns, as rows of first index and end (exclusive).

    >>> windows_of(10, 6, every=2).tolist()
    [[0, 6], [2, 8], [4, 10]]
    """
    first = np.arange(0, n - length + 1, every, dtype=np.int64)
    return np.column_stack([first, first + length])


class Begun(StrEnum):
    """Where the search of a window began."""

    WARM = "at the window before"
    COLD = "from several starting points"  # the first of a run, after a failure, or where the mean square doubled or halved
    REFITTED = "from several starting points, because the warm search failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingFits:
    """One fit per window, in the units of the returns; arrays are read-only, with a row per window.

    `parameters` has the columns of `garch.PARAMETERS`, or of `component.PARAMETERS`; `variance` is the window's mean square.
    `starts_spread` is the largest shortfall of log likelihood among starting points (0 for a warm search); `evaluations`
    counts passes over the returns.
    """

    spec: GarchSpec | ComponentSpec
    windows: IntArray
    parameters: FloatArray
    log_likelihood: FloatArray
    variance: FloatArray
    convergence: tuple[Convergence, ...]
    begun: tuple[Begun, ...]
    starts_spread: FloatArray
    evaluations: IntArray

    def __post_init__(self) -> None:
        for name in ("windows", "parameters", "log_likelihood", "variance", "starts_spread", "evaluations"):
            frozen(getattr(self, name))

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, window: int) -> GarchFit | ComponentFit:
        first, end = self.windows[window]
        names = PARAMETERS if isinstance(self.spec, GarchSpec) else component.PARAMETERS
        fields: dict[str, Any] = {
            **dict(zip(names, self.parameters[window].tolist(), strict=True)),
            "spec": self.spec,
            "log_likelihood": float(self.log_likelihood[window]),
            "variance": float(self.variance[window]),
            "n_obs": int(end - first),
            "convergence": self.convergence[window],
            "starts_spread": float(self.starts_spread[window]),
        }
        return GarchFit(**fields) if isinstance(self.spec, GarchSpec) else ComponentFit(**fields)


@dataclass(frozen=True)
class _Run:
    e: FloatArray
    spec: GarchSpec | ComponentSpec
    windows: IntArray
    begin: int  # of `e` in the whole series


def fit_rolling(
    e: FloatArray, spec: GarchSpec | ComponentSpec, windows: IntArray, executor: Executor | None = None, *, run: int = RUN
) -> RollingFits:
    """Return the maximum-likelihood fit of every window of the returns `e`, shape (n,).

    `windows` has shape (m, 2): first index and end of each, in an order in which neighbours overlap; the first of every `run`
    is searched cold. The result is the same
    for any executor, and a window's does not depend on returns after its end. Raises `DataError` for a value that is not
    finite, `ConstantSeries` for a window without movement, `ConfigError` for windows outside the returns.

    >>> rng = np.random.default_rng(1)
    >>> fits = fit_rolling(rng.standard_t(5, 600), GarchSpec(), windows_of(600, 500, every=50))
    >>> len(fits), fits[2].n_obs
    (3, 500)
    """
    _refuse(e, windows)
    runs = []
    length = run if isinstance(spec, GarchSpec) else 1
    if run < 1:
        raise ConfigError(f"run {run} of windows between cold searches: expected 1 or more")
    for begin in range(0, len(windows), length):
        part = windows[begin : begin + length]
        low, high = int(part[:, 0].min()), int(part[:, 1].max())
        runs.append(_Run(np.ascontiguousarray(e[low:high]), spec, part - low, low))
    found = (executor or Executor()).map(_fit_run, runs)
    parameters, likelihood, variance, ending, begun, spread, passes = (np.concatenate(c) for c in zip(*found, strict=True))
    origins = tuple(Begun)
    return RollingFits(
        spec=spec,
        windows=np.array(windows, dtype=np.int64),
        parameters=parameters,
        log_likelihood=likelihood,
        variance=variance,
        convergence=tuple(ENDINGS[code] for code in ending.tolist()),
        begun=tuple(origins[code] for code in begun.tolist()),
        starts_spread=spread,
        evaluations=passes,
    )


def _refuse(e: FloatArray, windows: IntArray) -> None:
    if windows.ndim != 2 or windows.shape[1] != 2 or not len(windows):
        raise ConfigError(f"windows have shape {windows.shape}: expected one or more rows of first index and end")
    if windows.min() < 0 or windows.max() > len(e) or (windows[:, 1] - windows[:, 0] < 2).any():
        raise ConfigError(f"windows reach from {windows.min()} to {windows.max()}: expected rows inside 0 to {len(e)}")
    bad = np.flatnonzero(~np.isfinite(e))
    if len(bad):
        raise DataError(f"return {bad[0]} is {e[bad[0]]}: expected finite numbers; leave such bars out before fitting")


def _fit_run(run: _Run) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray, FloatArray, IntArray]:
    spec = run.spec
    free, mean, whole = False, False, False
    if isinstance(spec, GarchSpec):
        problem = search_problem(spec)
        free, mean, whole = not spec.targeted, spec.constant_mean, spec.presample is Presample.MEAN_SQUARE
    else:
        problem = component.component_problem(spec)
    y, value, size, ending, begun, disagreement, passes = climb_windows(
        run.e, run.windows, problem.law, not free, mean, whole, isinstance(spec, GarchSpec),
        problem.origin, problem.chart, problem.walls, problem.limit, problem.starts, CLOSE,
    )  # fmt: skip
    if not size.min() > 0:
        first, end = run.windows[int(np.argmin(size))] + run.begin
        raise ConstantSeries(f"returns {first} to {end - 1} hold no movement: leave dead spells out before fitting")
    likelihood = value - (run.windows[:, 1] - run.windows[:, 0]) * np.log(size) / 2
    scale = np.sqrt(size)
    parameters = natural(spec, y, scale) if isinstance(spec, GarchSpec) else component.component_natural(y, scale)
    return parameters, likelihood, size, ending, begun, disagreement, passes
