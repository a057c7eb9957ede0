"""`manage.py benchmark_batches`, small: every way does the same work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind
from taskproject.tests.cast import Cast, make_project
from taskproject.tests.rows import add_tasks
from tasks.models import Task
from tasks.reference.batches import Stage, create, owner_connection, update

ROOT = Path(__file__).resolve().parents[2]


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "benchmark_batches", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=240
    )


def test_it_measures_every_way_and_tells_them_beside_each_other(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = [
        "--tasks",
        "2000",
        "--create",
        "50",
        "--update",
        "50",
        "--requests",
        "50",
        "--rounds",
        "2",
    ]

    done = benchmark(*options, "--json", str(file))

    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert {name: len(ways) for name, ways in figures.items()} == {
        "create 50 tasks": 5,
        "update 50 tasks": 5,
        "create 50 tasks over REST": 3,
    }
    assert all(len(each) == 2 and min(each) > 0 for w in figures.values() for each in w.values())
    assert "bulk_create / COPY: " in done.stdout
    assert "bulk_update / UPDATE FROM: " in done.stdout


def test_it_says_what_is_wrong_with_an_option() -> None:
    for options in (["--create", "1"], ["--only", "delete"], ["--json", "absent/f"]):
        done = benchmark(*options)
        assert done.returncode == 2
        assert f"argument {options[0]}" in done.stderr


@pytest.mark.django_db(transaction=True)
def test_every_way_writes_the_same_rows_and_leaves_none(cast: Cast) -> None:
    project = make_project(cast.alpha, cast.alice)
    add_tasks(project, cast.alice, [0] * 40)
    with tenant_context(cast.alpha), owner_connection() as owner:
        stage = Stage(owner)
        for work, kind in (
            (create(stage, 20), EventKind.TASK_CREATED),
            (update(stage, 20), EventKind.TASK_UPDATED),
        ):
            for way in work.ways:
                versions = sum(Task.objects.values_list("version", flat=True))
                way.timed(20)
                rows = 20 // way.share
                grown = sum(Task.objects.values_list("version", flat=True)) - versions
                events = Event.objects.filter(kind=kind, pk__gt=stage.last["event"]).count()
                assert grown == rows, way.name
                assert events == (0 if "no events" in way.name else rows), way.name
                work.clear()
            assert Task.objects.count() == 40
        owner.execute("DROP TABLE benchmark_changes")
