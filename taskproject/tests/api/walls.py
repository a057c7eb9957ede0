"""The probes of the wall around the REST API: each gives the list of its findings, which is empty
while the wall stands. `test_canaries` breaks the wall to see them find something."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.test import Client

from taskproject.api.problems import CATALOGUE, MEDIA_TYPE
from taskproject.tests.api.homes import (
    Caller,
    Digest,
    Home,
    callers,
    changed,
    digest,
    furnish,
    new_word,
)
from taskproject.tests.api.routes import METHODS, SAFE, Act, Route, act_of, taken
from taskproject.tests.rows import rolled_back
from tasks.dataset.forms import FORMS

ABSENT_TENANT: Final = "absent"
# What stands in place of a row that is nowhere.
ABSENT: Final[dict[str, Any]] = {
    "username": "nobody-at-all",
    "prefix": "zzzzzzzz",
    "key": "NOSUCH",
    "archived": "NOSUCH",
    "task": 999_999_999_999,
    "task_key": "NOSUCH-1",
    "task_id": 999_999_999_999,
    "label_id": 999_999_999_999,
    "spare_label": 999_999_999_999,
    "comment_id": 999_999_999_999,
    "blocker_id": 999_999_999_999,
    "spare_task": 999_999_999_999,
}
# The place that a field of a body, or a query parameter, names.
PLACES: Final = {
    "project": "key",
    "assignee": "username",
    "lead": "username",
    "user": "username",
    "parent": "spare_task",
    "blocker": "spare_task",
    "label": "label_id",
}
FILES: Final = tuple(form.media_type for form in FORMS.values())
_STATEMENTS: Final = re.compile(r"\d+ statements")
_EACH_TIME: Final = frozenset({"X-Request-Id", "Date", "Server-Timing"})


@dataclass(frozen=True, slots=True)
class World:
    """Two tenants, and those who call on alpha."""

    alpha: Home
    beta: Home
    callers: list[Caller]

    def client(self, name: str) -> Client:
        """The client of a caller."""
        return next(caller.client for caller in self.callers if caller.name == name)

    def digest(self) -> Digest:
        """A digest of all rows of both tenants."""
        return digest(self.alpha, self.beta)


def make_world() -> World:
    """Alpha and beta, and everybody who calls on alpha."""
    alpha, beta = furnish("alpha", new_word()), furnish("beta", new_word())
    world = World(alpha, beta, callers(alpha, beta))
    for caller in world.callers:
        caller.client.get("/api/v1/tenants/alpha/")  # from now on their tokens are remembered
    return world


@dataclass(slots=True)
class Record:
    """Which methods of which addresses were sent by whom."""

    sent: set[tuple[str, str, str]] = field(default_factory=set)
    count: int = 0


RECORD: Final = Record()


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """A request with a JSON body, if any."""
    data = b"" if body is None else json.dumps(body).encode()
    return client.generic(method, path, data, "application/json", headers=headers)


def whole(response: Any) -> tuple[Any, ...]:
    """An answer to the last byte, without what differs from answer to answer, and how many
    statements it took: who counts the milliseconds should learn no more than who reads."""
    headers = [item for item in sorted(response.items()) if item[0] not in _EACH_TIME]
    statements = _STATEMENTS.findall(response.get("Server-Timing", ""))
    return response.status_code, headers, content_of(response), *statements


def content_of(response: Any) -> bytes:
    """The body of an answer. A file is read once, and kept for the next who asks."""
    if not response.streaming:
        return bytes(response.content)
    if not hasattr(response, "file"):
        response.file = b"".join(response.streaming_content)
        for close in response._resource_closers:  # close() would end Django's connections too
            close()
    return bytes(response.file)


# --- The matrix -----------------------------------------------------------------------------------


def expected_status(act: Act | None, method: str, caller: Caller) -> int:
    """What somebody is answered: by the declaration alone."""
    if not caller.csrf and method not in SAFE:
        return 403
    if caller.fate is not None:
        return caller.fate
    if act is None:
        return 405
    return act.gives if act.allows(caller.role, caller.scopes, author=caller.author) else 403


def places_at(home: Home, act: Act | None, spelling: str = "") -> dict[str, Any]:
    """What fills the arguments of an address: `spelling` is another place for the task."""
    at = dict(act.at) if act else {}
    if spelling:
        at["task"] = spelling
    return {**home.places, **{name: home.places[place] for name, place in at.items()}}


def body_of(act: Act | None, method: str, home: Home) -> dict[str, Any] | None:
    """The body that goes with a method: a good one where the address takes it."""
    if method in SAFE or method == "DELETE":
        return None
    values = (act.body if act else None) or {}
    return {name: _filled(value, home) for name, value in values.items()}


def _filled(value: Any, home: Home) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        return home.places[value.strip("{}")]
    if isinstance(value, list):
        return [_filled(each, home) for each in value]
    if isinstance(value, dict):
        return {name: _filled(each, home) for name, each in value.items()}
    return value


def matrix(world: World, route: Route) -> Iterator[str]:
    """Each method of an address by each caller: what is not as declared."""
    yield from _matrix(world, route, "")
    if "task" in route.arguments:
        few = [caller for caller in world.callers if caller.name in _FEW]
        yield from _matrix(replace(world, callers=few), route, "task_key")


# Who tries the other spelling of a task, `WEB-42`.
_FEW: Final = ("owner", "viewer", "only admin", "token of another tenant", "nobody")


def _matrix(world: World, route: Route, spelling: str) -> Iterator[str]:
    for method in METHODS:
        act = act_of(route, method)
        path = route.address("alpha", places_at(world.alpha, act, spelling))
        body = body_of(act, method, world.alpha)
        welcome, others = _parted(world, act, method)
        with rolled_back():
            yield from _refused(world, route, method, path, body, others)
        for caller in welcome:
            with rolled_back():
                yield from _accepted(world, route, method, path, body, caller)


def _parted(world: World, act: Act | None, method: str) -> tuple[list[Caller], list[Caller]]:
    """Those whose request changes something, and the others."""
    welcome = [
        caller
        for caller in world.callers
        if method not in SAFE and expected_status(act, method, caller) < 300
    ]
    return welcome, [caller for caller in world.callers if caller not in welcome]


def _refused(
    world: World, route: Route, method: str, path: str, body: Any, those: list[Caller]
) -> Iterator[str]:
    before = world.digest()
    for caller in those:
        response = _asked(route, method, path, body, caller)
        yield from _complaints(world, route, method, caller, response)
        if caller.fate == 404:
            nowhere = path.replace("/alpha/", f"/{ABSENT_TENANT}/", 1)
            if whole(response) != whole(send(caller.client, method, nowhere, body)):
                yield f"{method} {path} by {caller.name}: told from an absent tenant"
    if differing := changed(before, world.digest()):
        yield f"{method} {path}: refused, or safe, and changed {differing}"


def _accepted(
    world: World, route: Route, method: str, path: str, body: Any, caller: Caller
) -> Iterator[str]:
    before = world.digest()
    response = _asked(route, method, path, body, caller)
    yield from _complaints(world, route, method, caller, response)
    differing = changed(before, world.digest())
    if not any(tenant == world.alpha.tenant.pk for _, tenant in differing):
        yield f"{method} {path} by {caller.name}: accepted, and nothing changed"
    if any(tenant == world.beta.tenant.pk for _, tenant in differing):
        yield f"{method} {path} by {caller.name}: changed another tenant"


def _asked(route: Route, method: str, path: str, body: Any, caller: Caller) -> Any:
    response = send(caller.client, method, path, body)
    if response.resolver_match.url_name == route.name:
        RECORD.sent.add((route.name, method, caller.name))
        RECORD.count += 1
    return response


def _complaints(
    world: World, route: Route, method: str, caller: Caller, response: Any
) -> Iterator[str]:
    act = act_of(route, method)
    about = f"{method} {route.name} by {caller.name}"
    wanted = expected_status(act, method, caller)
    if response.status_code != wanted:
        yield f"{about}: {response.status_code} and not {wanted}: {content_of(response)[:200]!r}"
    yield from (f"{about}: {each}" for each in form_complaints(response, method))
    if response.status_code == 405 and _allowed(response) != taken(route):
        yield f"{about}: Allow is {response.get('Allow')}"
    said = told(response)
    if world.alpha.word in said and not (caller.belongs and response.status_code < 400):
        yield f"{about}: tells of a row"
    if world.beta.word in said:
        yield f"{about}: tells of another tenant's row"


def told(response: Any) -> str:
    """All that an answer says, headers and body, in capitals."""
    said: str = str(response.headers) + content_of(response).decode()
    return said.upper()


def _allowed(response: Any) -> frozenset[str]:
    return frozenset(response.get("Allow", "").split(", "))


def form_complaints(response: Any, method: str = "GET") -> Iterator[str]:
    """What is wrong with the form of an answer, whatever it says: it must be JSON or a problem."""
    status, kind = response.status_code, response.get("Content-Type", "")
    bare = status in (204, 304)
    if bare or method == "HEAD":
        if content_of(response):
            yield f"{status} to {method} with a body"
    elif status >= 400:
        yield from _problem_complaints(response)
    elif response.streaming:
        if response.get("Content-Disposition") is None:
            yield "a file without a name"
    elif not isinstance(response.json(), dict):
        yield "the body is no JSON object"
    good = FILES if response.streaming else ("application/json",)
    if not bare and kind not in ((MEDIA_TYPE,) if status >= 400 else good):
        yield f"{status} as {kind}"
    if status == 401 and response.get("WWW-Authenticate") != "Bearer":
        yield "401 without WWW-Authenticate"
    if not response.get("X-Request-Id"):
        yield "no X-Request-Id"


def _problem_complaints(response: Any) -> Iterator[str]:
    try:
        said = response.json()
    except ValueError:
        yield f"the body is no JSON: {response.content[:60]!r}"
        return
    code = said.get("code")
    if code not in CATALOGUE or CATALOGUE[code].status != response.status_code:
        yield f"{response.status_code} with the code {code}"
    if said.get("status") != response.status_code or said.get("type") != f"/problems/{code}":
        yield f"status {said.get('status')} and type {said.get('type')} of {code}"
    if not said.get("title") or not said.get("detail"):
        yield "no title or no detail"


# --- Rows of another tenant -----------------------------------------------------------------------


def foreign_addresses(world: World, route: Route, client: Client) -> Iterator[str]:
    """An address of beta with one of alpha's rows in it, for each argument and method, and with
    nothing but alpha's rows: what is not answered as with absent ones. `client` is one of beta's
    owner."""
    for method in METHODS:
        act = act_of(route, method)
        for places in _ways(route, act):
            yield from _foreign_address(world, route, method, client, places)


def _ways(route: Route, act: Act | None) -> Iterator[dict[str, str]]:
    """The arguments of an address that are another tenant's, and the places that they name."""
    every = {name: dict(act.at).get(name, name) if act else name for name in route.arguments}
    yield from ({name: place} for name, place in every.items())
    if "task" in every:
        yield {"task": "task_key"}
    if len(every) > 1:
        yield every


def _foreign_address(
    world: World, route: Route, method: str, client: Client, places: Mapping[str, str]
) -> Iterator[str]:
    act = act_of(route, method)
    mine, body = places_at(world.beta, act), body_of(act, method, world.beta)
    about = f"{method} {route.name} with a foreign {' and '.join(places.values())}"
    answers, before = [], world.digest()
    for strange in (world.alpha.places, ABSENT):
        there = {name: strange[place] for name, place in places.items()}
        response = send(client, method, route.address("beta", {**mine, **there}), body)
        answers.append(whole(response))
        yield from (f"{about}: {each}" for each in form_complaints(response, method))
        if world.alpha.word in told(response):
            yield f"{about}: tells of the row"
    if answers[0] != answers[1]:
        yield f"{about}: {answers[0]} and not {answers[1]}"
    wanted = 405 if act is None else 404 if "task" in places else act.absent
    if answers[0][0] != wanted:
        yield f"{about}: {answers[0][0]}"
    if differing := changed(before, world.digest()):
        yield f"{about}: changed {differing}"


def smuggled(world: World, route: Route, client: Client) -> Iterator[str]:
    """Alpha's rows named in bodies and query parameters that are sent to beta: what is not answered
    as an absent row's name is, or changes anything."""
    for method in ("GET", "POST", "PATCH"):
        act = act_of(route, method)
        if act is None:
            continue
        path = route.address("beta", places_at(world.beta, act))
        for name in act.refers:
            body = body_of(act, method, world.beta) or {}
            yield from _smuggled(world, client, method, path, name, body)
        for name in act.filters:
            yield from _smuggled(world, client, method, path, name, None)


def _smuggled(
    world: World, client: Client, method: str, path: str, name: str, body: Mapping[str, Any] | None
) -> Iterator[str]:
    about = f"{method} {path} with a foreign {name}"
    answers, before = [], world.digest()
    for home in (world.alpha.places, ABSENT):
        value = home[PLACES[name]]
        if body is None:
            response = send(client, method, f"{path}?{name}={value}")
        else:
            response = send(client, method, path, {**body, name: value})
        yield from (f"{about}: {each}" for each in form_complaints(response))
        if world.alpha.word in told(response):
            yield f"{about}: tells of the row"
        answers.append(whole(response))
    if answers[0] != answers[1]:
        yield f"{about}: {answers[0]} and not {answers[1]}"
    if body is not None and answers[0][0] != 422:
        yield f"{about}: {answers[0][0]}"
    if body is None and answers[0][0] != 200:
        yield f"{about}: {answers[0][0]}"
    if differing := changed(before, world.digest()):
        yield f"{about}: changed {differing}"
