"""The page's charts as plotly documents: plain dicts and lists, colours shared with the PNG figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from typing import Any

from riskparams.proposals import series
from riskparams.proposals.words import fixed

Document = Mapping[str, Any]
Chart = dict[str, Any]
KINDS = ("price", "haircut", "parameters", "backtest")


def of_pair(pair: Document) -> dict[str, Chart]:
    """Return the charts of one pair by kind; those without data are left out."""
    drawn = {}
    if pair["prices"]["date"]:
        drawn["price"] = price(pair)
    drawn["haircut"] = haircut(pair)
    if pair["history"]:
        drawn["parameters"] = parameters(pair)
    if pair["backtest"]:
        drawn["backtest"] = backtest(pair["backtest"])
    return drawn


def price(pair: Document) -> Chart:
    """Return daily prices with the liquidation price of a loan opened at max LTV at each refit."""
    days, close, low = (pair["prices"][name] for name in ("date", "close", "low"))
    traces: list[Chart] = [
        _line(days, [_short(value) for value in close], "Daily close", "ink", width=1.6),
        _line(days, [_short(value) for value in low], "Daily low", series.PRICE, width=0.7),
    ]
    levels = series.liquidation_levels(pair)
    if levels:
        for name, values, color, dash in (
            ("Liquidation price, recommended max LTV", levels.recommended, series.RECOMMENDED, "solid"),
            ("Liquidation price, current max LTV", levels.current, series.CURRENT, "dash"),
        ):
            if values:
                traces.append({**_line(*_pieces(levels.date, values), name, color, width=2.2), "connectgaps": False})
                traces[-1]["line"]["dash"] = dash
    start = series.first_shown(pair)
    shown = [value for day, value in zip(days, low, strict=True) if day >= start]
    shown += [value for day, value in zip(days, close, strict=True) if day >= start]
    span = [round(log10(min(shown)) - 0.02, 4), round(log10(max(shown)) + 0.02, 4)]
    title = f"{escape(pair['debt'])} per {escape(pair['collateral'])}, log"
    y: Chart = {"type": "log", "range": span, "title": {"text": title, "standoff": 14}, "tickformat": ",~r", "automargin": True}
    return _chart(traces, xaxis={"range": [start, days[-1]], "type": "date"}, yaxis=y)


def haircut(pair: Document) -> Chart:
    """Return the parts of the haircut, each from where the one before ended, with the drops of the start laws below."""
    parts, laws, cut = series.parts(pair), series.law_points(pair), pair["recommended"]["haircut"]
    value = 100 * cut["value"]
    bars: Chart = {
        "type": "bar",
        "orientation": "h",
        "y": [*(part.label for part in parts), "Haircut"],
        "x": [*(_short(part.value) for part in parts), _short(value)],
        "base": [*(_short(part.low or 0.0) for part in parts), 0],
        "marker": {"color": [*(series.PARTS[row % len(series.PARTS)] for row in range(len(parts))), "ink"]},
        "text": [fixed(part.value, 2) for part in parts] + [fixed(value, 2)],
        "textposition": [*("outside" for _ in parts), "inside"],
        "insidetextanchor": "middle",
        "textangle": 0,
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{text} points<extra></extra>",
        "showlegend": False,
    }
    markers = [*laws, series.Point(label="Haircut", value=value, low=_hundred(cut["low"]), high=_hundred(cut["high"]))]
    dots: Chart = {
        "type": "scatter",
        "mode": "markers+text",
        "text": [*(fixed(law.value, 2) for law in laws), ""],
        "textposition": "top center",
        "cliponaxis": False,
        "y": [law.label for law in markers],
        "x": [_short(law.value) for law in markers],
        "error_x": _whiskers(markers, series.PRICE),
        "marker": {"color": "ink", "symbol": "diamond", "size": [*(9 for _ in laws), 0]},
        "hovertemplate": "%{y}: %{x:.2f} %<extra></extra>",
        "showlegend": False,
    }
    order = [*(part.label for part in parts), "Haircut", *(law.label for law in laws)]
    widest = max([value, *(law.high or law.value for law in laws)])
    return _chart(
        [bars, dots],
        xaxis={"title": {"text": "percentage points"}, "range": [0, _short(1.12 * widest)]},
        yaxis={"categoryorder": "array", "categoryarray": order[::-1], "automargin": True, "showgrid": False},
    )


def parameters(pair: Document) -> Chart:
    """Return the recommended parameters at each refit, with the current values as dashed lines."""
    history, live = pair["history"], pair["current"] or {}
    days = series.held(pair)
    traces, layout = [], {}
    for row, (field, (label, color)) in enumerate(series.PARAMETERS.items(), start=1):
        axes = {"xaxis": f"x{row}", "yaxis": f"y{row}"}
        values = [_hundred(value) for value in history[field]]
        trace = _line(days, [*values, values[-1]], label, color, width=2)
        trace["line"]["shape"] = "hv"
        traces.append({**trace, **axes, "showlegend": False})
        now = live.get("implied_drop" if field == "haircut" else field)
        if now is not None:
            words = "Drop the current values survive" if field == "haircut" else f"Current {label.lower()}"
            line = _line([days[0], days[-1]], [_hundred(now)] * 2, words, series.CURRENT, width=1.6)
            line["line"]["dash"] = "dash"
            traces.append({**line, **axes, "showlegend": False})
        layout[f"xaxis{row}"] = {"type": "date", "matches": "x1", "nticks": 5}
        seen = [value for value in (*values, _hundred(now)) if value is not None]
        pad = 0.1 * (max(seen) - min(seen)) or 0.5
        layout[f"yaxis{row}"] = {"ticksuffix": " %", "nticks": 6, "range": [_short(min(seen) - pad), _short(max(seen) + pad)]}
    titles = [f"<b>{label}</b>" for label, _ in series.PARAMETERS.values()]
    return _grid(traces, layout, titles, columns=2)


def backtest(tested: Document) -> Chart:
    """Return the metrics of each parameter set with their intervals, one small chart per metric."""
    metrics = series.compared(tested)
    traces, layout = [], {}
    for row, points in enumerate(metrics.values(), start=1):
        for point in points:
            color = series.SETS.get(point.label, series.PRICE)
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": [point.label],
                    "y": [_short(point.value)],
                    "error_y": _whiskers([point], color),
                    "marker": {"color": color, "size": 10},
                    "hovertemplate": "%{x}: %{y}<extra></extra>",
                    "xaxis": f"x{row}",
                    "yaxis": f"y{row}",
                    "showlegend": False,
                    "cliponaxis": False,
                }
            )
        highest = max([point.high or point.value for point in points], default=0.0)
        lowest = min([0.0, *(point.low or point.value for point in points)])
        layout[f"xaxis{row}"] = {
            "type": "category",
            "tickangle": 0,
            "range": [-0.6, max(len(points), 2) - 0.4],
            "showgrid": False,
        }
        layout[f"yaxis{row}"] = {"range": [_short(lowest), _short(1.1 * highest) or 1], "nticks": 6}
    titles = []
    for (label, unit), points in metrics.items():
        none = "" if any(point.high or point.value for point in points) else ": none in the period"
        titles.append(f"<b>{escape(label)}</b><br><sub>{escape(unit)}{none}</sub>")
    return _grid(traces, layout, titles, columns=4)


def _line(x: Sequence[object], y: Sequence[float | None], name: str, color: str, *, width: float) -> Chart:
    line = {"color": color, "width": width}
    return {"type": "scatter", "mode": "lines", "x": list(x), "y": list(y), "name": name, "line": line}


def _pieces(days: Sequence[str], values: Sequence[float | None]) -> tuple[list[str], list[float | None]]:
    """Return each level from its date to the next, with a gap after it."""
    x, y = [], list[float | None]()
    for row, value in enumerate(values):
        x += [days[row], days[row + 1], days[row + 1]]
        y += [None if value is None else _short(value)] * 2 + [None]
    return x, y


def _whiskers(points: Sequence[series.Point], color: str) -> Chart:
    up = [_short(max((point.value if point.high is None else point.high) - point.value, 0)) for point in points]
    down = [_short(max(point.value - (point.value if point.low is None else point.low), 0)) for point in points]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1.8, "width": 5, "color": color}


def _grid(traces: list[Chart], layout: Chart, titles: Sequence[str], *, columns: int) -> Chart:
    """Return small charts side by side; the page folds them into fewer columns on a narrow screen."""
    chart = _chart(traces, **layout)
    chart["titles"], chart["columns"] = list(titles), columns
    return chart


def _chart(traces: list[Chart], **layout: Any) -> Chart:
    return {"data": traces, "layout": layout}


def _hundred(value: float | None) -> float | None:
    return None if value is None else _short(100 * value)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
