"""The rolling engine: held to single fits, to rugarch, `arch` and McNeil & Frey (2000); the same for any number of workers."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rugarch_sp500 import returns_of, rugarch_spec
from scipy.stats import binomtest, norm

from riskparams.compute import Executor
from riskparams.errors import ConfigError, ConstantSeries, DataError
from riskparams.tails.estimators import maximum_likelihood
from riskparams.terms import FloatArray, IntArray
from riskparams.volatility import recursions
from riskparams.volatility.garch import conditional_variance, fit_garch, mean_square
from riskparams.volatility.model import Convergence, GarchFit, GarchSpec, Innovations, Presample
from riskparams.volatility.rolling import RUN, Begun, RollingFits, fit_rolling, windows_of

NORMAL, STUDENT_T, SKEWED_T = Innovations
SPECS = [
    GarchSpec(),
    GarchSpec(targeted=False),
    GarchSpec(asymmetric=False, innovations=NORMAL, targeted=False),
    GarchSpec(asymmetric=False, innovations=SKEWED_T, constant_mean=True),
    GarchSpec(innovations=SKEWED_T, targeted=False, constant_mean=True),
    GarchSpec(targeted=False, constant_mean=True, presample=Presample.MEAN_SQUARE),
]
specs = pytest.mark.parametrize(
    "spec", SPECS, ids=lambda spec: spec.name + (", mean" if spec.constant_mean else "") + f", {spec.presample}"
)


@pytest.fixture(scope="module")
def sp500() -> FloatArray:
    import arch.data.sp500

    return 100 * np.diff(np.log(arch.data.sp500.load()["Adj Close"].to_numpy(float)))


def simulated(n: int, seed: int) -> FloatArray:
    rng, e, sigma2 = np.random.default_rng(seed), np.empty(n), 1.0
    z = rng.standard_t(6, n) * sqrt(4 / 6)
    for t in range(n):
        e[t] = sqrt(sigma2) * z[t]
        sigma2 = 0.05 + (0.04 + 0.08 * (e[t] < 0)) * e[t] ** 2 + 0.87 * sigma2
    return e


def same(one: RollingFits, other: RollingFits, count: int | None = None) -> bool:
    """Whether the first windows of both are the same to the last bit."""
    return (
        all(
            np.array_equal(getattr(one, name)[:count], getattr(other, name)[:count])
            for name in ("windows", "parameters", "log_likelihood", "variance", "starts_spread", "evaluations")
        )
        and (one.convergence[:count], one.begun[:count]) == (other.convergence[:count], other.begun[:count])
    )  # fmt: skip


@specs
def test_every_window_has_the_likelihood_of_a_single_fit_or_more(sp500: FloatArray, spec: GarchSpec) -> None:
    windows = windows_of(2200, 1000, every=3)
    fits = fit_rolling(sp500[:2200], spec, windows)
    assert set(fits.convergence) == {Convergence.CONVERGED}
    for i in range(0, len(fits), 7):
        first, end = windows[i]
        single = fit_garch(sp500[first:end], spec)
        assert fits.log_likelihood[i] >= single.log_likelihood - 1e-4
        if abs(fits.log_likelihood[i] - single.log_likelihood) < 1e-4:
            ours, theirs = (np.sqrt(conditional_variance(sp500[first:end], fit)) for fit in (fits[i], single))
            np.testing.assert_allclose(ours[-1], theirs[-1], rtol=0.01)


@specs
def test_a_window_is_a_fit_whose_parts_agree(sp500: FloatArray, spec: GarchSpec) -> None:
    from riskparams.volatility.garch import log_likelihood

    e = 0.01 * sp500[:1600]
    fits = fit_rolling(e, spec, windows_of(1600, 1000, every=200))
    for i, (first, end) in enumerate(fits.windows):
        fit = fits[i]
        assert isinstance(fit, GarchFit)
        assert (fit.n_obs, fit.variance) == (1000, pytest.approx(mean_square(e[first:end]), rel=1e-12))
        point = np.array([fit.mu, fit.omega, fit.alpha, fit.gamma, fit.beta, fit.nu, fit.skew])
        value, _ = log_likelihood(e[first:end], point, spec)
        assert value == pytest.approx(fit.log_likelihood, abs=1e-6)
        if spec.targeted:
            assert fit.unconditional_variance == pytest.approx(fit.variance, rel=1e-9)


@pytest.mark.parametrize("spec", [GarchSpec(), SPECS[4]], ids=lambda spec: spec.name)
def test_workers_change_no_bit(sp500: FloatArray, spec: GarchSpec) -> None:
    windows = windows_of(850, 500)
    serial = fit_rolling(sp500[:850], spec, windows)
    assert len(serial) > 3 * RUN
    assert same(serial, fit_rolling(sp500[:850], spec, windows, Executor(workers=2)))


def test_windows_to_come_change_no_bit(sp500: FloatArray) -> None:
    windows = windows_of(900, 500)
    everything = fit_rolling(sp500[:900], GarchSpec(), windows)
    for count in (1, 30, RUN, RUN + 1, 2 * RUN + 50):
        assert same(fit_rolling(sp500[:900], GarchSpec(), windows[:count]), everything, count)


@given(seed=st.integers(0, 1000), spec=st.sampled_from(SPECS), seen=st.integers(1, 60), factor=st.floats(-50, 50))
@settings(max_examples=20)
def test_returns_after_a_window_change_no_bit_of_it(seed: int, spec: GarchSpec, seen: int, factor: float) -> None:
    e = simulated(360, seed)
    windows = windows_of(360, 300)
    shocked = e.copy()
    shocked[windows[seen - 1, 1] :] *= factor
    assert same(fit_rolling(e, spec, windows), fit_rolling(shocked, spec, windows), seen)


def test_each_run_begins_cold_and_goes_on_warm(sp500: FloatArray) -> None:
    fits = fit_rolling(sp500[:1250], GarchSpec(), windows_of(1250, 1000))
    cold = [i for i, begun in enumerate(fits.begun) if begun is not Begun.WARM]
    assert cold == [0, RUN, 2 * RUN]
    assert {fits.begun[i] for i in cold} == {Begun.COLD}
    warm = np.setdiff1d(np.arange(len(fits)), cold)
    assert (fits.starts_spread[warm] == 0).all()
    assert (fits.starts_spread[cold] < 0.5).all()
    assert np.median(fits.evaluations[warm]) < np.median(fits.evaluations[cold]) / 10


def test_a_crash_that_changes_the_scale_begins_cold_and_reaches_the_single_fit() -> None:
    e = simulated(700, 1)
    e[520] = -60.0  # thirty times any other: the curvature of the window before would call any point the top
    spec = GarchSpec(targeted=False)
    fits = fit_rolling(e, spec, windows_of(560, 500))
    assert fits.begun[20] is Begun.WARM
    assert fits.begun[21] is Begun.COLD
    for i in range(18, 30):
        assert fits.log_likelihood[i] >= fit_garch(e[i : i + 500], spec).log_likelihood - 1e-4


def test_a_warm_search_that_fails_is_refitted_cold_and_says_so() -> None:
    refitted = 0
    for seed in range(3):
        e = odd_series("mostly zero", 600, np.random.default_rng(seed))  # one more zero, and the likelihood has another shape
        fits = fit_rolling(e, GarchSpec(), windows_of(600, 100))
        for i in (i for i, begun in enumerate(fits.begun) if begun is Begun.REFITTED):
            refitted += 1
            assert fits.convergence[i] is Convergence.CONVERGED
            assert fits.convergence[i - 1] is Convergence.CONVERGED  # where it set out from, warm
            assert fits.log_likelihood[i] >= fit_garch(e[i : i + 100], GarchSpec()).log_likelihood - 1e-4
    assert refitted > 0


@pytest.mark.parametrize(
    ("rows", "value", "error", "words"),
    [
        (slice(333, 334), np.nan, DataError, "return 333 is nan"),
        (slice(8, 9), np.inf, DataError, "return 8 is inf"),
        (slice(150, 400), 0.0, ConstantSeries, "returns 150 to 349 hold no movement"),
    ],
)
def test_returns_that_cannot_be_fitted_are_named(rows: slice, value: float, error: type[Exception], words: str) -> None:
    e = simulated(600, 2)
    e[rows] = value
    with pytest.raises(error, match=words):
        fit_rolling(e, GarchSpec(), windows_of(600, 200))


@pytest.mark.parametrize(
    "windows",
    [
        np.empty((0, 2), dtype=np.int64),
        np.array([0, 100]),
        np.array([[-1, 100]]),
        np.array([[0, 601]]),
        np.array([[100, 50]]),
        np.array([[100, 101]]),
    ],
    ids=["none", "flat", "before the first", "after the last", "reversed", "one return"],
)
def test_windows_that_are_no_windows_are_named(windows: IntArray) -> None:
    with pytest.raises(ConfigError, match="windows"):
        fit_rolling(simulated(600, 2), GarchSpec(), windows)


def odd_series(kind: str, n: int, rng: np.random.Generator) -> FloatArray:
    match kind:
        case "near-constant":
            return 1 + 1e-9 * rng.standard_normal(n)
        case "tiny":
            return 1e-12 * rng.standard_normal(n)
        case "one gigantic outlier":
            return np.where(np.arange(n) == n // 2, -1e9, rng.standard_normal(n))
        case "trend":
            return np.linspace(-1, 3, n) + 0.1 * rng.standard_normal(n)
        case "integrated":
            return np.cumsum(rng.standard_normal(n))
        case "infinite variance":
            return rng.standard_cauchy(n)
        case "mostly zero":
            e = np.where(rng.random(n) < 0.8, 0.0, rng.standard_normal(n))
            e[:: n // 10] = 1.0  # no window is without movement
            return e
    raise AssertionError(kind)


@given(
    kind=st.sampled_from(
        ["near-constant", "tiny", "one gigantic outlier", "trend", "integrated", "infinite variance", "mostly zero"]
    ),
    spec=st.sampled_from(SPECS),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_odd_series_get_finite_fits_that_say_how_they_ended(kind: str, spec: GarchSpec, seed: int) -> None:
    e = odd_series(kind, 300, np.random.default_rng(seed))
    fits = fit_rolling(e, spec, windows_of(300, 100, every=4))
    assert np.isfinite(fits.parameters[:, [0, 1, 2, 3, 4, 6]]).all()
    assert (fits.parameters[:, 5] > 2).all()
    assert np.isfinite(fits.log_likelihood).all()
    assert (fits.variance > 0).all()
    assert not np.isnan(fits.starts_spread).any()
    assert Convergence.NOT_NEEDED not in fits.convergence
    for fit in (fits[i] for i in range(len(fits))):
        bounds = (fit.omega, fit.alpha, fit.alpha + fit.gamma, fit.beta, 1 + 1e-6 - fit.persistence)
        assert min(bounds) > -1e-7 * max(1.0, fit.variance)


def fitted_by_arch(part: tuple[FloatArray, IntArray]) -> list[float]:
    """Return the log likelihoods of `arch` over windows, each begun where the one before ended."""
    from arch import arch_model

    e, windows = part
    found, previous = [], None
    for first, end in windows:
        model = arch_model(e[first:end], mean="Zero", vol="GARCH", p=1, o=1, dist="t", rescale=False)
        result = model.fit(disp="off", starting_values=previous, show_warning=False)
        previous = result.params.to_numpy()
        found.append(float(result.loglikelihood))
    return found


@pytest.mark.slow
def test_on_nearly_all_windows_of_the_sp500_it_is_where_arch_ends_or_above(sp500: FloatArray) -> None:
    windows = windows_of(len(sp500), 1000)
    assert len(windows) == 4031
    fits = fit_rolling(sp500, GarchSpec(targeted=False), windows)
    assert set(fits.convergence) == {Convergence.CONVERGED}
    parts = [(sp500, part) for part in np.array_split(windows, 2)]
    theirs = np.concatenate(Executor(workers=2).map(fitted_by_arch, parts))
    assert (fits.log_likelihood >= theirs - 1e-3).mean() >= 0.999


def test_rolling_forecasts_are_those_of_ugarchroll(market_data: Path) -> None:
    """rugarch 1.5-4: GARCH-normal, constant mean, the last 1,000 days, refitted every 50 on the 1,500 before."""
    sp500 = 100 * returns_of(market_data, "ref_sp500ret.csv", "ret")
    table = pd.read_csv(market_data / "reference" / "ref_roll_garch_norm_sp500.csv")
    ends = np.arange(len(sp500) - 1000, len(sp500), 50)
    spec = rugarch_spec(asymmetric=False, innovations=NORMAL)
    fits = fit_rolling(sp500, spec, np.column_stack([ends - 1500, ends]))
    assert set(fits.convergence) == {Convergence.CONVERGED}
    means, sigmas = [], []
    for fit, end in zip(fits, ends, strict=True):
        known = sp500[end - 1500 : end + 49] - fit.mu
        before = np.array([mean_square(known[:1500])])  # the start of the fit: the days after it are not known to it
        variance = recursions.gjr_filter(known, np.zeros(1, dtype=np.int64), fit.omega, fit.alpha, fit.gamma, fit.beta, before)
        means.append(np.full(50, fit.mu))
        sigmas.append(np.sqrt(variance[1500:]))
    mu, sigma = np.concatenate(means), np.concatenate(sigmas)
    columns = {"sigma": sigma}
    for level in (0.01, 0.025, 0.05):
        columns[f"VaR_{level}"] = mu + sigma * norm.ppf(level)
        columns[f"ES_{level}"] = mu - sigma * norm.pdf(norm.ppf(level)) / level
    for name, ours in columns.items():
        apart = np.abs(ours / table[name].to_numpy() - 1)
        assert np.median(apart) <= 0.005, name
        assert apart.max() <= 0.05, name
    assert sigma.mean() == pytest.approx(1.1187216325, rel=0.005)
    assert sigma[[0, 249, -1]] == pytest.approx([0.69501183549, 0.66975085443, 2.5616760639], rel=0.05)
    assert columns["VaR_0.01"][[0, 249, -1]] == pytest.approx([-1.5940976413, -1.5356922601, -5.9209820371], rel=0.05)


def autoregressive_fits(windows: FloatArray) -> tuple[FloatArray, FloatArray, RollingFits]:
    """Return the slopes, the series less slope times yesterday, and their fits: AR(1)-GARCH(1,1)-normal by likelihood.

    Given the slope it is a GARCH with a constant mean, which the rolling engine fits; the slope is found on the profile of
    the likelihood, from least squares by the top of a parabola, twice.
    """
    yesterday, today = windows[:, :-1], windows[:, 1:]
    length = today.shape[1]
    x, y = yesterday - yesterday.mean(1, keepdims=True), today - today.mean(1, keepdims=True)
    slope = (x * y).sum(1) / (x * x).sum(1)
    first = np.arange(len(windows)) * length
    rows = np.column_stack([first, first + length])
    spec = GarchSpec(asymmetric=False, innovations=NORMAL, targeted=False, constant_mean=True)

    def fitted(slopes: FloatArray) -> tuple[FloatArray, RollingFits]:
        rest = today - slopes[:, None] * yesterday
        return rest, fit_rolling(rest.ravel(), spec, rows)

    for aside in (0.05, 0.03):
        low, mid, high = (fitted(slope + move)[1].log_likelihood for move in (-aside, 0.0, aside))
        slope = slope + aside * (high - low) / 2 / (2 * mid - low - high)
    return slope, *fitted(slope)


MCNEIL_FREY = {  # level: conditional EVT, conditional normal, mean exceedance residual and its t
    0.95: (370, 390, 0.05791023672918622, 1.2243478633050688),
    0.99: (71, 105, 0.35590892271454, 2.0282409309974003),
    0.995: (43, 66, 0.4814464341303217, 1.8872423465067973),
}
BINOMIAL = {
    0.95: (1.0, 0.29876024982073474),
    0.99: (0.7703621454736493, 0.0006829077329436134),
    0.995: (0.32229623704304033, 1.5509734702837705e-05),
}


def test_the_backtest_of_mcneil_and_frey_is_repeated(market_data: Path) -> None:
    """McNeil & Frey (2000), Table 2, recomputed with `arch` 8.0.0: S&P 500 of 1960 to 1993, refitted on each of 7,414 days."""
    close = returns_of(market_data, "ref_sp_raw.csv", "close")
    loss = -np.diff(np.log(close))
    slope, rest, fits = autoregressive_fits(np.lib.stride_tricks.sliding_window_view(loss[:-1], 1000))
    assert len(fits) == 7414
    assert set(fits.convergence) == {Convergence.CONVERGED}
    variance = np.array([conditional_variance(row, fit) for row, fit in zip(rest, fits, strict=True)])
    centre = fits.parameters[:, 0]
    mu, sigma, tomorrow = centre + slope * loss[999:-1], np.sqrt(variance[:, -1]), loss[1000:]
    z = np.sort((rest - centre[:, None]) / np.sqrt(variance[:, :-1]), axis=1)
    threshold = z[:, -101]
    tails = [maximum_likelihood(row[-100:] - row[-101]) for row in z]
    shape, scale = np.array([tail.shape for tail in tails]), np.array([tail.scale for tail in tails])

    for level, (evt, normal, residual_mean, residual_t) in MCNEIL_FREY.items():
        quantile = threshold + scale / shape * (((1 - level) * 999 / 100) ** -shape - 1)
        shortfall = (quantile + scale - shape * threshold) / (1 - shape)
        beyond = tomorrow > mu + sigma * quantile
        beyond_normal = tomorrow > mu + sigma * norm.ppf(level)
        for found, expected, p in zip((beyond, beyond_normal), (evt, normal), BINOMIAL[level], strict=True):
            count = int(found.sum())
            assert count == pytest.approx(expected, abs=max(3, 0.03 * expected))
            assert (binomtest(count, 7414, 1 - level).pvalue < 0.05) == (p < 0.05)
            assert binomtest(expected, 7414, 1 - level).pvalue == pytest.approx(p, rel=1e-9)
        residual = ((tomorrow - mu) / sigma - shortfall)[beyond]
        assert residual.mean() == pytest.approx(residual_mean, abs=0.005)
        assert residual.mean() / residual.std(ddof=1) * sqrt(len(residual)) == pytest.approx(residual_t, abs=0.1)

    rows = pd.read_csv(market_data / "reference" / "ref_mf_sp_rows.csv")
    at = rows["t"].to_numpy() - 1000
    np.testing.assert_allclose(tomorrow[at], rows["loss"], rtol=1e-8, atol=1e-11)
    assert np.median(np.abs(sigma[at] / rows["sigma"] - 1)) <= 0.02
    assert np.median(np.abs(threshold[at] / rows["u"] - 1)) <= 0.03
    for ours, name in ((mu, "mu"), (shape, "xi"), (scale, "beta")):
        assert np.median(np.abs(ours[at] / rows[name] - 1)) <= 0.03, name


@pytest.mark.parametrize("spec", [GarchSpec(targeted=False), GarchSpec(asymmetric=False, innovations=Innovations.NORMAL)])
def test_a_run_of_one_begins_every_window_cold_and_misses_no_maximum_that_a_single_fit_finds(spec: GarchSpec) -> None:
    """Without clusters the likelihood has several maxima, and a warm search keeps the one it came from."""
    e = np.random.default_rng(4).standard_t(5, 1500)
    windows = windows_of(len(e), 400, every=13)
    single = np.array([fit_garch(e[first:end], spec).log_likelihood for first, end in windows])
    cold, warm = (fit_rolling(e, spec, windows, run=run) for run in (1, 100))
    assert set(cold.begun) == {Begun.COLD}
    assert (cold.log_likelihood >= single - 1e-3).all()
    assert (warm.log_likelihood < single - 1e-3).any()  # else there would be no need for this option


def test_a_run_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="run 0"):
        fit_rolling(np.random.default_rng(0).standard_normal(300), GarchSpec(), windows_of(300, 200), run=0)
