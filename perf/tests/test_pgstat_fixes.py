"""The migrations that a finding proposes: they are run as Python, and name what the model names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.test.utils import isolate_apps

from perf.pgstat.fixes import create_index, drop_index, index_name
from perf.pgstat.indexes import foreign_key, redundant
from perf.pgstat.objects import Models
from perf.pgstat.relations import ForeignKey, Index, Key, Table
from perf.pgstat.results import Severity
from perf.pgstat.section import Reading
from perf.pgstat.sections import hot


@pytest.fixture
def known() -> Any:
    """A table with a model, as `reading.models` has it."""
    with isolate_apps("perf"):
        yield _known()


def _known() -> Models:
    class Place(models.Model):
        class Meta:
            app_label = "perf"

        def __str__(self) -> str:
            return "a place"

    class Shelf(models.Model):
        title = models.CharField(max_length=10, db_index=True)
        code = models.TextField()
        place = models.ForeignKey(Place, on_delete=models.PROTECT, db_index=False)
        touched = models.DateTimeField(auto_now=True)
        near = models.ManyToManyField(Place, related_name="+")

        class Meta:
            app_label = "perf"
            db_table = "shelf"
            indexes = [models.Index(fields=["code"], name="shelf_code_idx")]
            constraints = [models.UniqueConstraint(fields=["code"], name="shelf_code_uniq")]

        def __str__(self) -> str:
            return self.title

    found = Models()
    through: Any = Shelf.near.through
    found.__dict__["by_table"] = {(None, "shelf"): Shelf, (None, "shelf_near"): through}
    return found


def index(name: str, *columns: str, **changes: Any) -> Index:
    """A plain index of the table."""
    listed = ", ".join(columns)
    plain = Index(
        oid=1, table_oid=1, schema="public", table="shelf", name=name, method="btree",
        keys=tuple(Key(each, each, 1, 0, 0, None) for each in columns), included=(),
        definition=f"CREATE INDEX {name} ON public.shelf USING btree ({listed})", condition=None,
        storage=(), is_unique=False, is_primary=False, is_exclusion=False, is_immediate=True,
        nulls_equal=False, is_valid=True, is_ready=True, is_replica_identity=False,
        is_partitioned=False, is_being_built=False, is_referenced=False, constraint=None,
        constraint_definition=None, parent=None, rows=1, size_bytes=8192, is_estimate=False,
    )  # fmt: skip
    return replace(plain, **changes)


def migration(text: str) -> Any:
    """The class Migration of a proposal, which has to be Python."""
    names: dict[str, Any] = {"migrations": migrations, "models": models}
    exec(text, names)  # noqa: S102 - to see that it is Python
    return names["Migration"]


def test_an_index_is_added_while_others_write(known):
    found = migration(create_index(known, "public", "shelf", ["place_id", "code"]).django or "")

    assert found.atomic is False
    operation = found.operations[0]
    assert isinstance(operation, AddIndexConcurrently)
    assert operation.model_name == "shelf"
    assert operation.index.fields == ["place", "code"]
    assert operation.index.name == "shelf_place_id_code_idx"


def test_a_partial_index_has_its_condition(known):
    fix = create_index(known, "public", "shelf", ["code"], where='"code" IS NOT NULL')

    assert fix.sql is not None
    assert fix.sql.endswith(' ("code") WHERE "code" IS NOT NULL;')
    assert migration(fix.django or "").operations[0].index.condition == models.Q(code__isnull=False)


def test_on_partitions_an_index_is_not_added_concurrently(known):
    fix = create_index(known, "public", "shelf", ["code"], is_partitioned=True)
    found = migration(fix.django or "")

    assert type(found.operations[0]) is migrations.AddIndex
    assert found.atomic is True
    assert fix.online is False


def test_a_declared_index_is_removed_by_its_name(known):
    found = migration(drop_index(known, index("shelf_code_idx", "code")).django or "")

    operation = found.operations[0]
    assert isinstance(operation, RemoveIndexConcurrently)
    assert (operation.model_name, operation.name) == ("shelf", "shelf_code_idx")
    assert found.atomic is False


def test_an_index_of_a_field_is_removed_at_the_field(known):
    django = drop_index(known, index("shelf_title_0a1b2c3d", "title")).django

    assert django == "# perf.Shelf.title: db_index=False, and what makemigrations writes."


def test_an_index_that_no_model_has_is_removed_by_sql_with_its_way_back(known):
    found = migration(drop_index(known, index("by_hand", "title", "code")).django or "")

    operation = found.operations[0]
    assert operation.sql == 'DROP INDEX CONCURRENTLY "public"."by_hand"'
    assert operation.reverse_sql == (
        "CREATE INDEX CONCURRENTLY by_hand ON public.shelf USING btree (title, code)"
    )
    assert found.atomic is False


def test_a_constraint_is_removed_as_one(known):
    unique = index(
        "shelf_code_uniq",
        "code",
        constraint="shelf_code_uniq",
        constraint_definition="UNIQUE (code)",
    )
    fix = drop_index(known, unique)

    operation = migration(fix.django or "").operations[0]
    assert isinstance(operation, migrations.RemoveConstraint)
    assert operation.name == "shelf_code_uniq"
    assert fix.undo_sql == (
        'ALTER TABLE "public"."shelf" ADD CONSTRAINT "shelf_code_uniq" UNIQUE (code);'
    )


def test_a_table_without_a_model_has_sql_only(known):
    assert drop_index(known, index("other", "a", table="other")).django is None
    assert create_index(known, "public", "other", ["a"]).django is None


@pytest.mark.parametrize(
    ("table", "columns"), [("task", ["due"]), ("a_very_long_table_name", ["with", "many", "parts"])]
)
def test_a_name_is_one_that_django_takes(table, columns):
    name = index_name(table, columns)

    assert len(name) <= models.Index.max_name_length
    assert models.Index(fields=columns, name=name).name == name


def reading(known: Models, **asked: Any) -> Reading:
    """A reading that has asked for all it needs."""
    nobody: Any = None
    found = Reading(nobody, nobody, nobody, known)
    found._asked.update({getattr(MODULES[name], name): value for name, value in asked.items()})
    return found


MODULES: Any = {"tables": hot, "indexes_by_table": hot}
TABLE = Table(1, "public", "shelf", "r", 10, 1, {}, {}, None, 1, True)


def test_what_follows_a_deletion_is_told_by_the_model(known):
    key = ForeignKey("fk", 1, "public", "shelf", ("place_id",), 2, "perf_place", ("id",), "c", True)

    finding = foreign_key._finding(reading(known, tables={1: TABLE}), key, None)

    # In the database it cascades, but Django refuses before that.
    assert finding.evidence["on_delete"] == "PROTECT"
    assert finding.severity is Severity.INFO
    assert finding.place.model == "perf.Shelf"
    assert finding.place.owner == "app"
    assert str(finding.place.file).startswith("perf/tests/test_pgstat_fixes.py:")


def test_deletions_that_were_counted_make_it_a_warning(known):
    key = ForeignKey("fk", 1, "public", "shelf", ("place_id",), 2, "perf_place", ("id",), "c", True)

    finding = foreign_key._finding(reading(known, tables={1: TABLE}), key, 5)

    assert finding.severity is Severity.WARNING
    assert finding.evidence["target_deletes"] == 5


def test_indexes_of_a_many_to_many_field_are_django_s(known):
    short = index("short", "shelf_id", table="shelf_near")
    long = index("long", "shelf_id", "place_id", table="shelf_near", oid=2)

    finding = redundant._finding(reading(known), short, long)

    assert finding.severity is Severity.INFO
    assert finding.fix is not None
    assert "RunSQL" in str(finding.fix.django)


def test_columns_that_each_save_writes_and_an_index_holds_are_named(known):
    held = index("held", "touched", "code")
    other = index("brin", "touched", method="brin")

    with_it = reading(known, tables={1: TABLE}, indexes_by_table={1: [held]})
    without = reading(known, tables={1: TABLE}, indexes_by_table={1: [other]})

    assert list(hot._touched(with_it, TABLE)) == ["touched"]
    assert list(hot._touched(without, TABLE)) == []
