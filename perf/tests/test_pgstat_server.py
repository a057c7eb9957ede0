"""What is of the whole server: checkpoints, input and output, replication, and what can be seen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perf.pgstat.indicators import get_database_performance_indicators, indicators
from perf.pgstat.results import Severity, Status
from perf.pgstat.section import Options
from perf.pgstat.sections import replication
from perf.pgstat.views import BACKGROUND_WRITER, CHECKPOINTER, IO, Captured, Sample
from perf.tests.live import Live, check, made, role, row

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
ALL = Options(top=None)


@pytest.fixture(scope="module")
def database() -> Iterator[Live]:
    with made(
        f"test_perf_server_{WORKER}",
        "CREATE EXTENSION pg_stat_statements",
        "CREATE TABLE item (id int PRIMARY KEY, word text)",
        "CREATE INDEX item_word ON item (word)",
        "INSERT INTO item SELECT n, repeat('x', 100) || n FROM generate_series(1, 60000) n",
        "VACUUM ANALYZE item",
    ) as found:
        yield found


@pytest.fixture
def live(database: Live) -> Iterator[Live]:
    yield database
    database.close()


def version(live: Live) -> int:
    return int(live.do("SELECT current_setting('server_version_num')::int / 10000")[0][0])


def test_a_checkpoint_by_hand_is_a_requested_one_of_the_window(live):
    before = live.sample()
    live.do("UPDATE item SET word = 'y' WHERE id < 2000", "CHECKPOINT")
    found: Any = live.section("checkpoints", before=before).rows[0]

    assert found["requested"] >= 1
    assert found["requested_share"] == found["requested"] / (found["timed"] + found["requested"])
    assert found["buffers_written"] > 0
    assert found["wal_bytes"] > 0
    assert found["wal_bytes_per_s"] == pytest.approx(found["wal_bytes"] / found["seconds"])
    assert found["full_page_share"] is None or 0 <= found["full_page_share"] <= 1
    assert (found["evictions"] is None) == (version(live) < 16)
    assert found["backend_writes"] is not None


def planted(sample: Sample, **counts: int) -> Sample:
    """The sample with other counts of the checkpointer, by the name that they have here."""
    view = CHECKPOINTER if CHECKPOINTER.name in sample.views else BACKGROUND_WRITER
    captured = sample.views[view.name]
    names = {
        "timed": "num_timed" if view is CHECKPOINTER else "checkpoints_timed",
        "requested": "num_requested" if view is CHECKPOINTER else "checkpoints_req",
    }
    changed: dict[str, Any] = {names[name]: [count] for name, count in counts.items()}
    return replace(
        sample, views={**sample.views, view.name: Captured({**captured.columns, **changed})}
    )


@pytest.mark.parametrize(
    ("hours", "timed", "requested", "status"),
    [
        (2, 6, 3, Status.FINDING),  # 33 %
        (2, 7, 3, Status.OK),  # 30 %
        (2, 1, 2, Status.INSUFFICIENT),  # too few
        (0.9, 6, 3, Status.INSUFFICIENT),  # too short
    ],
)
def test_checkpoints_are_judged_by_their_share_over_an_hour(live, hours, timed, requested, status):
    now = live.sample()
    then = replace(
        planted(now, timed=0, requested=0), taken_at=now.taken_at - timedelta(hours=hours)
    )
    after = planted(now, timed=timed, requested=requested)

    found = check(live.section("checkpoints", before=then, after=after), "CK")

    assert found.status is status
    for each in found.findings:
        assert "max_wal_size" in str(each.fix and each.fix.sql)
        assert "…" not in str(each.fix and each.fix.sql)


def test_io_is_told_by_who_and_what_and_how(live):
    before = live.sample()
    live.do("SELECT count(*) FROM item")
    found = live.section("io", before=before, options=ALL)

    if version(live) < 16:
        assert found.status is Status.SKIPPED
        assert found.reason == "PostgreSQL counts this from version 16 on."
        return
    told = row(found, backend_type="client backend", object="relation", context="normal")
    assert told["hits"] >= 60000 / 100
    assert told["reuses"] is None  # which can't happen in that context
    assert told["read_bytes"] is not None


def test_io_before_18_is_told_in_bytes_too(live):
    if version(live) < 16:
        pytest.skip("There is no such view.")
    sample = live.sample()
    columns = dict(sample.views[IO.name].columns)
    size = len(columns["reads"])
    for name in [each for each in columns if each.endswith("_bytes")]:
        del columns[name]
    columns["op_bytes"] = [8192] * size
    columns["reads"] = [3] * size
    old = replace(sample, views={**sample.views, IO.name: Captured(columns)})

    rows = live.section("io", after=old, options=ALL).rows

    assert {each["read_bytes"] for each in rows} == {3 * 8192}


def test_without_replicas_and_slots_it_is_well_and_says_so(live):
    found = live.section("replication")

    if not found.rows:
        assert found.status is Status.OK
        assert "There are no replicas and no slots here." in found.notes


@pytest.fixture
def slot(live: Live) -> Iterator[str]:
    """A slot that nobody reads from, and which keeps what comes from now on."""
    name = f"perf_slot_{WORKER}"
    live.do(f"SELECT pg_create_physical_replication_slot('{name}', true)")
    yield name
    live.do(f"SELECT pg_drop_replication_slot('{name}')")


def test_a_slot_tells_what_it_keeps(live, slot):
    live.do("UPDATE item SET word = 'z' WHERE id < 5000")
    found = live.section("replication")
    told: Any = row(found, name=slot)

    assert (told["kind"], told["state"], told["active"]) == ("slot", "physical", False)
    assert told["retained_bytes"] > 0
    assert told["lag_bytes"] is None
    assert (told["inactive_since"] is None) == (version(live) < 17)
    assert check(found, "RP2").status is Status.OK


def test_a_slot_that_keeps_much_for_nobody_is_critical(live, slot, monkeypatch):
    monkeypatch.setattr(replication, "RETAINED_BYTES", 1)
    live.do("UPDATE item SET word = 'z' WHERE id < 5000")
    found = check(live.section("replication"), "RP2").findings

    mine = [each for each in found if each.place.name == slot]
    assert [each.severity for each in mine] == [Severity.CRITICAL]
    assert mine[0].fix is not None
    assert mine[0].fix.sql == f"SELECT pg_drop_replication_slot('{slot}');"


@pytest.mark.parametrize(
    ("lag_bytes", "lag_s", "is_found"),
    [
        (16 * 1024**2, None, True),
        (0, 30.0, True),
        (16 * 1024**2 - 1, 29.9, False),
        (None, None, False),
    ],
)
def test_a_replica_is_behind_by_bytes_or_by_seconds(lag_bytes, lag_s, is_found):
    told = {"kind": "replica", "name": "two", "lag_bytes": lag_bytes, "lag_s": lag_s}

    assert bool(list(replication.LAG.find(None, [told]))) is is_found  # type: ignore[arg-type]


def test_a_superuser_wants_nothing_of_rights(live):
    found = live.section("capabilities", options=ALL)

    for name in ("pg_read_all_stats", "column statistics", "pg_signal_backend"):
        assert row(found, name=name)["is_enough"] is True
        assert row(found, name=name)["remedy"] is None


def test_a_plain_role_is_told_what_to_grant(live):
    with role(f"perf_server_plain_{WORKER}") as plain:
        found = live.section("capabilities", role=plain, options=ALL)

    assert row(found, name="pg_read_all_stats")["remedy"] == f"GRANT pg_read_all_stats TO {plain};"
    assert row(found, name="column statistics")["value"].startswith("1 tables denied")
    assert "GRANT pg_read_all_data" in row(found, name="column statistics")["remedy"]
    assert "GRANT pg_signal_backend" in row(found, name="pg_signal_backend")["remedy"]
    assert {each.severity for each in check(found, "CF").findings} == {Severity.INFO}
    places = [str(each.place) for each in check(found, "CF").findings]
    assert len({*places}) == len(places)  # so that each can be ignored by itself


def test_pg_monitor_still_sees_no_column_statistics(live):
    with role(f"perf_server_monitor_{WORKER}", "pg_monitor") as monitor:
        found = live.section("capabilities", role=monitor, options=ALL)

    assert row(found, name="pg_read_all_stats")["is_enough"] is True
    assert row(found, name="column statistics")["is_enough"] is False


def test_row_level_security_hides_column_statistics_too(live):
    with role(f"perf_server_reader_{WORKER}", "pg_read_all_data") as reader:
        live.do("ALTER TABLE item ENABLE ROW LEVEL SECURITY")
        found = live.section("capabilities", role=reader, options=ALL)
        live.do("ALTER TABLE item DISABLE ROW LEVEL SECURITY")

    told = row(found, name="column statistics")
    assert told["value"] == "0 tables denied, 1 behind row-level security"
    assert "BYPASSRLS" in told["remedy"]


def test_a_setting_that_is_off_is_told(live):
    live.do(f"ALTER DATABASE {live.name} SET track_io_timing = off")
    try:
        found = live.section("capabilities", options=ALL)
    finally:
        live.do(f"ALTER DATABASE {live.name} RESET track_io_timing")

    told = row(found, name="track_io_timing")
    assert (told["value"], told["is_enough"]) == ("off", False)
    assert "track_io_timing = on" in told["remedy"]


def test_the_indicators_are_figures_of_the_database(live):
    session = live.session()
    with live.server() as server:
        before = live.sample()
        for _ in range(10):
            session.execute("SELECT pg_sleep(0.11)")
        session.execute("SELECT count(*) FROM item")
        session.execute("SELECT pg_stat_force_next_flush()")
        found = indicators(server, before)

    assert {"cache_hit_ratio", "large_tables", "inefficient_indexes", "slow_queries"} <= {*found}
    assert 0 <= found["cache_hit_ratio"] <= 1
    assert [each["table"] for each in found["large_tables"]] == ["item"]
    assert found["large_tables"][0]["total_bytes"] > 10 * 1024**2
    assert [each["index"] for each in found["inefficient_indexes"]] == ["item_word"]
    assert found["inefficient_indexes"][0]["scans"] == 0
    assert [each["query"] for each in found["slow_queries"]] == ["SELECT pg_sleep($1)"]
    assert found["slow_queries"][0]["mean_ms"] >= 110
    assert found["window"]["source"] == "snapshots"
    assert found["unknown"] == {}
    assert found["units"]["total_bytes"] == found["units"]["size_bytes"] == "bytes"
    assert found["units"]["mean_ms"] == "ms"
    assert "query" not in found["units"]


@pytest.mark.django_db
def test_one_call_asks_the_database_of_the_application():
    found = get_database_performance_indicators()

    assert [*found][:4] == [
        *("cache_hit_ratio", "large_tables", "inefficient_indexes", "slow_queries")
    ]
    assert found["window"]["source"] == "lifetime"  # no snapshot is kept here
    assert all(found[name] is None for name in found["unknown"])


def test_indicators_that_are_not_known_are_none_with_the_reason():
    with made(f"test_perf_server_bare_{WORKER}") as bare, bare.server() as server:
        found = indicators(server)

    assert found["cache_hit_ratio"] is None
    assert found["slow_queries"] is None
    assert found["large_tables"] == []
    assert {*found["unknown"]} == {"cache_hit_ratio", "slow_queries"}


def test_all_sections_are_read_without_an_error_by_any_role(live):
    with role(f"perf_server_any_{WORKER}") as plain:
        for document in (live.look(), live.look(role=plain)):
            assert [each.name for each in document.sections if each.status is Status.ERROR] == []
            for section in document.sections:
                keys = [column.key for column in section.columns]
                assert all([*each] == keys or {*each} == {*keys} for each in section.rows), (
                    section.name
                )
