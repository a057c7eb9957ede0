"""Which texts and times PostgreSQL can hold and Python can read again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from django.core.exceptions import ValidationError

LAST_YEAR: Final = 9998
# How a time is written (RFC 3339), to the microseconds that PostgreSQL keeps. Python reads more:
# weeks and ordinal days, digits of any script, and decimals that it cuts off.
INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
END_OF_TIME: Final = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold a text: JSON can bring a NUL, and a surrogate without its other
    half, which has no UTF-8."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def json_instant(time: datetime) -> str:
    """A time as PostgreSQL writes it into JSON: in UTC, with decimals of a second up to the last
    one that is not 0."""
    text = time.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if time.microsecond else text) + "+00:00"


def storable_id(number: int) -> bool:
    """Whether a number fits into a bigint; a row with another id there can't be."""
    return -(2**63) <= number < 2**63


def require_storable(**texts: str | None) -> None:
    """Raise `ValidationError`, by name, for each text that can't be stored. None is no text."""
    if refused := [name for name, text in texts.items() if not storable(text or "")]:
        message = "A text can't contain a NUL or half a surrogate pair."
        raise ValidationError({name: [message] for name in refused})


def require_instant(**times: datetime | None) -> None:
    """Raise `ValidationError`, by name, for each time without a zone or outside the years 1 to 9998
    in UTC. What is no time at all is left to the field's own check.

    PostgreSQL counts further than Python does: a time of the year 10,000 can be stored, and no
    query that meets its row could be read again.
    """
    errors = {name: _complaint(time) for name, time in times.items() if isinstance(time, datetime)}
    if refused := {name: [complaint] for name, complaint in errors.items() if complaint}:
        raise ValidationError(refused)


def _complaint(time: datetime) -> str | None:
    if time.tzinfo is None or time.utcoffset() is None:
        return "A time needs its zone."
    try:
        in_range = time.astimezone(UTC).year < LAST_YEAR + 1
    except OverflowError:
        in_range = False
    return None if in_range else f"A time lies in the years 1 to {LAST_YEAR}."
