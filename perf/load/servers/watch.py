"""What is watched, and what happens when it can't be."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from operator import add, or_
from typing import Any, Final, Protocol

import psutil
import psycopg
from redis.exceptions import RedisError

from perf.load.results import ServerSide

# What a server that is away, or that refuses, may raise at any moment.
AMISS: Final = (psycopg.Error, RedisError, OSError, psutil.Error, LookupError)


class Watch(Protocol):
    """Something that is looked at when the measured part begins, meanwhile, and when it ends.

    It may begin anew: what was seen before is forgotten then.
    """

    def begin(self) -> None: ...

    def sample(self) -> None: ...

    def end(self) -> ServerSide:
        """What was seen: a part of the whole, with notes in `skipped`."""
        ...


@dataclass(slots=True)
class Watches:
    """Several, each by its name: one that fails costs no other, and is told in `skipped`."""

    skipped: list[str] = field(default_factory=list)
    _watches: dict[str, Watch] = field(default_factory=dict)

    def add(self, name: str, watch: Watch) -> None:
        """Watch this too."""
        self._watches[name] = watch

    @contextmanager
    def guarding(self, name: str) -> Iterator[None]:
        """What fails in the block is told, and is not watched any more."""
        try:
            yield
        except AMISS as error:
            self._watches.pop(name, None)
            self.skipped.append(f"{name}: {first_line(error)}")

    def begin(self) -> None:
        for name, watch in [*self._watches.items()]:
            with self.guarding(name):
                watch.begin()

    def sample(self) -> None:
        for name, watch in [*self._watches.items()]:
            with self.guarding(name):
                watch.sample()

    def end(self) -> ServerSide:
        """What all of them saw."""
        parts = []
        for name, watch in [*self._watches.items()]:
            with self.guarding(name):
                parts.append(watch.end())
        return together([*parts, ServerSide(skipped=tuple(self.skipped))])


def together(parts: Sequence[ServerSide]) -> ServerSide:
    """One of several parts, of which no two have seen the same."""
    names = [each.name for each in dataclasses.fields(ServerSide)]
    return ServerSide(**{name: _joined([getattr(part, name) for part in parts]) for name in names})


def _joined(values: Sequence[Any]) -> Any:
    return reduce(or_ if isinstance(values[0], dict) else add, values)


def first_line(error: BaseException) -> str:
    """What went wrong, on one line."""
    said = str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
    return (said.strip().splitlines() or [type(error).__name__])[0]
