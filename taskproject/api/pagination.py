"""Keyset pages over REST: an opaque, signed cursor instead of a page number.

A cursor is bound to its tenant, its sort and its filters: with any other it is refused, where an
unsigned one would silently show a wrong page. There is no total; counting is another question.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from django.conf import settings
from django.db.models import Model, QuerySet
from django.http import QueryDict

from taskproject.api.parameters import whole
from taskproject.api.problems import InvalidParameter
from taskproject.db.keyset import Keyset, Range
from taskproject.db.names import Name, attach_names, named

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
LIMIT: Final = whole(1, MAX_LIMIT, "How many an answer has at most.", default=DEFAULT_LIMIT)
_MAC_BYTES: Final = 16
_VERSION: Final = 2

Direction = Literal["next", "previous"]


@dataclass(frozen=True, slots=True)
class Page[M: Model]:
    """Rows in the order of the sort, and the cursors of the pages beside them, if there are any."""

    rows: Sequence[M]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a client asked for: how many rows, and from where."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


def page_request(query: QueryDict) -> PageRequest:
    """Read `limit` and `cursor`. Raises `InvalidParameter` for a limit outside 1 to 200."""
    limit = LIMIT.value("limit", query.get("limit", str(DEFAULT_LIMIT)))
    return PageRequest(limit=limit, cursor=query.get("cursor"))


def paginate[M: Model](
    rows: QuerySet[M],
    keyset: Keyset,
    request: PageRequest,
    *,
    binding: Mapping[str, Any],
    within: Range | None = None,
    names: Sequence[Name] = (),
) -> Page[M]:
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
        return _emptied(place, binding)
    has_next = more if not backwards else True
    has_previous = more if backwards else place.key is not None
    return Page(
        found,
        _seal(Place("next", keyset.key(found[-1])), binding) if has_next else None,
        _seal(Place("previous", keyset.key(found[0])), binding) if has_previous else None,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: beyond a key in a direction, or with the key's own row."""

    direction: Direction = "next"
    key: tuple[Any, ...] | None = None
    inclusive: bool = False


def _emptied(place: Place, binding: Mapping[str, Any]) -> Page[Any]:
    """A page whose rows have all gone since its cursor was made. The way back begins with the row
    of the key, which was the last one of the page before."""
    if place.key is None:
        return Page([], None, None)
    if place.direction == "next":
        return Page([], None, _seal(Place("previous", place.key, inclusive=True), binding))
    return Page([], _seal(Place("next", place.key, inclusive=True), binding), None)


def cursor_at(key: tuple[Any, ...], binding: Mapping[str, Any]) -> str:
    """The cursor of what begins beyond a key."""
    return _seal(Place("next", key), binding)


def _seal(place: Place, binding: Mapping[str, Any]) -> str:
    key = [_encode(value) for value in place.key or ()]
    body = json.dumps([_VERSION, place.direction, key, int(place.inclusive)]).encode()
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
    _, direction, key, inclusive = json.loads(body)
    return Place(direction, tuple(_decode(value) for value in key), bool(inclusive))


def _as_text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


_REFUSED: Final = "The cursor is not one of this list. Start from the first page."


def _mac(body: bytes, binding: Mapping[str, Any]) -> bytes:
    bound = json.dumps(binding, sort_keys=True, default=str).encode()
    return hashlib.blake2b(
        len(bound).to_bytes(4) + bound + body,
        digest_size=_MAC_BYTES,
        key=hashlib.sha256(settings.SECRET_KEY.encode()).digest(),
        person=b"keyset-cursor",
    ).digest()


def _encode(value: Any) -> Any:
    return {"t": value.isoformat()} if isinstance(value, datetime) else value


def _decode(value: Any) -> Any:
    return datetime.fromisoformat(value["t"]) if isinstance(value, dict) else value
