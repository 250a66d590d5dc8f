"""[change]: how far and how fast live parameters may move, and what is worth a vote."""

from __future__ import annotations

from riskparams.parameters.change_control import SpeedLimits
from riskparams.settings.fields import Duration, Section

_LIMITS = SpeedLimits()  # the defaults live with the spec


class ChangeSection(Section):
    """[change]: see `SpeedLimits`; `materiality` is the smallest move worth proposing, in max LTV, threshold or bonus."""

    threshold_fall: float = _LIMITS.threshold_fall
    ramp: Duration = _LIMITS.ramp
    loosening: float = _LIMITS.loosening
    looser_for: Duration = _LIMITS.looser_for
    bonus_step: float = _LIMITS.bonus_step
    min_delay: Duration = _LIMITS.min_delay
    materiality: float = 0.01
    bonus_materiality: float = 0.005

    def build(self) -> SpeedLimits:
        """Return the speed limits; raise `ConfigError` for values they refuse."""
        return SpeedLimits(**self.model_dump(exclude={"materiality", "bonus_materiality"}))

    def worth(self) -> dict[str, float]:
        """Return the smallest move worth proposing, by parameter."""
        return {
            "max_ltv": self.materiality,
            "liquidation_threshold": self.materiality,
            "liquidation_bonus": self.bonus_materiality,
        }
