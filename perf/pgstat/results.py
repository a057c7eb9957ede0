"""What a look at a server found: plain values that each format is written from.

A value that is not known is None and never 0. Every figure has a column that names its unit, what
kind it is, and where it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

SCHEMA: Final = "perf.pgstat/1"
SQL: Final = "sql"  # the unit of a statement
LINES: Final = "lines"  # the unit of several texts, one below the other

type Value = str | int | float | bool | list[str] | None
type Row = dict[str, Value]


class Status(StrEnum):
    """What a check, or a section, can say."""

    OK = "ok"
    FINDING = "finding"
    SKIPPED = "skipped"
    INSUFFICIENT = "insufficient data"
    ERROR = "error"


class Severity(StrEnum):
    """How much a finding matters, the worst first."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Confidence(StrEnum):
    """How sure a finding is: what the catalogue says is high, what a short window says is low."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Kind(StrEnum):
    """What kind of value stands in a column."""

    LABEL = "label"
    COUNTER = "counter"  # of the window
    GAUGE = "gauge"  # at its end
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a report. `source` is a view's column or a formula of such.

    `unit` is one of bytes, bytes/s, bytes/day, blocks, rows, rows/scan, ms, s, calls, calls/s,
    1 (a share of one), %, count, id, xids, time (UTC, ISO 8601), sql, lines and text.
    """

    key: str
    unit: str
    kind: Kind
    meaning: str
    source: str


@dataclass(frozen=True, slots=True)
class Window:
    """The time that counters are of. `since` is None where nobody knows since when they count."""

    since: str | None
    until: str
    source: (
        str  # "snapshots", "lifetime": since the statistics began, or "now": no counter was read
    )
    seconds: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """What a finding is about: an object of the database, and the model that it belongs to."""

    schema: str | None = None
    table: str | None = None
    index: str | None = None
    model: str | None = None  # "tasks.Task"
    file: str | None = None  # with its line: "tasks/models.py:31"
    owner: str = "unmanaged"  # "app", "package", or "unmanaged": no model has it
    name: str | None = None  # of what is no relation: a setting, a slot, a statement's id
    constraint: str | None = None
    column: str | None = None
    database: str | None = None

    def __str__(self) -> str:
        """Its name, with the schema unless that is `public`: two schemas may share one."""
        column = f"{self.table}.{self.column}" if self.column else None
        name = self.index or self.constraint or column or self.table
        if self.name:
            return self.name
        if name is None:
            return self.schema or self.database or "the server"
        return name if self.schema in (None, "public") else f"{self.schema}.{name}"


@dataclass(frozen=True, slots=True)
class Fix:
    """What mends a finding: SQL with its way back, and the same in Django's words."""

    sql: str | None = None
    undo_sql: str | None = None
    django: str | None = None
    online: bool | None = None  # whether others can write meanwhile


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found."""

    check: str  # its id, such as "IX2"
    severity: Severity
    confidence: Confidence
    what: str  # a sentence
    place: Place = Place()
    evidence: Row = field(default_factory=dict)
    fix: Fix | None = None
    caveats: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Names it from one look to the next: the check and the object."""
        return f"{self.check}:{self.place}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of a check. `reason` and `remedy` say why it could not answer, and what helps."""

    id: str
    name: str
    title: str
    status: Status
    findings: tuple[Finding, ...] = ()
    ignored: int = 0
    reason: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class SectionResult:
    """A report: its rows, and what its checks found. `hidden_rows` were cut by `--top`."""

    name: str
    title: str
    says: str
    columns: tuple[Column, ...]
    status: Status
    rows: tuple[Row, ...] = ()
    hidden_rows: int = 0
    reason: str | None = None
    remedy: str | None = None
    notes: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """A figure at a time; None where it is not known."""

    at: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """A figure over time, to be drawn."""

    title: str
    unit: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole look at a database."""

    schema: str
    generated_at: str
    database: str
    server: dict[str, Any]
    capabilities: dict[str, Any]
    window: Window
    sections: tuple[SectionResult, ...]

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """All checks, in the order of their sections."""
        return tuple(check for section in self.sections for check in section.checks)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, the worst first."""
        order = list(Severity)
        found = [finding for check in self.checks for finding in check.findings]
        return tuple(sorted(found, key=lambda each: order.index(each.severity)))
