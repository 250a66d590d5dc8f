"""riskparams: from price histories to the risk parameters of a lending market, and the backtest that judges them.

The rooms are imported when they are used: `from riskparams.pipeline import run`.
"""

__version__ = "0.2.0"
