"""The event log of a run as one Parquet file: every liquidation of its replays, in a schema that stays."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from riskparams.backtest.replay import BacktestResult
from riskparams.pipeline.judge import PairOutcome
from riskparams.terms import Pair

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "events.parquet"
SCHEMA_VERSION = 1
WORDS = ("pair", "parameters", "collateral", "debt")
VALUES = (
    "health",
    "repaid",
    "seized",
    "oracle_price",
    "market_price",
    "debt_price_ratio",
    "protocol_fee",
    "slippage",
    "costs",
    "profit",
    "bad_debt",
    "deficit",
    "judged_false",
)


def events_parquet(outcomes: Mapping[Pair, PairOutcome]) -> bytes | None:
    """Return the liquidations of a run's replays, worst intrabar reading, or None where nothing was replayed.

    Rows stand by pair and parameter set in the run's order, then by time and account. `time` is UTC, `account` the row of
    the pair's book (the same borrower under every set), `collateral` and `debt` are assets; the others are those of
    `EventLog`, amounts in units of the pair's debt asset. `judged_false` is null where it was not judged. The same run
    gives the same bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [_table(pair, name, result) for pair, name, result in _replays(outcomes)]
    if not tables:
        return None
    buffer = io.BytesIO()
    whole = pa.concat_tables(tables).combine_chunks()
    pq.write_table(whole, buffer, compression="zstd", use_dictionary=list(WORDS), version="2.6", store_schema=False)
    return buffer.getvalue()


def describe_events(outcomes: Mapping[Pair, PairOutcome]) -> dict[str, Any] | None:
    """Return what a manifest says of the event log: its file, schema and length; None where nothing was replayed."""
    lengths = [len(result.events) for _, _, result in _replays(outcomes)]
    if not lengths:
        return None
    return {
        "file": FILE,
        "schema_version": SCHEMA_VERSION,
        "columns": ["time", "pair", "parameters", "account", "collateral", "debt", *VALUES],
        "rows": sum(lengths),
    }


def _replays(outcomes: Mapping[Pair, PairOutcome]) -> Iterator[tuple[Pair, str, BacktestResult]]:
    for pair, outcome in outcomes.items():
        for name, result in (outcome.results or {}).items():
            yield pair, name, result


def _table(pair: Pair, name: str, result: BacktestResult) -> pa.Table:
    import pyarrow as pa

    events = result.events
    assets = np.array([pair.collateral, pair.debt])
    columns = {
        "time": pa.array(events.time, pa.timestamp("ns", tz="UTC")),
        "pair": pa.array([str(pair)] * len(events), pa.string()),
        "parameters": pa.array([name] * len(events), pa.string()),
        "account": pa.array(events.account, pa.int64()),
        "collateral": pa.array(assets[events.collateral].tolist(), pa.string()),
        "debt": pa.array(assets[events.debt].tolist(), pa.string()),
    }
    for column in VALUES:
        columns[column] = pa.array(getattr(events, column), pa.float64(), from_pandas=column == "judged_false")
    return pa.table(columns)
