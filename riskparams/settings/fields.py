"""What the sections of a study share: durations, moments and the refusal of unknown keys."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from riskparams.terms import parse_duration


def parse_moment(value: object) -> datetime:
    """Return a date or time as UTC; a date is its midnight. Raise `ValueError` for a time without a zone.

    >>> parse_moment("2024-06-01").isoformat()
    '2024-06-01T00:00:00+00:00'
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a date: write 2024-06-01 or 2024-06-01T00:00:00Z") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no timezone: write it as 2024-06-01T00:00:00Z")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError(f"{value!r} is not a date: write 2024-06-01")


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Moment = Annotated[datetime, BeforeValidator(parse_moment)]


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("expected a duration above 0")
    return value


Span = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_positive)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A table of a study: what it does not know is an error, and it does not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
