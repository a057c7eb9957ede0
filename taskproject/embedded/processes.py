"""Operating system processes: whose they are, whether they live, how to start and signal them.

Nothing here knows PostgreSQL or Valkey. A process is recognised as one of ours by its working
directory, never by its number alone: numbers are reused, and a working directory follows its
folder when the folder is renamed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

_PROC = Path("/proc")
_LOG_TAIL_BYTES = 16_384


class _UserOptions(TypedDict, total=False):
    user: int
    group: int
    extra_groups: Sequence[int]


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """The account servers run under; `switched` when it is not the account of this process."""

    uid: int
    gid: int
    name: str
    switched: bool

    def popen_options(self) -> _UserOptions:
        """Return the subprocess arguments that change to this user (none when already it)."""
        if not self.switched:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, descriptor: int) -> None:
        """Give the open file or folder to this user.

        It takes a descriptor because in a folder of that user a name could by now be a link.
        """
        if self.switched:
            os.fchown(descriptor, self.uid, self.gid)

    def may_search(self, folder: Path) -> bool:
        """Tell whether this user may pass through `folder`, going by owner, group and mode."""
        info = folder.stat()
        if info.st_uid == self.uid:
            return bool(info.st_mode & 0o100)
        if info.st_gid == self.gid:
            return bool(info.st_mode & 0o010)
        return bool(info.st_mode & 0o001)


def server_environment() -> dict[str, str]:
    """Return the environment of a server: none of the caller's settings and secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C"}


def launch(
    command: Sequence[str | os.PathLike[str]], *, user: ServiceUser, log_file: Path, folder: Path
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, in `folder`, its output appended to `log_file`.

    A new session keeps the terminal's Ctrl-C away from the server. Does not wait for anything.
    """
    log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own copies of the servers, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=server_environment(),
            start_new_session=True,
            **user.popen_options(),
        )
    finally:
        os.close(log)
    # A dead server that nobody waits for stays as a zombie, whose number PostgreSQL takes for a
    # living server when it finds it in a stale postmaster.pid.
    threading.Thread(target=process.wait, name=f"reaper-{process.pid}", daemon=True).start()
    return process


def is_alive(pid: int) -> bool:
    """Tell whether process `pid` exists and still runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    try:
        after_name = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2]
    except OSError:
        return not _PROC.joinpath("self").exists()
    return not after_name.lstrip().startswith(("Z", "X"))


def command_line(pid: int) -> tuple[str, ...]:
    """Return the arguments process `pid` was started with, empty when it is gone or hidden."""
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        if (_PROC / "self").exists():
            return ()
        listing = subprocess.run(  # noqa: S603 - a number is all that comes from outside
            ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
        )
        return tuple(listing.stdout.decode(errors="replace").split())
    return tuple(os.fsdecode(part) for part in raw.split(b"\0") if part)


def works_in(pid: int, folder: Path) -> bool:
    """Tell whether process `pid` lives and has `folder` as its working directory.

    Where there is no /proc, a process counts when `folder` is among its arguments.
    """
    if not is_alive(pid):
        return False
    if not (_PROC / "self").exists():
        return str(folder) in " ".join(command_line(pid))
    try:
        return os.path.samestat((_PROC / str(pid) / "cwd").stat(), folder.stat())
    except OSError:
        return False


def all_working_in(folder: Path) -> tuple[int, ...]:
    """Return the processes whose working directory is `folder`; always empty without /proc."""
    return tuple(pid for pid in _all_pids() if works_in(pid, folder))


def was_started_with(pid: int, argument: str) -> bool:
    """Tell whether process `pid` has exactly `argument` among its arguments."""
    return argument in command_line(pid)


def all_started_with(argument: str) -> tuple[int, ...]:
    """Return the processes with exactly `argument` among theirs; always empty without /proc."""
    return tuple(pid for pid in _all_pids() if was_started_with(pid, argument))


def _all_pids() -> list[int]:
    try:
        return sorted(int(entry) for entry in os.listdir(_PROC) if entry.isdecimal())
    except OSError:
        return []


def send_signal(pid: int, number: signal.Signals, *, if_still: Callable[[], bool]) -> bool:
    """Send `number` to `pid` if `if_still()`; return whether it was sent.

    Where the system has process file descriptors, the process is held before it is checked, so
    that the number cannot pass to a stranger between check and signal.
    """
    try:
        if not hasattr(os, "pidfd_open"):
            if not if_still():
                return False
            os.kill(pid, number)
            return True
        held = os.pidfd_open(pid)
        try:
            if not if_still():
                return False
            signal.pidfd_send_signal(held, number)
        finally:
            os.close(held)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool], *, timeout_s: float, pause_s: float = 0.02) -> bool:
    """Poll `condition` until true (return True) or until `timeout_s` have passed (False)."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause_s)
    return True


def log_size_bytes(log_file: Path) -> int:
    """Return the length of `log_file`, 0 when there is none."""
    return log_file.stat().st_size if log_file.exists() else 0


def log_since(log_file: Path, *, offset_bytes: int = 0) -> str:
    """Return the last part of `log_file`, at most 16 KiB and nothing before `offset_bytes`."""
    if not log_file.exists():
        return ""
    with log_file.open("rb") as log:
        log.seek(max(offset_bytes, log_size_bytes(log_file) - _LOG_TAIL_BYTES))
        return log.read().decode(errors="replace")


def last_lines(text: str, *, count: int = 12) -> str:
    """Return the last `count` lines of `text`, indented, ready to put below an error message."""
    lines = text.strip().splitlines()[-count:]
    return "\n".join(f"    {line}" for line in lines) or "    (nothing was logged)"


def bound_log(log_file: Path, *, size_bytes: int) -> None:
    """Move the end of a `log_file` longer than `size_bytes` to `<log_file>.1` and empty it.

    The server may go on writing meanwhile: it appends. What it writes between the copy and the
    emptying is lost. Nothing bounds the log between two calls.
    """
    if log_size_bytes(log_file) <= size_bytes:
        return
    with log_file.open("rb+") as log:
        log.seek(-size_bytes // 2, os.SEEK_END)
        log_file.with_name(f"{log_file.name}.1").write_bytes(log.read())
        log.truncate(0)
