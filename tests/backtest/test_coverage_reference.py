"""Published backtests, and other programs' figures for the same series: R's rugarch 1.5.4 and GAS 0.3.4, MathWorks, Basle."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskparams.backtest import coverage
from riskparams.backtest.coverage import Transitions
from riskparams.backtest.forecasts import hits_of
from riskparams.backtest.hit_dynamics import duration_test, dynamic_quantile
from riskparams.backtest.scores import actual_over_expected, deviations, fz0_losses, pinball_losses
from riskparams.backtest.shortfall_tests import (
    acerbi_szekely,
    exceedance_residuals,
    normal_tail,
    realised_over_forecast,
    simulated_z,
    student_tail,
)
from riskparams.backtest.traffic_light import traffic_light

# rugarch 1.5.4 VaRTest, VaRDurTest and ESTest, GAS 0.3.4 BacktestVaR and FZLoss; DQ, Z1 and Z2 by formula in R. Rolling
# GARCH-normal forecasts of the S&P 500 by rugarch, and historical simulation of it from esback 0.3.1 (risk_forecasts).
EXPECTED: dict[str, dict[str, Any]] = {
    "GARCH-normal 0.01": {
        "failures": 26,
        "expected": 10,
        "transitions": (947, 26, 26, 0),
        "kupiec_LR": 17.9465854225,
        "kupiec_p": 2.2719162429e-05,
        "christoffersen_cc_LR": 19.3362677888,
        "christoffersen_cc_p": 6.3267809656e-05,
        "christoffersen_ind_LR": 1.3896823663,
        "christoffersen_ind_p": 0.23845874767,
        "dur_weibull_b": 0.85187618692,
        "dur_uLL": -116.6625377876,
        "dur_rLL": -117.2219863528,
        "dur_LR": 1.1188971305,
        "dur_p": 0.29015605425,
        "estest_mcneil_frey_p": 0.075183194576,
        "estest_exceedance_z": 1.4382385201,
        "DQ_const_4hits": (55.9765758805, 5, 8.217326819e-11),
        "DQ_const_4hits_VaR": (56.0469485083, 6, 2.848025149e-10),
        "DQ_GAS_const_VaR_4hits_y2lag": (57.7368964371, 7, 4.2654957344e-10),
        "quantile_loss_mean": 0.041518196388,
        "AE_ratio": 2.6,
        "AD_mean": 0.62261257582,
        "AD_max": 4.105835511,
        "FZ0_mean": 1.4060852363,
        "Z1": -0.11196756635,
        "Z2": -1.8911156725,
    },
    "GARCH-normal 0.025": {
        "failures": 42,
        "expected": 25,
        "transitions": (915, 42, 42, 0),
        "kupiec_LR": 9.8768268072,
        "kupiec_p": 0.0016737333734,
        "christoffersen_cc_LR": 13.5645315193,
        "christoffersen_cc_p": 0.0011337032869,
        "christoffersen_ind_LR": 3.6877047121,
        "christoffersen_ind_p": 0.054814999943,
        "dur_weibull_b": 0.94161061413,
        "dur_uLL": -171.8187333193,
        "dur_rLL": -171.9615117034,
        "dur_LR": 0.28555676816,
        "dur_p": 0.59308202941,
        "estest_mcneil_frey_p": 0.008227621102,
        "estest_exceedance_z": 2.3986587444,
        "DQ_const_4hits": (34.5214657393, 5, 1.8744765878e-06),
        "DQ_const_4hits_VaR": (35.1408907137, 6, 4.0469206362e-06),
        "DQ_GAS_const_VaR_4hits_y2lag": (38.7364027239, 7, 2.1942800886e-06),
        "quantile_loss_mean": 0.085000723417,
        "AE_ratio": 1.68,
        "AD_mean": 0.7600497488,
        "AD_max": 4.9175780872,
        "FZ0_mean": 1.122089736,
        "Z1": -0.14003796955,
        "Z2": -0.91526378884,
    },
    "GARCH-normal 0.05": {
        "failures": 65,
        "expected": 50,
        "transitions": (871, 63, 63, 2),
        "kupiec_LR": 4.3454529587,
        "kupiec_p": 0.037107895139,
        "christoffersen_cc_LR": 5.9757007527,
        "christoffersen_cc_p": 0.050395652056,
        "christoffersen_ind_LR": 1.630247794,
        "christoffersen_ind_p": 0.2016687786,
        "dur_weibull_b": 1.0674416662,
        "dur_uLL": -239.7058408592,
        "dur_rLL": -239.9278205198,
        "dur_LR": 0.44395932127,
        "dur_p": 0.50521762422,
        "estest_mcneil_frey_p": 0.00086838595293,
        "estest_exceedance_z": 3.1319030933,
        "DQ_const_4hits": (24.4379415447, 5, 0.00017882934794),
        "DQ_const_4hits_VaR": (24.438530902, 6, 0.00043361396125),
        "DQ_GAS_const_VaR_4hits_y2lag": (25.7157556616, 7, 0.00056607917608),
        "quantile_loss_mean": 0.13980575413,
        "AE_ratio": 1.3,
        "AD_mean": 0.78883884425,
        "AD_max": 5.6157214848,
        "FZ0_mean": 0.89314490948,
        "Z1": -0.14115117297,
        "Z2": -0.48349652486,
    },
    "historical simulation 0.025": {
        "failures": 155,
        "expected": 113.175,
        "transitions": (4232, 139, 139, 16),
        "kupiec_LR": 14.2394329977,
        "kupiec_p": 0.0001609620364,
        "christoffersen_cc_LR": 29.7546105801,
        "christoffersen_cc_p": 3.4583457265e-07,
        "christoffersen_ind_LR": 15.5151775824,
        "christoffersen_ind_p": 8.1845454978e-05,
        "dur_weibull_b": 0.68430125441,
        "dur_uLL": -649.6298548392,
        "dur_rLL": -674.6527703334,
        "dur_LR": 50.0458309885,
        "dur_p": 1.50202073e-12,
        "estest_mcneil_frey_p": 0.13193207414,
        "estest_exceedance_z": 1.1173045089,
        "DQ_const_4hits": (169.6887862258, 5, 0.0),
        "DQ_const_4hits_VaR": (173.268918332, 6, 0.0),
        "DQ_GAS_const_VaR_4hits_y2lag": (173.3258651209, 7, 0.0),
        "quantile_loss_mean": 0.083684218173,
        "AE_ratio": 1.3695604153,
        "AD_mean": 0.80665372305,
        "AD_max": 6.1938789679,
        "FZ0_mean": 1.1415329183,
        "Z1": -0.048040167742,
        "Z2": -0.43535432737,
    },
}
BASEL = (  # exceptions: exactly, at most, at least, zone, plus factor, multiplier
    (0.081058516162, 0.081058516162, 1, "green", 0, 3),
    (0.20469322263, 0.28575173879, 0.91894148384, "green", 0, 3),
    (0.25741723452, 0.54316897332, 0.71424826121, "green", 0, 3),
    (0.21494772445, 0.75811669776, 0.45683102668, "green", 0, 3),
    (0.13407092914, 0.8921876269, 0.24188330224, "green", 0, 3),
    (0.066629189027, 0.95881681593, 0.1078123731, "yellow", 0.4, 3.4),
    (0.027481736215, 0.98629855214, 0.04118318407, "yellow", 0.5, 3.5),
    (0.0096761091434, 0.99597466129, 0.013701447855, "yellow", 0.65, 3.65),
    (0.0029688062145, 0.9989434675, 0.0040253387118, "yellow", 0.75, 3.75),
    (0.00080634242862, 0.99974980993, 0.0010565324974, "yellow", 0.85, 3.85),
    (0.00019629143969, 0.99994610137, 0.00025019006874, "red", 1, 4),
    (4.325982142e-05, 0.99998936119, 5.3898629047e-05, "red", 1, 4),
    (8.7029438715e-06, 0.99999806414, 1.0638807627e-05, "red", 1, 4),
    (1.6094022078e-06, 0.99999967354, 1.9358637555e-06, "red", 1, 4),
    (2.7520081042e-07, 0.99999994874, 3.2646154768e-07, "red", 1, 4),
    (4.373561701e-08, 0.99999999247, 5.1260737211e-08, "red", 1, 4),
)


@cache
def forecasts(folder: Path, case: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return losses, value at risk and shortfall, positive, and the level; the files hold returns and return quantiles."""
    alpha = case.split()[-1]
    if case.startswith("GARCH"):
        table = pd.read_csv(folder / "reference" / "ref_roll_garch_norm_sp500.csv")
        names = ["realized", f"VaR_{alpha}", f"ES_{alpha}"]
    else:
        table = pd.read_csv(folder / "reference" / "ref_es_forecasts.csv")
        names = ["r", "q", "e"]
    losses, value_at_risk, expected_shortfall = (-table[name].to_numpy() for name in names)
    return losses, value_at_risk, expected_shortfall, 1 - float(alpha)


def close(expected: Any) -> Any:
    """Return the stated tolerance, 1e-6 of the value; a p-value that R printed as 1 - P carries an error of 1e-16 besides."""
    return pytest.approx(expected, rel=1e-6, abs=2e-16)


@pytest.mark.parametrize("case", EXPECTED)
def test_tests_of_hits_meet_rugarch(market_data: Path, case: str) -> None:
    losses, value_at_risk, _, level = forecasts(market_data, case)
    expected = EXPECTED[case]
    hits = hits_of(losses, value_at_risk)
    failures, sample, pairs = int(hits.sum()), len(hits), Transitions.of(hits)
    assert failures == expected["failures"]
    assert sample * (1 - level) == close(expected["expected"])
    assert (pairs.n00, pairs.n01, pairs.n10, pairs.n11) == expected["transitions"]
    for prefix, found in (
        ("kupiec", coverage.kupiec(failures, sample, level)),
        ("christoffersen_ind", coverage.independence(pairs)),
        ("christoffersen_cc", coverage.conditional_coverage(failures, sample, pairs, level)),
    ):
        assert found.statistic == close(expected[f"{prefix}_LR"])
        assert found.p_value == close(expected[f"{prefix}_p"])


@pytest.mark.parametrize("case", EXPECTED)
def test_weibull_durations_meet_rugarch(market_data: Path, case: str) -> None:
    losses, value_at_risk, _, _ = forecasts(market_data, case)
    expected = EXPECTED[case]
    found = duration_test(hits_of(losses, value_at_risk))
    assert found.shape == pytest.approx(expected["dur_weibull_b"], rel=1e-3)
    assert found.log_likelihood == pytest.approx(expected["dur_uLL"], rel=1e-3)
    assert found.memoryless_log_likelihood == pytest.approx(expected["dur_rLL"], rel=1e-3)
    assert found.statistic == pytest.approx(expected["dur_LR"], rel=1e-3)
    assert found.p_value == pytest.approx(expected["dur_p"], rel=1e-3, abs=0)


@pytest.mark.parametrize("case", EXPECTED)
def test_dynamic_quantile_tests_meet_r(market_data: Path, case: str) -> None:
    losses, value_at_risk, _, level = forecasts(market_data, case)
    hits = hits_of(losses, value_at_risk)
    for name, found in (
        ("DQ_const_4hits", dynamic_quantile(hits, level)),
        ("DQ_const_4hits_VaR", dynamic_quantile(hits, level, value_at_risk=value_at_risk)),
        ("DQ_GAS_const_VaR_4hits_y2lag", dynamic_quantile(hits, level, value_at_risk=value_at_risk, losses=losses)),
    ):
        statistic, degrees, p_value = EXPECTED[case][name]
        assert found.statistic == close(statistic)
        assert found.degrees == degrees
        assert found.p_value == close(p_value)


@pytest.mark.parametrize("case", EXPECTED)
def test_tests_of_the_shortfall_meet_rugarch_and_the_formula(market_data: Path, case: str) -> None:
    losses, value_at_risk, expected_shortfall, level = forecasts(market_data, case)
    expected = EXPECTED[case]
    residuals = exceedance_residuals(losses, value_at_risk, expected_shortfall, seed=1)
    assert residuals.exceedances == expected["failures"]
    assert residuals.statistic == close(expected["estest_exceedance_z"])
    assert residuals.p_value == close(expected["estest_mcneil_frey_p"])
    z = acerbi_szekely(losses, value_at_risk, expected_shortfall, level, law=normal_tail(), seed=1, draws=100)
    assert z.z1 == close(expected["Z1"])
    assert z.z2 == close(expected["Z2"])
    ratio = realised_over_forecast(losses, value_at_risk, expected_shortfall)
    assert ratio is not None
    assert 1.0 < ratio < 1.2  # each of these forecasts was too small


@pytest.mark.parametrize("case", EXPECTED)
def test_scores_meet_gas(market_data: Path, case: str) -> None:
    losses, value_at_risk, expected_shortfall, level = forecasts(market_data, case)
    expected = EXPECTED[case]
    assert pinball_losses(losses, value_at_risk, level).mean() == close(expected["quantile_loss_mean"])
    assert fz0_losses(losses, value_at_risk, expected_shortfall, level).mean() == close(expected["FZ0_mean"])
    assert actual_over_expected(expected["failures"], len(losses), level) == close(expected["AE_ratio"])
    assert deviations(losses, value_at_risk) == (close(expected["AD_mean"]), close(expected["AD_max"]))


def test_the_backtest_mathworks_prints() -> None:
    """MathWorks, Risk Management Toolbox, pages of varbacktest pof, bin, tuff, cc, cci, tl: Normal95, five digits."""
    failures, sample, level = 57, 1043, 0.95
    pairs = Transitions(n00=932, n01=53, n10=53, n11=4)

    def printed(value: float) -> Any:
        return pytest.approx(value, rel=1e-4)

    assert 1 - failures / sample == printed(0.94535)
    assert actual_over_expected(failures, sample, level) == printed(1.093)
    for found, statistic, p_value in (
        (coverage.kupiec(failures, sample, level), 0.46147, 0.49694),
        (coverage.binomial_z(failures, sample, level), 0.68905, 0.49079),
        (coverage.time_until_first_failure(58, sample, level), 1.7354, 0.18773),
        (coverage.independence(pairs), 0.25866, 0.61104),
        (coverage.conditional_coverage(failures, sample, pairs, level), 0.72013, 0.69763),
    ):
        assert found.statistic == printed(statistic)
        assert found.p_value == printed(p_value)
    light = traffic_light(failures, sample, level)
    assert (light.cumulative, light.type_one) == (printed(0.77913), printed(0.26396))
    assert (light.zone, light.increase) == ("green", 0)


@pytest.mark.parametrize("exceptions", range(16))
def test_the_traffic_light_of_250_observations_at_99_per_cent(exceptions: int) -> None:
    """Basle Committee (January 1996), Supervisory framework for backtesting, tables 1 and 2; probabilities by R's dbinom."""
    probability, cumulative, type_one, zone, plus_factor, multiplier = BASEL[exceptions]
    light = traffic_light(exceptions, 250, 0.99)
    assert light.probability == pytest.approx(probability, rel=1e-9, abs=0)
    assert light.cumulative == pytest.approx(cumulative, rel=1e-9)
    assert light.type_one == pytest.approx(type_one, rel=1e-9, abs=0)
    assert (light.zone, light.plus_factor, light.multiplier) == (zone, plus_factor, multiplier)
    assert light.increase == pytest.approx(plus_factor, abs=0.035)  # the Committee rounded the same formula


@pytest.mark.parametrize(
    ("level", "sample", "accepted"),
    [
        (0.99, 255, (1, 6)),
        (0.99, 510, (2, 10)),
        (0.99, 1000, (5, 16)),
        (0.95, 255, (7, 20)),
        (0.95, 510, (17, 35)),
        (0.95, 1000, (38, 64)),
    ],
)
def test_the_counts_kupiec_accepts(level: float, sample: int, accepted: tuple[int, int]) -> None:
    """Kupiec (1995), as reprinted by Jorion, Value at Risk, chapter on backtesting."""
    assert coverage.kupiec_region(sample, level) == accepted


Z2_CRITICAL = {  # degrees of freedom (0: normal): 5 % and 0.01 % quantiles, 400,000 runs of 250 bars
    0: (-0.7024479840091411, -1.7778687257333925),
    100: (-0.6991479988502511, -1.8116155158366916),
    10: (-0.7112981570603565, -1.8362322923965206),
    5: (-0.7385009114353864, -1.9957928094801929),
    3: (-0.8146943854657476, -4.282035396757493),
}


@pytest.mark.parametrize("nu", Z2_CRITICAL)
def test_the_critical_value_of_z2(nu: int) -> None:
    """Acerbi & Szekely (2014), table of thresholds at 2.5 %: about -0.70 for light tails and -0.82 for t(3)."""
    law = student_tail(nu) if nu else normal_tail()
    _, z2 = simulated_z(250, 0.975, law, draws=200_000, rng=np.random.default_rng(1))
    assert np.quantile(z2, 0.05) == pytest.approx(Z2_CRITICAL[nu][0], abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("nu", Z2_CRITICAL)
def test_the_far_critical_value_of_z2(nu: int) -> None:
    """Acerbi & Szekely (2014): -1.8 at 0.01 % for light tails, -4.4 for t(3)."""
    law = student_tail(nu) if nu else normal_tail()
    _, z2 = simulated_z(250, 0.975, law, draws=3_000_000, rng=np.random.default_rng(1))
    assert np.quantile(z2, 0.0001) == pytest.approx(Z2_CRITICAL[nu][1], abs=0.25)
