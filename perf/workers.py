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

from perf.messages import Begun, Counted, Done, Failed, Job, Message, Timed

_GRACE_S: Final = 5.0
_STDERR: Final = 2
_message: Final = msgspec.json.Decoder(Message)


class WorkerDied(RuntimeError):
    """An execution ended before it had said all. `begun` is the pair and the size that it was at,
    or None where it was at none."""

    def __init__(self, how: str, begun: Begun | None = None) -> None:
        at = f" amid {begun.pair} at {begun.size:,}" if begun else ""
        super().__init__(f"An execution {how}{at}.")
        self.how = how
        self.begun = begun


def answers(job: Job, root: Path | None = None) -> Generator[Message]:
    """Run a worker and pass on what it says as it says it.

    With `root` it runs the code that stands there, and not here. Raises `WorkerDied` for one that
    ends early; what it had to say of that stands in standard error, which it shares.
    """
    begun: Begun | None = None
    with _process(job, root) as (process, messages):
        for line in messages:
            if not line.endswith(b"\n"):
                break  # it died amid a word
            message = _message.decode(line)
            if isinstance(message, Done):
                return
            if isinstance(message, Begun):
                begun = message
            else:
                yield message
                begun = None if isinstance(message, Counted | Timed | Failed) else begun
        raise WorkerDied(_ending(process.wait()), begun)


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"was killed by signal {-returncode} ({signal.strsignal(-returncode)})"
    return f"ended with exit code {returncode}"


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
