"""What selling seized collateral does to a market: the price the seller gets, and the price it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import NamedTuple

import numpy as np

from riskparams.errors import ConfigError
from riskparams.execution import ConstantProduct, Depth, DepthCurve
from riskparams.terms import Asset, FloatArray, IntArray

NO_DEPTH, SQUARE_ROOT, CONSTANT_PRODUCT, CURVE = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketImpact:
    """The depth of each asset's market, and how much of a sale's impact stays.

    What is sold within a bar moves down one depth curve together, whoever sells it. At the bar's end `permanent` of the
    displacement stays for good, the rest halves every `half_life` (Donier & Bonart 2015 for the square root). With
    `feedback` later prices are displaced, so that liquidations can cause others; without it they are those of the history,
    which already holds the impact of the liquidations of its day. An asset without a depth is sold at no cost.
    """

    depth: Mapping[Asset, Depth | ConstantProduct | DepthCurve]
    permanent: float = 0.3
    half_life: timedelta = timedelta(minutes=30)
    feedback: bool = True

    def __post_init__(self) -> None:
        if not (isfinite(self.permanent) and 0 <= self.permanent <= 1):
            raise ConfigError(f"impact.permanent is {self.permanent}: expected the share of the impact that stays, 0 to 1")
        if self.half_life <= timedelta(0):
            raise ConfigError(f"impact.half_life is {self.half_life}: expected a duration above 0")


class DepthArrays(NamedTuple):
    """Depth by asset, for kernels: the law, three numbers of it, and the points of curves (value sold, slippage)."""

    law: IntArray  # (assets,)
    number: FloatArray  # (assets, 3): volume, sigma, spread; or reserve
    sold: FloatArray  # (assets, points), increasing from 0; padded with infinity
    slippage: FloatArray  # (assets, points)
    permanent: float
    decay: float  # of the rest, over one bar
    feedback: bool


def depth_arrays(impact: MarketImpact | None, assets: Sequence[Asset], *, bar_seconds: float) -> DepthArrays:
    """Return the depths of the assets as arrays; raise `ConfigError` for a depth of an asset that is not traded here."""
    known = {} if impact is None else dict(impact.depth)
    odd = sorted(set(known) - set(assets))
    if odd:
        raise ConfigError(f"impact gives a depth for {', '.join(odd)}, which the market does not hold: {', '.join(assets)}")
    points = max([2, *(len(depth.sold) for depth in known.values() if isinstance(depth, DepthCurve))])
    law, number = np.zeros(len(assets), np.int64), np.zeros((len(assets), 3))
    sold, slippage = np.full((len(assets), points), np.inf), np.zeros((len(assets), points))
    for column, asset in enumerate(assets):
        match known.get(asset):
            case Depth() as depth:
                law[column], number[column] = SQUARE_ROOT, (depth.daily_volume, depth.daily_sigma, depth.spread)
            case ConstantProduct() as pool:
                law[column], number[column, 0] = CONSTANT_PRODUCT, pool.reserve
            case DepthCurve() as curve:
                law[column] = CURVE
                sold[column, : len(curve.sold)], slippage[column, : len(curve.sold)] = curve.sold, curve.average_slippage
            case None:
                pass
    if impact is None:
        return DepthArrays(law, number, sold, slippage, 0.0, 0.0, False)
    decay = 0.5 ** (bar_seconds / impact.half_life.total_seconds())
    return DepthArrays(law, number, sold, slippage, float(impact.permanent), decay, impact.feedback)
