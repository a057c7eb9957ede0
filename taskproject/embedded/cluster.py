"""Creating a PostgreSQL database cluster so that an interrupted attempt leaves none."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from taskproject.embedded import processes
from taskproject.embedded.accounts import ensure_own_folder
from taskproject.embedded.credentials import SUPERUSER_ROLE, Credentials
from taskproject.embedded.errors import EmbeddedError
from taskproject.embedded.instance import Places
from taskproject.embedded.processes import ServiceUser

_PASSWORD_FILE = "initdb-password"  # noqa: S105
_ABORT_TIMEOUT_S = 5.0


def initialise(
    where: Places, credentials: Credentials, *, initdb: Path, user: ServiceUser, deadline: float
) -> None:
    """Create the cluster at `where.data`, in full or not at all, before `deadline` (monotonic).

    It is made beside and renamed at the end. Removes what killed attempts left. Its locale is
    C.UTF-8, or C where the system lacks that. Raises EmbeddedError with what initdb said.
    """
    _remove_unfinished(where)
    unfinished = where.home / f"{_unfinished_prefix(where)}{secrets.token_hex(6)}"
    try:
        ensure_own_folder(unfinished, user=user)
        with _password_file(where, credentials, user=user) as password_file:
            command = [
                str(initdb),
                "-D",
                str(unfinished),
                f"--username={SUPERUSER_ROLE}",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--encoding=UTF8",
                "--no-instructions",
                *([] if where.instance.fsync else ["--no-sync"]),
            ]
            _run_with_fallback(command, user=user, folder=where.run, deadline=deadline)
        unfinished.rename(where.data)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _unfinished_prefix(where: Places) -> str:
    return f".unfinished-{where.data.name}-"


def _remove_unfinished(where: Places) -> None:
    for leftover in where.home.glob(f"{_unfinished_prefix(where)}*"):
        _end_initdb(str(leftover))
        shutil.rmtree(leftover, ignore_errors=True)


def _end_initdb(folder: str) -> None:
    """End an initdb whose starter was killed; its folder's random name tells it from all others."""
    for pid in processes.all_started_with(folder):
        processes.send_signal(
            pid, signal.SIGKILL, if_still=partial(processes.was_started_with, pid, folder)
        )
    processes.wait_until(lambda: not processes.all_started_with(folder), timeout_s=_ABORT_TIMEOUT_S)


@contextlib.contextmanager
def _password_file(where: Places, credentials: Credentials, *, user: ServiceUser) -> Iterator[Path]:
    file = where.run / _PASSWORD_FILE
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as output:
            user.own(output.fileno())
            output.write(f"{credentials.superuser_password}\n")
        yield file
    finally:
        file.unlink(missing_ok=True)


def _run_with_fallback(
    command: list[str], *, user: ServiceUser, folder: Path, deadline: float
) -> None:
    said = ""
    for locale in ("C.UTF-8", "C"):
        succeeded, said = _run(
            [*command, f"--locale={locale}"], user=user, folder=folder, deadline=deadline
        )
        if succeeded:
            return
        if "invalid locale" not in said:
            break
    raise EmbeddedError(
        f"PostgreSQL's initdb could not create a cluster. It said:\n{processes.last_lines(said)}"
    )


def _run(
    command: list[str], *, user: ServiceUser, folder: Path, deadline: float
) -> tuple[bool, str]:
    """Run `command` away from the terminal's Ctrl-C; return its success and what it printed."""
    with subprocess.Popen(  # noqa: S603 - our own copy of initdb, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=processes.server_environment(),
        start_new_session=True,
        **user.popen_options(),
    ) as process:
        try:
            said, _ = process.communicate(timeout=max(deadline - time.monotonic(), 1.0))
        except BaseException as error:
            # Its whole group, which is its session: initdb has children of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise EmbeddedError("PostgreSQL's initdb did not finish in time.") from error
            raise
    return process.returncode == 0, said.decode(errors="replace")
