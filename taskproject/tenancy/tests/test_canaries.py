"""Each wall is broken once, and a probe must notice: else the probes of this suite prove nothing.

It also shows which walls still hold while one of them is down.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, models, transaction
from django.test import Client
from psycopg import sql

from taskproject.api import pagination
from taskproject.db.backend.cursors import SessionBoundCursor
from taskproject.db.backend.verification import verify_session
from taskproject.db.context import current_tenant_id, no_tenant, tenant_context
from taskproject.tenancy.api import viewsets
from taskproject.tenancy.scoping import TenantManager
from taskproject.tenancy.tests.catalogue import complaints
from taskproject.tenancy.tests.sql import committed, connection, database, execute, fetch, session
from taskproject.tests.cast import Cast, make_cast, make_client, make_project, make_task
from tasks.models import Task

pytestmark = pytest.mark.django_db(transaction=True)

NO_CHECK = {"check": lambda connection: None, "max_size": 1, "min_size": 1}


@pytest.fixture
def cast() -> Cast:
    """Alpha and beta, each with a task, for good."""
    cast = make_cast()
    make_task(make_project(cast.alpha, cast.alice), cast.alice, "Alpha's")
    make_task(make_project(cast.beta, cast.carol), cast.carol, "Beta's")
    return cast


def leaks(cast: Cast) -> list[str]:
    """The ways on which alpha sees what is not alpha's, or anybody sees anything."""
    ways: dict[str, Callable[[], Any]] = {
        "objects": lambda: Task.objects.values_list("tenant_id", flat=True),
        "unscoped": lambda: Task.unscoped.values_list("tenant_id", flat=True),
        "raw SQL": lambda: fetch("SELECT tenant_id FROM task"),
    }
    found = []
    with tenant_context(cast.alpha):
        found += [name for name, way in ways.items() if set(way()) - {cast.alpha.pk}]
    with no_tenant():
        if fetch("SELECT id FROM task"):
            found.append("no tenant")
    return found


def titles(client: Client) -> list[str]:
    """The titles that the REST API lists."""
    response = client.get("/api/v1/tenants/alpha/tasks/")
    return sorted(task["title"] for task in response.json()["results"])


def open_table(table: str = "task") -> AbstractContextManager[None]:
    """Row-level security taken away from a table."""
    return committed(
        "owner",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
    )


def break_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    """No filter of the manager in any statement."""
    monkeypatch.setattr(TenantManager, "get_queryset", models.Manager.get_queryset)
    compile_anew(monkeypatch)


def compile_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement that was compiled before, nor any of the test's afterwards."""
    for module, name in ((pagination, "_page_of"), (viewsets, "_row_statement")):
        monkeypatch.setattr(module, name, getattr(module, name).__wrapped__)


def catalogue() -> list[str]:
    with session("app") as app:
        return complaints(app, app_role=connection.app_role)


def test_nothing_leaks_while_all_walls_stand(cast: Cast) -> None:
    assert leaks(cast) == []
    assert titles(make_client(cast.alpha, cast.alice)) == ["Alpha's"]
    assert catalogue() == []


def test_row_level_security_holds_when_the_manager_filters_nothing(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(cast.alpha, cast.alice)
    break_manager(monkeypatch)
    assert leaks(cast) == []
    assert titles(client) == ["Alpha's"]


def test_the_manager_holds_when_row_level_security_is_off(cast: Cast) -> None:
    client = make_client(cast.alpha, cast.alice)
    with open_table():
        assert leaks(cast) == ["unscoped", "raw SQL", "no tenant"]
        assert titles(client) == ["Alpha's"]
        assert catalogue() == ["task: row-level security is off"]
    assert leaks(cast) == []


def test_with_both_walls_down_everything_leaks(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_client(cast.alpha, cast.alice)
    break_manager(monkeypatch)
    with open_table(), open_table("project"):
        assert leaks(cast) == ["objects", "unscoped", "raw SQL", "no tenant"]
        assert titles(client) == ["Alpha's", "Beta's"]


def test_the_manager_alone_keeps_the_owner_within_a_tenant(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.as_owner():
        assert leaks(cast) == ["unscoped", "raw SQL", "no tenant"]
        break_manager(monkeypatch)
        assert leaks(cast) == ["objects", "unscoped", "raw SQL", "no tenant"]


def test_a_second_policy_leaks_and_is_reported(cast: Cast) -> None:
    policy = "CREATE POLICY also ON task FOR SELECT USING (true)"
    with committed("owner", policy, "DROP POLICY also ON task"):
        assert leaks(cast) == ["unscoped", "raw SQL", "no tenant"]
        assert "task: 2 policies, which are joined by OR" in catalogue()


def test_a_dropped_policy_closes_the_table_and_is_reported(cast: Cast) -> None:
    with session("owner") as owner:
        condition = owner.execute(
            "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = 'task'::regclass"
        ).fetchone()
    assert condition is not None
    again = (
        f"CREATE POLICY tenant_isolation ON task TO {connection.app_role}"
        f" USING ({condition[0]}) WITH CHECK ({condition[0]})"
    )
    with committed("owner", "DROP POLICY tenant_isolation ON task", again):
        assert leaks(cast) == []
        with tenant_context(cast.alpha):
            assert Task.objects.count() == 0
        assert catalogue() == ["task: no policy"]
    assert catalogue() == []


def test_without_the_composite_key_a_task_enters_a_foreign_project(cast: Cast) -> None:
    with tenant_context(cast.beta):
        foreign = Task.objects.get().project_id
    move = "UPDATE task SET project_id = %s"
    with tenant_context(cast.alpha), pytest.raises(DatabaseError):
        execute(move, [foreign])
    plain = "ALTER TABLE task DROP CONSTRAINT task_project_fk"
    again = (
        "ALTER TABLE task ADD CONSTRAINT task_project_fk FOREIGN KEY (tenant_id, project_id)"
        " REFERENCES project (tenant_id, id) ON DELETE CASCADE"
    )
    with committed("owner", plain, again), tenant_context(cast.alpha):
        with transaction.atomic():
            assert execute(move, [foreign]) == 1
            transaction.set_rollback(True)
        connection.close()  # the lock of the transaction above is gone, so that the key can return


def dirty(cast: Cast) -> None:
    """Give a connection back whose session was told of beta behind our back."""
    with tenant_context(cast.alpha):
        fetch("SELECT set_config('app.tenant_id', %s, false)", [str(cast.beta.pk)])
        connection.close()


def test_a_dirty_session_is_cleaned_at_checkout(cast: Cast) -> None:
    with database(pool={"max_size": 1}):
        dirty(cast)
        assert leaks(cast) == []


def test_without_the_pools_check_a_dirty_session_leaks(cast: Cast) -> None:
    with database(pool=NO_CHECK):
        assert leaks(cast) == []
        dirty(cast)
        with tenant_context(cast.alpha):
            assert fetch("SELECT tenant_id FROM task") == [cast.beta.pk]


def test_without_the_cursors_binding_a_second_tenant_sees_the_first_ones_rows(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionBoundCursor, "_binding", lambda cursor: "")
    fetch("SELECT set_config('app.tenant_id', %s, false)", [str(cast.beta.pk)])
    assert leaks(cast) == ["unscoped", "raw SQL", "no tenant"]


def test_without_the_middleware_a_tenant_outlives_its_request(cast: Cast, settings: Any) -> None:
    client = make_client(cast.alpha, cast.alice)
    with no_tenant():
        titles(client)
        assert current_tenant_id() is None
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "tenancy" not in each]
    client.handler.load_middleware()
    with no_tenant():
        titles(client)
        assert current_tenant_id() == cast.alpha.pk


def connects() -> None:
    fetch("SELECT 1")


def test_the_owner_is_refused_as_the_webs_role() -> None:
    with (
        database(**connection.settings_dict["OWNER"]),
        pytest.raises(ImproperlyConfigured, match="bypasses row-level security"),
    ):
        connects()


def test_a_superuser_is_refused_as_the_webs_role() -> None:
    with session("superuser") as superuser:
        login: dict[str, Any] = {"USER": superuser.info.user, "PASSWORD": superuser.info.password}
    with (
        database(**login),
        pytest.raises(ImproperlyConfigured, match="bypasses row-level security"),
    ):
        connects()


def test_a_role_that_owns_a_table_is_refused() -> None:
    role = connection.app_role
    with (
        committed(
            "superuser",
            f"CREATE TABLE mine (id bigint); ALTER TABLE mine OWNER TO {role}",
            "DROP TABLE mine",
        ),
        database(),
        pytest.raises(ImproperlyConfigured, match="owns tables"),
    ):
        connects()


def test_a_refused_role_is_refused_each_time() -> None:
    with database(**connection.settings_dict["OWNER"]):
        for _ in range(2):
            with pytest.raises(ImproperlyConfigured):
                connects()
    connects()


@pytest.mark.django_db
def test_a_role_that_may_become_the_owner_is_refused() -> None:
    if settings.EMBEDDED is None:
        pytest.skip("needs the embedded server's superuser, to make a role")
    owner = sql.Identifier(connection.settings_dict["OWNER"]["USER"])
    with psycopg.connect(settings.EMBEDDED.superuser) as superuser:
        superuser.execute(sql.SQL("CREATE ROLE heir NOINHERIT IN ROLE {}").format(owner))
        superuser.execute("SET LOCAL SESSION AUTHORIZATION heir")

        with pytest.raises(ImproperlyConfigured, match="'heir' bypasses row-level security"):
            verify_session(superuser, by_transaction=False)
        superuser.rollback()
