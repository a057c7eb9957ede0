"""Keyset pages over REST: an opaque, signed cursor instead of a page number.

A cursor is bound to its tenant, its sort and its filters: with any other it is refused, where an
unsigned one would silently show a wrong page. There is no total; counting is another question.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, Literal

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db.models import Model, QuerySet
from django.http import QueryDict
from msgspec import json

from taskproject.api.parameters import whole
from taskproject.api.problems import InvalidParameter
from taskproject.api.projection import PageStatement, Projection, page_statement
from taskproject.api.registry import Choice
from taskproject.db.keyset import Keyset, Range
from taskproject.db.names import Name, attach_names, named
from taskproject.db.slots import Slot, tenant_of_slots
from taskproject.db.statements import run

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
LIMIT: Final = whole(1, MAX_LIMIT, "How many an answer has at most.", default=DEFAULT_LIMIT)
_MAC_BYTES: Final = 16
_VERSION: Final = 2

Direction = Literal["next", "previous"]


@dataclass(frozen=True, slots=True)
class Page[Rows]:
    """Rows in the order of the sort, and the cursors of the pages beside them, if there are any.

    The rows are models, or the JSON of them as PostgreSQL wrote it, with commas between them.
    """

    rows: Rows
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a client asked for: how many rows, and from where."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


def page_request(query: QueryDict) -> PageRequest:
    """Read `limit` and `cursor`. Raises `InvalidParameter` for a limit outside 1 to 200."""
    limit = LIMIT.value("limit", str(query["limit"])) if "limit" in query else DEFAULT_LIMIT
    return PageRequest(limit=limit, cursor=query.get("cursor"))


def paginate[M: Model](
    rows: QuerySet[M],
    keyset: Keyset,
    request: PageRequest,
    *,
    binding: Mapping[str, Any],
    within: Range | None = None,
    names: Sequence[Name] = (),
) -> Page[list[M]]:
    """One page of `rows`, in one statement: a row more than asked for tells whether it goes on.

    `names` are found beside the rows. `binding` is what the cursor is bound to: tenant, sort,
    filters. Raises `InvalidParameter` for a cursor that was changed, or was made for another
    binding.
    """
    place = place_of(request.cursor, binding)
    backwards = place.direction == "previous"
    wanted = keyset.page(
        named(rows, names),
        key=place.key,
        backwards=backwards,
        inclusive=place.inclusive,
        within=within,
        limit=request.limit + 1,
    )
    found = list(wanted)
    more = len(found) > request.limit
    found = found[: request.limit]
    attach_names(found, names)
    if backwards:
        found.reverse()
    if not found:
        return _emptied(place, binding, found)
    beyond = keyset.key(found[0]), keyset.key(found[-1])
    return _between(found, *beyond, place=place, more=more, binding=binding)


def paginate_json(
    choice: Choice, request: PageRequest, *, binding: Mapping[str, Any], projection: Projection
) -> Page[bytes]:
    """The same page as JSON, by a statement that is compiled once for all questions of its kind.

    A set that is found first is another one with each question: its statement is compiled anew, and
    not prepared.
    """
    place = place_of(request.cursor, binding)
    try:
        page = page_statement_of(choice, place, limit=request.limit, projection=projection)
    except EmptyResultSet:  # Django can tell without a statement, of no ids that were found first
        return _emptied(place, binding, b"")
    values = {**choice.asked.slot_values, **place.slot_values}
    ((body, count, *keys),) = run(page.statement, values, prepare=not choice.access.matches)
    if body is None:
        return _emptied(place, binding, b"")
    first, last = page.keys(keys)
    if place.direction == "previous":
        first, last = last, first
    more = int(count or 0) > request.limit
    return _between(body, first, last, place=place, more=more, binding=binding)


def page_statement_of(
    choice: Choice, place: Place, *, limit: int, projection: Projection
) -> PageStatement:
    """The statement that answers a question from a place on, compiled once for its kind."""
    shape = _Shape((choice.kind, place.kind), limit, projection, choice, place)
    return _compiled(shape) if choice.access.matches else _page_of(shape)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What decides the statement of a page, and a question that it is compiled for."""

    kind: tuple[tuple[Any, ...], tuple[Any, ...]]
    limit: int
    projection: Projection
    choice: Choice = field(compare=False)
    place: Place = field(compare=False)


@lru_cache(maxsize=500)
def _page_of(shape: _Shape) -> PageStatement:
    with tenant_of_slots():
        return _compiled(replace(shape, choice=shape.choice.slotted()))


def _compiled(shape: _Shape) -> PageStatement:
    choice, place, limit = shape.choice, shape.place, shape.limit
    backwards = place.direction == "previous"
    rows = choice.keyset.page(
        choice.rows(),
        key=place.slots,
        backwards=backwards,
        inclusive=place.inclusive,
        within=choice.range,
        limit=limit + 1,
    )
    return page_statement(shape.projection, rows, choice.keyset, limit=limit, backwards=backwards)


def _between[Rows](
    rows: Rows,
    first: tuple[Any, ...],
    last: tuple[Any, ...],
    *,
    place: Place,
    more: bool,
    binding: Mapping[str, Any],
) -> Page[Rows]:
    """The page of rows from one key to another; `more` says whether the direction goes on."""
    backwards = place.direction == "previous"
    has_next = more if not backwards else True
    has_previous = more if backwards else place.key is not None
    return Page(
        rows,
        _seal(Place("next", last), binding) if has_next else None,
        _seal(Place("previous", first), binding) if has_previous else None,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: beyond a key in a direction, or with the key's own row."""

    direction: Direction = "next"
    key: tuple[Any, ...] | None = None
    inclusive: bool = False

    @property
    def kind(self) -> tuple[Any, ...]:
        """What the places have in common that one statement serves."""
        return self.direction, self.inclusive, self.key is not None

    @property
    def slots(self) -> tuple[Slot, ...] | None:
        """The key as slots."""
        return self.key and tuple(Slot(f"key_{n}") for n in range(len(self.key)))

    @property
    def slot_values(self) -> dict[str, Any]:
        """What stands in those slots."""
        return {f"key_{n}": value for n, value in enumerate(self.key or ())}


def _emptied[Rows](place: Place, binding: Mapping[str, Any], rows: Rows) -> Page[Rows]:
    """A page whose rows have all gone since its cursor was made. The way back begins with the row
    of the key, which was the last one of the page before."""
    if place.key is None:
        return Page(rows, None, None)
    if place.direction == "next":
        return Page(rows, None, _seal(Place("previous", place.key, inclusive=True), binding))
    return Page(rows, _seal(Place("next", place.key, inclusive=True), binding), None)


def cursor_at(key: tuple[Any, ...], binding: Mapping[str, Any]) -> str:
    """The cursor of what begins beyond a key."""
    return _seal(Place("next", key), binding)


def _seal(place: Place, binding: Mapping[str, Any]) -> str:
    key = [_encode(value) for value in place.key or ()]
    body = json.encode([_VERSION, place.direction, key, int(place.inclusive)])
    return _as_text(_mac(body, binding) + body)


def place_of(cursor: str | None, binding: Mapping[str, Any]) -> Place:
    """Where a cursor points; the start without one. Raises `InvalidParameter` for one that was
    changed, or was made for another binding."""
    if cursor is None:
        return Place()
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParameter(_REFUSED, code="invalid-cursor") from None
    mac, body = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
    # Several texts stand for the same bytes (padding, unused bits of the last letter); one is ours.
    if not hmac.compare_digest(mac, _mac(body, binding)) or _as_text(sealed) != cursor:
        raise InvalidParameter(_REFUSED, code="invalid-cursor")
    _, direction, key, inclusive = json.decode(body)
    return Place(direction, tuple(_decode(value) for value in key), bool(inclusive))


def _as_text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


_REFUSED: Final = "The cursor is not one of this list. Start from the first page."


def _mac(body: bytes, binding: Mapping[str, Any]) -> bytes:
    bound = json.encode(binding, enc_hook=str, order="sorted")
    return hashlib.blake2b(
        len(bound).to_bytes(4) + bound + body,
        digest_size=_MAC_BYTES,
        key=_mac_key(settings.SECRET_KEY),
        person=b"keyset-cursor",
    ).digest()


@cache
def _mac_key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _encode(value: Any) -> Any:
    return {"t": value.isoformat()} if isinstance(value, datetime) else value


def _decode(value: Any) -> Any:
    return datetime.fromisoformat(value["t"]) if isinstance(value, dict) else value
