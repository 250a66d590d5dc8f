"""The errors a caller may have to act on; each names its exit code.

    RiskParamsError            1
    ├── ConfigError            2   a study, option or output folder that cannot be used
    │   └── ParameterError     2   risk parameters that contradict themselves
    ├── DataError              3   prices that are missing, malformed or contradictory
    │   ├── InsufficientData   3   too short a history for the model that was asked for
    │   └── ConstantSeries     3   a price that never moves
    ├── ModelError             4   no model passed, and no fallback is allowed
    └── GuardrailError         5   a result that must not be published
        ├── Infeasible         5   no parameters satisfy the constraints
        └── ToxicParameters    5   threshold x (1 + bonus) reaches 1 - haircut

A message says what was seen, where, what was expected and what to do.
"""


class RiskParamsError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1


class ConfigError(RiskParamsError):
    """A study, an option or an output folder that cannot be used."""

    exit_code = 2


class ParameterError(ConfigError):
    """Risk parameters that contradict themselves."""


class DataError(RiskParamsError):
    """Prices that are missing, malformed or contradict themselves."""

    exit_code = 3


class InsufficientData(DataError):
    """A history too short for the model that was asked for."""


class ConstantSeries(DataError):
    """A price that never moves."""


class ModelError(RiskParamsError):
    """No model passed its acceptance rules, and no fallback is allowed."""

    exit_code = 4


class GuardrailError(RiskParamsError):
    """A result that must not be published."""

    exit_code = 5


class Infeasible(GuardrailError):
    """No parameters satisfy the constraints."""


REFUSALS = (InsufficientData, ModelError, Infeasible)
"""What ends the recommendation of one pair and not that of the others: no data, no model, nothing feasible."""


class ToxicParameters(GuardrailError):
    """Threshold x (1 + bonus) leaves less than the haircut: liquidating would worsen a position."""
