"""Many tasks in one request: made, changed, deleted, or upserted by external key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

from django.db import transaction
from msgspec import json
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from taskproject.api import problems
from taskproject.api.bodies import body_type
from taskproject.api.parsing import MAX_INTEGER, Body
from taskproject.db.retries import retried
from taskproject.tenancy.api.viewsets import TenantViewSet
from tasks.api import batch_serializers as bodies
from tasks.api.serializers import TaskSerializer
from tasks.services.batches.change import change_batch
from tasks.services.batches.checks import Names, find_names
from tasks.services.batches.create import create_batch
from tasks.services.batches.outcome import ItemError
from tasks.services.batches.remove import delete_batch
from tasks.services.batches.upsert import upsert_batch

ATOMIC: Final = "atomic"
NON_FIELD: Final = "non_field_errors"
_BODIES: Final = {
    "bulk_create": bodies.TaskCreationSerializer,
    "bulk_update": bodies.TaskUpdateSerializer,
    "bulk_delete": bodies.TaskDeletionSerializer,
    "bulk_upsert": bodies.TaskUpsertSerializer,
}

# The values of an item, by its place in the request.
Items = list[tuple[int, dict[str, Any]]]


class TaskBatchViewSet(TenantViewSet):
    """Many tasks at once."""

    serializer_class = TaskSerializer
    with_body = frozenset(_BODIES)
    batches: ClassVar = {name: (201 if name == "bulk_create" else 200, 207) for name in _BODIES}
    conditional: ClassVar = frozenset()
    answers: ClassVar = {
        **dict.fromkeys(_BODIES, bodies.BatchAnswerSerializer),
        "bulk_create": bodies.BatchCreationAnswerSerializer,
    }

    def get_serializer_class(self) -> Any:
        return _BODIES[self.action]

    def bulk_create(self, request: Request, **kwargs: Any) -> Response:
        """Make up to 1,000 tasks. Each gets the next number of its project, in their order."""
        return self._done(_Batch.created)

    def bulk_update(self, request: Request, **kwargs: Any) -> Response:
        """Change up to 1,000 tasks: each in its own way, or all in the same."""
        return self._done(_Batch.changed)

    def bulk_delete(self, request: Request, **kwargs: Any) -> Response:
        """Delete up to 1,000 tasks. They can be restored one by one."""
        return self._done(_Batch.deleted)

    def bulk_upsert(self, request: Request, **kwargs: Any) -> Response:
        """Make tasks, or change those that have the `external_key` already: up to 1,000."""
        return self._done(_Batch.upserted)

    def _done(self, work: Any) -> Response:
        done, partly = self.batches[self.action]
        body = self.valid()
        batch = _Batch(body, self.actor_id)
        results = batch.answered(work, done)
        failed = sum(1 for each in results if each["status"] >= 400)
        answer = {"done": len(results) - failed, "failed": failed, "results": results}
        return Response(answer, status=done if body["mode"] == ATOMIC else partly)


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with an item, and where in it."""

    place: int
    path: tuple[str, ...]
    code: str
    message: str


class _Batch:
    """A request's items on their way: their values, what is wrong with some, what became of all."""

    def __init__(self, body: Mapping[str, Any], actor_id: int) -> None:
        self._body = body
        self._actor_id = actor_id
        self.errors: list[Wrong] = []
        self._refused: Items = []  # which may have names that nobody has, too

    @retried
    def answered(self, work: Any, status: int) -> list[dict[str, Any]]:
        """The result of each item. In the mode `atomic` it raises `BatchInvalid` if any fails, with
        all errors, and nothing is done."""
        self.errors, self._refused = [], []
        with transaction.atomic():
            done: dict[int, dict[str, Any]] = work(self)
            if self.errors and self._body["mode"] == ATOMIC:
                raise BatchInvalid([_told(each, self._member) for each in self.errors])
        failed = dict(_problems(self.errors, self._member))
        size = len(self._body.get("items") or self._body["ids"])
        return [
            failed.get(place) or {"index": place, "status": status, **done[place]}
            for place in range(size)
        ]

    @property
    def _member(self) -> str:
        """The member of the body that says which tasks are meant."""
        return "items" if "items" in self._body else "ids"

    def created(self) -> dict[int, dict[str, Any]]:
        items, names = self._named(bodies.BatchTaskSerializer)
        made = create_batch([values for _, values in items], actor_id=self._actor_id)
        self._note(items, made.errors)
        keys = {pk: key for key, pk in names.projects.items()}
        return {
            place: {
                "id": task.pk,
                "key": f"{keys[task.project_id]}-{task.number}",
                "version": task.version,
            }
            for (place, _), task in zip(items, made.tasks, strict=True)
            if task is not None
        }

    def upserted(self) -> dict[int, dict[str, Any]]:
        items, _ = self._named(bodies.UpsertedTaskSerializer)
        outcome = upsert_batch([values for _, values in items], actor_id=self._actor_id)
        self._note(items, outcome.errors)
        found = zip(items, outcome.ids, outcome.versions, strict=True)
        return {
            place: {"status": 201 if n in outcome.fresh else 200, "id": pk, "version": version}
            for n, ((place, _), pk, version) in enumerate(found)
            if pk is not None
        }

    def changed(self) -> dict[int, dict[str, Any]]:
        items = self._changes()
        outcome = change_batch([values for _, values in items], actor_id=self._actor_id)
        self._note(items, outcome.errors, beside=("id", "version"), within=("set",))
        return _versions(items, outcome.versions)

    def deleted(self) -> dict[int, dict[str, Any]]:
        self._require_one_way()
        by_item = "items" in self._body
        items = list(self._read(bodies.TaskVersionSerializer)) if by_item else self._ids()
        outcome = delete_batch([values for _, values in items], actor_id=self._actor_id)
        self._note(items, outcome.errors)
        return _versions(items, outcome.versions)

    def _note(
        self,
        items: Items,
        errors: Iterable[ItemError],
        *,
        beside: tuple[str, ...] = (),
        within: tuple[str, ...] = (),
    ) -> None:
        """Take up errors that count places among the items that were left. Their fields stand
        `within` something, but for those `beside` it."""
        for each in errors:
            path = (each.field,) if each.field in beside else (*within, each.field)
            place = items[each.index][0]
            self.errors.append(Wrong(place, path, each.code, each.message))

    def _named(self, serializer: Any) -> tuple[Items, Names]:
        """The good items with the ids that their names stand for, among all names. One
        statement."""
        return self._with_ids(list(self._read(serializer)))

    def _with_ids(self, items: Items, *within: str) -> tuple[Items, Names]:
        every = [*items, *self._refused]
        names = find_names(
            projects={values["project"] for _, values in every if "project" in values},
            members={values["assignee"] for _, values in every if values.get("assignee")},
        )
        for place, values in self._refused:
            self._resolve(place, values, names, within)
        found = [each for each in items if self._resolve(*each, names, within)]
        return found, names

    def _resolve(
        self, place: int, values: dict[str, Any], names: Names, within: tuple[str, ...]
    ) -> bool:
        """Put ids in place of names; whether there is somebody of each."""
        before = len(self.errors)
        if "project" in values:
            values["project_id"] = names.projects.get(values.pop("project"))
            if values["project_id"] is None:
                self._refuse(place, (*within, "project"), "There is no such project.")
        if "assignee" in values:
            name = values.pop("assignee")
            values["assignee_id"] = names.members.get(name)
            if name is not None and values["assignee_id"] is None:
                message = "This is no active member of the tenant."
                self._refuse(place, (*within, "assignee"), message)
        return len(self.errors) == before

    def _refuse_all(self, place: int, errors: Any, named: Any) -> None:
        """Take up what a serializer says of an item, and the names that it might have said more
        of."""
        found = list(_errors_of(place, errors))
        self.errors += found
        wrong = {each.path[-1] for each in found if each.path}
        names = {n: named.get(n) for n in ("project", "assignee") if n not in wrong}
        names = {name: text for name, text in names.items() if isinstance(text, str)}
        self._refused.append((place, names))

    def _refuse(self, place: int, path: tuple[str, ...], message: str) -> None:
        self.errors.append(Wrong(place, path, "does_not_exist", message))

    def _require_one_way(self) -> None:
        if ("items" in self._body) == ("ids" in self._body):
            raise ValidationError("Either items or ids say which tasks are meant.")

    def _ids(self) -> Items:
        return [(place, {"id": pk}) for place, pk in enumerate(self._body["ids"])]

    def _changes(self) -> Items:
        """The good changes. One statement if they name people; none if they don't."""
        self._require_one_way()
        common = self._body.get("set")
        if ("ids" in self._body) != (common is not None):
            raise ValidationError("One set goes with ids, and each of the items has its own.")
        if common is None:
            items = list(self._read_changes())
        else:
            items = [(place, {**common, **by_id}) for place, by_id in self._ids()]
        return self._with_ids(items, "set")[0]

    def _read_changes(self) -> Iterator[tuple[int, Any]]:
        """The values of the good changes with their ids and versions. No statement."""
        kind = body_type(bodies.BatchTaskChangeSerializer, partial=True)
        for place, item in enumerate(self._body["items"]):
            values = None
            if kind is not None and item.keys() <= _CHANGE and _are_ids(item):
                values = kind.sent(Body(json.encode(item.get("set"))))
            if values is None:
                checked = bodies.TaskChangeItemSerializer(data=item)
                if not checked.is_valid():
                    named = item.get("set") if isinstance(item.get("set"), dict) else {}
                    self._refuse_all(place, checked.errors, named)
                    continue
                values = dict(checked.validated_data["set"])
            by_id = {name: item[name] for name in ("id", "version") if name in item}
            yield place, {**_service_names(values), **by_id}

    def _read(self, serializer: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        """The values of the good items. No statement."""
        kind = body_type(serializer, partial=False)
        for place, item in enumerate(self._body["items"]):
            values = kind.sent(Body(json.encode(item))) if kind is not None else None
            if values is None:
                checked = serializer(data=item)
                if not checked.is_valid():
                    self._refuse_all(place, checked.errors, item)
                    continue
                values = dict(checked.validated_data)
            yield place, _service_names(values)


def _service_names(values: dict[str, Any]) -> dict[str, Any]:
    """The values by the names that services know."""
    if "parent" in values:
        values["parent_id"] = values.pop("parent")
    return values


_CHANGE: Final = {"id", "version", "set"}


def _are_ids(item: Mapping[str, Any]) -> bool:
    """Whether id and version are good for sure."""
    numbers = [item.get("id"), item.get("version", 1)]
    return all(type(each) is int and 1 <= each <= MAX_INTEGER for each in numbers)


def _errors_of(place: int, errors: Any, *within: str) -> Iterator[Wrong]:
    """What a serializer says of an item."""
    for name, found in errors.items():
        path = within if name == NON_FIELD else (*within, str(name))
        if isinstance(found, dict):
            yield from _errors_of(place, found, *path)
        else:
            for each in found:
                yield Wrong(place, path, each.code, str(each))


class BatchInvalid(APIException):
    """422: some items of an atomic batch are wrong. `extra` has every error."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "validation"
    default_detail = "Nothing was done: some of the values are not valid; see errors."

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__()
        self.extra = {"errors": errors}


# What a problem of an item is, by the codes of its errors; else its values are not valid.
_STATUSES: Final = {
    "version-conflict": (412, "version-conflict"),
    "state-conflict": (409, "state-conflict"),
    "unique": (409, "duplicate"),
}


def _problems(errors: Iterable[Wrong], member: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The results of the items that failed, by their places."""
    by_place: dict[int, list[Wrong]] = {}
    for each in errors:
        by_place.setdefault(each.place, []).append(each)
    for place, found in by_place.items():
        status, code = _kind_of(found)
        detail = " ".join(dict.fromkeys(each.message for each in found))
        told = [_told(each, member) for each in found]
        problem = problems.body(status, code, detail, errors=told)
        yield place, {"index": place, "status": status, "problem": problem}


def _kind_of(errors: Sequence[Wrong]) -> tuple[int, str]:
    if all(each.path == ("id",) and each.code == "does_not_exist" for each in errors):
        return 404, "not-found"
    (only, *others) = {_STATUSES.get(each.code) for each in errors}
    return only if only and not others else (422, "validation")


def _told(error: Wrong, member: str) -> dict[str, str]:
    # Of one of the ids there is nothing to point into.
    path = error.path if member == "items" else ()
    pointer = problems.json_pointer(member, error.place, *path)
    return {"pointer": pointer, "code": error.code, "detail": error.message}


def _versions(items: Items, versions: Sequence[int | None]) -> dict[int, dict[str, Any]]:
    return {
        place: {"id": values["id"], "version": version}
        for (place, values), version in zip(items, versions, strict=True)
        if version is not None
    }
