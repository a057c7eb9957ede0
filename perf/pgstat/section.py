"""What a section and a check are, and what they work with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from perf.pgstat.capabilities import Capabilities, Need
from perf.pgstat.deltas import Change, Deltas
from perf.pgstat.objects import Models
from perf.pgstat.results import Column, Confidence, Finding, Fix, Place, Row, Severity
from perf.pgstat.server import Server
from perf.pgstat.views import View

type KeptTexts = Callable[[set[int]], dict[int, str]]


def no_texts(queryids: set[int]) -> dict[int, str]:
    """What is known of statements where nothing was kept."""
    return {}


class NotEnough(Exception):
    """There is too little to judge by, such as a window that is too short. Not "ok"."""


class Unreadable(Exception):
    """Something that this session can't read; `remedy` is what helps."""

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Options:
    """What the one who asks has chosen."""

    top: int | None = 20  # rows of a section, None for all
    sort: str = "time"  # of statements
    strict: bool = False  # statements are slow from a fifth of the time on
    schemas: tuple[str, ...] = ()  # only these; all without any


@dataclass(slots=True)
class Reading:
    """What the sections of one look share."""

    server: Server
    can: Capabilities
    deltas: Deltas
    models: Models
    options: Options = field(default_factory=Options)
    notes: list[str] = field(default_factory=list)  # of the section that is being read
    earlier: Deltas | None = None  # another window, to compare statements with
    kept_texts: KeptTexts = no_texts  # of statements that PostgreSQL has forgotten
    _asked: dict[Any, Any] = field(default_factory=dict)

    def place(
        self,
        schema: str | None,
        table: str | None,
        index: str | None = None,
        *,
        constraint: str | None = None,
        column: str | None = None,
    ) -> Place:
        """An object of the database with the model that it belongs to."""
        found = self.models.place(schema, table, index)
        return replace(found, constraint=constraint, column=column)

    def changes(self, view: View) -> list[Change]:
        """The rows of a view over the window. Raises `Unreadable` where it could not be read: to
        find nothing in it would be no answer."""
        if view.name not in self.deltas.after.views:
            why = self.deltas.after.missing.get(view.name, "it is not here")
            raise Unreadable(f"{view.name} was not read: {why}.")
        return self.deltas.changes(view)

    def wants(self, schema: str) -> bool:
        """Whether the one who asks wants to hear of this schema."""
        return not self.options.schemas or schema in self.options.schemas

    def once[Answer](self, ask: Callable[[Server], Answer]) -> Answer:
        """What several sections and checks need, asked once for the whole look.

        A failure is not kept: each of them says so.
        """
        if ask not in self._asked:
            self._asked[ask] = ask(self.server)
        answer: Answer = self._asked[ask]
        return answer


@dataclass(frozen=True, slots=True)
class Check:
    """A question to which a section's rows give the answer.

    `find` gets the reading and the rows, and yields findings. It may raise `NotEnough` and
    `Unreadable`, also after some findings: these are told, with the reason why they are not all.
    `threshold` says from when on, and why there.
    """

    id: str
    name: str
    title: str
    threshold: str
    find: Callable[[Reading, Sequence[Row]], Iterable[Finding]]
    needs: tuple[Need, ...] = ()

    def finding(
        self,
        severity: Severity,
        what: str,
        *,
        confidence: Confidence = Confidence.HIGH,
        place: Place | None = None,
        evidence: Row | None = None,
        fix: Fix | None = None,
        caveats: Iterable[str] = (),
    ) -> Finding:
        """A finding of this check."""
        return Finding(
            self.id,
            severity,
            confidence,
            what,
            place or Place(),
            evidence or {},
            fix,
            tuple(caveats),
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A report. `read` returns its rows, each with a value for every column, the worst first.

    Raises what `Check.find` may. All rows are read: what is shown of them is cut afterwards, and
    checks see all.
    """

    name: str
    title: str
    says: str
    columns: tuple[Column, ...]
    read: Callable[[Reading], Iterable[Row]]
    checks: tuple[Check, ...] = ()
    needs: tuple[Need, ...] = ()


def ratio(part: Any, whole: Any) -> float | None:
    """A share of a whole, None of nothing or of what is not known.

    >>> ratio(1, 4), ratio(0, 0), ratio(None, 4)
    (0.25, None, None)
    """
    return part / whole if part is not None and whole else None
