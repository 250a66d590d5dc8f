"""Standard errors: held to a benchmark, rugarch, `arch` and the spread of estimates over samples; refused on bounds."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rugarch_sp500 import NAMES, SP500_CASES, Sp500Case, from_first_variance, returns_of, rugarch_spec

from riskparams.errors import DataError, ModelError
from riskparams.terms import FloatArray
from riskparams.volatility.ewma import fit_ewma
from riskparams.volatility.garch import PARAMETERS, fit_garch, mean_square
from riskparams.volatility.innovations import InnovationLaw
from riskparams.volatility.model import Convergence, EwmaSpec, GarchSpec, Innovations, Presample
from riskparams.volatility.rolling import fit_rolling
from riskparams.volatility.standard_errors import standard_errors

NORMAL, STUDENT_T, SKEWED_T = Innovations
KINDS = ("hessian", "outer_product", "robust")
sp500_cases = pytest.mark.parametrize("case", SP500_CASES.values(), ids=SP500_CASES.keys())


@pytest.fixture(scope="module")
def sp500(market_data: Path) -> FloatArray:
    """S&P 500, daily, per cent, 1987-03-10 to 2009-01-30."""
    return 100 * returns_of(market_data, "ref_sp500ret.csv", "ret")


def simulated(n: int, seed: int) -> FloatArray:
    """Return a GJR series of t(8) innovations with long-run variance 1."""
    rng, e, sigma2 = np.random.default_rng(seed), np.empty(n), 1.0
    z = rng.standard_t(8, n) * np.sqrt(6 / 8)
    for t in range(n):
        e[t] = np.sqrt(sigma2) * z[t]
        sigma2 = 0.1 + (0.06 + 0.08 * (e[t] < 0)) * e[t] ** 2 + 0.8 * sigma2
    return e


def test_three_kinds_of_standard_error_reach_the_benchmark(market_data: Path) -> None:
    """Fiorentini, Calzolari & Panattoni (1996) for the first kind, fGarch 4022.89 for all three."""
    dembp = returns_of(market_data, "ref_dembp.csv", "ret_pct")
    errors = standard_errors(dembp, fit_garch(dembp, rugarch_spec(asymmetric=False, innovations=NORMAL)))
    published = {"mu": 0.00846212, "omega": 0.00285271, "alpha": 0.0265228, "beta": 0.0335527}
    hessian = {"mu": 0.0084621190485, "omega": 0.0028527115586, "alpha": 0.026522799645, "beta": 0.033552687504}
    outer = {"mu": 0.0084335919996, "omega": 0.0013229742784, "alpha": 0.013973774833, "beta": 0.01656039293}
    robust = {"mu": 0.0091893548562, "omega": 0.006493186761, "alpha": 0.053531651118, "beta": 0.072461473625}
    assert errors.hessian == pytest.approx(published, rel=2e-3)
    assert errors.hessian == pytest.approx(hessian, rel=2e-3)
    assert errors.outer_product == pytest.approx(outer, rel=2e-3)
    assert errors.robust == pytest.approx(robust, rel=2e-3)


def rugarch_densities(e: FloatArray, case: Sp500Case, values: FloatArray) -> FloatArray:
    """Return log densities at values of rugarch's parameters, in the order of the case, from rugarch's start."""
    at = dict(zip(case.coefficients, values.tolist(), strict=True))
    centred = e - at["mu"]
    gamma = at.get("gamma1", 0.0)
    sigma2 = from_first_variance(centred, mean_square(centred), at["omega"], at["alpha1"], gamma, at["beta1"])[:-1]
    return InnovationLaw(nu=at.get("shape", np.inf)).log_density(centred / np.sqrt(sigma2)) - np.log(sigma2) / 2


def extrapolated(values: list[float]) -> float:
    """Return the limit of differences whose step was halved each time (Richardson)."""
    order = 1
    while len(values) > 1:
        values = [(4**order * fine - coarse) / (4**order - 1) for coarse, fine in pairwise(values)]
        order += 1
    return values[0]


def information_as_rugarch(e: FloatArray, case: Sp500Case) -> FloatArray:
    """Return minus the second derivatives as R's numDeriv takes them: steps of 10 % of each value, halved three times."""
    centre, k = np.array(list(case.coefficients.values())), len(case.coefficients)
    top = rugarch_densities(e, case, centre).sum()
    second = np.empty((k, k))

    def fall(step: FloatArray) -> float:
        both = [float(rugarch_densities(e, case, centre + sign * step).sum()) for sign in (1, -1)]
        return float(2 * top - sum(both))

    steps = [0.1 * centre / 2**halving for halving in range(4)]
    axes = np.eye(k)
    for i in range(k):
        second[i, i] = extrapolated([fall(h * axes[i]) / h[i] ** 2 for h in steps])
    for i in range(k):
        for j in range(i):
            own = [second[i, i] * h[i] ** 2 + second[j, j] * h[j] ** 2 for h in steps]
            mixed = [(fall(h * (axes[i] + axes[j])) - apart) / (2 * h[i] * h[j]) for h, apart in zip(steps, own, strict=True)]
            second[i, j] = second[j, i] = extrapolated(mixed)
    return second


def newey_west(scores: FloatArray, lags: int) -> FloatArray:
    total = scores.T @ scores
    for lag in range(1, lags + 1):
        across = scores[lag:].T @ scores[:-lag]
        total += (1 - lag / (lags + 1)) * (across + across.T)
    return total


@sp500_cases
def test_standard_errors_of_rugarch_are_those_of_its_own_differences(sp500: FloatArray, case: Sp500Case) -> None:
    """rugarch's curvature starts from steps of 10 %, past persistence 1, and its robust errors add 21 autocovariances.

    Computed that way, both of its columns come out of our density to five digits. Ours are taken at the top: see the next
    test for where the two part.
    """
    spread = np.linalg.inv(information_as_rugarch(sp500, case))
    np.testing.assert_allclose(np.sqrt(np.diag(spread)), list(case.errors.values()), rtol=1e-4)
    centre = np.array(list(case.coefficients.values()))
    steps = 1e-5 * np.diag(np.maximum(np.abs(centre), 0.01))
    scores = np.column_stack([
        (rugarch_densities(sp500, case, centre + step) - rugarch_densities(sp500, case, centre - step)) / (2 * step.sum())
        for step in steps
    ])  # fmt: skip
    robust = spread @ newey_west(scores, int(1.2 * len(sp500) ** (1 / 3))) @ spread
    np.testing.assert_allclose(np.sqrt(np.diag(robust)), list(case.robust_errors.values()), rtol=1e-3)


@sp500_cases
def test_our_standard_errors_are_those_of_rugarch_where_its_steps_do_not_matter(sp500: FloatArray, case: Sp500Case) -> None:
    """Differences 100 times shorter from the likelihood alone give our errors, not rugarch's, for t with a long memory."""
    found = standard_errors(sp500, fit_garch(sp500, case.spec)).hessian
    ours = {name: found[NAMES.get(name, name)] for name in case.errors}
    agreed = case.errors if case.spec.innovations is NORMAL else {name: case.errors[name] for name in ("mu", "shape")}
    assert {name: ours[name] for name in agreed} == pytest.approx(agreed, rel=0.1)

    centre = np.array(list(case.coefficients.values()))
    k, steps = len(centre), 1e-3 * np.diag(np.abs(centre))
    second = np.empty((k, k))
    for i in range(k):
        for j in range(k):
            corners = [
                sign * float(rugarch_densities(sp500, case, centre + one * steps[i] + two * steps[j]).sum())
                for one, two, sign in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
            ]
            second[i, j] = -sum(corners) / (4 * steps[i, i] * steps[j, j])
    np.testing.assert_allclose(np.sqrt(np.diag(np.linalg.inv(second))), list(ours.values()), rtol=0.01)


@pytest.mark.parametrize("innovations", Innovations)
def test_robust_and_hessian_errors_are_those_of_arch(innovations: Innovations) -> None:
    from arch import arch_model

    e = simulated(4000, 2)
    fit = fit_garch(e, GarchSpec(innovations=innovations, targeted=False, constant_mean=True))
    law = {NORMAL: "normal", STUDENT_T: "t", SKEWED_T: "skewt"}[innovations]
    model = arch_model(e, mean="Constant", vol="GARCH", p=1, o=1, dist=law, rescale=False)
    found = standard_errors(e, fit)
    for kind, theirs in (("hessian", "classic"), ("robust", "robust")):
        errors = model.fit(disp="off", cov_type=theirs).std_err.to_numpy()
        np.testing.assert_allclose(list(getattr(found, kind).values()), errors, rtol=0.02)


@pytest.mark.parametrize("presample", Presample)
@pytest.mark.parametrize(
    ("spec", "free"),
    [
        (GarchSpec(), ("alpha", "gamma", "beta", "nu")),
        (GarchSpec(asymmetric=False, innovations=NORMAL), ("alpha", "beta")),
        (GarchSpec(innovations=SKEWED_T, targeted=False, constant_mean=True), PARAMETERS),
    ],
    ids=["targeted", "fewest", "all"],
)
def test_an_error_is_told_of_each_free_parameter_and_no_other(
    spec: GarchSpec, free: tuple[str, ...], presample: Presample
) -> None:
    e = simulated(4000, 3)
    spec = replace(spec, presample=presample)
    errors = standard_errors(e, fit_garch(e, spec))
    for kind in KINDS:
        values = getattr(errors, kind)
        assert tuple(values) == free
        assert all(0 < value < 10 for value in values.values())
    assert errors.hessian == pytest.approx(errors.outer_product, rel=0.5)  # the law is nearly true: they estimate one matrix


def test_errors_are_the_spread_of_estimates_over_samples() -> None:
    spec, n = GarchSpec(targeted=False), 3000
    series = np.concatenate([simulated(n, seed) for seed in range(300)])
    first = n * np.arange(300)
    fits = fit_rolling(series, spec, np.column_stack([first, first + n]))
    errors = standard_errors(series[:n], fits[0]).hessian
    middle = np.array([list(standard_errors(series[n * i : n * (i + 1)], fits[i]).hessian.values()) for i in range(0, 300, 10)])
    for i, name in enumerate(errors):
        estimates = fits.parameters[:, PARAMETERS.index(name)]
        quarter, three_quarters = np.quantile(estimates, [0.25, 0.75])
        assert np.median(middle[:, i]) == pytest.approx((three_quarters - quarter) / 1.349, rel=0.2), name


def test_errors_carry_the_units_of_their_parameters() -> None:
    e = simulated(3000, 5)
    spec = GarchSpec(targeted=False, constant_mean=True, innovations=SKEWED_T)
    one, other = (standard_errors(unit * e, fit_garch(unit * e, spec)) for unit in (1.0, 0.01))
    units = dict.fromkeys(PARAMETERS, 1.0) | {"mu": 0.01, "omega": 1e-4}
    for kind in KINDS:
        expected = {name: value * units[name] for name, value in getattr(one, kind).items()}
        assert getattr(other, kind) == pytest.approx(expected, rel=1e-3)


def test_a_parameter_on_its_bound_has_no_error() -> None:
    import arch.data.sp500

    e = 100 * np.diff(np.log(arch.data.sp500.load()["Adj Close"].to_numpy(float)))
    with pytest.raises(ModelError, match=r"alpha .* is on its bound"):
        standard_errors(e, fit_garch(e, GarchSpec(targeted=False)))
    integrated = np.cumsum(np.random.default_rng(1).standard_normal(500))
    with pytest.raises(ModelError, match="is on its bound"):
        standard_errors(integrated, fit_garch(integrated, GarchSpec()))


def test_a_fit_that_has_no_errors_says_why() -> None:
    e = simulated(1000, 1)
    with pytest.raises(ModelError, match="estimates nothing"):
        standard_errors(e, fit_ewma(e, EwmaSpec(decay=0.94)))
    fit = fit_garch(e, GarchSpec())
    with pytest.raises(ModelError, match="iteration limit"):
        standard_errors(e, replace(fit, convergence=Convergence.ITERATION_LIMIT))


@pytest.mark.parametrize("other", ["shorter", "reversed", "other units", "not a number"])
def test_other_returns_than_those_of_the_fit_are_refused(other: str) -> None:
    e = simulated(1000, 1)
    fit = fit_garch(e, GarchSpec())
    given = {"shorter": e[:-1], "reversed": e[::-1], "other units": 100 * e, "not a number": np.where(e == e.max(), np.nan, e)}
    with pytest.raises(DataError, match="expected the returns that were fitted"):
        standard_errors(given[other], fit)
