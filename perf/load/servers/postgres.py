"""What PostgreSQL counted in the measured part: statements, the database, input and output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from perf.load.results import ServerSide, Share
from perf.pg.redaction import LENGTH, cut
from perf.pgstat import statements
from perf.pgstat.capabilities import Capabilities
from perf.pgstat.deltas import Change, Deltas, Flag
from perf.pgstat.server import Server
from perf.pgstat.statements import Sort, Statement
from perf.pgstat.views import DATABASE, IO, STATEMENT_COUNTS, STATEMENT_INFO, Sample, View, capture

TOP: Final = 20  # statements that are told
_NAMES: Final = {
    Sort.FORGOTTEN: "(its text is forgotten)",
    Sort.HIDDEN: "(statements of other roles: it takes pg_read_all_stats)",
}
_NOTES: Final = {
    Flag.RESET: "counted anew within the run: what came before that is lost",
}
# What is selected may be longer than all the rest, which tells statements apart.
_SELECTED: Final = re.compile(r"\bSELECT (?!…).{60,}? FROM\b")
_FLUSH: Final = "SELECT pg_stat_force_next_flush()"
_MB: Final = 1_000_000


@dataclass(slots=True)
class _Window:
    """Some views at the begin, and what they gained since."""

    server: Server
    can: Capabilities
    views: tuple[View, ...]
    before: Sample | None = None

    def begin(self) -> None:
        self.before = self.sample()

    def deltas(self) -> Deltas:
        return Deltas(self.before, self.sample())

    def sample(self) -> Sample:
        found = {each.name: capture(self.server, each, self.can) for each in self.views}
        known = {name: each for name, each in found.items() if each is not None}
        return Sample(datetime.now(UTC), self.can.started_at, known)


class Statements:
    """The statements of the database by their time in execution, from pg_stat_statements.

    Two statements at the begin and four at the end, of which two read all texts. Raises
    `LookupError` where there is no pg_stat_statements.
    """

    def __init__(self, server: Server, can: Capabilities) -> None:
        if can.statements is None:
            raise LookupError(can.statements_reason)
        self._window = _Window(server, can, (STATEMENT_COUNTS, STATEMENT_INFO))

    def begin(self) -> None:
        self._window.begin()

    def sample(self) -> None:
        pass

    def end(self) -> ServerSide:
        server, deltas = self._window.server, self._window.deltas()
        told = statements.over(deltas, statements.shapes(server))
        found = [each for each in told.found if each.shape.sort is not Sort.OWN and each.time_ms]
        found.sort(key=lambda each: -(each.time_ms or 0))
        texts = statements.texts(server, [each.ids[0] for each in found[:TOP] if each.ids])
        whole_ms = sum(each.time_ms or 0 for each in found)
        shares = [_statement(each, whole_ms, texts) for each in found[:TOP]]
        notes = [f"statements: {each}" for each in (*deltas.window.notes, *_reset(deltas))]
        return ServerSide(statements=tuple(shares), skipped=tuple(notes))


def _reset(deltas: Deltas) -> Iterator[str]:
    change = deltas.change(STATEMENT_INFO)
    if change is not None and change.flag is Flag.RESET:
        yield f"pg_stat_statements was reset at {change['stats_reset']}, within the window."


def _statement(found: Statement, whole_ms: float, texts: dict[int, str]) -> Share:
    time_ms = found.time_ms or 0.0
    return Share(
        name=cut(_name(found, texts), LENGTH),
        share=time_ms / whole_ms,
        count=found.sum("calls") or 0,
        total_ms=time_ms,
        note=", ".join(_NOTES[each] for each in found.flags if each in _NOTES),
    )


def _name(found: Statement, texts: dict[int, str]) -> str:
    sort = found.shape.sort
    if sort is Sort.QUERY and (text := texts.get(found.ids[0])):
        return _without_lists(text)
    return _NAMES.get(sort, found.shape.key)


def _without_lists(text: str) -> str:
    """A statement without long lists of what is selected.

    >>> _without_lists(f"SELECT {'word, ' * 20} FROM (SELECT id FROM task) AS t")
    'SELECT … FROM (SELECT id FROM task) AS t'
    """
    return _SELECTED.sub("SELECT … FROM", text)


class Counters:
    """What pg_stat_database and pg_stat_io gained; the latter is of the whole server, from 16 on.

    The observer's own transactions are not in `xact_commit`. Three statements at each end.
    """

    def __init__(self, server: Server, can: Capabilities) -> None:
        self._window, self._asked = _Window(server, can, (DATABASE, IO)), 0

    def begin(self) -> None:
        self._window.server.rows(_FLUSH)
        self._asked = self._window.server.asked
        self._window.begin()

    def sample(self) -> None:
        pass

    def end(self) -> ServerSide:
        server = self._window.server
        server.rows(_FLUSH)
        own = server.asked - self._asked
        deltas = self._window.deltas()
        notes = [f"database: {each}" for each in deltas.window.notes]
        if IO.name not in deltas.after.views:
            notes.append("io: PostgreSQL counts this from version 16 on.")
        counts = _database(deltas.change(DATABASE), own)
        if not counts.get("xact_commit"):
            notes.append(f"database: Nobody but the observer has used {server.database}.")
        return ServerSide(
            database=counts,
            io=tuple(_io(deltas.changes(IO))),
            skipped=tuple(notes),
        )


def _database(change: Change | None, own: int) -> dict[str, float]:
    if change is None:
        return {}
    _, counters = DATABASE.kinds([*change.values])
    found = {name: change.get(name) for name in counters}
    counts = {name: float(value) for name, value in found.items() if value is not None}
    return counts | {"xact_commit": max(counts["xact_commit"] - own, 0.0)}


def _io(changes: list[Change]) -> list[Share]:
    """Shares of the bytes that were moved."""
    moved = [(each, _bytes(each, "read"), _bytes(each, "write", "extend")) for each in changes]
    whole = sum(read + written for _, read, written in moved)
    found = [_moved(*each, whole) for each in moved if each[1] + each[2]]
    return sorted(found, key=lambda each: -each.share)


def _moved(change: Change, read: int, written: int, whole: int) -> Share:
    return Share(
        name=f"{change['backend_type']}: {change['object']}, {change['context']}",
        share=(read + written) / whole,
        count=_sum(change, "reads", "writes", "extends"),
        total_ms=float(_sum(change, "read_time", "write_time", "extend_time", "fsync_time")),
        note=f"{read / _MB:.1f} MB read, {written / _MB:.1f} MB written",
    )


def _bytes(change: Change, *kinds: str) -> int:
    """Counted from 18 on; before that each is of `op_bytes`."""
    if "read_bytes" in change.values:
        return int(_sum(change, *(f"{kind}_bytes" for kind in kinds)))
    return int(_sum(change, *(f"{kind}s" for kind in kinds)) * (change.get("op_bytes") or 0))


def _sum(change: Change, *names: str) -> Any:
    return sum(change.get(name) or 0 for name in names)
