"""The addresses below a tenant as the URL resolver has them, and what each is declared to take.

`DECLARED` says by hand, for each address and method, what it asks of its caller. What the service
does is compared with it, so nothing in it is read off the code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.urls import URLPattern, URLResolver, get_resolver, reverse

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
BELOW: Final = "api/v1/tenants/<slug:tenant>/"
ROLES: Final = ("viewer", "member", "admin", "owner")


@dataclass(frozen=True, slots=True)
class Route:
    """An address below a tenant: its name, the names of what is filled in, and its view."""

    name: str
    arguments: tuple[str, ...]
    callback: Any

    def address(self, tenant: str, places: Mapping[str, Any]) -> str:
        """The address in a tenant with what `places` has for its arguments."""
        filled = {name: places[name] for name in self.arguments}
        return reverse(self.name, kwargs={"tenant": tenant, **filled})

    def view(self, method: str) -> Any:
        """A view that is about to answer a method; None if the address does not take it."""
        action = self.callback.actions.get(method.lower())
        if action is None:
            return None
        view = self.callback.cls(**self.callback.initkwargs)
        view.action, view.request, view.kwargs, view.format_kwarg = action, None, {}, None
        return view


def routes() -> list[Route]:
    """Every address below a tenant that the service answers."""
    found = []
    for path, pattern in _walk(get_resolver().url_patterns, ""):
        if path.startswith(BELOW):
            arguments = tuple(pattern.pattern.converters)
            assert pattern.name, f"{path} has no name"
            found.append(Route(pattern.name, arguments, pattern.callback))
    return found


def other_addresses() -> list[str]:
    """The addresses of the API that lie below no tenant."""
    found = (path for path, _ in _walk(get_resolver().url_patterns, ""))
    return [path for path in found if path.startswith("api/") and not path.startswith(BELOW)]


def _walk(
    patterns: list[URLPattern | URLResolver], before: str
) -> Iterator[tuple[str, URLPattern]]:
    for each in patterns:
        path = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, path)
        else:
            yield path, each


@dataclass(frozen=True, slots=True)
class Act:
    """A method of an address: the scope and the least role that it asks for, and what is answered.

    `rule` is asked for besides. `at` fills arguments of the address with other places of a `Home`.
    `refers` are the fields of the body, `filters` the query parameters, that name another row.
    `absent` is the answer for a row in the address that is not there.
    """

    scope: str
    role: str
    gives: int = 200
    body: Mapping[str, Any] | None = None
    rule: str = ""
    at: Mapping[str, str] = field(default_factory=dict)
    refers: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    absent: int = 404

    def allows(self, role: str, scopes: frozenset[str], *, author: bool) -> bool:
        """Whether a member of that role comes through with those scopes."""
        if self.scope not in scopes or ROLES.index(role) < ROLES.index(self.role):
            return False
        if self.rule == "author":
            return author
        if self.rule == "author or admin":
            return author or ROLES.index(role) >= ROLES.index("admin")
        return True


def reads(**more: Any) -> Act:
    return Act("read", "viewer", **more)


def writes(gives: int = 200, body: Any = None, **more: Any) -> Act:
    return Act("write", "member", gives, body, **more)


def manages(gives: int = 200, body: Any = None, **more: Any) -> Act:
    return Act("admin", "admin", gives, body, **more)


def owns(gives: int = 200, body: Any = None, **more: Any) -> Act:
    return Act("admin", "owner", gives, body, **more)


_TASK: Final = ("assignee", "parent")
_NARROWED: Final = ("project", "assignee", "label", "parent")

# What each address asks of its caller. `{word}` in a body stands for a place of a Home.
DECLARED: Final[dict[str, dict[str, Act]]] = {
    "event-feed": {"GET": reads()},
    "tenant-detail": {"GET": reads(), "PATCH": owns(body={"name": "Renamed"})},
    "member-list": {"GET": reads(), "POST": manages(201, {"user": "newcomer"})},
    "member-detail": {"GET": reads(), "PATCH": manages(body={"role": "member"})},
    "token-list": {
        "GET": Act("admin", "admin"),
        "POST": manages(201, {"name": "CI", "scopes": ["admin"]}, refers=("user",)),
    },
    "token-detail": {"GET": Act("admin", "admin"), "DELETE": manages(204)},
    "project-list": {
        "GET": reads(),
        "POST": manages(201, {"key": "NEW", "name": "New"}, refers=("lead",)),
    },
    "project-detail": {
        "GET": reads(),
        "PATCH": manages(body={"name": "Renamed"}, refers=("lead",)),
    },
    "project-archive": {"POST": manages()},
    "project-unarchive": {"POST": manages(at={"key": "archived"})},
    "project-task-list": {
        "GET": reads(),
        "POST": writes(201, {"title": "New"}, refers=_TASK),
    },
    "task-list": {
        "GET": reads(filters=_NARROWED),
        "POST": writes(201, {"title": "New", "project": "{key}"}, refers=("project", *_TASK)),
    },
    "task-count": {"GET": reads(filters=_NARROWED)},
    "task-summary": {"GET": reads()},
    "task-export-ndjson": {"GET": reads()},
    "task-export-csv": {"GET": reads()},
    "task-batch-create": {"POST": writes(201, {"items": [{"title": "New", "project": "{key}"}]})},
    "task-batch-update": {
        "POST": writes(body={"items": [{"id": "{task}", "set": {"title": "Renamed"}}]})
    },
    "task-batch-delete": {"POST": writes(body={"ids": ["{spare_task}"]})},
    "task-batch-upsert": {
        "POST": writes(
            body={"items": [{"title": "New", "project": "{key}", "external_key": "new"}]}
        )
    },
    "task-detail": {
        "GET": reads(),
        "PATCH": writes(body={"title": "Renamed"}, refers=_TASK),
        "DELETE": writes(204),
    },
    "task-restore": {"POST": writes()},
    "task-label-list": {"GET": reads()},
    "task-label-detail": {
        "PUT": writes(204, at={"label_id": "spare_label"}),
        # Done again it changes nothing: what is not there is already off.
        "DELETE": writes(204, absent=204),
    },
    "comment-list": {"GET": reads(), "POST": writes(201, {"body": "New"})},
    "comment-detail": {
        "GET": reads(),
        "PATCH": writes(body={"body": "In other words"}, rule="author"),
        "DELETE": writes(204, rule="author or admin"),
    },
    "dependency-list": {
        "GET": reads(),
        "POST": writes(201, {"blocker": "{spare_task}"}, refers=("blocker",)),
    },
    "dependency-detail": {"DELETE": writes(204)},
    "task-event-list": {"GET": reads()},
    "label-list": {"GET": reads(), "POST": manages(201, {"name": "new"})},
    "label-detail": {
        "GET": reads(),
        "PATCH": manages(body={"name": "renamed"}),
        "DELETE": manages(204),
    },
}


def act_of(route: Route, method: str) -> Act | None:
    """What a method of an address asks for; None if the address does not take it."""
    return DECLARED[route.name].get("GET" if method == "HEAD" else method)


def taken(route: Route) -> frozenset[str]:
    """The methods that an address takes."""
    declared = set(DECLARED[route.name])
    return frozenset(declared | {"HEAD"} if "GET" in declared else declared)
