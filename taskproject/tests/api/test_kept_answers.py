"""Answers that are kept: right until the next commit, built once for all, and nobody else's."""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from projects.models import Project
from projects.services import project_create, project_update
from taskproject import answers, caching
from taskproject.breaker import Breaker, MissedBumps
from taskproject.db.changes import tenant_changed
from taskproject.db.context import tenant_context
from taskproject.tests.api.calls import Api, api_of
from taskproject.tests.cached import redis
from taskproject.tests.cast import Cast, make_cast, make_project, make_task
from taskproject.tests.outages import (
    cache_hanging,
    cache_refused,
    forget_cached,
    no_cache,
    relayed_cache,
)
from tasks.models import Task
from tasks.services.batches.create import bulk_create
from tasks.services.batches.remove import bulk_delete
from tasks.services.relations import label_create, label_update, task_label_add
from tasks.services.tasks import task_create, task_update
from tasks.tests.import_lines import record, write

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 1_000 if os.environ.get("PROVE") else 200
LISTS = [
    "tasks/",
    "tasks/?include=labels",
    "tasks/count/",
    "tasks/summary/",
    "projects/",
    "projects/WEB/",
]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test leaves an open breaker or a missed bump to the next."""
    monkeypatch.setattr(caching, "breaker", Breaker())
    monkeypatch.setattr(caching, "missed", MissedBumps())
    monkeypatch.setattr(answers.recent, "max_bytes", 0)  # Redis alone, unless a test says else


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process remembers answers, as it does."""
    answers.recent.clear()
    monkeypatch.setattr(answers.recent, "max_bytes", 1024 * 1024)


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def web(cast: Cast) -> Project:
    project = make_project(cast.alpha, cast.alice)
    make_task(project, cast.alice, title="One")
    return project


@pytest.fixture
def api(cast: Cast, web: Project) -> Api:
    return api_of(cast.alpha, cast.alice)


def kept(api: Api, address: str) -> bytes:
    """Ask until the answer is kept; what it is."""
    for _ in range(3):
        response = api.get(address)
    assert state(api, address) in ("kept", "same")
    return bytes(response.content)


def state(api: Api, address: str, **headers: str) -> str:
    """What was found in the cache for a request."""
    return detail(api.get(address, **headers))


def detail(response: Any) -> str:
    return str(response.get("Cache-Status", "; never").rpartition("; ")[2].removeprefix("detail="))


def keys_of_answers() -> list[bytes]:
    """Those of this test process: others keep theirs in the same server."""
    return list(redis().keys(str(cache.make_key("value:rows:*"))))


def titles(response: Any) -> list[str]:
    return [each["title"] for each in response.json()["results"]]


# --- What is kept ---------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [*LISTS, "labels/", "tasks/?project=WEB&limit=1"])
def test_what_is_asked_for_again_is_kept(api: Api, address: str) -> None:
    api.get("")  # whom the token speaks for is known from now on
    with_links = [api.get(address) for _ in range(4)]

    assert [detail(each) for each in with_links] == ["cold", "build", "kept", "kept"]
    assert len({(each.content, each["ETag"], each.get("Link")) for each in with_links}) == 1


def test_what_is_kept_asks_the_database_nothing(
    api: Api, django_assert_num_queries: Callable[[int], Any]
) -> None:
    kept(api, "tasks/")

    with django_assert_num_queries(0):
        response = api.get("tasks/")

    assert titles(response) == ["One"]


@pytest.mark.parametrize("address", LISTS)
def test_who_has_it_already_gets_no_body_and_asks_nothing(
    api: Api, address: str, django_assert_num_queries: Callable[[int], Any]
) -> None:
    kept(api, address)
    tag = api.get(address)["ETag"]

    with django_assert_num_queries(0):
        again = api.get(address, if_none_match=tag)

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    assert tag.startswith('"' if address == "projects/WEB/" else 'W/"')


def test_one_of_several_tags_is_enough_and_another_is_not(api: Api) -> None:
    kept(api, "tasks/")
    tag = api.get("tasks/")["ETag"]

    assert api.get("tasks/", if_none_match=f'"x", {tag}').status_code == 304
    assert api.get("tasks/", if_none_match='W/"0123456789abcdef"').status_code == 200
    assert api.get("tasks/", if_none_match="nonsense").status_code == 200


def test_who_has_it_already_builds_it_for_the_others_too(api: Api) -> None:
    kept(api, "tasks/")
    tag = api.get("tasks/")["ETag"]
    (key,) = keys_of_answers()

    redis().delete(key)
    assert state(api, "tasks/", if_none_match=tag) == "build"

    assert state(api, "tasks/", if_none_match=tag) == "same"
    assert titles(api.get("tasks/")) == ["One"]


def test_a_list_that_is_not_kept_has_the_same_tag(api: Api) -> None:
    tag = api.get("tasks/")["ETag"]
    kept(api, "tasks/")
    with no_cache():
        assert api.get("tasks/")["ETag"] == api.get("tasks/", if_none_match=tag)["ETag"] == tag
        assert api.get("tasks/", if_none_match=tag).status_code == 304


def test_the_tag_is_the_same_for_whoever_asks_the_same(cast: Cast, api: Api) -> None:
    other = api_of(cast.alpha, cast.vera, "read")

    assert other.get("tasks/")["ETag"] == api.get("tasks/")["ETag"]


def test_what_depends_on_who_asks_is_kept_for_each(cast: Cast, api: Api, web: Project) -> None:
    other = api_of(cast.alpha, cast.bob)
    with tenant_context(cast.alpha):
        task_create(project_id=web.pk, title="Bob's", assignee_id=cast.bob.pk, actor_id=cast.bob.pk)
    for address in ("tasks/?assignee=me", "tasks/summary/"):
        kept(api, address)
        kept(other, address)

    assert (titles(api.get("tasks/?assignee=me")), titles(other.get("tasks/?assignee=me"))) == (
        [],
        ["Bob's"],
    )
    assert other.get("tasks/summary/").json()["mine"]["count"] == 1
    assert api.get("tasks/summary/").json()["mine"]["count"] == 0


@pytest.mark.parametrize("spelt", ["assignee=%6De", "assignee=m%65", "assign%65e=me"])
def test_who_asks_is_meant_however_it_is_spelt(
    cast: Cast, api: Api, web: Project, spelt: str
) -> None:
    other = api_of(cast.alpha, cast.bob)
    make_task(web, cast.alice, title="Bob's", assignee_id=cast.bob.pk)
    for address in (f"tasks/?{spelt}", f"tasks/count/?{spelt}"):
        kept(other, address)

    assert titles(other.get(f"tasks/?{spelt}")) == ["Bob's"]
    assert titles(api.get(f"tasks/?{spelt}")) == []
    assert api.get(f"tasks/count/?{spelt}").json()["count"] == 0


def test_nobody_is_given_what_he_may_not_see(cast: Cast, api: Api) -> None:
    kept(api, "tasks/")
    stranger, writer = api_of(cast.beta, cast.carol), api_of(cast.alpha, cast.alice, "write")

    assert writer.get("tasks/").status_code == 403
    assert stranger.get("/api/v1/tenants/alpha/tasks/").status_code == 404
    assert Api("alpha").get("tasks/").status_code == 401
    assert titles(stranger.get("tasks/")) == []


def test_a_refusal_is_not_kept(api: Api) -> None:
    for _ in range(4):
        assert api.get("tasks/?colour=red").status_code == 400

    assert keys_of_answers() == []


@pytest.mark.parametrize("query", ["colour=red", "sort=nonsense", "limit=1%26limit=2", "q=%ff"])
def test_who_is_refused_lets_nobody_wait(
    api: Api, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(answers, "WAIT_S", 60)
    api.get("")

    for _ in range(5):
        assert api.get(f"tasks/?{query}").status_code == 400
    assert redis().keys(str(cache.make_key("builder:*"))) == []


def test_who_may_not_read_keeps_nobody_from_building(cast: Cast, api: Api) -> None:
    writer = api_of(cast.alpha, cast.alice, "write")
    for each in (api, writer):
        each.get("")
    for _ in range(3):
        assert writer.get("tasks/").status_code == 403

    assert [state(api, "tasks/") for _ in range(2)] == ["build", "kept"]


def test_head_is_answered_by_what_is_kept(api: Api) -> None:
    kept(api, "tasks/")

    response = api.send("HEAD", "tasks/", b"")

    assert response.content == b""
    assert response["ETag"] == api.get("tasks/")["ETag"]


def test_an_answer_lives_a_minute_at_most_and_is_built_anew_before(api: Api) -> None:
    kept(api, "tasks/")
    (key,) = keys_of_answers()
    assert 45_000 < redis().pttl(key) <= 60_000

    redis().pexpire(key, 5_000)
    assert [state(api, "tasks/") for _ in range(2)] == ["build", "kept"]
    assert redis().pttl(key) > 45_000


def test_odd_bytes_in_its_place_are_a_miss(api: Api) -> None:
    kept(api, "tasks/")
    (key,) = keys_of_answers()
    stamp = redis().get(key).partition(b"|")[0]

    for odd in (b"", b"odd", stamp + b"|", stamp + b"|odd\n{}", stamp + b"|\xff|1\n{}"):
        redis().set(key, odd, px=50_000)
        assert titles(api.get("tasks/")) == ["One"]


# --- What ends it ---------------------------------------------------------------------------------


def by_request(cast: Cast, web: Project, api: Api) -> None:
    assert api.post("tasks/", {"project": "WEB", "title": "New"}).status_code == 201


def by_batch_request(cast: Cast, web: Project, api: Api) -> None:
    body = {"items": [{"project": "WEB", "title": "New"}]}
    assert api.post("tasks/bulk/create/", body).status_code == 201


def by_service(cast: Cast, web: Project, api: Api) -> None:
    with tenant_context(cast.alpha):
        task_update(task_id=Task.objects.get().pk, actor_id=cast.alice.pk, title="New")


def by_batch(cast: Cast, web: Project, api: Api) -> None:
    with tenant_context(cast.alpha):
        bulk_create([{"project_id": web.pk, "title": "New"}], actor_id=cast.alice.pk)


def by_deletion(cast: Cast, web: Project, api: Api) -> None:
    with tenant_context(cast.alpha):
        bulk_delete([Task.objects.get().pk], actor_id=cast.alice.pk)


def by_model(cast: Cast, web: Project, api: Api) -> None:
    with tenant_context(cast.alpha):
        Task.objects.update(title="New")


def by_label(cast: Cast, web: Project, api: Api) -> None:
    with tenant_context(cast.alpha):
        label = label_create(name="bug", actor_id=cast.alice.pk)
        task_label_add(task_id=Task.objects.get().pk, label_id=label.pk, actor_id=cast.alice.pk)
        label_update(label_id=label.pk, name="fault", actor_id=cast.alice.pk)


def by_project(cast: Cast, web: Project, api: Api) -> None:
    with tenant_context(cast.alpha):
        project_update(project_id=web.pk, actor_id=cast.alice.pk, name="New")
        project_create(key="NEW", name="New", actor_id=cast.alice.pk)


def by_import(cast: Cast, web: Project, api: Api) -> None:
    folder = Path(str(connection.settings_dict["TEST_FOLDER"]))
    call_command("import_tasks", write(folder, record(tenant="alpha", labels=["x"])), verbosity=0)


def by_sql(cast: Cast, web: Project, api: Api) -> None:
    with tenant_context(cast.alpha), connection.cursor() as cursor:
        cursor.execute("WITH all_of_them AS (SELECT id FROM task)\n UPDATE task SET title = 'New'")


def by_hand(cast: Cast, web: Project, api: Api) -> None:
    connection.set_autocommit(False)
    try:
        with tenant_context(cast.alpha):
            Task.objects.update(title="New")
        connection.commit()
    finally:
        connection.set_autocommit(True)


def by_a_transaction_whose_hook_fails(cast: Cast, web: Project, api: Api) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    def change() -> None:
        with tenant_context(cast.alpha), transaction.atomic():
            transaction.on_commit(fail)
            Task.objects.update(title="New")

    with pytest.raises(ZeroDivisionError):
        change()


ODD_SQL = [
    "/* c */ UPDATE task SET title = 'New'",
    "-- c\nupdate\ttask set title = 'New'",
    "UPDATE/**/ task SET title = 'New'",
    "SELECT 1; UPDATE task SET title = 'New'",
    "EXPLAIN ANALYZE UPDATE task SET title = 'New'",
    "DO $$ BEGIN UPDATE task SET title = 'New'; END $$",
    "WITH x AS (UPDATE api_token SET name = name RETURNING 1) UPDATE task SET title = 'New'",
    sql.SQL("UPDATE task SET title = 'New'"),
]


@pytest.mark.parametrize("statement", ODD_SQL, ids=str)
def test_sql_of_any_form_ends_it(cast: Cast, api: Api, statement: Any) -> None:
    kept(api, "tasks/")

    with tenant_context(cast.alpha), connection.cursor() as cursor:
        cursor.execute(statement)

    assert titles(api.get("tasks/")) == ["New"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM task ORDER BY id FOR NO KEY UPDATE",
        "WITH x AS (SELECT updated_at FROM task) SELECT * FROM x",
        "WITH x AS (UPDATE api_token SET name = name) SELECT 1",
    ],
)
def test_sql_that_shows_nothing_new_ends_nothing(cast: Cast, api: Api, statement: str) -> None:
    kept(api, "tasks/")

    with tenant_context(cast.alpha), connection.cursor() as cursor:
        cursor.execute(statement)

    assert state(api, "tasks/") == "kept"


WRITERS = [
    by_request,
    by_batch_request,
    by_service,
    by_batch,
    by_deletion,
    by_model,
    by_label,
    by_project,
    by_import,
    by_sql,
    by_hand,
    by_a_transaction_whose_hook_fails,
]


@pytest.mark.parametrize("change", WRITERS, ids=lambda each: each.__name__)
def test_whoever_changes_a_row_ends_it(
    cast: Cast, web: Project, api: Api, tmp_path: Path, change: Any
) -> None:
    connection.settings_dict["TEST_FOLDER"] = str(tmp_path)
    before = {address: kept(api, address) for address in LISTS}

    change(cast, web, api)

    now = {address: api.get(address).content for address in LISTS}
    with no_cache():
        assert now == {address: api.get(address).content for address in LISTS}
    assert now != before


def test_another_tenants_change_ends_nothing(cast: Cast, api: Api) -> None:
    kept(api, "tasks/")
    make_task(make_project(cast.beta, cast.carol), cast.carol)

    assert state(api, "tasks/") == "kept"


def test_what_only_counts_requests_ends_nothing(cast: Cast, api: Api) -> None:
    other = api_of(cast.alpha, cast.vera)
    kept(api, "tasks/")
    other.get("tasks/")  # a token that is used for the first time, which is noted

    assert state(api, "tasks/") == "kept"


def test_amid_a_transaction_nothing_is_kept_and_nothing_kept_is_used(
    cast: Cast, web: Project, api: Api
) -> None:
    kept(api, "tasks/")

    with transaction.atomic():
        by_service(cast, web, api)
        assert titles(api.get("tasks/")) == ["New"]
        for _ in range(4):
            api.get("tasks/?limit=7")
        transaction.set_rollback(True)

    assert titles(api.get("tasks/")) == ["One"]
    assert titles(api.get("tasks/?limit=7")) == ["One"]


@pytest.fixture
def told() -> Iterator[list[int]]:
    """The tenants that are told of, as they are."""
    found: list[int] = []

    def note(tenant_id: int, **_: Any) -> None:
        found.append(tenant_id)

    tenant_changed.connect(note)
    yield found
    tenant_changed.disconnect(note)


def test_a_change_is_told_once_for_a_transaction_and_after_its_commit(
    cast: Cast, web: Project, told: list[int]
) -> None:
    told.clear()
    with tenant_context(cast.alpha), transaction.atomic():
        for title in ("a", "b", "c"):
            Task.objects.update(title=title)
        assert told == []

    assert told == [cast.alpha.pk]


def test_what_is_rolled_back_to_a_savepoint_takes_no_other_change_with_it(
    cast: Cast, web: Project, told: list[int]
) -> None:
    told.clear()
    with tenant_context(cast.alpha), transaction.atomic():
        with transaction.atomic():
            Task.objects.update(title="undone")
            transaction.set_rollback(True)
        Task.objects.update(title="done")
        with transaction.atomic():
            Task.objects.update(title="done too")
            transaction.set_rollback(True)

    assert told == [cast.alpha.pk]


def test_what_is_rolled_back_is_not_told(cast: Cast, web: Project, told: list[int]) -> None:
    told.clear()
    with tenant_context(cast.alpha), transaction.atomic():
        Task.objects.update(title="undone")
        transaction.set_rollback(True)

    assert told == []


# --- One for all ----------------------------------------------------------------------------------


def together(number: int, call: Callable[[], Any]) -> list[Any]:
    """What so many threads find that call at once."""
    found: list[Any] = []
    gate = threading.Barrier(number)

    def run() -> None:
        try:
            gate.wait()
            found.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_fifty_who_ask_for_one_that_has_ended_have_it_built_twice_at_most(
    cast: Cast, web: Project, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(api, "tasks/")
    by_service(cast, web, api)
    built: list[str] = []
    waited = answers.waited

    def counted(found: caching.Found) -> answers.Answer | None:
        answer = waited(found)
        if answer is None:
            built.append(found.state)
            time.sleep(0.02)  # a query that takes its time
        return answer

    monkeypatch.setattr(answers, "waited", counted)
    clients = [Api("alpha", api.token) for _ in range(50)]
    responses = together(50, lambda: clients.pop().get("tasks/"))

    assert len(responses) == 50
    assert {tuple(titles(each)) for each in responses} == {("New",)}
    assert 1 <= len(built) <= 2, built


def test_who_waits_in_vain_asks_the_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(api, "tasks/")
    forget_cached()
    api.get("")
    states: list[str] = []
    monkeypatch.setattr(answers, "WAIT_S", 0.03)

    def claim(found: caching.Found, answer: Any) -> bool:
        states.append(found.state)
        return True

    monkeypatch.setattr(answers, "keep", claim)

    assert [titles(api.get("tasks/")) for _ in range(4)] == [["One"]] * 4
    assert states == ["new", "cold", "build", "wait"]


# --- A race ---------------------------------------------------------------------------------------


def stale_reads(api: Api, task: Task, readers: list[Api], *, rounds: int) -> int:
    """How often a client reads an older title than the one it has just written."""
    done, stale = threading.Event(), 0

    def read_on() -> None:
        try:
            reader = readers.pop()
            while not done.is_set():
                reader.get("tasks/")
        finally:
            connection.close()

    threads = [threading.Thread(target=read_on) for _ in range(len(readers))]
    for thread in threads:
        thread.start()
    try:
        for number in range(rounds):
            for title in (f"{number} before", f"{number}"):  # while one is still being built
                api.patch(f"tasks/{task.pk}/", {"title": title})
            stale += titles(api.get("tasks/")) != [f"{number}"]
    finally:
        done.set()
        for thread in threads:
            thread.join()
    return stale


def race(cast: Cast, api: Api, monkeypatch: pytest.MonkeyPatch, *, rounds: int) -> int:
    keep = answers.keep

    def keep_late(found: caching.Found, answer: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            time.sleep(secrets.randbelow(10_000) / 1e6)  # the writer gets its turn
        keep(found, answer)

    monkeypatch.setattr(answers, "keep", keep_late)
    with tenant_context(cast.alpha):
        task = Task.objects.get()
    readers = [Api("alpha", api.token) for _ in range(3)]
    return stale_reads(api, task, readers, rounds=rounds)


def test_a_client_never_reads_what_it_has_replaced(
    cast: Cast, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert race(cast, api, monkeypatch, rounds=ROUNDS) == 0


def test_with_a_delete_after_the_commit_it_does(
    cast: Cast, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race of the test above is one: the usual way loses it."""

    def delete(subjects: list[str]) -> None:
        keys = keys_of_answers()
        if keys:
            redis().delete(*keys)

    monkeypatch.setattr(caching, "bump", delete)

    assert race(cast, api, monkeypatch, rounds=100) > 0


# --- Without Redis --------------------------------------------------------------------------------


def test_refused_hanging_cut_or_flushed_nothing_is_wrong_and_nothing_fails(
    cast: Cast, web: Project, api: Api, tmp_path: Path
) -> None:
    def agrees(title: str) -> None:
        with tenant_context(cast.alpha):
            task = Task.objects.get()
        assert api.patch(f"tasks/{task.pk}/", {"title": title}).status_code == 200
        for _ in range(4):
            assert titles(api.get("tasks/")) == [title]

    with relayed_cache(tmp_path) as relay:
        agrees("there")
        relay.delay_s = 0.05
        agrees("slow")
        relay.delay_s = 0.3  # beyond the time that it is given
        agrees("too slow")
        relay.delay_s, caching.breaker = 0.0, Breaker()
        agrees("fast again")
        relay.cut()
        agrees("cut")
        forget_cached()
        agrees("flushed")
        relay.hang()
        agrees("hanging")
        relay.recover()
        agrees("left alone")
        caching.breaker = Breaker()
        agrees("back")
    for number, outage in enumerate((cache_refused, cache_hanging)):
        (tmp_path / f"{number}").mkdir()
        with outage(tmp_path / f"{number}"):
            agrees(outage.__name__)
    caching.breaker = Breaker()
    agrees("there again")


def test_a_bump_that_redis_missed_is_made_before_anything_is_read(
    cast: Cast, web: Project, api: Api, tmp_path: Path
) -> None:
    with relayed_cache(tmp_path) as relay:
        kept(api, "tasks/")
        relay.hang()
        by_service(cast, web, api)
        relay.recover()

        assert titles(api.get("tasks/")) == ["New"]


# --- With and without -----------------------------------------------------------------------------


ADDRESSES = [
    *LISTS, "labels/", "tasks/?limit=2", "tasks/?status=done", "tasks/?assignee=me",
    "tasks/?q=new", "tasks/?colour=red", "tasks/WEB-1/", "projects/?limit=1",
]  # fmt: skip
CHANGES: list[Callable[[Api, int], Any]] = [
    lambda api, step: api.post("tasks/", {"project": "WEB", "title": f"New {step}"}),
    lambda api, step: api.patch("tasks/WEB-1/", {"title": f"New {step}"}),
    lambda api, step: api.patch("tasks/WEB-2/", {"status": ("done", "active")[step % 2]}),
    lambda api, step: api.post("labels/", {"name": f"label {step}"}),
    lambda api, step: api.delete("tasks/WEB-3/"),
    lambda api, step: api.patch("projects/WEB/", {"name": f"Web {step}"}),
]


@given(seed=st.integers())
@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_with_the_cache_and_without_it_each_answer_is_the_same(
    api: Api, remembering: None, seed: int
) -> None:
    """500 requests, reads and writes as they come; each read once with the cache, once without."""
    dice, states = random.Random(seed), Counter[str]()  # noqa: S311  no secret
    for step in range(500):
        if dice.random() < 0.1:
            dice.choice(CHANGES)(api, step)
            continue
        address = dice.choice(ADDRESSES)
        response = api.get(address)
        states[detail(response)] += 1
        with no_cache():
            plain = api.get(address)
        assert as_sent(response) == as_sent(plain), (step, address)
    assert states["same"] > 50, states


def as_sent(response: Any) -> tuple[Any, ...]:
    return response.status_code, response.content, response.get("ETag"), response.get("Link")


# --- In the process -------------------------------------------------------------------------------


def test_what_the_process_has_is_not_fetched_again_and_ends_with_the_next_change(
    cast: Cast, web: Project, api: Api, remembering: None
) -> None:
    body = kept(api, "tasks/")
    assert [state(api, "tasks/") for _ in range(2)] == ["same", "same"]
    assert api.get("tasks/").content == body

    by_service(cast, web, api)

    assert titles(api.get("tasks/")) == ["New"]


def test_what_this_process_has_forgotten_meanwhile_is_made(
    api: Api, remembering: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(api, "tasks/")
    assert state(api, "tasks/") == "same"
    read = answers.read

    def forgetful(found: caching.Found) -> answers.Answer | None:
        answers.recent.clear()
        return read(found)

    monkeypatch.setattr(answers, "read", forgetful)

    response = api.get("tasks/")
    assert (response.status_code, titles(response)) == (200, ["One"])


def test_who_wants_it_fresh_asks_the_database(cast: Cast, web: Project, api: Api) -> None:
    kept(api, "tasks/")

    assert state(api, "tasks/", cache_control="no-cache") == "never"
    assert state(api, "tasks/", cache_control="max-age=0") == "kept"
