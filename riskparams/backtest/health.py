"""The health of accounts that hold and owe several assets, many at once."""

from __future__ import annotations

import numpy as np

from riskparams.errors import DataError, ParameterError, RiskParamsError
from riskparams.terms import BoolArray, FloatArray


def health_factors(collateral: FloatArray, debt: FloatArray, prices: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Return each account's health factor: its collateral at liquidation thresholds, over its debt.

    `collateral` and `debt` are amounts, of shape (accounts, assets); `prices` and the liquidation `thresholds` have shape
    (assets,), or (accounts, assets) where accounts were seen at different times. Below 1 an account is liquidatable. It
    is infinite without debt, and 0 where debt is all that is left. An asset that an account neither holds nor owes
    needs no price, and one that does not count as collateral has threshold 0. With one asset a side this is
    `kernels.health_factor`. Raises `DataError` for a balance that is negative or not finite and for a missing price,
    `ParameterError` for a threshold outside [0, 1], naming the account and the asset by their row and column.

        HF = sum_k theta_k C_k P_k / sum_k D_k P_k          Aave V2, GenericLogic.calculateHealthFactorFromBalances

    >>> collateral = np.array([[10.0, 0.0], [0.0, 1_000.0]])  # 10 ETH; 1000 USDC
    >>> debt = np.array([[0.0, 16_500.0], [0.0, 0.0]])
    >>> health_factors(collateral, debt, prices=np.array([2_000.0, 1.0]), thresholds=np.array([0.825, 0.85]))
    array([ 1., inf])
    """
    if collateral.ndim != 2 or collateral.shape != debt.shape:
        raise DataError(
            f"collateral has shape {collateral.shape}, debt {debt.shape}: expected one row per account and one column per asset"
        )
    for name, values in (("prices", prices), ("thresholds", thresholds)):
        if values.shape not in (collateral.shape, collateral.shape[1:]):
            raise DataError(f"{name} have shape {values.shape}: expected {collateral.shape[1:]} or {collateral.shape}")
    for name, values in (("collateral", collateral), ("debt", debt)):
        _refuse(name, values, ~(np.isfinite(values) & (values >= 0)), "a finite amount, 0 or more", DataError)
    used = (collateral > 0) | (debt > 0)
    price, threshold = np.broadcast_to(prices, used.shape), np.broadcast_to(thresholds, used.shape)
    no_price = used & ~(np.isfinite(price) & (price > 0))
    _refuse("price", price, no_price, "a finite price above 0, for the account holds or owes it", DataError)
    _refuse("liquidation threshold", threshold, ~((threshold >= 0) & (threshold <= 1)), "a share from 0 to 1", ParameterError)

    price = np.where(used, price, 0.0)
    backing, owed = (threshold * (collateral * price)).sum(axis=1), (debt * price).sum(axis=1)
    health: FloatArray = np.divide(backing, owed, out=np.full(len(owed), np.inf), where=owed > 0)
    return health


def _refuse(name: str, values: FloatArray, wrong: BoolArray, expected: str, error: type[RiskParamsError]) -> None:
    """Raise for the first value that is wrong."""
    if wrong.any():
        account, asset = np.argwhere(wrong)[0]
        raise error(f"account {account}, asset {asset}: {name} is {values[account, asset]:g}: expected {expected}")
