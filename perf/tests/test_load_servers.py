"""What the servers did beside a load, on a real PostgreSQL and Valkey."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest
from django.conf import settings
from psycopg.conninfo import make_conninfo
from redis import Redis
from redis.exceptions import ResponseError

from perf.load.results import ServerSide, Share
from perf.load.servers import Observer, Watched
from perf.load.servers.processes import listening, postgres, web_server
from perf.load.servers.watch import Watches
from perf.load.servers.watched import opened_watches
from perf.load.serving import free_port
from perf.tests.lab import wait_for
from perf.tests.live import PASSWORD, Live, made, role, running, superuser

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
FLUSH = b"SELECT pg_stat_force_next_flush()"
TERMINATE = (
    "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
    " WHERE application_name = 'pgstat' AND datname = '{}'"
)


@pytest.fixture(scope="module")
def database() -> Iterator[Live]:
    with made(
        f"test_load_servers_{WORKER}",
        "CREATE EXTENSION pg_stat_statements",
        "CREATE TABLE item (id int PRIMARY KEY, word text)",
        "INSERT INTO item SELECT n, n::text FROM generate_series(1, 1000) n",
    ) as found:
        yield found


@pytest.fixture
def live(database: Live) -> Iterator[Live]:
    yield database
    database.close()


def watched(live: Live, **who: str) -> Watched:
    return Watched(database_url=make_conninfo(**superuser() | who | {"dbname": live.name}))


@contextmanager
def watching(what: Watched) -> Iterator[Watches]:
    with ExitStack() as stack:
        watches = opened_watches(what, stack)
        watches.begin()
        yield watches


def named(shares: tuple[Share, ...], name: str) -> Share:
    return next(each for each in shares if each.name == name)


def test_statements_are_those_of_the_measured_part_by_their_time(live):
    session = live.session()
    with watching(watched(live)) as watches:
        session.execute("SELECT 'of the warm-up', count(*) FROM item")
        watches.begin()
        for _ in range(3):
            session.execute("SELECT pg_sleep(0.03)")
        session.execute("SELECT id FROM item WHERE word = 'secret'")
        watches.sample()
        found = watches.end().statements

    assert [each.name for each in found] == [
        "SELECT pg_sleep($1)",
        "SELECT id FROM item WHERE word = $1",
    ]
    assert [each.count for each in found] == [3, 1]
    assert found[0].total_ms >= 90
    assert found[0].share == pytest.approx(
        found[0].total_ms / (found[0].total_ms + found[1].total_ms)
    )
    assert sum(each.share for each in found) == pytest.approx(1)


def test_statements_are_told_apart_by_what_follows_their_lists(live):
    session = live.session()
    columns = ", ".join(f"word AS w{n}" for n in range(80))
    with watching(watched(live)) as watches:
        for id in ("id = 1", "id > 900"):
            session.execute(f"SELECT {columns} FROM item WHERE {id}".encode())
        found = watches.end().statements

    assert {each.name for each in found} == {
        "SELECT … FROM item WHERE id = $1",
        "SELECT … FROM item WHERE id > $1",
    }


def test_a_reset_of_statements_within_the_run_is_told(live):
    session = live.session()
    with watching(watched(live)) as watches:
        session.execute("SELECT pg_sleep(0.03)")
        live.do("SELECT pg_stat_statements_reset()")
        session.execute("SELECT pg_sleep(0.01)")
        side = watches.end()

    assert any("pg_stat_statements was reset at" in each for each in side.skipped)
    found = named(side.statements, "SELECT pg_sleep($1)")
    assert found.count == 1
    assert all(each.total_ms > 0 for each in side.statements)


def test_the_observers_own_transactions_are_not_counted(live):
    session = live.session()
    with watching(watched(live)) as watches:
        for _ in range(20):
            session.execute("SELECT id FROM item WHERE id = 7")
        for _ in range(500):
            watches.sample()
        session.execute(FLUSH)
        side = watches.end()

    # A session that was closed before may tell of its last ones late, and autovacuum comes by.
    assert 21 <= side.database["xact_commit"] < 200
    assert side.database["deadlocks"] == 0


def test_a_database_that_nobody_uses_is_told():
    with made(f"test_load_idle_{WORKER}") as idle, watching(watched(idle)) as watches:
        side = watches.end()

    assert side.database["xact_commit"] == 0
    assert f"database: Nobody but the observer has used {idle.name}." in side.skipped


def test_io_is_in_shares_of_the_bytes_moved(live):
    session = live.session()
    with watching(watched(live)) as watches:
        session.execute("CREATE TABLE large AS SELECT n FROM generate_series(1, 200000) n")
        session.execute("DROP TABLE large")
        session.execute(FLUSH)
        side = watches.end()

    if int(live.do("SHOW server_version_num")[0][0]) < 160_000:
        assert side.io == ()
        assert "io: PostgreSQL counts this from version 16 on." in side.skipped
        return
    assert sum(each.share for each in side.io) == pytest.approx(1)
    written = next(each for each in side.io if each.name.startswith("client backend: relation"))
    assert written.count > 0
    assert written.note.endswith("MB written")


def test_what_sessions_wait_for_is_sampled(live):
    holder, waiter, _idle = live.session(), live.session(), live.session()
    holder.execute("BEGIN")
    holder.execute("UPDATE item SET word = 'x' WHERE id = 1")
    with running(waiter, "UPDATE item SET word = 'y' WHERE id = 1") as pid:
        waits = f"SELECT wait_event_type FROM pg_stat_activity WHERE pid = {pid}"
        wait_for(lambda: live.do(waits) == [("Lock",)])
        with watching(watched(live)) as watches:
            for _ in range(3):
                watches.sample()
            side = watches.end()

    assert {each.name: each.count for each in side.waits} == {
        "idle in transaction": 3,
        "Lock: transactionid": 3,
    }
    assert [each.share for each in side.waits] == [0.5, 0.5]


def test_a_session_without_a_wait_is_on_the_processor(live):
    busy = "SELECT count(*) FROM generate_series(1, 1000000000)"
    with running(live.session(), busy) as pid:
        state = f"SELECT state, wait_event FROM pg_stat_activity WHERE pid = {pid}"
        wait_for(lambda: live.do(state) == [("active", None)])
        with watching(watched(live)) as watches:
            for _ in range(20):
                watches.sample()
            side = watches.end()

    assert named(side.waits, "CPU").count > 0


def test_a_role_that_sees_only_itself_is_told(live):
    with role(f"load_plain_{WORKER}") as plain, running(live.session(), "SELECT pg_sleep(60)"):
        session = live.session()
        with watching(watched(live, user=plain, password=PASSWORD)) as watches:
            session.execute("SELECT pg_sleep(0.01)")
            watches.sample()
            side = watches.end()

    assert side.waits == ()
    assert any("waits: of other roles' sessions nothing is seen" in each for each in side.skipped)
    assert [each.name for each in side.statements] == [
        "(statements of other roles: it takes pg_read_all_stats)"
    ]


def test_a_database_without_statistics_of_statements_costs_nothing_else():
    with made(f"test_load_bare_{WORKER}") as bare, watching(watched(bare)) as watches:
        side = watches.end()

    told = [each for each in side.skipped if each.startswith("statements:")]
    assert told == ["statements: The extension pg_stat_statements was not made in this database."]
    assert "xact_commit" in side.database


def test_a_server_that_goes_away_is_told_and_reaches_nobody(live):
    with Observer(watched(live)) as observer:
        live.do(TERMINATE.format(live.name))
    told = {each.partition(":")[0] for each in observer.side.skipped}

    assert {"statements", "database"} <= told
    assert [each.name for each in observer.side.processes] == ["loader", "postgres", "others"]


def test_what_failed_once_is_told_once(live):
    with watching(watched(live)) as watches:
        live.do(TERMINATE.format(live.name))
        for _ in range(3):
            watches.sample()
        side = watches.end()

    assert len([each for each in side.skipped if each.startswith("waits: ")]) == 1


def test_servers_that_nobody_named_or_that_are_away_are_told():
    away = f"host=127.0.0.1 port={free_port()} dbname=away"
    with Observer(Watched(database_url=away, redis_url=f"redis://127.0.0.1:{free_port()}")) as one:
        pass
    with Observer(Watched(target="http://203.0.113.7/")) as other:
        pass

    assert {each.partition(":")[0] for each in one.side.skipped} == {"server", "postgres", "redis"}
    assert other.side.skipped == (
        "server: It is on another machine.",
        "postgres: No address was given.",
        "redis: No address was given.",
    )


def test_an_observer_leaves_no_session_and_takes_the_end_once(live):
    with Observer(watched(live)) as observer:
        observer.begin()
        observer.end()
        observer.end()
    sessions = (
        "SELECT count(*) FROM pg_stat_activity"
        f" WHERE application_name = 'pgstat' AND datname = '{live.name}'"
    )

    wait_for(lambda: live.do(sessions) == [(0,)])
    assert "xact_commit" in observer.side.database


# --- Redis --------------------------------------------------------------------------------------


@pytest.fixture
def redis() -> Iterator[Redis]:
    if not (url := getattr(settings, "REDIS_URL", "")):
        pytest.skip("REDIS_URL names no Redis")
    with Redis.from_url(url) as found:
        yield found


def redis_side(redis: Redis, *during: tuple[object, ...]) -> ServerSide:
    with watching(Watched(redis_url=settings.REDIS_URL)) as watches:
        for command in during:
            redis.execute_command(*command)
        return watches.end()


def test_redis_commands_are_in_shares_of_their_time(redis):
    key = f"load-{WORKER}"
    side = redis_side(redis, *[("SETRANGE", key, 3, "x")] * 5, ("GETRANGE", key, 0, 1))
    redis.delete(key)

    assert named(side.redis, "setrange").count == 5
    assert named(side.redis, "getrange").count == 1
    assert sum(each.share for each in side.redis) == pytest.approx(1)
    assert "info" not in {each.name for each in side.redis}
    assert side.redis_counts["keyspace_hits"] >= 1
    assert side.redis_counts["used_memory"] > 0


def test_a_script_is_told_to_hold_the_time_of_its_commands(redis):
    key = f"load-{WORKER}"
    side = redis_side(redis, ("EVAL", "return redis.call('SETRANGE', KEYS[1], 0, 'x')", 1, key))
    redis.delete(key)

    assert named(side.redis, "eval").note == "with the commands of its script"
    assert named(side.redis, "setrange").count == 1


def test_failed_redis_commands_are_told(redis):
    with watching(Watched(redis_url=settings.REDIS_URL)) as watches:
        with pytest.raises(ResponseError):
            redis.execute_command("SETBIT", f"load-{WORKER}", "no number", 1)
        side = watches.end()

    assert named(side.redis, "setbit").note == "1 failed"


def test_counts_of_redis_that_began_anew_are_told(redis):
    side = redis_side(redis, ("CONFIG", "RESETSTAT"))

    assert side.redis == ()
    assert "redis: It was started or its counts were reset within the run." in side.skipped


def test_the_process_of_redis_is_found(redis):
    side = redis_side(redis)

    found = next(each for each in side.processes if each.name == "redis")
    assert 0 < found.rss_bytes < psutil.virtual_memory().total


# --- Processes ----------------------------------------------------------------------------------

BURN = "import time\nwhile time.process_time() < 1: pass"
PARENT = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {BURN!r}])\n"


def test_a_child_that_has_ended_counts_for_its_parent_and_not_for_the_loader():
    waiting = "print('burnt', flush=True)\nsys.stdin.read()"
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", PARENT + waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        with Observer(Watched(server_pid=child.pid)) as observer:
            child.stdout.readline()
        lasted_s = time.monotonic() - began
        child.communicate()
    uses = {each.name: each for each in observer.side.processes}

    assert uses["server"].cpu_share * lasted_s >= 0.9
    assert uses["loader"].cpu_share < uses["server"].cpu_share
    assert len(uses["server"].by_second) == len(uses["loader"].by_second) <= lasted_s
    assert uses["loader"].rss_bytes > 10_000_000


def test_what_is_neither_loader_nor_server_is_others():
    orphan = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {BURN!r}], stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)"
    )
    began = time.monotonic()
    with Observer(Watched()) as observer:
        done = subprocess.run([sys.executable, "-c", orphan], capture_output=True, text=True)
        wait_for(lambda: not psutil.pid_exists(int(done.stdout)))
    lasted_s = time.monotonic() - began
    shares = {each.name: each.cpu_share for each in observer.side.processes}

    assert {*shares} == {"loader", "others"}
    assert shares["others"] * lasted_s >= 0.9
    assert shares["loader"] * lasted_s < 0.9
    assert sum(shares.values()) < 1.2 * len(os.sched_getaffinity(0))


def test_a_server_is_none_of_the_others():
    processors = len(os.sched_getaffinity(0))
    busy = (
        "import subprocess, sys\n"
        f"for _ in range({2 * processors}):\n"
        f"    subprocess.Popen([sys.executable, '-c', {BURN!r}])\n"
        "print('ready', flush=True)\n"
        "while True: pass"
    )
    command = [sys.executable, "-c", busy]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as server:
        try:
            assert server.stdout
            server.stdout.readline()
            with Observer(Watched(server_pid=server.pid)) as observer:
                time.sleep(1)
        finally:
            os.killpg(server.pid, signal.SIGKILL)
    shares = {each.name: each.cpu_share for each in observer.side.processes}

    # All processors are in use: who stood in two places would be too much, who in none too little.
    assert {*shares} == {"loader", "server", "others"}
    assert 0.75 * processors < sum(shares.values()) < 1.1 * processors


def test_a_server_that_ends_within_the_run_is_told():
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child,
        Observer(Watched(server_pid=child.pid)) as observer,
    ):
        child.communicate(b"\n")

    assert [each.name for each in observer.side.processes] == ["loader", "others"]
    assert [each for each in observer.side.skipped if each.startswith("server: ")]


@contextmanager
def web(port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as found:
        try:
            wait_for(lambda: bool(listening(port)))
            yield found
        finally:
            found.kill()


def test_who_listens_at_the_target_is_the_server():
    port = free_port()
    with web(port) as server:
        assert web_server(f"http://127.0.0.1:{port}/api/") == [server.pid]
    with pytest.raises(LookupError, match="No process is seen to listen"):
        web_server(f"http://127.0.0.1:{port}")


def test_a_server_in_the_loader_itself_is_told():
    with socket.create_server(("127.0.0.1", 0)) as own:
        url = f"http://127.0.0.1:{own.getsockname()[1]}"
        with pytest.raises(LookupError, match="The loader itself serves it"):
            web_server(url)


def test_the_postmaster_is_found_by_a_session(live):
    session = live.session()
    with live.server() as server:
        (found,) = postgres(server)

    children = {each.pid for each in psutil.Process(found).children()}
    assert session.info.backend_pid in children
