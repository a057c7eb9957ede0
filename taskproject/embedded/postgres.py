"""Starting, stopping and recognising the embedded PostgreSQL."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from taskproject.db.roles import RolesError, create_roles
from taskproject.embedded import processes
from taskproject.embedded.binaries import find_postgres, install, prune
from taskproject.embedded.cluster import initialise
from taskproject.embedded.credentials import APP_ROLE, DATABASE, OWNER_ROLE, Credentials, make_urls
from taskproject.embedded.errors import EmbeddedError
from taskproject.embedded.instance import Places, Progress, ServiceStatus, make_folder
from taskproject.embedded.processes import ServiceUser

NAME = "postgres"

_STOP_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 10
_LOG_SIZE_BYTES = 10_000_000
_STILL_IN_USE = "pre-existing shared memory block"


@dataclass(frozen=True, slots=True)
class _PidFile:
    """What PostgreSQL writes into postmaster.pid, as far as it has got."""

    pid: int
    data: str
    sockets: str
    ready: bool


def start_postgres(
    where: Places,
    credentials: Credentials,
    *,
    user: ServiceUser,
    progress: Progress,
    timeout_s: float,
) -> bool:
    """Make PostgreSQL accept connections within `timeout_s`; return whether it was started.

    Creates the cluster, the database and the roles when they are missing. Restarts a server
    that has lost its socket or whose folder was moved under it: it can no longer load anything
    from there. Interrupted by Ctrl-C, it stops the server that it started.

    Raises EmbeddedError with the end of its log when it does not come up.
    """
    deadline = time.monotonic() + timeout_s
    launched = False
    if not _runs_in_place(where):
        if _own_pid(where) is not None:
            progress("PostgreSQL runs, but its folder was moved or its socket is gone.")
            stop_postgres(where, progress=progress)
        _clear_leftovers(where, progress=progress, deadline=deadline)
        _launch(where, credentials, user=user, progress=progress, deadline=deadline)
        launched = True
    try:
        _await_ready(where, deadline=deadline)
        _ensure_roles(where, credentials, progress=progress, check=launched)
    except KeyboardInterrupt:
        if launched:
            stop_postgres(where, progress=progress)
        raise
    return launched


def _own_pid(where: Places) -> int | None:
    """The postmaster that has our data directory open, None when there is none."""
    noted = _read_pid_file(where.data / "postmaster.pid")
    return noted.pid if noted and processes.works_in(noted.pid, where.data) else None


def _runs_in_place(where: Places) -> bool:
    noted = _read_pid_file(where.data / "postmaster.pid")
    if noted is None or _own_pid(where) is None:
        return False
    in_place = noted.data == str(where.data) and noted.sockets in ("", str(where.run))
    return in_place and (not noted.ready or where.postgres_socket.exists())


def _read_pid_file(file: Path) -> _PidFile | None:
    try:
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        lines += [""] * (8 - len(lines))
        pid = int(lines[0])
    except (OSError, ValueError):
        return None
    if pid <= 0:
        return None
    return _PidFile(pid, data=lines[1], sockets=lines[4], ready=lines[7].strip() == "ready")


def _clear_leftovers(where: Places, *, progress: Progress, deadline: float) -> None:
    """Wait for the children of a killed server, then remove what would block a new one."""
    _refuse_foreign_socket(where)
    if left := processes.all_working_in(where.data):
        progress(f"Waiting for what is left of a killed PostgreSQL (processes {_listed(left)}).")
        remaining_s = deadline - time.monotonic()
        if not processes.wait_until(
            lambda: not processes.all_working_in(where.data), timeout_s=remaining_s
        ):
            raise EmbeddedError(
                f"Processes {_listed(processes.all_working_in(where.data))} still work in "
                f"{where.data}, left over by a killed PostgreSQL. End them, then start again."
            )
    pid_file = where.data / "postmaster.pid"
    noted = _read_pid_file(pid_file)
    # Left in place when its number is free: PostgreSQL then checks the shared memory named in it.
    if noted is None or _number_is_taken(noted.pid):
        pid_file.unlink(missing_ok=True)
    where.postgres_socket.unlink(missing_ok=True)
    _socket_lock(where).unlink(missing_ok=True)


def _socket_lock(where: Places) -> Path:
    return where.postgres_socket.with_name(f"{where.postgres_socket.name}.lock")


def _refuse_foreign_socket(where: Places) -> None:
    """Raise EmbeddedError when a server that is not ours answers at our socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(where.postgres_socket))
        except OSError:
            return
    noted = _read_pid_file(_socket_lock(where))
    raise EmbeddedError(
        f"Another PostgreSQL{f' (data in {noted.data})' if noted else ''} answers at "
        f"{where.postgres_socket}. Either it runs in another container, or {where.instance.folder} "
        "is a copy of its folder. Stop that one first, or set LOCAL_DIR to a fresh folder."
    )


def _number_is_taken(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _listed(pids: tuple[int, ...]) -> str:
    return ", ".join(map(str, pids))


def _launch(
    where: Places,
    credentials: Credentials,
    *,
    user: ServiceUser,
    progress: Progress,
    deadline: float,
) -> None:
    """Start the server, creating its cluster when there is none, and wait until it is ready."""
    major = where.instance.postgres_major
    source = find_postgres(major, folder=where.instance.folder)
    prune(where.binaries, keep=source)
    programs = install(source, folder=where.binaries)
    log = where.log(NAME)
    make_folder(log.parent)
    if not where.data.is_dir():
        where.roles_marker.unlink(missing_ok=True)
        progress(f"Creating a PostgreSQL {major} database cluster in {where.data}.")
        initialise(where, credentials, initdb=programs / "initdb", user=user, deadline=deadline)
    progress(f"Starting PostgreSQL {source.version}.")
    command = [str(programs / "postgres"), "-D", str(where.data), *_settings(where)]
    while True:
        offset_bytes = processes.log_size_bytes(log)
        process = processes.launch(command, user=user, log_file=log, folder=where.data)
        if _await_launched(where, process, deadline=deadline):
            return
        logged = processes.log_since(log, offset_bytes=offset_bytes)
        if _STILL_IN_USE not in logged or time.monotonic() >= deadline:
            raise EmbeddedError(
                f"PostgreSQL did not start. The end of {log}:\n{processes.last_lines(logged)}"
            )
        time.sleep(0.2)


def _await_launched(where: Places, process: subprocess.Popen[bytes], *, deadline: float) -> bool:
    """Wait for readiness; False when the server ended. Interrupted, it takes the server down."""
    try:
        processes.wait_until(
            lambda: process.poll() is not None or _is_ready(where, process.pid),
            timeout_s=deadline - time.monotonic(),
        )
    except BaseException:
        process.send_signal(signal.SIGINT)
        processes.wait_until(lambda: process.poll() is not None, timeout_s=_CONNECT_TIMEOUT_S)
        raise
    return process.poll() is None


def _is_ready(where: Places, pid: int | None) -> bool:
    noted = _read_pid_file(where.data / "postmaster.pid")
    return noted is not None and noted.ready and noted.pid == pid


def _settings(where: Places) -> list[str]:
    """The settings as arguments, which go before postgresql.conf and ALTER SYSTEM."""
    quoted_run = str(where.run).replace('"', '""')
    settings = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": f'"{quoted_run}"',
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": "128MB",
        "password_encryption": "scram-sha-256",
        "shared_preload_libraries": "pg_stat_statements",
        "compute_query_id": "on",
        "track_io_timing": "on",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_line_prefix": "%m [%p] %q%u@%d ",
    }
    if not where.instance.fsync:
        settings |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _await_ready(where: Places, *, deadline: float) -> None:
    """Wait until our server accepts connections, whoever started it."""
    remaining_s = max(deadline - time.monotonic(), 0.0)
    if not processes.wait_until(lambda: _is_ready(where, _own_pid(where)), timeout_s=remaining_s):
        logged = processes.log_since(where.log(NAME))
        raise EmbeddedError(
            "PostgreSQL is still starting, perhaps recovering from a crash; it was left running. "
            f"Start again to go on waiting. The end of {where.log(NAME)}:\n"
            f"{processes.last_lines(logged)}"
        )


def _ensure_roles(
    where: Places, credentials: Credentials, *, progress: Progress, check: bool
) -> None:
    """Create database and roles unless done before; with `check` go over them once more."""
    superuser_url = make_urls(where, credentials).superuser
    done_before = where.roles_marker.exists()
    try:
        if check or not done_before:
            messages = create_roles(
                superuser_url,
                database=DATABASE,
                owner=OWNER_ROLE,
                owner_password=None if done_before else credentials.owner_password,
                app=APP_ROLE,
                app_password=None if done_before else credentials.app_password,
            )
            for message in messages:
                progress(message)
        else:
            psycopg.connect(superuser_url, connect_timeout=_CONNECT_TIMEOUT_S).close()
    except (RolesError, psycopg.Error) as error:
        raise EmbeddedError(
            f"PostgreSQL runs, but cannot be used: {error}\nThe end of {where.log(NAME)}:\n"
            f"{processes.last_lines(processes.log_since(where.log(NAME)))}"
        ) from error
    where.roles_marker.touch()


def stop_postgres(where: Places, *, progress: Progress) -> bool:
    """Stop our PostgreSQL, ending its connections; return whether it ran.

    Raises EmbeddedError when it takes more than 60 seconds. Never signals another process and
    never kills: a killed server has to recover at its next start.
    """
    pid = _own_pid(where)
    if pid is None:
        return False
    progress(f"Stopping PostgreSQL (process {pid}).")
    processes.send_signal(pid, signal.SIGINT, if_still=lambda: _own_pid(where) == pid)
    if not processes.wait_until(
        lambda: not processes.works_in(pid, where.data), timeout_s=_STOP_TIMEOUT_S
    ):
        raise EmbeddedError(
            f"PostgreSQL (process {pid}) did not stop within {_STOP_TIMEOUT_S:g} s; it was left "
            f"alone. See {where.log(NAME)}."
        )
    return True


def postgres_status(where: Places, credentials: Credentials) -> ServiceStatus:
    """Return what is known of PostgreSQL; starts and changes nothing."""
    pid = _own_pid(where)
    running = pid is not None and _runs_in_place(where)
    leftover = (where.data / "postmaster.pid").exists() or processes.all_working_in(where.data)
    return ServiceStatus(
        name=NAME,
        state="running" if running else "stale" if leftover else "stopped",
        pid=pid,
        version=_server_version(where, credentials) if running else None,
        socket=where.postgres_socket,
        data=where.data,
    )


def _server_version(where: Places, credentials: Credentials) -> str | None:
    superuser_url = make_urls(where, credentials).superuser
    try:
        with psycopg.connect(superuser_url, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            number = connection.info.server_version
    except psycopg.Error:
        return None
    return f"{number // 10_000}.{number % 10_000}"


def bound_postgres_log(where: Places) -> None:
    """Shorten the log when it has grown beyond 10 MB."""
    processes.bound_log(where.log(NAME), size_bytes=_LOG_SIZE_BYTES)
