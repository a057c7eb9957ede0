"""Tasks and what hangs on them in the web admin. Nothing is imported here but the modules that
register pages, which is how Django finds them."""

from __future__ import annotations

from tasks.admin import projects, relations, tasks  # noqa: F401
