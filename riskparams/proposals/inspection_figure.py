"""The figure of one asset's inspection: returns in their band, residuals, mean excess and the fitted tail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from riskparams.proposals.figures import canvas, house_style, png
from riskparams.proposals.series import CURRENT, PRICE, RECOMMENDED
from riskparams.tails.exceedances import FEWEST_EXCEEDANCES
from riskparams.tails.gpd import TailFit
from riskparams.terms import DAY, FloatArray, IntArray, frozen
from riskparams.volatility.innovations import InnovationLaw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = 2.33  # sigmas; 98 % of a normal law lies inside
SHOWN_THRESHOLDS = 60
LARGEST_SHARE = 0.30  # of the losses: where the two panels of the tail begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What an inspection draws: the fit window bar by bar, and the losses of the history; arrays are read-only.

    `value` are log returns, `sigma` their conditional standard deviations, `z` the one over the other, shape (n,);
    `losses` (positive = fell) are the standardised residuals that `tail` was fitted to.
    """

    time: IntArray
    value: FloatArray
    sigma: FloatArray
    z: FloatArray
    law: InnovationLaw
    losses: FloatArray
    tail: TailFit

    def __post_init__(self) -> None:
        for array in (self.time, self.value, self.sigma, self.z, self.losses):
            frozen(array)


def draw_inspection(document: Mapping[str, Any], picture: Picture) -> bytes:
    """Return the four panels as PNG bytes; `document` names the pair, the date and whether its prices are simulated."""
    import matplotlib

    with house_style():
        matplotlib.rcParams["date.converter"] = "concise"
        figure, grid = canvas(2, 2)
        _returns(grid[0, 0], picture)
        _quantiles(grid[0, 1], picture)
        _mean_excess(grid[1, 0], picture)
        _survival(grid[1, 1], picture)
        figure.suptitle(
            f"{document['pair']}: {document['volatility']['model']}, tail of {picture.tail.exceedances:,} exceedances",
            x=0.01,
            ha="left",
            weight="bold",
        )
        words = f"{document['study']}, as of {document['as_of'][:10]}"
        return png(figure, words, simulated=document["simulated"])


def _returns(axes: Axes, picture: Picture) -> None:
    """Log returns in per cent; those outside the band of their own bar stand out. The band drawn is its mean by day."""
    times = picture.time.astype("datetime64[ns]")
    value, edge = 100 * picture.value, 100 * BAND * picture.sigma
    outside = np.abs(value) > edge
    axes.plot(times, value, color="#b0b0b0", lw=0.5, label="Log return")
    axes.plot(times[outside], value[outside], color=CURRENT, marker=".", ms=3, ls="", label=f"Outside, {outside.mean():.1%}")
    first = np.flatnonzero(np.diff((picture.time - 1) // DAY, prepend=-1))
    daily = np.add.reduceat(edge, first) / np.diff(first, append=len(edge))
    for side, label in ((daily, f"\u00b1{BAND} sigma"), (-daily, "_nolegend_")):
        axes.plot(times[first], side, color=RECOMMENDED, lw=1.3, label=label)
    axes.set_ylabel("%")
    axes.set_title("Returns and volatility over the fit window", fontsize=11)
    axes.legend(loc="upper left", fontsize=9, ncols=3, markerscale=2)
    reach = 1.35 * float(np.abs(value).max())
    axes.set_ylim(-reach, reach)


def _quantiles(axes: Axes, picture: Picture) -> None:
    """Residuals of the fit against the quantiles of the law it assumed."""
    z = np.sort(picture.z)
    expected = picture.law.quantile((np.arange(len(z)) + 0.5) / len(z))
    reach = 1.05 * float(max(np.abs(z).max(), np.abs(expected).max()))
    axes.plot([-reach, reach], [-reach, reach], color=PRICE, lw=1, ls="--", label="Where both agree")
    axes.plot(expected, z, color=RECOMMENDED, marker=".", ms=4, ls="", label="Residual")
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_xlabel(_law(picture.law))
    axes.set_ylabel("Residual")
    axes.set_title("Residuals of the fit, quantile by quantile", fontsize=11)
    axes.legend(loc="upper left", fontsize=9)


def _mean_excess(axes: Axes, picture: Picture) -> None:
    """The mean excess over rising thresholds, with two standard errors, and the line the fitted tail implies."""
    ordered, tail = np.sort(picture.losses), picture.tail
    n = len(ordered)
    counts = np.unique(np.geomspace(FEWEST_EXCEEDANCES, max(LARGEST_SHARE * n, tail.exceedances), SHOWN_THRESHOLDS).astype(int))
    thresholds = ordered[n - counts - 1]
    excesses = [ordered[n - count :] - threshold for count, threshold in zip(counts, thresholds, strict=True)]
    mean = np.array([excess.mean() for excess in excesses])
    error = np.array([excess.std(ddof=1) / np.sqrt(len(excess)) for excess in excesses])
    axes.fill_between(thresholds, mean - 2 * error, mean + 2 * error, color=RECOMMENDED, alpha=0.2, lw=0)
    axes.plot(thresholds, mean, color=RECOMMENDED, lw=1.6, label="Mean excess, two standard errors")
    if tail.shape < 1:
        above = np.linspace(tail.tail_threshold, thresholds.max(), 50)
        line = (tail.scale + tail.shape * (above - tail.tail_threshold)) / (1 - tail.shape)
        axes.plot(above, line, color=CURRENT, lw=1.6, ls="--", label="Fitted tail")
    axes.axvline(tail.tail_threshold, color=PRICE, lw=1, ls=":", label=f"Threshold, {tail.tail_threshold:.2f}")
    axes.set_ylim(0, 1.25 * float((mean + 2 * error).max()))
    axes.set_xlabel("Threshold, residual loss")
    axes.set_ylabel("Mean excess")
    axes.set_title("Mean excess over a threshold", fontsize=11)
    axes.legend(loc="upper left", fontsize=9)


def _survival(axes: Axes, picture: Picture) -> None:
    """The share of losses beyond each one, and the fitted law above the threshold."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ordered, tail = np.sort(picture.losses)[::-1], picture.tail
    n = len(ordered)
    shown = max(round(LARGEST_SHARE * n), tail.exceedances)
    axes.plot(ordered[:shown], (np.arange(shown) + 0.5) / n, color=RECOMMENDED, marker=".", ms=4, ls="", label="Residual loss")
    beyond = np.geomspace(tail.share, 0.3 / n, 200)[1:]
    axes.plot(
        [tail.quantile(1 - share) for share in beyond],
        beyond,
        color=CURRENT,
        lw=1.6,
        ls="--",
        label=f"Fitted tail, shape {tail.shape:.2f}",
    )
    axes.axvline(tail.tail_threshold, color=PRICE, lw=1, ls=":", label=f"Threshold, {tail.tail_threshold:.2f}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.10g} %"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0.25 / n, None)
    axes.set_xlim(None, 1.1 * max(float(ordered[0]), tail.quantile(1 - 0.5 / n)))
    axes.set_xlabel("Residual loss")
    axes.set_ylabel("Share of bars beyond, log scale")
    axes.set_title("The fitted tail", fontsize=11)
    axes.legend(loc="upper right", fontsize=9)


def _law(law: InnovationLaw) -> str:
    if np.isinf(law.nu):
        return "Standard normal law"
    return f"Student t with {law.nu:.1f} degrees of freedom" + (f", skew {law.skew:.2f}" if law.skew else "")
