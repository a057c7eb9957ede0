"""Two folders of runs on one server: nobody takes a database away from another."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import CommandError, call_command

from perf.pg import databases, locks
from perf.tests.lab import MODULE, Lab, ask, finished, owner

KEPT = "SELECT datname FROM pg_database WHERE datname ~ '^perf_planted_30000_[0-9a-f]{8}'"


@pytest.fixture
def unfilled() -> Iterator[None]:
    """No database of that size is there, before and afterwards."""
    _drop_kept()
    yield
    _drop_kept()


def _drop_kept() -> None:
    for each in ask(KEPT):
        ask(f"DROP DATABASE {each} WITH (FORCE)")


@pytest.fixture
def another() -> Iterator[psycopg.Connection]:
    """A session of another process, as the lab has them."""
    with psycopg.connect(**owner(), dbname="postgres", autocommit=True) as found:
        yield found


def lock(another: psycopg.Connection, number: int, function: str = "pg_advisory_lock") -> None:
    another.execute(f"SELECT {function}({locks._LAB}, {number})")


def test_two_that_need_one_database_fill_it_once(unfilled, application, tmp_path):
    both = [Lab(tmp_path / each, application) for each in ("one", "other")]
    running = [
        each.start("explain", "planted.same", "--module", MODULE, "--size", "30k") for each in both
    ]

    for each in running:
        code, output, errors = finished(each)
        assert code == 0, output + errors
    (kept,) = ask(KEPT)
    assert ask("SELECT count(*) FROM perf_planted", kept) == [30_000]


def test_it_says_that_it_waits_and_goes_on(lab, another):
    lock(another, locks._MAKING)
    process = lab.start("run", "planted.same", "--module", MODULE, "--sizes", "10k", "--count-only")
    assert process.stderr is not None

    told = process.stderr.readline()
    lock(another, locks._MAKING, "pg_advisory_unlock")

    assert told == "Another process fills or copies databases on this server: waiting for it.\n"
    assert finished(process)[0] == 0


@pytest.mark.django_db
def test_nothing_is_dropped_while_another_folder_has_a_run(another, settings, tmp_path):
    settings.PERF_DIR = tmp_path
    lock(another, locks._USING, "pg_advisory_lock_shared")

    with pytest.raises(CommandError) as caught:
        call_command("benchmark", "data", "drop")

    assert caught.value.returncode == 3
    assert "Another run is being made on this server" in str(caught.value)


def test_a_copy_whose_number_is_taken_has_another(monkeypatch):
    taken = databases.Kept("perf_x_1_abcdef01_copy17", 0, is_filled=True, is_copy=True)
    monkeypatch.setattr(databases, "kept_databases", lambda: [taken])

    assert databases._free("perf_x_1_abcdef01", 18) == 18
    assert databases._free("perf_x_1_abcdef01", 17) != 17
