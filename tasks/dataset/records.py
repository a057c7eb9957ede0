"""One record of an import file: decoding a line and checking every value. No database."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, cast

import msgspec
from django.contrib.auth.validators import UnicodeUsernameValidator

from projects.models import DESCRIPTION_BYTES, KEY_PATTERN
from taskproject.tenancy.models import RESERVED_NAMES, SLUG_PATTERN, User
from tasks.models import TITLE_LENGTH, Label, Priority, Status, Task

STATUSES: Final = {status.label: status for status in Status}
PRIORITIES: Final = {priority.label: priority for priority in Priority}
LABELS_PER_RECORD: Final = 20
PROBLEMS_TOLD: Final = 10
# Behind the key of a task that has no external key, where another task has that for its own.
OWN_KEY: Final = " (its own key)"
EXTERNAL_KEY_LENGTH: Final[int] = Task._meta.get_field("external_key").max_length or 0
LABEL_LENGTH: Final[int] = Label._meta.get_field("name").max_length or 0
USERNAME_LENGTH: Final[int] = User._meta.get_field("username").max_length or 0

type Zoned = Annotated[datetime, msgspec.Meta(tz=True)]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task as the file tells it: texts as they stand there, dates as instants in UTC.

    Names of people are in Unicode's form NFKC, as Django stores them.
    """

    tenant: str
    project: str
    external_key: str
    title: str
    description: str
    status: str
    priority: str
    creator: str
    assignee: str | None
    labels: list[str]
    created_at: Zoned
    completed_at: Zoned | None
    updated_at: Zoned

    @property
    def people(self) -> list[str]:
        """The user names of creator and assignee; the same one may stand there twice."""
        return [self.creator] if self.assignee is None else [self.creator, self.assignee]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field; `field` is None where the whole line is meant."""

    field: str | None
    text: str

    def __str__(self) -> str:
        return self.text if self.field is None else f"{self.field}: {self.text}"


class RecordError(ValueError):
    """A line that is no record. `problems` has one entry for each thing that is wrong."""

    def __init__(self, *problems: Problem) -> None:
        told = [str(problem) for problem in problems[:PROBLEMS_TOLD]]
        if len(problems) > PROBLEMS_TOLD:
            told.append(f"and {len(problems) - PROBLEMS_TOLD:,} more")
        super().__init__("; ".join(told))
        self.problems = problems


def decode(line: bytes) -> Record:
    """The record on a line of JSON in UTF-8. Fractions of a second are kept to the microsecond.

    Raises `RecordError`, which names all wrong fields at once: first those of a wrong shape
    (unknown, missing, of another type), and only when the shape is right those of a wrong value.
    """
    try:
        record = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(*_shape_problems(line, error)) from None
    if not record.creator.isascii() or not (record.assignee or "").isascii():
        record = _with_normal_names(record)
    problems = list(_value_problems(record))
    if problems:
        raise RecordError(*problems)
    return msgspec.structs.replace(
        record,
        created_at=record.created_at.astimezone(UTC),
        completed_at=record.completed_at and record.completed_at.astimezone(UTC),
        updated_at=record.updated_at.astimezone(UTC),
    )


_DECODER: Final = msgspec.json.Decoder(Record)
_FIELDS: Final[dict[str, Any]] = {each.name: each.type for each in msgspec.structs.fields(Record)}
_DATES: Final = ("created_at", "completed_at", "updated_at")
_DATE_CURE: Final = "write it as in 2024-05-31T12:00:00+02:00"
_SLUG: Final = re.compile(SLUG_PATTERN)
_KEY: Final = re.compile(KEY_PATTERN)
_USERNAME: Final = re.compile(cast(str, UnicodeUsernameValidator.regex))


def _with_normal_names(record: Record) -> Record:
    creator, assignee = (
        None if name is None else unicodedata.normalize("NFKC", name)
        for name in (record.creator, record.assignee)
    )
    return msgspec.structs.replace(record, creator=creator, assignee=assignee)


# --- Wrong values ---------------------------------------------------------------------------------


def _value_problems(record: Record) -> Iterator[Problem]:
    if not _SLUG.fullmatch(record.tenant):
        yield _pattern_problem("tenant", record.tenant, "lower-case letters, digits, - and _", 63)
    if not _KEY.fullmatch(record.project):
        yield _pattern_problem("project", record.project, "a capital, then capitals or digits", 10)
    yield from _text_problems("external_key", record.external_key, EXTERNAL_KEY_LENGTH)
    yield from _text_problems("title", record.title, TITLE_LENGTH)
    yield from _description_problems(record.description)
    if record.status not in STATUSES:
        yield _choice_problem("status", record.status, STATUSES)
    if record.priority not in PRIORITIES:
        yield _choice_problem("priority", record.priority, PRIORITIES)
    yield from _person_problems("creator", record.creator)
    if record.assignee is not None:
        yield from _person_problems("assignee", record.assignee)
    if record.labels:
        yield from _label_problems(record.labels)
    yield from _date_problems(record)


def _pattern_problem(field: str, value: str, allowed: str, limit: int) -> Problem:
    return Problem(field, f"{_short(value)} does not fit; use {allowed}, 1 to {limit} of them")


def _choice_problem(field: str, value: str, choices: dict[str, Any]) -> Problem:
    return Problem(field, f"{_short(value)} is unknown; use one of {', '.join(choices)}")


def _text_problems(field: str, value: str, limit: int) -> Iterator[Problem]:
    if not value:
        yield Problem(field, f"is empty; write 1 to {limit} characters")
    if len(value) > limit:
        yield Problem(field, f"has {len(value):,} characters; shorten it to {limit}")
    yield from _nul_problems(field, value)


def _description_problems(value: str) -> Iterator[Problem]:
    # No character takes more than four bytes: short texts need no encoding to be measured.
    if len(value) * 4 > DESCRIPTION_BYTES:
        size_bytes = len(value.encode())
        if size_bytes > DESCRIPTION_BYTES:
            text = f"has {size_bytes:,} bytes in UTF-8; shorten it to {DESCRIPTION_BYTES:,}"
            yield Problem("description", text)
    yield from _nul_problems("description", value)


def _nul_problems(field: str, value: str) -> Iterator[Problem]:
    if "\0" in value:
        place = value.index("\0") + 1
        yield Problem(field, f"has a NUL as character {place:,}, which can't be stored; remove it")


def _person_problems(field: str, value: str) -> Iterator[Problem]:
    if not value:
        yield Problem(field, "is empty; write a user name")
    elif len(value) > USERNAME_LENGTH:
        yield Problem(field, f"has {len(value):,} characters; shorten it to {USERNAME_LENGTH}")
    elif value in RESERVED_NAMES:
        yield Problem(field, f"{_short(value)} is a name that nobody can have; use another one")
    elif not _USERNAME.search(value):
        allowed = "letters, digits and @ . + - _"
        yield Problem(field, f"{_short(value)} is no user name; use only {allowed}")


def _label_problems(labels: list[str]) -> Iterator[Problem]:
    if len(labels) > LABELS_PER_RECORD:
        yield Problem("labels", f"are {len(labels):,}; a task carries {LABELS_PER_RECORD} at most")
        return
    seen: set[str] = set()
    for place, label in enumerate(labels):
        yield from _text_problems(f"labels[{place}]", label, LABEL_LENGTH)
        # Where it is not ASCII, PostgreSQL folds some letters differently: it tells in the end.
        folded = label.lower() if label.isascii() else label
        if folded in seen:
            text = f"{_short(label)} stands there already, in this or another case; write it once"
            yield Problem(f"labels[{place}]", text)
        seen.add(folded)


def _date_problems(record: Record) -> Iterator[Problem]:
    for field in _DATES:
        if not _in_calendar(getattr(record, field)):
            yield Problem(field, "in UTC lies outside the years 1 to 9999; correct the year")
    if record.status == Status.DONE.label and record.completed_at is None:
        yield Problem("completed_at", "is null and the status is done; give the date of completion")
    if record.status in STATUSES and record.status != Status.DONE.label and record.completed_at:
        text = f"is set and the status is {record.status}; only a task that is done has one: "
        yield Problem("completed_at", text + "make it null, or the status done")


def _in_calendar(value: datetime | None) -> bool:
    try:
        return value is None or value.astimezone(UTC).year > 0
    except OverflowError:
        return False


# --- Wrong shapes ---------------------------------------------------------------------------------


def _shape_problems(line: bytes, error: Exception) -> list[Problem]:
    """What keeps a line from being a record, worded from a second, lenient reading of it."""
    try:
        # Bytes that are not UTF-8, and lone surrogates, stay in the texts, where they are found.
        values = json.loads(line.decode("utf-8", "surrogateescape"))
    except RecursionError:
        return [Problem(None, "is nested too deeply; write one flat JSON object")]
    except ValueError as refusal:
        return [Problem(None, f"is no JSON: {refusal}; write one JSON object on a line")]
    if not isinstance(values, dict):
        return [Problem(None, f"is {_kind(values)}; write one JSON object on a line")]
    problems = [
        *(Problem(name, "is missing; add it") for name in _FIELDS if name not in values),
        *(problem for name in values for problem in _field_problems(name, values[name])),
    ]
    return problems or [Problem(None, f"is no JSON: {error}; write one JSON object on a line")]


def _field_problems(name: str, value: object) -> Iterator[Problem]:
    if name not in _FIELDS:
        known = ", ".join(_FIELDS)
        yield Problem(_short(name), f"is an unknown field; remove it: the fields are {known}")
    elif _unencodable(value):
        yield Problem(name, "has half a character: a byte that is not UTF-8, or a lone \\ud800 to "
                            "\\udfff; save the file as UTF-8")  # fmt: skip
    else:
        try:
            msgspec.convert(value, _FIELDS[name])
        except (ValueError, RecursionError) as error:
            yield Problem(name, _type_problem(name, value, str(error)))


def _type_problem(name: str, value: object, error: str) -> str:
    null = " or null" if name in ("assignee", "completed_at") else ""
    if name == "labels":
        return f'{_short(value)} is no list of texts; write it as in [] or ["bug", "docs"]'
    if name not in _DATES:
        return f"{_short(value)} is {_kind(value)}; write a text in quotes{null}"
    if "timezone" in error:
        return f"{_short(value)} has no time zone; add its offset, such as Z or +02:00"
    return f"{_short(value)} is no date of the years 1 to 9999; {_DATE_CURE}{null}"


def _unencodable(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and _SURROGATE.search(text) for text in texts)


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
    return "a list" if isinstance(value, list) else "an object"


def _short(value: object) -> str:
    """A value on one line, in ASCII or printable characters, cut after 40."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
