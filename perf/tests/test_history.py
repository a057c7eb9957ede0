from __future__ import annotations

import dataclasses
import errno
import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import OutputWrapper

from perf import history
from perf.engine.results import Interval
from perf.history import Busy, NoSuchRun
from perf.management import comparing, telling
from perf.report.documents import DocumentError
from perf.tests.built import pair, run, size

IDS = ("20261126-140531-0a1b", "20261126-150000-0a1c", "20261127-090000-ffff")


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.PERF_DIR = tmp_path / "deep" / "perf"
    return settings.PERF_DIR


@pytest.fixture
def three(folder):
    for each in IDS:
        history.save(run(id=each))


def test_a_run_is_read_as_it_was_kept(folder):
    kept = run(note="naïve")

    assert history.save(kept) == folder / f"{kept.id}.json"
    assert history.load(kept.id) == kept
    assert [each.name for each in folder.iterdir()] == [f"{kept.id}.json"]


def test_to_read_makes_no_folder(folder):
    assert history.ids() == []
    with pytest.raises(NoSuchRun, match=f"There is no run yet in {folder}"):
        history.load("last")
    assert not folder.exists()


def test_the_last_run_is_the_newest(three):
    assert history.ids() == [*IDS]
    assert history.load("last").id == IDS[-1]


@pytest.mark.parametrize(("name", "found"), [("20261127", IDS[2]), ("20261126-15", IDS[1])])
def test_the_beginning_of_an_id_is_enough(three, name, found):
    assert history.load(name).id == found


def test_a_beginning_of_several_is_refused_with_their_names(three):
    with pytest.raises(NoSuchRun, match=f"2 runs begin with '20261126': {IDS[0]}, {IDS[1]}"):
        history.load("20261126")


def test_no_run_of_that_name_is_refused_with_the_last_one(three):
    with pytest.raises(NoSuchRun, match=f"No run is named 'x'; the last one is {IDS[2]}"):
        history.load("x")


def test_a_file_that_is_not_there_is_named(three):
    with pytest.raises(NoSuchRun, match=r"There is no file docs/run\.json"):
        history.load("docs/run.json")


@pytest.mark.parametrize(
    "name", ["zzz.json", "lock", "baseline.json", "20261126-140531-0a1b.partial"]
)
def test_other_files_are_no_runs(three, folder, name):
    (folder / name).write_text("{}")

    assert history.ids() == [*IDS]
    assert history.load("last").id == IDS[2]


def test_a_run_may_be_any_file(three, folder, tmp_path):
    path = (folder / f"{IDS[0]}.json").rename(tmp_path / "main.json")

    assert history.load(str(path)).id == IDS[0]


def test_a_broken_file_is_named(three, folder):
    path = folder / f"{IDS[2]}.json"
    path.write_text('{"version": 1')

    with pytest.raises(DocumentError, match=f"{path}: This is no JSON"):
        history.load("last")


@pytest.mark.parametrize("length", [10, 200])
def test_a_file_that_was_cut_is_named(three, folder, tmp_path, length):
    path = tmp_path / "cut.json.gz"
    path.write_bytes(gzip.compress((folder / f"{IDS[0]}.json").read_bytes())[:length])

    with pytest.raises(DocumentError, match=f"{path}: "):
        history.load(str(path))


def test_nothing_is_left_of_a_run_that_could_not_be_kept(folder, monkeypatch):
    def full(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(OSError, match="No space left"):
        history.save(run())
    assert list(folder.iterdir()) == []


def told(module: Any, **options: Any) -> tuple[int, str]:
    """The exit code and output of a subcommand."""
    out = io.StringIO()
    given = {"show": None, "name": None, "json": None, "markdown": None, "html": None, **options}
    return module.run(given, OutputWrapper(out)), out.getvalue()


def test_a_broken_file_does_not_hide_the_others(three, folder, capsys):
    (folder / f"{IDS[1]}.json").write_text("{")

    code, output = told(telling)

    assert code == 0
    assert [line[:20] for line in output.splitlines()] == [IDS[0], IDS[2]]
    assert f"Left out: {folder}/{IDS[1]}.json: This is no JSON" in capsys.readouterr().err


def test_a_pair_is_followed_through_all_runs(three):
    code, output = told(telling, name="app.pair")

    assert (code, len(output.splitlines())) == (0, 3)
    assert "good/bad" in output.splitlines()[0]


def test_no_file_steers_the_terminal(three):
    odd = dataclasses.replace(run(), id="20261128-090000-0001", environment={"commit": "\x1b[2J"})
    history.save(odd)

    assert told(telling)[1].splitlines()[-1].endswith("commit �[2J")


def test_two_runs_are_compared(three):
    slower = pair(size(ratio=Interval(2.0, 1.9, 2.1)))
    history.save(dataclasses.replace(run(slower), id="20261128-090000-0001"))

    code, output = told(comparing, one=IDS[0], other="last", all=False)

    assert code == 0
    assert output.startswith(f"From {IDS[0]} to 20261128-090000-0001\n")


def test_a_second_run_is_refused_until_the_first_is_done(folder):
    busy = pytest.raises(Busy, match=f"Another run is being made with {folder}")

    with history.alone(), busy, history.alone():
        pass
    with history.alone():
        pass


def test_the_right_to_measure_is_given_back_by_an_error():
    with pytest.raises(ZeroDivisionError), history.alone():
        _ = 1 // 0
    with history.alone():
        pass
