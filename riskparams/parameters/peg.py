"""A pair that keeps a price of its own accord: where its depegs are looked for, and how far one may fall."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from riskparams.errors import ConfigError
from riskparams.prices.panel import PricePanel
from riskparams.returns import pair_candles
from riskparams.tails.depegs import Depeg, depegs
from riskparams.tails.jump_paths import YEAR, JumpPaths
from riskparams.tails.jumps import JumpLayer, fit_jumps
from riskparams.terms import Asset, FloatArray, Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Peg:
    """What is said of a pegged pair before any price is looked at.

    `peers` are the pairs whose depegs are pooled with its own: a fixed list. `level` is the price it is pegged to, None for
    one that drifts, as a staked token does; `threshold` the simple drop below it from which a depeg counts. `redemption_floor`
    is the share of that price at which anybody may redeem at once (0 where nobody can): a depeg that is recovered from cannot
    fall below it, and one that is not still can.
    """

    peers: tuple[Pair, ...]
    level: float | None = None
    peer_level: float | None = 1.0
    threshold: float = 0.02
    redemption_floor: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ConfigError(f"peg.threshold is {self.threshold}: expected a drop between 0 and 1, such as 0.02")
        if not 0 <= self.redemption_floor < 1:
            raise ConfigError(f"redemption_floor is {self.redemption_floor}: expected a share of the peg, from 0 to below 1")

    @property
    def assets(self) -> tuple[Asset, ...]:
        """Every asset the peers are priced in or of."""
        return tuple(dict.fromkeys(asset for pair in self.peers for asset in (pair.collateral, pair.debt)))


def fit_peg(panel: PricePanel, pair: Pair, peg: Peg) -> JumpLayer:
    """Return the jump layer of a pair from all of its past and its peers'; raises what `fit_jumps` does.

    Only bars that were observed count; a peer that has no price yet is left out.
    """
    peers = [peer for peer in peg.peers if peer != pair and {peer.collateral, peer.debt} <= {*panel.candles, panel.numeraire}]
    seen = {str(peer): _seen(panel, peer, peg.peer_level, peg.threshold) for peer in peers}
    own, years = _seen(panel, pair, peg.level, peg.threshold)
    return fit_jumps(
        {name: found for name, (found, _) in seen.items()},
        own,
        years,
        {name: watched for name, (_, watched) in seen.items()},
        threshold=peg.threshold,
    )


def _seen(panel: PricePanel, pair: Pair, level: float | None, threshold: float) -> tuple[tuple[Depeg, ...], float]:
    candles = pair_candles(panel, pair)
    rows = candles.observed
    found = depegs(candles.time[rows], candles.close[rows], bar=panel.bar, peg=level, threshold=threshold)
    return found, len(candles.time[rows]) * panel.bar / YEAR


def jump_table(jumps: JumpPaths, peg: Peg) -> FloatArray:
    """Return the jumps as `kernels.lay_over` takes them, (paths, 4): start, log depth, bars of the fall, bars held below."""
    floor = -log(peg.redemption_floor) if peg.redemption_floor else np.inf
    depth = np.where(jumps.recovers, np.minimum(jumps.log_depth, floor), jumps.log_depth)
    fall = np.maximum(jumps.bars_to_trough, 1)
    held = np.where(jumps.recovers, jumps.bars_held - fall, np.inf)
    return np.column_stack([jumps.start, depth, fall, np.maximum(held, 0)]).astype(float)
