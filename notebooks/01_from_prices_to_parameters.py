# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From prices to parameters
#
# One pair through the rooms of `riskparams`, in the order of the argument: prices, returns, volatility, tail, paths,
# haircut, parameters, backtest. The prices are **SIMULATED**: an invented market that ships with the package, so that
# anybody can run this page without a file or a network. Nothing in it is advice.
#
# Open it in JupyterLab as a notebook (it is paired with a plain Python file), change the cell below, and run it again.

# %% tags=["parameters"]
collateral = "BRAVO"
reference = "ALPHA"  # fills back shorter histories
paths = 20_000
seed = 20240601

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from riskparams.parameters.appetite import RiskAppetite
from riskparams.parameters.haircut import haircut
from riskparams.parameters.penalty import LiquidationCosts
from riskparams.parameters.policy import PairPolicy, PairTask
from riskparams.paths.model import ModelSpec, fit_path_model
from riskparams.paths.simulate import StartLaw, path_law, simulate_paths, streams
from riskparams.paths.trigger import TriggerSpec, deepest_moves, simulate_drops
from riskparams.prices.quality import assess
from riskparams.prices.sample import simulated_market
from riskparams.returns import hour_factor, log_returns
from riskparams.terms import Asset, Pair
from riskparams.volatility.ladder import filter_state

plt.rcParams.update({"figure.figsize": (10, 4), "axes.grid": True, "grid.alpha": 0.3})
USD = Asset("USD")
pair, lender = Pair(Asset(collateral), USD), Pair(Asset(reference), USD)

# %% [markdown]
# ## Prices
# A `PricePanel` holds one asset's candles beside another's, stamped by bar close, in UTC. The quality report says what was
# found and what was left out.

# %%
panel = simulated_market()
quality = assess(panel[pair.collateral], pair.collateral, bar=panel.bar)
print(f"{quality.bars:,} bars, {quality.missing} missing, {quality.unusable} left out, {len(quality.wicks)} wicks flagged")
panel.frame("close")[collateral].plot(logy=True, title=f"{pair}, SIMULATED", ylabel="USD")

# %% [markdown]
# ## Returns
# Hourly returns are larger in busy hours. The factor of hour and weekday is divided out before a model
# sees them and multiplied back in when paths are simulated.

# %%
returns = log_returns(panel, pair)
factor = hour_factor(returns)
pd.Series(factor).plot(drawstyle="steps-mid", title="Hour-of-week factor (0 is the hour that ends Thursday 00:00 UTC)")

# %% [markdown]
# ## Volatility and tail
# GJR-GARCH with Student-t innovations, variance-targeted, fitted to the last two years; then a generalised Pareto law on the
# largest standardised losses.

# %%
model = fit_path_model(panel, pair, lender, ModelSpec())
garch, tail = model.fit.garch, model.history_tail
print(f"{garch.spec.name}: alpha {garch.alpha:.3f}, gamma {garch.gamma:.3f}, beta {garch.beta:.3f}, nu {garch.nu:.2f}")
print(
    f"tail beyond {tail.tail_threshold:.2f} sigmas: shape {tail.shape:.2f}, scale {tail.scale:.2f}, {tail.exceedances} losses"
)
state = filter_state(returns, model.fit)
hours_a_year = 365.25 * 24
sigma = pd.Series(np.sqrt(state.sigma2 * hours_a_year), index=pd.to_datetime(returns.time, unit="ns", utc=True))
sigma.plot(linewidth=0.5, title="Filtered volatility, annualised", ylabel="fraction")

# %%
losses = np.sort(-model.history.z)[::-1][:500]
beyond = (np.arange(1, 501) - 0.5) / len(model.history.z)
plt.loglog(losses, beyond, ".", markersize=3, label="residual losses")
plt.loglog([tail.quantile(1 - p) for p in beyond], beyond, label="fitted tail")
plt.xlabel("loss, in sigmas")
plt.ylabel("share of hours with a larger loss")
plt.title("The tail, 500 largest losses")
plt.legend()

# %% [markdown]
# ## Paths and triggers
# Paths start from today's state (`pit`), from any state of the history (`ttc`), or from its worst hundredth (`str`). A barrier
# is touched by a low; one hour later the collateral is sold. The drop between the two is what a haircut must cover.

# %%
fan = simulate_paths(model, law=StartLaw.TTC, bars=168, paths=paths, streams=streams(seed, StartLaw.TTC, str(pair)))
levels = np.quantile(np.exp(fan.close), [0.005, 0.05, 0.5, 0.95, 0.995], axis=0)
plt.plot(levels.T)
plt.title("A week of simulated prices over today's, through the cycle: 0.5, 5, 50, 95 and 99.5 %")
plt.xlabel("hours")

# %%
appetite = RiskAppetite()
keys = {law: streams(seed, law, str(pair)) for law in StartLaw}
falls = deepest_moves(path_law(model, StartLaw.TTC, bars=24, paths=paths, streams=keys[StartLaw.TTC]))
move = float(np.quantile(falls, 1 - appetite.touch_probability))
barriers = move * np.array(appetite.barrier_multiples)
spec = TriggerSpec(follow=168, wait=appetite.liquidation_horizon.bars(panel.bar), paths=paths, level=appetite.haircut_level)
bars = spec.follow + spec.wait
drops = {
    law: simulate_drops(lambda n, law=law: path_law(model, law, bars=bars, paths=n, streams=keys[law]), barriers, spec)
    for law in StartLaw
}
for law, found in drops.items():
    plt.hist(found.drop[~np.isnan(found.drop)], bins=200, range=(-0.1, 0.2), density=True, histtype="step", label=str(law))
plt.yscale("log")
plt.xlabel("drop from trigger to execution (negative: the price recovered)")
plt.title("What happens in the hour after a trigger")
plt.legend()

# %% [markdown]
# ## Haircut
# Its parts add up to it, each in points.

# %%
cut = haircut(drops, appetite, oracle_step=0.005)
parts = pd.Series({name: 100 * value for name, value in cut.components.items()}, name="points")
print(f"haircut {cut.value:.2%} +- {2 * cut.error:.2%} (two Monte-Carlo errors), set by the {cut.binding}")
parts.to_frame().round(3)

# %% [markdown]
# ## Parameters
# The policy does all of the above and solves threshold x (1 + bonus) <= 1 - haircut. By hand, from the haircut it prints:

# %%
task = PairTask(
    pair=pair,
    reference=lender,
    model=ModelSpec(),
    appetite=appetite,
    costs=LiquidationCosts(),
    oracle_step=0.005,
    paths=paths,
    seed=seed,
)
recommendation = PairPolicy(task)(panel)
terms = recommendation.parameters
print(f"haircut               {recommendation.haircut.value:.4f}")
print(f"liquidation bonus     {terms.liquidation_bonus:.3f}")
print(f"(1 - h) / (1 + b)     {(1 - recommendation.haircut.value) / (1 + terms.liquidation_bonus):.4f}")
print(f"liquidation threshold {terms.liquidation_threshold:.3f}  (rounded down to half a point)")
print(f"max LTV               {terms.max_ltv:.3f}  (one touch move of {recommendation.touch.move:.3f} in logs lower)")
assert terms.liquidation_threshold * (1 + terms.liquidation_bonus) <= 1 - recommendation.haircut.value

# %% [markdown]
# The whole study, with its walk-forward backtest and report, is one command: `riskparams run STUDY`.
