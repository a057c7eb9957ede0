"""Which endpoints and lines of the application a statement comes from.

The monitor asks PostgreSQL for the query identifier of each shape that it meets, so that an entry
of pg_stat_statements is tied to code exactly, and not by its text. What no request has sent that
was monitored, such as of a command, another program or a migration, has no origin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from perf.monitor.options import options
from perf.monitor.totals import gathered

SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """A route and a line, and what was sent from there since the processes began."""

    route: str
    place: str
    calls: int
    total_ms: float
    advice: str = ""

    def __str__(self) -> str:
        said = f"{self.route}, {self.place}: {self.calls:,} calls, {self.total_ms:,.1f} ms"
        return f"{said}; {self.advice}" if self.advice else said


@dataclass(frozen=True, slots=True)
class Origins:
    """What all monitored processes have left; `since` is None where there is nothing."""

    since: str | None
    by_id: Mapping[int, list[Origin]]

    def of(self, ids: Iterable[int]) -> list[Origin]:
        """The origins of a statement that has these identifiers, the most time first."""
        found = dict.fromkeys(origin for each in ids for origin in self.by_id.get(each, ()))
        return sorted(found, key=lambda origin: -origin.total_ms)


def origins() -> Origins:
    """Read what the processes have left. No statement."""
    folder = options().folder
    found = gathered(folder) if folder else {"shapes": {}, "statements": [], "began": None}
    by_id: dict[int, list[Origin]] = {}
    for row in found["statements"]:
        for number in found["shapes"].get(row["shape"], {}).get("identifiers", ()):
            by_id.setdefault(int(number), []).append(_origin(row))
    return Origins(found["began"], by_id)


def _origin(row: Mapping[str, Any]) -> Origin:
    return Origin(
        route=row["route"],
        place=row["place"] or "a line that is not known",
        calls=row["calls"],
        total_ms=row["total_ms"],
        advice=row["advice"] or "",
    )
