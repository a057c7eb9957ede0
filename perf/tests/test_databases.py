"""The lab's own databases, and those that only look like them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from perf import Dataset, history
from perf.pg import databases
from perf.tests.lab import ask

STRANGERS = ("perf_metrics", "perf_app_2026", "perf_planted_1000_copy7", "perf_x_1_ABCDEF01")


class Books(Dataset):
    name = "books"


@pytest.fixture
def stranger() -> Iterator[str]:
    """A database of somebody else, whose name begins as those of the lab do."""
    ask("CREATE DATABASE perf_of_somebody_else")
    yield "perf_of_somebody_else"
    ask("DROP DATABASE perf_of_somebody_else")


@pytest.mark.django_db
def test_databases_of_others_are_not_seen(stranger):
    assert stranger not in [each.name for each in databases.kept_databases()]


@pytest.mark.parametrize("name", [*STRANGERS, "postgres", "", "perf_"])
def test_databases_of_others_are_never_dropped(name):
    with pytest.raises(ValueError, match="is no database of the lab"):
        databases.drop(name)


def test_a_name_changes_with_the_version_and_the_size():
    class Newer(Books):
        version = "2"

    names = [databases.kept_name(*each) for each in ((Books(), 10), (Books(), 20), (Newer(), 10))]

    assert len({*names}) == 3
    assert names[0].startswith("perf_books_10_")
    assert names[0] == databases.kept_name(Books(), 10)


def test_a_name_of_the_lab_is_known_and_its_copy_too():
    name = databases.kept_name(Books(), 10)
    copy, other = (databases._OURS.fullmatch(f"{name}{end}") for end in ("_copy12", "_copy"))

    assert databases._OURS.fullmatch(name)["copy"] is None  # type: ignore[index]
    assert copy is not None
    assert copy["copy"] == "_copy12"
    assert other is None


@pytest.mark.django_db
def test_django_is_on_its_own_database_again_after_a_failure(settings, monkeypatch):
    own = connection.settings_dict["NAME"]

    def broken(*_: object, **__: object) -> None:
        connection.settings_dict["NAME"] = "perf_half_made"
        raise SystemExit(2)

    monkeypatch.setattr(connection.creation, "create_test_db", broken)

    with pytest.raises(databases.NotMade, match="does not make the database perf_books_10_"):
        databases.fill(Books(), 10)
    assert connection.settings_dict["NAME"] == own


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("amid", ["create_test_db", "clone_test_db"])
def test_ctrl_c_while_a_database_is_made_leaves_nothing_of_it(monkeypatch, amid):
    name = databases.kept_name(Books(), 10)
    made = name if amid == "create_test_db" else f"{name}_copy17"

    def interrupted(*_: object, **__: object) -> None:
        ask(f"CREATE DATABASE {made}")
        raise KeyboardInterrupt

    monkeypatch.setattr(connection.creation, amid, interrupted)

    with pytest.raises(KeyboardInterrupt):
        databases.fill(Books(), 10) if amid == "create_test_db" else _copy(name)
    assert ask(f"SELECT 1 FROM pg_database WHERE datname = '{made}'") == []


@pytest.mark.django_db(transaction=True)
def test_a_dataset_that_cannot_be_filled_is_told_and_leaves_nothing(monkeypatch):
    class Unfillable(Books):
        name = "unfillable"

        def fill(self, size: int) -> None:
            raise KeyError("no such book")

    with pytest.raises(databases.NotMade, match="could not be filled: KeyError: 'no such book'"):
        databases.fill(Unfillable(), 10)
    assert ask("SELECT 1 FROM pg_database WHERE datname LIKE 'perf_unfillable_%'") == []


def _copy(name: str) -> None:
    with databases.copied(name, 17):
        raise AssertionError("There is no such copy.")


def test_nothing_is_dropped_while_a_run_is_made(settings, tmp_path):
    settings.PERF_DIR = tmp_path

    with history.alone(), pytest.raises(CommandError) as caught:
        call_command("benchmark", "data", "drop")

    assert caught.value.returncode == 3
    assert "Another run is being made" in str(caught.value)
