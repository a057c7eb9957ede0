"""One load test: the load made, the servers watched meanwhile, and what both found put together."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from perf.load.assembly import Planned, assemble
from perf.load.plan import Chosen, LoadPlan
from perf.load.recording import Recording
from perf.load.results import LoadMethod, LoadRun, Second, SloVerdict
from perf.load.servers.observer import Observer
from perf.load.servers.sentence import told
from perf.load.slo import Slo, judge
from perf.load.watching import Watcher
from perf.load.workers import INTERRUPTED, run
from perf.load_places import Place
from perf.scenarios import Declared

JUDGED_EVERY_S: Final = 5  # with --abort-on-fail


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be done, whose objectives it has, and whether it ends with the first that fails.
    Either `scenarios` or `gets`, which are paths."""

    method: LoadMethod
    command: str
    scenarios: tuple[Declared, ...] = ()
    gets: tuple[str, ...] = ()
    slos: tuple[Slo, ...] = ()
    aborts: bool = False

    def at(self, place: Place) -> LoadPlan:
        """The plan of it at a place. Raises `PlanError`."""
        return LoadPlan(
            place.url,
            self.method,
            scenarios=tuple(Chosen(x.name, x.module, x.scenario.weight) for x in self.scenarios),
            gets=self.gets,
            identities=place.identities,
            prepare="django:setup" if self.scenarios else "",
        )

    @property
    def writes(self) -> bool:
        """Whether any of the scenarios changes anything."""
        return any(each.scenario.writes for each in self.scenarios)

    @property
    def weights(self) -> dict[str, float]:
        """How often each scenario is begun, or each address asked for."""
        found = {each.name: each.scenario.weight for each in self.scenarios}
        return found or dict.fromkeys(self.gets, 1.0)


class Telling(Protocol):
    """What is told how a load test goes on."""

    def step(self, text: str) -> None:
        """Something begins that takes a while."""

    def second(self, second: Second) -> None:
        """A second is over."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was found, and whether somebody broke it off."""

    run: LoadRun
    is_interrupted: bool


def made(
    load: Load,
    place: Place,
    environment: Mapping[str, str],
    telling: Telling,
    ceiling_rate: float | None = None,
) -> Made:
    """Make the load there, and say what was found. One that is broken off, by Ctrl-C or by an
    objective that fails, is told as far as it came.

    Raises `PlanError`, and what importing a scenario raises.
    """
    planned = Planned(
        id=new_id(),
        command=load.command,
        started_at=now(),
        target=place.url,
        scenarios=load.weights,
        method=load.method,
        environment={**environment, **place.environment},
        slos=load.slos,
    )
    plan = load.at(place)
    with Observer(place.watched) as observer:
        listener = Listener(load, observer, telling)
        recording = run(plan, listener)
        observer.end()
    found = assemble(
        dataclasses.replace(planned, note=listener.failed),
        recording,
        observer.side,
        ended_at=now(),
        ceiling_rate=ceiling_rate,
    )
    found = dataclasses.replace(found, server=told(observer.side, recording, found.total))
    # A worker that was not yet at work then, or did not end by it, is lost too.
    return Made(found, is_interrupted=recording.broken_off == INTERRUPTED)


class Listener(Watcher):
    """Passes on what the engine tells: to who watches the servers, and to who watches the run."""

    def __init__(self, load: Load, observer: Observer, telling: Telling) -> None:
        self._load = load
        self._observer = observer
        self._telling = telling
        self.failed = ""  # which objective ended the run

    def measuring(self) -> None:
        """The servers' figures are of the measured part too."""
        self._observer.begin()

    def second(self, second: Second, so_far: Recording) -> bool:
        """Whether the run is to end: with `aborts` as soon as an objective fails for certain."""
        self._telling.second(second)
        lasted_s = second.at + 1
        if not self._load.aborts or lasted_s <= 0 or lasted_s % JUDGED_EVERY_S:
            return False
        for each in judge(self._load.slos, so_far, self._load.method.confidence):
            if each.verdict is SloVerdict.FAIL and not self.failed:
                self.failed = f"Ended after {lasted_s} s, as {each.text} had failed."
        return bool(self.failed)


def new_id() -> str:
    """An id for what is kept: by it the newest is the last."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def now() -> str:
    """The time as results have it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
