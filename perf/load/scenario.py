"""What a user does: a generator that yields calls and gets answers, and does no input or output.

    @scenario("tasks.browse", title="Somebody looks through the newest tasks")
    def browse(caller: Caller) -> Steps:
        page = yield caller.get("tasks/", name="list")
        yield Pause()
        first = page.json["results"][0]
        yield caller.get(f"tasks/{first['id']}/", name="detail")

Who drives it decides how a call is made: the load engine by HTTP and a clock, a test by Django's
test client. So that what is measured can't rot: the suite runs it too.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

Steps = Generator["Call | Pause", "Answer", None]
Session = Callable[["Caller"], Steps]

EXPECTED: Final = frozenset({*range(200, 300), 304})


@dataclass(frozen=True, slots=True)
class Pause:
    """The user thinks: for so long, or as long as the run says users do. Raises ValueError for
    what is no time."""

    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 <= self.seconds < math.inf:
            raise ValueError(f"a pause takes 0 seconds or more, and not {self.seconds}")


@dataclass(frozen=True)
class Answer:
    """What came back. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body read as JSON. Raises `ValueError` where it is none: a failed check."""
        return json.loads(self.body)


Check = Callable[[Answer], str | None]  # what is wrong with it, if anything


@dataclass(frozen=True, slots=True)
class Call:
    """A request: `name` is that of its step in the report, `path` begins with a slash."""

    method: str
    path: str
    name: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    expects: frozenset[int] = EXPECTED  # any other status is a failure; 429 is counted apart
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A user of the service while a scenario goes on.

    `base` is the path that relative ones follow, such as `/api/v1/tenants/acme/`; `headers` speak
    for the user and go with each call. `rng` is of this session alone: the same seed, the same
    choices, whoever runs it. `number` is its place among the callers of the run, from 0: a scenario
    in which one of them behaves otherwise knows by it who that is.
    """

    tenant: str
    base: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    rng: random.Random = field(default_factory=random.Random)
    number: int = 0

    def get(self, path: str, *, name: str, **options: Any) -> Call:
        return self.call("GET", path, name=name, **options)

    def post(self, path: str, *, name: str, **options: Any) -> Call:
        return self.call("POST", path, name=name, **options)

    def put(self, path: str, *, name: str, **options: Any) -> Call:
        return self.call("PUT", path, name=name, **options)

    def patch(self, path: str, *, name: str, **options: Any) -> Call:
        return self.call("PATCH", path, name=name, **options)

    def delete(self, path: str, *, name: str, **options: Any) -> Call:
        return self.call("DELETE", path, name=name, **options)

    def call(
        self,
        method: str,
        path: str,
        *,
        name: str,
        sends: Any = None,
        headers: Mapping[str, str] | None = None,
        expects: frozenset[int] = EXPECTED,
        check: Check | None = None,
    ) -> Call:
        """A call of this user; `sends` goes as JSON. A path with a slash in front is absolute."""
        own = {**self.headers, **(headers or {})}
        body = b""
        if sends is not None:
            body = json.dumps(sends).encode()
            own["content-type"] = "application/json"
        where = path if path.startswith("/") else self.base + path
        return Call(method, where, name, body, own, expects, check)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of session. Of several in a run, `weight` says how often each is begun."""

    name: str
    title: str
    session: Session
    weight: float = 1.0
    writes: bool = False  # changes what it finds: not against a service that people use


def scenario(
    name: str, *, title: str, weight: float = 1.0, writes: bool = False
) -> Callable[[Session], Scenario]:
    """Declare a generator function as a scenario."""

    def declared(session: Session) -> Scenario:
        return Scenario(name, title, session, weight, writes)

    return declared
