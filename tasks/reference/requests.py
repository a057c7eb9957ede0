"""What is sent: the same requests by every path."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit

from taskproject.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Membership, Role, Tenant
from taskproject.tenancy.services import token_issue
from tasks.models import LIVE, Task
from tasks.reference.loader import request_bytes

API: Final = "/api/v1/tenants/{}/tasks/"
STOCK: Final = "/stock/v1/tenants/{}/tasks/"
BARE: Final = "/bare/v1/tenants/{}/tasks/"
OPERATIONS: Final = ("page-of-50", "kept", "depth", "members", "detail", "create", "patch")
_TENANTS: Final = 5
_TASKS: Final = 200
_DEEP_PAGE: Final = 10_000
_LIMIT: Final = re.compile(r"limit=\d+")


@dataclass(frozen=True, slots=True)
class Caller:
    """A member of a tenant with a token, and some tasks of the tenant."""

    slug: str
    token: str
    tasks: tuple[int, ...]
    project: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure of one path divided by that of another."""

    words: str
    figure: str
    one: str
    other: str


API_TO_STOCK: Final = (
    Ratio("api/stock requests/s", "requests_per_s", "api", "stock"),
    Ratio("stock/api server CPU", "server_cpu_us", "stock", "api"),
)
API_TO_BARE: Final = Ratio("api/bare server CPU", "server_cpu_us", "api", "bare")


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of request: the paths that answer it, by name, each with what it is sent; what is
    told of them; and which of them answer with another status."""

    name: str
    status: int
    paths: dict[str, list[bytes]]
    ratios: tuple[Ratio, ...] = API_TO_STOCK
    other_statuses: Mapping[str, int] = field(default_factory=dict)


def callers() -> list[Caller]:
    """Owners of the first tenants, which `seed` makes the largest ones, with new tokens."""
    return [_caller(tenant) for tenant in Tenant.objects.order_by("id")[:_TENANTS]]


def _caller(tenant: Tenant) -> Caller:
    owner = Membership.objects.filter(tenant=tenant, role=Role.OWNER, active=True).earliest("id")
    with tenant_context(tenant):
        token = token_issue(user_id=owner.user_id, name="benchmark", scopes=["read", "write"])
        tasks = Task.objects.filter(LIVE).order_by("-id").values_list("id", flat=True)[:_TASKS]
        project = Task.objects.filter(LIVE, project__archived_at=None).latest("id").project
        return Caller(tenant.slug, token.text, tuple(tasks), project.key)


def operations(port: int, by: list[Caller]) -> list[Operation]:
    """Every operation that is measured, for a server on that port."""
    return [
        Operation(
            "page of 50",
            200,
            {
                "api": _pages(port, by, API),
                "stock": _pages(port, by, STOCK),
                "bare": [_get(caller, BARE.format(caller.slug)) for caller in by],
            },
            (*API_TO_STOCK, API_TO_BARE),
        ),
        _kept(port, by),
        _depth(port, by[0]),
        _members(by),
        Operation("detail", 200, {"api": _details(by, API), "stock": _details(by, STOCK)}),
        Operation("create", 201, {"api": _creates(by, API), "stock": _creates(by, STOCK)}),
        Operation("patch", 200, {"api": _patches(by, API), "stock": _patches(by, STOCK)}),
    ]


def _pages(
    port: int, by: list[Caller], address: str, *, fresh: bool = True, tagged: bool = False
) -> list[bytes]:
    """Seven requests for the first page to three for the second; for pages that may have been kept
    unless they are to be `fresh`, and with their entity tags if they are `tagged`."""
    found = []
    for caller in by:
        first = address.format(caller.slug)
        second = urlsplit(_asked(port, caller, first)["next"])
        for path, number in ((first, 7), (f"{second.path}?{second.query}", 3)):
            tag = _tag(port, caller, path) if tagged else ""
            found += [_get(caller, path, fresh=fresh, tag=tag)] * number
    return _mixed(found, 10)


def _kept(port: int, by: list[Caller]) -> Operation:
    """The same pages as they were kept, and where the client has them already."""
    return Operation(
        "kept",
        200,
        {
            "kept": _pages(port, by, API, fresh=False),
            "unchanged": _pages(port, by, API, fresh=False, tagged=True),
            "stock": _pages(port, by, STOCK),
        },
        (
            Ratio("kept/stock requests/s", "requests_per_s", "kept", "stock"),
            Ratio("unchanged/stock requests/s", "requests_per_s", "unchanged", "stock"),
            Ratio("stock/kept server CPU", "server_cpu_us", "stock", "kept"),
        ),
        {"unchanged": 304},
    )


def _depth(port: int, caller: Caller) -> Operation:
    """The first page of a tenant's tasks, the second, which has a cursor too, and page 10,000 or
    the last whole one."""
    with tenant_context(Tenant.objects.get(slug=caller.slug).pk):
        tasks = Task.objects.filter(LIVE).count()
    number = min(_DEEP_PAGE, tasks // DEFAULT_LIMIT)
    pages = {
        f"page {each:,}": [_get(caller, _walked(port, caller, (each - 1) * DEFAULT_LIMIT))]
        for each in (1, 2, number)
    }
    first, second, deep = pages
    ratios = (
        Ratio(f"{first}/{deep} requests/s", "requests_per_s", first, deep),
        Ratio(f"{second}/{deep} requests/s", "requests_per_s", second, deep),
        Ratio(f"{deep}/{second} database CPU", "database_cpu_us", deep, second),
    )
    return Operation("depth", 200, pages, ratios)


def _walked(port: int, caller: Caller, rows: int) -> str:
    """The address of the page of 50 behind so many rows: by following `next`."""
    address = f"{API.format(caller.slug)}?limit={DEFAULT_LIMIT}"
    while rows:
        step = min(rows, MAX_LIMIT)
        following = urlsplit(_asked(port, caller, _LIMIT.sub(f"limit={step}", address))["next"])
        address = f"{following.path}?{following.query}"
        rows -= step
    return _LIMIT.sub(f"limit={DEFAULT_LIMIT}", address)


def _members(by: list[Caller]) -> Operation:
    """The first page with all members, with a few, and with what can be included."""
    queries = {"whole": "", "fields": "?fields=key,title,status", "labels": "?include=labels"}
    return Operation(
        "members",
        200,
        {
            name: [_get(each, API.format(each.slug) + query) for each in by]
            for name, query in queries.items()
        },
        (
            Ratio("fields/whole requests/s", "requests_per_s", "fields", "whole"),
            Ratio("labels/whole requests/s", "requests_per_s", "labels", "whole"),
        ),
    )


def _details(by: list[Caller], address: str) -> list[bytes]:
    return _mixed(
        [_get(each, f"{address.format(each.slug)}{task}/") for each in by for task in each.tasks],
        _TASKS,
    )


def _creates(by: list[Caller], address: str) -> list[bytes]:
    return [
        request_bytes(
            "POST", address.format(each.slug), token=each.token, body=_json(_new(each, n))
        )
        for n in range(20)
        for each in by
    ]


def _new(caller: Caller, number: int) -> dict[str, Any]:
    return {
        "project": caller.project,
        "title": f"Answer the letter of the {number + 1}th",
        "description": "It came by post, and wants to know what we make of the offer.",
        "priority": "high",
        "due_at": "2027-03-31T16:00:00Z",
    }


_TITLES: Final = itertools.count()


def _patches(by: list[Caller], address: str) -> list[bytes]:
    """Each one changes the title to another one than before, whichever path was there last."""
    found = []
    for _ in range(2):
        found += [
            request_bytes(
                "PATCH",
                f"{address.format(each.slug)}{task}/",
                token=each.token,
                body=_json({"title": f"Renamed for the {next(_TITLES)}th time"}),
            )
            for tasks in zip(*(each.tasks for each in by), strict=False)
            for each, task in zip(by, tasks, strict=True)
        ]
    return found


def _mixed(requests: list[bytes], each: int) -> list[bytes]:
    """Requests that come in runs of `each` by one caller, a caller in turn."""
    return [requests[n] for start in range(each) for n in range(start, len(requests), each)]


def _get(caller: Caller, path: str, *, fresh: bool = True, tag: str = "") -> bytes:
    more = "Cache-Control: no-cache\r\n" if fresh else ""
    if tag:
        more += f"If-None-Match: {tag}\r\n"
    return request_bytes("GET", path, token=caller.token, more=more)


def _asked(port: int, caller: Caller, path: str) -> Any:
    return json.loads(_answer(port, caller, path)[1])


def _tag(port: int, caller: Caller, path: str) -> str:
    return _answer(port, caller, path)[0].headers["ETag"]


def _answer(port: int, caller: Caller, path: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port)
    # The host stands in links, and so in what a tag is a digest of.
    headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {caller.token}"}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answers {answer.status}: {body.decode()}")
    return answer, body


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()
