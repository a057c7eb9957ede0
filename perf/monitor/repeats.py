"""What mends a statement that is sent again and again, told by the ORM itself.

The frames that lead to a statement hold the descriptor, the related manager's queryset or the
deferred field that asked for it, and with them the model and the name that a developer writes. They
are looked at only once a statement repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from django.db.models import ManyToManyField, ManyToManyRel, Model, QuerySet
from django.db.models.expressions import Col
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)
from django.db.models.query_utils import DeferredAttribute

_DEPTH_MAX: Final = 80
_BULK: Final = {
    "get": "fetch the rows at once: filter(pk__in=…) or in_bulk()",
    "create": "make the rows at once: bulk_create()",
    "save": "write the rows at once: bulk_create() or bulk_update()",
    "delete": "delete the rows at once: filter(…).delete()",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change. `model` is whose rows are gone through, and `call` what to write where they
    are fetched; empty where the ORM does not tell."""

    model: str
    call: str
    says: str


NONE: Final = Advice("", "", "")


def advice_of(frame: FrameType | None) -> Advice:
    """The advice for the statement that the frames from `frame` outwards send; `NONE` if nothing in
    them tells."""
    methods: list[tuple[str, Any]] = []
    for name, this, values in _methods(frame):
        if name == "__get__" and (found := _of_descriptor(this, values.get("instance"))):
            return found
        if isinstance(this, QuerySet | Model):
            methods.append((name, this))
    return _of_methods(methods)


def _methods(frame: FrameType | None) -> Iterator[tuple[str, Any, Any]]:
    """The name of each frame's function with its `self` and its local variables."""
    for _ in range(_DEPTH_MAX):
        if frame is None:
            return
        values = frame.f_locals
        yield frame.f_code.co_name, values.get("self"), values
        frame = frame.f_back


def _of_descriptor(descriptor: Any, instance: Any) -> Advice | None:
    if instance is None:
        return None
    model = type(instance).__name__
    if isinstance(descriptor, ForwardManyToOneDescriptor):
        return _fetching(model, f'select_related("{descriptor.field.name}")')
    if isinstance(descriptor, ReverseOneToOneDescriptor):
        return _fetching(model, f'select_related("{descriptor.related.get_accessor_name()}")')
    if type(descriptor).__name__ == "GenericForeignKeyDescriptor":
        return _fetching(model, f'prefetch_related("{descriptor.field.name}")')
    if isinstance(descriptor, DeferredAttribute):
        name = descriptor.field.attname
        says = f"{model}.{name} is deferred and then read: name it in only(), or don't defer() it"
        return Advice(model, f'only(…, "{name}")', says)
    return None


def _fetching(model: str, call: str) -> Advice:
    return Advice(model, call, f"{call} where rows of {model} are fetched")


def _of_methods(methods: list[tuple[str, Any]]) -> Advice:
    """Of the methods of querysets and models that the frames are in, the innermost first."""
    querysets: list[tuple[str, Any]] = [
        (name, this) for name, this in methods if isinstance(this, QuerySet)
    ]
    for _, this in querysets:
        if (instance := this._hints.get("instance")) is not None:
            return _of_related(querysets[-1][0], this, instance)
    outermost = next((name for name, _ in reversed(methods) if name in _BULK), None)
    return Advice("", "", _BULK[outermost]) if outermost else NONE


def _of_related(method: str, queryset: Any, instance: Any) -> Advice:
    name = _accessor(queryset, instance)
    if name is None:
        return NONE
    model = type(instance).__name__
    match method:
        case "count":
            return _fetching(model, f'annotate(Count("{name}"))')
        case "exists":
            return _fetching(model, f'annotate(Exists(…)) over "{name}"')
    return _fetching(model, f'prefetch_related("{name}")')


def _accessor(queryset: Any, instance: Any) -> str | None:
    """The attribute of an instance whose manager has made a queryset."""
    for field, known in queryset._known_related_objects.items():
        if any(each is instance for each in known.values()):
            accessor: str | None = field.remote_field.get_accessor_name()
            return accessor
    narrowed = set(_narrowed(queryset.query))
    for field in type(instance)._meta.get_fields():
        if isinstance(field, ManyToManyField):
            if (field.m2m_db_table(), field.m2m_column_name()) in narrowed:
                return field.name
        elif isinstance(field, ManyToManyRel):
            back: Any = field.field
            if (back.m2m_db_table(), back.m2m_reverse_name()) in narrowed:
                return str(field.get_accessor_name())
    return None


def _narrowed(query: Any) -> Iterator[tuple[str, str | None]]:
    """The tables and columns that a query compares with something."""
    for each in query.where.children:
        column = getattr(each, "lhs", None)
        if isinstance(column, Col):
            yield query.alias_map[column.alias].table_name, column.target.column
