"""A service that does what its paths say, and load tests of it with the scenarios they play."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from perf.load.plan import Chosen, LoadPlan
from perf.load.recording import Histogram, Recording
from perf.load.results import Arrivals, LoadMethod, Model, Stage
from perf.load.scenario import Answer, Call, Caller, Pause, Scenario, Steps, scenario


@scenario("planted.two", title="Reads a list, and then what stands first in it")
def two(caller: Caller) -> Steps:
    found = yield caller.get("/list", name="list")
    yield caller.get(f"/item/{found.json['results'][0]}", name="item")


@scenario("planted.stops", title="Is not answered as it expects")
def stops(caller: Caller) -> Steps:
    yield caller.get("/status/503", name="broken")
    yield caller.get("/list", name="never")


@scenario("planted.throttled", title="Is told to come later")
def throttled(caller: Caller) -> Steps:
    yield caller.get("/status/429", name="too-many")


@scenario("planted.patient", title="Expects to be told to come later")
def patient(caller: Caller) -> Steps:
    answer = yield caller.get("/status/429", name="too-many", expects=frozenset({429}))
    assert answer.status == 429
    yield caller.get("/list", name="list")


@scenario("planted.doubts", title="Checks what it gets")
def doubts(caller: Caller) -> Steps:
    yield caller.get("/list", name="list", check=lambda answer: "not what it should be")


@scenario("planted.stumbles", title="Looks, after a pause, for what is not there")
def stumbles(caller: Caller) -> Steps:
    found = yield caller.get("/list", name="list")
    yield Pause(0)
    yield caller.get(found.json["missing"], name="never")


@scenario("planted.thinks", title="Thinks for a while between two calls")
def thinks(caller: Caller) -> Steps:
    yield caller.get("/list", name="before")
    yield Pause(0.3)
    yield caller.get("/list", name="after")


@scenario("planted.falls", title="Raises before its first call")
def falls(caller: Caller) -> Steps:
    raise LookupError("there is nothing to begin with")
    yield caller.get("/list", name="never")


@scenario("planted.speaks", title="Sends what it has drawn, for whom it speaks")
def speaks(caller: Caller) -> Steps:
    sends = {"tenant": caller.tenant, "drawn": caller.rng.random(), "number": caller.number}
    yield caller.post("echo", name="echo", sends=sends, check=_echoed)


@scenario("planted.hogs", title="Takes its time over an answer, so that the loader is late")
def hogs(caller: Caller) -> Steps:
    yield caller.get("/list", name="list", check=lambda answer: time.sleep(0.1))


@scenario("planted.hangs", title="Never comes to an end with an answer")
def hangs(caller: Caller) -> Steps:
    yield caller.get("/list", name="list", check=lambda answer: time.sleep(600))


@scenario("planted.cut", title="Sends what is cut off, and is not sent again")
def cut(caller: Caller) -> Steps:
    yield caller.post("/cut", name="cut")


def slowly() -> None:
    """What a worker is to prepare, and takes a while. It says when it has begun."""
    Path(os.environ["SLOWLY"]).touch()
    time.sleep(1.5)


@scenario("planted.babbles", title="Yields what is no call")
def babbles(caller: Caller) -> Steps:
    yield caller.get("/list", name="list")
    yield None  # type: ignore[misc]


@scenario("planted.rewinds", title="Pauses for less than no time")
def rewinds(caller: Caller) -> Steps:
    yield caller.get("/list", name="list")
    yield Pause(-50)
    yield caller.get("/list", name="never")


@scenario("planted.strays", title="Is led by an answer to another host")
def strays(caller: Caller) -> Steps:
    yield Call("GET", "@127.0.0.2:9/", name="elsewhere")


@scenario("planted.untold", title="Has a step whose name is no text")
def untold(caller: Caller) -> Steps:
    yield caller.get("/list", name="\udcff")


def _echoed(answer: Answer) -> str | None:
    return None if answer.json["tenant"] else "nobody spoke"


@dataclass
class Service:
    """Where it listens, and what it was asked: method, path, headers, body, and by which peer."""

    target: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)
    known: set[Any] = field(default_factory=set)  # connections that were answered

    def paths(self) -> list[str]:
        return [path for _, path, _, _ in self.asked]

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, _, body in self.asked if body]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.method, request.path_qs, headers, body))
        if request.transport is not None:
            self.peers.add(request.transport.get_extra_info("peername"))
        match request.path.strip("/").split("/"):
            case ["status", code]:
                return web.Response(status=int(code))
            case ["after", ms]:
                await asyncio.sleep(int(ms) / 1000)
            case ["cut"]:
                assert request.transport is not None
                request.transport.abort()
            case ["endless"]:
                return await self.endless(request)
            case ["once"] if request.protocol in self.known:
                assert request.transport is not None
                request.transport.abort()
            case ["once"]:
                self.known.add(request.protocol)
            case ["timed"]:
                timing = 'db;dur=1.5;desc="3 statements, 1 slow", total;dur=2.5, miss'
                return web.Response(headers={"Server-Timing": timing})
            case [*_, "echo"]:
                return web.json_response(json.loads(body))
        return web.json_response({"results": [7, 8]})

    async def endless(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(bytes(1 << 20))


@contextmanager
def serving() -> Iterator[Service]:
    """The service, in a thread of its own."""
    service = Service()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    over = asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", service.handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        service.target = f"http://{host}:{port}"
        ready.set()
        await over.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    try:
        assert ready.wait(10)
        yield service
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def method(**other: Any) -> LoadMethod:
    """An open model of 40 a second for a second, or another."""
    fields: dict[str, Any] = {
        "model": Model.OPEN,
        "stages": (Stage(1, 40, 40),),
        "arrivals": Arrivals.CONSTANT,
        "think_s": 0.0,
        "warmup_s": 0.0,
        "timeout_s": 5.0,
        "max_in_flight": 1000,
        "workers": 1,
        "seed": 7,
    }
    return LoadMethod(**{**fields, **other})


def users(count: int, duration_s: float = 1.0) -> dict[str, Any]:
    """What `method` needs to have for so many users."""
    return {"model": Model.CLOSED, "stages": (Stage(duration_s, count, count),)}


def plan(target: str, *what: Scenario | str, **other: Any) -> LoadPlan:
    """A plan of scenarios or paths; what `method` takes goes there."""
    own = {name: other.pop(name) for name in ("identities", "prepare") if name in other}
    return LoadPlan(
        target,
        method(**other),
        scenarios=tuple(Chosen.of(each) for each in what if isinstance(each, Scenario)),
        gets=tuple(each for each in what if isinstance(each, str)),
        **own,
    )


def due(found: Recording, step: str) -> int:
    """How many calls of a step were due."""
    return sum(cell.due for cell in found.steps.get(step, {}).values())


def failures(found: Recording, step: str) -> dict[str, int]:
    """How many calls of a step failed, by kind."""
    return dict(sum((cell.failures for cell in found.steps[step].values()), Counter()))


def pooled(found: Recording, step: str, clock: str = "latency") -> Histogram:
    """A clock of a step over all seconds: "latency", "service" or "lag"."""
    whole = Histogram()
    for cell in found.steps[step].values():
        whole.add(getattr(cell, clock))
    return whole


@scenario("planted.idle", title="Finds nothing to do")
def idle(caller: Caller) -> Steps:
    """Ends before its first call."""
    yield from ()
