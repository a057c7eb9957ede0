"""What the statements of a block of code do: count, time, rows, shapes, and where they come from.

One execute wrapper stands on each connection, and looks up one context variable while nothing is
recorded. It is the outermost one: the time of others is in the time of a statement. A recording
holds a group for each shape and place, not a record for each statement, and so does not grow with
what it sees. It may be shared by threads that run in copies of its context.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

from django.db import connections
from django.db.backends.signals import connection_created

from perf.monitor.callsites import Place, awaited_site, call_site, shown
from perf.monitor.repeats import Advice, advice_of
from perf.monitor.shapes import Shape, Text, text_of

logger: Final = logging.getLogger("perf.monitor")

GROUPS_MAX: Final = 1_000  # of a recording
SAMPLES_MAX: Final = 20  # statements of a recording that are looked at when it has ended
VALUES_MAX: Final = 1_000  # distinct values of a group that are told apart
KEPT_MAX: Final = 10_000  # statements of a recording that keeps them
REPEATS: Final = 3  # from which on a group is repeated, unless one says otherwise
_EXPLAINABLE: Final = frozenset({"select", "with", "values", "insert", "update", "delete", "merge"})


@dataclass(frozen=True, slots=True)
class Ran:
    """One statement. `rows` is None where the cursor does not tell."""

    shape: Shape
    place: Place | None
    alias: str
    ms: float
    rows: int | None
    failed: bool
    sql: str = field(repr=False)
    params: Any = field(repr=False)
    context: contextvars.Context | None = field(default=None, repr=False)

    def __str__(self) -> str:
        rows = "rows unknown" if self.rows is None else f"{self.rows} rows"
        return f"{self.shape.says}, {rows}, {shown(self.place)}\n    {self.shape.text}"


@dataclass(slots=True)
class Sample:
    """A statement with all that is needed to ask for its plan afterwards: in the context that it
    ran in, and so in its tenant, by the cursor's own way if that is none of Django's."""

    text: Text
    ran: Ran
    connection: Any
    cursor: Any
    context: contextvars.Context
    is_slow: bool


@dataclass(slots=True)
class Group:
    """Statements of one shape from one place."""

    shape: Shape
    place: Place | None
    alias: str
    calls: int = 0
    total_ns: int = 0
    max_ns: int = 0
    rows: int | None = None  # of those that tell; None while none has told
    failures: int = 0
    advice: Advice | None = None
    _first: Any = None
    _values: set[int] = field(default_factory=set)

    @property
    def distinct(self) -> int:
        """How many different values it came with, up to `VALUES_MAX`."""
        return len(self._values) or min(self.calls, 1)

    @property
    def total_ms(self) -> float:
        return self.total_ns / 1e6

    def add(self, took_ns: int, rows: int | None, params: Any, failed: bool) -> None:
        self.calls += 1
        self.total_ns += took_ns
        self.failures += failed
        if took_ns > self.max_ns:
            self.max_ns = took_ns
        if rows is not None:
            self.rows = rows if self.rows is None else self.rows + rows
        if self.calls == 1:
            self._first = params  # hashed only if another one comes
            return
        if self.calls == 2:
            self._values.add(_hash(self._first, 0))
            self._first = None
        if len(self._values) < VALUES_MAX:
            self._values.add(_hash(params, self.calls))


def _hash(params: Any, number: int) -> int:
    """A number for values that is the same for equal ones. What can't be hashed counts as distinct
    from all others."""
    try:
        return hash(tuple(params.items()) if isinstance(params, dict) else tuple(params or ()))
    except Exception:  # whatever a value of the application's own does
        return -1 - number


class Recording:
    """What has run in a block, its threads and tasks. Times are those of statements, with what
    psycopg does about them; neither BEGIN and COMMIT nor a wait for a connection is in them.

    With `slow_ms` statements that take as long are sampled; with `explains` also those whose
    identifier is not known yet. With `keeps` each statement is kept, in order, up to `KEPT_MAX`.
    """

    def __init__(
        self,
        *,
        slow_ms: float | None = None,
        repeats: int = REPEATS,
        explains: bool = False,
        keeps: bool = False,
        outer: Recording | None = None,
    ) -> None:
        self.statements = 0
        self.total_ns = 0
        self.failures = 0
        self.most_calls = 0  # of one group
        self.groups: dict[tuple[str, Place | None, str], Group] = {}
        self.samples: list[Sample] = []
        self.kept: list[Ran] = []
        self.outer = outer
        self.task: asyncio.Task[Any] | None = None
        self._slow_ns = None if slow_ms is None else round(slow_ms * 1e6)
        self._repeats = repeats
        self._explains = explains
        self._keeps = keeps
        self._lock = threading.RLock()  # a hash may ask the database itself

    @property
    def total_ms(self) -> float:
        return self.total_ns / 1e6

    @property
    def rows(self) -> int | None:
        """Rows of all statements that tell theirs; None where none does."""
        known = [each.rows for each in self.groups.values() if each.rows is not None]
        return sum(known) if known else None

    @property
    def repeated(self) -> list[Group]:
        """Groups that ran at least `repeats` times, the most frequent first."""
        if self.most_calls < self._repeats:
            return []  # nearly always
        found = [each for each in self.groups.values() if each.calls >= self._repeats]
        return sorted(found, key=lambda each: -each.calls)

    @property
    def slow(self) -> list[Sample]:
        """The samples that took as long as `slow_ms`."""
        return [each for each in self.samples if each.is_slow]

    def add(self, found: _Found) -> None:
        """Take in a statement that has run."""
        with self._lock:
            self.statements += 1
            self.total_ns += found.took_ns
            self.failures += found.failed
            group = self._group(found.text.shape, found.place, found.alias)
            group.add(found.took_ns, found.rows, found.params, found.failed)
            self.most_calls = max(self.most_calls, group.calls)
        if group.calls >= self._repeats and group.advice is None and group.distinct > 1:
            group.advice = advice_of(found.frame)
        if self._keeps and len(self.kept) < KEPT_MAX:
            self.kept.append(found.ran(with_context=True))
        is_slow = self._slow_ns is not None and found.took_ns >= self._slow_ns
        if is_slow or (self._explains and not found.text.is_identified):
            self._sample(found, is_slow)

    def _group(self, shape: Shape, place: Place | None, alias: str) -> Group:
        key = shape.digest, place, alias
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= GROUPS_MAX:
                return self.groups.setdefault(_OTHER_KEY, Group(OTHER, None, ""))
            group = self.groups[key] = Group(shape, place, alias)
        return group

    def _sample(self, found: _Found, is_slow: bool) -> None:
        # Of a cursor in PostgreSQL it has an entry for each name, and none for the statement.
        is_declared = getattr(found.cursor, "name", None) is not None
        if is_declared or found.failed or found.text.shape.verb not in _EXPLAINABLE:
            found.text.is_identified = True  # nothing to ask for
        if len(self.samples) >= SAMPLES_MAX or not (is_slow or not found.text.is_identified):
            return
        context = contextvars.copy_context()
        ran = found.ran()
        self.samples.append(
            Sample(found.text, ran, found.connection, found.cursor, context, is_slow)
        )


OTHER: Final = Shape(digest="other", text="other", verb="")
_OTHER_KEY: Final = ("other", None, "")


class _Found:
    """A statement that has just run, for as long as recordings take it in."""

    __slots__ = (
        "alias",
        "connection",
        "cursor",
        "failed",
        "frame",
        "params",
        "place",
        "rows",
        "sql",
        "text",
        "took_ns",
    )

    def __init__(
        self, sql: Any, params: Any, many: bool, context: Any, took_ns: int, failed: bool
    ) -> None:
        self.sql, self.params, self.took_ns, self.failed = sql, params, took_ns, failed
        self.connection = context["connection"]
        self.alias: str = self.connection.alias
        self.cursor = context["cursor"]
        self.text = text_of(sql, self.connection.connection)
        self.rows = None if failed else _rows(self.cursor)
        if many:
            # Its values are many, and perhaps an iterator that has ended.
            self.params = None
            self.text = Text(self.text.shape, is_identified=True)
        self.frame: FrameType | None = None
        self.place: Place | None = None

    def ran(self, *, with_context: bool = False) -> Ran:
        return Ran(
            shape=self.text.shape,
            place=self.place,
            alias=self.alias,
            ms=self.took_ns / 1e6,
            rows=self.rows,
            failed=self.failed,
            sql=self.sql,
            params=self.params,
            context=contextvars.copy_context() if with_context else None,
        )


def _rows(cursor: Any) -> int | None:
    rows = getattr(cursor, "rowcount", None)
    return rows if rows is not None and rows >= 0 else None


_is_installed = False
_active: ContextVar[Recording | None] = ContextVar("perf_recording", default=None)


def watch(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Run a statement, and have the active recording take it in. An execute wrapper."""
    recording = _active.get()
    if recording is None:
        return execute(sql, params, many, context)
    failed = True
    start = time.perf_counter_ns()
    try:
        result = execute(sql, params, many, context)
        failed = False
    finally:
        took_ns = time.perf_counter_ns() - start
        try:
            _note(recording, _Found(sql, params, many, context, took_ns, failed))
        except Exception:  # whatever is wrong with a record, the statement has run
            logger.debug("A statement could not be recorded.", exc_info=True)
    return result


def _note(recording: Recording | None, found: _Found) -> None:
    found.frame = sys._getframe(2)  # whoever called the wrapper
    found.place = call_site(found.frame) or _awaiting(recording)
    while recording is not None:
        recording.add(found)
        recording = recording.outer


def _awaiting(recording: Recording | None) -> Place | None:
    """The place that awaits a statement, if the recording was begun by a task."""
    if recording is None or recording.task is None:
        return None
    return awaited_site(recording.task.get_coro())


def install() -> None:
    """Put the wrapper on each connection that is opened from now on, and on this thread's."""
    global _is_installed
    if not _is_installed:
        connection_created.connect(_install_on, dispatch_uid="perf.monitor")
        _is_installed = True
    for connection in connections.all(initialized_only=True):
        _install_on(connection=connection)


def _install_on(connection: Any, **kwargs: Any) -> None:
    # In front: `connection.execute_wrapper()` takes the last one away at its end, whatever it is.
    if watch not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, watch)


def active() -> Recording | None:
    """The innermost recording of this context."""
    return _active.get()


# What `resumed` does, for who must be quick: the one gives the token that the other takes.
activate: Final = _active.set
deactivate: Final = _active.reset


@contextmanager
def resumed(recording: Recording | None) -> Iterator[None]:
    """Record the block into a recording; into none with None, as the monitor's own questions are.

    For one step of a generator, say: it ends in the context that it began in.
    """
    token = _active.set(recording)
    try:
        yield
    finally:
        _active.reset(token)


@contextmanager
def recorded(**options: Any) -> Iterator[Recording]:
    """Record the block; options as of `Recording`. An outer recording goes on recording it too."""
    recording = begun(**options)
    with resumed(recording):
        yield recording


def begun(**options: Any) -> Recording:
    """A recording inside of the active one, for `resumed`. The wrapper is on this thread's
    connections then."""
    install()
    recording = Recording(outer=active(), **options)
    with suppress(RuntimeError):  # outside of an event loop
        recording.task = asyncio.current_task()
    return recording
