"""What an instance is: how the environment names it, its paths and its lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from taskproject.embedded.errors import EmbeddedError

type Progress = Callable[[str], None]

OUTSIDE = Path("/var/lib/taskproject")
"""Where root keeps servers' files of projects that the service account cannot reach."""

_SOCKET_PATH_LIMIT_BYTES = 100
"""sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS, with the final zero byte."""

_SUPPORTED_MAJORS = range(15, 19)


@dataclass(frozen=True, slots=True)
class Instance:
    """One PostgreSQL (of one major version) with one Valkey, and the folder that keeps them.

    Instances of different majors may share a folder: they share the credentials, nothing else.
    `fsync=False` gives durability away for speed and is meant for tests.
    """

    folder: Path
    postgres_major: int = 18
    fsync: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(os.path.abspath(self.folder)))


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What is known of one service of an instance.

    `stale` means that something is left over: a process file without its process, a process
    that nobody can connect to any more, or children that outlive their PostgreSQL. `start`
    clears that up. `version` is None when neither a server nor installed binaries tell it.
    """

    name: str
    state: Literal["running", "stopped", "stale"]
    pid: int | None
    version: str | None
    socket: Path
    data: Path


def default_instance(environ: Mapping[str, str] = os.environ, *, base: Path) -> Instance:
    """Return the instance the environment names, by default the one in `<base>/.local`.

    LOCAL_DIR is its folder (a relative one counts from `base`), EMBEDDED_POSTGRES the major
    version of PostgreSQL (default 18), EMBEDDED_FSYNC `true` (default) or `false`.

    Raises EmbeddedError, naming the variable, for a value that makes no sense. Does not look
    whether the folder exists.
    """
    major = environ.get("EMBEDDED_POSTGRES", "").strip() or "18"
    if not (major.isascii() and major.isdecimal() and int(major) in _SUPPORTED_MAJORS):
        raise EmbeddedError(
            f"EMBEDDED_POSTGRES is {major!r}; it has to be a major version of PostgreSQL "
            f"from {_SUPPORTED_MAJORS[0]} to {_SUPPORTED_MAJORS[-1]}."
        )
    fsync = environ.get("EMBEDDED_FSYNC", "").strip().lower() or "true"
    if fsync not in ("true", "false"):
        raise EmbeddedError(f"EMBEDDED_FSYNC is {fsync!r}; it has to be true or false.")
    folder = environ.get("LOCAL_DIR", "").strip() or ".local"
    if "\0" in folder or "\n" in folder:
        raise EmbeddedError("LOCAL_DIR contains a line break or a zero byte; it has to be a path.")
    path = base / folder
    if path.exists() and not path.is_dir():
        raise EmbeddedError(f"LOCAL_DIR is {folder!r}; that is a file, it has to be a folder.")
    return Instance(path, postgres_major=int(major), fsync=fsync == "true")


@dataclass(frozen=True, slots=True)
class Places:
    """Every path of an instance. `home` is the instance folder or its substitute outside it."""

    instance: Instance
    instance_id: str
    home: Path

    @property
    def data(self) -> Path:
        """The data directory of PostgreSQL."""
        return self.home / f"postgres-{self.instance.postgres_major}"

    @property
    def roles_marker(self) -> Path:
        """The file that exists once the database and its roles have been created in `data`."""
        return self.home / f"postgres-{self.instance.postgres_major}.ready"

    @property
    def binaries(self) -> Path:
        """The folder of the copied binaries, one subfolder for each product and version."""
        return self.home / "binaries"

    @property
    def run(self) -> Path:
        """The folder of the sockets: inside `home` unless their paths would not do there.

        They may be too long, or have a comma, which to libpq separates two hosts.
        """
        major = self.instance.postgres_major
        inside = self.home / "run" / str(major)
        size_bytes = len(os.fsencode(inside / _postgres_socket_name()))
        if size_bytes <= _SOCKET_PATH_LIMIT_BYTES and "," not in str(inside):
            return inside
        # Not what TMPDIR says: the server and its clients must agree on it, whoever starts them.
        short = Path("/tmp")  # noqa: S108
        base = short if short.is_dir() else Path(tempfile.gettempdir())
        return base / f"taskproject-{self.instance_id}-{major}"

    @property
    def postgres_socket(self) -> Path:
        """The socket PostgreSQL listens on."""
        return self.run / _postgres_socket_name()

    @property
    def valkey_socket(self) -> Path:
        """The socket Valkey listens on."""
        return self.run / "valkey.sock"

    @property
    def valkey_data(self) -> Path:
        """The working directory of Valkey, which keeps no data: its process is told by it."""
        return self.home / f"valkey-{self.instance.postgres_major}"

    @property
    def valkey_pid_file(self) -> Path:
        """The file with the process number of Valkey."""
        return self.home / f"valkey-{self.instance.postgres_major}.pid"

    def log(self, service: str) -> Path:
        """The log of `service` ("postgres" or "valkey")."""
        return self.home / "log" / f"{service}-{self.instance.postgres_major}.log"


def _postgres_socket_name() -> str:
    return ".s.PGSQL.5432"


def places(instance: Instance, instance_id: str) -> Places:
    """Return the paths of an instance as they are on disk now; creates nothing."""
    outside = OUTSIDE / instance_id
    return Places(instance, instance_id, outside if outside.is_dir() else instance.folder)


@contextlib.contextmanager
def exclusive(instance: Instance, *, progress: Progress, timeout_s: float) -> Iterator[None]:
    """Hold the lock of the instance folder, created when missing, for the `with` block.

    Tells through `progress` when it has to wait. Raises EmbeddedError after `timeout_s`, or when
    the folder cannot be written.
    """
    with _open_lock(instance) as lock:
        deadline = time.monotonic() + timeout_s
        waiting = False
        while not _try_lock(lock):
            if not waiting:
                progress("Another process is starting or stopping the services; waiting for it.")
                waiting = True
            if time.monotonic() >= deadline:
                raise EmbeddedError(
                    f"Another process has held {instance.folder / 'lock'} for {timeout_s:g} s. "
                    "Find it with `fuser` or `lsof`, or wait for it."
                )
            time.sleep(0.05)
        yield


@contextlib.contextmanager
def _open_lock(instance: Instance) -> Iterator[int]:
    try:
        make_folder(instance.folder)
        # Not flock's cousin lockf: that one does not keep two threads of a process apart.
        lock = os.open(instance.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EmbeddedError(
            f"{instance.folder} cannot be used ({error.strerror}). Set LOCAL_DIR to a folder "
            "that you may write to."
        ) from error
    try:
        yield lock
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def make_folder(folder: Path) -> None:
    """Create `folder`, open to the service account whatever the umask; leave an existing one."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
