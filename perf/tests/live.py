"""A database for a test of what PostgreSQL says of itself, with sessions that really do things."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
import pytest
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from perf.pgstat import reading
from perf.pgstat.capabilities import probe
from perf.pgstat.results import CheckResult, Document, SectionResult
from perf.pgstat.samples import take
from perf.pgstat.server import Server, opened
from perf.pgstat.views import Sample
from perf.tests.lab import owner

PASSWORD: Final = "of-a-test"


def superuser() -> dict[str, Any]:
    """How psycopg reaches the server as a superuser. Skips the test where nobody has said how."""
    if url := getattr(settings, "PERF_SUPERUSER_URL", ""):
        found: dict[str, Any] = dict(conninfo_to_dict(url))
        del found["dbname"]
        return found
    found = owner()
    with psycopg.connect(**found, dbname="postgres") as own:
        if own.info.parameter_status("is_superuser") == "on":
            return found
    pytest.skip("It takes a superuser: PERF_SUPERUSER_URL.")


@dataclass
class Live:
    """A database, and whoever is asked to do something in it."""

    name: str
    sessions: list[psycopg.Connection[Any]] = field(default_factory=list)

    def session(self, role: str | None = None, **more: Any) -> psycopg.Connection[Any]:
        """A session of a superuser or of a role of the test, in autocommit. It is closed after."""
        who = {"user": role, "password": PASSWORD} if role else {}
        found = psycopg.connect(
            **{**superuser(), **who, "dbname": self.name, **more}, autocommit=True
        )
        self.sessions.append(found)
        return found

    def do(self, *statements: str) -> list[Any]:
        """The rows of the last of these statements, of a session of its own."""
        with self.session() as own:
            for each in statements:
                cursor = own.execute(each.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def server(self, role: str | None = None) -> Iterator[Server]:
        """A session for a look."""
        who = {"user": role, "password": PASSWORD} if role else {}
        with opened(**superuser() | who | {"dbname": self.name}) as server:
            yield server

    def sample(self, role: str | None = None) -> Sample:
        """All views as they stand."""
        with self.server(role) as server:
            flush(server)
            return take(server, probe(server))

    def look(self, *names: str, role: str | None = None, **options: Any) -> Document:
        """What a report would say."""
        with self.server(role) as server:
            flush(server)
            return reading.look(server, names=names, **options)

    def section(self, name: str, **options: Any) -> SectionResult:
        """One section of it."""
        return self.look(name, **options).sections[0]

    def close(self) -> None:
        """End all sessions."""
        while self.sessions:
            self.sessions.pop().close()


def flush(server: Server) -> None:
    """Have what this session has counted be seen by others."""
    server.rows("SELECT pg_stat_force_next_flush()")


@contextmanager
def made(name: str, *statements: str) -> Iterator[Live]:
    """A database with what these statements make in it. It is dropped after."""
    with psycopg.connect(**superuser(), dbname="postgres", autocommit=True) as own:
        quoted = sql.Identifier(name)
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted)
        own.execute(drop)
        own.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
        live = Live(name)
        try:
            if statements:
                live.do(*statements)
            yield live
        finally:
            live.close()
            own.execute(drop)


@contextmanager
def role(name: str, *memberships: str) -> Iterator[str]:
    """A role that may log in, and is a member of these. It is dropped after."""
    with psycopg.connect(**superuser(), dbname="postgres", autocommit=True) as own:
        quoted = sql.Identifier(name)
        own.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(quoted))
        own.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(quoted, sql.Literal(PASSWORD))
        )
        for each in memberships:
            own.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(each), quoted))
        yield name
        own.execute(sql.SQL("DROP ROLE {}").format(quoted))


@contextmanager
def running(session: psycopg.Connection[Any], statement: str) -> Iterator[int]:
    """A statement that runs, or waits, in a thread meanwhile; gives the session's id."""

    def run() -> None:
        try:
            session.execute(statement.encode())
        except psycopg.Error:
            return  # it was cancelled, which is what some tests are about

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield session.info.backend_pid
    finally:
        with psycopg.connect(**superuser(), dbname="postgres", autocommit=True) as own:
            own.execute("SELECT pg_cancel_backend(%s)", [session.info.backend_pid])
        thread.join(timeout=60)


def row(section: SectionResult, **wanted: Any) -> Any:
    """The only row with these values."""
    found = [
        each for each in section.rows if all(each[name] == value for name, value in wanted.items())
    ]
    assert len(found) == 1, (wanted, section.rows)
    return found[0]


def check(section: SectionResult, id: str) -> CheckResult:
    """What came of a check."""
    return next(each for each in section.checks if each.id == id)
