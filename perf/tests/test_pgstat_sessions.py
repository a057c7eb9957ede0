"""Sessions, who waits for whom, and connections: with sessions that really hold and wait."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from perf.management.pgstat_locks import lines
from perf.pgstat.results import Severity, Status
from perf.pgstat.section import Options
from perf.pgstat.sections import activity, connections, locks
from perf.pgstat.waiting import Waits, _rows, tree
from perf.tests.lab import wait_for
from perf.tests.live import Live, check, made, role, row, running

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="module")
def database() -> Iterator[Live]:
    statements = (
        "CREATE TABLE item (id int PRIMARY KEY, word text)",
        "INSERT INTO item VALUES (1)",
    )
    with made(f"test_perf_sessions_{WORKER}", *statements) as found:
        yield found


@pytest.fixture
def live(database: Live) -> Iterator[Live]:
    """The database, which nobody is connected to yet."""
    yield database
    database.close()


def waiting(live: Live, *pids: int) -> None:
    """Come back when all of these wait for a lock."""
    wanted = {(pid,) for pid in pids}
    wait_for(lambda: wanted <= {*live.do("SELECT pid FROM pg_locks WHERE NOT granted")})


@dataclass
class Chain:
    """An idle transaction, an ALTER TABLE behind it, and a SELECT behind that."""

    root: int
    ddl: int
    select: int


@contextmanager
def chained(live: Live) -> Iterator[Chain]:
    root = live.session(application_name="forgetful")
    root.execute("BEGIN")
    root.execute("SELECT word FROM item WHERE word = 'secret'")
    with ExitStack() as stack:
        ddl = stack.enter_context(
            running(live.session(application_name="migration"), "ALTER TABLE item ADD more int")
        )
        waiting(live, ddl)
        select = stack.enter_context(
            running(live.session(application_name="web"), "SELECT 42 FROM item")
        )
        waiting(live, ddl, select)
        yield Chain(root.info.backend_pid, ddl, select)
    root.execute("ROLLBACK")


def test_a_select_behind_a_queued_alter_table_stands_below_it(live):
    with chained(live) as chain, live.server() as server:
        rows: Any = tree(server)

    assert [(each["depth"], each["pid"]) for each in rows] == [
        (0, chain.root),
        (1, chain.ddl),
        (2, chain.select),
    ]
    assert [each["blocked_by"] for each in rows] == [[], [str(chain.root)], [str(chain.ddl)]]
    assert [each["victims"] for each in rows] == [2, 1, 0]
    assert [each["lock"] for each in rows] == [None, "AccessExclusiveLock", "AccessShareLock"]
    assert [each["relation"] for each in rows] == [None, "item", "item"]
    assert rows[0]["state"] == "idle in transaction"
    assert rows[0]["query"] == "SELECT word FROM item WHERE word = ?"
    assert rows[1]["query"] == "ALTER TABLE item ADD more int"
    assert rows[0]["longest_wait_s"] >= rows[2]["wait_s"] > 0
    assert {each["root_pid"] for each in rows} == {chain.root}


def test_the_root_is_the_finding_and_says_that_no_cancel_helps(live, monkeypatch):
    monkeypatch.setattr(locks, "LONG_S", (0, 300))
    with chained(live) as chain:
        found = check(live.section("locks"), "LK").findings

    assert [each.evidence["pid"] for each in found] == [chain.root]
    assert found[0].severity is Severity.WARNING
    assert "keeps 2 others waiting" in found[0].what
    assert "public.item" in found[0].what
    assert found[0].fix is None
    assert any(f"Session {chain.ddl} waits" in each for each in found[0].caveats)


def test_a_wait_that_has_just_begun_is_no_finding(live):
    with chained(live):
        assert check(live.section("locks"), "LK").status is Status.OK


def test_a_long_wait_is_critical(live, monkeypatch):
    monkeypatch.setattr(locks, "LONG_S", (0, 0))
    with chained(live):
        found = check(live.section("locks"), "LK").findings

    assert [each.severity for each in found] == [Severity.CRITICAL]


def test_a_waiter_for_a_row_names_its_table(live):
    root = live.session()
    root.execute("BEGIN")
    root.execute("UPDATE item SET word = 'mine' WHERE id = 1")
    with running(live.session(), "UPDATE item SET word = 'yours' WHERE id = 1") as waiter:
        waiting(live, waiter)
        with live.server() as server:
            rows: Any = tree(server)
    root.execute("ROLLBACK")

    assert [(each["depth"], each["pid"]) for each in rows] == [
        (0, root.info.backend_pid),
        (1, waiter),
    ]
    assert (rows[1]["lock_type"], rows[1]["relation"]) == ("transactionid", "item")


def test_who_waits_for_two_stands_once_and_both_are_told(live):
    holders = [live.session() for _ in range(2)]
    for each in holders:
        each.execute("BEGIN")
        each.execute("LOCK TABLE item IN ACCESS SHARE MODE")
    with running(live.session(), "ALTER TABLE item ALTER word SET DEFAULT 1") as waiter:
        waiting(live, waiter)
        with live.server() as server:
            rows: Any = tree(server)
        findings = list(locks._find(None, [dict(each, longest_wait_s=99) for each in rows]))  # type: ignore[arg-type]
    for each in holders:
        each.execute("ROLLBACK")

    pids = sorted(each.info.backend_pid for each in holders)
    assert [each["pid"] for each in rows if each["depth"] == 1] == [waiter]
    assert row_of(rows, waiter)["blocked_by"] == [str(each) for each in pids]
    assert sorted(each["pid"] for each in rows if each["depth"] == 0) == pids
    assert len(findings) == 2


def row_of(rows: Any, pid: int) -> Any:
    return next(each for each in rows if each["pid"] == pid)


def waits(**blockers: list[int]) -> Waits:
    """Sessions by their ids, such as `s7`, and who each waits for."""
    session: Any = dict.fromkeys(
        (
            *("wait_s", "mode", "locktype", "schema", "relation", "state", "transaction_s"),
            *("role", "application", "query"),
        )
    )
    found = {int(name[1:]): each for name, each in blockers.items()}
    return Waits(
        {pid: dict(session) for pid in found}, {pid: each for pid, each in found.items() if each}
    )


def test_who_waits_for_two_that_wait_themselves_stands_below_the_last():
    rows: Any = _rows(waits(s1=[], s2=[1], s3=[2], s4=[2, 3]))

    assert [(each["depth"], each["pid"]) for each in rows] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert [each["victims"] for each in rows] == [3, 2, 1, 0]


def test_a_transaction_that_was_prepared_is_a_root_without_a_session():
    rows = _rows(waits(s0=[], s7=[0]))

    assert [(each["depth"], each["pid"]) for each in rows] == [(0, 0), (1, 7)]
    assert rows[0]["state"] == "prepared transaction"


def test_a_ring_which_a_deadlock_is_has_an_end():
    rows: Any = _rows(waits(s1=[2], s2=[3], s3=[1], s4=[3]))

    assert sorted(each["pid"] for each in rows) == [1, 2, 3, 4]
    assert [each["pid"] for each in rows if each["depth"] == 0] == [1]
    assert rows[0]["victims"] == 3


def test_waits_in_another_database_are_not_shown(live):
    with made(f"test_perf_sessions_other_{WORKER}") as other, chained(live):
        assert other.section("locks").rows == ()


def test_the_tree_as_text_is_indented(live):
    with chained(live) as chain, live.server() as server:
        found = lines(tree(server))
        user = server.session.info.user

    heads = [each for each in found if each.strip(" └─")[:1].isdigit()]
    assert heads[0].startswith(f"{chain.root}  {user} forgetful  idle in transaction")
    assert heads[0].endswith("2 wait for it")
    assert heads[1].startswith(f"└─ {chain.ddl}  {user} migration  active")
    assert "for AccessExclusiveLock on public.item" in heads[1]
    assert heads[2].startswith(f"   └─ {chain.select}  {user} web")


def test_that_nobody_waits_is_a_line(live):
    with live.server() as server:
        assert lines(tree(server)) == ["Nobody waits for a lock."]


def test_a_plain_role_sees_who_waits_and_is_told_that_it_sees_no_more(live):
    with role(f"perf_locks_plain_{WORKER}") as plain, chained(live) as chain:
        found = live.section("locks", role=plain)

    assert [each["pid"] for each in found.rows] == [chain.root, chain.ddl, chain.select]
    assert [each["state"] for each in found.rows] == [None, None, None]
    assert "secret" not in str(found)
    assert any("GRANT pg_read_all_stats TO perf_locks_plain" in each for each in found.notes)


def test_an_idle_transaction_is_told_by_the_age_of_the_transaction(live, monkeypatch):
    monkeypatch.setattr(activity, "LONG_IDLE_S", (0, 600))
    session = live.session(application_name="forgetful")
    session.execute("BEGIN")
    session.execute("SELECT 'secret' FROM item")
    found = live.section("activity")
    session.execute("ROLLBACK")

    told = row(found, pid=session.info.backend_pid)
    assert told["state"] == "idle in transaction"
    assert told["transaction_s"] > 0
    assert told["query_s"] is None  # it does not run
    assert told["query"] == "SELECT ? FROM item"
    mine = [
        each
        for each in check(found, "AC2").findings
        if each.evidence["pid"] == session.info.backend_pid
    ]
    assert [each.severity for each in mine] == [Severity.WARNING]
    assert "of forgetful has a transaction open" in mine[0].what
    assert str(mine[0].fix and mine[0].fix.sql).startswith(f'ALTER ROLE "{told["role"]}" SET ')


def test_a_statement_that_runs_long_is_a_finding(live, monkeypatch):
    monkeypatch.setattr(activity, "LONG_ACTIVE_S", (0, 0))
    with running(live.session(), "SELECT pg_sleep(600)") as pid:
        wait_for(lambda: "pg_sleep" in str(live.section("activity").rows))
        found = live.section("activity")

    told = [each for each in check(found, "AC1").findings if each.evidence["pid"] == pid]
    assert [each.severity for each in told] == [Severity.CRITICAL]
    assert told[0].fix is not None
    assert told[0].fix.sql == f"SELECT pg_cancel_backend({pid});"


def test_what_runs_and_idles_for_a_moment_is_no_finding(live):
    with running(live.session(), "SELECT pg_sleep(600)"):
        wait_for(lambda: "pg_sleep" in str(live.section("activity").rows))
        found = live.section("activity")

    assert [each.status for each in found.checks] == [Status.OK, Status.OK]


def test_processes_of_postgresql_are_no_sessions(live):
    every = live.do("SELECT count(*) FROM pg_stat_activity WHERE backend_type <> 'client backend'")
    found = live.section("activity")

    assert every[0][0] > 0
    assert all(each["role"] for each in found.rows)
    ours = [each.info.backend_pid for each in live.sessions if not each.closed]
    assert sorted(each["pid"] for each in found.rows) == sorted(ours)


def test_a_parallel_worker_is_no_session_of_its_own(live):
    session = live.session()
    name = (
        "debug_parallel_query" if session.info.server_version >= 160000 else "force_parallel_mode"
    )
    session.execute(f"SET {name} = on".encode())
    with running(session, "SELECT pg_sleep(600)"):
        wait_for(
            lambda: (
                live.do("SELECT pid FROM pg_stat_activity WHERE backend_type = 'parallel worker'")
                != []
            )
        )
        found, counted = live.look("activity", "connections").sections

    assert [each["pid"] for each in found.rows] == [session.info.backend_pid]
    states: Any = [each for each in counted.rows if each["database"] == live.name]
    assert sum(each["sessions"] for each in states) == 2  # and the look's own


def test_a_plain_role_is_told_how_many_sessions_it_does_not_see(live):
    session = live.session()
    with role(f"perf_activity_plain_{WORKER}") as plain:
        own = live.session(plain)
        own.execute("SELECT 1")
        found = live.section("activity", role=plain)
        own.close()

    for each in ("AC1", "AC2"):
        assert check(found, each).status is Status.SKIPPED
        assert check(found, each).remedy == f"GRANT pg_read_all_stats TO {plain};"
    others = len([each for each in live.sessions if not each.closed])
    assert session.info.backend_pid not in [each["pid"] for each in found.rows]
    assert [each["role"] for each in found.rows] == [plain]
    assert any(f"Up to {others} sessions of other roles" in each for each in found.notes)


def test_a_role_with_an_odd_name_is_granted_in_quotes(live):
    live.session()
    with role(f'perf "odd" {WORKER}') as odd:
        found = live.section("activity", role=odd)

    assert check(found, "AC2").remedy == f'GRANT pg_read_all_stats TO "perf ""odd"" {WORKER}";'


def test_clients_are_counted_and_nothing_else(live):
    live.session(application_name="counted")
    found = live.section("connections", options=Options(top=None))
    groups: Any = [each for each in found.rows if each["database"]]
    total: Any = row(found, state="in use")

    # Others may be connected to the server meanwhile, and to this database only the look is.
    assert sum(each["sessions"] for each in groups if each["database"] == live.name) == 2
    assert sum(each["sessions"] for each in groups) == total["sessions"]
    assert row(found, application="counted")["state"] == "idle"
    assert total["usable"] == usable_here(live)
    assert total["share"] == pytest.approx(total["sessions"] / total["usable"])


def usable_here(live: Live) -> int:
    settings = dict(live.do("SELECT name, setting FROM pg_settings WHERE name ~ '_connections$'"))
    kept = ("superuser_reserved_connections", "reserved_connections")
    return int(settings["max_connections"]) - sum(int(settings.get(name, 0)) for name in kept)


def test_a_plain_role_counts_no_less(live):
    for _ in range(3):
        live.session()
    with role(f"perf_connections_plain_{WORKER}") as plain:
        found = live.section("connections", role=plain, options=Options(top=None))

    groups: Any = [each for each in found.rows if each["state"] not in ("in use", "demanded")]
    ours = [each for each in groups if each["database"] == live.name]
    assert all(each["database"] for each in groups)  # a process of PostgreSQL has none
    assert sum(each["sessions"] for each in ours) == 4
    assert row(found, state="in use")["sessions"] == sum(each["sessions"] for each in groups)
    assert row(found, database=live.name, state="hidden")["sessions"] == 3
    assert any("GRANT pg_read_all_stats TO" in each for each in found.notes)


@pytest.mark.parametrize(
    ("full", "severity"), [((0, 2), Severity.WARNING), ((0, 0), Severity.CRITICAL)]
)
def test_connections_that_run_out_are_a_finding(live, monkeypatch, full, severity):
    monkeypatch.setattr(connections, "FULL", full)
    found = check(live.section("connections"), "CN1")

    assert [each.severity for each in found.findings] == [severity]


def test_what_the_application_may_ask_for_is_held_against_what_there_is(live, settings):
    settings.PERF_DEMANDED_CONNECTIONS = usable_here(live) + 1
    found = live.section("connections")

    assert row(found, state="demanded")["share"] > 1
    assert [each.severity for each in check(found, "CN2").findings] == [Severity.WARNING]

    settings.PERF_DEMANDED_CONNECTIONS = usable_here(live)
    assert check(live.section("connections"), "CN2").status is Status.OK


def eight() -> int:
    return 8


def test_the_demand_may_be_a_function(live, settings):
    settings.PERF_DEMANDED_CONNECTIONS = f"{__name__}.eight"

    assert row(live.section("connections"), state="demanded")["sessions"] == 8


def test_a_demand_that_is_no_number_is_an_error_of_this_section_alone(live, settings):
    settings.PERF_DEMANDED_CONNECTIONS = "os.path.sep"
    found = live.look("connections", "activity")

    assert found.sections[1].status is Status.ERROR
    assert "PERF_DEMANDED_CONNECTIONS must be a number" in str(found.sections[1].reason)
    assert found.sections[0].status is not Status.ERROR


def test_without_a_demand_that_check_is_skipped(live, settings):
    settings.PERF_DEMANDED_CONNECTIONS = None
    found = check(live.section("connections"), "CN2")

    assert found.status is Status.SKIPPED
    assert "PERF_DEMANDED_CONNECTIONS" in str(found.remedy)
