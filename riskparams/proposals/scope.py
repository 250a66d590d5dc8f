"""The scope of a recommendation: what prices cannot show of an asset, what evidence is missing, and when we refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from riskparams import errors
from riskparams.errors import ConfigError, RiskParamsError
from riskparams.proposals.words import counted, listed, share
from riskparams.terms import Asset

NOTHING = "none"
"""What a fact says where there is nothing of the kind, which is not the same as saying nothing."""
FEW_LARGE_MOVES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSecurity:
    """What somebody thinks of the safety of an asset's contract, who that is, and when."""

    grade: str
    source: str
    dated: date


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFacts:
    """What a study declares of an asset, in words; a field left out is not known, and "none" declares that there is none.

    `bridged` names the bridge, `issuer` who issues the asset, `redeemable` how it is redeemed, `oracle` where the market gets
    its price, `wrapped_of` and `staked_of` the asset it stands for, `pegged_to` what it is meant to be worth. `source` and
    `dated` say who declared this, and when.
    """

    asset: Asset
    bridged: str | None = None
    issuer: str | None = None
    redeemable: str | None = None
    oracle: str | None = None
    wrapped_of: str | None = None
    staked_of: str | None = None
    pegged_to: str | None = None
    contract_security: ContractSecurity | None = None
    source: str | None = None
    dated: date | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str) and not value.strip():
                raise ConfigError(f'asset {self.asset}: {field.name} is empty: say what it is, write "none", or leave it out')


def read_facts(row: Mapping[str, Any]) -> AssetFacts:
    """Return the facts of one [[assets]] row of a study; `false` is read as "none".

    Raises `ConfigError` naming asset and key for an unknown key, for a bare `true`, and for a grade without source or date.

    >>> read_facts({"asset": "WBTC", "wrapped_of": "BTC", "bridged": False}).bridged
    'none'
    """
    if "asset" not in row:
        raise ConfigError("a row of [[assets]] names no asset: add asset = ...")
    where = f"asset {row['asset']}"
    known = [field.name for field in fields(AssetFacts)]
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key not in known:
            nearest = get_close_matches(key, known, n=1, cutoff=0.5)
            raise ConfigError(
                f"{where}: unknown key {key}: " + (f"did you mean {nearest[0]!r}?" if nearest else f"known: {known}")
            )
        if key == "contract_security":
            if not isinstance(value, Mapping) or set(value) != {"grade", "source", "dated"}:
                raise ConfigError(f"{where}: contract_security is {value!r}: expected grade, source and dated")
            value = ContractSecurity(grade=str(value["grade"]), source=value["source"], dated=value["dated"])
        elif key != "dated":
            if value is True:
                raise ConfigError(
                    f'{where}: {key} is true: say which or how, for example {key} = "..."; false means there is none'
                )
            value = NOTHING if value is False else value
            if not isinstance(value, str):
                raise ConfigError(f"{where}: {key} is {value!r}: expected words")
        elif not isinstance(value, date):
            raise ConfigError(f"{where}: dated is {value!r}: expected a date, for example 2024-06-01 without quotes")
        found[key] = value
    return AssetFacts(**found)


class BlindSpot(StrEnum):
    """What can take the worth of an asset without a warning in its price."""

    BRIDGE = "bridge"
    MINT = "mint"
    ORACLE = "oracle"
    REDEMPTION = "redemption"
    ISSUER = "issuer"
    CONTRACT = "contract"


class Standing(StrEnum):
    """What is known of a blind spot."""

    DECLARED = "declared"
    NONE = "declared to be none"
    UNKNOWN = "not declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """One blind spot of one asset, in words."""

    spot: BlindSpot
    standing: Standing
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A case in which the package gives no number, under the name of its error."""

    error: type[RiskParamsError]
    when: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a recommendation for one asset does not cover: blind spots, missing evidence and refusals, in plain words."""

    asset: Asset
    cannot_see: tuple[Unseen, ...]
    missing: tuple[str, ...]
    refusals: tuple[Refusal, ...]


def scope_statement(facts: AssetFacts, flags: Sequence[str], provenance: Mapping[str, object]) -> Scope:
    """Return the scope of a recommendation from what is declared, its flags and its provenance.


    Of the provenance it reads `filled_share` and `tail_exceedances`, and `depegs_observed` (a count) where it is given.
    What nobody declared is a blind spot and missing evidence at once.

    >>> scope = scope_statement(AssetFacts(asset=Asset("ETH"), bridged="none"), ("few_triggers",), {})
    >>> scope.cannot_see[0].words
    'Declared: ETH is not bridged.'
    >>> scope.missing[0]
    'Not declared for ETH: mint, oracle, redemption, issuer and contract.'
    """
    unseen = tuple(Unseen(spot=spot, standing=standing, words=said) for spot, (standing, said) in _blind_spots(facts).items())
    return Scope(
        asset=facts.asset, cannot_see=unseen, missing=tuple(_missing(facts, unseen, flags, provenance)), refusals=REFUSALS
    )


def _blind_spots(facts: AssetFacts) -> dict[BlindSpot, tuple[Standing, str]]:
    name = facts.asset
    stands_for = next((fact for fact in (facts.wrapped_of, facts.staked_of) if _is(fact)), None)
    origins = (facts.wrapped_of, facts.staked_of, facts.issuer)
    if stands_for:
        mint = (
            Standing.DECLARED,
            (
                f"Each unit of {name} is meant to stand for {stands_for}. Prices do not show whether something stands behind "
                "every unit, or whether units are made with nothing behind them."
            ),
        )
    elif _is(facts.issuer):
        mint = Standing.DECLARED, f"New units of {name} come from {facts.issuer}. Prices do not show what stands behind them."
    elif all(fact == NOTHING for fact in origins):
        mint = Standing.NONE, f"Declared: {name} stands for no other asset, and nobody issues it."
    else:
        mint = Standing.UNKNOWN, f"Not declared: nobody has said who can make new units of {name}, or what stands behind them."
    peg = (
        f" It is meant to be worth {facts.pegged_to}. Quiet days do not show how far it falls on the day it is not."
        if _is(facts.pegged_to)
        else ""
    )
    redemption, said = _told(
        facts.redeemable,
        lambda how: (
            f"{name} can be redeemed: {how}. A queue, a closed door or a loss behind it reaches the price only once "
            "holders learn of it."
        ),
        f"{name} cannot be redeemed; it is worth what a buyer pays.",
        f"whether {name} can be redeemed, for what, and how fast",
    )
    safety = facts.contract_security
    return {
        BlindSpot.BRIDGE: _told(
            facts.bridged,
            lambda bridge: (
                f"{name} comes to this market over a bridge, {bridge}. If the bridge fails, what was sent over it may "
                "have nothing behind it. Prices from before that day do not show it."
            ),
            f"{name} is not bridged.",
            f"whether {name} comes to this market over a bridge",
        ),
        BlindSpot.MINT: mint,
        BlindSpot.ORACLE: _told(
            facts.oracle,
            lambda oracle: (
                f"The market takes the price of {name} from {oracle}. Its usual delay is part of the numbers; a price "
                "that is wrong, or that stops, is not."
            ),
            f"the market takes no outside price for {name}.",
            f"where the market takes the price of {name} from",
        ),
        BlindSpot.REDEMPTION: (redemption, said + peg),
        BlindSpot.ISSUER: _told(
            facts.issuer,
            lambda issuer: (
                f"{name} is issued by {issuer}. Prices do not show whether it can pay, or whether it will freeze "
                "holders or stop paying."
            ),
            f"nobody issues {name}.",
            f"who issues {name}",
        ),
        BlindSpot.CONTRACT: (
            Standing.DECLARED,
            f"The contract of {name} was graded {safety.grade} by {safety.source}, on {safety.dated}. A grade is an opinion; "
            "prices do not show a fault in a contract.",
        )
        if safety
        else (Standing.UNKNOWN, f"Not declared: nobody has said how safe the contract of {name} is."),
    }


def _is(fact: str | None) -> bool:
    return fact is not None and fact != NOTHING


def _told(fact: str | None, declared: Callable[[str], str], none: str, unknown: str) -> tuple[Standing, str]:
    if fact is None:
        return Standing.UNKNOWN, f"Not declared: nobody has said {unknown}."
    return (Standing.NONE, f"Declared: {none}") if fact == NOTHING else (Standing.DECLARED, declared(fact))


def _missing(facts: AssetFacts, unseen: Sequence[Unseen], flags: Sequence[str], provenance: Mapping[str, object]) -> list[str]:
    undeclared = [str(one.spot) for one in unseen if one.standing is Standing.UNKNOWN]
    said = [f"Not declared for {facts.asset}: {listed(undeclared)}."] if undeclared else []
    if len(undeclared) < len(unseen) and not (facts.source and facts.dated):
        said.append("What is declared names no source and date, so nobody can check it.")
    said += [PLAIN_FLAGS.get(flag, f"Warned: {flag.replace('_', ' ')}.") for flag in dict.fromkeys(flags)]
    lent, large, breaks = (provenance.get(key) for key in ("filled_share", "tail_exceedances", "depegs_observed"))
    if isinstance(lent, float) and lent > 0:
        said.append(f"{share(lent)} of the history used is that of another asset.")
    if isinstance(large, int) and large < FEW_LARGE_MOVES:
        said.append(f"The worst case rests on {counted(large, 'large move')}.")
    if _is(facts.pegged_to) and not breaks:
        count = "No day was seen" if breaks == 0 else "Nobody has counted the days"
        said.append(f"{count} on which {facts.asset} was not worth {facts.pegged_to}.")
    return said


PLAIN_FLAGS = {
    "near_integrated": "Its wild spells fade so slowly that the usual size of its moves is not well known.",
    "fallback_model": "The first description of how its moves grow and shrink did not fit, and a simpler one is used.",
    "proxy_model": "No description fits its own moves: that of another asset is used, at the size of this one's.",
    "non_convergence": "The search for a better description of its moves did not come to an end.",
    "residual_scale_above_1.1": "Its moves were larger than their description says, and the numbers are scaled up for that.",
    "filled_back": "Its own history is short: an older asset's fills it, and a crash in that part was not its own.",
    "noisy": "Another run of the simulation could move the simulated fall by more than we would like.",
    "few_triggers": "Few simulated loans were liquidated from today's market, so what follows one is known roughly.",
    "no_triggers": "No simulated loan was liquidated from today's market, so past markets alone set the number.",
    "liquidity_unknown": "It is not known how much of it is traded, so nothing says what a liquidator must be paid.",
    "short_history": "Its unbroken history is shorter than the study asks for: it has met fewer kinds of market.",
    "history_split_by_gap": "Its history has a hole too long to fill: the size of its moves is taken from what came after it.",
    "close_only": "Only closing prices are known: a fall that was over before the close was not seen.",
    "pegged_series": "Its price keeps returning to one level, and that does not show how far it falls on the day it does not.",
    "volatility_still_clustered": "Its wild spells come and go in a way that their description does not follow.",
    "returns_autocorrelated": "Its moves follow from those before them, as where a price trades rarely or is held to a level.",
    "returns_drift": "Its price rose, or fell, more steadily than chance explains, and this is taken for wildness.",
    "returns_integrated": "Each of its moves is much like the one before: this may be no market price.",
    "below_min_window": "Its unbroken history is shorter than the least the study allows: nothing is recommended from it.",
    "feed_ended": "Its prices end before the date asked for: nothing is recommended from them.",
    "tail_variance_undefined": "Its worst moves are so large that the usual measure of spread never settles.",
    "tail_mean_undefined": "Its worst moves are so large that not even their average settles as more of them are seen.",
    "tail_all_thresholds_rejected": "No way to set its worst moves apart from the rest fitted; a fixed share of them is used.",
    "tail_too_few_thresholds": "It had too few bad moves to choose how many count as the worst; a fixed share of them is used.",
}
"""What a flag says of the evidence, to a reader who does not know the models."""

REFUSALS = (
    Refusal(
        error=errors.DataError,
        when="a price is missing, not positive or contradicts itself, or its time has no zone or is out of order",
        why="one wrong price makes a crash that never was, or hides one",
    ),
    Refusal(
        error=errors.InsufficientData,
        when="the unbroken history is shorter than the study allows, or ends before the date asked for",
        why="an asset that has not met a bad market looks safer than it is",
    ),
    Refusal(
        error=errors.ConstantSeries,
        when="the price never moves",
        why="a price that never moves is a broken feed, not a safe asset",
    ),
    Refusal(
        error=errors.ModelError,
        when="the price is held to a level, or nothing we know describes its moves",
        why="the calm of a held price does not show how far it falls when it is let go",
    ),
    Refusal(
        error=errors.Infeasible,
        when="no volume and no live bonus are known, or the market is too thin for the loans it is to carry",
        why="nobody can say what a liquidator must be paid, or no payment would bring one",
    ),
    Refusal(
        error=errors.ToxicParameters,
        when="a liquidation would pay out more than the collateral may still be worth",
        why="it would leave the loan worse than before",
    ),
    Refusal(
        error=errors.ParameterError,
        when="a loan could be opened at or above the level at which it is liquidated",
        why="it could be liquidated in the moment it is opened",
    ),
)
"""When there is no number, and why."""
