"""`manage.py import_tasks`: what it writes, refuses and tells."""

from __future__ import annotations

import gzip
import io
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from projects.models import Project
from projects.services import project_set_archived
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind, Membership, Role, Tenant, User
from taskproject.tests.cast import make_project, make_task
from tasks.dataset.source import Line
from tasks.models import Label, Task
from tasks.services.imports.run import tasks_import
from tasks.services.tasks import task_delete
from tasks.tests.import_lines import Interrupted, encoded, record, write


def run(*args: str, **options: Any) -> str:
    """Run the command; what it printed on both streams."""
    output = io.StringIO()
    call_command("import_tasks", *args, stdout=output, stderr=output, **options)
    return output.getvalue()


def refusal(*args: str, **options: Any) -> str:
    """Run the command, which must fail; what it printed, and the error."""
    output = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("import_tasks", *args, stdout=output, stderr=output, **options)
    assert caught.value.returncode == 1
    return f"{output.getvalue()}{caught.value}"


def in_acme(queryset: Any, *fields: str) -> list[Any]:
    with tenant_context(Tenant.objects.get(slug="acme")):
        return list(queryset.order_by("id").values_list(*fields, flat=len(fields) == 1))


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_makes_all_that_its_tasks_need(db, tmp_path, packed):
    path = write(tmp_path, record(assignee="bob", labels=["bug"], title=" a "), packed=packed)

    assert "Added 1 tenants, 1 projects, 2 members, 1 labels, 1 tasks" in run(path)

    places = Membership.objects.values_list("user__username", "role", "tenant__slug")
    assert set(places) == {("ann", Role.MEMBER, "acme"), ("bob", Role.MEMBER, "acme")}
    assert in_acme(Task.objects, "title", "number", "project__key") == [(" a ", 1, "WEB")]
    assert in_acme(Label.objects, "name") == ["bug"]
    assert not User.objects.get(username="ann").has_usable_password()


def test_what_is_made_has_its_events(db, tmp_path):
    run(write(tmp_path, record(external_key="k", labels=["bug"])))

    assert in_acme(Event.objects, "kind", "actor__username", "changes") == [
        (EventKind.MEMBER_ADDED, None, {"user": "ann", "role": "member"}),
        (EventKind.PROJECT_CREATED, "ann", {"key": "WEB", "name": "WEB"}),
        (EventKind.LABEL_CREATED, "ann", {"name": "bug"}),
        (EventKind.TASK_IMPORTED, "ann", {"external_key": "k"}),
    ]


def test_what_exists_already_is_used_and_stays_as_it_is(cast, tmp_path):
    project = make_project(cast.alpha, cast.alice)
    make_task(project, cast.alice)
    with tenant_context(cast.alpha):
        Label.objects.create(name="Bug")
    line = record(tenant="alpha", creator="alice", assignee="vera", labels=["bug"])

    assert "Added 0 tenants, 0 projects, 0 members, 0 labels, 1 tasks" in run(write(tmp_path, line))

    with tenant_context(cast.alpha):
        task = Task.objects.get(number=2, project=project)
        assert [link.label.name for link in task.task_labels.all()] == ["Bug"]
    assert Membership.objects.get(tenant=cast.alpha, user=cast.vera).role == Role.VIEWER


def test_one_bad_line_keeps_everything_out_and_each_bad_line_is_told(db, tmp_path):
    told = refusal(write(tmp_path, record(), b"", record(status="dne"), b"nope", record(title="")))

    assert "line 3: status: 'dne' is unknown" in told
    assert "line 4: is no JSON" in told
    assert "line 5: title: is empty" in told
    assert "3 of 4 lines were rejected. Nothing was written." in told
    assert not Tenant.objects.exists()


def test_skip_imports_the_others_and_leaves_no_gap_in_the_numbers(db, tmp_path):
    lines = [record(title="one"), record(title=""), record(title="two")]

    told = run(write(tmp_path, *lines), on_error="skip")

    assert "2 tasks; 0 already there, 1 rejected" in told
    assert in_acme(Task.objects, "number", "title") == [(1, "one"), (2, "two")]


def test_rejects_are_written_with_line_reason_and_text(db, tmp_path):
    rejects = tmp_path / "rejects.ndjson"

    refusal(write(tmp_path, record(), b"n\xf6pe"), rejects=str(rejects))

    entry = json.loads(rejects.read_text())
    assert (entry["line"], entry["text"]) == (2, "n\\xf6pe")
    assert entry["reason"].startswith("is no JSON")


def test_the_terminal_shows_fifty_rejects_and_the_file_all(db, tmp_path):
    rejects = tmp_path / "rejects.ndjson"

    told = refusal(write(tmp_path, *[b"nope"] * 60), rejects=str(rejects))

    assert (told.count("is no JSON"), len(rejects.read_text().splitlines())) == (50, 60)
    assert f"… and 10 more: {rejects}" in told


def test_the_file_itself_is_never_taken_for_the_rejects(db, tmp_path):
    path = write(tmp_path, record())

    assert "--rejects names the file to import" in refusal(path, rejects=path)
    assert Path(path).stat().st_size > 0


def test_a_second_run_adds_nothing_and_a_deleted_task_is_still_there(db, tmp_path):
    path = write(tmp_path, record(), record())
    run(path)
    with tenant_context(Tenant.objects.get()):
        first = Task.objects.order_by("id")[0]
        task_delete(task_id=first.pk, actor_id=first.creator_id)

    assert "Added 0 tenants, 0 projects, 0 members, 0 labels, 0 tasks; 2 already" in run(path)
    assert in_acme(Task.objects, "number") == [1, 2]


@pytest.mark.parametrize("size", [1, 2], ids=["in two batches", "in one batch"])
def test_a_record_twice_in_a_file_is_imported_once(db, tmp_path, size):
    done = {"status": "done", "completed_at": "2024-06-01T00:00:00+05:30"}
    line = record(labels=["bug", "ci"], assignee="bob", **done)

    told = run(write(tmp_path, line, line | {"labels": ["CI", "bug"]}), batch_size=size)

    assert "1 tasks; 1 already there, 0 rejected" in told


@pytest.mark.parametrize("size", [1, 2], ids=["in two batches", "in one batch"])
def test_an_external_key_twice_with_other_content_is_rejected(db, tmp_path, size):
    path = write(tmp_path, record(external_key="k"), record(external_key="k", labels=["bug"]))

    told = refusal(path, batch_size=size)

    assert "line 2: external_key: 'k' stands on an earlier line with other content" in told


def test_an_external_key_belongs_to_its_tenant(db, tmp_path):
    path = write(tmp_path, record(external_key="k"), record(external_key="k", tenant="b_b"))

    assert "Added 2 tenants, 2 projects, 2 members, 0 labels, 2 tasks; 0 already" in run(path)


def test_an_archived_project_takes_no_task(cast, tmp_path):
    project = make_project(cast.alpha, cast.alice)
    with tenant_context(cast.alpha):
        project_set_archived(project_id=project.pk, archived=True, actor_id=cast.alice.pk)

    told = refusal(write(tmp_path, record(tenant="alpha")))

    assert "line 1: project: WEB is archived; bring it back first" in told


def test_a_dry_run_writes_nothing_and_says_so(db, tmp_path):
    told = run(write(tmp_path, record()), dry_run=True)

    assert "Would add 1 tenants" in told
    assert "This was a dry run: everything was rolled back." in told
    assert not Tenant.objects.exists()


def test_limit_reads_the_first_records_only(db, tmp_path):
    run(write(tmp_path, record(title="one"), b"", record(title="two"), b"nope"), limit=2)

    assert in_acme(Task.objects, "title") == ["one", "two"]


def test_numbers_run_on_over_batches_in_the_order_of_the_file(db, tmp_path):
    keys = ["WEB", "APP", "WEB", "WEB", "APP"]

    run(write(tmp_path, *(record(project=key, title=f"{n}") for n, key in enumerate(keys))),
        batch_size=2)  # fmt: skip

    found = in_acme(Task.objects, "title", "project__key", "number")
    assert found == [("0", "WEB", 1), ("1", "APP", 1), ("2", "WEB", 2), ("3", "WEB", 3),
                     ("4", "APP", 2)]  # fmt: skip
    assert in_acme(Project.objects, "next_number") == [4, 3]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(db, tmp_path):
    path = tmp_path / "windows.ndjson"
    path.write_bytes(b"\xef\xbb\xbf" + encoded(record(), record()).replace(b"\n", b"\r\n"))

    assert "2 tasks; 0 already there, 0 rejected" in run(str(path))


def test_a_line_beyond_1_mib_is_rejected_and_the_next_one_read(db, tmp_path):
    lines = [record(description="x" * 3_000_000), record()]

    told = run(write(tmp_path, *lines), on_error="skip")

    assert "line 1: is longer than 1,048,576 bytes" in told
    assert "1 tasks; 0 already there, 1 rejected" in told


def test_standard_input_is_read_packed_or_not(db, monkeypatch):
    for content in (encoded(record()), gzip.compress(encoded(record()))):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))

        assert "1 tasks" in run("-")


@pytest.mark.parametrize("skip", ["abort", "skip"])
def test_a_truncated_gzip_file_imports_nothing(db, tmp_path, skip):
    path = Path(write(tmp_path, *(record() for _ in range(500)), packed=True))
    path.write_bytes(path.read_bytes()[:-200])

    assert "is a gzip file that ends too early" in refusal(str(path), batch_size=10, on_error=skip)
    assert not Tenant.objects.exists()


def test_a_damaged_gzip_file_imports_nothing(db, tmp_path):
    path = Path(write(tmp_path, *(record() for _ in range(500)), packed=True))
    content = bytearray(path.read_bytes())
    content[-8:-4] = b"\0\0\0\0"  # its checksum
    path.write_bytes(content)

    assert "is a damaged gzip file" in refusal(str(path))


def test_a_missing_file_a_folder_and_an_empty_file_are_told(db, tmp_path):
    assert "can't be read: No such file or directory." in refusal(str(tmp_path / "none"))
    assert "can't be read: Is a directory." in refusal(str(tmp_path))
    assert "0 tasks; 0 already there, 0 rejected" in run(write(tmp_path))


def test_ctrl_c_rolls_back_and_says_so(db, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Interrupted(record()))))

    with pytest.raises(CommandError, match=r"^Interrupted\. Nothing was written\.$") as caught:
        call_command("import_tasks", "-", batch_size=1)

    assert caught.value.returncode == 130
    assert not Tenant.objects.exists()


def test_a_terminal_sees_one_line_that_is_rewritten(db, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.management.progress.REWRITE_S", 0)
    output = io.StringIO()
    monkeypatch.setattr(output, "isatty", lambda: True)

    call_command("import_tasks", write(tmp_path, record()), stdout=io.StringIO(), stderr=output)

    bar = "#" * 24
    assert output.getvalue().startswith(f"\r\x1b[K[{bar}] 100% 1 records, ")
    assert output.getvalue().endswith(" a second\r\x1b[K")


@pytest.mark.parametrize("again", [False, True], ids=["first run", "second run"])
def test_statements_do_not_grow_with_the_rows(db, again):
    def statements(rows: int, tenant: str) -> int:
        records = [record(tenant=tenant, labels=["bug"], assignee="bob") for _ in range(rows)]
        lines = [Line(n, json.dumps(each).encode()) for n, each in enumerate(records, 1)]
        if again:
            tasks_import(lines)
        with CaptureQueriesContext(connection) as queries:
            tasks_import(lines)
        return len(queries)

    statements(3, "warm")
    assert statements(30, "ten_times") == statements(3, "few")


@pytest.mark.django_db(transaction=True)
def test_an_import_waits_until_another_one_has_ended():
    other = connection.copy()
    other.inc_thread_sharing()
    told = []
    with other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext('tasks_import'))")

    def finish_other() -> None:
        told.append("waited")
        threading.Timer(0.2, other.close).start()

    summary = tasks_import([Line(1, json.dumps(record()).encode())], on_wait=finish_other)

    assert (told, summary.total("tasks")) == (["waited"], 1)


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_a_file_at_once_make_nothing_twice():
    records = [record(labels=["bug"], assignee=f"user{n % 7}") for n in range(200)]
    lines = [Line(n, json.dumps(each).encode()) for n, each in enumerate(records, 1)]
    summaries = []

    def work() -> None:
        summaries.append(tasks_import(lines, batch_size=50))
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(each.total("tasks") for each in summaries) == [0, 200]
    assert sorted(each.total("already_there") for each in summaries) == [0, 200]
    assert in_acme(Task.objects, "number") == list(range(1, 201))


def test_a_task_that_goes_by_its_own_key_is_there_already(cast, tmp_path):
    """As an export writes it: an export that is imported where it comes from adds nothing."""
    project = make_project(cast.alpha, cast.alice)
    make_task(project, cast.alice, title="Without a key")
    make_task(project, cast.alice, external_key="old-7")
    path = str(tmp_path / "alpha.ndjson")
    call_command("export_tasks", "alpha", path, stderr=io.StringIO())

    assert "0 tasks; 2 already there, 0 rejected" in run(path)

    others = [record(tenant="alpha", creator="alice", external_key=key) for key in
              ("WEB-2", "WEB-3", "WEB-01", "WEB-", "-1", "OPS-1")]  # fmt: skip
    assert "6 tasks; 0 already there" in run(write(tmp_path, *others))


def test_a_tenant_gets_no_more_labels_than_it_can_have(db, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.services.imports.tenant_part.LABELS_PER_TENANT", 3)
    lines = [record(labels=names) for names in (["a", "b"], ["c", "d"], ["B", "c"], ["d"])]

    told = run(write(tmp_path, *lines), on_error="skip")

    assert "3 labels, 2 tasks; 0 already there, 2 rejected" in told
    assert "line 2: labels: a tenant can have 3 labels; use those that it has" in told
    assert "line 4: labels: a tenant can have 3 labels" in told


@pytest.mark.parametrize("size", [1, 5], ids=["in batches of one", "in one batch"])
def test_labels_that_postgresql_alone_can_fold_are_taken(db, tmp_path, size):
    line = record(labels=["λόγος", "ΛΌΓΟΣ", "İ"])

    told = run(write(tmp_path, record(labels=["i"]), line, line), batch_size=size)

    assert "2 tasks; 1 already there, 0 rejected" in told


def test_nobody_is_called_what_addresses_use_for_something_else(db, tmp_path):
    told = refusal(write(tmp_path, *(record(creator=name) for name in ("me", ".", ".."))))

    assert told.count("is a name that nobody can have; use another one") == 3


def test_a_line_with_thousands_of_mistakes_is_told_in_a_few_words(db, tmp_path):
    wrong = [record(**{f"field {n}": 1 for n in range(5_000)}), record(labels=[""] * 5_000)]

    told = refusal(write(tmp_path, *wrong))

    assert "; and 4,990 more" in told
    assert "labels: are 5,000; a task carries 20 at most" in told
    assert len(told) < 10_000
