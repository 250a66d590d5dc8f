"""What a study assumes, in words: every value is a choice that a reader may dispute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from riskparams.proposals.tables import Table
from riskparams.proposals.words import date, iso_span, level, money, span

Document = Mapping[str, Any]


def assumptions(data: Document) -> list[Table]:
    """Return the assumptions of a study, one table per subject; what the evidence does not hold is left out."""
    stated, numeraire = data["assumptions"], data["study"]["numeraire"]

    def amount(value: Any) -> str:
        return money(value, numeraire)

    tables = []
    for subject, fields in _FIELDS.items():
        values = stated.get(subject) or {}
        rows = [
            (label, amount(values[key]) if write is money else write(values[key]))
            for key, (label, write) in fields.items()
            if values.get(key) is not None
        ]
        if rows:
            tables.append(Table(caption=_SUBJECTS[subject], head=("Assumption", "Value"), rows=tuple(rows)))
    steps = tuple((pair, level(step)) for pair, step in (stated.get("oracle_deviation") or {}).items())
    if steps:
        tables.insert(1, Table(caption="Oracle step: a position can be this far past its threshold when it is triggered",
                               head=("Pair", "Step"), rows=steps))  # fmt: skip
    return tables


def _multiples(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _names(values: list[str]) -> str:
    return ", ".join(values) or "none"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _plain(value: Any) -> str:
    return f"{value:,g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _named(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in values.items())


_SUBJECTS = {
    "appetite": "Risk appetite",
    "execution": "Execution costs of a liquidator",
    "borrowers": "Borrowers of the backtest",
    "rules": "Liquidation rules of the backtest",
    "backtest": "Walk-forward",
}
_FIELDS: dict[str, dict[str, tuple[str, Callable[..., str]]]] = {
    "appetite": {
        "haircut_level": ("Level of the haircut", level),
        "shortfall_level": ("Level of the expected shortfall printed beside it", level),
        "liquidation_horizon_seconds": ("From trigger to execution", span),
        "touch_probability": ("Chance that a loan opened at max LTV reaches its threshold", level),
        "touch_horizon_hours": ("... within", lambda hours: span(3_600 * hours)),
        "follow_days": ("A simulated position is followed for", lambda days: span(86_400 * days)),
        "barrier_multiples": ("Distances to the threshold, in touch moves", _multiples),
        "stress_weight": ("Weight of the stressed start law", level),
        "scenarios": ("Named windows that the stress weight looks at too", _names),
        "cycle_floor": ("Never below the through-the-cycle law", _yes),
        "buffer": ("Buffer on today's drop, released as it rises", level),
        "parameter_uncertainty": ("Each path under a draw of its tail", _yes),
        "conformal": ("Recent misses multiply the drop", _yes),
        "annual_loss": ("Bound on the mean of the worst 1 % of annual losses, of the pair's debt", level),
        "liquidation_rate": ("Bound on liquidations of a position-year", _plain),
        "branching": ("Bound on what one liquidation may set off", _plain),
    },
    "execution": {
        "oracle_gap": ("Market below the oracle when the collateral is sold", level),
        "venue_fee": ("Venue fee", level),
        "flash_fee": ("Flash-loan fee", level),
        "margin": ("Profit demanded", level),
        "inventory_seconds": ("Collateral held for", span),
        "inventory_sigmas": ("Charge for holding it, in standard deviations", _plain),
        "gas": ("Cost of one attempt", money),
        "win_probability": ("Chance that an attempt succeeds", level),
        "spread": ("Bid-ask spread", level),
        "protocol_share": ("Share of the bonus kept by the protocol", level),
        "volume_share": ("Share of the volume in the prices that counts", level),
        "volume_stress": ("Volume left in stress", level),
        "pareto": ("Tail exponent of position sizes", _plain),
        "smallest": ("Smallest position", money),
        "largest": ("Largest position", money),
        "size_quantile": ("The bonus serves positions up to the size that holds this share of all debt", level),
        "gas_share": ("... and down to the size at which gas is this share of the debt", level),
        "safety": ("Safety factor on the required bonus", _plain),
    },
    "borrowers": {
        "full_utilisation_share": ("Accounts that borrow all they may", level),
        "health_median": ("Median health factor the others aim at", _plain),
        "health_log_sd": ("Its standard deviation, in logs", _plain),
        "reopen_after": ("A closed account opens again after", span),
        "top_up_below": ("Top-up below a health factor of", _plain),
        "top_up_hazard": ("Top-up rate, per hour", _plain),
        "top_up_success": ("Top-ups that succeed", level),
        "relever_above": ("Borrows again above a health factor of", _plain),
        "relever_hazard": ("Rate of borrowing again, per hour", _plain),
        "size_tail": ("Tail exponent of account sizes", _plain),
        "smallest_size": ("Smallest account", money),
        "largest_size": ("Largest account", money),
    },
    "rules": {
        "target_health": ("A liquidation restores a health factor of", _plain),
        "close_factor": ("In place of that, it repays this share of the debt", level),
        "full_close_below": ("Full close allowed below a health factor of", _plain),
        "dust": ("Full close when less debt would be left than", _plain),
        "bonus": ("Bonus law, above the market's own bonus", _named),
        "auction": ("Dutch auction in place of a bonus", _named),
        "execution_bars": ("Bars from trigger to execution", _plain),
        "liquidators": ("Liquidators", str),
        "impact": ("Impact of liquidations on later prices", str),
        "intrabar": ("Intrabar reading of the main tables", str),
        "protocol_share": ("Share of the bonus kept by the protocol", level),
    },
    "backtest": {
        "start": ("Start", date),
        "end": ("Last day", date),
        "refit": ("Refitted every", iso_span),
        "ttc_refresh": ("Slow start laws renewed every", iso_span),
        "paths": ("Simulated paths at each refit", _plain),
        "accounts": ("Accounts", _plain),
        "draws": ("Bootstrap draws", _plain),
    },
}  # fmt: skip
