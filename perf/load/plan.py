"""What a load test shall do: a plain value that a worker gets as JSON."""

from __future__ import annotations

import bisect
import importlib
import itertools
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import SplitResult, urlsplit

import numpy as np

from perf.load.results import LoadMethod, Model
from perf.load.scenario import Call, Caller, Scenario, Session, Steps
from perf.load.schedule import most_users

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A page that sends elsewhere is an answer to somebody who only gives an address.
ANSWERED: Final = frozenset(range(200, 400))
_CHOICES: Final = 1  # sets the draws of what is begun apart from those of when


class PlanError(ValueError):
    """A plan that can't be carried out. The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A scenario by the module and the name by which a worker finds it, and how often of all."""

    name: str
    module: str
    weight: float = 1.0

    @classmethod
    def of(cls, scenario: Scenario, weight: float | None = None) -> Self:
        """A scenario as it is declared, or with another weight."""
        weight = scenario.weight if weight is None else weight
        return cls(scenario.name, scenario.session.__module__, weight)


@dataclass(frozen=True, slots=True)
class Identity:
    """For whom calls are made: what `Caller` says of it, and how often of all."""

    tenant: str
    base: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    weight: float = 1.0  # of an open model; users of a closed one go through all in turn


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A target such as `http://127.0.0.1:8000`, what is done there, by whom, and how.

    Either `scenarios`, or `gets`: paths that are asked for without one, each by itself. `prepare`
    names a function, such as `django:setup`, that a worker calls before it imports them.
    """

    target: str
    method: LoadMethod
    scenarios: tuple[Chosen, ...] = ()
    gets: tuple[str, ...] = ()
    identities: tuple[Identity, ...] = (Identity(""),)
    prepare: str = ""

    def __post_init__(self) -> None:
        """Raises `PlanError` for what can't be carried out."""
        if bool(self.scenarios) == bool(self.gets):
            raise PlanError("A plan has either scenarios or addresses to get.")
        if not self.identities:
            raise PlanError("A plan needs somebody for whom calls are made.")
        weighed: tuple[Chosen | Identity, ...] = (*self.scenarios, *self.identities)
        if wrong := [each for each in weighed if not each.weight > 0]:
            raise PlanError(f"{wrong[0]} must weigh more than 0.")
        if not 1 <= self.method.workers <= self.method.max_in_flight:
            raise PlanError("There must be a worker, and a request in flight for each.")
        if self.method.model is Model.CLOSED and self.method.max_in_flight < most_users(
            self.method
        ):
            raise PlanError(
                "Each user of a closed model waits for an answer: that many must be "
                "allowed in flight."
            )
        if not self.method.stages or any(each.duration_s <= 0 for each in self.method.stages):
            raise PlanError("A plan needs stages, and each must take some time.")


class Repertoire:
    """The sessions of a plan: which one is begun, and by whom, is drawn from its seed alone.

    Raises `PlanError` for a scenario that is not in its module, and what importing it raises.
    """

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._sessions: list[Session] = [_found(each).session for each in plan.scenarios]
        self._sessions += [_getting(path) for path in plan.gets]
        self._weights = [each.weight for each in plan.scenarios] or [1.0] * len(plan.gets)
        self._up_to = list(itertools.accumulate(self._weights))

    def drawn(self, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """For each of so many arrivals, which session and which identity."""
        rng = np.random.default_rng([self._plan.method.seed, _CHOICES])
        weights = [each.weight for each in self._plan.identities]
        return _weighted(rng, self._weights, count), _weighted(rng, weights, count)

    def session(self, rng: random.Random) -> int:
        """Which one a user begins next."""
        return bisect.bisect(self._up_to, rng.random() * self._up_to[-1])

    def begun(self, session: int, identity: int, key: str) -> tuple[Steps, Caller]:
        """A session of somebody. `key` tells its random numbers from those of all others."""
        number = identity % len(self._plan.identities)
        who = self._plan.identities[number]
        rng = cast("random.Random", _Dice(f"{self._plan.method.seed}:{key}"))
        caller = Caller(who.tenant, who.base, who.headers, rng, number)
        return self._sessions[session](caller), caller


class _Dice:
    """A `random.Random` that is seeded when it is first asked: many a session never does, and it
    takes a fifth of the time of a request."""

    __slots__ = ("_rng", "_seed")

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._rng: random.Random | None = None

    def __getattr__(self, name: str) -> Any:
        if self._rng is None:
            self._rng = random.Random(self._seed)
        return getattr(self._rng, name)


def origin_and_paths(urls: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """The target that addresses have in common, and the path of each with its query.

    Raises `PlanError` for one that is no address of HTTP, and for two of different servers.
    """
    parts = [_parts(url) for url in urls]
    origins = sorted({f"{each.scheme}://{each.netloc}" for each in parts})
    if len(origins) != 1:
        raise PlanError(f"All addresses must be of one server, not of {' and '.join(origins)}.")
    paths = [(each.path or "/") + (f"?{each.query}" if each.query else "") for each in parts]
    return origins[0], tuple(paths)


def port_of(parts: SplitResult) -> int:
    """Where a server listens, by its scheme if its address does not say it."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def _parts(url: str) -> SplitResult:
    try:
        found = urlsplit(url)
        is_whole = found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:  # of the port, or of brackets
        is_whole = False
    if "@" in re.split(r"[/?#]", re.sub(r"^[^/?#]*//", "", url))[0]:  # before it is told
        raise PlanError("An address is kept with its run: say who calls by --header.")
    if not is_whole or not may_be_sent(url):
        raise PlanError(f"{url!r} must be like http://127.0.0.1:8000/path.")
    return found


def may_be_sent(url: str) -> bool:
    """Whether an address, or a path, can stand in a request: without spaces and what is no text."""
    return not re.search(r"[\s\x00-\x1f\x7f\ud800-\udfff]", url)


def prepared(plan: LoadPlan) -> None:
    """Call what the plan names for this."""
    if plan.prepare:
        module, _, name = plan.prepare.partition(":")
        getattr(importlib.import_module(module), name)()


def _found(chosen: Chosen) -> Scenario:
    for each in vars(importlib.import_module(chosen.module)).values():
        if isinstance(each, Scenario) and each.name == chosen.name:
            return each
    raise PlanError(f"{chosen.module} declares no scenario {chosen.name}.")


def _getting(path: str) -> Session:
    """A session of one call, which is the same whenever the same identity makes it."""

    calls: dict[int, Call] = {}

    def session(caller: Caller) -> Steps:
        if (call := calls.get(caller.number)) is None:
            call = calls[caller.number] = caller.get(path, name=path, expects=ANSWERED)
        yield call

    return session


def _weighted(rng: np.random.Generator, weights: Sequence[float], count: int) -> NDArray[np.intp]:
    shares = np.asarray(weights) / sum(weights)
    return rng.choice(len(weights), size=count, p=shares)
