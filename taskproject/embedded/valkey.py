"""Starting, stopping and recognising the embedded Valkey. It keeps nothing on disk."""

from __future__ import annotations

import signal
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from taskproject.embedded import processes
from taskproject.embedded.accounts import ensure_own_folder
from taskproject.embedded.binaries import find_valkey, install, prune
from taskproject.embedded.errors import EmbeddedError
from taskproject.embedded.instance import Places, Progress, ServiceStatus, make_folder
from taskproject.embedded.processes import ServiceUser

NAME = "valkey"

_ANSWER_TIMEOUT_S = 2.0
_STOP_TIMEOUT_S = 15.0
_LOG_SIZE_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class _Answer:
    pid: int
    version: str


def start_valkey(where: Places, *, user: ServiceUser, progress: Progress, timeout_s: float) -> bool:
    """Make Valkey answer at its socket within `timeout_s`; return whether it had to be started.

    Raises EmbeddedError with the end of its log otherwise.
    """
    if _running_pid(where) is not None:
        return False
    stop_valkey(where, progress=progress)
    where.valkey_socket.unlink(missing_ok=True)
    source = find_valkey()
    prune(where.binaries, keep=source)
    programs = install(source, folder=where.binaries)
    ensure_own_folder(where.valkey_data, user=user)
    progress(f"Starting Valkey {source.version}.")
    _launch(where, program=programs / "valkey-server", user=user, timeout_s=timeout_s)
    return True


def _launch(where: Places, *, program: Path, user: ServiceUser, timeout_s: float) -> None:
    log = where.log(NAME)
    make_folder(log.parent)
    offset_bytes = processes.log_size_bytes(log)
    process = processes.launch(
        [program, *_settings(where)], user=user, log_file=log, folder=where.valkey_data
    )
    try:
        where.valkey_pid_file.write_text(f"{process.pid}\n", encoding="ascii")
        processes.wait_until(
            lambda: process.poll() is not None or _running_pid(where) is not None,
            timeout_s=timeout_s,
        )
    except BaseException:
        process.terminate()
        raise
    if _running_pid(where) is None:
        process.terminate()
        logged = processes.log_since(log, offset_bytes=offset_bytes)
        raise EmbeddedError(
            f"Valkey did not start within {timeout_s:g} s. The end of {log}:\n"
            f"{processes.last_lines(logged)}"
        )


def _settings(where: Places) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(where.valkey_socket),
        "unixsocketperm": "700",
        "dir": str(where.valkey_data),
        "daemonize": "no",
        "save": "",
        "appendonly": "no",
        "maxmemory": "128mb",
        "maxmemory-policy": "allkeys-lru",
        "always-show-logo": "no",
    }
    return [part for name, value in settings.items() for part in (f"--{name}", value)]


def stop_valkey(where: Places, *, progress: Progress) -> bool:
    """Stop Valkey, also one that no longer answers; return whether there was one.

    Raises EmbeddedError when it does not go within 15 seconds. Never signals another program.
    """
    found = _own_processes(where)
    for pid in found:
        progress(f"Stopping Valkey (process {pid}).")
        processes.send_signal(pid, signal.SIGTERM, if_still=partial(_is_own, pid, where))
    if not processes.wait_until(lambda: not _own_processes(where), timeout_s=_STOP_TIMEOUT_S):
        raise EmbeddedError(
            f"Valkey (process {_own_processes(where)[0]}) did not stop within "
            f"{_STOP_TIMEOUT_S:g} s. See {where.log(NAME)}."
        )
    where.valkey_pid_file.unlink(missing_ok=True)
    return bool(found)


def valkey_status(where: Places) -> ServiceStatus:
    """Return what is known of Valkey; starts and changes nothing."""
    pid = _running_pid(where)
    answer = _ask(where.valkey_socket) if pid is not None else None
    leftover = bool(_own_processes(where)) or where.valkey_pid_file.exists()
    return ServiceStatus(
        name=NAME,
        state="running" if answer else "stale" if leftover else "stopped",
        pid=pid,
        version=answer.version if answer else None,
        socket=where.valkey_socket,
        data=where.valkey_data,
    )


def bound_valkey_log(where: Places) -> None:
    """Shorten the log when it has grown beyond 2 MB."""
    processes.bound_log(where.log(NAME), size_bytes=_LOG_SIZE_BYTES)


def _running_pid(where: Places) -> int | None:
    """The process that answers at the socket, provided that it is the one of this instance."""
    answer = _ask(where.valkey_socket)
    return answer.pid if answer and _is_own(answer.pid, where) else None


def _own_processes(where: Places) -> tuple[int, ...]:
    noted = _noted_pid(where)
    candidates = {*processes.all_working_in(where.valkey_data), *([noted] if noted else [])}
    return tuple(pid for pid in sorted(candidates) if _is_own(pid, where))


def _noted_pid(where: Places) -> int | None:
    try:
        return int(where.valkey_pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _is_own(pid: int, where: Places) -> bool:
    program = "".join(processes.command_line(pid)[:1])
    return "valkey-server" in program and processes.works_in(pid, where.valkey_data)


def _ask(path: Path) -> _Answer | None:
    """Ask the Valkey at socket `path` who it is; None when nothing sensible answers."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_TIMEOUT_S)
            connection.connect(str(path))
            connection.sendall(b"INFO server\r\nQUIT\r\n")
            with connection.makefile("rb") as answer:
                lines = answer.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    if "process_id" not in told:
        return None
    return _Answer(int(told["process_id"]), told.get("valkey_version", ""))
