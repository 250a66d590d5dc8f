"""Figures of a report as PNG bytes: the same evidence gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from riskparams.proposals import series
from riskparams.proposals.evidence import Evidence
from riskparams.proposals.words import fixed, settled, slugs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Document = Mapping[str, Any]
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "legend.frameon": False,
    "text.parse_math": False,
}


def figures(evidence: Evidence) -> dict[str, bytes]:
    """Return the figures by file name: price, haircut and parameters of each pair, and the pooled backtest.

    A chart for which the evidence holds nothing is left out: parameters through time without a walk-forward, the
    backtest without one.
    """
    data = settled(evidence.data)
    drawn: dict[str, bytes] = {}
    with house_style():
        for pair, name in zip(data["pairs"], slugs(data["pairs"]), strict=True):
            if pair["prices"]["date"]:
                drawn[f"figures/{name}-price.png"] = _png(_price(pair), data)
            drawn[f"figures/{name}-haircut.png"] = _png(_haircut(pair), data)
            if pair["history"]:
                drawn[f"figures/{name}-parameters.png"] = _png(_parameters(pair), data)
        if data["pooled"]:
            drawn["figures/backtest.png"] = _png(_backtest(data["pooled"]), data)
    return drawn


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the style of the reports, whatever the reader's own settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def canvas(rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return an empty figure of 1200 by 700 pixels and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(12, 7), dpi=100, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)


def _png(figure: Figure, data: Document) -> bytes:
    study = data["study"]
    words = f"{study['name']}, as of {study['as_of'][:10]}, run {study['run_id']}"
    return png(figure, words, simulated=study["simulated"])


def png(figure: Figure, words: str, *, simulated: bool) -> bytes:
    """Return a figure as PNG bytes, with words on where it is from, and marked when its prices were simulated."""
    figure.supxlabel(words, x=0.995, ha="right", fontsize=9, color="#666666")
    if simulated:
        figure.text(0.5, 0.5, "SIMULATED", fontsize=90, color="#000000", alpha=0.06, rotation=28, ha="center", va="center",
                    weight="bold")  # fmt: skip
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _price(pair: Document) -> Figure:
    import numpy as np
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure, axes = canvas()
    shown = [row for row, day in enumerate(pair["prices"]["date"]) if day >= series.first_shown(pair)]
    days = np.array([pair["prices"]["date"][row] for row in shown], dtype="datetime64[D]")
    axes.plot(days, [pair["prices"]["close"][row] for row in shown], color="#333333", lw=1.4, label="Daily close")
    axes.plot(days, [pair["prices"]["low"][row] for row in shown], color=series.PRICE, lw=0.6, label="Daily low")
    levels = series.liquidation_levels(pair)
    if levels:
        steps = np.array(levels.date, dtype="datetime64[D]")
        for label, values, color, dash in (
            ("Liquidation price of a loan opened at the recommended max LTV", levels.recommended, series.RECOMMENDED, "-"),
            ("... at the current max LTV", levels.current, series.CURRENT, "--"),
        ):
            for row, value in enumerate(values or []):
                if value is not None:
                    ends = steps[row : row + 2]
                    axes.plot(
                        ends,
                        [value, value],
                        color=color,
                        lw=2 if len(steps) < 40 else 1.3,
                        ls=dash,
                        label=label,
                        solid_capstyle="butt",
                    )
                    label = "_nolegend_"
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=series.log_ticks(axes.get_ylim()), numticks=99))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(f"{pair['debt']} per {pair['collateral']}, log scale")
    axes.set_title(f"{pair['pair']}: price, and where a new loan at max LTV would be liquidated")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=2, fontsize=10)
    return figure


def _haircut(pair: Document) -> Figure:
    figure, axes = canvas()
    parts, laws = series.parts(pair), series.law_points(pair)
    cut = pair["recommended"]["haircut"]
    labels = [part.label for part in parts] + ["Haircut"] + [law.label for law in laws]
    height = range(len(labels), 0, -1)
    widest = max([100 * (cut["high"] or cut["value"]), *(law.high or law.value for law in laws)])
    for y, part, color in zip(height, parts, series.PARTS, strict=False):
        axes.barh(y, part.value, left=part.low, color=color, height=0.62)
        axes.text((part.high or 0) + widest / 80, y, fixed(part.value, 2), va="center")
        axes.plot([part.high, part.high], [y - 1, y], color="#999999", lw=0.8)
    y = height[len(parts)]
    axes.barh(y, 100 * cut["value"], color="#333333", height=0.62)
    _whisker(axes, y, 100 * cut["value"], 100 * (cut["low"] or 0), 100 * (cut["high"] or 0), "#999999")
    axes.text(100 * (cut["high"] or cut["value"]) + widest / 80, y, fixed(100 * cut["value"], 2), va="center", weight="bold")
    for y, law in zip(height[len(parts) + 1 :], laws, strict=True):
        _whisker(axes, y, law.value, law.low, law.high, "#333333", marker="D")
        axes.text((law.high or law.value) + widest / 80, y, fixed(law.value, 2), va="center")
    axes.axhline(len(laws) + 0.5, color="#999999", lw=0.8, ls=":")
    axes.set_yticks(list(height), labels)
    axes.set_xlim(0, widest * 1.12)
    axes.set_ylim(0.4, len(labels) + 0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Percentage points; bars add up to the haircut, whiskers are two Monte-Carlo errors")
    axes.set_title(f"{pair['pair']}: parts of the haircut, set by the {pair['binding'][0]}")
    return figure


def _whisker(axes: Axes, y: float, value: float, low: float | None, high: float | None, color: str, marker: str = "") -> None:
    reach = [[max(value - low, 0) if low is not None else 0], [max(high - value, 0) if high is not None else 0]]
    axes.errorbar([value], [y], xerr=reach, fmt=marker or "none", color=color, capsize=4, ms=7, lw=1.6)


def _parameters(pair: Document) -> Figure:
    import numpy as np

    figure, grid = canvas(2, 2, sharex=True)
    history, live = pair["history"], pair["current"]
    days = np.array(series.held(pair), dtype="datetime64[D]")
    for axes, (field, (label, color)) in zip(grid.flat, series.PARAMETERS.items(), strict=True):
        values = 100 * np.array([*history[field], history[field][-1]], dtype=float)
        axes.step(days, values, where="post", color=color, lw=1.8)
        axes.plot(days[:-1], values[:-1], color=color, marker="o", ms=4, ls="")
        if field == "haircut":
            error = 200 * np.array([*history["haircut_error"], history["haircut_error"][-1]], dtype=float)
            axes.fill_between(days, values - error, values + error, step="post", color=color, alpha=0.18, lw=0)
        now = live and live.get("implied_drop" if field == "haircut" else field)
        if now is not None:
            words = "drop the current values survive" if field == "haircut" else "current"
            axes.axhline(100 * now, color=series.CURRENT, ls="--", lw=1.4, label=f"{words}, {fixed(100 * now, 1)} %")
            axes.legend(loc="best", fontsize=10)
        axes.margins(y=0.25)
        axes.set_title(label, fontsize=11)
        axes.set_ylabel("%")
        axes.tick_params(axis="x", rotation=30)
    figure.suptitle(f"{pair['pair']}: recommended parameters through time", x=0.01, ha="left", weight="bold")
    return figure


def _backtest(tested: Document) -> Figure:
    metrics = series.compared(tested)
    columns = (len(metrics) + 1) // 2
    figure, grid = canvas(2, columns, squeeze=False)
    for axes in grid.flat[len(metrics) :]:
        axes.set_axis_off()
    for axes, ((label, unit), found) in zip(grid.flat, metrics.items(), strict=False):
        for x, point in enumerate(found):
            reach = [[point.value - (point.value if point.low is None else point.low)],
                     [(point.value if point.high is None else point.high) - point.value]]  # fmt: skip
            color = series.SETS.get(point.label, series.PRICE)
            axes.errorbar([x], [point.value], yerr=reach, fmt="o", color=color, capsize=5, ms=8, lw=2, clip_on=False, zorder=3)
        axes.set_xticks(range(len(found)), [_wrapped(point.label, 11) for point in found], fontsize=7.5)
        axes.set_xlim(-0.6, len(found) - 0.4)
        highest = max([point.high or point.value for point in found], default=0)
        axes.set_ylim(min([0, *(point.low or point.value for point in found)]), 1.1 * highest or 1)
        if found and not highest:
            axes.text(0.5, 0.5, "none in the period;\nno upper bound", transform=axes.transAxes, ha="center", color="#666666")
        axes.set_title(f"{label}\n", fontsize=11, pad=18)
        axes.text(0, 1.03, _wrapped(unit, 32), transform=axes.transAxes, fontsize=8.5, color="#666666", va="bottom")
        axes.grid(visible=False, axis="x")
    figure.suptitle(
        f"Backtest {tested['start'][:10]} to {tested['end'][:10]}, worst intrabar reading", x=0.01, ha="left", weight="bold"
    )
    return figure


def _wrapped(text: str, width: int) -> str:
    from textwrap import fill

    return fill(text, width)
