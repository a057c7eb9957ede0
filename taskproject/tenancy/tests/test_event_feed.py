"""The change feed among people who write: nothing twice, nothing missed, in order, of one tenant.

Transactions of all databases of a cluster hold the feed back, and other tests may run beside
these: where events are awaited, they are awaited for long.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connections, transaction
from pytest_django import DjangoAssertNumQueries

from taskproject.db.context import tenant_context
from taskproject.db.fields import SnapshotHorizon
from taskproject.tenancy.models import Event, EventKind
from taskproject.tenancy.selectors import event_feed
from taskproject.tenancy.services import event_append
from taskproject.tenancy.tests.sql import Session, database, fetch, session
from taskproject.tests.cast import Cast, make_cast

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 20
TRANSACTIONS = 20
PAGE = 50
PATIENCE_S = 240


@pytest.fixture
def people(transactional_db: None) -> Cast:
    return make_cast()


def append(name: str, actor_id: int | None = None) -> None:
    event_append(EventKind.TASK_UPDATED, actor_id=actor_id, changes={"name": name})


def names(events: list[Event]) -> list[str]:
    """The names of the events that `append` wrote; the cast brings events of its own."""
    return [event.changes["name"] for event in events if "name" in event.changes]


def read_on(is_over: Callable[[], bool] = lambda: True) -> list[Event]:
    """What a reader sees who goes on from the last pair, until all is over and settled."""
    seen: list[Event] = []
    after, deadline = (0, 0), time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        # Asked before the page is, so that nothing comes after an empty page.
        complete = is_over() and not Event.objects.filter(xid__gte=SnapshotHorizon()).exists()
        page = list(event_feed(after=after, limit=PAGE))
        seen += page
        if page:
            after = (page[-1].xid, page[-1].pk)
        elif complete:
            break
    return seen


def write(cast: Cast, number: int) -> list[tuple[float, int, list[str]]]:
    """Many transactions of one to five events; every fourth writer is slow to commit.

    Tells of each transaction when it was committed, its xid, and the names of its events.
    """
    chance, told = random.Random(number), []  # noqa: S311  no secret
    with tenant_context(cast.alpha):
        for n in range(TRANSACTIONS):
            written = [f"{number}/{n}/{k}" for k in range(chance.randint(1, 5))]
            with transaction.atomic():
                for name in written:
                    append(name, cast.alice.pk)
                (xid,) = fetch("SELECT pg_current_xact_id()::text::bigint")
                if number % 4 == 0:
                    time.sleep(chance.uniform(0.01, 0.05))
            told.append((time.monotonic(), xid, written))
            time.sleep(chance.uniform(0, 0.02))  # else the reader falls behind and meets nobody
    connections.close_all()
    return told


def test_a_reader_sees_each_event_of_twenty_writers_once_and_in_order(people: Cast) -> None:
    """Seen red with the horizon taken out of `event_feed`: the reader goes past transactions that
    are slow to commit, and missed 174 to 497 of their 1,214 events."""
    pool = {"max_size": WRITERS + 1, "max_waiting": 2 * WRITERS, "timeout": 30}
    with database(pool=pool), ThreadPoolExecutor(WRITERS) as threads:
        writers: list[Future[list[tuple[float, int, list[str]]]]]
        writers = [threads.submit(write, people, number) for number in range(WRITERS)]
        with tenant_context(people.alpha):
            seen = read_on(lambda: all(writer.done() for writer in writers))
            stored = list(Event.objects.order_by("xid", "id").values_list("xid", "id"))

        told = sorted(line for writer in writers for line in writer.result())
        xids = [xid for _, xid, _ in told]
        assert xids != sorted(xids), "nobody was overtaken: this run has shown nothing"
        assert [(event.xid, event.pk) for event in seen] == stored
        assert sorted(names(seen)) == sorted(name for _, _, written in told for name in written)


@contextmanager
def open_transaction(cast: Cast, name: str) -> Iterator[Session]:
    """A session of its own that has written an event of alpha and not yet committed it."""
    with session("app") as other:
        other.execute("SELECT set_config('app.tenant_id', %s, false)", [str(cast.alpha.pk)])
        other.execute(
            "INSERT INTO event (tenant_id, kind, changes)"
            " VALUES (%s, 21, jsonb_build_object('name', %s::text))",
            [cast.alpha.pk, name],
        )
        yield other


def test_an_open_transaction_holds_back_what_others_committed_after_it(people: Cast) -> None:
    with tenant_context(people.alpha):
        append("before")
        with open_transaction(people, "slow") as slow:
            append("after")
            waiting = [name for name in names(list(event_feed(limit=99))) if name != "before"]
            slow.commit()

        assert waiting == []
        assert names(read_on()) == ["before", "slow", "after"]


def test_what_is_rolled_back_is_never_shown_and_holds_back_nothing_any_more(people: Cast) -> None:
    with tenant_context(people.alpha):
        with open_transaction(people, "regretted") as slow:
            append("kept")
            slow.rollback()

        assert names(read_on()) == ["kept"]


def test_a_transaction_that_only_reads_delays_nobody(people: Cast) -> None:
    with tenant_context(people.alpha), session("owner") as dump:
        dump.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert dump.execute("SELECT count(*) FROM event").fetchone() != (0,)
        append("meanwhile")

        assert names(read_on()) == ["meanwhile"]


def test_one_transaction_in_two_tenants_shows_each_its_own(people: Cast) -> None:
    with transaction.atomic():
        for number in range(PAGE):
            with tenant_context(people.alpha):
                append(f"alpha {number}")
            with tenant_context(people.beta):
                append(f"beta {number}")

    for tenant in (people.alpha, people.beta):
        with tenant_context(tenant):
            seen = read_on()
        assert names(seen) == [f"{tenant.slug} {number}" for number in range(PAGE)]
        assert {event.tenant_id for event in seen} == {tenant.pk}


def test_a_page_names_who_acted_in_one_statement(
    people: Cast, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with tenant_context(people.alpha):
        append("a", people.alice.pk)
        append("b", people.bob.pk)
        append("c")
        read_on()

        with django_assert_num_queries(1):
            page = [event for event in event_feed(limit=99) if "name" in event.changes]
            actors = [event.actor and event.actor.username for event in page]

    assert actors == ["alice", "bob", None]
