"""Imports that commit as they go: what stays when they break off, and how they go on."""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Count

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind, Tenant
from taskproject.tests.children import finish, on_a_server, start
from tasks.dataset.source import Line
from tasks.models import Task
from tasks.services.imports.run import tasks_import
from tasks.tests.import_lines import Interrupted, record, write
from tasks.tests.test_import_tasks import refusal, run

pytestmark = pytest.mark.django_db(transaction=True)


def titles() -> list[str]:
    with tenant_context(Tenant.objects.get()):
        return list(Task.objects.order_by("number").values_list("title", flat=True))


def five(**third: str) -> list[dict[str, Any]]:
    """Five records, whose third one may be another."""
    return [record(title=f"{n}") | (third if n == 3 else {}) for n in range(1, 6)]


def test_what_was_committed_before_a_rejected_line_stays(tmp_path: Path) -> None:
    records = five(title="")
    path = write(tmp_path, *records)

    told = refusal(path, commit_every=2)

    assert "1 of 4 lines were rejected. The lines up to 2 are imported and stay" in told
    assert titles() == ["1", "2"]

    write(tmp_path, *records[:2], records[2] | {"title": "3"}, *records[3:])
    assert "3 tasks; 2 already there, 0 rejected" in run(path, commit_every=2)
    assert titles() == ["1", "2", "3", "4", "5"]


def test_ctrl_c_keeps_what_was_committed_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Interrupted(*five()[:3]))))
    with pytest.raises(CommandError, match="The lines up to 2 are imported and stay") as caught:
        call_command("import_tasks", "-", commit_every=2, stderr=io.StringIO())

    assert caught.value.returncode == 130
    assert titles() == ["1", "2"]


def test_a_file_that_ends_too_early_keeps_what_was_committed(tmp_path: Path) -> None:
    path = Path(write(tmp_path, *(record() for _ in range(6_000)), packed=True))
    path.write_bytes(path.read_bytes()[:-200])

    told = refusal(str(path), commit_every=500)

    assert "is a gzip file that ends too early" in told
    assert "are imported and stay; run it again, and it goes on behind them." in told
    assert titles()


def test_skipping_commits_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.management.commands.import_tasks.SKIPPING_COMMITS_EVERY", 2)

    assert "4 tasks; 0 already there, 1 rejected" in run(
        write(tmp_path, *five(title="")), on_error="skip"
    )

    with tenant_context(Tenant.objects.get()):
        events = Event.objects.filter(kind=EventKind.TASK_IMPORTED)
        assert list(events.values("xid").annotate(n=Count("id")).values_list("n", flat=True)) == [
            2, 1, 1,
        ]  # fmt: skip


def test_a_dry_run_commits_nothing_however_often_it_should(tmp_path: Path) -> None:
    assert "Would add" in run(write(tmp_path, *five()), dry_run=True, commit_every=1)
    assert not Tenant.objects.exists()


def test_a_key_twice_is_seen_over_commits(tmp_path: Path) -> None:
    path = write(tmp_path, record(external_key="k"), record(external_key="k", title="other"))

    assert "line 2: external_key: 'k' stands on an earlier line" in refusal(path, commit_every=1)


_PEAK: Final = """
import resource, sys, django
django.setup()
from django.core.management import call_command
call_command("import_tasks", sys.argv[1], dry_run=True, verbosity=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
SIZES: Final = (42_548, 1_000_000) if os.environ.get("PROVE") else (10_000, 40_000)


def peak_kib(path: Path, size: int) -> int:
    """The most memory that a process needs to import so many lines, of 500 bytes each."""
    with gzip.open(path, "wb", compresslevel=1) as lines:
        for n in range(size):
            each = record(
                tenant=f"t{n * 5 // size}",
                project=f"P{n % 20}",
                title=f"Task {n}",
                description=f"Line {n} of the text. " * 12,
                creator=f"user{n % 97}",
                labels=[f"label-{n % 50}"],
            )
            lines.write(msgspec.json.encode(each) + b"\n")
    code, output, errors = finish(
        start("-c", _PEAK, str(path), environ=on_a_server()), timeout_s=900
    )
    assert code == 0, errors
    return int(output)


def test_many_more_lines_need_hardly_more_memory(tmp_path: Path) -> None:
    few, many = (peak_kib(tmp_path / "many.ndjson.gz", size) for size in SIZES)

    assert few > 20 * 1024
    assert many - few < 50 * 1024, f"{few:,} KiB, {many:,} KiB"


def test_plans_stay_as_they_are_until_a_transaction_ends(tmp_path: Path) -> None:
    """Autovacuum is kept out, and rows are found by index: see `_keep_plans`."""
    seen: list[tuple[str, int]] = []

    def look(summary: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('enable_seqscan'), count(*)::int FROM pg_locks"
                " WHERE mode = 'ShareUpdateExclusiveLock' AND relation = 'task'::regclass"
            )
            seen.append(cursor.fetchone())

    lines = [Line(n, msgspec.json.encode(each)) for n, each in enumerate(five(), 1)]
    tasks_import(lines, commit_every=2, on_progress=look)
    look(None)

    assert seen == [("off", 1)] * 3 + [("on", 0)]


def test_standard_input_is_never_taken_for_the_rejects(tmp_path: Path) -> None:
    path = Path(write(tmp_path, record(title="")))
    content = path.read_bytes()

    with path.open("rb") as lines:
        done = subprocess.run(
            [sys.executable, "manage.py", "import_tasks", "-", "--rejects", str(path)],
            cwd=settings.BASE_DIR,
            env=on_a_server(),
            stdin=lines,
            capture_output=True,
            text=True,
        )

    assert "--rejects names the file to import" in done.stderr
    assert (done.returncode, path.read_bytes()) == (1, content)


def test_ctrl_c_ends_an_import_that_waits_for_a_lock(tmp_path: Path) -> None:
    run(write(tmp_path, record()))
    with tenant_context(Tenant.objects.get()), transaction.atomic():
        Project.objects.select_for_update().get()
        path = write(tmp_path, record())
        child = start("manage.py", "import_tasks", path, environ=on_a_server())
        _wait_for_a_lock()
        child.send_signal(signal.SIGINT)
        code, _, errors = finish(child, timeout_s=20)

    assert (code, "Interrupted. Nothing was written." in errors) == (130, True), errors


def _wait_for_a_lock() -> None:
    """Wait until another session waits for one of ours."""
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.05)
    raise AssertionError("Nobody waits.")
