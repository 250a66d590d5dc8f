"""Many histories of one market, simulated or resampled from its own bars, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from riskparams.backtest.market import Market
from riskparams.errors import ConfigError, InsufficientData
from riskparams.terms import Asset, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from riskparams.paths.simulate import PricePaths


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrappedMarkets:
    """Histories of `bars` bars after a market's last close, by the stationary bootstrap of its bars (Politis & Romano 1994).

    A bar is the return of every asset's close with its low and high relative to that close; all assets take the same bars,
    so that they crash together. Bars follow each other in blocks of geometric length, `mean_block` on average; a block ends
    where the next bar did not follow at once, at a gap or at the market's end, and another begins. History `i` depends on
    `seed` and `i` alone. Raises `InsufficientData` for a market with fewer than two bars that follow another.

    >>> close = np.array([[100.0], [110.0], [99.0]])
    >>> market = Market(assets=(Asset("ETH"),), time=np.arange(1, 4) * 10**9, close=close, low=close, high=close, bar=10**9)
    >>> histories = BootstrappedMarkets(market=market, bars=5, count=2, mean_block=2, seed=1)
    >>> len(histories), len(histories[0])
    (2, 6)
    """

    market: Market
    bars: int
    count: int
    mean_block: float
    seed: int

    def __post_init__(self) -> None:
        if self.bars < 1 or self.count < 1 or not (np.isfinite(self.mean_block) and self.mean_block >= 1) or self.seed < 0:
            raise ConfigError(
                f"{self.count} histories of {self.bars} bars in blocks of {self.mean_block} from seed {self.seed}: expected at "
                "least 1 of each, and a seed of 0 or more"
            )
        if np.sum(self._follows) < 2:
            raise InsufficientData(
                f"{int(np.sum(self._follows))} bars of the market follow another at once: expected at least 2 to draw from"
            )

    def __len__(self) -> int:
        return self.count

    @property
    def _follows(self) -> BoolArray:
        """Whether each bar is followed at once by another, whose return is then that of one bar."""
        return np.append(np.diff(self.market.time) == self.market.bar, False)

    def rows(self, number: int) -> IntArray:
        """Return the bars of the market that history `number` is made of, in order."""
        follows = self._follows
        usable = np.flatnonzero(follows) + 1
        rng = np.random.default_rng([self.seed, _checked(number, self.count)])
        fresh = usable[rng.integers(len(usable), size=self.bars)]
        ends = rng.random(self.bars) < 1 / self.mean_block
        rows = fresh.copy()
        for t in range(1, self.bars):
            if not ends[t] and follows[rows[t - 1]]:
                rows[t] = rows[t - 1] + 1
        return rows

    def __getitem__(self, number: int) -> Market:
        market, rows = self.market, self.rows(number)
        close = market.close[-1] * np.cumprod(market.close[rows] / market.close[rows - 1], axis=0)
        return _after(
            market.assets,
            int(market.time[-1]),
            market.bar,
            market.close[-1],
            close,
            close * np.minimum(market.low[rows] / market.close[rows], 1),
            close * np.maximum(market.high[rows] / market.close[rows], 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMarkets:
    """Histories of assets from simulated paths of the same shape, which start at `last` (nanoseconds) and these prices.

    Paths share the rows of their shocks across assets where they were drawn so (`streams`). An asset without paths keeps its
    price. Paths know no high: that of a bar is the higher of its two closes. A path that left the numbers is found when its
    history is asked for, and raises `DataError` then.
    """

    prices: Mapping[Asset, float]
    paths: Mapping[Asset, PricePaths]
    last: int
    bar: int

    def __post_init__(self) -> None:
        shapes = {asset: paths.close.shape for asset, paths in self.paths.items()}
        if len(set(shapes.values())) != 1 or not set(shapes) <= set(self.prices):
            raise ConfigError(
                f"paths have shapes {shapes} and prices are of {', '.join(self.prices)}: "
                "expected paths of one shape, (paths, bars), each of an asset with a price"
            )

    def __len__(self) -> int:
        return len(next(iter(self.paths.values())).close)

    def __getitem__(self, number: int) -> Market:
        row, assets = _checked(number, len(self)), tuple(self.prices)
        still = np.zeros(next(iter(self.paths.values())).close.shape[1])
        start = np.array([self.prices[asset] for asset in assets])
        with np.errstate(over="ignore"):
            close, low = (
                start
                * np.exp(np.column_stack([getattr(self.paths[a], name)[row] if a in self.paths else still for a in assets]))
                for name in ("close", "low")
            )
        high = np.maximum(close, np.vstack([start, close[:-1]]))
        return _after(assets, self.last, self.bar, start, close, np.minimum(low, close), high)


def _checked(number: int, count: int) -> int:
    if not 0 <= number < count:
        raise IndexError(f"history {number} of {count}: expected 0 to {count - 1}")
    return number


def _after(
    assets: tuple[Asset, ...],
    last: int,
    bar: int,
    start: FloatArray,
    close: FloatArray,
    low: FloatArray,
    high: FloatArray,
) -> Market:
    """Return the market whose first bar is the start, known at `last`, and whose others follow it."""
    return Market(
        assets=assets,
        time=last + bar * np.arange(len(close) + 1, dtype=np.int64),
        close=np.vstack([start, close]),
        low=np.vstack([start, low]),
        high=np.vstack([start, high]),
        bar=bar,
    )
