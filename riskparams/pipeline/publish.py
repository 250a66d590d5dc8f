"""A run on disk: its files, its folder, and whether there is anything new to compute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from riskparams.compute import Executor
from riskparams.pipeline.event_file import FILE, events_parquet
from riskparams.pipeline.known_prices import as_known
from riskparams.pipeline.run_study import RunRecord, identify, run
from riskparams.prices.panel import PricePanel
from riskparams.runs.record import changed_parameters, latest, publish, read_json, to_json, writable
from riskparams.settings import Study


def report_files(record: RunRecord) -> dict[str, str | bytes]:
    """Return every file of a run's folder by name; a run without a backtest has no event log."""
    from riskparams.proposals.document import render_proposal
    from riskparams.proposals.figures import figures
    from riskparams.proposals.page import render_page

    events = events_parquet(record.outcomes)
    return {
        "index.html": render_page(record.evidence),
        "proposal.md": render_proposal(record.evidence),
        "parameters.json": to_json(record.parameters),
        "evidence.json": to_json(record.evidence.data),
        "manifest.json": to_json(record.manifest),
        **({FILE: events} if events is not None else {}),
        **figures(record.evidence),
    }


def publish_run(record: RunRecord, out: Path) -> Path:
    """Write a run's folder below `out/<study>` and return it; raise `ConfigError` when it cannot be written."""
    folder = out / record.study.name / record.folder
    publish(report_files(record), folder)
    return folder


@dataclass(frozen=True, kw_only=True)
class Recomputation:
    """What a scheduled recomputation did: whether it ran, where the result is, which parameters changed and how."""

    ran: bool
    folder: Path
    changes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the outcome as JSON can hold it."""
        return {"ran": self.ran, "report": str(self.folder), "changes": list(self.changes)}


def recompute(
    study: Study, panel: PricePanel, *, as_of: int | None, out: Path, executor: Executor | None = None
) -> Recomputation:
    """Run a study unless its newest report has the same data, settings and version; say what changed since that report."""
    writable(out / study.name)
    known = as_known(study, panel, as_of)
    identity, _ = identify(study, known, seed=study.study.seed)
    before = latest(out / study.name)
    if before is not None and read_json(before / "manifest.json").get("run_id") == identity:
        return Recomputation(ran=False, folder=before)
    record = run(study, panel, as_of=known.last, executor=executor)
    old = read_json(before / "parameters.json")["pairs"] if before is not None else {}
    folder = publish_run(record, out)
    return Recomputation(ran=True, folder=folder, changes=changed_parameters(old, record.parameters["pairs"]))
