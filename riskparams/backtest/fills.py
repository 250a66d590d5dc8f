"""One liquidation of one account, compiled: at a bonus, or at the price of an auction, by whoever it pays.

Accounts are rows of quantities of collateral and of debt, (accounts, assets). Prices are a table whose rows are named below.
"""

from __future__ import annotations

from math import ceil, log, log1p
from typing import NamedTuple

import numpy as np
from numba import njit

from riskparams.backtest.impact import DepthArrays
from riskparams.backtest.kernels import bonus_at, health_factor, repayment, sale_loss
from riskparams.terms import FloatArray

# rows of the price table of a bar; what is owed counts the growth of what was borrowed
MARKET, ORACLE, OWED, WORST, WORST_OWED = range(5)


class RuleNumbers(NamedTuple):
    """`LiquidationRules`, as numbers."""

    execution_bars: int
    target: float
    close_factor: float  # 0: the target rules
    full_close_below: float
    dust: float
    protocol_share: float
    bonus_law: int
    bonus_maximum: float
    health_at_maximum: float
    liquidators: bool  # False: every trigger is acted on, at no cost
    gas: float
    win_probability: float
    oracle_gap: float
    venue_fee: float
    flash_fee: float
    demanded: float  # margin and inventory
    capital: float
    smallest_share: float
    auction: bool
    buffer: float
    cut: float
    step: float  # seconds
    tail: float
    cusp: float
    tip: float
    chip: float
    episode_gap: int  # nanoseconds


class Seen(NamedTuple):
    """An account at some prices."""

    debt: float
    collateral: float
    backing: float  # sum of threshold x value
    wanted: float  # debt at the owner's utilisation


@njit(cache=True, nogil=True)
def seen(
    i: int,
    collateral: FloatArray,
    debt: FloatArray,
    price: FloatArray,
    asset: int,
    owed: int,
    threshold: FloatArray,
    max_ltv: FloatArray,
    row: int,
    own: float,
) -> Seen:
    """Return account i at the prices in rows `asset` and `owed` of the table, under one row of the parameters."""
    owing, value, backing, limit = 0.0, 0.0, 0.0, 0.0
    for a in range(collateral.shape[1]):
        part = collateral[i, a] * price[asset, a]
        owing += debt[i, a] * price[owed, a]
        value += part
        backing += threshold[row, a] * part
        limit += max_ltv[row, a] * part
    return Seen(owing, value, backing, own * limit)


@njit(cache=True, nogil=True)
def largest(quantity: FloatArray, i: int, price: FloatArray, allowed: FloatArray, row: int) -> int:
    """Return the asset of the largest value in row i among those allowed (above 0), else among all; 0 where all are 0."""
    best, at, any_best, any_at = 0.0, -1, 0.0, 0
    for a in range(quantity.shape[1]):
        value = quantity[i, a] * price[a]
        if value > any_best:
            any_best, any_at = value, a
        if allowed[row, a] > 0.0 and value > best:
            best, at = value, a
    return at if at >= 0 else any_at


class Fill(NamedTuple):
    """One liquidation: what is repaid and seized, at the oracle's prices; costs and profit at the market's."""

    acted: bool
    collateral: int
    debt: int
    repaid: float
    seized: float
    fee: float  # to the protocol
    slippage: float
    costs: float  # fees of venues and lenders, gas
    profit: float  # of the liquidator
    sold: float  # value brought to the market
    whole: bool  # nothing is left to do: the rule's amount, or in an auction all that is asked for or there is
    capped: bool  # by what the account holds or owes of these two assets: others may follow


@njit(cache=True, nogil=True, error_model="numpy")
def priced(
    rules: RuleNumbers,
    depth: DepthArrays,
    k: int,
    already: float,  # sold in this bar
    deep: float,
    gas: float,
    paid: float,
    value: float,
) -> tuple[float, float, float, bool]:
    """Return slippage, costs and profit of selling `value` for which `paid` is paid, and whether a liquidator would."""
    before = sale_loss(depth.law[k], depth.number[k], depth.sold[k], depth.slippage[k], deep, already)
    after = sale_loss(depth.law[k], depth.number[k], depth.sold[k], depth.slippage[k], deep, already + value)
    if not after < np.inf:
        return 0.0, 0.0, 0.0, False
    loss = after - before
    if not rules.liquidators:
        return loss, 0.0, value - loss - paid, True
    costs = rules.venue_fee * (value - loss) + rules.flash_fee * paid + gas
    proceeds = (value * (1 - rules.oracle_gap) - loss) * (1 - rules.venue_fee)
    required = paid * (1 + rules.flash_fee + rules.demanded) + gas / rules.win_probability
    return loss, costs, value - loss - paid - costs, proceeds >= required


@njit(cache=True, nogil=True, error_model="numpy")
def offered(
    state: Seen,
    held: float,  # value of the collateral to be seized
    owing: float,  # value of the debt to be repaid
    threshold: float,
    bonus: float,
    seized_gap: float,  # market over oracle price of the collateral
    repaid_gap: float,  # and of the debt
    rules: RuleNumbers,
    gas: float,
) -> tuple[float, float, bool, float]:
    """Return the bonus, the debt a liquidation repays, whether the account and not the rule limits it, the least that pays.

    The least repayment that pays for its gas is that of a market of infinite depth: below it nobody needs to look.
    """
    health = health_factor(state.debt, state.backing)
    loan_to_value = state.debt / state.collateral
    b = bonus_at(rules.bonus_law, bonus, rules.bonus_maximum, rules.health_at_maximum, health, loan_to_value)
    allowed = repayment(state.debt, health, threshold, b, rules.target, rules.close_factor, rules.full_close_below, rules.dust)
    most = min(owing, held / (1 + b))
    wanted = min(allowed, most)
    smallest = rules.smallest_share * wanted
    if rules.liquidators:
        kept = (1 + b * (1 - rules.protocol_share)) * seized_gap * (1 - rules.oracle_gap) * (1 - rules.venue_fee)
        kept -= (1 + rules.flash_fee + rules.demanded) * repaid_gap
        smallest = max(smallest, gas / rules.win_probability / kept * (1 - 1e-9)) if kept > 0.0 else np.inf
    return b, wanted, allowed > most, smallest


@njit(cache=True, nogil=True, error_model="numpy")
def called(
    i: int,
    state: Seen,
    collateral: FloatArray,
    debt: FloatArray,
    price: FloatArray,
    threshold: FloatArray,
    bonus: FloatArray,
    row: int,
    rules: RuleNumbers,
    depth: DepthArrays,
    deep: float,
    gas: float,
    sold: FloatArray,
    capital: float,
) -> Fill:
    """Return the liquidation of an unhealthy account at a bonus, or that nobody would do it."""
    k, j = largest(collateral, i, price[ORACLE], threshold, row), largest(debt, i, price[OWED], price, ORACLE)
    held, owing = collateral[i, k] * price[ORACLE, k], debt[i, j] * price[OWED, j]
    gap, paid_per_unit = price[MARKET, k] / price[ORACLE, k], price[MARKET, j] / price[ORACLE, j]
    b, wanted, limited, smallest = offered(state, held, owing, threshold[row, k], bonus[row, k], gap, paid_per_unit, rules, gas)
    repaid = min(wanted, capital)
    while repaid > 0.0 and repaid >= smallest:
        exhausted = repaid >= held / (1 + b)
        seized = held if exhausted else repaid * (1 + b)
        fee = rules.protocol_share * (seized - repaid)
        value, paid = (seized - fee) * gap, repaid * paid_per_unit
        loss, costs, profit, acts = priced(rules, depth, k, sold[k], deep, gas, paid, value)
        if acts:
            all_of_it = repaid >= wanted
            whole, capped = all_of_it and not limited, all_of_it and limited
            return Fill(True, k, j, repaid, seized, fee, loss, costs, profit, value, whole, capped)
        repaid *= 0.5
    return Fill(False, k, j, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, False, False)


class Auction(NamedTuple):
    """When an auction began, in nanoseconds, and the price it began with."""

    begun: int
    top: float


@njit(cache=True, nogil=True, error_model="numpy")
def auction_step(
    rules: RuleNumbers, auction: Auction, since: int, now: int, oracle: float, worth: float
) -> tuple[int, Auction]:
    """Return the first step whose price is at most `worth` and stands between `since` and `now`; -1 where there is none.

    An auction that runs past its tail, or below its cusp, begins again at the oracle's price; it is returned with the step.
    """
    begun, top, length = auction.begun, auction.top, int(rules.step * 1e9)
    last = int(rules.tail / rules.step)
    if rules.cusp > 0.0:
        last = max(0, min(last, int(log(rules.cusp) / log1p(-rules.cut) + 1e-9)))
    while True:
        number = max(0, (since - begun) // length)
        if worth <= 0.0:
            number = last + 1
        elif top > worth:
            number = max(number, ceil(log(top / worth) / -log1p(-rules.cut) - 1e-12))
        if number <= last:
            return (number if begun + number * length <= now else -1), Auction(begun, top)
        if begun + (last + 1) * length > now:
            return -1, Auction(begun, top)
        begun, top = begun + (last + 1) * length, rules.buffer * oracle


@njit(cache=True, nogil=True, error_model="numpy")
def bid(
    i: int,
    collateral: FloatArray,
    debt: FloatArray,
    price: FloatArray,
    threshold: FloatArray,
    bonus: FloatArray,
    row: int,
    auction: Auction,
    since: int,
    now: int,
    rules: RuleNumbers,
    depth: DepthArrays,
    deep: float,
    gas: float,
    sold: FloatArray,
    capital: float,
) -> tuple[Fill, Auction]:
    """Return what a keeper takes of an auction between `since` and `now`, or that nobody would; and where the auction is.

    It takes the first price at which it profits, and there all that is asked for, or all that capital allows.
    """
    k, j = largest(collateral, i, price[ORACLE], threshold, row), largest(debt, i, price[OWED], price, ORACLE)
    nobody = Fill(False, k, j, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, False, False)
    asked, held = debt[i, j] * price[OWED, j] * (1 + bonus[row, k]), collateral[i, k]
    market, paid_per_unit = price[MARKET, k], price[MARKET, j] / price[ORACLE, j]
    lot = min(held * market, asked)
    loss, _, _, _ = priced(rules, depth, k, sold[k], deep, gas, 0.0, lot)
    worth = 1.0 - loss / lot
    if rules.liquidators:
        worth = (worth - rules.oracle_gap) * (1 - rules.venue_fee) - gas / (rules.win_probability * lot)
        worth /= 1 + rules.flash_fee + rules.demanded
    while True:
        number, auction = auction_step(rules, auction, since, now, price[ORACLE, k], market * worth / paid_per_unit)
        if number < 0:
            return nobody, auction
        asking = auction.top * (1.0 - rules.cut) ** number
        raised = min(min(asked, held * asking), capital)
        if not raised > 0.0:
            return nobody, auction
        exhausted = raised >= held * asking
        quantity = held if exhausted else raised / asking
        repaid, value = raised / (1 + bonus[row, k]), quantity * market
        loss, costs, profit, acts = priced(rules, depth, k, sold[k], deep, gas, raised * paid_per_unit, value)
        if acts and profit >= 0.0:
            seized, fee, whole = quantity * price[ORACLE, k], raised - repaid, exhausted or raised >= asked
            return Fill(True, k, j, repaid, seized, fee, loss, costs, profit, value, whole, False), auction
        since = auction.begun + (number + 1) * int(rules.step * 1e9)
        if since > now:
            return nobody, auction
