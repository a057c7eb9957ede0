"""What is looked at: addresses, and the processes that are found by them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from perf.load.servers.postgres import Counters, Statements
from perf.load.servers.processes import Processes, loader, postgres, redis_server, web_server
from perf.load.servers.redis import Commands, client
from perf.load.servers.waits import Waits
from perf.load.servers.watch import Watches
from perf.pgstat.capabilities import probe
from perf.pgstat.server import opened


@dataclass(frozen=True, slots=True)
class Watched:
    """What to look at. What is not named is not looked at, and told in `skipped`.

    `target` is the URL that is loaded: who listens there on this machine is the server, unless
    `server_pid` names its first process. A `database_url` of a role with `pg_read_all_stats` sees
    all sessions and statements, another one its own. The loader is this process with its children,
    but for those that are one of the others.
    """

    target: str = ""
    database_url: str = ""
    redis_url: str = ""
    server_pid: int | None = None


def opened_watches(watched: Watched, stack: ExitStack) -> Watches:
    """All that can be watched; sessions are closed with the stack."""
    watches, roots = Watches(), {"loader": [loader()]}
    with watches.guarding("server"):
        roots["server"] = [watched.server_pid] if watched.server_pid else web_server(watched.target)
    with watches.guarding("postgres"):
        roots["postgres"] = _watch_postgres(watched, watches, stack)
    with watches.guarding("redis"):
        roots["redis"] = _watch_redis(watched, watches, stack)
    watches.add("processes", Processes(roots))
    return watches


def _watch_postgres(watched: Watched, watches: Watches, stack: ExitStack) -> list[int]:
    if not watched.database_url:
        raise LookupError("No address was given.")
    server = stack.enter_context(opened(conninfo=watched.database_url))
    can = probe(server)
    with watches.guarding("statements"):
        watches.add("statements", Statements(server, can))
    watches.add("database", Counters(server, can))
    watches.add("waits", Waits(server))
    return postgres(server)


def _watch_redis(watched: Watched, watches: Watches, stack: ExitStack) -> list[int]:
    if not watched.redis_url:
        raise LookupError("No address was given.")
    redis = stack.enter_context(client(watched.redis_url))
    watches.add("redis", Commands(redis))
    return redis_server(redis, watched.redis_url)
