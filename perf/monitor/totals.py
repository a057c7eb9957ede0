"""What all requests of a process asked, added up, and where other processes can read it.

A number of keys is kept, those that took most time; what is beyond is added to `other`. Each
process writes its totals into a file of its own, at most every WRITE_S seconds and when it ends, by
the thread of a request that has been answered. `gathered` adds the files up. A process that is
killed loses what it had not yet written.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from perf.monitor import identifiers, kept_plans
from perf.monitor.callsites import Place, shown
from perf.monitor.recording import Group, Recording
from perf.monitor.shapes import Shape

logger: Final = logging.getLogger("perf.monitor")

SCHEMA: Final = "perf.monitor/1"
KEYS_MAX: Final = 2_000  # routes with a shape and a place
ROUTES_MAX: Final = 1_000
FILES_MAX: Final = 64  # of processes; the oldest go first
FILE_DAYS: Final = 7
OTHER: Final = "other"


@dataclass(slots=True)
class Entry:
    """Statements of one shape from one place in requests of one route."""

    shape: Shape | None
    calls: int = 0
    total_ns: int = 0
    max_ns: int = 0
    rows: int | None = None
    failures: int = 0
    repeats: int = 0  # requests in which it was repeated
    advice: str = ""

    def add(self, more: Group | Entry) -> None:
        self.calls += more.calls
        self.total_ns += more.total_ns
        self.failures += more.failures
        if more.max_ns > self.max_ns:
            self.max_ns = more.max_ns
        if more.rows is not None:
            self.rows = (self.rows or 0) + more.rows

    def note_repeat(self, group: Group) -> None:
        self.repeats += 1
        if group.advice and group.advice.says:
            self.advice = group.advice.says

    def values(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "total_ms": round(self.total_ns / 1e6, 3),
            "max_ms": round(self.max_ns / 1e6, 3),
            "rows": self.rows,
            "failures": self.failures,
            "repeats": self.repeats,
            "advice": self.advice,
        }


@dataclass(slots=True)
class Route:
    """Requests of one route."""

    requests: int = 0
    statements: int = 0
    total_ns: int = 0
    max_statements: int = 0
    over_budget: int = 0


@dataclass(slots=True)
class Totals:
    """The totals of this process."""

    routes: dict[str, Route] = field(default_factory=dict)
    entries: dict[tuple[str, str, Place | None], Entry] = field(default_factory=dict)
    other: Entry = field(default_factory=lambda: Entry(None))
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _lock: Any = field(default_factory=threading.Lock)
    _written: float = field(default_factory=time.monotonic)
    _changed: bool = False

    def add(self, route: str, recording: Recording, *, over_budget: bool = False) -> None:
        """Take in a request that has been answered."""
        with self._lock:
            self._changed = True
            if route not in self.routes and len(self.routes) >= ROUTES_MAX:
                route = OTHER
            found = self.routes.get(route)
            if found is None:
                found = self.routes[route] = Route()
            found.requests += 1
            found.statements += recording.statements
            found.total_ns += recording.total_ns
            found.over_budget += over_budget
            if recording.statements > found.max_statements:
                found.max_statements = recording.statements
            for group in recording.groups.values():
                self._entry(route, group).add(group)
            for group in recording.repeated:
                self._entry(route, group).note_repeat(group)

    def _entry(self, route: str, group: Group) -> Entry:
        key = route, group.shape.digest, group.place
        entry = self.entries.get(key)
        if entry is None:
            if len(self.entries) >= KEYS_MAX:
                self._make_room()
            entry = self.entries[key] = Entry(group.shape)
        return entry

    def _make_room(self) -> None:
        """Add the half that took least time to `other`."""
        cheap = sorted(self.entries, key=lambda key: self.entries[key].total_ns)[: KEYS_MAX // 2]
        for key in cheap:
            self.other.add(self.entries.pop(key))

    def forget(self) -> None:
        """Begin anew, as a process does that was forked."""
        with self._lock:
            self.routes.clear()
            self.entries.clear()
            self.other = Entry(None)
            self.began = datetime.now(UTC)
            self._changed = False

    def document(self) -> dict[str, Any]:
        """The totals as values that JSON can hold."""
        with self._lock:
            shapes = {each.shape.digest: each.shape for each in self.entries.values() if each.shape}
            return {
                "schema": SCHEMA,
                "pid": os.getpid(),
                "began": self.began.isoformat(),
                "written": datetime.now(UTC).isoformat(),
                "routes": [_of_route(*each) for each in self.routes.items()],
                "statements": [
                    {"route": route, "shape": digest, "place": shown(place), **entry.values()}
                    for (route, digest, place), entry in self.entries.items()
                ],
                "other": self.other.values(),
                "shapes": {digest: _of_shape(each) for digest, each in shapes.items()},
            }

    def is_due(self, seconds: float) -> bool:
        """Whether there is something to write, and it is so long since that was done."""
        return self._changed and time.monotonic() - self._written >= seconds

    def write(self, folder: Path) -> None:
        """Write this process's file, at once or not at all. Raises nothing."""
        self._written, self._changed = time.monotonic(), False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{os.getpid()}-{self.began:%Y%m%dT%H%M%S}.json"
            unfinished = path.with_suffix(f".{threading.get_ident()}.tmp")
            unfinished.write_text(json.dumps(self.document()), encoding="utf-8")
            unfinished.replace(path)
            _remove_old(folder)
        except OSError:
            logger.debug("The totals could not be written.", exc_info=True)


def _of_route(name: str, route: Route) -> dict[str, Any]:
    return {
        "route": name,
        "requests": route.requests,
        "statements": route.statements,
        "max_statements": route.max_statements,
        "total_ms": round(route.total_ns / 1e6, 3),
        "over_budget": route.over_budget,
    }


def _of_shape(shape: Shape) -> dict[str, Any]:
    return {
        "says": shape.says,
        "text": shape.text,
        "identifiers": list(identifiers.of(shape.digest)),
        "plans": kept_plans.of(shape.digest),
    }


def _remove_old(folder: Path) -> None:
    ages = {}
    for path in folder.glob("*.*"):
        with suppress(OSError):
            ages[path] = time.time() - path.stat().st_mtime
    kept = sorted((path for path in ages if path.suffix == ".json"), key=lambda path: ages[path])
    old = {path for path, age in ages.items() if age > FILE_DAYS * 86_400}
    for path in old.union(kept[FILES_MAX:]):
        with suppress(OSError):
            path.unlink()


process: Final = Totals()


def _begin_in_child() -> None:
    # A thread may have held the lock, which is not there any more to let it go.
    process._lock = threading.Lock()
    process.forget()


os.register_at_fork(after_in_child=_begin_in_child)


def totals() -> dict[str, Any]:
    """The totals of this process."""
    return process.document()


def gathered(folder: Path) -> dict[str, Any]:
    """The totals of all processes whose files are in a folder, as `Totals.document` has them, with
    `processes` in the place of `pid`. A file that is none is passed by."""
    return merged(list(_documents(folder)))


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        with suppress(OSError, ValueError):
            found = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(found, dict) and found.get("schema") == SCHEMA:
                yield found


def merged(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """One document of several."""
    shapes: dict[str, Any] = {}
    for each in (pair for found in documents for pair in found["shapes"].items()):
        known = shapes.setdefault(each[0], {**each[1], "identifiers": [], "plans": []})
        new = (number for number in each[1]["identifiers"] if number not in known["identifiers"])
        known["identifiers"].extend(new)
        known["plans"] = kept_plans.joined([*known["plans"], *each[1].get("plans", ())])
    others = _summed((found["other"] for found in documents), ())
    return {
        "schema": SCHEMA,
        "processes": len(documents),
        "began": min((found["began"] for found in documents), default=None),
        "written": max((found["written"] for found in documents), default=None),
        "routes": _summed((row for found in documents for row in found["routes"]), ("route",)),
        "statements": _summed(
            (row for found in documents for row in found["statements"]),
            ("route", "shape", "place"),
        ),
        "other": others[0] if others else Entry(None).values(),
        "shapes": shapes,
    }


def _summed(rows: Iterable[dict[str, Any]], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows with equal keys as one: sums, of what begins with max_ the greatest, of texts the last
    that is not empty. What is unknown adds nothing."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        known = found.setdefault(tuple(row[key] for key in keys), dict.fromkeys(row))
        for name, value in row.items():
            known[name] = _joined(name, known[name], value)
    return list(found.values())


def _joined(name: str, before: Any, value: Any) -> Any:
    if before is None or value is None:
        return value if before is None else before
    if isinstance(value, str):
        return value or before
    return max(before, value) if name.startswith("max_") else round(before + value, 3)
