"""`manage.py seed`: what it writes, refuses and tells."""

from __future__ import annotations

import hashlib
import io
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, Membership, Tenant
from taskproject.tests import crowd as crowds
from taskproject.tests.children import SECRET_KEY, database_url, environment
from tasks.dataset.seeding import loading
from tasks.dataset.seeding.options import SeedOptions
from tasks.dataset.seeding.rows import seed_blocks
from tasks.dataset.seeding.tables import COLUMNS
from tasks.models import Task
from tasks.services.tasks import task_create

pytestmark = pytest.mark.django_db(transaction=True)

SMALL = {"tenants": 3, "tasks": 60}


@pytest.fixture(autouse=True)
def empty(transactional_db: None) -> Iterator[None]:
    """Ids begin with 1, and other tests find no row of these."""
    crowds.leave()
    yield
    crowds.leave()


def seed(**options: Any) -> str:
    """Run the command; what it printed on both streams."""
    output = io.StringIO()
    call_command("seed", stdout=output, stderr=output, **{**SMALL, **options})
    return output.getvalue()


def refusal(**options: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        seed(**options)
    return caught.value


def counts() -> dict[str, int]:
    """The rows of each table, of all tenants."""
    with crowds.owner_session() as owner:
        rows = [owner.execute(f"SELECT count(*) FROM {table}").fetchone() for table in COLUMNS]
    return {table: row[0] for table, row in zip(COLUMNS, rows, strict=True) if row}


def contents() -> dict[str, list[Any]]:
    """All that a seed writes, of all tenants, but for the transaction's id."""
    with crowds.owner_session() as owner:
        return {
            table: owner.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id").fetchall()
            for table, columns in COLUMNS.items()
        }


def test_it_tells_what_it_made():
    told = seed()

    assert (
        "Added 3 tenants: 32 tasks in the largest, 16 in the middle one, 12 in the smallest."
        in told
    )
    assert "Rows: tenant 3, user_account 9, membership 10, project 3, label 12, task 60," in told
    assert " to vacuum and analyse." in told


def test_it_is_silent_when_asked_to():
    assert seed(verbosity=0) == ""


def test_sequences_go_on_behind_the_seed():
    seed()
    largest = Tenant.objects.get(slug="acme")
    person = Membership.objects.filter(tenant=largest).order_by("pk")[0].user_id

    with tenant_context(largest):
        project = Project.objects.get()
        numbers = project.next_number
        task = task_create(project_id=project.pk, title="The next one", actor_id=person)
        event = Event.objects.order_by("pk").last()

    assert (task.pk, task.number) == (61, numbers)
    assert event is not None
    assert event.pk == counts()["event"]


def test_two_prefixes_live_in_one_database():
    seed()
    first = counts()
    seed(prefix="lab-")

    assert counts() == {table: 2 * count for table, count in first.items()}
    assert Tenant.objects.filter(slug="lab-acme", name="Acme Bicycles").exists()
    with tenant_context(Tenant.objects.get(slug="lab-acme")):
        assert Task.objects.order_by("pk")[0].pk == 61


def test_a_taken_slug_is_named_with_the_way_out():
    seed()
    before = counts()

    assert str(refusal()) == (
        "(slug)=(acme) already exists. `make run` or an earlier seed made it: run with another "
        "--prefix. "
        "Nothing was written."
    )
    assert counts() == before


def test_a_taken_user_name_is_named_too():
    seed(prefix="lab-")
    with crowds.owner_session() as owner:
        owner.execute("UPDATE tenant SET slug = 'other-' || id")

    assert "(username)=(lab-ada.lind) already exists." in str(refusal(prefix="lab-"))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--tenants", "0"), "--tenants 0: from 1 to 100,000."),
        (("--tasks", "many"), "argument --tasks: 'many' is not a whole number"),
        (("--zipf", "steep"), "argument --zipf: 'steep' is not a number"),
        (("--zipf", "4.5"), "--zipf 4.5: from 0 (tenants all alike) to 4."),
        (("--until", "soon"), "argument --until: 'soon' is no day; write it as in 2026-06-30"),
        (("--prefix", "Über"), "--prefix 'Über': up to 20"),
    ],
)
def test_bad_options_are_named(arguments, text):
    with pytest.raises(CommandError) as caught:
        call_command("seed", *arguments)

    assert text in str(caught.value)


def test_without_the_owner_it_says_what_is_missing(monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(connection.settings_dict, "OWNER", None)

        assert "set DATABASE_OWNER_URL" in str(refusal())


def test_a_failure_in_the_middle_leaves_nothing(monkeypatch):
    monkeypatch.setattr(loading, "seed_blocks", _broken(seed_blocks))

    told = str(refusal())

    assert told.startswith("The database refused: ")
    assert told.endswith("Nothing was written.")
    assert set(counts().values()) == {0}


def _broken(blocks: Any) -> Any:
    def broken(*args: Any) -> Iterator[Any]:
        for block in blocks(*args):
            if block.table == "event":
                text = block.text.replace(b'{"label"', b'{"label', 1)
                block = type(block)(block.table, text, block.rows)
            yield block

    return broken


def test_ctrl_c_leaves_nothing_and_ends_with_130():
    child = _start("--tasks", "200000", "--tenants", "20")
    _wait_until(lambda: _rows_on_their_way() > 0)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=30)

    assert child.returncode == 130
    assert errors.strip().endswith("CommandError: Interrupted: nothing was written.")
    assert set(counts().values()) == {0}
    seed()


def test_a_killed_seed_leaves_nothing_and_no_lock():
    child = _start("--tasks", "200000", "--tenants", "20")
    _wait_until(lambda: _rows_on_their_way() > 0)
    child.kill()
    child.communicate(timeout=30)

    assert "Added 3 tenants" in seed()


def test_two_seeds_at_once_go_one_after_the_other():
    with crowds.owner_session() as owner, owner.transaction():
        owner.execute("SELECT pg_advisory_xact_lock(hashtext('seed'))")
        children = [
            _start("--tenants", "3", "--tasks", "60", "--prefix", prefix) for prefix in ("a-", "b-")
        ]
        _wait_until(lambda: _waiting() == 2)
    told = [child.communicate(timeout=60) for child in children]

    assert [child.returncode for child in children] == [0, 0]
    assert all("Another seed is running" in errors for _, errors in told)
    assert counts()["tenant"] == 2 * 3


def test_nobody_can_write_in_between_and_everybody_can_read():
    """The service goes on reading; ids that it took meanwhile could be those of the seed."""
    seen = []

    def look(block: Any) -> None:
        if block.table == "task":
            with crowds.owner_session() as other:
                other.execute("SET lock_timeout = '10ms'")
                seen.append(other.execute("SELECT count(*) FROM task").fetchone())
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    other.execute("INSERT INTO tenant (slug, name) VALUES ('late', 'Late')")

    with connection.as_owner():  # type: ignore[attr-defined]
        options = SeedOptions(tenants=3, tasks=60)
        loading.load(options, on_block=look, on_wait=lambda: None)

    assert seen == [(0,)]


def test_a_digest_needs_no_database_and_writes_nothing():
    lines = seed(digest=True).splitlines()

    assert [line.split()[1] for line in lines] == list(COLUMNS)
    assert all(len(line.split()[0]) == 64 for line in lines)
    assert set(counts().values()) == {0}


def test_psql_loads_the_files_to_the_same_rows(tmp_path: Path):
    if not (psql := shutil.which("psql")):
        pytest.skip("There is no psql here: install postgresql-client.")
    seed()
    seeded = contents()
    crowds.leave()

    told = seed(output=tmp_path / "rows")
    run = [psql, "-X", "-q", "-f", "load.sql", database_url(owner=True)]
    subprocess.run(run, cwd=tmp_path / "rows", check=True)

    assert f"Wrote to {tmp_path / 'rows'} 3 tenants" in told
    assert contents() == seeded
    seed(prefix="next-")  # the sequences go on


def test_digests_are_those_of_the_files(tmp_path: Path):
    lines = seed(digest=True, output=tmp_path / "rows").splitlines()

    for digest, table in (line.split() for line in lines):
        file = tmp_path / "rows" / f"{table}.copy"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest


def test_ctrl_c_leaves_no_half_written_files(tmp_path: Path):
    folder = tmp_path / "rows"
    child = _start("--tasks", "1000000", "--output", str(folder))
    _wait_until(lambda: (folder / "task.copy").exists())
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)

    assert child.returncode == 130
    assert not folder.exists()


def test_output_does_not_touch_a_folder_that_is_there(tmp_path: Path):
    (tmp_path / "kept").write_text("mine")

    assert (
        str(refusal(output=tmp_path)) == f"--output: {tmp_path} is there already; name a new one."
    )
    assert (tmp_path / "kept").read_text() == "mine"


def test_progress_is_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr("tasks.management.progress.NEXT_LINE_S", 0)

    assert "60 tasks, 100%; " in seed()


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "seed", *arguments],
        cwd=settings.BASE_DIR,
        env=environment(
            DATABASE_URL=database_url(),
            DATABASE_OWNER_URL=database_url(owner=True),
            SECRET_KEY=SECRET_KEY,
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_until(condition: Any, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _rows_on_their_way() -> int:
    return _count(
        "SELECT count(*) FROM pg_stat_progress_copy WHERE datname = current_database()"
        " AND relid = 'task'::regclass AND tuples_processed > 0"
    )


def _waiting() -> int:
    return _count(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )


def _count(statement: str) -> int:
    with crowds.owner_session() as owner:
        row = owner.execute(statement).fetchone()
    return int(row[0]) if row else 0
