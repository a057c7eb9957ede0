"""The OpenAPI document as a whole: what belongs to no operation."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings

from taskproject.api.schema import LINE_END, Schema, resource_of, text_of
from taskproject.api.schema_answers import HEADERS, SCHEMAS


def complete(result: Schema, generator: Any, **kwargs: Any) -> Schema:
    """The document with what belongs to no operation: a hook of drf-spectacular."""
    components = result["components"]
    components["headers"] = HEADERS
    components["schemas"] = dict(sorted({**components["schemas"], **SCHEMAS}.items()))
    components["securitySchemes"] = _security_schemes()
    result["info"]["description"] = LINE_END.sub(" ", DESCRIPTION)
    result["tags"] = _tags(generator)
    return result


def _tags(generator: Any) -> list[Schema]:
    """A tag for each resource that is shown, described as its serializer is."""
    found = {}
    for _, _, _, callback in generator.endpoints:
        view = callback.cls
        found[resource_of(view)] = text_of(view.serializer_class)
    return [{"name": name, "description": text} for name, text in found.items()]


def _security_schemes() -> Schema:
    return {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "tp_…",
            "description": "An API token. It speaks for one user in one tenant.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of the web admin.",
        },
        "csrf": {
            "type": "apiKey",
            "in": "header",
            "name": "X-CSRFToken",
            "description": f"With a session, what the cookie `{settings.CSRF_COOKIE_NAME}` holds.",
        },
    }


DESCRIPTION: Final = """\
Tasks of many tenants. All of a tenant lies below its own address.

**Tokens.** Send `Authorization: Bearer tp_…`. A token speaks for one user in one tenant. An admin
issues them in the web admin, under API tokens, or here with `token_create`; the text is shown once.

**Pages.** A list has up to `limit` rows and the address of the `next` page. Follow it as it is:
its cursor goes with the filters and the order that it was made for. There is no total. Which
filters and orders go together stands with each list, with how many pages of 8 KiB PostgreSQL reads
at most for 50 rows, however far one has come; for programs, and with the index, in `x-access`.

**Problems.** What goes wrong is answered as `application/problem+json`. Tell problems apart by
`code`. A tenant or row that you may not see is answered like one that is not there. A 503 and a
429 say in `Retry-After` when to try again. A method that an address does not take is a 405, and a
failure of the service a 500.

**Conditions.** An object that can be changed comes with an `ETag`. Send it back as `If-Match` with
a change, and nobody's work is lost: 412 says that it has been changed meanwhile. Send it as
`If-None-Match` to read it only if it is new.
"""
