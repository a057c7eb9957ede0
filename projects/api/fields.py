"""Projects in request and response bodies: by key."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from projects.models import KEY_PATTERN, Project
from projects.selectors import project_get
from taskproject.api.projection import RowSQL


class ProjectField(serializers.Field):  # type: ignore[type-arg]
    """A project of the tenant. One statement when it is set."""

    schema: ClassVar = {"type": "string", "pattern": KEY_PATTERN}
    names_a_row = True
    default_error_messages = {
        "invalid": "It must be the key of a project, such as WEB.",
        "does_not_exist": "There is no such project.",
    }

    def to_representation(self, value: Project) -> str:
        return value.key

    def to_sql(self, row: RowSQL) -> str:
        return row.name(str(self.source), "key")

    def to_internal_value(self, data: Any) -> Project:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return project_get(key=data)
        except Project.DoesNotExist:
            self.fail("does_not_exist")
