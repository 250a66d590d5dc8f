"""The tables that `riskparams inspect` prints: fit, diagnostics, tail and flags of one asset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from riskparams.proposals.tables import Table
from riskparams.proposals.words import counted, level

Document = Mapping[str, Any]
DASH = "-"
WARNINGS_SHOWN = 5


def inspection_warnings(document: Document) -> list[str]:
    """Return the flags in words, why no recommendation would be made, and what is wrong with the prices."""
    said = [f"{one['flag']}: {one['meaning']}" for one in document["flags"]] or ["no flags"]
    said += [f"no recommendation would be made: {reason}" for reason in document["refused"]]
    found = document["price_warnings"]
    said += [f"prices: {warning}" for warning in found[:WARNINGS_SHOWN]]
    if len(found) > WARNINGS_SHOWN:
        said.append(f"prices: {counted(len(found), 'warning')} in all; riskparams check prints them")
    return said


def inspection_tables(document: Document) -> list[Table]:
    """Return what an inspection found, group by group; a dash stands where a number has a reason instead."""
    tail = document["tail"]
    return [
        _volatility(document["volatility"]),
        _rejected(document["volatility"]["rejected"]),
        _diagnostics(document["diagnostics"]),
        _tail(tail),
        _levels(tail),
        _sensitivity(tail["sensitivity"]),
        _thresholds(tail["thresholds"]),
    ]


def _volatility(found: Document) -> Table:
    rows = [
        ("model", found["model"]),
        ("fitted to", f"{found['n_obs']:,} returns from {found['fit_from']} to {found['fit_to']}"),
        ("convergence", found["convergence"]),
        *((name, _number(found[name])) for name in ("omega", "alpha", "gamma", "beta", "nu", "persistence")),
        ("log likelihood", f"{found['log_likelihood']:,.2f}"),
        ("starting points differ by", f"{found['starts_disagree_by']:.3g} log-likelihood units"),
        ("daily sigma", f"{found['daily_sigma']:.2%}"),
        ("sigma now over typical", f"{found['sigma_now_over_typical']:.2f}"),
        ("residual scale", f"{found['residual_scale']:.3f}"),
    ]
    return Table(caption="Volatility fit", head=("what", "value"), rows=tuple(rows))


def _rejected(rungs: list[Document]) -> Table:
    rows = tuple((one["model"], one["reason"]) for one in rungs) or (("none", ""),)
    return Table(caption="Models rejected before it", head=("model", "reason"), rows=rows)


def _diagnostics(found: Document) -> Table:
    caption = "Diagnostics of the standardised residuals z"
    if found["ljung_box"] is None:
        return Table(caption=caption, head=("what", "value"), rows=(("not available", found["reason"]),))
    rows = [("returns", f"{found['n_obs']:,}"), ("convergence", found["convergence"])]
    for name, words in (
        ("ljung_box", "Ljung-Box of z"),
        ("ljung_box_squares", "Ljung-Box of z^2"),
        ("arch_lm", "ARCH-LM of z"),
    ):
        test = found[name]
        rows.append((words, f"{test['statistic']:.1f} over {test['lags']} lags, p {_p_value(test['p_value'])}"))
    half = found["half_life"]
    rows += [
        ("persistence", f"{found['persistence']:.4f}"),
        ("half-life of a shock", f"{half:,.0f} bars" if half is not None else "endless: the recursion is integrated"),
        ("mean, standard deviation", f"{found['mean']:.3f}, {found['standard_deviation']:.3f}"),
        ("skewness, kurtosis", f"{found['skewness']:.2f}, {found['kurtosis']:.1f}"),
        ("smallest, largest", f"{found['smallest']:.1f}, {found['largest']:.1f}"),
    ]
    return Table(caption=caption, head=("what", "value"), rows=tuple(rows))


def _tail(found: Document) -> Table:
    errors = found["errors"]
    rows = [
        (
            "history",
            f"{found['losses']:,} residual losses from {found['history_from']}, {found['filled_share']:.1%} filled back",
        ),
        ("estimator", found["estimator"]),
        ("threshold", f"{found['tail_threshold']:.4f}, with {found['exceedances']:,} exceedances"),
        ("shape (standard error)", f"{found['shape']:.4f} ({_number(errors['shape'])})"),
        ("scale (standard error)", f"{found['scale']:.4f} ({_number(errors['scale'])})"),
        ("shape over the fit window", f"{found['window_shape']:.4f}"),
        ("Hill's shape, as many losses", _number(found["hill"]["shape"])),
        ("extremal index", f"{_number(found['extremal_index']['index'])}: 1 over the mean number of losses that come together"),
        ("flags", ", ".join(found["flags"]) or "none"),
    ]
    rows += [("no standard error", errors["reason"])] if "reason" in errors else []
    return Table(caption="Tail of the residual losses, in standard deviations", head=("what", "value"), rows=tuple(rows))


def _levels(found: Document) -> Table:
    rows = []
    for one in found["levels"]:
        cells = [level(one["level"])]
        for name in ("quantile", "expected_shortfall"):
            cells += [_number(one[name]["value"]), _between(one[name])]
        rows.append(tuple(cells))
    return Table(
        caption="Residual loss by level, with 95 % intervals of profile likelihood",
        head=("level", "quantile", "interval", "expected shortfall", "interval"),
        rows=tuple(rows),
    )


def _sensitivity(band: Document) -> Table:
    rows = tuple(
        (
            level(one["share"]),
            f"{one['exceedances']:,}",
            *(_number(one[name]) for name in ("tail_threshold", "shape", "quantile")),
        )
        for one in band["rows"]
    )
    return Table(
        caption=f"Threshold sensitivity of the quantile at {level(band['level'])}",
        head=("top share", "exceedances", "threshold", "shape", "quantile"),
        rows=rows or ((band.get("reason", ""), *[DASH] * 4),),
    )


def _thresholds(found: list[Document]) -> Table:
    rows = []
    for one in found:
        exceedances = DASH if one["exceedances"] is None else f"{one['exceedances']:,}"
        excess, shape = (_with_error(one[name], one[f"{name}_error"]) for name in ("mean_excess", "shape"))
        rows.append(
            (
                level(one["share"]),
                exceedances,
                _number(one["tail_threshold"]),
                excess,
                shape,
                _number(one["modified_scale"]),
                _number(one["hill"]),
                one.get("reason", ""),
            )
        )
    return Table(
        caption="Mean excess and stability of the shape, with standard errors",
        head=("top share", "exceedances", "threshold", "mean excess", "shape", "modified scale", "Hill", ""),
        rows=tuple(rows),
    )


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.4g}"


def _with_error(value: float | None, error: float | None) -> str:
    return DASH if value is None else f"{value:.3f} ({_number(error)})"


def _p_value(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else f"{value:.1e}"


def _between(found: Document) -> str:
    if found["low"] is None:
        return DASH
    return f"{found['low']:.3f} to " + (f"{found['high']:.3f}" if found["high"] is not None else "no bound")
