"""What reports say on a standby: a real one, copied from the server of the tests, following it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from perf.models import StatisticsSnapshot
from perf.pgstat import store
from perf.pgstat.capabilities import probe
from perf.pgstat.connecting import connected
from perf.pgstat.reading import look
from perf.pgstat.results import Document, Status
from perf.pgstat.server import Server, opened
from perf.tests.lab import wait_for

STARTED_WITHIN_S: Final = 60
pytestmark = pytest.mark.django_db


class Programs:
    """Those of the server of the tests, run as whoever runs that."""

    def __init__(self, pid: int) -> None:
        process = Path(f"/proc/{pid}")
        self.folder = (process / "exe").resolve().parent
        self.user = process.stat().st_uid

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(self.folder / name), *arguments]
        account = {"user": self.user, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.Popen(command, cwd="/", **account)  # type: ignore[call-overload,no-any-return]


def primary() -> tuple[dict[str, Any], Programs]:
    """How a superuser reaches it, and its programs. Skips the test if it is on another machine."""
    if not settings.PERF_SUPERUSER_URL:
        pytest.skip("PERF_SUPERUSER_URL names no superuser")
    found: dict[str, Any] = dict(conninfo_to_dict(settings.PERF_SUPERUSER_URL))
    with psycopg.connect(**found) as superuser:
        ((folder,),) = superuser.execute("SHOW data_directory").fetchall()
    try:
        pid = int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])
        return found, Programs(pid)
    except OSError:
        pytest.skip("The server is on another machine.")


@contextmanager
def following() -> Iterator[dict[str, Any]]:
    """A standby of that server, and how a superuser reaches it."""
    reached, programs = primary()
    home = Path(tempfile.mkdtemp(prefix="standby-", dir="/tmp"))
    os.chown(home, programs.user, -1)
    data = str(home / "data")
    copy = ("-D", data, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")
    try:
        assert programs.start("pg_basebackup", "-d", make_conninfo(**reached), *copy).wait(60) == 0
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(home),
            "shared_preload_libraries": "pg_stat_statements",
            "compute_query_id": "on",
            "fsync": "off",
        }
        given = [each for name, value in options.items() for each in ("-c", f"{name}={value}")]
        server = programs.start("postgres", "-D", data, *given)
        try:
            there = {**reached, "host": str(home), "dbname": connection.settings_dict["NAME"]}
            _wait_until_open(there)
            yield there
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(home)


def _wait_until_open(there: dict[str, Any]) -> None:
    until = time.monotonic() + STARTED_WITHIN_S
    while True:
        try:
            psycopg.connect(**there).close()
        except psycopg.OperationalError:
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="module")
def there(django_db_setup: None) -> Iterator[dict[str, Any]]:
    with following() as found:
        yield found


@pytest.fixture
def standby(there: dict[str, Any]) -> Iterator[Server]:
    with opened(**there) as server:
        yield server


def section(found: Document, name: str) -> Any:
    return next(each for each in found.sections if each.name == name)


def test_every_check_answers_or_says_why_not(standby: Server) -> None:
    found = look(standby)

    assert found.server["in_recovery"] is True
    assert len(found.checks) > 25
    assert [each for each in found.checks if each.status is Status.ERROR] == []
    assert "standby" in section(found, "checkpoints").notes[0]


def test_it_tells_how_far_it_is_behind(standby: Server) -> None:
    def itself() -> dict[str, Any]:
        (row,) = section(look(standby, names=("replication",)), "replication").rows
        return dict(row)

    row = itself()
    assert (row["kind"], row["name"]) == ("standby", "this server")
    assert row["lag_bytes"] >= 0
    wait_for(lambda: itself()["lag_bytes"] == 0)  # its primary writes now and then by itself


def test_its_primary_lists_it(there: dict[str, Any]) -> None:
    superuser = {**primary()[0], "dbname": there["dbname"]}
    with opened(**superuser) as server:

        def listed() -> list[dict[str, Any]]:
            found = section(look(server, names=("replication",)), "replication").rows
            return [each for each in found if each["kind"] == "replica"]

        wait_for(lambda: [each["state"] for each in listed()] == ["streaming"])
        assert listed()[0]["lag_bytes"] is not None


def test_indexes_that_only_it_may_read_are_not_called_unused(standby: Server) -> None:
    found = look(standby, names=("indexes",))

    assert [each for each in found.findings if each.check == "IX1"] == []


def test_its_counters_are_not_told_from_those_of_its_primary(standby: Server) -> None:
    with connected() as server:
        of_primary = store.snapshot(server, probe(server))
    of_standby = store.snapshot(standby, probe(standby))

    assert of_standby.system_id.startswith(f"{of_primary.system_id} standby ")
    with connected() as server:
        newest = store.oldest(store.ALL_FOR, server=server, can=probe(server))
    assert newest is not None
    assert newest.taken_at == of_primary.taken_at


def test_a_snapshot_through_a_url_of_it_is_kept_by_the_primary(
    there: dict[str, Any], settings: Any
) -> None:
    settings.DATABASE_STATS_URL = make_conninfo(**there)
    call_command("pgstat", "snapshot")

    assert " standby " in StatisticsSnapshot.objects.get().system_id
