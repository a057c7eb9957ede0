"""The filters of task lists, as query parameters, and what stands in the addresses of tasks."""

from __future__ import annotations

from typing import Final

from projects.models import KEY_PATTERN
from taskproject.api.parameters import instant, matching, row_id, text, word
from taskproject.tenancy.api.authentication import ME
from taskproject.tenancy.api.fields import USERNAME_LENGTH
from tasks.api.references import TaskReferenceConverter
from tasks.models import Priority, Status
from tasks.search import TEXT_LENGTH

STATUS: Final = word({each.label: each for each in Status}, "Tasks of one status.")
PRIORITY: Final = word(
    {each.label: each for each in Priority}, "Open tasks of one priority: those that wait."
)
PROJECT: Final = matching(
    KEY_PATTERN.strip("^$"),
    "the key of a project, such as WEB",
    "Tasks of one project, by its key.",
    example="WEB",
)
ASSIGNEE: Final = text(
    USERNAME_LENGTH,
    "Tasks of one member, by user name; `me` is who asks.",
    example="me",
    deciding=(ME,),
)
LABEL: Final = row_id("Tasks that carry a label, by its id.")
PARENT: Final = row_id("Tasks that are parts of another one, by its id.")
DELETED: Final = word({"true": True}, "Deleted tasks, the last one deleted first.", decides=True)
DUE_AFTER: Final = instant("Open tasks due at this time or later.")
DUE_BEFORE: Final = instant("Open tasks due before this time.")
CREATED_AFTER: Final = instant("Tasks made at this time or later.")
CREATED_BEFORE: Final = instant("Tasks made before this time.")
Q: Final = text(
    TEXT_LENGTH,
    "Tasks with all of these in title or description: words, beginnings of words as in `log*`, "
    'phrases as in `"log in"`. At most as many as can be sorted: a broader question is refused.',
    example="login",
)
TASK: Final = matching(
    TaskReferenceConverter.regex,
    "the id of a task or its key, such as WEB-42",
    "The task, by its id or its key.",
    example="WEB-42",
)
TASK_ID: Final = row_id("The task, by its id.")
DIRECTION: Final = word(
    {"blocks": "blocks"}, "The tasks that wait for this one, instead.", decides=True
)
