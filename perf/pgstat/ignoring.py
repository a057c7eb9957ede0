"""Findings that somebody has looked at and does not want to hear of again, for a time.

`PERF_IGNORE` in the settings is a list of `{"check": "IX1", "object": "task_due_idx", "reason": …,
"until": "2027-06-30"}`. An entry without a reason or a date is refused; one that is over, or that
nothing answers to, is a finding itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_MEMBERS: Final = ("check", "object", "reason", "until")


@dataclass(frozen=True, slots=True)
class Ignored:
    """An entry: nothing of that check about that object is told until that day."""

    check: str
    object: str
    reason: str
    until: date

    def is_over(self, today: date) -> bool:
        """Whether its day is past."""
        return today > self.until


def entries() -> list[Ignored]:
    """The entries of the settings. Raises `ImproperlyConfigured` for one that is not whole."""
    found: Sequence[Any] = getattr(settings, "PERF_IGNORE", ())
    return [_entry(number, each) for number, each in enumerate(found, start=1)]


def _entry(number: int, found: Any) -> Ignored:
    told = found if isinstance(found, dict) else {}
    missing = [name for name in _MEMBERS if not told.get(name)]
    unknown = sorted(told.keys() - set(_MEMBERS))
    if missing or unknown:
        amiss = f"lacks {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
        raise ImproperlyConfigured(f"PERF_IGNORE: entry {number} {amiss}.")
    try:
        until = date.fromisoformat(str(told["until"]))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"PERF_IGNORE: entry {number} must end on a day such as 2027-06-30."
        ) from error
    return Ignored(str(told["check"]), str(told["object"]), str(told["reason"]), until)
