"""What happened to a task, as far as a draw decides it: how long it took, through which statuses it
went, and what it is like at the end."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from tasks.dataset.seeding.draws import Draw, skewed
from tasks.dataset.seeding.eras import Era, SeededProject
from tasks.dataset.seeding.texts import Texts
from tasks.dataset.seeding.worktime import DAY, HISTORY_DAYS, HOUR, WorkCalendar
from tasks.models import Priority, Status

# Plain numbers, here and below: an enumeration takes 1 µs to become text.
_PENDING, _ACTIVE, _BLOCKED, _DONE, _CANCELLED = Status.values


def byte_table[T](*weighted: tuple[int, T]) -> tuple[T, ...]:
    """The items as often as they weigh; weights add up to 256, so that a byte chooses."""
    table = tuple(item for weight, item in weighted for _ in range(weight))
    if len(table) != 256:
        raise ValueError(f"The weights add up to {len(table)}.")
    return table


# The statuses that a task goes through after pending: of one that had the time it takes, of one
# that is younger, and of one in an archived project, where none is active.
_OLD: Final = byte_table(
    (100, (_ACTIVE, _DONE)),
    (40, (_DONE,)),
    (25, (_ACTIVE, _BLOCKED, _ACTIVE, _DONE)),
    (10, (_ACTIVE, _DONE, _ACTIVE, _DONE)),
    (12, (_CANCELLED,)),
    (7, (_ACTIVE, _CANCELLED)),
    (34, ()),
    (6, (_ACTIVE, _PENDING)),
    (13, (_ACTIVE,)),
    (9, (_ACTIVE, _BLOCKED)),
)
_YOUNG: Final = byte_table(
    (120, ()), (95, (_ACTIVE,)), (25, (_ACTIVE, _BLOCKED)), (8, (_BLOCKED,)), (8, (_ACTIVE, _DONE))
)
_ARCHIVED: Final = byte_table(
    (130, (_ACTIVE, _DONE)),
    (60, (_DONE,)),
    (40, (_CANCELLED,)),
    (16, (_ACTIVE, _PENDING)),
    (10, ()),
)
_CYCLES: Final = tuple(HOUR // 2 + 45 * DAY * n**3 // 255**3 for n in range(256))
_SHORTEST: Final = 600  # of a course, so that its steps stand in different seconds
_PRIORITIES: Final = byte_table(
    (51, Priority.LOW.value),
    (141, Priority.NORMAL.value),
    (46, Priority.HIGH.value),
    (18, Priority.URGENT.value),
)
_EDITS: Final = byte_table((200, ""), (20, "assignee"), (16, "due"), (12, "priority"), (8, "title"))
_DUE_DAYS: Final = 40  # a closed task was due 1 to 40 days after it was made
_OVERDUE_DAYS: Final = 15  # an open one is due from 15 days before the end of the data …
_OPEN_DUE_DAYS: Final = 60  # … to 44 after it
_DELETED: Final = 1_311  # of 65,536 draws: 2 %
_STEP_TOLD: Final = {
    (old, new): f'{{"status": [{old}, {new}]}}' for old in Status.values for new in Status.values
}


class Story:
    """One task: `id`, who made it, what became of it, and `updates`, the changes after its making
    as their events tell them, the last of which was `length` seconds later.

    Times are seconds of work. Everyone but `creator` and `assignee` is there to stay.
    """

    __slots__ = (
        "actor", "assignee", "created", "creator", "deleted", "draw", "due_day", "era",
        "first_title", "id", "length", "number", "priority", "project", "status", "title",
        "updates",
    )  # fmt: skip

    def __init__(self, draw: Draw, *, task_id: int, era: Era, project: SeededProject, created: int):
        self.draw, self.id, self.era, self.project, self.created = (
            draw, task_id, era, project, created
        )  # fmt: skip
        project.number += 1
        self.number = project.number
        self.creator = skewed(era.writers, draw.creator)
        self.actor = skewed(era.stayers, draw.actor)
        self.priority = _PRIORITIES[draw.priority >> 8]
        statuses, self.length = _course(draw, project, created)
        self.status = statuses[-1] if statuses else _PENDING
        self.deleted = self.length > 0 and draw.deletion < _DELETED
        self.updates = [_STEP_TOLD[step] for step in pairwise((_PENDING, *statuses))]

    @property
    def closed(self) -> bool:
        """Whether nothing is left to do."""
        return self.status >= _DONE

    def describe(self, texts: Texts, calendar: WorkCalendar) -> None:
        """Settle title, assignee and due date, one of which may have come later, by an update."""
        draw, era = self.draw, self.era
        edit = _EDITS[draw.edit >> 8] if self.length else ""
        self.title = self.first_title = texts.title(self.project.theme, draw.title, draw.case)
        self.due_day = _due_day(self)
        self.assignee = None
        if draw.assignee % 5:
            # Who was there when it was made may have left before it is assigned.
            people = era.stayers if edit == "assignee" else era.writers
            self.assignee = skewed(people, draw.assignee)
        if edit:
            self._edit(edit, texts, calendar)

    def _edit(self, edit: str, texts: Texts, calendar: WorkCalendar) -> None:
        if edit == "title":
            self.first_title = texts.title(self.project.theme, self.draw.title + 1, self.draw.case)
            told = f'{{"title": ["{self.first_title}", "{self.title}"]}}'
        elif edit == "priority":
            told = f'{{"priority": [{(self.priority + 1) % 4}, {self.priority}]}}'
        elif edit == "assignee" and self.assignee is not None:
            told = f'{{"assignee_id": [null, {self.assignee}]}}'
        elif edit == "due" and self.due_day is not None:
            told = f'{{"due_at": [null, "{calendar.due_iso(self.due_day)}"]}}'
        else:
            return
        self.updates.insert(0, told)


def _course(draw: Draw, project: SeededProject, created: int) -> tuple[tuple[int, ...], int]:
    """The statuses after pending, and the seconds from the making to the last change, which is
    before the project's end; 0 if nothing has happened yet."""
    left = project.end - created
    if left < _SHORTEST:
        return (), 0
    cycle = _CYCLES[draw.cycle >> 8]
    courses = _ARCHIVED if project.archived else _OLD if cycle <= left else _YOUNG
    return courses[draw.course >> 8], min(cycle, left)


def _due_day(story: Story) -> int | None:
    """A working day at least one after the making, for half of the tasks; open ones are due around
    the end of the data, a fourth of them before it."""
    if story.draw.due & 1:
        return None
    made = story.created // DAY
    if story.closed or story.project.archived:
        return made + 1 + (story.draw.due >> 1) % _DUE_DAYS
    return max(made + 1, HISTORY_DAYS - _OVERDUE_DAYS + (story.draw.due >> 1) % _OPEN_DUE_DAYS)
