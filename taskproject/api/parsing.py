"""Bodies of requests: JSON objects that can be stored and that mean one thing to everybody.

`JSONParser` takes `application/json` alone. What stock JSON parsers let through is refused: deep
nesting, repeated keys, numbers that other programs would round, texts that PostgreSQL can't hold.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from itertools import accumulate
from typing import Any, Final

from django.conf import settings
from django.http.request import UnreadablePostError
from rest_framework.exceptions import APIException, UnsupportedMediaType
from rest_framework.parsers import BaseParser

MAX_DEPTH: Final = 20
# Beyond it JavaScript and others, who keep numbers as doubles, can't tell neighbours apart.
MAX_INTEGER: Final = 2**53
_MAX_NUMBER_LENGTH: Final = 400
_MAX_POINTER_LENGTH: Final = 200

Path = tuple[str | int, ...]


class BodyRefused(APIException):
    """400: the body is no JSON object that can be taken. `extra` points at the value, if one is
    to blame."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "malformed-json"

    def __init__(self, detail: str, code: str = default_code, *, path: Path | None = None) -> None:
        self.extra: dict[str, Any] = {}
        if path is not None:
            pointer = _pointer(path)
            self.extra = {"errors": [{"pointer": pointer, "code": code, "detail": detail}]}
            detail = f"At {pointer}: {detail}"
        super().__init__(detail, code)


class ContentTooLarge(APIException):
    """413: the body has more bytes than `DATA_UPLOAD_MAX_MEMORY_SIZE`."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "content-too-large"

    def __init__(self) -> None:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        super().__init__(f"A body may have up to {limit} bytes. Send it in several requests.")


@dataclass(frozen=True)
class Body:
    """The bytes of a body that ought to hold a JSON object."""

    raw: bytes

    @cached_property
    def members(self) -> dict[str, Any]:
        """The members of the object. Raises `BodyRefused`, as `parse_object` does."""
        return parse_object(self.raw)


class BodyParser(BaseParser):
    """Takes a body that says it is JSON, as a `Body`, or raises `ContentTooLarge` or `BodyRefused`.

    What it holds is found out by whoever wants to know. A request without a body never comes here:
    DRF takes it for `{}`.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        if (media_type or "").partition(";")[0].strip().lower() != self.media_type:
            raise UnsupportedMediaType(media_type or "")  # a wildcard, which DRF lets match
        meta = (parser_context or {})["request"].META
        # As DRF reads it, which would not have come here for another value than a number.
        announced = int(meta.get("CONTENT_LENGTH", meta.get("HTTP_CONTENT_LENGTH", 0)))
        return Body(_read(stream, announced=announced))


class JSONParser(BodyParser):
    """Reads a JSON object, or raises `ContentTooLarge` or `BodyRefused`."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        return super().parse(*args, **kwargs).members


def members_of(data: Any) -> dict[str, Any]:
    """The members of `request.data`: of a `Body`, or of no body at all. Raises `BodyRefused`."""
    return data.members if isinstance(data, Body) else dict(data)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object that `body` holds in UTF-8.

    Raises `BodyRefused` with code `malformed-json`, `not-an-object`, `json-too-deep` (more than 20
    levels), `duplicate-key`, `invalid-number` (no finite one, or an integer beyond ±2^53) or
    `invalid-text` (a NUL, or half of a surrogate pair).
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BodyRefused(f"The body is not UTF-8: see byte {error.start}.") from None
    if _depth(body) > MAX_DEPTH:
        raise BodyRefused(f"Arrays and objects may nest {MAX_DEPTH} deep.", "json-too-deep")
    found = _decode(text)
    if not isinstance(found, dict):
        raise BodyRefused("The body must be a JSON object: {…}.", "not-an-object")
    if _ESCAPED.search(text):  # first, so that what points at a value can be shown
        _check_texts(found, ())
    _check(found, ())
    return found


def _read(stream: Any, *, announced: int) -> bytes:
    """The body, of which never more than the limit and a byte is read."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if announced > limit:
        raise ContentTooLarge
    try:
        body: bytes = stream.read(limit + 1)
    except UnreadablePostError:
        body = b""
    if len(body) > limit:
        raise ContentTooLarge
    if len(body) < announced:
        raise BodyRefused(f"The body ended after {len(body)} of {announced} bytes.")
    return body


_QUOTES_AND_BRACKETS: Final = b'"[{]}'
_THE_REST: Final = bytes(set(range(256)) - set(_QUOTES_AND_BRACKETS))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # signed: +1, +1, -1, -1


def _depth(body: bytes) -> int:
    """How deep arrays and objects nest, without recursion, which in C could end the process.

    Exact up to the first byte that is no JSON; no parser goes beyond it.
    """
    steps = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_STEPS, _THE_REST)
    # What follows an odd number of quotes stands in a string. Two quotes side by side change that
    # for nothing behind them, and without them little is left.
    outside = b"".join(steps.replace(b'""', b"").split(b'"')[::2])
    return max(accumulate(memoryview(outside).cast("b")), default=0)


class _Repeating(dict[str, Any]):
    """An object in which a key stood twice, and all that stood in it."""

    pairs: list[tuple[str, Any]]

    @property
    def key(self) -> str:
        """The key that stood there most often."""
        return Counter(key for key, _ in self.pairs).most_common(1)[0][0]


_CONTAINERS: Final = frozenset({dict, list, _Repeating})


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    repeating = _Repeating(members)
    repeating.pairs = pairs
    return repeating


def _float(text: str) -> float:
    if len(text) > _MAX_NUMBER_LENGTH:
        raise _too_many_digits()
    return float(text)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_members, parse_float=_float)


def _decode(text: str) -> Any:
    if text.startswith("\ufeff"):
        raise BodyRefused("The body begins with a byte order mark: leave it out.")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BodyRefused(f"The body is no JSON: {error.msg} ({where}).") from None
    except ValueError:  # int() refuses more than 4,300 digits, which would take it long
        raise _too_many_digits() from None


def _too_many_digits() -> BodyRefused:
    return BodyRefused("A number has too many digits. Send it as a string.", "invalid-number")


# An escape that may stand for a NUL or for half of a pair. Unescaped, JSON and UTF-8 forbid both.
UNSTORABLE_ESCAPE: Final = r"\\u(?:0000|[dD][89a-fA-F])"
_ESCAPED: Final = re.compile(UNSTORABLE_ESCAPE)
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def _check(value: dict[str, Any] | list[Any], path: Path) -> None:
    """Raise for the first number or repeated key below `path` that can't be taken.

    Recursion ends at MAX_DEPTH.
    """
    if isinstance(value, _Repeating):
        path = (*path, value.key)
        raise BodyRefused("The key stands twice in one object.", "duplicate-key", path=path)
    for step, inner in _steps(value):
        kind = type(inner)
        if kind is str:
            continue  # most are, and this runs for each
        if kind is int or kind is float:
            if not -MAX_INTEGER <= inner <= MAX_INTEGER:
                _check_number(inner, (*path, step))
        elif inner and kind in _CONTAINERS:
            _check(inner, (*path, step))


def _check_texts(value: Any, path: Path) -> None:
    """Raise for the first text or key at or below `path` that can't be stored."""
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            detail = "A text can hold neither U+0000 nor half of a surrogate pair."
            raise BodyRefused(detail, "invalid-text", path=path)
    elif type(value) in _CONTAINERS:
        for step, inner in _steps(value):
            _check_texts(step, path)
            _check_texts(inner, (*path, step))


def _steps(value: dict[str, Any] | list[Any]) -> Iterable[tuple[str | int, Any]]:
    return value.items() if isinstance(value, dict) else enumerate(value)


def _check_number(value: float, path: Path) -> None:
    if isinstance(value, int):
        detail = f"An integer must be from -{MAX_INTEGER} to {MAX_INTEGER}. Send it as a string."
    elif value - value == 0:
        return  # a big one, but finite
    else:
        detail = "A number must be finite."
    raise BodyRefused(detail, "invalid-number", path=path)


def _pointer(path: Path) -> str:
    """The JSON pointer (RFC 6901) of a path, cut where it gets long."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    pointer = "".join(f"/{step}" for step in steps)
    return pointer if len(pointer) <= _MAX_POINTER_LENGTH else pointer[:_MAX_POINTER_LENGTH] + "…"
