"""One asset looked at closely: its volatility fit, what that leaves, its tail, and what to be warned of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from riskparams.errors import ConfigError, DataError, InsufficientData, ModelError
from riskparams.parameters.policy import refuse_pegged
from riskparams.paths.model import PathModel, describe_volatility, fit_path_model
from riskparams.pipeline.tail_reading import read_tail
from riskparams.prices.panel import PricePanel
from riskparams.prices.quality import assess
from riskparams.proposals.inspection_figure import Picture, draw_inspection
from riskparams.proposals.sources import FLAGS
from riskparams.returns import MIN_RETURNS, Returns, log_returns
from riskparams.runs.record import writable
from riskparams.settings import Study
from riskparams.terms import Asset, FloatArray, Pair, iso
from riskparams.volatility.diagnostics import diagnose
from riskparams.volatility.innovations import InnovationLaw
from riskparams.volatility.ladder import filter_state


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found, as JSON can hold it, and the series that its figure draws.

    No number of `document` is infinite or missing without a word: one that is null lies beside its `reason`.
    """

    document: Mapping[str, Any]
    picture: Picture

    def figure(self) -> bytes:
        """Return the figure as PNG bytes; the same inspection gives the same bytes."""
        return draw_inspection(self.document, self.picture)


def inspect_asset(study: Study, panel: PricePanel, asset: str) -> Inspection:
    """Return the fit, diagnostics, tail and flags of one asset against the numeraire, as of the panel's last bar.

    The model is the one a recommendation would rest on. Where that would be refused (history below min_window, prices
    that ended, a pegged price) what there is is fitted all the same, with a flag and the words of the refusal. Raises
    `InsufficientData` below 100 returns in the newest unbroken stretch, and as `log_returns` does.
    """
    pair = Pair(Asset(asset), panel.numeraire)
    returns = log_returns(panel, pair)
    flags, refused = [], []
    try:
        panel.refuse_stale(str(pair), int(returns.time[-1]))
    except InsufficientData as stale:
        flags.append("feed_ended")
        refused.append(str(stale))
        panel = panel.until(int(returns.time[-1]))
        returns = log_returns(panel, pair)
    model, short = _fitted(study, panel, pair, returns)
    flags += model.flags()
    if short:
        flags.append("below_min_window")
        refused.append(short)
    try:
        refuse_pegged(panel, pair, study.tasks()[0].model)
    except ModelError as pegged:
        refused.append(str(pegged))
    state = filter_state(returns, model.fit)
    window = returns.time >= model.fit.first
    z = state.z[window]
    quality = assess(panel[pair.collateral], pair.collateral, bar=panel.bar, calendar=panel.calendar)
    document = {
        "pair": str(pair),
        "as_of": iso(panel.last),
        "simulated": panel.simulated,
        "study": study.name,
        "flags": [{"flag": flag, "meaning": FLAGS.get(flag, flag.replace("_", " "))} for flag in dict.fromkeys(flags)],
        "refused": refused,
        "price_warnings": list(quality.warnings),
        "volatility": _volatility(model),
        "diagnostics": _diagnostics(model, z),
        "tail": read_tail(model, study.tasks()[0].model.tail),
    }
    garch = model.fit.garch
    picture = Picture(
        time=returns.time[window],
        value=returns.value[window],
        sigma=np.sqrt(state.sigma2[window]) * model.fit.hour_factor[returns.slot[window]],
        z=z,
        law=InnovationLaw(nu=garch.nu, skew=garch.skew),
        losses=-model.history.z,
        tail=model.history_tail,
    )
    return Inspection(document=document, picture=picture)


def publish_inspection(found: Inspection, out: Path) -> Path:
    """Write the figure to `out/<asset>.png` and return that path; raise `ConfigError` when it cannot be written."""
    writable(out)
    asset = found.document["pair"].rpartition("/")[0]
    path = out / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', asset).lstrip('.') or 'asset'}.png"
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found.figure())
    except OSError as error:
        raise ConfigError(f"the figure {path} cannot be written: {error.strerror or error}; choose another --out") from error
    return path


def _fitted(study: Study, panel: PricePanel, pair: Pair, returns: Returns) -> tuple[PathModel, str]:
    """The model behind a recommendation, or else one of what there is, with why there is no such model."""
    newest = returns.last_segment()
    if len(newest) < MIN_RETURNS:
        raise InsufficientData(
            f"{pair}: {len(newest)} returns since the break in the prices that ends at {iso(int(newest.time[0]))}; at least "
            f"{MIN_RETURNS} are needed: choose an --as-of date before the break, or give a longer file"
        )
    task = study.tasks()[0]
    reference = task.reference if task.reference.collateral in panel.candles else pair
    try:
        return fit_path_model(panel, pair, reference, task.model), ""
    except InsufficientData as short:
        return fit_path_model(panel, pair, reference, replace(task.model, min_window_days=0.0)), str(short)


def _volatility(model: PathModel) -> dict[str, Any]:
    fit, garch = model.fit, model.fit.garch
    found: dict[str, Any] = {
        "model": garch.spec.name,
        "rejected": [{"model": name, "reason": reason} for name, reason in fit.rejected],
        "convergence": str(garch.convergence),
        "omega": garch.omega,
        **describe_volatility(model),
    }
    if found["nu"] is None:
        found["reason"] = f"{garch.spec.name} estimates no degrees of freedom: nu is null"
    return found


def _diagnostics(model: PathModel, z: FloatArray) -> dict[str, Any]:
    garch = model.fit.garch
    try:
        found = diagnose(z, persistence=garch.persistence, convergence=garch.convergence).to_dict()
    except DataError as error:
        return {"ljung_box": None, "reason": str(error)}
    if found["half_life"] is None:
        found["reason"] = "the recursion is integrated, so that a shock never fades: half_life is null"
    return found
