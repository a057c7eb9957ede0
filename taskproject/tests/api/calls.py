"""A client of one tenant's REST API, and what its answers say, for tests of single resources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.test import Client
from django.test.client import ClientHandler
from django.test.utils import CaptureQueriesContext

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind, Tenant, User
from taskproject.tenancy.services import token_issue
from taskproject.tests.api.walls import content_of, form_complaints

ROOT: Final = "/api/v1/tenants/"
ALL_SCOPES: Final = ("read", "write", "admin")
_UPDATE: Final = re.compile(r'UPDATE "?(\w+)"? SET (.+?) WHERE ')
_SET: Final = re.compile(r'"?(\w+)"? = (?=[^,]+)')
_HANDLER: Final = ClientHandler(enforce_csrf_checks=False)


class Api:
    """The REST API of a tenant as one token sees it. Addresses are those below the tenant.

    Each answer is held to its form: JSON or a problem, and never an error of the server.
    """

    def __init__(self, slug: str, token: str = "") -> None:
        headers = {"authorization": f"Bearer {token}"} if token else None
        self.slug, self.token = slug, token
        self._client = Client(headers=headers, raise_request_exception=False)
        # One for all: each would look through all static files when it is first used.
        self._client.handler = _HANDLER

    def at(self, rest: str = "") -> str:
        """The whole path of an address below the tenant."""
        return f"{ROOT}{self.slug}/{rest}"

    def send(self, method: str, address: str, body: bytes, **headers: str) -> Any:
        """A request with bytes of any kind for a body."""
        path = address if address.startswith(("/", "http")) else self.at(address)
        kind = headers.pop("content_type", "application/json")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self._client.generic(method, path, body, kind, headers=named)
        assert response.status_code < 500, (method, path, body[:200], content_of(response))
        assert list(form_complaints(response, method)) == [], (method, path, content_of(response))
        return response

    def get(self, address: str = "", **headers: str) -> Any:
        return self.send("GET", address, b"", **headers)

    def post(self, address: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", address, _json(body), **headers)

    def put(self, address: str, body: Any = None, **headers: str) -> Any:
        return self.send("PUT", address, _json(body), **headers)

    def patch(self, address: str, body: Any, **headers: str) -> Any:
        return self.send("PATCH", address, _json(body), **headers)

    def delete(self, address: str, **headers: str) -> Any:
        return self.send("DELETE", address, b"", **headers)


def _json(body: Any) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


def api_of(tenant: Tenant, user: User, *scopes: str, **more: Any) -> Api:
    """The API as a new token of somebody sees it: with all scopes unless some are given."""
    with tenant_context(tenant):
        issued = token_issue(user_id=user.pk, name="test", scopes=scopes or ALL_SCOPES, **more)
    return Api(tenant.slug, issued.text)


def good(response: Any, status: int = 200) -> Any:
    """The body of a good answer."""
    assert response.status_code == status, response.content
    return response.json()


def problem(response: Any) -> tuple[int, str]:
    """The status and the code of a problem."""
    return response.status_code, response.json()["code"]


def errors(response: Any) -> dict[str, str]:
    """What is wrong with which value: codes by JSON pointer, of a 422 or a 409."""
    assert response.status_code in (409, 422), response.content
    return {each["pointer"]: each["code"] for each in response.json()["errors"]}


def told(tenant: Tenant, after: int = 0) -> list[tuple[str, Any]]:
    """The events of a tenant in words, the oldest first: kind and changes."""
    with tenant_context(tenant):
        rows = Event.objects.filter(pk__gt=after).order_by("pk")
        return [(EventKind(row.kind).label, row.changes) for row in rows]


def instant(moment: datetime | None) -> str | None:
    """A time as the API shows it."""
    if moment is None:
        return None
    text = moment.replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if moment.microsecond else text) + "Z"


@contextmanager
def updates() -> Iterator[list[set[str]]]:
    """The block's UPDATE statements: of each, the columns that it sets."""
    found: list[set[str]] = []
    with CaptureQueriesContext(connection) as queries:
        yield found
    for query in queries.captured_queries:
        if (update := _UPDATE.search(query["sql"])) and update[1] != "api_token":
            found.append(set(_SET.findall(update[2])))
