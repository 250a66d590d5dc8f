"""[history]: the recorded events of a market's accounts, in which files and columns, and how they are replayed.

Files are relative to the folder given as --data, those of the oracle to that of --prices. Every amount is in units of the
asset or of the debt; shares, rates and ratios are fractions.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from riskparams.backtest.account_states import RebuildRules
from riskparams.errors import ConfigError
from riskparams.settings.fields import Duration, Fraction, Moment, Section, Span

_RULES = RebuildRules()  # the defaults live with the spec

AtLeast = Annotated[float, Field(ge=0)]


class EventFile(Section):
    """[[history.events]]: one file of what owners did.

    `kind` says what every row is; `kind_column` names instead the column whose words deposit, withdraw, borrow and repay
    say it row by row. `amount` names the column; `negative` says that amounts are written with a minus sign.
    """

    file: str
    amount: str
    kind: Literal["deposit", "withdraw", "borrow", "repay"] | None = None
    kind_column: str | None = None
    negative: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.kind is None) == (self.kind_column is None):
            raise ValueError("give either kind or kind_column, not both and not neither")
        return self


class LiquidationFile(Section):
    """[history.liquidations]: outcomes, in a file of their own, which only the record and its scores know.

    `debt` names the column of the debt that a liquidation took, without any penalty, `collateral` that of the asset.
    """

    file: str
    debt: str
    collateral: str


class ParameterFile(Section):
    """[history.parameters]: one file of every change of a parameter.

    `name` and `value` are columns: which parameter, and what it became. The rest are names in the first: the yearly
    effective rate that debts grow by, the collateral over debt at which an account is liquidated, the smallest debt
    allowed, and the most debt that an auction takes, which includes the penalty. A market without one of the last three
    leaves it out.
    """

    file: str
    name: str = "parameter"
    value: str = "value"
    borrow_rate: str
    liquidation_ratio: str
    smallest_debt: str | None = None
    chunk: str | None = None
    chunk_penalty: str | None = None


class RulesTable(Section):
    """[history.rules]: what closes an account and which liquidation took all of it; see `RebuildRules`."""

    close_debt: AtLeast = _RULES.close_debt
    close_repaid_share: AtLeast = _RULES.close_repaid_share
    close_smallest_share: AtLeast = _RULES.close_smallest_share
    close_collateral: AtLeast = _RULES.close_collateral
    overpaid: AtLeast = _RULES.overpaid
    debt_within: AtLeast = _RULES.debt_within
    collateral_unit: AtLeast = _RULES.collateral_unit

    def build(self) -> RebuildRules:
        """Return the spec object that the rooms take; raise `ConfigError` for values it refuses."""
        return RebuildRules(**self.model_dump())


class OutageTable(Section):
    """One of `outages`: the oracle published nothing from `start` on and before `end`."""

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"the outage ends at {self.end:%Y-%m-%dT%H:%MZ}, not after its start: swap them")
        return self


class OracleTable(Section):
    """[history.oracle]: what price the market went by.

    It publishes once a bar, the close of `delay` before. `files` are the market's prices, joined on levels: an oracle shows
    levels; the first file wins where two overlap. `lows` are files for the ablation that needs a bar's low, where those of
    `files` hold closes only. `allowance` is how far the published price may lie from the bar's, as a fraction of the
    liquidation ratio, and `better_of_two_allowance` the same where the better of the last two publications counts.
    """

    files: Annotated[tuple[str, ...], Field(min_length=1)]
    lows: tuple[str, ...] = ()
    delay: Duration = timedelta(0)
    allowance: Fraction = 0.0
    better_of_two_allowance: Fraction = 0.0
    outages: tuple[OutageTable, ...] = ()


class ScoringTable(Section):
    """[history.scoring]: how near an alarm must lie to the record, and what counts as one episode or one fall.

    Liquidations of an account within `episode_gap` of each other are one episode. `timing_within` is how far from it an
    unsafe hour may lie, `alarm_within` how far an alarm; an account's state before a liquidation is held for as long. A
    fall takes the price in force to `fall` (a simple drop) below its highest of the span `fall_within`.
    """

    episode_gap: Span = timedelta(hours=24)
    timing_within: Duration = timedelta(hours=3)
    alarm_within: Duration = timedelta(hours=24)
    fall: Annotated[float, Field(gt=0, lt=1)] = 0.2
    fall_within: Span = timedelta(hours=72)


class HistorySection(Section):
    """[history]

    `collateral` is that of one of the study's pairs. `account`, `block` and `time` are columns of every file; account and
    block are whole numbers, and within a block events apply in a set order. `incomplete` are accounts whose record is known
    to lack events; more may be found. The totals of `dates` and the liquidations of `accounts` are printed.
    """

    collateral: str
    account: str = "account"
    block: str = "block"
    time: str = "timestamp"
    events: Annotated[tuple[EventFile, ...], Field(min_length=1)]
    liquidations: LiquidationFile
    parameters: ParameterFile
    incomplete: tuple[int, ...] = ()
    rules: RulesTable = RulesTable()
    oracle: OracleTable
    scoring: ScoringTable = ScoringTable()
    dates: tuple[Moment, ...] = ()
    accounts: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        try:
            self.rules.build()
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self
