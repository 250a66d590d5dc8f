"""The models that `arch` fits: held to rugarch, to `arch` itself and to what a unit of returns may not change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from riskparams.errors import ConfigError, ConstantSeries
from riskparams.terms import FloatArray
from riskparams.volatility.innovations import hansen_skew
from riskparams.volatility.model import Convergence, Innovations, Presample
from riskparams.volatility.zoo import ZooFit, ZooSpec, ZooVolatility, fit_zoo, zoo_variance

if TYPE_CHECKING:
    from arch.univariate.base import ARCHModelResult

EGARCH, TARCH, APARCH, FIGARCH = ZooVolatility
SPECS = [
    ZooSpec(volatility=EGARCH, innovations=Innovations.SKEWED_T, constant_mean=True),
    ZooSpec(volatility=TARCH),
    ZooSpec(volatility=APARCH, innovations=Innovations.NORMAL),
    ZooSpec(volatility=FIGARCH, o=0),
]


@pytest.fixture(scope="module")
def sp500() -> FloatArray:
    import arch.data.sp500

    return 100 * np.diff(np.log(arch.data.sp500.load()["Adj Close"].to_numpy(float)))


def as_rugarch(fit: ZooFit) -> dict[str, float]:
    """Return EGARCH parameters under rugarch's names: alpha1 the sign, gamma1 the size less its mean under the law."""
    values = fit.parameters
    below = float(fit.law.cdf(0.0))
    mean_size = -2 * below * float(fit.law.expected_shortfall(below))  # E|z|, where arch subtracts the normal's sqrt(2 / pi)
    found = {
        "mu": fit.mu,
        "omega": values["omega"] + values["alpha[1]"] * (mean_size - np.sqrt(2 / np.pi)),
        "alpha1": values["gamma[1]"],
        "beta1": values["beta[1]"],
        "gamma1": values["alpha[1]"],
    }
    return found | {"skew": values.get("skew", 0.0), "shape": values.get("nu", np.inf)}


def test_egarch_on_the_mark_against_the_pound_is_that_of_rugarch(market_data: Path) -> None:
    """rugarch 1.5-4, eGARCH(1,1), constant mean, normal; near the benchmark of Bollerslev & Ghysels (1996)."""
    e = pd.read_csv(market_data / "reference" / "ref_dembp.csv")["ret_pct"].to_numpy(float)
    spec = ZooSpec(volatility=EGARCH, innovations=Innovations.NORMAL, constant_mean=True, presample=Presample.MEAN_SQUARE)
    fit = fit_zoo(e, spec)
    expected = {
        "mu": (-0.011609225202, 0.0082032144653),
        "omega": (-0.12662372353, 0.027249866842),
        "alpha1": (-0.038456975849, 0.01828991938),
        "beta1": (0.91249289376, 0.016204019969),
        "gamma1": (0.33279346923, 0.038741775498),
    }
    assert fit.convergence is Convergence.CONVERGED
    assert fit.log_likelihood == pytest.approx(-1102.2579892424, abs=0.5)
    found = as_rugarch(fit)
    for name, (value, error) in expected.items():
        assert found[name] == pytest.approx(value, abs=max(0.02 * abs(value), 0.25 * error))
    theirs = [expected[name][1] for name in ("mu", "omega", "gamma1", "alpha1", "beta1")]  # in arch's order
    np.testing.assert_allclose(fit.standard_errors, theirs, rtol=0.1)
    assert fit.persistence == pytest.approx(0.91249289376, rel=0.02)
    sigma = np.sqrt(zoo_variance(e, fit))
    np.testing.assert_allclose(sigma[:3], [0.47015001457, 0.43090284783, 0.38656566831], rtol=0.005)
    np.testing.assert_allclose(sigma[-2:], [0.36789796871, 0.40956958657], rtol=0.005)


@pytest.mark.parametrize(
    ("innovations", "log_likelihood", "expected"),
    [
        (
            Innovations.NORMAL,
            -6822.608288,
            {"mu": 0.017957, "omega": 0.000266, "alpha1": -0.151310, "beta1": 0.974165, "gamma1": 0.133722},
        ),
        (
            Innovations.STUDENT_T,
            -6732.647246,
            {"mu": 0.036717, "omega": -0.006808, "alpha1": -0.154094, "beta1": 0.982391, "gamma1": 0.128856, "shape": 7.296660},
        ),
        (
            Innovations.SKEWED_T,
            -6709.544026,
            {
                "mu": 0.015892, "omega": -0.003504, "alpha1": -0.159821, "beta1": 0.979326, "gamma1": 0.131896,
                "skew": hansen_skew(0.877081), "shape": 7.885688,
            },
        ),
    ],
)  # fmt: skip
def test_egarch_on_the_sp500_is_that_of_rugarch(
    sp500: FloatArray, innovations: Innovations, log_likelihood: float, expected: dict[str, float]
) -> None:
    """rugarch 1.5-4, eGARCH(1,1), constant mean, on `arch.data.sp500`; its start of the recursion differs from arch's."""
    fit = fit_zoo(sp500, ZooSpec(volatility=EGARCH, innovations=innovations, constant_mean=True))
    assert fit.convergence is Convergence.CONVERGED
    assert fit.log_likelihood == pytest.approx(log_likelihood, rel=2e-4)
    found = as_rugarch(fit)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-2, abs=2e-3 if name in ("mu", "omega") else None)


def fitted_by_arch(e: FloatArray, spec: ZooSpec) -> ARCHModelResult:
    """Return what `arch` finds in the units of `e`, from our presample variance."""
    from arch import arch_model

    centred = e - np.mean(e) if spec.constant_mean else e
    mean = "Constant" if spec.constant_mean else "Zero"
    volatility = {"vol": "GARCH", "power": 1.0} if spec.volatility is TARCH else {"vol": str(spec.volatility)}
    law = {Innovations.NORMAL: "normal", Innovations.STUDENT_T: "t", Innovations.SKEWED_T: "skewt"}[spec.innovations]
    model = arch_model(e, mean=mean, **volatility, p=1, o=spec.o, q=1, dist=law, rescale=False)
    level = float(np.average(centred[:75] ** 2, weights=0.94 ** np.arange(75)))
    return model.fit(disp="off", backcast=level, cov_type="classic")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_fit_is_the_one_arch_finds_in_the_units_of_the_returns(sp500: FloatArray, spec: ZooSpec) -> None:
    e = 2 * sp500[:2500]
    ours, theirs = fit_zoo(e, spec), fitted_by_arch(e, spec)
    assert ours.convergence is Convergence.CONVERGED
    assert ours.log_likelihood == pytest.approx(theirs.loglikelihood, abs=1e-3)
    errors = theirs.std_err.to_numpy()
    assert (np.abs(np.array(ours.values) - theirs.params.to_numpy()) < 0.02 * errors).all()
    np.testing.assert_allclose(ours.standard_errors, errors, rtol=0.02)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_at_the_same_parameters_variances_are_those_of_arch(sp500: FloatArray, spec: ZooSpec) -> None:
    e = sp500[:2500] / np.sqrt(np.mean(sp500[:2500] ** 2))
    ours, theirs = zoo_variance(e, fit_zoo(e, spec))[:-1], fitted_by_arch(e, spec).conditional_volatility ** 2
    if spec.constant_mean:  # the fit starts about the sample's mean, the filter about mu: forgotten after 500 bars
        ours, theirs = ours[500:], theirs[500:]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_persistence_is_that_of_a_long_simulation() -> None:
    rng = np.random.default_rng(3)
    law_draws = rng.standard_t(8, 2_000_000) / np.sqrt(8 / 6)
    tarch = ZooFit(
        spec=ZooSpec(volatility=TARCH), names=("omega", "alpha[1]", "gamma[1]", "beta[1]", "nu"),
        values=(0.02, 0.03, 0.1, 0.9, 8.0), standard_errors=(1.0,) * 5, log_likelihood=0.0, n_obs=1,
        convergence=Convergence.CONVERGED,
    )  # fmt: skip
    expected = 0.9 + np.mean((0.03 + 0.1 * (law_draws < 0)) * np.abs(law_draws))
    assert tarch.persistence == pytest.approx(float(expected), abs=2e-4)
    aparch = ZooFit(
        spec=ZooSpec(volatility=APARCH), names=("omega", "alpha[1]", "gamma[1]", "beta[1]", "delta", "nu"),
        values=(0.02, 0.08, 0.5, 0.9, 1.4, 8.0), standard_errors=(1.0,) * 6, log_likelihood=0.0, n_obs=1,
        convergence=Convergence.CONVERGED,
    )  # fmt: skip
    expected = 0.9 + np.mean(0.08 * (np.abs(law_draws) - 0.5 * law_draws) ** 1.4)
    assert aparch.persistence == pytest.approx(float(expected), abs=2e-4)


@pytest.mark.parametrize(
    ("volatility", "p", "o", "q"), [(EGARCH, 0, 0, 1), (TARCH, 1, 2, 1), (FIGARCH, 1, 1, 1), (APARCH, 1, 1, -1)]
)
def test_orders_a_model_cannot_have_are_refused(volatility: ZooVolatility, p: int, o: int, q: int) -> None:
    with pytest.raises(ConfigError, match="is not a model"):
        ZooSpec(volatility=volatility, p=p, o=o, q=q)


def test_a_start_without_a_move_is_refused(sp500: FloatArray) -> None:
    e = sp500[:500].copy()
    e[:75] = 0.0
    with pytest.raises(ConstantSeries, match="75 returns that start EGARCH-t"):
        fit_zoo(e, ZooSpec(volatility=EGARCH))
