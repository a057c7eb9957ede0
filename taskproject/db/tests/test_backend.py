"""The owner's commands, the way to be the owner, and the schema that migrations make."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import migrations, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Count

from projects.models import Project
from taskproject.db.backend.features import DatabaseFeatures
from taskproject.db.context import all_tenants, in_all_tenants, tenant_context
from taskproject.db.isolation import IsolateTenant
from taskproject.db.keys import TenantPrimaryKey, TenantReference, rank
from taskproject.tenancy.grants import grant_shared_tables
from taskproject.tenancy.models import Membership, Tenant
from taskproject.tenancy.scoping import tenant_models
from taskproject.tenancy.tests.catalogue import complaints
from taskproject.tenancy.tests.rows import make_row
from taskproject.tenancy.tests.sql import connection, fetch, refusal_of, session
from taskproject.tests.cast import Cast, make_cast, make_project, make_task
from tasks.models import Task

transactional = pytest.mark.django_db(transaction=True)


def role() -> str:
    return str(fetch("SELECT current_user")[0])


@pytest.fixture
def without_owner() -> Any:
    """A process that was given no owner, as the web is."""
    owner = connection.settings_dict.pop("OWNER")
    yield
    connection.settings_dict["OWNER"] = owner


class TestAsOwner:
    @transactional
    def test_the_block_runs_as_the_owner_and_what_follows_as_the_app(self) -> None:
        app = connection.settings_dict["USER"]
        assert role() == app
        with connection.as_owner():
            assert role() == connection.settings_dict["OWNER"]["USER"] != app
            assert connection.acts_as_owner
            assert connection.app_role == app
        assert role() == app
        assert not connection.acts_as_owner

    @transactional
    def test_it_nests(self) -> None:
        with connection.as_owner():
            with connection.as_owner():
                owner = role()
            assert role() == owner
        assert role() == connection.app_role

    @transactional
    def test_an_exception_ends_it(self) -> None:
        with pytest.raises(KeyError), connection.as_owner():
            raise KeyError
        assert role() == connection.app_role

    @transactional
    def test_the_owner_sees_all_tenants(self) -> None:
        cast = make_cast()
        for tenant, user in ((cast.alpha, cast.alice), (cast.beta, cast.carol)):
            make_row(Task, tenant, user)
        with connection.as_owner(), all_tenants():
            assert Task.objects.count() == 2
        with all_tenants():
            assert Task.objects.count() == 0

    @transactional
    def test_in_all_tenants_a_row_is_still_written_by_tenant_and_id(self) -> None:
        cast = make_cast()
        mine = make_row(Task, cast.alpha, cast.alice)
        with connection.as_owner(), all_tenants():
            project = make_row(Project, cast.beta, cast.carol)
            Task.unscoped.bulk_create(
                [
                    Task(
                        pk=mine.pk,
                        tenant=cast.beta,
                        project=project,
                        number=1,
                        title="twin",
                        creator=cast.carol,
                    )
                ]
            )
            mine.title = "mine"
            mine.save()
            titles = Task.objects.order_by("tenant").values_list("title", flat=True)
            assert list(titles) == ["mine", "twin"]
            assert mine.delete()[0] == 1
            assert Task.objects.get().title == "twin"

    @transactional
    def test_in_all_tenants_a_relation_is_followed_within_its_tenant(self) -> None:
        cast = make_cast()
        mine = make_row(Task, cast.alpha, cast.alice)
        with connection.as_owner(), all_tenants():
            twin = Project(pk=mine.project_id, tenant=cast.beta, key="TWIN", name="Twin")
            Project.unscoped.bulk_create([twin])
            task = Task.objects.get()
            assert task.project.tenant_id == cast.alpha.pk
            assert Task.objects.select_related("project").get().project.key != "TWIN"

    @pytest.mark.django_db
    def test_it_is_refused_within_a_transaction(self) -> None:
        with pytest.raises(RuntimeError, match="leave the transaction first"):
            connection.as_owner().__enter__()
        assert role() == connection.app_role

    @transactional
    def test_without_an_owner_it_says_what_is_missing(self, without_owner: None) -> None:
        with (
            pytest.raises(ImproperlyConfigured, match="DATABASE_OWNER_URL"),
            connection.as_owner(),
        ):
            pass
        assert role() == connection.app_role

    @pytest.mark.parametrize("command", ["migrate", "flush", "dumpdata", "createcachetable"])
    @transactional
    def test_a_command_without_an_owner_is_a_command_error(
        self, without_owner: None, command: str
    ) -> None:
        with pytest.raises(CommandError, match="DATABASE_OWNER_URL"):
            call_command(command, verbosity=0)


class TestCommands:
    @transactional
    def test_what_was_dumped_can_be_loaded_after_a_flush(self, tmp_path: Path) -> None:
        cast = make_cast()
        for tenant, user in ((cast.alpha, cast.alice), (cast.beta, cast.carol)):
            for model in tenant_models():
                make_row(model, tenant, user)
        # A dump keeps milliseconds, and writes .000 only where there were microseconds: what it
        # says is equal from the second time on.
        first = dump(tmp_path / "first.json")
        call_command("loaddata", tmp_path / "first.json", verbosity=0)
        before = dump(tmp_path / "before.json")
        assert len(before) == len(first)
        assert {row["fields"].get("tenant") for row in before if row["model"] == "tasks.task"} == {
            cast.alpha.pk,
            cast.beta.pk,
        }
        call_command("flush", interactive=False, verbosity=0)
        assert not Tenant.objects.exists()
        call_command("loaddata", tmp_path / "before.json", verbosity=0)
        assert dump(tmp_path / "after.json") == before
        with tenant_context(cast.alpha):
            assert Task.objects.filter(creator=cast.alice).exists()

    @transactional
    def test_afterwards_the_app_role_and_its_walls_are_back(self) -> None:
        call_command("flush", interactive=False, verbosity=0)
        call_command("migrate", verbosity=0)
        assert role() == connection.app_role
        assert not in_all_tenants()
        with session("app") as app:
            assert complaints(app, app_role=connection.app_role) == []

    @transactional
    def test_migrate_gives_the_shared_tables_their_rights_back(self) -> None:
        with session("owner") as owner:
            owner.execute(f"REVOKE ALL ON tenant FROM {connection.app_role}")
            owner.execute(f"GRANT DELETE ON tenant TO {connection.app_role}")
            owner.commit()
        call_command("migrate", verbosity=0)
        assert Tenant.objects.count() == 0
        assert refusal_of("DELETE FROM tenant") == "42501"

    @pytest.mark.django_db
    def test_only_the_owner_grants(self) -> None:
        grant_shared_tables(using="default")
        assert role() == connection.app_role

    @pytest.mark.django_db
    def test_no_migration_is_missing(self) -> None:
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def dump(path: Path) -> list[Any]:
    call_command(
        "dumpdata", "tenancy", "projects", "tasks", output=path, verbosity=0, stdout=StringIO()
    )
    rows: list[Any] = json.loads(path.read_text())
    return sorted(rows, key=lambda row: (row["model"], row["pk"]))


class TestQueries:
    @pytest.mark.django_db
    def test_aggregates_of_a_tenant_model_group_by_each_column(self, cast: Cast) -> None:
        make_task(make_project(cast.alpha, cast.alice), cast.alice)
        with tenant_context(cast.alpha):
            projects = Project.objects.annotate(n=Count("tasks"))
            assert '"project"."name"' in str(projects.query).split("GROUP BY")[1]
            assert [project.n for project in projects] == [1]

    @pytest.mark.django_db
    def test_aggregates_of_a_shared_model_group_by_its_key(self, cast: Cast) -> None:
        tenants = Tenant.objects.annotate(n=Count("membership")).order_by("slug")
        assert '"tenant"."name"' not in str(tenants.query).split("GROUP BY")[1]
        assert [(tenant.slug, tenant.n) for tenant in tenants] == [("alpha", 3), ("beta", 1)]

    def test_the_feature_tells_the_two_apart(self) -> None:
        allows = DatabaseFeatures(connection).allows_group_by_selected_pks_on_model
        assert not allows(Task)
        assert allows(Membership)


def statements(app: str, name: str) -> list[str]:
    """The SQL of a migration, a statement each."""
    out = StringIO()
    call_command("sqlmigrate", app, name, stdout=out, no_color=True)
    lines = [line for line in out.getvalue().splitlines() if not line.startswith("--")]
    return [each.strip() for each in "\n".join(lines).split(";\n") if each.strip()]


def places(found: list[str], pattern: str) -> list[int]:
    return [place for place, sql in enumerate(found) if re.search(pattern, sql)]


@pytest.mark.django_db
class TestMigrations:
    @pytest.mark.parametrize(
        ("app", "name"),
        [("tenancy", "0001"), ("projects", "0001"), ("tasks", "0001")],
    )
    def test_keys_come_before_what_refers_to_them(self, app: str, name: str) -> None:
        found = statements(app, name)
        created = places(found, r"^CREATE TABLE")
        keys = places(found, r"PRIMARY KEY \(\"tenant_id\", \"id\"\)")
        references = places(found, r"FOREIGN KEY \(\"tenant_id\", ")
        policies = places(found, r"^CREATE POLICY")
        grants = places(found, r"^GRANT")
        assert len(keys) == len(policies) == len(grants) > 0
        assert max(created) < min(keys) <= max(keys) < min(references)

    def test_a_table_is_granted_only_behind_its_policy(self) -> None:
        found = statements("tasks", "0001")
        (forced,) = places(found, r'^ALTER TABLE "task" FORCE')
        (policy,) = places(found, r'^CREATE POLICY tenant_isolation ON "task" ')
        (grant,) = places(found, r'^GRANT .* ON "task" ')
        assert forced < policy < grant

    def test_nothing_is_deferrable(self) -> None:
        for app in ("tenancy", "projects", "tasks"):
            assert places(statements(app, "0001"), "DEFERRABLE|SET CONSTRAINTS") == []

    def test_isolation_forbids_what_policies_do_not_filter(self) -> None:
        for privilege in ("TRUNCATE", "REFERENCES", "TRIGGER", "ALL", "select"):
            with pytest.raises(ValueError, match=privilege):
                IsolateTenant("Task", privileges=("SELECT", privilege))

    def test_isolation_survives_being_written_to_a_file(self) -> None:
        operation = IsolateTenant("Task", privileges=("SELECT",))
        name, args, kwargs = operation.deconstruct()
        assert name == "IsolateTenant"
        again = IsolateTenant(*args, **kwargs)
        assert (again.model_name, again.privileges) == ("Task", ("SELECT",))
        assert operation.migration_name_fragment == "isolate_task"

    def test_a_reference_can_not_set_null(self) -> None:
        with pytest.raises(ValueError, match="SET NULL"):
            TenantReference(name="x", field="task", on_delete="SET NULL")

    def test_constraints_are_told_apart_by_what_they_say(self) -> None:
        one = TenantReference(name="x", field="task")
        assert one == TenantReference(name="x", field="task")
        assert one != TenantReference(name="x", field="task", on_delete="NO ACTION")
        assert one != TenantPrimaryKey(name="x")
        assert one.clone() == one

    def test_statements_of_django_stand_between_keys_and_references(self) -> None:
        assert rank("ALTER TABLE") == 50


MAKE = migrations.CreateModel(
    "Forgotten",
    [
        ("id", models.BigAutoField(primary_key=True)),
        ("tenant", models.ForeignKey("tenancy.Tenant", models.DB_CASCADE, db_index=False)),
    ],
    options={"db_table": "forgotten", "constraints": [TenantPrimaryKey(name="forgotten_tpk")]},
)
ISOLATE = IsolateTenant("Forgotten")


def run_forwards(state: ProjectState, operation: Operation) -> ProjectState:
    """Run an operation of a migration of `tasks` and return the state after it."""
    after = state.clone()
    operation.state_forwards("tasks", after)
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("tasks", editor, state, after)
    return after


def rights(table: str) -> list[str]:
    return fetch(
        "SELECT a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a"
        " WHERE c.relname = %s AND a.grantee = %s::regrole ORDER BY 1",
        [table, connection.app_role],
    )


def walls(table: str) -> Any:
    (found,) = fetch(
        "SELECT relrowsecurity, relforcerowsecurity,"
        " (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid)"
        " FROM pg_class AS c WHERE relname = %s",
        [table],
    )
    return found


@transactional
def test_isolation_puts_a_new_table_behind_all_walls_and_takes_them_away() -> None:
    state = state_of_the_project()
    with connection.as_owner(), transaction.atomic():
        made = run_forwards(state, MAKE)
        isolated = run_forwards(made, ISOLATE)
        assert walls("forgotten") == (True, True, 1)
        assert rights("forgotten") == ["DELETE", "INSERT", "SELECT", "UPDATE"]
        with connection.schema_editor(atomic=False) as editor:
            ISOLATE.database_backwards("tasks", editor, isolated, made)
        assert walls("forgotten") == (False, False, 0)
        assert rights("forgotten") == []
        transaction.set_rollback(True)


@transactional
def test_a_table_without_the_operation_is_denied_to_the_app_role() -> None:
    with connection.as_owner():
        run_forwards(state_of_the_project(), MAKE)
    try:
        assert refusal_of("SELECT * FROM forgotten") == "42501"
    finally:
        with session("owner") as owner:
            owner.execute("DROP TABLE forgotten")
            owner.commit()


def state_of_the_project() -> ProjectState:
    loader = MigrationLoader(connection)
    return loader.project_state(loader.graph.leaf_nodes())


@transactional
def test_a_tenant_reference_can_be_taken_away_and_put_back() -> None:
    constraint = next(each for each in Task._meta.constraints if each.name == "task_parent_fk")
    count = "SELECT count(*) FROM pg_constraint WHERE conname = 'task_parent_fk'"
    with connection.as_owner(), transaction.atomic():
        with connection.schema_editor(atomic=False) as editor:
            editor.remove_constraint(Task, constraint)
        assert fetch(count) == [0]
        with connection.schema_editor(atomic=False) as editor:
            editor.add_constraint(Task, constraint)
        assert fetch(count) == [1]
        transaction.set_rollback(True)
