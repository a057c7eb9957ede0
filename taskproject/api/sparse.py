"""Which members of an object an answer shows: `fields` picks some, `include` adds what is not shown
otherwise. (JSON:API calls answers with some of the members sparse.)"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from django.http import QueryDict
from rest_framework import serializers

from taskproject.api.fields import included_in
from taskproject.api.parameters import Parameter, some_of

FIELDS: Final = "fields"
INCLUDE: Final = "include"

Serializer = type[serializers.Serializer[Any]]


@cache
def sparse_parameters(serializer_class: Serializer) -> Mapping[str, Parameter]:
    """The query parameters that decide what is shown of the rows of a serializer; `include` only
    where there is something to add."""
    own, more = _shown_names(serializer_class)
    found = {
        FIELDS: some_of(own, "The members that are shown of an object, and no others.", example=2)
    }
    if more:
        found[INCLUDE] = some_of(more, "What is shown besides, read in the same statement.")
    return found


def members_asked(query: QueryDict, serializer_class: Serializer) -> tuple[str, ...] | None:
    """The members that a query asks to see, in the order of the serializer's fields; None if it
    asks for nothing special. No statement.

    `fields` names some of those that are shown anyway, and `include` adds to them. Raises
    `InvalidParameter` for a name that is not known, is given twice, or is none.
    """
    asked = {
        name: parameter.value(name, str(query[name]))
        for name, parameter in sparse_parameters(serializer_class).items()
        if name in query
    }
    if not asked:
        return None
    own, more = _shown_names(serializer_class)
    wanted = {*asked.get(FIELDS, own), *asked.get(INCLUDE, ())}
    return tuple(name for name in (*own, *more) if name in wanted)


@cache
def _shown_names(serializer_class: Serializer) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The members that are shown, and those that `include` adds."""
    fields = serializer_class().fields
    own = tuple(name for name, each in fields.items() if not each.write_only)
    return own, included_in(serializer_class)
