"""The rolling engine against a loop of `arch`, tails, and a whole run of forecasts; see README.md beside this file."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from benchmark_ledger import Ledger, seconds

from riskparams.terms import FloatArray
from riskparams.volatility.model import GarchSpec
from riskparams.volatility.rolling import RollingFits, fit_rolling, windows_of

pytestmark = pytest.mark.benchmark

STUDIES = Path(__file__).resolve().parents[2] / "studies"
LENGTH, FREE = 1_000, GarchSpec(targeted=False)


@pytest.fixture(scope="module")
def returns() -> FloatArray:
    """Return the S&P 500 of the `arch` package, log returns in per cent."""
    from arch.data import sp500

    found: FloatArray = 100 * np.log(sp500.load()["Adj Close"]).diff().dropna().to_numpy()
    return found


def arch_loop(returns: FloatArray, first: int, count: int, *, warm: bool) -> tuple[float, list[float]]:
    """Return seconds and log likelihoods of a loop of `arch` over windows one bar apart."""
    from arch import arch_model

    previous, found = None, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        for at in range(first, first + count):
            model = arch_model(returns[at : at + LENGTH], mean="Zero", vol="GARCH", p=1, o=1, dist="t", rescale=False)
            fit = model.fit(disp="off", starting_values=previous)
            previous = fit.params.to_numpy() if warm else None
            found.append(float(fit.loglikelihood))
    return time.perf_counter() - start, found


def test_rolling_fits_are_two_hundred_times_as_fast_as_a_loop_of_arch(ledger: Ledger, returns: FloatArray) -> None:
    windows = windows_of(len(returns), LENGTH)
    count = len(windows)

    def roll() -> RollingFits:
        return fit_rolling(returns, FREE, windows)

    roll()
    ratios, ours, warm, cold = [], [], [], []
    for number in range(5):  # ours over all windows, theirs over a fifth of them, side by side in time
        ours.append(seconds_of(roll) / count)
        first, part = number * (count // 5), count // 5
        warm.append(arch_loop(returns, first, part, warm=True)[0] / part)
        cold.append(arch_loop(returns, first, part, warm=False)[0] / part)
        ratios.append(min(warm[-1], cold[-1]) / ours[-1])
    ledger.note(
        f"rolling GJR-t, {count:,} windows of 1,000, free intercept, ours, median of 5", 1e6 * median(ours), "us a window"
    )
    ledger.note("the same, loop of `arch`, warm started", 1e3 * median(warm), "ms a window")
    ledger.note("the same, loop of `arch`, cold", 1e3 * median(cold), "ms a window")
    ledger.note("the faster loop of `arch` over ours, median of 5", median(ratios), "times", at_least=200)


def seconds_of(function: Callable[[], object]) -> float:
    """Return the duration of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def test_rolling_fits_reach_the_optimum_of_arch_on_every_window(ledger: Ledger, returns: FloatArray) -> None:
    windows = windows_of(len(returns), LENGTH)
    ours = fit_rolling(returns, FREE, windows).log_likelihood
    theirs = np.maximum(*(arch_loop(returns, 0, len(windows), warm=warm)[1] for warm in (True, False)))
    within = float(np.mean(ours >= theirs - 1e-3))
    ledger.note(
        f"share of {len(windows):,} windows within 1e-3 of `arch`'s better optimum or above", within, "", at_least=0.999
    )
    ledger.note("largest shortfall of log likelihood", float(np.max(theirs - ours)), "")


def test_the_cost_is_linear_in_windows(ledger: Ledger, returns: FloatArray) -> None:
    counts = np.array([500, 1_000, 2_000, 4_000])
    taken = [min(seconds(lambda n=n: fit_rolling(returns, FREE, windows_of(LENGTH + n - 1, LENGTH)), 5)) for n in counts]
    exponent = float(np.polyfit(np.log(counts), np.log(taken), 1)[0])
    ledger.note("exponent of the cost in windows, 500 to 4,000", exponent, "", at_most=1.05)


def test_a_tail_of_a_hundred_exceedances_takes_microseconds(ledger: Ledger) -> None:
    from riskparams.tails.estimators import maximum_likelihood

    excesses = np.random.default_rng(1).pareto(4, 100)
    taken = median(seconds(lambda: [maximum_likelihood(excesses) for _ in range(200)], 9)) / 200
    ledger.note("generalised Pareto fit of 100 exceedances, with standard errors", 1e6 * taken, "us", at_most=60)


def test_forecasts_of_fifteen_hourly_assets_take_a_minute(ledger: Ledger, market_data: Path, tmp_path: Path) -> None:
    text = (STUDIES / "forecasts-hourly.toml").read_text(encoding="utf-8")
    text = text.replace(
        'window = "365d"\nmin_window = "365d"\nrefit = "14d"', 'window = "730d"\nmin_window = "730d"\nrefit = "7d"'
    )
    assert '"730d"' in text
    study = tmp_path / "two-years.toml"
    study.write_text(text, encoding="utf-8")
    command = [Path(sys.executable).with_name("riskparams"), "coverage", study, "--prices", market_data.resolve() / "prices"]
    taken = seconds_of(lambda: subprocess.run([*command, "--workers", "2"], check=True, capture_output=True, cwd=tmp_path))
    ledger.note("`riskparams coverage`, 15 hourly assets, two-year window, weekly refit, one model", taken, "s", at_most=90)
