"""The header Idempotency-Key: sent again, a request is answered as before and done once."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.api.viewsets import TenantViewSet
from taskproject.tenancy.idempotency import KeptAnswer, KeyInFlight, key_claim, key_keep
from taskproject.tenancy.models import IdempotencyKey
from taskproject.tests.api.calls import Api, api_of, good, problem, told
from taskproject.tests.cast import Cast, make_cast, make_project, make_task
from tasks.models import Comment, Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def web(cast: Cast) -> Project:
    return make_project(cast.alpha, cast.alice)


@pytest.fixture
def bob(cast: Cast, web: Project) -> Api:
    """Alpha's API as Bob, a member, sees it. There is the project WEB."""
    return api_of(cast.alpha, cast.bob)


def new(title: str = "New") -> dict[str, Any]:
    return {"project": "WEB", "title": title}


def tasks_in(cast: Cast) -> int:
    with tenant_context(cast.alpha):
        return Task.objects.count()


def without_times(headers: Any) -> dict[str, str]:
    own = {"X-Request-Id", "RateLimit", "Idempotency-Replayed", "Server-Timing"}
    return {name: value for name, value in headers.items() if name not in own}


@pytest.mark.parametrize(
    ("method", "address", "body", "status"),
    [
        ("post", "tasks/", new(), 201),
        ("post", "projects/WEB/tasks/", {"title": "New"}, 201),
        ("post", "tasks/bulk/create/", {"items": [new("One"), new("Two")]}, 201),
        ("post", "tasks/bulk/create/", {"mode": "partial", "items": [new(), {}]}, 207),
        ("post", "tasks/{task}/comments/", {"body": "Hm"}, 201),
        ("post", "tasks/{task}/restore/", None, 200),
        ("patch", "tasks/{task}/", {"title": "Renamed"}, 200),
        ("patch", "tasks/{task}/", {}, 200),
    ],
)
def test_a_request_that_is_sent_again_is_done_once(
    cast: Cast, web: Project, bob: Api, method: str, address: str, body: Any, status: int
) -> None:
    address = address.format(task=make_task(web, cast.alice).pk)
    first = getattr(bob, method)(address, body, idempotency_key="k-1")
    events = told(cast.alpha)

    again = getattr(bob, method)(address, body, idempotency_key="k-1")

    assert (first.status_code, again.status_code) == (status, status)
    assert again.content == first.content
    assert without_times(again.headers) == without_times(first.headers)
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert told(cast.alpha) == events
    assert tasks_in(cast) == sum(kind == "task created" for kind, _ in events)


def test_another_key_is_another_request(cast: Cast, bob: Api) -> None:
    keys = [good(bob.post("tasks/", new(), idempotency_key=key), 201)["key"] for key in "ab"]

    assert keys == ["WEB-1", "WEB-2"]


@pytest.mark.parametrize(
    ("address", "body"), [("tasks/", new("Other")), ("labels/", new()), ("tasks/?x=1", new())]
)
def test_a_key_of_another_request_is_refused(
    cast: Cast, bob: Api, address: str, body: dict[str, Any]
) -> None:
    alice = api_of(cast.alpha, cast.alice)
    good(alice.post("tasks/", new(), idempotency_key="k"), 201)

    refused = alice.post(address, body, idempotency_key="k")

    expected = (400, "invalid-parameter") if "?" in address else (422, "idempotency-key-reused")
    assert problem(refused) == expected
    assert tasks_in(cast) == 1


def test_keys_of_others_are_others(cast: Cast, bob: Api) -> None:
    alice = api_of(cast.alpha, cast.alice)
    make_project(cast.beta, cast.carol)
    carol = api_of(cast.beta, cast.carol)

    answers = [each.post("tasks/", new(), idempotency_key="k") for each in (alice, bob, carol)]

    assert [each.status_code for each in answers] == [201, 201, 201]
    assert not any("Idempotency-Replayed" in each for each in answers)
    assert tasks_in(cast) == 2


def test_what_was_refused_is_not_kept(cast: Cast, bob: Api) -> None:
    assert problem(bob.post("tasks/", new(""), idempotency_key="k")) == (422, "validation")

    assert good(bob.post("tasks/", new(), idempotency_key="k"), 201)["key"] == "WEB-1"


def test_a_change_that_came_too_late_can_be_sent_again_with_its_key(
    cast: Cast, web: Project, bob: Api
) -> None:
    task = make_task(web, cast.alice)
    tag = bob.get(f"tasks/{task.pk}/")["ETag"]
    bob.patch(f"tasks/{task.pk}/", {"title": "Other"})
    asked = {"if_match": tag, "idempotency_key": "k"}
    late = bob.patch(f"tasks/{task.pk}/", {"title": "Late"}, **asked)
    assert problem(late) == (412, "version-conflict")

    asked["if_match"] = bob.get(f"tasks/{task.pk}/")["ETag"]
    assert good(bob.patch(f"tasks/{task.pk}/", {"title": "Late"}, **asked))["version"] == 3


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "a\tb"])
def test_what_is_no_key_is_refused(cast: Cast, bob: Api, key: str) -> None:
    refused = bob.post("tasks/", new(), idempotency_key=key)

    assert problem(refused) == (400, "invalid-header")
    assert tasks_in(cast) == 0


def test_other_methods_need_no_key_and_ignore_it(cast: Cast, web: Project, bob: Api) -> None:
    task = make_task(web, cast.alice)

    for method in ("get", "delete"):
        answer = getattr(bob, method)(f"tasks/{task.pk}/", idempotency_key="k")
        assert answer.status_code < 300
    with tenant_context(cast.alpha):
        assert not IdempotencyKey.objects.exists()


def test_a_key_is_free_again_after_a_day(cast: Cast, bob: Api) -> None:
    good(bob.post("tasks/", new(), idempotency_key="k"), 201)
    with tenant_context(cast.alpha):
        a_day_ago = timezone.now() - timedelta(hours=24)
        IdempotencyKey.objects.update(created_at=a_day_ago + timedelta(minutes=1))
    assert "Idempotency-Replayed" in bob.post("tasks/", new(), idempotency_key="k")
    with tenant_context(cast.alpha):
        IdempotencyKey.objects.update(created_at=a_day_ago)

    assert good(bob.post("tasks/", new("Other"), idempotency_key="k"), 201)["key"] == "WEB-2"
    with tenant_context(cast.alpha):
        assert IdempotencyKey.objects.count() == 1


def test_a_token_is_shown_once_with_a_key_too(cast: Cast, web: Project) -> None:
    alice = api_of(cast.alpha, cast.alice)
    issued = good(alice.post("tokens/", {"name": "CI"}, idempotency_key="k"), 201)

    again = alice.post("tokens/", {"name": "CI"}, idempotency_key="k")

    assert problem(again) == (409, "state-conflict")
    with tenant_context(cast.alpha):
        kept = IdempotencyKey.objects.get()
    assert issued["token"].encode() not in bytes(kept.response or b"")


def test_it_costs_two_statements_besides_those_of_the_transaction(cast: Cast, bob: Api) -> None:
    bob.post("tasks/", new())
    with CaptureQueriesContext(connection) as queries:
        bob.post("tasks/", new(), idempotency_key="k")
    said = [each["sql"].split()[0] for each in queries if "SAVEPOINT" not in each["sql"]]

    assert said == ["SELECT", "WITH", "INSERT"]


def test_a_failure_behind_the_work_undoes_the_key_as_well(
    cast: Cast, web: Project, bob: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise KeyInFlight

    with monkeypatch.context() as patched:
        patched.setattr("taskproject.tenancy.api.idempotency.key_keep", fail)
        refused = bob.post("tasks/", new(), idempotency_key="k")
    assert problem(refused) == (409, "locked")
    assert refused["Retry-After"] == "1"
    assert tasks_in(cast) == 0

    assert good(bob.post("tasks/", new(), idempotency_key="k"), 201)["key"] == "WEB-1"


# --- With real commits ----------------------------------------------------------------------------


@pytest.fixture
def committed(transactional_db: None) -> Cast:
    made = make_cast()
    make_project(made.alpha, made.alice)
    return made


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_was_lost_after_the_commit_is_given_to_the_retry(
    committed: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = api_of(committed.alpha, committed.bob)

    def lose(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("The worker was killed.")

    with monkeypatch.context() as patched:
        patched.setattr(TenantViewSet, "finalize_response", lose)
        lost = bob._client.generic(
            "POST",
            bob.at("tasks/"),
            b'{"project":"WEB","title":"New"}',
            "application/json",
            headers={"idempotency-key": "k"},
        )
    assert lost.status_code == 500
    assert tasks_in(committed) == 1

    again = bob.send("POST", "tasks/", b'{"project":"WEB","title":"New"}', idempotency_key="k")
    assert good(again, 201)["key"] == "WEB-1"
    assert again["Idempotency-Replayed"] == "true"
    assert tasks_in(committed) == 1


@pytest.mark.django_db(transaction=True)
def test_of_fifty_requests_at_once_one_is_done(committed: Cast) -> None:
    bob = api_of(committed.alpha, committed.bob)
    with tenant_context(committed.alpha):
        task = make_task(Project.objects.get(), committed.alice)
    start = threading.Barrier(10, timeout=30)
    seen: Counter[tuple[int, bool]] = Counter()

    def post() -> None:
        for _ in range(5):
            start.wait()
            answer = bob.post(f"tasks/{task.pk}/comments/", {"body": "Hm"}, idempotency_key="k")
            connection.close()
            seen[answer.status_code, "Idempotency-Replayed" in answer] += 1

    threads = [threading.Thread(target=post) for _ in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sum(seen.values()) == 50
    assert seen[201, False] == 1
    assert set(seen) <= {(201, False), (201, True), (409, False)}
    with tenant_context(committed.alpha):
        assert Comment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_beside_one_that_is_at_work_is_told_to_come_again(committed: Cast) -> None:
    bob = api_of(committed.alpha, committed.bob)
    given: Any = {"user_id": committed.bob.pk, "key": "k", "fingerprint": b"x"}
    answers = []

    def post() -> None:
        answers.append(bob.post("tasks/", new(), idempotency_key="k"))
        connection.close()

    with tenant_context(committed.alpha), transaction.atomic():
        assert key_claim(**given) is None
        other = threading.Thread(target=post)
        other.start()
        other.join(20)

    assert problem(answers[0]) == (409, "locked")
    assert answers[0]["Retry-After"] == "1"
    assert answers[0].json()["retry_after"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_that_overtook_the_look_is_noticed_when_the_answer_is_kept(
    committed: Cast,
) -> None:
    answer = KeptAnswer(201, {}, b"{}")
    given: Any = {"user_id": committed.bob.pk, "key": "k", "fingerprint": b"x"}
    with tenant_context(committed.alpha):
        key_keep(**given, answer=answer)
        with pytest.raises(KeyInFlight), transaction.atomic():
            key_keep(**given, answer=answer)
