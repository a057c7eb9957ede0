"""`manage.py export_tasks`: what it writes, an import reads."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from projects.models import Project
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Tenant
from taskproject.tests.cast import Cast, make_cast, make_project, make_task
from tasks.dataset.forms import FORMS
from tasks.models import Status, Task
from tasks.services.relations import label_create, task_label_add
from tasks.services.tasks import task_delete

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def tasks(cast: Cast) -> list[Task]:
    """WEB-1 with labels and odd texts, WEB-2 done and with a key, WEB-3 deleted."""
    web = make_project(cast.alpha, cast.alice)
    made = [
        make_task(web, cast.alice, "=1+1", description='"é"\n\\,', assignee_id=cast.bob.pk),
        make_task(web, cast.bob, "Two", status=Status.DONE, external_key="x-2"),
        make_task(web, cast.bob, "Gone"),
    ]
    with tenant_context(cast.alpha):
        for name in ("b", "A"):
            label = label_create(name=name, actor_id=cast.alice.pk)
            task_label_add(task_id=made[0].pk, label_id=label.pk, actor_id=cast.alice.pk)
        task_delete(task_id=made[2].pk, actor_id=cast.alice.pk)
    make_task(make_project(cast.beta, cast.carol), cast.carol, "Theirs")
    return made


def export(*arguments: str) -> str:
    err = StringIO()
    call_command("export_tasks", *arguments, stderr=err)
    return err.getvalue()


def test_a_tenants_live_tasks_stand_there_as_an_import_reads_them(
    cast: Cast, tasks: list[Task], tmp_path: Path
) -> None:
    file = tmp_path / "alpha.ndjson"

    said = export("alpha", str(file))

    assert said.startswith("Wrote 2 tasks of alpha in ")
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert first | {"created_at": 0, "updated_at": 0} == {
        "tenant": "alpha",
        "project": "WEB",
        "external_key": "WEB-1",
        "title": "=1+1",
        "description": '"é"\n\\,',
        "status": "pending",
        "priority": "normal",
        "creator": "alice",
        "assignee": "bob",
        "labels": ["A", "b"],
        "created_at": 0,
        "completed_at": None,
        "updated_at": 0,
    }
    assert (second["external_key"], second["status"]) == ("x-2", "done")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("form", "theirs", "ours"),
    [
        ("ndjson", b'"tenant":"alpha"', b'"tenant":"gamma"'),
        ("csv", b"\r\nalpha,", b"\r\ngamma,"),
    ],
)
def test_what_was_exported_can_be_imported_elsewhere_and_is_the_same(
    cast: Cast, tasks: list[Task], tmp_path: Path, form: str, theirs: bytes, ours: bytes
) -> None:
    file, again = tmp_path / f"alpha.{form}.gz", tmp_path / f"gamma.{form}"
    export("alpha", str(file))
    lines = gzip.decompress(file.read_bytes()).replace(theirs, ours)
    (tmp_path / f"moved.{form}").write_bytes(lines)

    call_command("import_tasks", str(tmp_path / f"moved.{form}"), stdout=StringIO())

    export("gamma", str(again))
    assert lines.count(ours) == 2
    assert again.read_bytes() == lines
    with tenant_context(Tenant.objects.get(slug="gamma")):
        assert Project.objects.get().key == "WEB"


def test_csv_has_a_head_and_no_formulas(cast: Cast, tasks: list[Task], tmp_path: Path) -> None:
    file = tmp_path / "alpha.csv"

    export("alpha", str(file))

    with file.open(encoding="utf-8", newline="") as text:
        first, second = csv.DictReader(text)
    assert first["title"] == "'=1+1"
    assert first["description"] == '"é"\n\\,'
    assert first["labels"] == "A, b"
    assert first["created_at"].endswith("Z")
    assert (second["assignee"], second["labels"], second["title"]) == ("", "", "Two")


def test_what_breaks_off_leaves_the_old_file_as_it_was(
    cast: Cast, tasks: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "alpha.ndjson"
    file.write_text("old")

    def broken(records: Any) -> bytes:
        raise KeyboardInterrupt

    form = replace(FORMS["ndjson"], encode=broken)
    monkeypatch.setitem(FORMS, "ndjson", form)
    with pytest.raises(SystemExit) as ended:
        export("alpha", str(file))

    assert ended.value.code == 130
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_no_file_is_written_to_and_stays_what_it_is(
    cast: Cast, tasks: list[Task], tmp_path: Path
) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link.ndjson"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "there.ndjson")
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)

    export("alpha", str(pipe))
    export("alpha", str(link))

    assert reader.communicate()[0] == link.read_bytes()
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_a_file_that_can_not_be_written_is_an_error(cast: Cast, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"No such file or directory\. Nothing was written"):
        export("alpha", str(tmp_path / "absent" / "alpha.ndjson"))
    with pytest.raises(CommandError, match="nowhere"):
        export("nowhere", "-")


def test_a_key_that_another_task_has_is_not_given_twice(cast: Cast, tmp_path: Path) -> None:
    project = make_project(cast.alpha, cast.alice)
    make_task(project, cast.alice, title="Without a key")
    make_task(project, cast.alice, external_key="WEB-1")
    file = tmp_path / "alpha.ndjson"

    export("alpha", str(file))

    keys = [json.loads(line)["external_key"] for line in file.read_text().splitlines()]
    assert keys == ["WEB-1 (its own key)", "WEB-1"]


def test_two_exports_to_one_name_do_not_mix(
    cast: Cast, tasks: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, encode = tmp_path / "same.ndjson", FORMS["ndjson"].encode
    file.touch(mode=0o600)

    def beside_another(records: Any) -> bytes:
        monkeypatch.setitem(FORMS, "ndjson", replace(FORMS["ndjson"], encode=encode))
        export("beta", str(file))
        return encode(records)

    monkeypatch.setitem(FORMS, "ndjson", replace(FORMS["ndjson"], encode=beside_another))
    export("alpha", str(file))

    tenants = [json.loads(line)["tenant"] for line in file.read_text().splitlines()]
    assert tenants == ["alpha", "alpha"]
    assert list(tmp_path.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_can_be_no_file_is_an_error(cast: Cast, tmp_path: Path) -> None:
    for name in (str(tmp_path), ""):
        with pytest.raises(CommandError, match=r"Is a directory\. Nothing was written"):
            export("alpha", name)
