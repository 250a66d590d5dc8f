"""The scope statement: it says what is declared, admits what is not, and has plain words for every warning there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import riskparams
from riskparams.errors import ConfigError, RiskParamsError
from riskparams.execution import ConstantProduct
from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.haircut import haircut
from riskparams.parameters.penalty import LiquidationCosts, recommend_bonus
from riskparams.parameters.policy import refuse_pegged
from riskparams.parameters.risk_parameters import RiskParameters
from riskparams.paths.model import ModelSpec, fit_path_model
from riskparams.paths.simulate import StartLaw
from riskparams.paths.trigger import TriggerDrops
from riskparams.prices.quality import numbers
from riskparams.prices.sample import simulated_market
from riskparams.proposals.scope import (
    PLAIN_FLAGS,
    REFUSALS,
    AssetFacts,
    BlindSpot,
    ContractSecurity,
    Scope,
    Standing,
    read_facts,
    scope_statement,
)
from riskparams.proposals.sources import FLAGS
from riskparams.returns import log_returns
from riskparams.terms import DAY, Asset, Pair

STAKED = AssetFacts(
    asset=Asset("WSTX"),
    bridged="a bridge of its own",
    issuer="a staking pool",
    redeemable="at the pool, after a queue of days",
    oracle="a rate feed",
    wrapped_of="none",
    staked_of="ETH",
    pegged_to="ETH at the pool's rate",
    contract_security=ContractSecurity(grade="B", source="a reviewer", dated=date(2025, 3, 1)),
    source="the pool's documents",
    dated=date(2025, 4, 1),
)
NATIVE = AssetFacts(
    asset=Asset("ETH"), bridged="none", issuer="none", redeemable="none", oracle="none", wrapped_of="none", staked_of="none"
)
JARGON = (
    "garch|quantile|percentile|residual|persistence|variance|volatility|monte.?carlo|ljung|pareto|tail|exceed|integrated|"
    "autocorrel|kurtos|threshold|haircut|bootstrap|likelihood|sigma|stochastic|zero.?knowledge|basis point|regime|liquidity"
)


def words_of(scope: Scope) -> list[str]:
    return [*(one.words for one in scope.cannot_see), *scope.missing, *(f"{one.when}: {one.why}" for one in scope.refusals)]


def standings(facts: AssetFacts) -> dict[BlindSpot, Standing]:
    return {one.spot: one.standing for one in scope_statement(facts, (), {}).cannot_see}


def test_every_blind_spot_is_spoken_of_whatever_is_declared() -> None:
    for facts in (AssetFacts(asset=Asset("X")), NATIVE, STAKED):
        assert list(standings(facts)) == list(BlindSpot)
    assert {BlindSpot.BRIDGE, BlindSpot.MINT, BlindSpot.ORACLE, BlindSpot.REDEMPTION, BlindSpot.ISSUER} <= set(BlindSpot)


def test_what_nobody_declared_is_said_to_be_so_and_counts_as_missing() -> None:
    scope = scope_statement(AssetFacts(asset=Asset("X")), (), {})
    assert {one.standing for one in scope.cannot_see} == {Standing.UNKNOWN}
    assert all(one.words.startswith("Not declared: nobody has said") for one in scope.cannot_see)
    assert scope.missing == ("Not declared for X: bridge, mint, oracle, redemption, issuer and contract.",)


def test_a_declared_absence_is_not_the_same_as_silence() -> None:
    found = standings(NATIVE)
    assert found.pop(BlindSpot.CONTRACT) is Standing.UNKNOWN
    assert set(found.values()) == {Standing.NONE}
    assert standings(replace(NATIVE, staked_of=None))[BlindSpot.MINT] is Standing.UNKNOWN


def test_what_is_declared_is_repeated_where_it_matters() -> None:
    scope = scope_statement(STAKED, (), {"depegs_observed": 3})
    said = {one.spot: one.words for one in scope.cannot_see}
    assert {one.standing for one in scope.cannot_see} == {Standing.DECLARED}
    assert "a bridge of its own" in said[BlindSpot.BRIDGE]
    assert "stand for ETH" in said[BlindSpot.MINT]
    assert "a rate feed" in said[BlindSpot.ORACLE]
    assert "after a queue of days" in said[BlindSpot.REDEMPTION]
    assert "meant to be worth ETH at the pool's rate" in said[BlindSpot.REDEMPTION]
    assert "graded B by a reviewer, on 2025-03-01" in said[BlindSpot.CONTRACT]
    assert scope.missing == ()


def test_an_issuer_alone_makes_the_units() -> None:
    scope = scope_statement(AssetFacts(asset=Asset("X"), issuer="a company"), (), {})
    assert scope.cannot_see[1].words.startswith("New units of X come from a company.")


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        ({"filled_share": 0.25}, "25.0 % of the history used is that of another asset."),
        ({"tail_exceedances": 61}, "The worst case rests on 61 large moves."),
        ({"depegs_observed": 0}, "No day was seen on which WSTX was not worth ETH at the pool's rate."),
        ({"depegs_observed": None}, "Nobody has counted the days on which WSTX was not worth ETH at the pool's rate."),
    ],
)
def test_provenance_that_is_thin_is_missing_evidence(provenance: dict[str, object], said: str) -> None:
    assert scope_statement(STAKED, (), {"depegs_observed": 2, **provenance}).missing == (said,)
    ample = {"filled_share": 0.0, "tail_exceedances": 100, "depegs_observed": 1}
    assert scope_statement(STAKED, (), ample).missing == ()


def test_a_fact_without_a_source_cannot_be_checked() -> None:
    assert "names no source and date" in scope_statement(replace(STAKED, source=None), (), {"depegs_observed": 1}).missing[0]


def flags_in_source() -> set[str]:
    """Return the flags that the package can raise, read off its source.

    They are the words in literals that flow into something called flags: assigned or appended to it, passed as `flags=`, or
    standing in a function that is named after flags or returns them to a fit (`_misread`). Those of a tail get `tail_`.
    """
    found: set[str] = set()
    root = Path(riskparams.__file__).parent
    for room in ("volatility/ladder.py", "tails/gpd.py", "paths", "parameters", "pipeline/inspection.py"):
        for path in sorted((root / room).rglob("*.py")) if (root / room).is_dir() else [root / room]:
            prefix = "tail_" if path.parent.name == "tails" else ""
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                found |= {prefix + word for part in _flagged(node) for word in _literals(part)}
    return found


def _flagged(node: ast.AST) -> list[ast.AST]:
    match node:
        case ast.Assign(targets=[ast.Name(id="flags")], value=value):
            return [value]
        case ast.AnnAssign(target=ast.Name(id="flags"), value=ast.expr() as value):
            return [value]
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id="flags"), *_])], value=value):
            return [value]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="flags"), attr="append"), args=args):
            return list(args)
        case ast.keyword(arg="flags", value=value):
            return [value]
        case ast.FunctionDef(name=name, body=body) if name.endswith("flags") or name == "_misread":
            return [part for part in body if not isinstance(part, ast.Expr) or not isinstance(part.value, ast.Constant)]
        case ast.Call(func=ast.Name(id="_volatility_fit"), args=args):
            return [arg for arg in args if isinstance(arg, ast.Tuple)]
    return []


def _literals(node: ast.AST) -> set[str]:
    words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return {word for word in words if re.fullmatch(r"[a-z]+(_[a-z0-9.]+)*", word)}


def test_every_flag_in_the_source_has_plain_words_and_no_words_speak_of_no_flag() -> None:
    found = flags_in_source()
    assert {"noisy", "liquidity_unknown", "tail_mean_undefined", "below_min_window", "returns_drift"} <= found
    assert found == set(PLAIN_FLAGS)
    assert set(FLAGS) == set(PLAIN_FLAGS)


def test_each_flag_is_said_once_in_its_plain_words() -> None:
    scope = scope_statement(STAKED, ("noisy", "few_triggers", "noisy"), {"depegs_observed": 1})
    assert scope.missing == (PLAIN_FLAGS["noisy"], PLAIN_FLAGS["few_triggers"])


def test_the_words_can_be_read_aloud() -> None:
    """No jargon, no key of a study, no symbol; sentences of one breath."""
    everything = tuple(PLAIN_FLAGS)
    for facts in (STAKED, NATIVE, AssetFacts(asset=Asset("X"))):
        for line in words_of(scope_statement(facts, everything, {"filled_share": 0.5, "tail_exceedances": 20})):
            assert not re.search(JARGON, line, re.IGNORECASE), line
            assert not re.search(r"[_`=<>*]", line), line
            assert max(len(sentence.split()) for sentence in re.split(r"[.:;] ?", line)) <= 32, line


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"bridged": "x"}, "names no asset"),
        ({"asset": "X", "issuers": "y"}, "asset X: unknown key issuers: did you mean 'issuer'"),
        ({"asset": "X", "redeemable": True}, "asset X: redeemable is true: say which or how"),
        ({"asset": "X", "oracle": 3}, "oracle is 3: expected words"),
        ({"asset": "X", "issuer": " "}, 'issuer is empty: say what it is, write "none", or leave it out'),
        ({"asset": "X", "contract_security": {"grade": "A"}}, "expected grade, source and dated"),
        ({"asset": "X", "contract_security": "A"}, "contract_security is 'A'"),
        ({"asset": "X", "dated": "today"}, "dated is 'today': expected a date"),
    ],
)
def test_a_fault_in_declared_facts_is_named(row: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        read_facts(row)


def test_a_row_of_a_study_becomes_facts() -> None:
    row: dict[str, Any] = {
        "asset": "X",
        "bridged": False,
        "issuer": "a company",
        "contract_security": {"grade": "A", "source": "a reviewer", "dated": date(2025, 1, 2)},
        "dated": date(2025, 1, 3),
    }
    found = read_facts(row)
    assert (found.bridged, found.issuer, found.redeemable) == ("none", "a company", None)
    assert found.contract_security == ContractSecurity(grade="A", source="a reviewer", dated=date(2025, 1, 2))


def _wrong_price() -> None:
    import pandas as pd

    numbers("X", pd.Series([1.0, -1.0], name="close"))


def _short() -> None:
    panel = simulated_market()
    pair = Pair(Asset("ALPHA"), panel.numeraire)
    fit_path_model(panel.until(int(panel[pair.collateral].time[0]) + 100 * DAY), pair, pair, ModelSpec())


def _still() -> None:
    panel = simulated_market()
    name = Asset("ALPHA")
    ones = np.ones(len(panel[name]))
    still = replace(panel[name], open=ones, high=ones, low=ones, close=ones)
    log_returns(replace(panel, candles={name: still}), Pair(name, panel.numeraire))


def _pegged() -> None:
    panel = simulated_market()
    refuse_pegged(panel, Pair(Asset("PEGD"), panel.numeraire), ModelSpec())


def _nothing_triggered() -> None:
    nothing = TriggerDrops(drop=np.full((10, 1), np.nan), barriers=np.array([0.1]))
    haircut(dict.fromkeys(StartLaw, nothing), RiskAppetite(), oracle_step=0.0)


def _thin() -> None:
    recommend_bonus(LiquidationCosts(), ConstantProduct(1e5).slippage, daily_sigma=0.0)


def _toxic() -> None:
    RiskParameters(max_ltv=0.8, liquidation_threshold=0.99, liquidation_bonus=0.05)


def _at_once() -> None:
    RiskParameters(max_ltv=0.8, liquidation_threshold=0.8, liquidation_bonus=0.05)


REFUSED: dict[str, list[Callable[[], None]]] = {
    "DataError": [_wrong_price],
    "InsufficientData": [_short],
    "ConstantSeries": [_still],
    "ModelError": [_pegged, _nothing_triggered],
    "Infeasible": [_thin],
    "ToxicParameters": [_toxic],
    "ParameterError": [_at_once],
}


def test_every_refusal_named_is_one_the_package_makes() -> None:
    assert {one.error.__name__ for one in REFUSALS} == set(REFUSED)
    for one in REFUSALS:
        for refused in REFUSED[one.error.__name__]:
            with pytest.raises(RiskParamsError) as caught:
                refused()
            assert type(caught.value) is one.error
