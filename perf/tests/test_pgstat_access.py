"""What a look says where it may not see, or must not wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from perf.pgstat.results import Document, Status
from perf.pgstat.section import Options
from perf.tests.lab import ask, owner
from perf.tests.pgstat_fixture import check, found, looked_at, role, row, section

ALL = Options(top=None)
STRUCTURE = ("index_usage", "indexes", "tables", "vacuum", "wraparound", "bloat", "ids", "hot")


def test_nothing_is_wrong_with_an_empty_database(nothing):
    document = looked_at(nothing, *STRUCTURE)

    assert not document.findings
    assert {each.name: each.status for each in document.sections if each.name in STRUCTURE} == {
        **dict.fromkeys(STRUCTURE, Status.OK),
        "indexes": Status.SKIPPED,  # no table has a tenant
        "hot": check(document, "HT1").status,  # too little, or this server does not count it
    }
    assert check(document, "HT2").status is Status.INSUFFICIENT
    assert check(document, "IX1").status is Status.INSUFFICIENT


def test_a_stranger_is_told_what_it_could_not_see(library):
    with role("test_pgstat_stranger") as url:
        document = looked_at(library, *STRUCTURE, options=ALL, url=url)
        name = document.capabilities["role"]

    low = check(document, "IX6")
    assert low.status is Status.SKIPPED
    assert "public.empty_words" in str(low.reason)
    assert low.remedy == f"GRANT pg_read_all_data TO {name};  -- which lets it read all rows, too"
    ids = check(document, "SQ1")
    assert ids.status is Status.SKIPPED
    assert row(document, "ids", sequence="narrow_seq")["state"] == "hidden"
    assert check(document, "BL1").status is Status.SKIPPED
    assert {each["method"] for each in section(document, "bloat").rows} == {"unavailable"}
    assert "Snapshots of other roles' sessions are not to be seen." in (
        section(document, "vacuum").notes
    )
    # The catalogue is everybody's.
    assert len(found(document, "IX2")) == 7
    assert len(found(document, "IX4")) == 5
    assert set(found(document, "IU1")) == {"hot", "bare"}


def test_a_monitor_sees_no_columns_and_no_sequences_and_is_told_so(library):
    with role("test_pgstat_monitor", "pg_monitor") as url:
        document = looked_at(library, *STRUCTURE, options=ALL, url=url)

    assert document.capabilities["reads_all_stats"] is True
    assert check(document, "IX6").status is Status.SKIPPED
    assert check(document, "SQ1").status is Status.SKIPPED
    assert check(document, "BL1").status is Status.SKIPPED
    assert not section(document, "vacuum").notes


def test_a_monitor_that_may_read_all_sees_all(library):
    with role("test_pgstat_reader", "pg_monitor", "pg_read_all_data") as url:
        document = looked_at(library, *STRUCTURE, options=ALL, url=url)

    assert set(found(document, "IX6")) == {"empty_words_new", "empty_words_word"}
    assert set(found(document, "SQ1")) == {"narrow.id", "wide.id"}
    assert check(document, "BL1").status is Status.OK


def test_some_hidden_tables_hide_no_finding_about_others(library):
    with role("test_pgstat_partial") as url:
        name = psycopg.conninfo.conninfo_to_dict(url)["user"]
        ask(f"GRANT SELECT ON empty_words TO {name}", library)
        try:
            document = looked_at(library, "indexes", url=url)
        finally:
            ask(f"REVOKE ALL ON empty_words FROM {name}", library)

    told = check(document, "IX6")
    assert told.status is Status.FINDING
    assert {str(each.place) for each in told.findings} == {"empty_words_new", "empty_words_word"}
    assert "public.full_words" in str(told.reason)


@contextmanager
def locked(library: str) -> Iterator[None]:
    """While somebody holds the one lock that stops all others."""
    with psycopg.connect(**owner(), dbname=library) as holder:
        holder.execute("LOCK TABLE hot, slim IN ACCESS EXCLUSIVE MODE")
        holder.execute("REINDEX INDEX slim_1")
        yield
        holder.rollback()


@contextmanager
def queued(library: str) -> Iterator[None]:
    """While an ALTER TABLE waits for a reader, and so lets nobody else in."""
    with (
        psycopg.connect(**owner(), dbname=library) as reader,
        psycopg.connect(**owner(), dbname=library) as other,
    ):
        reader.execute("SELECT 1 FROM hot LIMIT 1")
        statement = "ALTER TABLE hot ADD COLUMN more int"
        thread = threading.Thread(target=_refused, args=(other, statement))
        thread.start()
        while not ask("SELECT 1 FROM pg_locks WHERE NOT granted", library):
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield
        finally:
            other.cancel()
            thread.join()
            reader.rollback()


def _refused(session: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        session.execute(statement.encode())
    session.rollback()


def _tables(document: Document) -> dict[str, list[str]]:
    """What each section has a row of, but for databases: other tests make some."""
    return {
        each.name: sorted(
            str({key: row.get(key) for key in ("schema", "table", "index", "name", "sequence")})
            for row in each.rows
            if row.get("kind") != "database"
        )
        for each in document.sections
    }


@pytest.mark.parametrize("wait", [locked, queued])
def test_a_look_waits_for_nobody_and_says_what_it_estimates(library, wait):
    free = looked_at(library, *STRUCTURE, options=ALL)

    with wait(library):
        document = looked_at(library, *STRUCTURE, options=ALL)

    told = row(document, "tables", table="hot")
    assert told["is_estimate"] is True
    assert told["heap_bytes"] == pytest.approx(
        int(row(free, "tables", table="hot")["heap_bytes"]), rel=0.02
    )
    assert row(document, "tables", table="bare")["is_estimate"] is False
    assert "are estimates of the last VACUUM or ANALYZE" in section(document, "tables").notes[0]
    assert row(document, "bloat", table="hot")["why"] == "Somebody else has locked it."
    # All else is as it was.
    assert _tables(document) == _tables(free)
    for name in ("IU1", "IX2", "IX3", "IX4", "IX5", "IX6", "TB1", "VA1", "VA2", "SQ1", "HT2"):
        assert set(found(document, name)) == set(found(free, name)), name
