"""Records as CSV: read as they were written, whatever their texts are."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Tenant
from tasks.dataset.cells import COLUMNS
from tasks.dataset.forms import FORMS
from tasks.dataset.records import STATUSES, Record, decode
from tasks.dataset.source import open_source
from tasks.dataset.target import open_target
from tasks.models import Task
from tasks.tests.import_lines import record, write
from tasks.tests.test_import_tasks import refusal, run

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
odd_texts = st.text(st.sampled_from("'=+-@\t\r\n\",; ab")) | texts
times = st.datetimes(timezones=st.just(UTC))


@st.composite
def records(draw: Any) -> Record:
    """Records with odd texts in every field that takes any."""
    status = draw(st.sampled_from(sorted(STATUSES)))
    labels = st.lists(odd_texts.filter(bool).map(lambda text: text[:50]), max_size=4)
    return Record(
        tenant="acme",
        project="WEB",
        external_key=draw(odd_texts)[:199] + "k",
        title=draw(odd_texts)[:299] + "t",
        description=draw(odd_texts),
        status=status,
        priority="high",
        creator="@ann",
        assignee=draw(st.sampled_from([None, "+bob", "-b", "bob"])),
        labels=list({name.lower(): name for name in draw(labels)}.values()),
        created_at=draw(times),
        completed_at=draw(times) if status == "done" else None,
        updated_at=draw(times),
    )


@given(records=st.lists(records(), max_size=3))
@example(records=[])
def test_csv_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record]
) -> None:
    path = str(tmp_path_factory.getbasetemp() / "all.csv.gz")

    with open_target(path) as target:
        target.write(FORMS["csv"].head + FORMS["csv"].encode(records))

    with open_source(path) as source:
        assert [decode(line.text) for line in source.lines()] == records


def rows(folder: Path, *cells: list[str], name: str = "tasks.csv") -> str:
    """A CSV file of those rows, and its path."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(cells)
    path = folder / name
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return str(path)


def cells(**changes: Any) -> list[str]:
    """A good row."""
    values = {**record(), "labels": "", "assignee": "", "completed_at": "", **changes}
    return [values[name] for name in COLUMNS]


@pytest.mark.parametrize("name", ["tasks.csv", "tasks.CSV.gz"])
def test_a_file_of_rows_is_imported(db: None, tmp_path: Path, name: str) -> None:
    row = cells(title="'=1+1", labels='bug, "a, ""b"""', assignee="bob")

    assert "1 labels" not in run(rows(tmp_path, list(COLUMNS), row, name=name))

    with tenant_context(Tenant.objects.get()):
        task = Task.objects.select_related("assignee").get()
        names = sorted(link.label.name for link in task.task_labels.select_related("label"))
    assert task.title == "=1+1"
    assert task.assignee is not None
    assert task.assignee.username == "bob"
    assert names == ['a, "b"', "bug"]


def test_columns_may_stand_in_any_order(db: None, tmp_path: Path) -> None:
    turned = [list(COLUMNS)[::-1], cells()[::-1]]

    assert "1 tasks" in run(rows(tmp_path, *turned))


def test_a_row_is_told_by_the_line_that_it_begins_with(db: None, tmp_path: Path) -> None:
    head = list(COLUMNS)
    wrong = [cells(status="dne"), [*cells(), "more"], cells()[:-1]]
    path = rows(tmp_path, head, cells(description="two\nlines"), [], *wrong)

    told = refusal(path)

    assert "line 5: status: 'dne' is unknown" in told
    assert "line 6: 'cell 14': is an unknown field" in told
    assert "line 7: updated_at: is missing" in told
    assert "3 of 4 lines were rejected. Nothing was written." in told


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ([], "tenant is missing; project is missing"),
        (["title"], "tenant is missing; project is missing; external_key is missing; desc"),
        ([*COLUMNS, "more"], "'more' is no column. They are tenant, project"),
        ([*COLUMNS, "title"], "title stands twice. They are"),
        ([name.title() for name in COLUMNS], "'Tenant' is no column; 'Project' is no column"),
    ],
)
def test_a_first_row_that_does_not_name_the_fields_is_refused(
    db: None, tmp_path: Path, head: list[str], told: str
) -> None:
    refused = refusal(rows(tmp_path, head, cells()))

    assert f"tasks.csv: the first row has to name the columns: {told}" in refused
    assert "Nothing was written." in refused


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_a_spreadsheet_saves_is_read(db: None, tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "tasks.csv"
    head, row = [*COLUMNS, "", ""], [*cells(title="a, b; c\td"), "", "", ""]
    with path.open("w", encoding="utf-8-sig", newline="") as text:
        csv.writer(text, delimiter=delimiter).writerows([head, row, [""] * 15])

    assert "1 tasks; 0 already there, 0 rejected" in run(str(path))


def test_what_is_not_utf_8_with_line_feeds_is_told_how_to_be_saved(
    db: None, tmp_path: Path
) -> None:
    path = Path(rows(tmp_path, list(COLUMNS), cells()))
    text = path.read_text()

    path.write_bytes(text.encode("utf-16"))
    assert "tasks.csv: it is in UTF-16; save it as CSV in UTF-8, with commas" in refusal(str(path))
    path.write_text(text.replace("\n", "\r"), newline="")
    assert "a line ends with a carriage return alone; save it as CSV" in refusal(str(path))


def test_one_form_that_is_taken_for_the_other_is_told(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rows(tmp_path, list(COLUMNS), cells(), name="tasks.txt")
    assert "tasks.txt looks like CSV: say so with --format csv. Nothing was" in refusal(path)

    path = write(tmp_path, record())
    assert "If it is no CSV, say so with --format ndjson" in refusal(path, format="csv")


def test_an_open_quote_is_told_with_the_line_it_stands_on(db: None, tmp_path: Path) -> None:
    path = Path(rows(tmp_path, list(COLUMNS), cells()))
    path.write_bytes(path.read_bytes() + b'acme,"WEB,\r\n' + b"x,\r\n" * 10)

    told = refusal(str(path))

    assert "the row that begins on line 3: unexpected end of data. Perhaps a quote" in told
    assert "Nothing was written." in told
    assert not Tenant.objects.exists()


def test_bytes_that_are_not_utf_8_reject_their_row_alone(db: None, tmp_path: Path) -> None:
    path = Path(rows(tmp_path, list(COLUMNS), cells(title="caf~"), cells()))
    path.write_bytes(path.read_bytes().replace(b"~", b"\xe9"))

    told = run(str(path), on_error="skip")

    assert "line 2: title: has half a character" in told
    assert "1 tasks; 0 already there, 1 rejected" in told


def test_the_form_can_be_told(db: None, tmp_path: Path) -> None:
    path = rows(tmp_path, list(COLUMNS), cells(), name="tasks.txt")

    assert "1 tasks" in run(path, format="csv")


def test_a_row_of_a_million_cells_or_lines_is_told_in_a_few_words(db: None, tmp_path: Path) -> None:
    wide = rows(tmp_path, list(COLUMNS), [*cells(), *["x"] * 400_000])
    assert len(refusal(wide)) < 10_000

    endless = Path(rows(tmp_path, list(COLUMNS), cells()))
    endless.write_bytes(endless.read_bytes() + b'"\n",' * 400_000)
    assert "the row that begins on line 3: it is longer than 1,048,576 bytes" in refusal(
        str(endless)
    )
