"""A database that has one of each: what a look at it must find, and what only looks like it.

It is built from SQL alone, so that it needs no project. Nothing in it is left to autovacuum.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from perf.pgstat.connecting import connected
from perf.pgstat.reading import look
from perf.pgstat.results import CheckResult, Document, SectionResult
from perf.pgstat.server import Server
from perf.tests.lab import ask, owner

_OFF: Final = "WITH (autovacuum_enabled = off)"
_LONG: Final = "repeat('x', 1000)"

# What a session has counted is told before it is analysed, which would else be told as changes.
FLUSH: Final = "SELECT pg_stat_force_next_flush()"

STATEMENTS: Final = (
    # Read whole again and again: one that has an index that nobody uses, one that has none, and one
    # that only the building of its indexes has read.
    f"CREATE TABLE hot (id bigint PRIMARY KEY, word text) {_OFF}",
    f"INSERT INTO hot SELECT n, {_LONG} FROM generate_series(1, 11000) n",
    f"CREATE TABLE bare (id bigint, word text) {_OFF}",
    f"INSERT INTO bare SELECT n, {_LONG} FROM generate_series(1, 11000) n",
    *(f"SELECT count(*) FROM {table}" for table in ("hot", "bare") for _ in range(15)),
    f"CREATE TABLE built ({', '.join(f'c{n} int' for n in range(12))}, word text) {_OFF}",
    f"INSERT INTO built SELECT {', '.join(['n'] * 12)}, {_LONG} FROM generate_series(1, 11000) n",
    *(f"CREATE INDEX built_c{n} ON built (c{n})" for n in range(12)),
    # Indexes that differ by one thing each, and some that do not.
    "CREATE TABLE book (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title varchar(100),"
    " author text, isbn text CONSTRAINT book_isbn_key UNIQUE, year int, pages int, note text,"
    f' is_lent boolean, "order" int) {_OFF}',
    "CREATE INDEX book_title ON book (title)",
    "CREATE INDEX book_title_like ON book (title varchar_pattern_ops)",
    'CREATE INDEX book_title_c ON book (title COLLATE "C")',
    "CREATE INDEX book_title_lower ON book (lower(title))",
    "CREATE INDEX book_pages ON book (pages)",
    "CREATE INDEX book_pages_desc ON book (pages DESC)",
    "CREATE INDEX book_pages_nulls ON book (pages NULLS FIRST)",
    "CREATE INDEX book_pages_hash ON book USING hash (pages)",
    "CREATE INDEX book_pages_lent ON book (pages) WHERE is_lent",
    "CREATE INDEX book_pages_where ON book (pages) WHERE note <> ' WHERE '",
    "CREATE INDEX book_year ON book (year)",
    "CREATE INDEX book_year_author ON book (year, author)",
    "CREATE INDEX book_year_with_author ON book (year) INCLUDE (author)",
    'CREATE INDEX book_year_with_order ON book (year) INCLUDE ("order")',
    "CREATE INDEX book_author_year ON book (author, year)",
    "CREATE INDEX book_note_lent ON book (note) WHERE is_lent",
    "CREATE INDEX book_note_lent_again ON book (note) WHERE is_lent",
    "CREATE INDEX book_isbn ON book (isbn)",
    "CREATE UNIQUE INDEX book_isbn_again ON book (isbn)",
    "CREATE UNIQUE INDEX book_isbn_nulls ON book (isbn) NULLS NOT DISTINCT",
    "CREATE UNIQUE INDEX book_isbn_year ON book (isbn, year)",
    # The same name in another schema.
    "CREATE SCHEMA archive",
    f"CREATE TABLE archive.book (id bigint PRIMARY KEY, year int) {_OFF}",
    "CREATE INDEX book_year ON archive.book (year)",
    "CREATE INDEX book_year_id ON archive.book (year, id)",
    # Partitions.
    "CREATE TABLE event (id bigint, day date, kind text, book_id bigint REFERENCES book,"
    " PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
    "CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
    f" {_OFF}",
    "CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')"
    f" {_OFF}",
    "CREATE INDEX event_kind ON event (kind)",
    "CREATE INDEX event_kind_day ON event (kind, day)",
    "INSERT INTO event SELECT n, date '2026-01-01' + n % 59, n::text"
    " FROM generate_series(1, 2000) n",
    # Foreign keys with and without an index.
    f"CREATE TABLE pair (a int, b int, UNIQUE (a, b)) {_OFF}",
    "CREATE TABLE loan (id bigint PRIMARY KEY,"
    " plain_id bigint CONSTRAINT loan_plain REFERENCES book ON DELETE CASCADE,"
    " kept_id bigint CONSTRAINT loan_kept REFERENCES book,"
    " partial_id bigint CONSTRAINT loan_partial REFERENCES book ON DELETE CASCADE,"
    " wrong_id bigint CONSTRAINT loan_wrong REFERENCES book ON DELETE SET NULL,"
    " x int, y int, v int, w int,"
    " CONSTRAINT loan_pair FOREIGN KEY (x, y) REFERENCES pair (a, b) ON DELETE CASCADE,"
    " CONSTRAINT loan_half FOREIGN KEY (v, w) REFERENCES pair (a, b) ON DELETE CASCADE)"
    f" {_OFF}",
    "CREATE INDEX loan_partial_idx ON loan (partial_id) WHERE partial_id IS NOT NULL",
    "CREATE INDEX loan_wrong_idx ON loan (wrong_id) WHERE id > 5",
    "CREATE INDEX loan_pair_idx ON loan (y, x, id)",
    "CREATE INDEX loan_half_idx ON loan (v)",
    # A constraint that nobody has proven.
    "ALTER TABLE loan ADD CONSTRAINT loan_v CHECK (v > 0) NOT VALID",
    # Ids: an integer column that a bigint sequence fills, and one that points to a bigint.
    "CREATE SEQUENCE narrow_seq",
    "CREATE TABLE narrow (id integer PRIMARY KEY DEFAULT nextval('narrow_seq'))",
    "SELECT setval('narrow_seq', 2141000000)",
    "CREATE TABLE wide (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)",
    "SELECT setval('wide_id_seq', 1200000000)",
    "CREATE TABLE pointing (id bigint PRIMARY KEY, wide_id integer REFERENCES wide)",
    "CREATE INDEX pointing_wide ON pointing (wide_id)",
    # Two tables that share the names of columns.
    f"CREATE TABLE empty_words (id bigint, word text, is_new boolean) {_OFF}",
    "INSERT INTO empty_words SELECT n, CASE WHEN n % 10 = 0 THEN n::text END, n % 2 = 0"
    " FROM generate_series(1, 12000) n",
    "CREATE INDEX empty_words_word ON empty_words (word)",
    "CREATE INDEX empty_words_new ON empty_words (is_new)",
    "CREATE INDEX empty_words_some ON empty_words (word) WHERE word IS NOT NULL",
    f"CREATE TABLE full_words (id bigint, word text, is_new boolean) {_OFF}",
    "INSERT INTO full_words SELECT n, n::text, n % 2 = 0 FROM generate_series(1, 12000) n",
    "CREATE INDEX full_words_word ON full_words (word)",
    # Tenants.
    "CREATE TABLE ticket (tenant_id bigint, id bigint PRIMARY KEY, code text, token uuid UNIQUE,"
    " tags text[], label text CONSTRAINT ticket_label_key UNIQUE, slug text,"
    f" pair_a int, CONSTRAINT ticket_slug_key UNIQUE (tenant_id, slug)) {_OFF}",
    "CREATE INDEX ticket_code ON ticket (code)",
    "CREATE INDEX ticket_tenant_code ON ticket (tenant_id, code)",
    "CREATE INDEX ticket_tags ON ticket USING gin (tags)",
    # Dead rows.
    f"CREATE TABLE churn (id bigint) {_OFF}",
    "INSERT INTO churn SELECT generate_series(1, 40000)",
    # Updates: of an indexed column on full pages, and of another one where there is room.
    f"CREATE TABLE counter (id bigint PRIMARY KEY, touched int, count int) {_OFF}",
    "INSERT INTO counter SELECT n, n, n FROM generate_series(1, 10000) n",
    "CREATE INDEX counter_touched ON counter (touched)",
    "CREATE TABLE busy (id bigint PRIMARY KEY, touched int)"
    " WITH (autovacuum_enabled = off, fillfactor = 40)",
    "INSERT INTO busy SELECT n, n FROM generate_series(1, 10000) n",
    "CREATE INDEX busy_touched ON busy (touched)",
    "CREATE TABLE roomy (id bigint PRIMARY KEY, count int)"
    " WITH (autovacuum_enabled = off, fillfactor = 40)",
    "INSERT INTO roomy SELECT n, n FROM generate_series(1, 10000) n",
    # More of indexes than of rows.
    f"CREATE TABLE slim (a int) {_OFF}",
    "INSERT INTO slim SELECT generate_series(1, 100000)",
    *(f"CREATE INDEX slim_{n} ON slim ((a + {n}))" for n in range(1, 7)),
    # Three of four rows are gone.
    f"CREATE TABLE holes (id bigint, word text) {_OFF}",
    f"INSERT INTO holes SELECT n, {_LONG} FROM generate_series(1, 11000) n",
    "DELETE FROM holes WHERE id % 4 > 0",
    "VACUUM holes",
    FLUSH,
    "ANALYZE slim, holes",
    "ANALYZE hot, bare, built, book, archive.book, event_1, event_2, empty_words, full_words",
    "ANALYZE counter, busy, roomy, churn",
    "UPDATE counter SET touched = touched + 1",
    "UPDATE busy SET touched = touched + 1",
    "UPDATE roomy SET count = count + 1",
    "DELETE FROM churn WHERE id > 25000",
    # Not analysed since it was filled.
    f"CREATE TABLE unknown (id bigint) {_OFF}",
    "INSERT INTO unknown SELECT generate_series(1, 5000)",
)
# Indexes whose building fails: two words are the same, and one is empty.
FAILING: Final = (
    f"CREATE TABLE twice (word text) {_OFF}",
    "INSERT INTO twice VALUES ('same'), ('same'), ('')",
    "CREATE UNIQUE INDEX CONCURRENTLY twice_word ON twice (word)",
    "REINDEX INDEX CONCURRENTLY twice_word",
    "CREATE INDEX CONCURRENTLY twice_part ON twice ((1 / length(word)))",
)


def build(name: str) -> None:
    """Make the database `name` anew."""
    ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    ask(f"CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'")
    with psycopg.connect(**owner(), dbname=name, autocommit=True) as own:
        for statement in STATEMENTS:
            own.execute(statement.encode())
        for statement in FAILING:
            try:
                own.execute(statement.encode())
            except (psycopg.errors.UniqueViolation, psycopg.errors.DivisionByZero):
                assert "CONCURRENTLY" in statement
        own.execute(FLUSH)
        own.execute("SELECT 1")


def name_of(what: str) -> str:
    """The name of a database of this test process."""
    return f"test_pgstat_{what}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@pytest.fixture(scope="module")
def library() -> Iterator[str]:
    """The name of the database that has one of each. Read it only."""
    name = name_of("library")
    build(name)
    yield name
    ask(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def nothing() -> Iterator[str]:
    """The name of a database without a table."""
    name = name_of("nothing")
    ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    ask(f"CREATE DATABASE {name}")
    yield name
    ask(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def server_of(name: str, *, url: str | None = None) -> Iterator[Server]:
    """A session for looks at this database, as the owner of all unless `url` says otherwise."""
    before = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = name
    try:
        with connected(url or make_conninfo(**owner())) as server:
            yield server
    finally:
        connection.settings_dict["NAME"] = before


def looked_at(name: str, *sections: str, url: str | None = None, **more: Any) -> Document:
    """A look at these sections of a database."""
    with server_of(name, url=url) as server:
        return look(server, names=sections, **more)


def section(document: Document, name: str) -> SectionResult:
    return next(each for each in document.sections if each.name == name)


def check(document: Document, name: str) -> CheckResult:
    return next(each for each in document.checks if each.id == name)


def found(document: Document, name: str) -> dict[str, Any]:
    """The findings of a check by what they are about."""
    told = check(document, name).findings
    by_place = {str(each.place): each for each in told}
    assert len(by_place) == len(told), "two findings have one name"
    return by_place


def row(document: Document, name: str, **values: Any) -> dict[str, Any]:
    """The only row of a section with these values."""
    rows: list[dict[str, Any]] = [
        {**each}
        for each in section(document, name).rows
        if all(each[key] == value for key, value in values.items())
    ]
    assert len(rows) == 1, rows
    return rows[0]


@contextmanager
def role(name: str, *grants: str) -> Iterator[str]:
    """A role that may connect and these, as an address. Skips where none can be made."""
    superuser = getattr(settings, "PERF_SUPERUSER_URL", "") or make_conninfo(**owner())
    name = f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with psycopg.connect(superuser, dbname="postgres", autocommit=True) as own:
        try:
            own.execute(f"DROP ROLE IF EXISTS {name}".encode())
            own.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'of-a-test'".encode())
        except psycopg.errors.InsufficientPrivilege:
            pytest.skip("This role can't make roles.")
        for each in grants:
            own.execute(f"GRANT {each} TO {name}".encode())
        try:
            yield make_conninfo(**{**owner(), "user": name, "password": "of-a-test"})
        finally:
            own.execute(f"DROP ROLE {name}".encode())
