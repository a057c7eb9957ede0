"""What a tenant stands on before its first task: people, projects, labels, and their events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isqrt
from typing import Final

from taskproject.tenancy.models import EventKind, Role
from tasks.dataset.seeding.draws import number
from tasks.dataset.seeding.eras import (
    ERAS,
    Era,
    Person,
    SeededProject,
    SeededTenant,
    event_line,
    first_place,
)
from tasks.dataset.seeding.options import SeedOptions
from tasks.dataset.seeding.sizes import shares
from tasks.dataset.seeding.tables import NULL, Rows
from tasks.dataset.seeding.texts import Texts, person_name, project_name, tenant_name
from tasks.dataset.seeding.words import LABELS
from tasks.dataset.seeding.worktime import DAY, HISTORY_DAYS, HOUR, WorkCalendar

MINUTE: Final = 60
_LAST_START: Final = HISTORY_DAYS * 3 // 10
_WEIGHT: Final = 720_720  # divisible by 1 to 16


@dataclass(slots=True)
class World:
    """What all tenants share; `people` counts those who have a name already."""

    options: SeedOptions
    rows: Rows
    calendar: WorkCalendar
    texts: Texts
    people: int = 0


def found_tenant(world: World, *, rank: int, tasks: int, guest: Person | None) -> SeededTenant:
    """Write a tenant with its people, projects and labels; `guest`, a member of another one,
    becomes a member of this one too.

    Numbers grow with the square root of the tasks: 10,000 tasks have 35 members, 7 projects and 9
    labels; a tenant without tasks has 2, 1 and 4.
    """
    return _Founding(world, rank, tasks).tenant(guest)


class _Founding:
    """One tenant while it is founded. Times are seconds of work."""

    def __init__(self, world: World, rank: int, tasks: int) -> None:
        self._world, self._rank, self._tasks = world, rank, tasks
        self._rows, self._at = world.rows, world.calendar.at
        self._begin = number(f"{world.options.seed}/tenant/{rank}", _LAST_START) * DAY
        self._opened = self._begin + HOUR
        self._id = self._rows.tenant.take()
        self._owner: int | str = NULL  # nobody is there to add the first member
        self._told: list[str] = []

    def tenant(self, guest: Person | None) -> SeededTenant:
        slug, name = tenant_name(self._rank)
        slug = self._world.options.prefix + slug
        self._rows.tenant.lines.append(f"{self._id}\t{slug}\t{name}\t{self._at(self._begin)}")
        people = self._people(guest)
        labels = self._labels()
        eras = self._eras(people)
        self._told.sort(reverse=True)
        return SeededTenant(
            rank=self._rank,
            id=self._id,
            slug=slug,
            tasks=self._tasks,
            opened=self._opened,
            people=people,
            eras=eras,
            labels=labels,
            told=self._told,
        )

    def _border(self, era: int) -> int:
        """The second at which an era begins: that of its first task at the earliest."""
        span = self._world.calendar.end - self._opened
        if not self._tasks:
            return self._opened + era * span // ERAS
        return self._opened + first_place(self._tasks, era) * span // self._tasks

    def _tell(self, second: int, kind: EventKind, told: str, project: int | str = NULL) -> None:
        at = self._at(second)
        self._told.append(event_line(at, kind, self._id, NULL, project, self._owner, told))

    # --- People -----------------------------------------------------------------------------------

    def _people(self, guest: Person | None) -> list[Person]:
        count = 2 + min(200, isqrt(self._tasks) // 3)
        people = [self._place(self._user(), place, count) for place in range(count)]
        if guest:
            people.append(Person(guest.user_id, guest.username, Role.MEMBER, joined=1))
        for place, person in enumerate(people):
            self._join(person, place)
            self._owner = people[0].user_id
        return people

    def _place(self, user: tuple[int, str], place: int, count: int) -> Person:
        """The place-th of `count` members: the owner, admins, those who leave, members, viewers."""
        admins = max(1, count // 10) if count >= 4 else 0
        leavers = max(1, count // 12) if count >= 8 else 0
        viewers = max(1, count // 8) if count >= 5 else 0
        if place <= admins:
            return Person(*user, Role.ADMIN if place else Role.OWNER)
        if place <= admins + leavers:
            return Person(*user, Role.MEMBER, left=2 + place % 2)
        role = Role.MEMBER if place < count - viewers else Role.VIEWER
        return Person(*user, role, joined=0 if place < count // 2 else 1 + place % 3)

    def _user(self) -> tuple[int, str]:
        username, first, last = person_name(self._world.people)
        self._world.people += 1
        username, user_id = self._world.options.prefix + username, self._rows.user.take()
        names = f"{user_id}\t{username}\t{first}\t{last}\t{username}@example.com"
        # "!" is no hash of any password. Not staff, not a superuser, but active.
        self._rows.user.lines.append(f"{names}\t!\tf\tf\tt\t{self._at(self._begin)}")
        return user_id, username

    def _join(self, person: Person, place: int) -> None:
        second = self._border(person.joined) - 2 * MINUTE if person.joined else self._begin + place
        told = f'{{"user": "{person.username}", "role": "{person.role.label}"}}'
        self._tell(second, EventKind.MEMBER_ADDED, told)
        left = person.left < ERAS
        if left:
            told = f'{{"user": "{person.username}", "active": false}}'
            self._tell(self._border(person.left) + 1, EventKind.MEMBER_CHANGED, told)
        table = self._rows.membership
        row = f"{table.take()}\t{self._id}\t{person.user_id}\t{person.role}\t{'f' if left else 't'}"
        table.lines.append(f"{row}\t{self._at(second)}")

    # --- Labels -----------------------------------------------------------------------------------

    def _labels(self) -> tuple[tuple[int, str], ...]:
        count = min(len(LABELS), 4 + isqrt(self._tasks) // 20)
        return tuple(self._label(place) for place in range(count))

    def _label(self, place: int) -> tuple[int, str]:
        name, colour = LABELS[(self._rank * 3 + place) % len(LABELS)]
        label_id = self._rows.label.take()
        self._rows.label.lines.append(f"{label_id}\t{self._id}\t{name}\t{colour}")
        self._tell(
            self._begin + 20 * MINUTE + place, EventKind.LABEL_CREATED, f'{{"name": "{name}"}}'
        )
        return label_id, name

    # --- Projects and eras ------------------------------------------------------------------------

    def _eras(self, people: list[Person]) -> list[Era]:
        count = 1 + min(60, isqrt(self._tasks) // 15)
        projects = [self._project(place, count) for place in range(count)]
        eras = [self._era(era, projects, people) for era in range(ERAS)]
        tasks: Counter[int] = Counter()
        for era in eras:
            tasks.update({p.id: n for p, n in zip(era.projects, era.counts, strict=True)})
        for place, project in enumerate(projects):
            self._write_project(project, place, people, tasks[project.id])
        return eras

    def _project(self, place: int, count: int) -> SeededProject:
        """One in six is archived; half of them begin later than the tenant."""
        begun = 0 if place < (count + 1) // 2 else 1 + place % 2
        closed = ERAS if place % 6 != 2 else 2 if begun == 0 and place % 4 == 2 else 3
        return SeededProject(
            id=self._rows.project.take(),
            key=project_name(self._rank, place).key,
            theme=project_name(self._rank, place).theme,
            begun=begun,
            closed=closed,
            end=self._border(closed) if closed < ERAS else self._world.calendar.end - 1,
        )

    def _era(self, era: int, projects: list[SeededProject], people: list[Person]) -> Era:
        first, end = (first_place(self._tasks, each) for each in (era, era + 1))
        open_ones = [each for each in projects if each.begun <= era < each.closed]
        weights = [_WEIGHT // (place + 1) for place in range(len(open_ones))]
        writers = [each for each in people if each.writes_in(era)]
        return Era(
            first=first,
            end=end,
            projects=open_ones,
            counts=shares(end - first, weights),
            writers=tuple(each.user_id for each in writers),
            stayers=tuple(each.user_id for each in writers if each.left == ERAS),
        )

    def _write_project(
        self, project: SeededProject, place: int, people: list[Person], tasks: int
    ) -> None:
        named = project_name(self._rank, place)
        begun = self._begin + 10 * MINUTE + place
        if project.begun:
            begun = self._border(project.begun) - MINUTE
        told = f'{{"key": "{named.key}", "name": "{named.name}"}}'
        self._tell(begun, EventKind.PROJECT_CREATED, told, project.id)
        archived_at, changed_at = NULL, self._at(begun)
        if project.archived:
            archived_at = changed_at = self._at(project.end + 1)
            self._tell(project.end + 1, EventKind.PROJECT_ARCHIVED, "{}", project.id)
        leads = [each.user_id for each in people if each.joined == 0 and each.writes_in(ERAS - 1)]
        self._rows.project.lines.append(
            f"{project.id}\t{self._id}\t{named.key}\t{named.name}\t{named.description}"
            f"\t{leads[place % len(leads)]}\t{tasks + 1}\t{archived_at}"
            f"\t{1 + project.archived}\t{self._at(begun)}\t{changed_at}"
        )
