from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from taskproject.db.roles import RolesError, create_roles
from taskproject.embedded import Instance, default_instance, start, stop
from taskproject.embedded.credentials import read_credentials
from taskproject.embedded.instance import OUTSIDE, places

REPOSITORY = Path(__file__).parents[2]
numbers = itertools.count()


def silent(_text: str) -> None:
    pass


@pytest.fixture(scope="module")
def superuser_url() -> Iterator[str]:
    """A server of the major version that the environment asks for."""
    usual = default_instance(base=REPOSITORY)
    folder = Path(tempfile.mkdtemp(prefix="tp-"))
    folder.chmod(0o755)
    (folder / "wheels").symlink_to(usual.folder / "wheels")
    instance = Instance(folder, postgres_major=usual.postgres_major, fsync=False)
    yield start(instance, progress=silent).urls.superuser
    stop(instance, progress=silent)
    credentials = read_credentials(instance)
    assert credentials is not None
    shutil.rmtree(places(instance, credentials.instance_id).run)
    shutil.rmtree(OUTSIDE / credentials.instance_id, ignore_errors=True)
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Wanted:
    """Names nobody else has, and what `create_roles` makes of them."""

    superuser_url: str
    database: str
    owner: str
    app: str
    owner_password: str = "owner's \"pass\\word"
    app_password: str = "app's %s {} password"

    def create(self, **changed: Any) -> list[str]:
        arguments: dict[str, Any] = {
            "database": self.database,
            "owner": self.owner,
            "owner_password": self.owner_password,
            "app": self.app,
            "app_password": self.app_password,
        }
        return create_roles(self.superuser_url, **(arguments | changed))

    def run(self, who: str, query: str, *values: object, database: str = "") -> list[Any]:
        """Run `query` as "superuser", "owner" or "app", by default in the new database."""
        where = {"dbname": database or self.database}
        if who != "superuser":
            where |= {"user": getattr(self, who), "password": getattr(self, f"{who}_password")}
        url = make_conninfo(self.superuser_url, **where)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def prepare(self, statement: str, **names: str) -> None:
        """Run a statement of the superuser beforehand; {names} are quoted."""
        quoted = {name: sql.Identifier(value) for name, value in names.items()}
        text = sql.SQL(statement).format(**quoted).as_string(None)
        self.run("superuser", text, database="postgres")


@pytest.fixture
def wanted(superuser_url: str) -> Wanted:
    number = next(numbers)
    return Wanted(superuser_url, f"base_{number}", f"owner_{number}", f"app_{number}")


ATTRIBUTES = (
    "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication "
    "FROM pg_roles WHERE rolname = %s"
)


class TestTheRoles:
    def test_the_owner_bypasses_row_security_and_creates_databases(self, wanted: Wanted) -> None:
        wanted.create()
        found = wanted.run("owner", ATTRIBUTES, wanted.owner)
        assert found == [(True, False, True, True, False, False)]

    def test_the_app_may_nothing_special(self, wanted: Wanted) -> None:
        wanted.create()
        found = wanted.run("app", ATTRIBUTES, wanted.app)
        assert found == [(True, False, False, False, False, False)]
        assert wanted.run(
            "app", "SELECT rolinherit FROM pg_roles WHERE rolname = %s", wanted.app
        ) == [(False,)]

    def test_row_security_binds_the_app_and_not_the_owner(self, wanted: Wanted) -> None:
        wanted.create()
        wanted.run("owner", "CREATE TABLE secret AS SELECT 1 AS value")
        wanted.run("owner", "ALTER TABLE secret ENABLE ROW LEVEL SECURITY")
        wanted.run("owner", "ALTER TABLE secret FORCE ROW LEVEL SECURITY")
        wanted.run("owner", f"GRANT SELECT ON secret TO {wanted.app}")
        assert wanted.run("owner", "SELECT value FROM secret") == [(1,)]
        assert wanted.run("app", "SELECT value FROM secret") == []

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("statement_timeout", "5s"),
            ("lock_timeout", "2s"),
            ("idle_in_transaction_session_timeout", "10s"),
            ("client_connection_check_interval", "2s"),
        ],
    )
    def test_the_app_is_limited_in_time_and_the_owner_is_not(
        self, wanted: Wanted, setting: str, value: str
    ) -> None:
        wanted.create()
        assert wanted.run("app", f"SHOW {setting}") == [(value,)]
        assert wanted.run("owner", f"SHOW {setting}") == [("0",)]

    def test_the_app_plans_for_solid_state_disks(self, wanted: Wanted) -> None:
        wanted.create()
        assert wanted.run("app", "SHOW random_page_cost") == [("1.1",)]

    def test_a_changed_limit_is_applied_by_the_next_call(self, wanted: Wanted) -> None:
        wanted.create()
        done = wanted.create(statement_timeout="7s", app_password=None, owner_password=None)
        assert done == [f"ALTER ROLE {wanted.app} SET statement_timeout = 7s"]
        assert wanted.run("app", "SHOW statement_timeout") == [("7s",)]

    def test_a_second_call_changes_nothing_but_the_passwords(self, wanted: Wanted) -> None:
        assert len(wanted.create()) > 5
        assert wanted.create() == [
            f"Password of role {wanted.owner} set",
            f"Password of role {wanted.app} set",
        ]
        assert wanted.create(app_password=None, owner_password=None) == []

    def test_names_and_passwords_cannot_inject(self, wanted: Wanted) -> None:
        suffix = wanted.app
        odd = Wanted(
            wanted.superuser_url,
            database=f'x"; DROP ROLE postgres; -- {suffix}',
            owner=f"o'\" {{}} %s {suffix}",
            app=f'A"; ALTER ROLE CURRENT_USER; {suffix}',
            app_password="'; ALTER ROLE postgres NOLOGIN; --",
        )
        odd.create()
        assert odd.run("app", "SELECT current_user::text, current_database()::text") == [
            (odd.app, odd.database)
        ]
        assert odd.run("owner", "SELECT current_user::text") == [(odd.owner,)]

    def test_no_password_reaches_messages_or_statistics(self, wanted: Wanted) -> None:
        done = wanted.create(app_password="needle-in-hay", owner_password="needle-in-hay")
        assert "needle" not in " ".join(done)
        kept = "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%%needle-' || 'in-hay%%'"
        assert wanted.run("superuser", kept) == [(0,)]

    def test_two_calls_at_once_do_not_collide(self, wanted: Wanted) -> None:
        with ThreadPoolExecutor(4) as pool:
            done = [future.result() for future in [pool.submit(wanted.create) for _ in range(4)]]
        made = [text for texts in done for text in texts if text.startswith("CREATE ROLE")]
        assert len(made) == 2


class TestRolesThatExisted:
    @pytest.mark.parametrize("power", ["SUPERUSER", "BYPASSRLS", "CREATEDB CREATEROLE", "INHERIT"])
    def test_an_app_with_too_much_power_loses_it(self, wanted: Wanted, power: str) -> None:
        wanted.prepare(f"CREATE ROLE {{app}} {power} NOLOGIN", app=wanted.app)
        wanted.create()
        found = wanted.run("app", ATTRIBUTES, wanted.app)
        assert found == [(True, False, False, False, False, False)]

    def test_an_app_that_is_a_member_of_the_owner_is_taken_out(self, wanted: Wanted) -> None:
        wanted.prepare("CREATE ROLE {app}", app=wanted.app)
        wanted.prepare("CREATE ROLE {owner}", owner=wanted.owner)
        wanted.prepare("GRANT {owner} TO {app}", owner=wanted.owner, app=wanted.app)
        assert f"REVOKE {wanted.owner} FROM {wanted.app}" in wanted.create()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            wanted.run("app", f"SET ROLE {wanted.owner}")

    def test_an_app_that_owns_a_table_is_refused_with_the_remedy(self, wanted: Wanted) -> None:
        wanted.create()
        wanted.run("owner", "CREATE TABLE mine ()")
        wanted.run("superuser", f"ALTER TABLE mine OWNER TO {wanted.app}")
        with pytest.raises(RolesError, match="owns table mine") as error:
            wanted.create()
        wanted.run("superuser", str(error.value).rpartition(": ")[2])
        wanted.create()

    def test_an_app_that_owns_the_database_is_refused(self, wanted: Wanted) -> None:
        wanted.prepare("CREATE ROLE {app}", app=wanted.app)
        wanted.prepare(
            "CREATE DATABASE {database} OWNER {app}", database=wanted.database, app=wanted.app
        )
        with pytest.raises(RolesError, match=f"belongs to '{wanted.app}'"):
            wanted.create()

    def test_a_database_of_somebody_else_is_refused_with_the_remedy(self, wanted: Wanted) -> None:
        wanted.prepare("CREATE DATABASE {database}", database=wanted.database)
        with pytest.raises(RolesError, match="belongs to 'postgres'") as error:
            wanted.create()
        wanted.run("superuser", str(error.value).rpartition(": ")[2], database="postgres")
        wanted.create()
        assert wanted.run("app", "SELECT 1") == [(1,)]

    def test_rights_the_app_was_given_on_the_database_are_taken_back(self, wanted: Wanted) -> None:
        wanted.create()
        wanted.run("superuser", f"GRANT ALL ON DATABASE {wanted.database} TO {wanted.app}")
        wanted.run("superuser", f"GRANT ALL ON SCHEMA public TO {wanted.app}")
        wanted.create()
        for statement in ("CREATE TABLE t ()", "CREATE TEMP TABLE t ()", "CREATE SCHEMA s"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                wanted.run("app", statement)


class TestTheDatabase:
    def test_belongs_to_the_owner_with_its_schema(self, wanted: Wanted) -> None:
        wanted.create()
        query = (
            "SELECT pg_get_userbyid(d.datdba)::text, pg_get_userbyid(n.nspowner)::text "
            "FROM pg_database d, pg_namespace n "
            "WHERE d.datname = current_database() AND n.nspname = 'public'"
        )
        assert wanted.run("app", query) == [(wanted.owner, wanted.owner)]

    @pytest.mark.parametrize(
        "statement", ["CREATE TABLE t ()", "CREATE TEMP TABLE t ()", "CREATE SCHEMA s"]
    )
    def test_lets_the_app_create_nothing(self, wanted: Wanted, statement: str) -> None:
        wanted.create()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            wanted.run("app", statement)
        wanted.run("owner", statement)

    def test_lets_no_third_role_in(self, wanted: Wanted, superuser_url: str) -> None:
        wanted.create()
        third = f"third_{wanted.app}"
        wanted.prepare("CREATE ROLE {third} LOGIN PASSWORD 'x'", third=third)
        url = make_conninfo(superuser_url, user=third, password="x", dbname=wanted.database)
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url)

    def test_has_the_extensions(self, wanted: Wanted) -> None:
        wanted.create()
        query = "SELECT extname::text FROM pg_extension ORDER BY extname"
        assert wanted.run("app", query) == [("btree_gin",), ("pg_stat_statements",), ("plpgsql",)]

    def test_grants_nothing_by_default(self, wanted: Wanted) -> None:
        wanted.create()
        assert wanted.run("superuser", "SELECT count(*) FROM pg_default_acl") == [(0,)]
        wanted.run("owner", "CREATE TABLE later ()")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            wanted.run("app", "SELECT FROM later")

    def test_is_not_the_last_that_the_owner_can_make(self, wanted: Wanted) -> None:
        wanted.create()
        other = f"test_{wanted.database}"
        wanted.run("owner", f"CREATE DATABASE {other}")
        wanted.run("owner", "CREATE EXTENSION IF NOT EXISTS btree_gin", database=other)
        wanted.run("owner", "CREATE TABLE t (a int)", database=other)
        wanted.run("owner", "CREATE INDEX ON t USING gin (a)", database=other)


class TestARefusal:
    def test_of_one_role_for_both(self, wanted: Wanted) -> None:
        with pytest.raises(RolesError, match="two roles"):
            wanted.create(app=wanted.owner)

    @pytest.mark.parametrize("name", ["", "a\0b", "x" * 64])
    def test_of_a_name_that_postgres_would_change(self, wanted: Wanted, name: str) -> None:
        with pytest.raises(RolesError, match="The database is named"):
            wanted.create(database=name)

    def test_of_an_empty_password(self, wanted: Wanted) -> None:
        with pytest.raises(RolesError, match="empty"):
            wanted.create(app_password="")

    def test_of_the_superuser_as_one_of_the_roles(self, wanted: Wanted) -> None:
        with pytest.raises(RolesError, match="is the superuser this connection uses"):
            wanted.create(owner="postgres")

    def test_of_somebody_who_is_no_superuser(self, wanted: Wanted) -> None:
        wanted.create()
        url = make_conninfo(wanted.superuser_url, user=wanted.owner, password=wanted.owner_password)
        with pytest.raises(RolesError, match="is not a superuser"):
            create_roles(
                url,
                database="any",
                owner="any_owner",
                owner_password=None,
                app="any_app",
                app_password=None,
            )


class TestTheCommand:
    def call(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH")
            if name in os.environ
        }
        environ = {"SECRET_KEY": "k" * 60, "ALLOWED_HOSTS": "localhost"} | environ
        return subprocess.run(
            [sys.executable, "manage.py", "create_roles", *arguments],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env=kept | environ,
            check=False,
        )

    def test_makes_what_the_two_urls_name_and_prints_no_password(self, wanted: Wanted) -> None:
        socket = wanted.superuser_url.partition("?")[2]
        found = self.call(
            "--superuser-url",
            wanted.superuser_url,
            DATABASE_URL=f"postgresql://{wanted.app}:hush-a@/{wanted.database}?{socket}",
            DATABASE_OWNER_URL=f"postgresql://{wanted.owner}:hush-o@/{wanted.database}?{socket}",
        )
        assert found.returncode == 0, found.stderr
        assert f"CREATE DATABASE {wanted.database} OWNER {wanted.owner}" in found.stdout
        assert "hush" not in found.stdout + found.stderr
        url = make_conninfo(
            wanted.superuser_url, user=wanted.app, password="hush-a", dbname=wanted.database
        )
        with psycopg.connect(url) as connection:
            assert connection.info.user == wanted.app

    def test_names_the_variable_that_is_missing(self) -> None:
        found = self.call("--superuser-url", "postgresql://a@/b", DATABASE_URL="postgresql://a@/b")
        assert found.returncode == 1
        assert "DATABASE_OWNER_URL is not set" in found.stderr

    def test_refuses_one_role_for_both(self) -> None:
        url = "postgresql://same:hush@/tasks"
        found = self.call("--superuser-url", url, DATABASE_URL=url, DATABASE_OWNER_URL=url)
        assert found.returncode == 1
        assert "both name the role 'same'" in found.stderr
        assert "hush" not in found.stderr
