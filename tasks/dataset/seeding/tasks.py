"""The tasks of a tenant with all that hangs on them, as rows: the hot part of a seed."""

from __future__ import annotations

from typing import Final

from taskproject.tenancy.models import EventKind
from tasks.dataset.seeding.draws import draws, skewed
from tasks.dataset.seeding.eras import SeededTenant, event_line
from tasks.dataset.seeding.founding import World
from tasks.dataset.seeding.stories import Story, byte_table
from tasks.dataset.seeding.tables import NULL
from tasks.models import Status

# Plain numbers, because an enumeration takes 1 µs to become text.
_BLOCKED: Final = Status.BLOCKED.value
_DONE: Final = Status.DONE.value
_TASK_CREATED: Final = EventKind.TASK_CREATED.value
_TASK_UPDATED: Final = EventKind.TASK_UPDATED.value
_TASK_DELETED: Final = EventKind.TASK_DELETED.value
_TASK_LABELLED: Final = EventKind.TASK_LABELLED.value
_COMMENT_ADDED: Final = EventKind.COMMENT_ADDED.value
_DEPENDENCY_ADDED: Final = EventKind.DEPENDENCY_ADDED.value

_LABEL_COUNTS: Final = byte_table((100, 0), (90, 1), (46, 2), (20, 3))
_COMMENT_COUNTS: Final = byte_table((150, 0), (55, 1), (28, 2), (13, 3), (6, 4), (3, 6), (1, 9))
# Of 65,536 draws:
_EXTERNAL: Final = 16_384  # 25 % came from another program, whose key they keep
_HEADS: Final = 3_300  # 5 % get parts …
_PARTS: Final = 16_400  # … and 20 % are one
_DEPENDENT: Final = 6_600  # 10 % wait for another task, and so do those that are blocked
_SCATTER: Final = 40_503  # odd, so that its multiples go through all draws


class TaskWriter:
    """Writes the tasks of one tenant, run by run."""

    def __init__(self, world: World, tenant: SeededTenant) -> None:
        self._world, self._tenant = world, tenant
        self._rows, self._at, self._texts = world.rows, world.calendar.at, world.texts
        self._span = world.calendar.end - tenant.opened
        self._eras = iter(tenant.eras)
        self._era = next(self._eras)
        self._events: list[str] = []

    def write(self, first: int, end: int) -> None:
        """Write the tenant's tasks `first` to before `end`, which begin where the last run ended.

        The events of a run are put into the order of their times. Memory holds the run.
        """
        tenant = self._tenant
        name = f"{self._world.options.seed}/tasks/{tenant.rank}/{first}"
        for place, draw in enumerate(draws(name, end - first), first):
            while place >= self._era.end:
                self._era = next(self._eras)
            project, task_id = self._era.project_of(place), self._rows.task.take()
            created = self._created(place, draw.moment)
            story = Story(draw, task_id=task_id, era=self._era, project=project, created=created)
            story.describe(self._texts, self._world.calendar)
            self._task(story)
        self._write_events(before=None if end == tenant.tasks else self._created(end, 0))

    def _created(self, place: int, moment: int) -> int:
        """The second at which a task was made. They grow with the place, and never go beyond the
        second at which the next place begins."""
        tasks = self._tenant.tasks
        return self._tenant.opened + ((place << 16) + moment) * self._span // (tasks << 16)

    def _write_events(self, *, before: int | None) -> None:
        """Write the run's events, with those of the tenant's founding that come before its end."""
        told, table = self._tenant.told, self._rows.event
        while told and (before is None or told[-1] < self._at(before)):
            self._events.append(told.pop())
        self._events.sort()
        first = table.next_id
        table.next_id += len(self._events)
        table.lines += [f"{line}\t{i}" for i, line in enumerate(self._events, first)]
        self._events.clear()

    def _tell(self, at: str, kind: int, story: Story, actor: int, told: str) -> None:
        self._events.append(
            event_line(at, kind, self._tenant.id, story.id, story.project.id, actor, told)
        )

    def _task(self, story: Story) -> None:
        """The task's row and its events; then its labels, comments and dependency."""
        created_at = self._at(story.created)
        changed_at, completed_at = self._updates(story, created_at)
        deleted_at, version = NULL, 1 + len(story.updates)
        if story.deleted:
            deleted_at = changed_at = self._at(story.created + story.length)
            version += 1
            self._tell(changed_at, _TASK_DELETED, story, story.actor, "{}")
        project, draw = story.project, story.draw
        parent = self._parent(story)
        key = f"crm:{project.key}-{story.number}" if draw.external < _EXTERNAL else NULL
        due_at = NULL if story.due_day is None else self._world.calendar.due(story.due_day)
        self._rows.task.lines.append(
            f"{story.id}\t{self._tenant.id}\t{project.id}\t{story.number}\t{story.title}"
            f"\t{self._texts.description(draw)}\t{story.status}\t{story.priority}"
            f"\t{story.assignee or NULL}\t{story.creator}\t{parent or NULL}\t{due_at}"
            f"\t{completed_at}\t{key}\t{version}\t{created_at}\t{changed_at}\t{deleted_at}"
        )
        told = f'{{"title": "{story.first_title}", "status": "pending"}}'
        self._tell(created_at, _TASK_CREATED, story, story.creator, told)
        self._labels(story, created_at)
        if story.length:
            self._comments(story)
        self._dependency(story, created_at)

    def _updates(self, story: Story, created_at: str) -> tuple[str, str]:
        """Tell the updates, evenly spread; the time of the last one, and of completion."""
        changed_at, count = created_at, len(story.updates) + story.deleted
        for step, told in enumerate(story.updates, 1):
            changed_at = self._at(story.created + story.length * step // count)
            self._tell(changed_at, _TASK_UPDATED, story, story.actor, told)
        return changed_at, changed_at if story.status == _DONE else NULL

    def _parent(self, story: Story) -> int:
        """The task that this one is a part of, or 0. Parents have none, and are never deleted."""
        if story.draw.parent >= _HEADS or story.deleted:
            return story.project.head if story.draw.parent < _PARTS else 0
        story.project.head = story.id
        return 0

    def _labels(self, story: Story, created_at: str) -> None:
        labels, table = self._tenant.labels, self._rows.task_label
        start = story.draw.label * story.draw.label * len(labels) >> 32  # as in `skewed`
        for step in range(_LABEL_COUNTS[story.draw.labels >> 8]):
            label_id, name = labels[(start + step) % len(labels)]
            table.lines.append(
                f"{table.take()}\t{self._tenant.id}\t{story.id}\t{created_at}\t{label_id}"
            )
            told = f'{{"label": "{name}"}}'
            self._tell(created_at, _TASK_LABELLED, story, story.creator, told)

    def _comments(self, story: Story) -> None:
        count, table = _COMMENT_COUNTS[story.draw.comments >> 8], self._rows.comment
        for step in range(count):
            # Between the making and the last change, after which the task may be deleted.
            at = self._at(story.created + story.length * (2 * step + 1) // (2 * count))
            draw = (story.draw.remark + step * _SCATTER) & 0xFFFF
            author, comment_id = skewed(story.era.stayers, draw), table.take()
            body = self._texts.remark(draw)
            table.lines.append(
                f"{comment_id}\t{self._tenant.id}\t{story.id}\t{author}\t{body}\t{at}"
            )
            told = f'{{"comment": {comment_id}}}'
            self._tell(at, _COMMENT_ADDED, story, author, told)

    def _dependency(self, story: Story, created_at: str) -> None:
        """Let the task wait for the one before it in its project; a closed one waits for a closed
        one only. The one before has the lower id, so that there is no cycle."""
        project = story.project
        wanted = story.draw.dependency < _DEPENDENT or story.status == _BLOCKED
        if wanted and project.last and (project.last_closed or not story.closed):
            table = self._rows.dependency
            row = f"{table.take()}\t{self._tenant.id}\t{project.last}\t{story.id}"
            table.lines.append(row)
            told = f'{{"blocker": {project.last}}}'
            self._tell(created_at, _DEPENDENCY_ADDED, story, story.creator, told)
        if not story.deleted:
            project.last, project.last_closed = story.id, story.closed
