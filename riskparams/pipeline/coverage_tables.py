"""What a run of forecasts leaves behind: the table of every forecast as a file, and the judgement as text."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from riskparams.errors import ConfigError
from riskparams.forecasts.model import bar_name
from riskparams.pipeline.coverage import CoverageRun
from riskparams.runs.record import writable

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["asset", "time", "bar", "model", "var_975", "var_990", "es_975", "es_990", "realised", "made_at"]


def forecast_table(found: CoverageRun) -> pd.DataFrame:
    """Return every forecast as a row: asset, time, bar, model, var_975, var_990, es_975, es_990, realised, made_at.

    Losses are log and positive when the price fell; `time` is the close of the bar that is forecast, `made_at` that of the last
    bar used. They lie one bar apart except after a gap, whose first return starts from a close that no return ends in.
    """
    import pandas as pd

    parts = []
    for one in found.series:
        said = one.forecasts
        parts.append(
            pd.DataFrame(
                {
                    "asset": said.asset,
                    "time": pd.to_datetime(said.time, utc=True),
                    "bar": bar_name(said.bar),
                    "model": said.model,
                    "var_975": said.value_at_risk[:, 0],
                    "var_990": said.value_at_risk[:, 1],
                    "es_975": said.expected_shortfall[:, 0],
                    "es_990": said.expected_shortfall[:, 1],
                    "realised": said.realised,
                    "made_at": pd.to_datetime(said.made_at, utc=True),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def check_target(path: Path) -> None:
    """Raise `ConfigError` unless forecasts can be written to `path`, before work is spent on them."""
    if path.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--out {path}: expected a name that ends in .parquet or .csv")
    if path.is_dir():
        raise ConfigError(f"--out {path} is a folder: give the name of a file in it")
    if path.exists() and _columns(path) != COLUMNS:
        raise ConfigError(f"--out {path} exists and is no table of forecasts: it is not overwritten; give another name")
    writable(path.parent)


def _columns(path: Path) -> list[str]:
    import pyarrow
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            return list(pyarrow.parquet.read_schema(path).names)
        with path.open(encoding="utf-8") as lines:
            return lines.readline().strip().split(",")
    except (OSError, UnicodeDecodeError, pyarrow.ArrowException):
        return []


def write_forecasts(found: CoverageRun, path: Path) -> None:
    """Write the table of forecasts as Parquet, or as CSV where the name ends so; whole or not at all."""
    check_target(path)
    table, draft = forecast_table(found), path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            table.to_csv(draft, index=False)
        else:
            table.to_parquet(draft, index=False)
        draft.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _power_line(power: dict[str, float]) -> str:
    return (
        f"Power at {power['sample']:,} bars and {power['alpha']:.0%}: Kupiec {power['kupiec']:.2f} against a miss rate of "
        f"{power['true_rate']:.2%}, CC {power['conditional_coverage']:.2f} and DQ {power['dynamic_quantile']:.2f} where also "
        f"{power['after_hit']:.0%} of misses are followed by another, ES residuals {power['exceedance_residuals']:.2f} against "
        f"losses {power['excess_ratio']:g} times as far beyond the value at risk."
    )


def judgement_tables(found: CoverageRun) -> list[tuple[str, list[str], list[list[str]], list[str]]]:
    """Return title, header, rows and closing words of each table, as text."""
    header = [
        "model", "missed/target", "Kupiec", "clustered: ratio/z", "CC", "DQ", "DQ+VaR", "ES ratio", "FZ0", "first less it",
        "p better", "p worse", "in set",
    ]  # fmt: skip
    tables = []
    for table in found.tables:
        count = len(table["assets"])
        rows = []
        for row in table["rows"]:
            ratio, less = row["es_ratio_median"], row["first_less_this"]
            rows.append(
                [
                    row["model"],
                    f"{row['hit_rate_over_target']:.3f}",
                    str(row["kupiec_rejected"]),
                    f"{row['kupiec_corrected_rejected']}/{row['kupiec_corrected_z_rejected']}",
                    *(
                        str(row[f"{name}_passed"])
                        for name in ("conditional_coverage", "dynamic_quantile", "dynamic_quantile_var")
                    ),
                    "-" if ratio is None else f"{ratio:.3f}",
                    f"{row['fz0']:.4f}",
                    *(
                        ["-"] * 3
                        if less is None
                        else [f"{less:+.4f}", f"{row['p_first_better']:.3f}", f"{row['p_first_worse']:.3f}"]
                    ),
                    {True: "yes", False: "no", None: "-"}[row["in_confidence_set"]],
                ]
            )
        title = (
            f"{table['bar']} bars, level {table['level']:.1%}, {count} series, {table['rows'][0]['bars']:,} forecasts by "
            f"each model, {table['from'][:10]} to {table['to'][:10]}"
        )
        words = []
        if "range" in table:
            apart = table["range"]
            words.append(
                f"Confidence set at the end, both levels together: {', '.join(apart['members'])}; its members lie "
                f"{apart['low'] - 1:+.1%} to {apart['high'] - 1:+.1%} around their mean (medians)."
            )
        words += [
            f"{model}: " + ", ".join(f"{name} in {count:,} refits" for name, count in sorted(counted.items()))
            for model, counted in table["flags"].items()
        ]
        words.append(_power_line(table["power"]))
        tables.append((title, header, rows, words))
    return tables
