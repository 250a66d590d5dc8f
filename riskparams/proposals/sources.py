"""What a pair's numbers were made from, in words: the model, the prices, and what is wrong with either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from riskparams.proposals.words import counted, date, day, number, percent, share

Document = Mapping[str, Any]
WARNINGS_SHOWN = 5

FLAGS = {
    "near_integrated": "Volatility is close to integrated: persistence sits at its cap, so shocks fade very slowly and the "
    "long-run level rests on variance targeting.",
    "fallback_model": "The first volatility model was rejected and a simpler one on the fallback ladder is used.",
    "proxy_model": "No volatility model could be fitted to this asset: that of the reference asset is used, at this asset's "
    "variance.",
    "residual_scale_above_1.1": "The residuals scatter more than the fitted model says; simulated moves are scaled up "
    "by as much.",
    "filled_back": "The history is shorter than the reference's and was filled back with the reference's scaled residuals, so "
    "that a late listing does not earn a smaller haircut.",
    "noisy": "The Monte-Carlo error of a simulated drop is above 3 % of it: more paths would narrow the intervals.",
    "few_triggers": "Few simulated positions were triggered from today's state, so today's tail is imprecise.",
    "no_triggers": "No simulated position was triggered from today's state: today's tail is not available and the other start "
    "laws set the level.",
    "close_only": "Only closes are known: in which part of a bar the price was lowest is not, and a trigger inside a bar is "
    "missed.",
    "liquidity_unknown": "No volume is known: the bonus is not derived, and the live one is kept where there is one.",
    "short_history": "The unbroken history is shorter than the fit window asked for: volatility rests on fewer returns, and "
    "on fewer kinds of market.",
    "history_split_by_gap": "A break in the prices, too long to fill, splits the history: volatility is fitted to what "
    "follows the newest break alone, and the filter starts anew after each.",
    "pegged_series": "The price moves like a pegged one, around a level it returns to: volatility cannot tell how far it "
    "falls when the peg breaks, and numbers made from it are too small for that day.",
    "volatility_still_clustered": "Large moves still follow large moves after the fit: volatility changes in a way that the "
    "model does not follow (Ljung-Box on squared residuals, p below 0.0001).",
    "returns_autocorrelated": "Returns still follow from the returns before them: prices that bounce, trade thinly or are "
    "held to a level, which a model without a mean does not know (Ljung-Box on residuals, p below 0.0001).",
    "returns_drift": "The returns have a mean that chance does not explain: a price that only rises or only falls, which a "
    "model of returns about zero takes for volatility.",
    "returns_integrated": "Each return is much like the one before: levels were given for returns, or the price follows a path "
    "laid out for it; volatility read from it means little.",
    "non_convergence": "The search for the parameters of a better volatility model did not converge, so that model is not "
    "used.",
    "below_min_window": "The unbroken history is shorter than min_window: no recommendation is made from it.",
    "feed_ended": "The prices end before the date asked for: what is shown is as of their last bar, and no recommendation is "
    "made.",
    "tail_variance_undefined": "The fitted tail is so heavy that it has no finite variance.",
    "tail_mean_undefined": "The fitted tail is so heavy that it has no finite mean.",
    "tail_all_thresholds_rejected": "No threshold of the scan left losses that a Pareto tail describes: the top share is used.",
    "tail_too_few_thresholds": "There were too few losses to scan thresholds: the top share is used.",
}


def model_reading(pair: Document) -> list[str]:
    """Return the model behind the numbers: rung, span, tail; rejected rungs with their reasons."""
    made = pair["provenance"]
    said = [
        f"Volatility model: {made['model']}, fitted to {number(made['n_obs'])} returns from {day(made['fit_from'])} to "
        f"{day(made['fit_to'])}; persistence {made['persistence']:.4f}"
        + (f", Student t with {made['nu']:.1f} degrees of freedom. " if made.get("nu") is not None else ". ")
        + f"Today's volatility is {made['sigma_now_over_typical']:.2f} times its typical level. The tail of the residuals has "
        f"shape {made['tail_shape']:.2f} (generalised Pareto, {made['tail_estimator']}, {number(made['tail_exceedances'])} "
        f"exceedances in a history from {day(made['history_from'])}); over the fit window alone "
        f"{made['window_tail_shape']:.2f}."
    ]
    if made["filled_share"]:
        said.append(f"{share(made['filled_share'])} of that history was filled back from the reference pair.")
    said += [f"Rejected: {reason}." for reason in made["rejected_rungs"]]
    return said


def prices_reading(pair: Document) -> str:
    """Return what the prices are and the largest fall they hold."""
    quality = pair["quality"]
    said = (
        f"Prices: {number(quality['bars'])} bars of {quality['asset']} from {day(quality['first'])} to {day(quality['last'])}"
    )
    fall = quality["largest_fall"]
    return said + (f"; the largest fall in one bar was {percent(fall['drop'])}, on {date(fall['time'])}." if fall else ".")


def warnings(pair: Document) -> list[str]:
    """Return the flags in words, and what is wrong with the prices."""
    said = [FLAGS.get(flag, f"Flag: {flag.replace('_', ' ')}.") for flag in pair["flags"]]
    quality = pair["quality"]
    if quality["missing"]:
        said.append(f"Prices: {number(quality['missing'])} of {number(quality['bars'])} bars are missing or were filled.")
    found = quality["warnings"]
    said += [f"Prices: {warning}." for warning in found[:WARNINGS_SHOWN]]
    if len(found) > WARNINGS_SHOWN:
        said.append(f"Prices: {counted(len(found), 'warning')} in all; the others are in evidence.json.")
    return said
