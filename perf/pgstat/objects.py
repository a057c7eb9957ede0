"""Which model a table belongs to, where its source stands, and whether it is the project's own."""

from __future__ import annotations

import inspect
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.db.models import Model

from perf.pgstat.results import Place

_INSTALLED: Final = tuple(
    Path(path) for name, path in sysconfig.get_paths().items() if name in ("purelib", "platlib")
)


@dataclass(frozen=True)
class Models:
    """The models of all installed apps, by their tables. Nothing of the database is asked."""

    base: Path = field(
        default_factory=lambda: Path(getattr(settings, "BASE_DIR", Path.cwd())).resolve()
    )

    @cached_property
    def by_table(self) -> dict[tuple[str | None, str], type[Model]]:
        """All managed models, those of many-to-many fields too, by schema and table. The schema is
        None unless the model names one, as in `"reports"."day"`."""
        found = {}
        for model in apps.get_models(include_auto_created=True):
            if model._meta.managed and not model._meta.proxy:
                found[_parts(model._meta.db_table)] = model
        return found

    def model(self, table: str | None, schema: str | None = None) -> type[Model] | None:
        """The model of a table. One that names no schema has the tables of its name in all of
        them: which one the search path leads to, a schema for each tenant perhaps, is not known.
        """
        if not table:
            return None
        return self.by_table.get((schema, table)) or self.by_table.get((None, table))

    def place(self, schema: str | None, table: str | None, index: str | None = None) -> Place:
        """An object of the database with its model."""
        model = self.model(table, schema)
        if model is None:
            return Place(schema, table, index)
        file, owner = self._source(model)
        return Place(schema, table, index, model._meta.label, file, owner)

    def _source(self, model: type[Model]) -> tuple[str | None, str]:
        written = _written(model)
        try:
            file = Path(inspect.getsourcefile(written) or "").resolve()
            line = inspect.getsourcelines(written)[1]
        except (OSError, TypeError):
            return None, "app"
        is_package = any(file.is_relative_to(folder.resolve()) for folder in _INSTALLED)
        shown = file.relative_to(self.base) if file.is_relative_to(self.base) else file
        if is_package:
            shown = next(
                file.relative_to(each.resolve())
                for each in _INSTALLED
                if file.is_relative_to(each.resolve())
            )
        return f"{shown}:{line}", "package" if is_package else "app"

    def fields(self, table: str, schema: str | None = None) -> Iterator[Any]:
        """The fields of a table's model that have a column."""
        model = self.model(table, schema)
        yield from model._meta.concrete_fields if model else ()


def _written(model: type[Model]) -> type[Model]:
    """The class that somebody wrote: that of a many-to-many field is made by Django."""
    made_for: Any = model._meta.auto_created
    return made_for or model


def _parts(table: str) -> tuple[str | None, str]:
    schema, _, name = table.rpartition('"."')
    return schema.strip('"') or None, name.strip('"')
