"""Worker processes: started with a job, listened to, and ended with whoever listens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from django.conf import settings

from perf.messages import Done, Job, Message

_GRACE_S: Final = 5.0
_STDERR: Final = 2
_message: Final = msgspec.json.Decoder(Message)


class WorkerDied(RuntimeError):
    """An execution ended before it had said all."""


def answers(job: Job, root: Path | None = None) -> Generator[Message]:
    """Run a worker and pass on what it says as it says it.

    With `root` it runs the code that stands there, and not here. Raises `WorkerDied` for one that
    ends early; what it had to say of that stands in standard error, which it shares.
    """
    with _process(job, root) as (process, messages):
        for line in messages:
            message = _message.decode(line)
            if isinstance(message, Done):
                return
            yield message
        process.wait()
        raise WorkerDied(f"An execution ended with exit code {process.returncode}.")


@contextmanager
def _process(
    job: Job, root: Path | None
) -> Iterator[tuple[subprocess.Popen[bytes], Iterable[bytes]]]:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "perf.worker", str(writing)],
        stdin=subprocess.PIPE,
        stdout=_STDERR,  # what a pair prints must not stand amid a report
        pass_fds=[writing],
        # Ctrl-C is for the command: it ends its worker itself, and keeps what there is.
        start_new_session=True,
        cwd=root,
        env=_environment(root),
    )
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as messages:
            if process.stdin is None:
                raise RuntimeError("The worker has no standard input.")
            with process.stdin as stdin:
                stdin.write(msgspec.json.encode(job))
            yield process, messages
    finally:
        _end(process)


def _environment(root: Path | None) -> dict[str, str]:
    """Where the worker finds its code, and what another tree needs to reach the same servers."""
    if root is None:
        return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    here = Path.cwd()
    elsewhere = [each for each in sys.path if each and Path(each).resolve() != here]
    more: dict[str, str] = getattr(settings, "PERF_ENVIRONMENT", {})
    return {**os.environ, **more, "PYTHONPATH": os.pathsep.join([str(root), *elsewhere])}


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
