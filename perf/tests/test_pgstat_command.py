"""`manage.py pgstat` as a shell runs it: its exit codes, and what it says of wrong arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from perf.management import subcommands
from perf.management.commands.pgstat import Command

ANYTHING = ["health", "report", "queries", "snapshot", "locks"]


def ended(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str]:
    """The exit code, and the last line of standard error."""
    with pytest.raises(SystemExit) as raised:
        Command(stderr=StringIO()).run_from_argv(["manage.py", "pgstat", *arguments])
    return raised.value.code, (capsys.readouterr().err.strip().splitlines() or [""])[-1]


@pytest.mark.parametrize("subcommand", ANYTHING)
def test_a_database_that_there_is_not_is_a_wrong_argument(subcommand, capsys):
    code, says = ended(capsys, subcommand, "--database", "nowhere")

    assert code == subcommands.USAGE
    assert says.endswith("argument --database: 'nowhere' is none of DATABASES: default")


def test_a_section_that_there_is_not_is_told_with_all_that_there_are(capsys):
    code, says = ended(capsys, "report", "nothing")

    assert code == subcommands.USAGE
    assert "'nothing' is none of the sections: capabilities, queries, " in says
    assert "[]" not in says


@pytest.mark.parametrize("page", [".", "no such page", "binary"])
def test_a_page_that_can_not_be_read_is_a_wrong_argument(page, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xd0\xff")
    with pytest.raises(CommandError, match="can't be read") as raised:
        call_command("pgstat", "docs", str(tmp_path / page))

    assert raised.value.returncode == subcommands.USAGE


def test_nothing_is_told_of_a_pipe_that_nobody_reads():
    program = (
        "import sys, types\n"
        "from perf.management import subcommands\n"
        "class Command(subcommands.SubcommandCommand):\n"
        "    subcommands = {'one': 'one'}\n"
        "    def module(self, name):\n"
        "        return types.SimpleNamespace(run=lambda _, out: out.write('x' * 9) or 0)\n"
        "sys.stdin.read()\n"
        "sys.exit(Command()._done('one', {}))\n"
    )
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=Path(subcommands.__file__).parents[2],
    ) as process:
        os.close(writing)
        os.close(reading)
        _, says = process.communicate(b"")

    assert (process.returncode, says) == (subcommands.UNREAD, b"")


@pytest.fixture
def unmigrated(db):
    """A database in which the application finds no table of snapshots."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = pg_catalog")


@pytest.mark.parametrize("subcommand", ["report", "queries"])
def test_before_the_first_migration_a_look_has_no_window(unmigrated, subcommand):
    out = StringIO()
    with transaction.atomic():
        call_command("pgstat", subcommand, "--top", "1", stdout=out)
        transaction.set_rollback(True)

    assert "snapshots" not in out.getvalue().splitlines()[0]
    assert "Database " in out.getvalue()


def test_before_the_first_migration_a_snapshot_is_refused(unmigrated):
    with pytest.raises(CommandError, match=r"manage\.py migrate") as raised:
        call_command("pgstat", "snapshot")

    assert raised.value.returncode == subcommands.REFUSED
