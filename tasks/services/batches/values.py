"""The values of items, checked as the services of one task check them.

The good ones are checked by msgspec, in a microsecond each; what it refuses, Django's own
validation judges and words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from msgspec import UNSET, Meta, UnsetType

from projects.models import DESCRIPTION_BYTES
from taskproject.db.values import LAST_YEAR
from tasks.models import TITLE_LENGTH, Priority, Status, Task
from tasks.services.batches.outcome import ItemError
from tasks.services.tasks import task_validate

Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Title = Annotated[str, Meta(min_length=1, max_length=TITLE_LENGTH)]
# One character takes 4 bytes at most: what is short enough for that needs no counting.
Description = Annotated[str, Meta(max_length=DESCRIPTION_BYTES // 4)]
StatusNumber = Annotated[int, Meta(ge=min(Status.values), le=max(Status.values))]
PriorityNumber = Annotated[int, Meta(ge=min(Priority.values), le=max(Priority.values))]
Instant = Annotated[datetime, Meta(tz=True)]
ExternalKey = Annotated[str, Meta(min_length=1, max_length=200)]


class NewTask(msgspec.Struct):
    """The values of a task that is to be made."""

    project_id: Id
    title: Title
    description: Description = ""
    status: StatusNumber = Status.PENDING.value
    priority: PriorityNumber = Priority.NORMAL.value
    assignee_id: Id | None = None
    parent_id: Id | None = None
    due_at: Instant | None = None
    external_key: ExternalKey | None = None


class Change(msgspec.Struct, omit_defaults=True):
    """What is to change about a task, and the version that it must still be at."""

    id: Id
    version: Id | None = None
    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    status: StatusNumber | UnsetType = UNSET
    priority: PriorityNumber | UnsetType = UNSET
    assignee_id: Id | UnsetType | None = UNSET
    parent_id: Id | UnsetType | None = UNSET
    due_at: Instant | UnsetType | None = UNSET
    external_key: ExternalKey | UnsetType | None = UNSET

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of what is to change."""
        return tuple(name for name in CHANGED if getattr(self, name) is not UNSET)


# A statement of a role may take 5 s. A MiB of words that are joined by - and _, which PostgreSQL
# looks at again and again for the search, takes some 1.3 s.
BATCH_TEXT: Final = 1024 * 1024
CREATED: Final = NewTask.__struct_fields__
CHANGED: Final = Change.__struct_fields__[2:]
_RELATIONS: Final = {"assignee": "assignee_id", "parent": "parent_id"}


def new_tasks(
    items: Iterable[Task | Mapping[str, Any]], errors: list[ItemError], *, first: int = 0
) -> Iterator[tuple[int, NewTask]]:
    """The good items with their places, counted from `first`; what is wrong with the others goes
    to `errors`. No statement."""
    for index, item in enumerate(items, first):
        try:
            new = _checked_quickly(item)
        except (msgspec.ValidationError, UnicodeEncodeError):
            try:
                new = _checked_by_django(item)
            except ValidationError as error:
                errors += item_errors(index, error)
                continue
        yield index, new


def _checked_quickly(item: Task | Mapping[str, Any]) -> NewTask:
    if isinstance(item, Mapping):
        if item.keys() - CREATED:
            raise msgspec.ValidationError("Some of these are not known.")
        due_at = item.get("due_at")
    else:
        due_at = item.due_at
    new = msgspec.convert(item, NewTask, from_attributes=True)
    _refuse_odd(new.title, new.description, new.external_key)
    new.due_at = _in_utc(due_at)
    return new


def _refuse_odd(*texts: object) -> None:
    """Raise `msgspec.ValidationError` or `UnicodeEncodeError` for what PostgreSQL can't hold, or
    msgspec can't write: a subclass of str."""
    for text in texts:
        if text is None or text is UNSET:
            continue
        if type(text) is not str or "\0" in text or not (text.isascii() or text.encode()):
            raise msgspec.ValidationError("This text needs a second look.")


def _in_utc(time: object) -> datetime | None:
    """A time in UTC, as it is written then: offsets may have seconds. Raises
    `msgspec.ValidationError` for what is no time for sure."""
    if time is None:
        return None
    if type(time) is not datetime or time.tzinfo is None or not 1 < time.year < LAST_YEAR:
        raise msgspec.ValidationError("This time needs a second look.")
    return time.astimezone(UTC)


def _cleaned(task: Task, names: Iterable[str]) -> dict[str, Any]:
    """The values of a task that Django has validated, as msgspec can write them."""
    values = {name: getattr(task, name) for name in names}
    for name, value in values.items():
        if isinstance(value, str):
            values[name] = str.__str__(value)
    due_at = values.get("due_at")
    if isinstance(due_at, datetime):
        utc = due_at.astimezone(UTC)
        values["due_at"] = datetime.combine(utc.date(), utc.time(), UTC)
    elif due_at is not None:  # which Django lets pass where a field may be empty
        raise ValidationError({"due_at": ValidationError("It must be a time.", code="invalid")})
    return values


def _checked_by_django(item: Task | Mapping[str, Any]) -> NewTask:
    if isinstance(item, Mapping):
        _refuse_unknown(item, CREATED)
        absent = [name for name in ("project_id", "title") if item.get(name) is None]
        if absent:
            message = ValidationError("This field is required.", code="required")
            raise ValidationError(dict.fromkeys(absent, message))
        item = Task(**item)
    task = Task(**{name: getattr(item, name) for name in CREATED})
    _validate(task)
    values = _cleaned(task, CREATED)
    named = [name for name in _RELATIONS.values() if values[name] is not None]
    _require_ids(values, "project_id", *named)
    return NewTask(**values)


def changes_of(
    items: Iterable[Task | Mapping[str, Any]],
    fields: Collection[str] | None,
    errors: list[ItemError],
    *,
    first: int = 0,
) -> Iterator[tuple[int, Change]]:
    """The good changes with their places, counted from `first`; what is wrong with the others goes
    to `errors`. No statement. Raises `TypeError` for `fields` that can't be changed, and for a
    `Task` without `fields`."""
    names = field_names(fields or ())
    for index, item in enumerate(items, first):
        values = _values_of(item, names)
        try:
            change = _change_quickly(values)
        except (msgspec.ValidationError, UnicodeEncodeError):
            try:
                change = _change_by_django(values)
            except ValidationError as error:
                errors += item_errors(index, error)
                continue
        yield index, change


def in_batches[T](items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """The items in batches of a size, or of fewer where their texts are long: a MiB of them and one
    more item at most. Raises `ValueError` for a size below 1."""
    if size < 1:
        raise ValueError("A batch has at least one item.")
    batch: list[T] = []
    length = 0
    for item in items:
        batch.append(item)
        length += text_length(item)
        if len(batch) == size or length >= BATCH_TEXT:
            yield tuple(batch)
            batch, length = [], 0
    if batch:
        yield tuple(batch)


def text_length(item: object) -> int:
    """How many characters the texts of an item have."""
    if isinstance(item, Mapping):
        texts = (item.get("title"), item.get("description"))
    else:
        texts = (getattr(item, "title", None), getattr(item, "description", None))
    return sum(len(each) for each in texts if isinstance(each, str))


def field_names(fields: Collection[str]) -> tuple[str, ...]:
    """The names of columns for those of fields. Raises `TypeError` for what can't be changed."""
    names = tuple(_RELATIONS.get(name, name) for name in fields)
    if unknown := sorted(set(names) - set(CHANGED)):
        raise TypeError(f"A task's {', '.join(unknown)} can't be changed.")
    return names


def _values_of(item: Task | Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        return item
    if not names:
        raise TypeError("Name the fields of the tasks that are to be written.")
    return {"id": item.pk, **{name: getattr(item, name) for name in names}}


def _change_quickly(values: Mapping[str, Any]) -> Change:
    if values.keys() - _KNOWN:
        raise msgspec.ValidationError("Some of these are not known.")
    change = msgspec.convert(values, Change)
    if not values.keys().isdisjoint(_TEXTS):
        _refuse_odd(change.title, change.description, change.external_key)
    if "due_at" in values:
        change.due_at = _in_utc(values["due_at"])
    return change


_KNOWN: Final = {"id", "version", *CHANGED}
_TEXTS: Final = {"title", "description", "external_key"}


def _change_by_django(values: Mapping[str, Any]) -> Change:
    _refuse_unknown(values, _KNOWN)
    _require_ids(values, "id")
    given = {name: value for name, value in values.items() if name in CHANGED}
    task = Task(**{"title": "-", "project_id": 0, **given})
    _validate(task)
    numbers = ("version", *_RELATIONS.values())
    _require_ids(values, *(name for name in numbers if values.get(name) is not None))
    return Change(id=values["id"], version=values.get("version"), **_cleaned(task, given))


def _validate(task: Task) -> None:
    if task.external_key == "":
        task.external_key = None
    task_validate(task)


def _refuse_unknown(values: Mapping[str, Any], known: Collection[str]) -> None:
    if unknown := sorted(str(name) for name in values if name not in known):
        message = ValidationError("There is no such field.", code="unknown")
        raise ValidationError(dict.fromkeys(unknown, message))


def _require_ids(values: Mapping[str, Any], *names: str) -> None:
    """Refuse ids that are no numbers: the database would refuse the whole batch for them."""
    wrong = [name for name in names if not is_id(values.get(name))]
    if wrong:
        message = ValidationError("It must be a whole number.", code="invalid")
        raise ValidationError(dict.fromkeys(wrong, message))


def is_id(value: object) -> bool:
    """Whether a value can be the id of a row."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def item_errors(index: int, error: ValidationError) -> Iterator[ItemError]:
    """The errors of an item, field by field."""
    by_field = (
        error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    )
    for name, found in by_field.items():
        for each in found:
            field = "" if name == NON_FIELD_ERRORS else name
            yield ItemError(index, field, each.code or "invalid", " ".join(each.messages))
