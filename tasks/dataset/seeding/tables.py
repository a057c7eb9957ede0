"""The tables that a seed writes, in an order in which each finds what it refers to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

NULL: Final = r"\N"

COLUMNS: Final = {
    "tenant": ("id", "slug", "name", "created_at"),
    "user_account": (
        "id", "username", "first_name", "last_name", "email", "password", "is_superuser",
        "is_staff", "is_active", "date_joined",
    ),
    "membership": ("id", "tenant_id", "user_id", "role", "active", "created_at"),
    "project": (
        "id", "tenant_id", "key", "name", "description", "lead_id", "next_number", "archived_at",
        "version", "created_at", "updated_at",
    ),
    "label": ("id", "tenant_id", "name", "colour"),
    "task": (
        "id", "tenant_id", "project_id", "number", "title", "description", "status", "priority",
        "assignee_id", "creator_id", "parent_id", "due_at", "completed_at", "external_key",
        "version", "created_at", "updated_at", "deleted_at",
    ),
    "task_label": ("id", "tenant_id", "task_id", "task_created_at", "label_id"),
    "comment": ("id", "tenant_id", "task_id", "author_id", "body", "created_at"),
    "dependency": ("id", "tenant_id", "blocker_id", "blocked_id"),
    # Not xid: it is the transaction that writes the row, which the database knows. The id comes
    # last, because it is given when the events have been put into the order of their times.
    "event": (
        "created_at", "kind", "tenant_id", "task_id", "project_id", "actor_id", "changes", "id",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of one table as COPY text, each line with its end."""

    table: str
    text: bytes
    rows: int


class Table:
    """The rows of a table that are not handed out yet, and the id that its next row gets."""

    __slots__ = ("lines", "name", "next_id")

    def __init__(self, name: str, first_id: int) -> None:
        self.name = name
        self.next_id = first_id
        self.lines: list[str] = []

    def take(self) -> int:
        """The next id."""
        self.next_id += 1
        return self.next_id - 1


class Rows:
    """The tables by name, as attributes. `first_ids` has the id that each table begins with; those
    it does not name begin with 1."""

    def __init__(self, first_ids: Mapping[str, int]) -> None:
        self._tables = {name: Table(name, first_ids.get(name, 1)) for name in COLUMNS}
        self.tenant = self._tables["tenant"]
        self.user = self._tables["user_account"]
        self.membership = self._tables["membership"]
        self.project = self._tables["project"]
        self.label = self._tables["label"]
        self.task = self._tables["task"]
        self.task_label = self._tables["task_label"]
        self.comment = self._tables["comment"]
        self.dependency = self._tables["dependency"]
        self.event = self._tables["event"]

    def blocks(self) -> Iterator[Block]:
        """Hand out what has been gathered, table by table, and forget it."""
        for table in self._tables.values():
            if table.lines:
                text = "\n".join(table.lines) + "\n"
                yield Block(table.name, text.encode(), len(table.lines))
                table.lines.clear()
