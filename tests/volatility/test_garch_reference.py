"""GARCH and GJR held to rugarch, fGarch, rmgarch and `arch`, each from its own start of the recursion.

rugarch takes the mean squared residual for the variance of the first bar; ours is one step later, omega + persistence times
it. After a few dozen bars nothing of that is left; where a case asks for more, the test starts the filter as rugarch does.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from rugarch_sp500 import NAMES, SP500_CASES, Sp500Case, Values, from_first_variance, returns_of, rugarch_spec

from riskparams.terms import FloatArray
from riskparams.volatility import recursions
from riskparams.volatility.garch import conditional_variance, fit_garch, mean_square
from riskparams.volatility.innovations import InnovationLaw, hansen_skew
from riskparams.volatility.model import Convergence, GarchFit, GarchSpec, Innovations, Presample
from riskparams.volatility.standard_errors import standard_errors

NORMAL, STUDENT_T, SKEWED_T = Innovations


@pytest.fixture(scope="module")
def dembp(market_data: Path) -> FloatArray:
    """Deutsche mark against pound, daily, per cent (Bollerslev & Ghysels 1996)."""
    return returns_of(market_data, "ref_dembp.csv", "ret_pct")


@pytest.fixture(scope="module")
def sp500(market_data: Path) -> FloatArray:
    """S&P 500, daily, per cent, 1987-03-10 to 2009-01-30."""
    return 100 * returns_of(market_data, "ref_sp500ret.csv", "ret")


def sigma_ahead(e: FloatArray, fit: GarchFit, bars: int = 10) -> FloatArray:
    """Return the forecast sigma of each of the next bars: the next is known, the rest fall back geometrically."""
    gap = conditional_variance(e, fit)[-1] - fit.unconditional_variance
    return np.sqrt(fit.unconditional_variance + gap * fit.persistence ** np.arange(bars))


@pytest.mark.parametrize("file", ["ref_dembp.csv ret_pct", "dmbp.csv return_pct"])
def test_the_mark_against_the_pound_reaches_the_benchmark(market_data: Path, file: str) -> None:
    """Fiorentini, Calzolari & Panattoni (1996) after Brooks, Burke & Persand (2001), recomputed with fGarch 4022.89.

    Its start, squared residual and variance both at the mean square, is ours. Both copies of the data are the same series.
    """
    e = returns_of(market_data, *file.split())
    fit = fit_garch(e, rugarch_spec(asymmetric=False, innovations=NORMAL))
    assert fit.convergence is Convergence.CONVERGED
    published = {"mu": -0.00619041, "omega": 0.0107613, "alpha": 0.153134, "beta": 0.805974}
    recomputed = {"mu": -0.0061904143646, "omega": 0.010761391557, "alpha": 0.15313390532, "beta": 0.80597378021}
    again = {"mu": -0.00619041, "omega": 0.0107614, "alpha": 0.153134, "beta": 0.805974}
    for expected in (published, recomputed, again):
        assert {name: getattr(fit, name) for name in expected} == pytest.approx(expected, rel=1e-4)
    assert fit.log_likelihood == pytest.approx(-1106.6078810413, abs=1e-3)
    variance = conditional_variance(e, fit)
    np.testing.assert_allclose(variance[:3], [0.22284178685, 0.19301499611, 0.16651470064], rtol=1e-4)
    assert variance[-2] == pytest.approx(0.11479933713, rel=1e-4)
    assert sqrt(variance[-1]) == pytest.approx(0.38339602887, rel=1e-4)


sp500_cases = pytest.mark.parametrize("case", SP500_CASES.values(), ids=SP500_CASES.keys())


def meets(found: float, expected: float, error: float) -> bool:
    """Within 2 % or a quarter of the standard error, as the reference asks."""
    return abs(found - expected) <= max(0.02 * abs(expected), 0.25 * error)


@sp500_cases
def test_the_sp500_fit_is_that_of_rugarch(sp500: FloatArray, case: Sp500Case) -> None:
    fit = fit_garch(sp500, case.spec)
    assert fit.convergence is Convergence.CONVERGED
    assert fit.log_likelihood == pytest.approx(case.log_likelihood, abs=0.5)
    for name, value in case.coefficients.items():
        assert meets(getattr(fit, NAMES.get(name, name)), value, case.errors[name]), name
    assert fit.persistence == pytest.approx(case.persistence, rel=0.005)
    assert fit.unconditional_variance == pytest.approx(case.unconditional_variance, rel=0.02)
    sigma = np.sqrt(conditional_variance(sp500, fit))
    np.testing.assert_allclose(sigma[:3], case.first_sigmas, rtol=0.005)
    assert sigma[-2] == pytest.approx(case.last_sigma, rel=0.005)
    np.testing.assert_allclose(sigma_ahead(sp500, fit), case.forecasts, rtol=0.005)
    law = InnovationLaw(nu=fit.nu)
    for level, value in case.quantiles.items():
        assert fit.mu + sigma[-2] * float(law.quantile(level)) == pytest.approx(value, rel=0.005)


AT = np.array([1, 2, 3, 10, 100, 1000, 1974]) - 1  # rows of the sigmas that rugarch prints, there from 1


@dataclass(frozen=True, kw_only=True)
class FilterCase:
    """A filter of rugarch 1.5-4 at given parameters on the mark against the pound: nothing is estimated."""

    mu: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    nu: float
    sigmas: list[float]
    log_likelihood: float
    forecasts: list[float]


GARCH_SIGMAS = [0.47024094376, 0.43530275001, 0.40221041697, 0.31646762154, 0.48221700962, 0.24727977706, 0.32539866518]
GARCH_FORECASTS = [
    0.3707942043, 0.37498523284, 0.37892377677, 0.38262784422, 0.38611379646, 0.38939654675, 0.39248972865, 0.39540583928,
    0.39815636231, 0.40075187387,
]  # fmt: skip
FILTER_CASES = {
    "GARCH-normal": FilterCase(
        mu=-0.006, omega=0.01, alpha=0.15, gamma=0.0, beta=0.8, nu=np.inf, sigmas=GARCH_SIGMAS,
        log_likelihood=-1109.4100864662, forecasts=GARCH_FORECASTS,
    ),
    "GARCH-t": FilterCase(
        mu=-0.006, omega=0.01, alpha=0.15, gamma=0.0, beta=0.8, nu=5.0, sigmas=GARCH_SIGMAS,
        log_likelihood=-1001.1135672412, forecasts=GARCH_FORECASTS,
    ),
    "GJR-normal": FilterCase(
        mu=-0.006, omega=0.01, alpha=0.1, gamma=0.05, beta=0.8, nu=np.inf,
        sigmas=[0.47024094376, 0.43431102699, 0.40127605957, 0.31130378205, 0.47266624074, 0.24203830755, 0.31794448912],
        log_likelihood=-1124.3986828557,
        forecasts=[
            0.34553084445, 0.34704062749, 0.34843135241, 0.34971284905, 0.35089406668, 0.35198316377, 0.35298758691,
            0.3539141404, 0.35476904792, 0.35555800731,
        ],
    ),
    "EWMA(0.94)": FilterCase(
        mu=0.0, omega=0.0, alpha=0.06, gamma=0.0, beta=0.94, nu=np.inf,
        sigmas=[0.47041223053, 0.45711366877, 0.44324457719, 0.37643411664, 0.43305840665, 0.18070870923, 0.28657914223],
        log_likelihood=-1165.1356533852, forecasts=[0.30647994761] * 10,
    ),
}  # fmt: skip
filter_cases = pytest.mark.parametrize("case", FILTER_CASES.values(), ids=FILTER_CASES.keys())


@filter_cases
def test_filters_at_given_parameters_are_those_of_rugarch(dembp: FloatArray, case: FilterCase) -> None:
    centred = dembp - case.mu
    variance = from_first_variance(centred, mean_square(centred), case.omega, case.alpha, case.gamma, case.beta)
    np.testing.assert_allclose(np.sqrt(variance[AT]), case.sigmas, rtol=1e-8)
    persistence = case.alpha + case.gamma / 2 + case.beta
    ahead = [variance[-1]]
    for _ in range(9):
        ahead.append(case.omega + persistence * ahead[-1])
    np.testing.assert_allclose(np.sqrt(ahead), case.forecasts, rtol=1e-8)
    density = InnovationLaw(nu=case.nu).log_density(centred / np.sqrt(variance[:-1])) - np.log(variance[:-1]) / 2
    assert float(density.sum()) == pytest.approx(case.log_likelihood, rel=1e-8)


@filter_cases
def test_the_compiled_likelihood_of_a_filter_is_that_of_rugarch(dembp: FloatArray, case: FilterCase) -> None:
    first = mean_square(dembp - case.mu)
    before = (first - case.omega) / (case.alpha + case.gamma / 2 + case.beta)
    law = recursions.STUDENT_T if np.isfinite(case.nu) else recursions.NORMAL
    theta = np.array([case.mu, case.omega, case.alpha, case.alpha + case.gamma, case.beta, case.nu, 0.0])
    value = recursions.likelihood(dembp, law, theta, np.array([before, 0.0, 0.0]), np.empty(7))
    assert value == pytest.approx(case.log_likelihood, rel=1e-8)


def test_the_skewed_fit_is_that_of_arch(sp500: FloatArray) -> None:
    """`arch` 8.0.0, constant mean, GARCH(1,1), Hansen's skew-t; its backcast is ours."""
    fit = fit_garch(sp500, GarchSpec(asymmetric=False, innovations=SKEWED_T, targeted=False, constant_mean=True))
    expected = {
        "mu": (0.047781837500405655, 0.010653292879936091),
        "omega": (0.0064146113220269535, 0.0020118645052522423),
        "alpha": (0.06315604006505827, 0.008310056177767257),
        "beta": (0.93317128531524, 0.008607903760288946),
        "nu": (6.330698093452523, 0.611770950372262),
        "skew": (-0.060686283715182934, 0.01641925787816985),
    }
    assert fit.convergence is Convergence.CONVERGED
    assert fit.log_likelihood == pytest.approx(-7330.761099122945, abs=0.5)
    for name, (value, error) in expected.items():
        assert meets(getattr(fit, name), value, error), name
    assert standard_errors(sp500, fit).robust == pytest.approx({name: error for name, (_, error) in expected.items()}, rel=1e-3)
    sigma = np.sqrt(conditional_variance(sp500, fit))
    np.testing.assert_allclose(sigma[:3], [1.077500747152365, 1.0648948657604287, 1.0335283828240824], rtol=0.005)
    assert sigma[-2] == pytest.approx(2.6347143112390863, rel=0.005)
    forecasts = [
        2.614176138890039, 2.610600073425044, 2.6070322633916425, 2.60347269432859, 2.5999213517949973, 2.5963782213702684,
        2.592843288654046, 2.5893165392661532, 2.5857979588465403, 2.582287533055223,
    ]  # fmt: skip
    np.testing.assert_allclose(sigma_ahead(sp500, fit), forecasts, rtol=0.005)


ARCH_SP500: dict[str, tuple[bool, Innovations, Values]] = {
    "sGARCH-norm": (
        False, NORMAL, {"loglik": -6941.729789, "mu": 0.052398, "omega": 0.017749, "alpha1": 0.101994, "beta1": 0.885198},
    ),
    "sGARCH-std": (
        False, STUDENT_T,
        {"loglik": -6834.818001, "mu": 0.064589, "omega": 0.008871, "alpha1": 0.099185, "beta1": 0.899814, "shape": 6.557082},
    ),
    "sGARCH-sstd": (
        False, SKEWED_T,
        {
            "loglik": -6822.832033, "mu": 0.048643, "omega": 0.008901, "alpha1": 0.099472, "beta1": 0.898524,
            "skew": 0.912648, "shape": 6.986477,
        },
    ),
    "gjrGARCH-norm": (
        True, NORMAL,
        {
            "loglik": -6832.090079, "mu": 0.014709, "omega": 0.020159, "alpha1": 0.0, "gamma1": 0.179849, "beta1": 0.892100,
        },
    ),
    "gjrGARCH-std": (
        True, STUDENT_T,
        {
            "loglik": -6748.678351, "mu": 0.036733, "omega": 0.013182, "alpha1": 0.0, "gamma1": 0.181775, "beta1": 0.898553,
            "shape": 7.511850,
        },
    ),
    "gjrGARCH-sstd": (
        True, SKEWED_T,
        {
            "loglik": -6726.288285, "mu": 0.015626, "omega": 0.014626, "alpha1": 0.0, "gamma1": 0.189774, "beta1": 0.895598,
            "skew": 0.879566, "shape": 8.133506,
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("presample", Presample)
@pytest.mark.parametrize(("asymmetric", "innovations", "expected"), ARCH_SP500.values(), ids=ARCH_SP500.keys())
def test_the_data_of_arch_give_the_fit_of_rugarch(
    asymmetric: bool, innovations: Innovations, expected: Values, presample: Presample
) -> None:
    """rugarch 1.5-4 on `arch.data.sp500`, constant mean; `sstd` is the two-piece law of Fernandez & Steel (1998)."""
    import arch.data.sp500

    e = 100 * np.diff(np.log(arch.data.sp500.load()["Adj Close"].to_numpy(float)))
    spec = GarchSpec(
        asymmetric=asymmetric, innovations=innovations, targeted=False, constant_mean=True, presample=presample
    )  # fmt: skip
    fit = fit_garch(e, spec)
    assert fit.convergence is Convergence.CONVERGED
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=2e-4)
    for name, value in expected.items():
        if name == "skew":
            assert fit.skew == pytest.approx(hansen_skew(value), rel=2e-2)
        elif name in ("mu", "omega"):
            assert getattr(fit, name) == pytest.approx(value, abs=2e-3)
        elif name == "alpha1" and value == 0:
            assert fit.alpha == pytest.approx(0, abs=1e-6)
        elif name != "loglik":
            assert getattr(fit, NAMES[name]) == pytest.approx(value, rel=2e-2)


@pytest.mark.parametrize(
    ("name", "expected", "last_sigma"),
    [
        ("AA", {"mu": 0.26800247222, "omega": 0.67809533012, "alpha": 0.11637441915, "beta": 0.86751020213}, 15.9950822969),
        ("DD", {"mu": 0.17165422607, "omega": 0.17384066711, "alpha": 0.046544633649, "beta": 0.94230633741}, 6.3602723225),
        ("IBM", {"mu": 0.11233931248, "omega": 0.28105684797, "alpha": 0.064551050586, "beta": 0.92017264224}, 5.6821905985),
    ],
)
def test_margins_of_the_weekly_dow_jones_are_those_of_rmgarch(
    market_data: Path, name: str, expected: Values, last_sigma: float
) -> None:
    """rmgarch 1.4-2, the GARCH(1,1)-normal margins of a DCC (Engle 2002); its joint part is about dependence."""
    e = 100 * returns_of(market_data, "ref_dji_weekly3.csv", name)
    fit = fit_garch(e, rugarch_spec(asymmetric=False, innovations=NORMAL))
    errors = standard_errors(e, fit).hessian
    for parameter, value in expected.items():
        assert meets(getattr(fit, parameter), value, errors[parameter]), parameter
    assert sqrt(conditional_variance(e, fit)[-2]) == pytest.approx(last_sigma, rel=0.005)
