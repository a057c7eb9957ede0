"""Query parameters in the OpenAPI document, and what each way to read a list costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from taskproject.api.pagination import LIMIT
from taskproject.api.parameters import Parameter
from taskproject.api.registry import Access, Listing

_CURSOR: Final = {
    "in": "query",
    "name": "cursor",
    "description": "Where the page begins: from `next` or `previous` of another page of this list, "
    "with the same filters and the same `sort`.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
}


def documented(name: str, parameter: Parameter, *, place: str) -> dict[str, Any]:
    """A parameter as it stands in the document; `place` is where it is given: query or path.

    Swagger UI fills in an `example`, but not the `examples` of a schema: all filters at once would
    be refused.
    """
    said: dict[str, Any] = {"in": place, "name": name, "description": parameter.description}
    example = _typed(parameter)
    if parameter.schema["type"] == "array":
        said |= {"style": "form", "explode": False}  # commas between the values
    if place == "path":
        return {**said, "required": True, "schema": dict(parameter.schema), "example": example}
    return {**said, "schema": {**parameter.schema, "examples": [example]}}


def filters_of(parameters: Mapping[str, Parameter]) -> list[dict[str, Any]]:
    """Query parameters, each of which may be left out."""
    return [documented(name, each, place="query") for name, each in parameters.items()]


def paging_of(listing: Listing) -> Iterator[dict[str, Any]]:
    """Where a page of a list begins, how long it is and in which order."""
    yield documented("limit", LIMIT, place="query")
    yield _CURSOR
    yield {
        "in": "query",
        "name": "sort",
        "description": "The order, downwards with a `-`. Not every filter goes with every order: "
        f"see `x-access`. What goes unsaid is `{listing.default_sort}` where the filters have it, "
        "else the first of their `sorts`.",
        "schema": {
            "type": "string",
            "enum": list(listing.sorts),
            "examples": [listing.default_sort],
        },
    }


def accesses_of(listing: Listing, *, paged: bool = True) -> list[dict[str, Any]]:
    """What `x-access` says: the closed list of filters and orders that go together.

    `buffers` are pages of 8 KiB that PostgreSQL reads for 50 rows, at any depth. Without pages
    there is no order either, and no budget for 50 rows.
    """
    return [_access(each, paged=paged) for each in listing.accesses]


def _access(access: Access, *, paged: bool) -> dict[str, Any]:
    said = {
        "filters": sorted(access.filters),
        "optional": sorted(access.optional),
        "ranges": sorted(access.ranges),
        "sorts": list(access.sorts),
        "kind": "matches" if access.matches else "range",
        "index": access.index,
        "statements": access.statements,
        "buffers": access.buffers,
        "note": access.note,
    }
    unsaid = {"note"} if not access.note else set()
    if not paged:
        unsaid |= {"sorts", "buffers"}
    return {name: value for name, value in said.items() if name not in unsaid}


def access_table(listing: Listing, *, paged: bool = True) -> str:
    """The same for people, without the indexes: a table in Markdown."""
    heads: dict[str, Callable[[Access], str]] = {
        "Filters": lambda it: ", ".join(sorted(it.filters)) or "none",
        "may go with": lambda it: ", ".join(sorted([*it.optional, *it.ranges])),
        "orders": lambda it: ", ".join(it.sorts),
        "pages read": lambda it: str(it.buffers),
        "note": lambda it: it.note,
    }
    if not paged:
        del heads["orders"], heads["pages read"]
    rows = [list(heads), ["---"] * len(heads)]
    rows += [[say(each) for say in heads.values()] for each in listing.accesses]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _typed(parameter: Parameter) -> str | int | list[str]:
    """The example as JSON; parameters keep it as the text that stands in an address."""
    kind = parameter.schema["type"]
    if kind == "array":
        return parameter.example.split(",")
    return int(parameter.example) if kind == "integer" else parameter.example
