"""A tenant while its tasks are made: its people, its projects, and the four eras of its life, at
whose borders people and projects come and go."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from math import gcd
from typing import Final, NamedTuple

from taskproject.tenancy.models import Role

ERAS: Final = 4


class Person(NamedTuple):
    """A member, active from the beginning of the era `joined` to that of the era `left`."""

    user_id: int
    username: str
    role: Role
    joined: int = 0
    left: int = ERAS

    def writes_in(self, era: int) -> bool:
        """Whether the member is there and may write."""
        return self.role > Role.VIEWER and self.joined <= era < self.left


@dataclass(slots=True)
class SeededProject:
    """A project from the era `begun` to before the era `closed`, at the second `end`.

    `number` is that of its last task; `head` the task that others are parts of, `last` the last
    one that is there to stay, and whether that is closed; 0 stands for none.
    """

    id: int
    key: str
    theme: int
    begun: int
    closed: int
    end: int
    number: int = 0
    head: int = 0
    last: int = 0
    last_closed: bool = False

    @property
    def archived(self) -> bool:
        """Whether it is archived at the end of the data."""
        return self.closed < ERAS


@dataclass(slots=True)
class Era:
    """A run of a tenant's tasks, the place `first` to before `end`, and who is there meanwhile.

    `counts` has the tasks of each project. `writers` may leave later; `stayers` never do, and do
    all that comes after a task was made.
    """

    first: int
    end: int
    projects: list[SeededProject]
    counts: list[int]
    writers: tuple[int, ...]
    stayers: tuple[int, ...]
    _tops: list[int] = field(init=False)
    _stride: int = field(init=False)

    def __post_init__(self) -> None:
        self._tops = list(accumulate(self.counts))
        self._stride = _stride(self.end - self.first)

    def project_of(self, place: int) -> SeededProject:
        """The project of the tenant's place-th task. A stride that has no divisor in common with
        the number of tasks meets each remainder once, so that each project gets its exact count."""
        spread = (place - self.first) * self._stride % (self.end - self.first)
        return self.projects[bisect_right(self._tops, spread)]


@dataclass(slots=True)
class SeededTenant:
    """A founded tenant. Its tasks begin at the second `opened`, and `rank` counts from 0.

    `told` has the events of its founding and of the borders of its eras, the last ones first.
    """

    rank: int
    id: int
    slug: str
    tasks: int
    opened: int
    people: list[Person]
    eras: list[Era]
    labels: tuple[tuple[int, str], ...]
    told: list[str]


def first_place(tasks: int, era: int) -> int:
    """The place of the first task of an era, if it has any; of era 4, the number of tasks."""
    return -(-tasks * era // ERAS)


def event_line(
    at: str,
    kind: int,
    tenant: int,
    task: int | str,
    project: int | str,
    actor: int | str,
    told: str,
) -> str:
    """A row of `event` without its id; the time first, so that lines sort as the times do."""
    return f"{at}\t{kind}\t{tenant}\t{task}\t{project}\t{actor}\t{told}"


def _stride(count: int) -> int:
    """A step near the golden section of `count`, which scatters well, and prime to it."""
    step = max(count * 618 // 1000, 1)
    while gcd(step, count) > 1:
        step += 1
    return step
