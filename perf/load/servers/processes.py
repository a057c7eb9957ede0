"""CPU and memory of the loader, of the servers that run on this machine, and of all else on it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import numpy as np
import psutil
from redis import Redis

from perf.load.loopback import leads_to_loopback
from perf.load.plan import port_of
from perf.load.results import ProcessUse, ServerSide
from perf.pgstat.server import Server

EVERY_S: Final = 1.0


@dataclass(slots=True)
class _Used:
    """CPU that was used until several moments, and memory at the last of them."""

    at_s: list[float] = field(default_factory=list)
    used_s: list[float] = field(default_factory=list)
    rss_bytes: int = 0

    def note(self, used_s: float, rss_bytes: int) -> None:
        # A process that was waited for between two readings is missing from one look.
        self.used_s.append(max([used_s, *self.used_s[-1:]]))
        self.at_s.append(time.monotonic())
        self.rss_bytes = rss_bytes

    def until(self, at_s: Sequence[float]) -> np.ndarray:
        return np.interp(at_s, self.at_s, self.used_s)


class Processes:
    """Each kind of processes by the ids of its first ones; children are looked for each second.

    What ended meanwhile counts, once its parent has waited for it. All else that the machine does
    is one more kind, `others`, as long as this process may use all of its processors. Takes some
    2 ms for each kind and look, on a machine with 150 processes.
    """

    def __init__(self, roots: Mapping[str, Sequence[int]]) -> None:
        self._roots = {name: [psutil.Process(pid) for pid in pids] for name, pids in roots.items()}
        self._used: dict[str, _Used] = {}
        self._machine = _Used()
        self._skipped: list[str] = []

    def begin(self) -> None:
        self._used = {name: _Used() for name, roots in self._roots.items() if roots}
        self._machine = _Used()
        self._skipped.clear()
        self._look()

    def sample(self) -> None:
        if time.monotonic() - self._machine.at_s[-1] >= EVERY_S:
            self._look()

    def end(self) -> ServerSide:
        self._look()
        uses = [_use(name, each) for name, each in self._used.items()]
        if os.cpu_count() == len(os.sched_getaffinity(0)):
            uses.append(_use("others", self._others()))
        return ServerSide(processes=tuple(uses), skipped=tuple(self._skipped))

    def _look(self) -> None:
        firsts = {name: {each.pid for each in group} for name, group in self._roots.items()}
        for name, used in [*self._used.items()]:
            others = frozenset[int]().union(*(firsts[each] for each in firsts if each != name))
            try:
                members = [each for root in self._roots[name] for each in _tree(root, others)]
                used.note(sum(map(_cpu_s, members)), _memory_bytes(members))
            except psutil.Error as error:
                self._skipped.append(f"{name}: {error}")
                del self._used[name]
        self._machine.note(_busy_s(), psutil.virtual_memory().used)

    def _others(self) -> _Used:
        at_s, known = self._machine.at_s, self._used.values()
        used_s = self._machine.until(at_s) - sum(each.until(at_s) for each in known)
        rss_bytes = self._machine.rss_bytes - sum(each.rss_bytes for each in known)
        return _Used(at_s, [*np.maximum.accumulate(used_s)], max(rss_bytes, 0))


def _tree(root: psutil.Process, others: frozenset[int]) -> list[psutil.Process]:
    """A process with all below it, parents first, but for those below one of the others."""
    found, left_out = [root], set(others)
    for each in root.children(recursive=True):
        try:
            if each.pid in left_out or each.ppid() in left_out:
                left_out.add(each.pid)
            else:
                found.append(each)
        except psutil.NoSuchProcess:
            continue
    return found


def _cpu_s(process: psutil.Process) -> float:
    """With that of the children that it has waited for."""
    try:
        used = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(sum(used[:4]))


def _memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Resident memory, with what they share counted once: that of the one that has most of it."""
    own, shared = 0, 0
    for each in processes:
        try:
            found: Any = each.memory_info()
        except psutil.Error:
            continue
        common = getattr(found, "shared", 0)
        own, shared = own + found.rss - common, max(shared, common)
    return own + shared


def _busy_s() -> float:
    """CPU that this machine has used, or that was taken from it, since it was started."""
    used: Any = psutil.cpu_times()
    names = ("user", "nice", "system", "irq", "softirq", "steal")
    return float(sum(getattr(used, name, 0.0) for name in names))


def _use(name: str, used: _Used) -> ProcessUse:
    first_s, lasted_s = used.at_s[0], used.at_s[-1] - used.at_s[0]
    seconds = first_s + np.arange(int(lasted_s) + 1)
    return ProcessUse(
        name=name,
        cpu_share=float((used.used_s[-1] - used.used_s[0]) / lasted_s),
        rss_bytes=used.rss_bytes,
        by_second=tuple(round(float(share), 3) for share in np.diff(used.until([*seconds]))),
    )


def loader() -> int:
    """The id of this process."""
    return os.getpid()


def web_server(target: str) -> list[int]:
    """The processes that listen at this URL, without those below another one of them.

    Raises `LookupError` where it is not this machine, or nobody's process is to be seen.
    """
    url = urlsplit(target)
    if not leads_to_loopback(url.hostname or ""):
        raise LookupError("It is on another machine.")
    found = listening(port_of(url))
    if not found:
        raise LookupError(f"No process is seen to listen at {target or 'it'}.")
    if loader() in found:
        raise LookupError("The loader itself serves it.")
    return found


def listening(port: int) -> list[int]:
    """The ids of processes that listen on this TCP port, parents only."""
    pids = {
        each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid
    }
    above = {pid: {each.pid for each in psutil.Process(pid).parents()} for pid in pids}
    return sorted(pid for pid in pids if not pids & above[pid])


def postgres(server: Server) -> list[int]:
    """The postmaster of this session. Raises `LookupError` where it is not on this machine."""
    info = server.session.info
    backend = _process(info.backend_pid, info.host, ("postgres",))
    # It tells what it serves in its title, so that another server's can't be taken for it.
    if info.dbname not in " ".join(backend.cmdline()):
        raise LookupError("Its process is not to be seen on this machine.")
    return [backend.ppid()]


def redis_server(redis: Redis, url: str) -> list[int]:
    """The process of Redis. Raises `LookupError` where it is not on this machine."""
    found: Any = redis.info("server")
    parts = urlsplit(url)
    host = parts.path if parts.scheme == "unix" else unquote(parts.hostname or "")
    return [_process(found["process_id"], host, ("redis", "valkey")).pid]


def _process(pid: int, host: str, names: tuple[str, ...]) -> psutil.Process:
    """A server's process: `host` is a name, or the path of a socket. That a number exists here says
    nothing of a server elsewhere."""
    if not (host.startswith("/") or leads_to_loopback(host)):
        raise LookupError("Its process is on another machine.")
    process = psutil.Process(pid) if psutil.pid_exists(pid) else None
    if process is None or not process.name().startswith(names):
        raise LookupError("Its process is not to be seen on this machine.")
    return process
