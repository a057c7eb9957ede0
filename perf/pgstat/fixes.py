"""What mends a finding, as SQL with its way back, and as a migration of Django."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from perf.pgstat.objects import Models
from perf.pgstat.relations import Index
from perf.pgstat.results import Fix

_LONGEST_NAME: Final = 30  # that Django takes


def quoted(*names: str) -> str:
    """A name in SQL, of several parts.

    >>> quoted("public", 'a"b')
    '"public"."a""b"'
    """
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def index_name(table: str, columns: Sequence[str]) -> str:
    """A name for an index that Django takes: 30 characters at most.

    >>> index_name("task", ["due"])
    'task_due_idx'
    >>> len(index_name("a_table_with_a_long_name", ["and", "columns"]))
    30
    """
    name = f"{table}_{'_'.join(columns)}_idx"
    if len(name) <= _LONGEST_NAME:
        return name
    mark = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:4]
    return f"{name[: _LONGEST_NAME - 9]}_{mark}_idx"


def create_index(
    models: Models,
    schema: str,
    table: str,
    columns: Sequence[str],
    *,
    where: str | None = None,
    is_partitioned: bool = False,
) -> Fix:
    """A new index. On the parent of partitions PostgreSQL can't build one concurrently."""
    name = index_name(table, columns)
    how = "" if is_partitioned else " CONCURRENTLY"
    keys = ", ".join(map(quoted, columns))
    condition = f" WHERE {where}" if where else ""
    return Fix(
        sql=f"CREATE INDEX{how} {quoted(name)} ON {quoted(schema, table)} ({keys}){condition};",
        undo_sql=f"DROP INDEX{how} {quoted(schema, name)};",
        django=_added(models, schema, table, columns, name, where, is_partitioned),
        online=not is_partitioned,
    )


def _added(
    models: Models,
    schema: str,
    table: str,
    columns: Sequence[str],
    name: str,
    where: str | None,
    is_partitioned: bool,
) -> str | None:
    model = models.model(table, schema)
    if model is None:
        return None
    names = {field.column: field.name for field in models.fields(table, schema)}
    fields = ", ".join(f'"{names.get(column, column)}"' for column in columns)
    condition = ""
    if where:
        only = names.get(columns[0], columns[0])
        condition = f", condition=models.Q({only}__isnull=False)"
    line = f'models.Index(fields=[{fields}], name="{name}"{condition})'
    operation = "AddIndex" if is_partitioned else "AddIndexConcurrently"
    return (
        f"# {model._meta.label}.Meta.indexes:\n{line},\n"
        f"{_migration(f'{operation}("{model._meta.model_name}", {line})', not is_partitioned)}"
    )


def drop_index(models: Models, index: Index) -> Fix:
    """An index less: with its constraint, if it is that of one."""
    if index.constraint:
        return _drop_constraint(models, index, index.constraint)
    how = "" if index.is_partitioned else " CONCURRENTLY"
    return Fix(
        sql=f"DROP INDEX{how} {quoted(index.schema, index.name)};",
        undo_sql=_ended(definition_of(index)),
        django=_removed(models, index),
        online=not index.is_partitioned,
    )


def definition_of(index: Index) -> str | None:
    """How it is made again, if it can be without stopping others. None while its table is locked:
    what it was is not to be seen then."""
    if index.definition is None:
        return None
    if index.is_partitioned:
        return index.definition.replace(" ON ONLY ", " ON ", 1)
    return index.definition.replace(" INDEX ", " INDEX CONCURRENTLY ", 1)


def _ended(sql: str | None) -> str | None:
    return f"{sql};" if sql else None


def _drop_constraint(models: Models, index: Index, name: str) -> Fix:
    table = quoted(index.schema, index.table)
    drop = f"ALTER TABLE {table} DROP CONSTRAINT {quoted(name)}"
    add = None
    if definition := index.constraint_definition:
        add = f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {definition}"
    model = models.model(index.table, index.schema)
    django = None
    if model is not None and any(each.name == name for each in model._meta.constraints):
        operation = f'migrations.RemoveConstraint("{model._meta.model_name}", "{name}")'
        django = (
            f'# {model._meta.label}.Meta.constraints: without "{name}"\n'
            f"{_migration(operation, concurrently=False)}"
        )
    elif model is not None:
        django = _run_sql(drop, add, concurrently=False)
    return Fix(
        sql=f"{drop};",
        undo_sql=_ended(add),
        django=django,
        online=True,  # the lock is held for a moment only
    )


def _removed(models: Models, index: Index) -> str | None:
    model = models.model(index.table, index.schema)
    if model is None:
        return None
    if is_declared(models, index):
        name = "RemoveIndex" if index.is_partitioned else "RemoveIndexConcurrently"
        operation = f'{name}("{model._meta.model_name}", "{index.name}")'
        return (
            f'# {model._meta.label}.Meta.indexes: without "{index.name}"\n'
            f"{_migration(operation, concurrently=not index.is_partitioned)}"
        )
    if field := field_of(models, index):
        return (
            f"# {model._meta.label}.{field.name}: db_index=False, and what makemigrations writes."
        )
    how = "" if index.is_partitioned else " CONCURRENTLY"
    return _run_sql(
        f"DROP INDEX{how} {quoted(index.schema, index.name)}",
        definition_of(index),
        concurrently=not index.is_partitioned,
    )


def is_declared(models: Models, index: Index) -> bool:
    """Whether a model's Meta has this index or constraint, by its name."""
    model: Any = models.model(index.table, index.schema)
    if model is None:
        return False
    declared = (*model._meta.indexes, *model._meta.constraints)
    return any(each.name == index.name for each in declared)


def field_of(models: Models, index: Index) -> Any:
    """The field with `db_index` that Django has made this index for, if it is one."""
    if len(index.keys) != 1 or index.is_unique or index.predicate:
        return None
    for field in models.fields(index.table, index.schema):
        if field.model._meta.auto_created:
            return None  # nobody has written that model
        if field.column == index.columns[0] and field.db_index:
            prefix = f"{index.table}_{field.column}"[:20]
            return field if index.name.startswith(prefix[:11]) else None
    return None


def _migration(operation: str, concurrently: bool) -> str:
    source = "django.contrib.postgres.operations"
    name = operation.partition("(")[0]
    first = f"from {source} import {name}\n" if concurrently else ""
    plain = operation if concurrently or "." in name else f"migrations.{operation}"
    return (
        f"{first}class Migration(migrations.Migration):\n"
        + ("    atomic = False\n" if concurrently else "")
        + f"    operations = [{plain}]"
    )


def _run_sql(sql: str, undo: str | None, *, concurrently: bool) -> str:
    operation = f"migrations.RunSQL({sql!r}{f', {undo!r}' if undo else ''})"
    atomic = "    atomic = False\n" if concurrently else ""
    return f"class Migration(migrations.Migration):\n{atomic}    operations = [{operation}]"
