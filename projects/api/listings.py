"""The list of projects, and what it costs."""

from __future__ import annotations

from typing import Final

from projects import selectors
from taskproject.api.registry import Access, Listing
from taskproject.db.names import Name

PROJECTS: Final = Listing(
    name="projects",
    default_sort="key",
    accesses=(
        Access(
            rows=lambda asked: selectors.project_list(),
            sorts={"key": selectors.PROJECT_ORDER},
            index="project_key_uniq",
            table="project",
            names=(Name("lead", "username"),),
            note="Archived ones too.",
        ),
    ),
)
LISTINGS: Final = {PROJECTS.name: PROJECTS}
