"""A process of our own that talks through a pipe, and ends with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

_GRACE_S: Final = 5.0
_STDERR: Final = 2

type Process = subprocess.Popen[bytes]


@contextmanager
def running(
    module: str, environment: Mapping[str, str], folder: Path | None = None
) -> Iterator[tuple[Process, IO[bytes], IO[bytes]]]:
    """`python -m module FD`: the process, its standard input, and what it writes to FD.

    Its standard output goes to standard error. At the end it is told to end, and killed if it has
    not after 5 s.
    """
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(writing)],
        stdin=subprocess.PIPE,
        stdout=_STDERR,  # what it prints must not stand amid a report
        pass_fds=[writing],
        # Ctrl-C is for the command: it ends its workers itself, and keeps what there is.
        start_new_session=True,
        cwd=folder,
        env=environment,
    )
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as messages:
            if process.stdin is None:
                raise RuntimeError("The worker has no standard input.")
            with process.stdin as stdin:
                yield process, stdin, messages
    finally:
        _end(process)


def importing_as_we_do() -> dict[str, str]:
    """An environment in which a process finds the modules that this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def ending(returncode: int) -> str:
    """How a process ended, in words."""
    if returncode < 0:
        return f"was killed by signal {-returncode} ({signal.strsignal(-returncode)})"
    return f"ended with exit code {returncode}"


def _end(process: Process) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
