"""Worker processes: started with a job, listened to, and ended with whoever listens."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Final

import msgspec
from django.conf import settings

from perf.engine.processes import ending, importing_as_we_do, running
from perf.messages import Begun, Counted, Done, Failed, Job, Message, Timed

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
    environment = _environment(root)
    with running("perf.worker", environment, root) as (process, stdin, messages):
        with stdin:
            stdin.write(msgspec.json.encode(job))
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
        raise WorkerDied(ending(process.wait()), begun)


def _environment(root: Path | None) -> dict[str, str]:
    """Where the worker finds its code, and what another tree needs to reach the same servers."""
    if root is None:
        return importing_as_we_do()
    here = Path.cwd()
    elsewhere = [each for each in sys.path if each and Path(each).resolve() != here]
    more: dict[str, str] = getattr(settings, "PERF_ENVIRONMENT", {})
    return {**os.environ, **more, "PYTHONPATH": os.pathsep.join([str(root), *elsewhere])}
