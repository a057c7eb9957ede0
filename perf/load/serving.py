"""A server that is started for a load test, and ended with it whatever happens."""

from __future__ import annotations

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

ENDS: Final = ", and ends so:"
HOST: Final = "127.0.0.1"
HEALTHY_TIMEOUT_S: Final = 60.0
_ASK_TIMEOUT_S: Final = 5.0
_GRACE_S: Final = 15.0  # for what it is at work on
_UNHEALTHY_GRACE_S: Final = 0.5
_LOG_BYTES: Final = 3_000
_PR_SET_PDEATHSIG: Final = 1


class NotServed(RuntimeError):
    """The server did not become healthy, or ended by itself; the text has the end of its log."""

    @property
    def reason(self) -> str:
        """What happened and where the log is, in a line."""
        return f"{str(self).partition(ENDS)[0]}."


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers: its URL, without a slash at the end, and its first process."""

    url: str
    pid: int
    log: Path


@contextmanager
def serving(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    health: str = "/",
    timeout_s: float = HEALTHY_TIMEOUT_S,
) -> Iterator[Served]:
    """Start a server on a free port, and come back when `health` answers with 200.

    In the command and in the values of the environment, `{host}` and `{port}` stand for where it
    has to listen. The environment is added to this process' own. When the block is left the server
    gets SIGTERM, and 15 s later it and all that it started are killed, sooner where it never was
    healthy. On Linux it gets SIGTERM,
    too, when this process is killed. Call it in the main thread: that ends with the process.

    Its log is kept where the block raises, and removed else. Raises `NotServed` where it is not
    healthy after `timeout_s`, or ends by itself.
    """
    port = free_port()
    log = _log()
    try:
        process = _started(_placed(command, port), environment, port, log)
    except OSError as error:
        log.unlink()
        raise NotServed(f"The server can't be started: {error}") from error
    grace_s = _UNHEALTHY_GRACE_S
    try:
        _wait_until_healthy(process, port, health, timeout_s)
        grace_s = _GRACE_S
        yield Served(f"http://{HOST}:{port}", process.pid, log)
        if _has_ended(process):
            raise NotServed(f"The server ended by itself, with code {process.returncode}.")
    except NotServed as error:
        raise NotServed(f"{error} Its log is in {log}{ENDS}\n{_end_of(log)}") from error
    except Exception as error:
        error.add_note(f"The log of the server is in {log}.")
        raise
    except BaseException:
        log.unlink()
        raise
    else:
        log.unlink()
    finally:
        _end(process, grace_s)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    with suppress(psutil.Error, subprocess.TimeoutExpired):
        if psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE:
            process.wait(_GRACE_S)  # its threads may take a moment longer than itself
    return process.poll() is not None


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End a server with all processes below it, those too that have left its group."""
    members = _members(process)
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for each in members:
            with suppress(psutil.Error):
                each.kill()
        process.wait()


def _members(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
        return found
    except psutil.Error:
        return []


def _log() -> Path:
    handle, name = tempfile.mkstemp(prefix="loadtest-", suffix=".log")
    os.close(handle)
    return Path(name)


def _placed(texts: Sequence[str], port: int) -> list[str]:
    return [each.replace("{host}", HOST).replace("{port}", str(port)) for each in texts]


def _started(
    command: Sequence[str], environment: Mapping[str, str], port: int, log: Path
) -> subprocess.Popen[bytes]:
    values = dict(zip(environment, _placed([*environment.values()], port), strict=True))
    with log.open("ab") as into:
        return subprocess.Popen(
            command,
            env={**os.environ, **values},
            stdin=subprocess.DEVNULL,
            stdout=into,
            stderr=into,
            # A group of its own: Ctrl-C is for the loader, and what is left is killed by it.
            preexec_fn=_end_with_parent,
        )


def _end_with_parent() -> None:
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_healthy(
    process: subprocess.Popen[bytes], port: int, health: str, timeout_s: float
) -> None:
    until_s = time.monotonic() + timeout_s
    said = "It never answered."
    while time.monotonic() < until_s:
        if process.poll() is not None:
            raise NotServed(f"The server ended at once, with code {process.returncode}.")
        with suppress(OSError, http.client.HTTPException):
            status = _status(port, health)
            if status == 200:
                return
            said = f"It answered {health} with {status}."
        time.sleep(0.05)
    raise NotServed(f"The server was not healthy within {timeout_s:g} s. {said}")


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection(HOST, port, timeout=_ASK_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def _end_of(log: Path) -> str:
    return log.read_bytes()[-_LOG_BYTES:].decode(errors="replace")
