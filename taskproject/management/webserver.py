"""The web server's processes on one's own machine: one at a time, found again, stopped whole.

The process that holds `web.lock` supervises granian. If it is killed the lock is free at once, and
the next start ends what it left behind, which it knows by a mark in the processes' environment.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

MARK: Final = "TASKPROJECT_WEB"
STOP_TIMEOUT_S: Final = 15.0
_PR_SET_PDEATHSIG: Final = 1


class WebServerError(Exception):
    """The web server can't be started; the text says why and what to do."""


@contextmanager
def sole_supervisor(folder: Path, address: str) -> Iterator[None]:
    """Be the only one that serves from this folder, and have no orphans of an earlier one.

    Raises `WebServerError`, naming the other one's address, if there is one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "web.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid, _, where = lock.read().strip().partition(" ")
            raise WebServerError(
                f"It runs already: process {pid} serves {where}. `make stop` ends it."
            ) from None
        end_processes(folder)
        lock.truncate(0)
        lock.write(f"{os.getpid()} {address}\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def check_port_free(host: str, port: int) -> None:
    """Raise `WebServerError` if nothing can listen there, with the way out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise WebServerError(
                    f"Port {port} of {host} is in use by another program. Choose another one: "
                    f"`make run PORT={port + 1}`."
                ) from None
            raise WebServerError(f"Can't listen on {host}:{port}: {error.strerror}.") from None


def granian_command(*, host: str, port: int, workers: int, threads: int) -> list[str]:
    """The command of the web server, without what makes it convenient."""
    return [
        *(sys.executable, "-m", "granian", "taskproject.wsgi:application"),
        *("--interface", "wsgi", "--no-ws", "--host", host, "--port", str(port)),
        # Over HTTP/2 a body may come without a length. Reading such a one from a client that has
        # gone never returned: four streams of one connection held a worker's threads for good.
        *("--http", "1"),
        *("--workers", str(workers), "--blocking-threads", str(threads), "--log-level", "warning"),
    ]


def start_granian(
    folder: Path, *, host: str, port: int, workers: int, threads: int, reload: bool
) -> subprocess.Popen[bytes]:
    """Start the server as a child that ends when this process does, however it ends."""
    command = [
        *granian_command(host=host, port=port, workers=workers, threads=threads),
        *("--respawn-failed-workers", "--workers-kill-timeout", "10"),
        *(("--reload", "--reload-ignore-dirs", ".local") if reload else ()),
    ]
    environment = {**os.environ, MARK: str(folder)}
    return subprocess.Popen(  # noqa: S603  our own command, no shell
        command, env=environment, preexec_fn=_end_with_parent
    )


def wait_until_alive(process: subprocess.Popen[bytes], host: str, port: int) -> None:
    """Return when the server accepts connections. Raises `WebServerError` if it ends before."""
    while process.poll() is None:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.settimeout(1)
            if probe.connect_ex((host, port)) == 0:
                return
        time.sleep(0.05)
    raise WebServerError("The web server ended at once; its messages stand above.")


def supervise(process: subprocess.Popen[bytes]) -> int:
    """Wait for the server to end and return its exit code; pass SIGTERM and Ctrl-C on to it."""

    def pass_on(number: int, frame: object) -> None:
        process.send_signal(signal.SIGTERM)

    previous = {each: signal.signal(each, pass_on) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def stop(folder: Path) -> bool:
    """End the supervisor of this folder and its server. Whether there was anything to end."""
    supervisor = _supervisor(folder)
    if supervisor is not None:
        os.kill(supervisor, signal.SIGTERM)
        _wait_until_gone([supervisor])
    return end_processes(folder) or supervisor is not None


def end_processes(folder: Path) -> bool:
    """End the server's processes that carry this folder's mark. Whether there were any."""
    found = _marked(folder)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in found:
            _signal(pid, number)
        if not _wait_until_gone(found):
            break
    return bool(found)


def _supervisor(folder: Path) -> int | None:
    try:
        with (folder / "web.lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read().split()[0])
    except (FileNotFoundError, IndexError, ValueError):
        pass
    return None


def _marked(folder: Path) -> list[int]:
    """Processes with our mark in their environment. Where there is no /proc: none."""
    wanted = f"{MARK}={folder}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
    return [pid for pid in found if pid != os.getpid()]


def _wait_until_gone(pids: list[int]) -> list[int]:
    deadline = time.monotonic() + STOP_TIMEOUT_S
    left = pids
    while left and time.monotonic() < deadline:
        left = [pid for pid in left if _lives(pid)]
        time.sleep(0.05)
    return left


def _lives(pid: int) -> bool:
    try:
        # A zombie has ended; only its parent has not looked yet.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _end_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, and leave the terminal's group.

    Out of the group, because Ctrl-C goes to each process of it, and the supervisor passes it on.
    """
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
