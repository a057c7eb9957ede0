from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from perf.models import StatementText, StatisticsSnapshot
from perf.pgstat import store
from perf.pgstat.capabilities import probe
from perf.pgstat.deltas import Deltas
from perf.pgstat.packing import NoSample, pack, unpack
from perf.pgstat.samples import take
from perf.pgstat.server import Server, connected
from perf.pgstat.store import surplus
from perf.pgstat.views import DATABASE, SIZES, TABLES, Sample

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Any:
    with connected() as found:
        yield found


def replaced(snapshot: StatisticsSnapshot, **values: Any) -> StatisticsSnapshot:
    """Another one in its place: the application's role may change none."""
    snapshot.delete()
    for name, value in values.items():
        setattr(snapshot, name, value)
    snapshot.save(force_insert=True)
    return snapshot


def test_a_sample_is_read_as_it_was_packed(server: Server):
    taken = take(server, probe(server))

    assert taken.missing == {}
    assert {TABLES.name, DATABASE.name, SIZES.name} <= taken.views.keys()
    assert unpack(pack(taken)) == taken


@pytest.mark.parametrize("packed", [b"", b"no", pack(Sample(NOW, None))[:-1]])
def test_what_is_no_sample_is_refused(packed: bytes):
    with pytest.raises(NoSample):
        unpack(packed)


def test_a_window_is_told_from_the_snapshot_that_is_old_enough(server: Server):
    can = probe(server)
    new = store.snapshot(server, can)
    old = replaced(store.snapshot(server, can), taken_at=timezone.now() - timedelta(days=1))

    found = store.at(timezone.now() - timedelta(hours=1), server=server, can=can)

    assert found == unpack(bytes(old.sample))
    assert Deltas(found, take(server, can)).window.source == "snapshots"
    assert [each.id for each in store.latest(5)] == [new.id, old.id]


def test_no_snapshot_is_old_enough_and_the_message_says_which_there_are(server: Server):
    can = probe(server)
    long_ago = timezone.now() - timedelta(days=3)

    with pytest.raises(store.NoSnapshot, match="there is none yet"):
        store.at(long_ago, server=server, can=can)
    store.snapshot(server, can)
    with pytest.raises(store.NoSnapshot, match="the oldest is of 20"):
        store.at(long_ago, server=server, can=can)


def test_another_server_s_snapshots_are_not_compared(server: Server):
    can = probe(server)
    replaced(store.snapshot(server, can), system_id="another")

    assert store.oldest(timedelta(days=1), server=server, can=can) is None


def test_of_two_collectors_one_is_refused(server: Server):
    with connected() as other:
        other.value("SELECT pg_advisory_lock(%(key)s)", {"key": store._COLLECTOR})

        with pytest.raises(store.Collecting):
            store.snapshot(server, probe(server))
        # Said here, for a session that is closed ends a moment later.
        other.value("SELECT pg_advisory_unlock(%(key)s)", {"key": store._COLLECTOR})
    assert store.snapshot(server, probe(server)).tables > 0


def test_snapshots_are_thinned_to_one_an_hour_and_then_one_a_day():
    numbers = count()
    every_10_min = [NOW - timedelta(minutes=10 * n) for n in range(6 * 24 * 40)]
    found = [(next(numbers), taken_at) for taken_at in every_10_min]

    gone = set(surplus(found, NOW))

    kept = [taken_at for number, taken_at in found if number not in gone]
    ages = [NOW - each for each in kept]
    assert sum(age <= timedelta(hours=48) for age in ages) == 48 * 6 + 1
    assert sum(timedelta(hours=48) < age <= timedelta(days=14) for age in ages) == 12 * 24
    assert sum(timedelta(days=14) < age for age in ages) == 27
    # What is kept is kept again: else each pruning would move what a window begins with.
    assert list(surplus([each for each in found if each[0] not in gone], NOW)) == []


def test_what_is_older_than_400_days_goes_and_there_are_never_more_than_so_many(monkeypatch):
    monkeypatch.setattr(store, "MOST", 3)
    found = [(n, NOW - timedelta(minutes=n)) for n in range(5)]
    found.append((5, NOW - timedelta(days=401)))

    assert set(surplus(found, NOW)) == {3, 4, 5}


def test_pruning_deletes_them_with_texts_that_nothing_names():
    day = timedelta(days=1)
    for number, age in enumerate((500 * day, 0 * day)):
        StatisticsSnapshot.objects.create(
            taken_at=NOW - age,
            system_id="1",
            database="d",
            version_num=180000,
            statements=0,
            tables=0,
            size_bytes=0,
            figures={},
            sample=b"",
        )
        StatementText.objects.create(queryid=number, text="", last_seen_at=NOW - age)

    assert store.prune(NOW) == 1
    assert [each.taken_at for each in StatisticsSnapshot.objects.all()] == [NOW]
    assert [each.queryid for each in StatementText.objects.all()] == [1]


def test_texts_are_kept_once_and_without_values(statements: None, server: Server):
    can = probe(server)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'secret of a text' AS marked_by_a_test")
        cursor.execute("SET application_name = 'secret of a setting'")
    store.snapshot(server, can)
    store.snapshot(server, can)

    kept = list(StatementText.objects.values_list("text", flat=True))
    assert any("marked_by_a_test" in text for text in kept)
    assert not any("secret of" in text for text in kept)


def test_the_session_only_reads_and_waits_for_no_lock(server: Server):
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        server.rows("CREATE TABLE anything (n int)")
    assert server.value("SHOW lock_timeout") == "500ms"
    assert server.value("SHOW statement_timeout") == "15s"
