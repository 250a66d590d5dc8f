"""Everything a table says of one model's forecasts of one series."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from riskparams.backtest import coverage
from riskparams.backtest.block_bootstrap import default_block
from riskparams.backtest.forecasts import miss_probability, shortfall_series
from riskparams.backtest.hit_dynamics import duration_test, dynamic_quantile
from riskparams.backtest.monitor import watch_forecasts
from riskparams.backtest.scores import actual_over_expected, deviations, fz0_losses, pinball_losses
from riskparams.backtest.shortfall_tests import (
    acerbi_szekely,
    exceedance_residuals,
    realised_over_forecast,
    tail_of_forecasts,
)
from riskparams.backtest.traffic_light import traffic_light
from riskparams.terms import FloatArray

POWER_AGAINST = 1.5  # times the stated miss probability


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Hits, the p-value of each test, ratios and mean scores of one series of forecasts at one level.

    Fields ending `_p` are p-values; None stands where there was no hit to measure. `kupiec_power` is the chance that
    Kupiec's test at 5 % finds a true miss rate half as high again: read every p-value above beside it.
    """

    bars: int
    level: float
    hits: int
    expected: float
    rate: float
    actual_over_expected: float
    kupiec_p: float
    binomial_p: float
    clustered_p: float
    clustered_scaled_p: float
    design_effect: float
    mean_block: float
    kupiec_power: float
    first_failure_p: float
    independence_p: float
    conditional_coverage_p: float
    duration_p: float
    duration_shape: float
    dynamic_quantile_p: float
    dynamic_quantile_var_p: float
    dynamic_quantile_gas_p: float
    zone: str
    residuals: float
    residuals_p: float
    residuals_bootstrap_p: float
    z1: float | None
    z1_p: float
    z2: float
    z2_p: float
    null_law: str
    es_ratio: float | None
    mean_deviation: float | None
    max_deviation: float | None
    mean_pinball: float
    mean_fz0: float
    final_wealth: float
    peak_wealth: float
    alarm: int | None

    def to_dict(self) -> dict[str, float | int | str | None]:
        """Return the fields by name, ready for a row of a table or JSON."""
        return asdict(self)


def judge_forecasts(
    losses: FloatArray,
    value_at_risk: FloatArray,
    expected_shortfall: FloatArray,
    level: float,
    *,
    seed: int,
    mean_block: float | None = None,
) -> Judgement:
    """Return every test and score of one series, shape (n,): losses and both forecasts positive, a row per bar.

    `mean_block` of the variance of the miss rate is in bars, the cube root of their number unless told. The null of Z1
    and Z2 is the Student tail whose shortfall over value at risk is the forecasts' median.
    Raises `DataError` naming a row that is not finite or no forecast, `InsufficientData` below some 13 bars.
    """
    losses, value_at_risk, expected_shortfall = shortfall_series(losses, value_at_risk, expected_shortfall)
    p, bars = miss_probability(level), len(losses)
    block = mean_block or default_block(bars)
    hit = losses > value_at_risk
    hits = int(hit.sum())
    first = int(np.argmax(hit)) + 1 if hits else None
    pairs = coverage.Transitions.of(hit)
    gas = dynamic_quantile(hit, level, value_at_risk=value_at_risk, losses=losses)  # asks for most bars: first, to refuse
    clustered = coverage.clustered_kupiec(hit, level, mean_block=block)
    duration = duration_test(hit)
    residuals = exceedance_residuals(losses, value_at_risk, expected_shortfall, seed=seed)
    law = tail_of_forecasts(value_at_risk, expected_shortfall, level)
    z = acerbi_szekely(losses, value_at_risk, expected_shortfall, level, law=law, seed=seed)
    distance = deviations(losses, value_at_risk)
    watch = watch_forecasts(losses, value_at_risk, expected_shortfall, level)
    return Judgement(
        bars=bars,
        level=level,
        hits=hits,
        expected=bars * p,
        rate=hits / bars,
        actual_over_expected=actual_over_expected(hits, bars, level),
        kupiec_p=coverage.kupiec(hits, bars, level).p_value,
        binomial_p=coverage.exact_binomial(hits, bars, level).p_value,
        clustered_p=clustered.p_value,
        clustered_scaled_p=clustered.scaled.p_value,
        design_effect=clustered.design_effect,
        mean_block=block,
        kupiec_power=coverage.kupiec_power(bars, level, true_rate=POWER_AGAINST * p),
        first_failure_p=coverage.time_until_first_failure(first, bars, level).p_value,
        independence_p=coverage.independence(pairs).p_value,
        conditional_coverage_p=coverage.conditional_coverage(hits, bars, pairs, level).p_value,
        duration_p=duration.p_value,
        duration_shape=duration.shape,
        dynamic_quantile_p=dynamic_quantile(hit, level).p_value,
        dynamic_quantile_var_p=dynamic_quantile(hit, level, value_at_risk=value_at_risk).p_value,
        dynamic_quantile_gas_p=gas.p_value,
        zone=str(traffic_light(hits, bars, level).zone),
        residuals=residuals.statistic,
        residuals_p=residuals.p_value,
        residuals_bootstrap_p=residuals.bootstrap_p_value,
        z1=z.z1,
        z1_p=z.z1_p_value,
        z2=z.z2,
        z2_p=z.z2_p_value,
        null_law=z.law,
        es_ratio=realised_over_forecast(losses, value_at_risk, expected_shortfall),
        mean_deviation=distance[0] if distance else None,
        max_deviation=distance[1] if distance else None,
        mean_pinball=float(pinball_losses(losses, value_at_risk, level).mean()),
        mean_fz0=float(fz0_losses(losses, value_at_risk, expected_shortfall, level).mean()),
        final_wealth=float(watch.wealth[-1]),
        peak_wealth=float(watch.wealth.max()),
        alarm=watch.alarm,
    )
