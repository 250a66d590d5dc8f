"""What is not known of a path model: draws of its tail, draws of its volatility, and whole models by residual bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from riskparams.errors import DataError, ModelError
from riskparams.paths.model import PathModel, assemble
from riskparams.paths.pool import History, Pool
from riskparams.tails.gpd import TailFit
from riskparams.terms import DAY, FloatArray, IntArray
from riskparams.volatility.fixed_design import refit
from riskparams.volatility.ladder import filter_state
from riskparams.volatility.model import GarchFit
from riskparams.volatility.standard_errors import covariances

DRAWS = 199
REACH = 1.5  # standard deviations
LEAST = 1e-6  # a measure below this is none
HIGHEST_PERSISTENCE = 0.9995


def tail_factor(tail: TailFit) -> FloatArray:
    """Return the Cholesky factor (2, 2) of the covariance of shape and log scale, estimated from k exceedances.

    [[(1 + xi)^2, -(1 + xi)], [-(1 + xi), 2 (1 + xi)]] / k: the inverse information of the generalised Pareto law (Smith 1987),
    in the logarithm of the scale.

    >>> tail = TailFit(tail_threshold=1.5, shape=0.25, scale=0.6, exceedances=400, n_obs=8000)
    >>> round(float(tail_factor(tail)[0, 0]), 4)
    0.0625
    """
    one = 1 + tail.shape
    covariance = np.array([[one * one, -one], [-one, 2 * one]]) / tail.exceedances
    return np.asarray(np.linalg.cholesky(covariance), float)


def shifted_tail(tail: TailFit, normal: FloatArray) -> TailFit:
    """Return a tail moved by two standard normals times `tail_factor`; the shape stays at 0 or above."""
    shape, log_scale = tail_factor(tail) @ normal
    return replace(tail, shape=max(tail.shape + float(shape), 0.0), scale=tail.scale * float(np.exp(log_scale)))


def tail_draws(tail: TailFit, normals: FloatArray) -> FloatArray:
    """Return shapes and scales (draws, 2) of standard normals (draws, 2): what `path_law` mixes over."""
    return np.array([(moved.shape, moved.scale) for moved in (shifted_tail(tail, pair) for pair in normals)])


def shared_exceedances(model: PathModel) -> float:
    """Return the correlation of the errors of the two tails: the window's rows are the newest of the history's.

    The share that k exceedances are of K others they belong to, under the root.
    """
    return float(np.sqrt(min(1.0, model.window_tail.exceedances / model.history_tail.exceedances)))


def with_garch(model: PathModel, garch: GarchFit) -> PathModel:
    """Return the model with another recursion and the states that it filters out of the past; residuals and tails stay.

    Over samples the errors of the tail hardly correlate with those of the recursion, although on one sample a recursion that
    answers more to shocks leaves thinner residuals: to fit the tail again would take the errors for each other's opposites.
    """
    fit = replace(model.fit, garch=garch)
    own = History(returns=model.own.returns, state=filter_state(model.own.returns, fit))
    lender = own if model.lender is model.own else model.lender
    found = assemble(own, lender, fit, model.spec, variance_ratio=model.history.variance_ratio)
    return replace(
        found,
        window=replace(model.window, sigma2=found.window.sigma2),
        history=replace(model.history, sigma2=found.history.sigma2),
        window_tail=model.window_tail,
        history_tail=model.history_tail,
        noise_share=model.noise_share,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FitWindow:
    """The returns a model was fitted to, free of their hour-of-week factor, with the sigma that its fit gave each: (n,)."""

    rows: slice
    returns: FloatArray
    sigma: FloatArray


def fit_window(model: PathModel) -> FitWindow:
    """Return the fit window of a model: the newest stretch of its own returns, no longer than the spec says."""
    returns = model.own.returns
    first = int(np.searchsorted(returns.time, model.fit.first))
    rows = slice(first, len(returns))
    return FitWindow(
        rows=rows,
        returns=returns.value[rows] / model.fit.hour_factor[returns.slot[rows]],
        sigma=np.sqrt(model.own.state.sigma2[rows]),
    )


def bootstrap_models(model: PathModel, draws: int, rng: np.random.Generator) -> Iterator[PathModel]:
    """Yield models refitted to resampled residuals: the fixed-design residual bootstrap of Beutner, Heinemann & Smeekes (2018).

    Each draw resamples the residual rows, multiplies them by the sigmas that were seen, refits the recursion to that, filters
    the returns that were seen by it for the states, and takes the resampled returns over the new sigmas as its pool, whose
    tails are fitted again. Rows of the fit window, rows before it and lent rows are resampled each among themselves, so that
    the window stays the newest part of the history, and lent at the variance ratio that was seen. A targeted variance is a mean
    of squares that follow each other: it moves as their mean does when they are resampled in blocks (`memory_bars`).
    """
    window = fit_window(model)
    square = window.returns**2
    block = memory_bars(model.fit.garch.persistence, len(square))
    since = int(model.own.returns.time[-1]) - round(model.spec.window_days * DAY)
    lent = np.flatnonzero(~np.isin(model.lender.returns.time, model.own.returns.time, assume_unique=True))
    for _ in range(draws):
        rows = _resampled(model.own, since, rng)
        drawn = np.sqrt(model.own.state.sigma2[window.rows]) * model.own.state.z[rows][window.rows]
        begins = rng.integers(0, len(square) - block + 1, -(-len(square) // block))
        resampled = np.concatenate([square[begin : begin + block] for begin in begins])[: len(square)]
        variance = model.fit.garch.variance * float(resampled.mean() / square.mean())
        fit = replace(model.fit, garch=refit(window.returns, drawn, model.fit.garch, variance=variance))
        seen = filter_state(model.own.returns, fit)
        ratio = np.sqrt(model.own.state.sigma2 / seen.sigma2)
        own = History(
            returns=model.own.returns,
            state=replace(seen, z=model.own.state.z[rows] * ratio, low=model.own.state.low[rows] * ratio),
        )
        lender = own
        if model.lender is not model.own:
            state, rows = model.lender.state, np.arange(len(model.lender.returns))
            rows[lent] = rng.choice(lent, len(lent)) if len(lent) else lent
            lender = replace(model.lender, state=replace(state, z=state.z[rows], low=state.low[rows]))
        found = assemble(own, lender, fit, model.spec, variance_ratio=model.history.variance_ratio)
        yield replace(
            found,
            window=_coupled(found.window, model.window),
            history=_coupled(found.history, model.history),
            noise_share=model.noise_share,
        )


def _coupled(pool: Pool, to: Pool) -> Pool:
    """Return the pool with its residual rows in the order of another's: the same draw picks a row of the same rank.

    Nothing else changes, and two simulations then differ by their pools, not by their luck.
    """
    order = np.argsort(pool.z, kind="stable")[np.argsort(np.argsort(to.z, kind="stable"), kind="stable")]
    return replace(pool, z=pool.z[order], low=pool.low[order])


def _resampled(history: History, since: int, rng: np.random.Generator) -> IntArray:
    """Return the row that stands in for each row, drawn among those before `since` or among those after it."""
    count = len(history.returns)
    split = int(np.searchsorted(history.returns.time, since, side="right"))
    return np.concatenate([rng.integers(0, max(split, 1), split), rng.integers(split, count, count - split)])


def memory_bars(persistence: float, count: int) -> int:
    """Return the bars over which squares remember each other: ten times the mean life of a shock, at most a tenth of them all.

    >>> memory_bars(0.98, 17_520), memory_bars(0.9995, 17_520)
    (500, 1752)
    """
    return int(max(1, min(round(10 / max(1 - persistence, 1e-6)), count // 10)))


def mean_square_error(square: FloatArray, persistence: float) -> float:
    """Return the relative standard error of the mean of squares (n,), from means of overlapping blocks (`memory_bars`)."""
    block = memory_bars(persistence, len(square))
    sums = np.concatenate([[0.0], np.cumsum(square)])
    means = (sums[block:] - sums[:-block]) / block
    return float(np.sqrt(np.var(means) * block / len(square)) / square.mean())


Measure = Callable[[PathModel], FloatArray]
"""A model -> what is wanted of it, shape (outputs,), positive: simulated with the same draws whatever the model."""


def bootstrap_draws(measure: Measure, model: PathModel, *, draws: int = DRAWS, rng: np.random.Generator) -> FloatArray:
    """Return the measures of models refitted to resampled residuals, (draws, outputs)."""
    return np.array([measure(drawn) for drawn in bootstrap_models(model, draws, rng)])


def cheap_draws(measure: Measure, model: PathModel, *, draws: int = 10_000, rng: np.random.Generator) -> FloatArray:
    """Return draws of the measures, (draws, outputs), under normal errors of the tails and of the recursion.

    The measures are taken at the fit and at `REACH` standard deviations either side of it along each independent direction
    of error: two of the tails (`tail_factor`), those of alpha, gamma and beta (`standard_errors.covariances`, the robust kind;
    none where a parameter lies on its bound) and that of the variance they are tied to. The log of a measure is a parabola
    through the three along each direction, and the directions add up. Outputs are (pit, ttc, ...): the first is of the fit
    window's tail, all others of the history's, whose errors are correlated by `shared_exceedances`.
    """
    centre = np.log(np.maximum(measure(model), LEAST))
    slopes, bends = [], []
    moves = _directions(model)
    for move in moves:
        below, above = (np.log(np.maximum(measure(move(side * REACH)), LEAST)) for side in (-1, 1))
        slopes.append((above - below) / (2 * REACH))
        bends.append((above + below - 2 * centre) / (2 * REACH**2))
    normal = rng.standard_normal((draws, len(moves)))
    shared = shared_exceedances(model)
    window = normal.copy()
    window[:, :2] = shared * normal[:, :2] + np.sqrt(1 - shared**2) * rng.standard_normal((draws, 2))
    found = np.empty((draws, len(centre)))
    for output in range(len(centre)):
        error = window if output == 0 else normal
        slope, bend = np.array(slopes)[:, output], np.array(bends)[:, output]
        found[:, output] = np.exp(centre[output] + error @ slope + error**2 @ bend)
    return found


def _directions(model: PathModel) -> list[Callable[[float], PathModel]]:
    """Return the independent directions of error: a number of standard deviations -> the model moved by it."""

    def tails(axis: int) -> Callable[[float], PathModel]:
        def moved(size: float) -> PathModel:
            normal = size * np.eye(2)[axis]
            window, history = (shifted_tail(tail, normal) for tail in (model.window_tail, model.history_tail))
            return replace(model, window_tail=window, history_tail=history)

        return moved

    return [tails(0), tails(1), *_garch_directions(model)]


def _garch_directions(model: PathModel) -> list[Callable[[float], PathModel]]:
    garch, window = model.fit.garch, fit_window(model)
    spread = mean_square_error(window.returns**2, garch.persistence)

    def variance(size: float) -> PathModel:
        factor = float(np.exp(size * spread))
        return with_garch(model, replace(garch, omega=garch.omega * factor, variance=garch.variance * factor))

    try:
        names, kinds = covariances(window.returns, garch)
    except (DataError, ModelError):
        return [variance]
    named = [name for name in names if name in ("alpha", "gamma", "beta")]
    rows = [names.index(name) for name in named]
    factor = np.linalg.cholesky(kinds["robust"][np.ix_(rows, rows)])

    def recursion(axis: int) -> Callable[[float], PathModel]:
        def moved(size: float) -> PathModel:
            shift = dict(zip(named, (size * factor[:, axis]).tolist(), strict=True))
            alpha = max(garch.alpha + shift["alpha"], 0.0)
            gamma = max(garch.gamma + shift.get("gamma", 0.0), -alpha)
            beta = max(min(garch.beta + shift["beta"], HIGHEST_PERSISTENCE - alpha - gamma / 2), 0.0)
            omega = garch.variance * (1 - alpha - gamma / 2 - beta)
            return with_garch(model, replace(garch, omega=omega, alpha=alpha, gamma=gamma, beta=beta))

        return moved

    return [*(recursion(axis) for axis in range(len(named))), variance]


def reversed_tails(draws: FloatArray, level: float = 0.90) -> tuple[float, float]:
    """Return the interval between the quantiles of the draws themselves (Beutner, Heinemann & Smeekes 2018: reversed tails).

    >>> [round(end, 6) for end in reversed_tails(np.arange(101.0))]
    [5.0, 95.0]
    """
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
