"""What rugarch 1.5-4 finds on the S&P 500, and how it starts a recursion; for the tests that are held to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from riskparams.terms import FloatArray
from riskparams.volatility import recursions
from riskparams.volatility.model import GarchSpec, Innovations, Presample

Values = dict[str, float]
NAMES = {"alpha1": "alpha", "beta1": "beta", "gamma1": "gamma", "shape": "nu"}  # rugarch's names and ours


def rugarch_spec(*, asymmetric: bool, innovations: Innovations) -> GarchSpec:
    return GarchSpec(
        asymmetric=asymmetric, innovations=innovations, targeted=False, constant_mean=True, presample=Presample.MEAN_SQUARE
    )


def returns_of(market_data: Path, name: str, column: str) -> FloatArray:
    return pd.read_csv(market_data / "reference" / name)[column].to_numpy(float)


def from_first_variance(e: FloatArray, first: float, omega: float, alpha: float, gamma: float, beta: float) -> FloatArray:
    """Return the filter with `sigma2[0] = first`, as rugarch starts it: the presample variance is what leads there."""
    before = np.array([(first - omega) / (alpha + gamma / 2 + beta)])
    return recursions.gjr_filter(e, np.zeros(1, dtype=np.int64), omega, alpha, gamma, beta, before)


@dataclass(frozen=True, kw_only=True)
class Sp500Case:
    """What rugarch 1.5-4 finds on the S&P 500 of 1987 to 2009 (per cent), constant mean."""

    spec: GarchSpec
    coefficients: Values
    errors: Values
    robust_errors: Values
    log_likelihood: float
    persistence: float
    unconditional_variance: float
    first_sigmas: list[float]
    last_sigma: float
    quantiles: dict[float, float]  # of the last bar of the sample, as returns
    forecasts: list[float]


SP500_CASES = {
    "GARCH-t": Sp500Case(
        spec=rugarch_spec(asymmetric=False, innovations=Innovations.STUDENT_T),
        coefficients={
            "mu": 0.059403255671, "omega": 0.0061428608887, "alpha1": 0.062701464808, "beta1": 0.93431109374,
            "shape": 6.1466947534,
        },
        errors={
            "mu": 0.010054270064, "omega": 0.0019834295804, "alpha1": 0.008679445104, "beta1": 0.0090138998002,
            "shape": 0.49892074911,
        },
        robust_errors={
            "mu": 0.0086223542001, "omega": 0.0026478997667, "alpha1": 0.013745590271, "beta1": 0.014300243329,
            "shape": 0.59988289986,
        },
        log_likelihood=-7336.4046213025,
        persistence=0.99701255855,
        unconditional_variance=2.0562280446,
        first_sigmas=[1.1949275337, 1.1759420676, 1.1410621547],
        last_sigma=2.6560296602,
        quantiles={0.01: -6.7420103313, 0.05: -4.1616720465},
        forecasts=[
            2.6358763633, 2.6331028818, 2.6303347745, 2.6275720336, 2.6248146514, 2.6220626201, 2.6193159317, 2.6165745785,
            2.6138385528, 2.6111078466,
        ],
    ),
    "GJR-normal": Sp500Case(
        spec=rugarch_spec(asymmetric=True, innovations=Innovations.NORMAL),
        coefficients={
            "mu": 0.024729611646, "omega": 0.018429040691, "alpha1": 0.0078986322667, "beta1": 0.90964562048,
            "gamma1": 0.13216467479,
        },
        errors={
            "mu": 0.011003760162, "omega": 0.0026840270582, "alpha1": 0.0059669990633, "beta1": 0.0081179805317,
            "gamma1": 0.012424448632,
        },
        robust_errors={
            "mu": 0.010900786982, "omega": 0.0068923009297, "alpha1": 0.0085248435561, "beta1": 0.023119055074,
            "gamma1": 0.035634544497,
        },
        log_likelihood=-7463.5991100405,
        persistence=0.98362659013,
        unconditional_variance=1.125546898,
        first_sigmas=[1.1942596371, 1.1496300124, 1.1077345967],
        last_sigma=2.5808130055,
        quantiles={0.01: -5.9791392369, 0.05: -4.2203300209},
        forecasts=[
            2.6148819092, 2.596936944, 2.5791639966, 2.5615617534, 2.5441289106, 2.526864174, 2.5097662592, 2.492833891,
            2.4760658038, 2.4594607409,
        ],
    ),
    "GJR-t": Sp500Case(
        spec=rugarch_spec(asymmetric=True, innovations=Innovations.STUDENT_T),
        coefficients={
            "mu": 0.043332427584, "omega": 0.011021048303, "alpha1": 0.0090940088575, "beta1": 0.92505674257,
            "gamma1": 0.10964676558, "shape": 6.6806223477,
        },
        errors={
            "mu": 0.01013383794, "omega": 0.0024780681287, "alpha1": 0.006589237342, "beta1": 0.0091580860313,
            "gamma1": 0.015392574212, "shape": 0.57611672981,
        },
        robust_errors={
            "mu": 0.0091975142905, "omega": 0.0035533936902, "alpha1": 0.0069869997725, "beta1": 0.014064007471,
            "gamma1": 0.022514173486, "shape": 0.71736783856,
        },
        log_likelihood=-7294.6326962559,
        persistence=0.98897413422,
        unconditional_variance=0.99956307461,
        first_sigmas=[1.1944928823, 1.1564306643, 1.1200685018],
        last_sigma=2.6639708026,
        quantiles={0.01: -6.7316495509, 0.05: -4.2118498527},
        forecasts=[
            2.6890297417, 2.6762240708, 2.6634990411, 2.6508542386, 2.6382892511, 2.6258036691, 2.6133970847, 2.6010690925,
            2.5888192889, 2.5766472728,
        ],
    ),
}  # fmt: skip
