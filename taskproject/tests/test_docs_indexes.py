"""docs/indexes.md, the models and the selectors tell the same story, in both directions."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import connection
from django.db.models import Func, Index, Model, Q, UniqueConstraint
from django.db.models.sql import Query

from taskproject.db.keys import TenantPrimaryKey

APPS: Final = ("tenancy", "projects", "tasks")
PAGE: Final = Path(settings.BASE_DIR) / "docs" / "indexes.md"
CITATION: Final = re.compile(r"(?<![{(])\bindex: (?!int\b)(\w+(?:, \w+)*)")


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """An index as it is declared, and as a row of a table in the page says."""

    table: str
    name: str
    kind: str
    columns: str
    rows: str


def models() -> list[type[Model]]:
    return [model for label in APPS for model in apps.get_app_config(label).get_models()]


def declared() -> Iterator[Entry]:
    """What `Meta` asks for."""
    for model in models():
        for each in (*model._meta.indexes, *model._meta.constraints):
            if isinstance(each, Index | UniqueConstraint | TenantPrimaryKey):
                yield Entry(
                    model._meta.db_table,
                    each.name,
                    kind(each),
                    columns(model, each),
                    rows(model, each),
                )


def kind(index: object) -> str:
    if isinstance(index, TenantPrimaryKey):
        return "primary"
    if isinstance(index, GinIndex):
        return "GIN"
    return "unique" if isinstance(index, UniqueConstraint) else "index"


def columns(model: type[Model], index: Any) -> str:
    if isinstance(index, TenantPrimaryKey):
        return "tenant_id, id"
    parts = [*index.fields, *index.expressions]
    return ", ".join(column(model, part) for part in parts)


def column(model: type[Model], part: Any) -> str:
    """`tenant` is tenant_id, Lower("name") is lower(name)."""
    if isinstance(part, Func):
        (source,) = part.get_source_expressions()
        return f"{str(part.function).lower()}({column(model, source)})"
    field: Any = model._meta.get_field(getattr(part, "name", part))
    return str(field.column)


def rows(model: type[Model], index: Any) -> str:
    """The condition of a partial index as SQL."""
    condition: Q | None = getattr(index, "condition", None)
    if condition is None:
        return "all"
    query: Any = Query(model, alias_cols=False)
    where = query.build_where(condition)
    sql, params = where.as_sql(query.get_compiler("default"), connection)
    text: str = sql % tuple(params)
    return text.replace('"', "").replace("(", "").replace(")", "")


@cache
def table_rows() -> list[list[str]]:
    """The cells of each row of each table in the page, without code marks."""
    found = []
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `"):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            found.append([cell.strip().replace("`", "") for cell in cells])
    return found


def documented() -> dict[Entry, list[str]]:
    """The rows about what `Meta` asks for, with the selectors each one is said to serve."""
    found = {}
    for cells in table_rows():
        if len(cells) == 7:
            table, name, kind_, columns_, rows_, serves, _ = cells
            names = [] if serves == "–" else [word.strip() for word in serves.split(",")]
            found[Entry(table, name, kind_, columns_, rows_)] = names
    return found


def made_by_django() -> set[str]:
    """The names of the indexes that come with a field and stand in no `Meta`."""
    return {cells[0] for cells in table_rows() if len(cells) == 3}


class TestThePage:
    def test_it_tells_of_every_declared_index_as_it_is_and_of_no_other(self) -> None:
        assert sorted(documented()) == sorted(declared())

    @pytest.mark.django_db
    def test_the_database_has_those_and_what_django_makes_by_itself(self) -> None:
        tables = [
            model._meta.db_table
            for label in APPS
            for model in apps.get_app_config(label).get_models(include_auto_created=True)
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
                " AND tablename = ANY (%s)",
                [tables],
            )
            present = {name for (name,) in cursor.fetchall()}

        assert present == {entry.name for entry in declared()} | made_by_django()

    def test_it_names_the_same_selectors_as_the_comments_in_the_models(self) -> None:
        said = {entry.name: names for entry, names in documented().items() if names}

        assert said == {name: names for name, names in served().items() if names}


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a selectors or services module: its text, with that of its own helpers."""

    module: str
    name: str
    own_text: str
    text: str

    @property
    def is_public(self) -> bool:
        return not self.name.startswith("_")

    def cited(self) -> set[str]:
        return citations(self.text)


def citations(text: str) -> set[str]:
    """The indexes named after `index:` in a source, which is no argument and no key there."""
    return {name for match in CITATION.findall(text) for name in match.split(", ")}


@cache
def functions() -> tuple[Function, ...]:
    """The functions of every selectors.py, identities.py, idempotency.py and services, module or
    package."""
    return tuple(
        function
        for label in APPS
        for path in sorted(Path(apps.get_app_config(label).path).rglob("*.py"))
        if (path.stem in ("selectors", "identities", "idempotency") and path.parent.name != "api")
        or "services" in (path.stem, *path.parts)
        for function in functions_of(path.stem, path.read_text())
    )


def functions_of(module: str, source: str) -> Iterator[Function]:
    # Whole lines, for a comment behind the last statement.
    lines = source.splitlines()
    texts = {
        node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }
    for name, own in texts.items():
        helpers = [
            text
            for helper, text in texts.items()
            if helper.startswith("_") and helper != name and re.search(rf"\b{helper}\b", own)
        ]
        yield Function(module, name, own, "\n".join([own, *helpers]))


@cache
def comments() -> dict[str, str]:
    """The comment above each index and unique constraint in a `Meta`, by the index's name."""
    return {
        name: text
        for module in {inspect.getmodule(model) for model in models()}
        if module is not None
        for name, text in comments_of(inspect.getsource(module))
    }


def comments_of(source: str) -> Iterator[tuple[str, str]]:
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and called(node) in ("Index", "GinIndex", "UniqueConstraint"):
            (name,) = [each.value for each in node.keywords if each.arg == "name"]
            assert isinstance(name, ast.Constant)
            yield str(name.value), comment_above(lines, node.lineno - 1)


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def comment_above(lines: list[str], line: int) -> str:
    found: list[str] = []
    while lines[line - 1].strip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].strip().removeprefix("#").strip())
    return " ".join(found)


def served() -> dict[str, list[str]]:
    """The functions that a comment names after "serves:", up to a semicolon, by index."""
    return {
        name: selectors_in(text) if text.startswith("serves:") else []
        for name, text in comments().items()
    }


def selectors_in(comment: str) -> list[str]:
    names = re.sub(r"\(.*?\)", "", comment.removeprefix("serves:")).partition(";")[0]
    return list(dict.fromkeys(part.split()[0] for part in names.split(",")))


class TestCitations:
    def test_every_index_and_unique_has_a_comment_that_says_what_it_serves(self) -> None:
        expected = {entry.name for entry in declared() if entry.kind != "primary"}

        assert set(comments()) == expected
        silent = {
            name
            for name, text in comments().items()
            if not text.startswith(("serves: ", "planned: "))
        }
        assert silent == set()

    def test_whatever_an_index_serves_exists_and_names_the_index(self) -> None:
        known = {function.name: function for function in functions()}
        pairs = [(name, each) for name, names in served().items() for each in names]

        assert [each for _, each in pairs if each not in known] == []
        assert [
            f"{each} does not say index: {name}"
            for name, each in pairs
            if name not in known[each].cited()
        ] == []

    def test_whatever_a_selector_names_says_that_it_serves_the_selector(self) -> None:
        serving = served()
        selectors = [each for each in functions() if each.module == "selectors" and each.is_public]

        assert len(selectors) > 20
        assert [
            f"{name} does not say serves: {each.name}"
            for each in selectors
            for name in sorted(citations(each.own_text))
            if name in serving and each.name not in serving[name]
        ] == []

    def test_whatever_a_function_names_is_an_index(self) -> None:
        known = {entry.name for entry in declared()} | made_by_django()

        assert {name for each in functions() for name in each.cited()} - known == set()


class TestReading:
    def test_the_comment_above_is_read_over_several_lines(self) -> None:
        source = (
            "indexes = [\n"
            "    # serves: one (in part), two of a kind;\n"
            "    # and more\n"
            "    models.Index(fields=['a'], name='a_idx'),\n"
            "    models.Index(fields=['b'], name='b_idx'),\n"
            "]\n"
        )

        assert dict(comments_of(source)) == {
            "a_idx": "serves: one (in part), two of a kind; and more",
            "b_idx": "",
        }
        assert selectors_in("serves: one (in part), two of a kind; and more") == ["one", "two"]

    def test_a_function_cites_by_itself_or_by_its_own_helper(self) -> None:
        source = (
            "def look():\n"
            "    return _deep()\n"
            "def _deep():\n"
            "    ...  # index: a_idx, b_idx\n"
            "def other():\n"
            "    ...  # index: c_idx\n"
        )

        found = {each.name: each.cited() for each in functions_of("selectors", source)}
        assert found["look"] == found["_deep"] == {"a_idx", "b_idx"}
        assert found["other"] == {"c_idx"}
