"""The one place that joins the rooms: a study and its prices become recommendations, a backtest and evidence."""

from riskparams.pipeline.inspection import Inspection, inspect_asset, publish_inspection
from riskparams.pipeline.judge import PairOutcome
from riskparams.pipeline.known_prices import as_known, load_prices
from riskparams.pipeline.publish import Recomputation, publish_run, recompute, report_files
from riskparams.pipeline.run_study import RunRecord, identify, run

__all__ = [
    "Inspection",
    "PairOutcome",
    "Recomputation",
    "RunRecord",
    "as_known",
    "identify",
    "inspect_asset",
    "load_prices",
    "publish_inspection",
    "publish_run",
    "recompute",
    "report_files",
    "run",
]
