"""What the OpenAPI document says of answers: their headers, and the problems that can occur."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from taskproject.api import problems
from taskproject.api.problems import CATALOGUE, MEDIA_TYPE, RETRY_AFTER_S

RATE_LIMIT_HEADERS: Final = ("RateLimit", "RateLimit-Policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What an operation does, as far as its answers depend on it."""

    writes: bool = False  # changes something
    reads_body: bool = False
    filters: bool = False  # takes what a registry declares
    pages: bool = False
    matches: bool = False  # may meet more rows than can be sorted
    tagged: bool = False  # shows one object with its entity tag
    weakly: bool = False  # is tagged by what it says
    conditional: bool = False  # honours If-Match
    validates: bool = False  # refuses values, sent or stored
    keyed: bool = False  # takes an Idempotency-Key
    limited: bool = False  # is counted against a quota
    more: tuple[str, ...] = ()  # further problems, by code


@dataclass(frozen=True, slots=True)
class _Group:
    """Problems that occur together: with a status, if an operation is of a kind.

    The groups of one status make one response, named after the status and their `name`s.
    """

    status: int
    codes: tuple[str, ...]
    occurs: Callable[[Traits], bool] = lambda it: True
    name: str = ""


# What the reader of request bodies refuses: see `taskproject.api.parsing`.
_BODY: Final = (
    "malformed-json",
    "not-an-object",
    "json-too-deep",
    "duplicate-key",
    "invalid-number",
    "invalid-text",
)
_GROUPS: Final = (
    _Group(400, ("bad-request", "invalid-parameter")),
    _Group(400, ("unserved-combination",), lambda it: it.filters, "Filters"),
    _Group(400, ("invalid-cursor",), lambda it: it.pages, "Page"),
    _Group(400, _BODY, lambda it: it.reads_body, "Body"),
    _Group(400, ("invalid-header",), lambda it: it.conditional or it.keyed, "Header"),
    _Group(401, ("not-authenticated", "authentication-failed")),
    _Group(403, ("permission-denied",)),
    _Group(404, ("not-found",)),
    _Group(406, ("not-acceptable",)),
    _Group(409, ("state-conflict", "locked"), lambda it: it.writes),
    _Group(409, ("duplicate",), lambda it: it.reads_body, "Body"),
    _Group(411, ("length-required",), lambda it: it.writes),
    _Group(412, ("version-conflict",), lambda it: it.conditional),
    _Group(413, ("content-too-large",), lambda it: it.reads_body),
    _Group(415, ("unsupported-media-type",), lambda it: it.reads_body),
    _Group(422, ("validation",), lambda it: it.validates),
    _Group(422, ("idempotency-key-reused",), lambda it: it.keyed, "Key"),
    _Group(422, ("too-many-matches",), lambda it: it.matches, "Matches"),
    _Group(429, ("rate-limited",), lambda it: it.limited),
    _Group(503, ("database-busy", "database-unavailable", "query-timeout")),
    _Group(503, ("conflict-retry",), lambda it: it.writes, "Write"),
)
_PROBLEM_HEADERS: Final = {
    401: ("WWW-Authenticate",),
    409: ("Retry-After",),
    429: ("Retry-After", *RATE_LIMIT_HEADERS),
    503: ("Retry-After",),
}


def problem_responses(traits: Traits) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The problems of an operation by status: the status, a name, the response.

    The same name always stands for the same response.
    """
    of_its_own = (
        _Group(CATALOGUE[code].status, (code,), name=code.title().replace("-", ""))
        for code in traits.more
    )
    found: dict[int, list[_Group]] = {}
    for group in (*_GROUPS, *of_its_own):
        if group.occurs(traits):
            found.setdefault(group.status, []).append(group)
    for status, groups in found.items():
        name = _phrase(status).title().replace(" ", "") + "".join(each.name for each in groups)
        yield status, name, _problem_response(status, [c for each in groups for c in each.codes])


def response_headers(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Headers of a response, by reference; `WeakETag` is another kind of `ETag`."""
    return {name.removeprefix("Weak"): {"$ref": f"#/components/headers/{name}"} for name in names}


def _problem_response(status: int, codes: list[str]) -> dict[str, Any]:
    meanings = "\n".join(f"- `{code}`: {CATALOGUE[code].title}." for code in codes)
    narrowed = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    return {
        "description": f"{_phrase(status)}.\n\n{meanings}",
        "headers": response_headers(("X-Request-Id", *_PROBLEM_HEADERS.get(status, ()))),
        "content": {
            MEDIA_TYPE: {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]},
                "examples": {code: {"value": _example(code)} for code in codes},
            }
        },
    }


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


# Members beyond the five that each problem has.
_MORE: Final[dict[str, dict[str, Any]]] = {
    "validation": {
        "errors": [
            {"pointer": "/title", "code": "required", "detail": "This field is required."},
        ]
    },
    "duplicate": {
        "errors": [
            {"pointer": "/name", "code": "unique", "detail": "This name is taken already."},
        ]
    },
    "unserved-combination": {
        "offered": [
            {
                "filters": ["project"],
                "optional": ["created_after", "created_before"],
                "sort": ["-created", "created"],
            }
        ]
    },
    "rate-limited": {"retry_after": 12},
    "locked": {"retry_after": RETRY_AFTER_S},
}


def _example(code: str) -> dict[str, Any]:
    kind = CATALOGUE[code]
    more = {"retry_after": RETRY_AFTER_S} if kind.status == 503 else _MORE.get(code, {})
    return problems.body(kind.status, code, f"{kind.title}.", **more)


_WORDS: Final = {"type": "array", "items": {"type": "string"}}
SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "Problem": {
        "type": "object",
        "description": "What went wrong (RFC 9457). Programs tell problems apart by `code`; "
        "`detail` is for people, and its words may change.",
        "properties": {
            "type": {
                "type": "string",
                "format": "uri-reference",
                "description": "Names the kind of problem: `/problems/` and the code.",
            },
            "title": {"type": "string", "description": "The kind of problem in words."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "code": {"type": "string", "enum": list(CATALOGUE)},
            "detail": {"type": "string", "description": "What is wrong this time."},
            "errors": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/FieldError"},
                "description": "Each value that is not valid.",
            },
            "offered": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/Offer"},
                "description": "The filters and orders that are served together and come near.",
            },
            "retry_after": {
                "type": "integer",
                "minimum": 1,
                "description": "Seconds to wait before the same request may succeed.",
            },
        },
        "required": ["type", "title", "status", "code", "detail"],
    },
    "FieldError": {
        "type": "object",
        "description": "What is wrong with one value of a request body.",
        "properties": {
            "pointer": {
                "type": "string",
                "description": "Where it stands, a JSON pointer; an empty one is the whole body.",
            },
            "code": {"type": "string"},
            "detail": {"type": "string"},
        },
        "required": ["pointer", "code", "detail"],
    },
    "Offer": {
        "type": "object",
        "description": "Filters that must be given, filters that may, and the orders they have.",
        "properties": {"filters": _WORDS, "optional": _WORDS, "sort": _WORDS},
        "required": ["filters", "optional", "sort"],
    },
}
_TAG: Final = "[1-9][0-9]{0,9}-[0-9a-f]{16}"
IF_MATCH: Final = {
    "in": "header",
    "name": "If-Match",
    "description": "Change it only if it still has this `ETag`, one of its own; else 412.",
    "schema": {"type": "string", "pattern": f'^(\\*|"{_TAG}")$'},
}
IF_NONE_MATCH: Final = {
    "in": "header",
    "name": "If-None-Match",
    "description": "Send it only if it has another `ETag` than these; else 304.",
    "schema": {"type": "string"},
}
IDEMPOTENCY_KEY: Final = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "Names this request of its user for 24 hours: sent again, it is answered as the "
    "first time and done once. A new one for each request, such as a UUID.",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
}
HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Idempotency-Replayed": {
        "description": "It was done before, with the same `Idempotency-Key`, and answered so then.",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    },
    "ETag": {
        "description": "The version of the object, and a digest of what is shown.",
        "required": True,
        "schema": {"type": "string", "pattern": f'^"{_TAG}"$'},
        "example": '"3-0f4c2b1d9e8a7765"',
    },
    "WeakETag": {
        "description": "A digest of what is answered, whoever asks.",
        "required": True,
        "schema": {"type": "string", "pattern": '^W/"[0-9a-f]{16}"$'},
        "example": 'W/"0f4c2b1d9e8a7765"',
    },
    "Cache-Status": {
        "description": "Whether the answer had been kept, where that was looked for (RFC 9211).",
        "schema": {"type": "string"},
        "example": "taskproject; hit; detail=kept",
    },
    "Location": {
        "description": "The address of what was made.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/api/v1/tenants/acme/tasks/4711/",
    },
    "Link": {
        "description": "The pages beside this one, as in the body (RFC 8288).",
        "schema": {"type": "string"},
        "example": '<https://tasks.example/api/v1/tenants/acme/tasks/?cursor=q5wf>; rel="next"',
    },
    "RateLimit": {
        "description": "What is left: within `t` seconds no more than `r` requests.",
        "schema": {"type": "string"},
        "example": '"token";r=599;t=1, "tenant";r=5999;t=1',
    },
    "RateLimit-Policy": {
        "description": "The quotas: `q` requests in `w` seconds.",
        "schema": {"type": "string"},
        "example": '"token";q=600;w=60, "tenant";q=6000;w=60',
    },
    "Retry-After": {
        "description": "Seconds to wait before the same request may succeed.",
        "schema": {"type": "integer", "minimum": 1},
        "example": RETRY_AFTER_S,
    },
    "WWW-Authenticate": {
        "description": "How to come in.",
        "required": True,
        "schema": {"type": "string"},
        "example": "Bearer",
    },
    "X-Request-Id": {
        "description": "Names this request in the logs of the service: the one that was sent, if "
        "it is up to 64 letters, digits, dots, dashes and underscores, else a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        "example": "5f0c2b7e9d414e0fb7b5a3c1d2e4f607",
    },
}
