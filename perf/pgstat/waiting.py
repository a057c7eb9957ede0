"""Who waits for whom: the sessions that wait for a lock, below those that they wait for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from perf.pg.redaction import redacted
from perf.pgstat.results import Row
from perf.pgstat.server import Server

PREPARED: Final = 0  # PostgreSQL's id for a transaction of two phases, which has no session

# `pg_blocking_pids` also names who only stands before one in the queue, such as an ALTER TABLE
# that waits itself. It stops the lock manager for a moment, and so is asked for waiters alone.
# A row that is locked is waited for by its transaction; its table is that of the tuple's lock.
_STATEMENT: Final = """
    WITH held AS MATERIALIZED (
        SELECT pid, locktype, mode, granted, database, relation, waitstart FROM pg_locks
    ), waiters AS MATERIALIZED (
        SELECT DISTINCT ON (pid) pid, locktype, mode, waitstart,
               coalesce(relation, (SELECT t.relation FROM held t
                                    WHERE t.pid = held.pid AND t.locktype = 'tuple' LIMIT 1))
                   AS relation,
               pg_blocking_pids(pid) AS blockers
          FROM held WHERE NOT granted
         ORDER BY pid, waitstart
    ), concerned AS (
        SELECT pid FROM waiters UNION SELECT unnest(blockers) FROM waiters
    )
    SELECT c.pid, a.usename AS role, nullif(a.application_name, '') AS application,
           a.state, a.query, w.locktype, w.mode, coalesce(w.blockers, ARRAY[]::int[]) AS blockers,
           n.nspname AS schema, r.relname AS relation, a.datname AS database,
           extract(epoch FROM clock_timestamp() - w.waitstart)::float8 AS wait_s,
           extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_s
      FROM concerned c
      LEFT JOIN waiters w USING (pid)
      LEFT JOIN pg_stat_activity a ON a.pid = c.pid
      LEFT JOIN pg_class r ON r.oid = w.relation AND a.datname = current_database()
      LEFT JOIN pg_namespace n ON n.oid = r.relnamespace
     ORDER BY w.waitstart NULLS LAST, c.pid
"""


@dataclass(frozen=True, slots=True)
class Waits:
    """The sessions by their ids, and what each waits for, as far as it does."""

    sessions: dict[int, dict[str, Any]]
    blockers: dict[int, list[int]]

    def victims(self, pid: int) -> set[int]:
        """All who wait for a session, also by way of another one."""
        found: set[int] = set()
        latest = {pid}
        while latest:
            latest = {each for each in self.blockers if latest & {*self.blockers[each]}} - found
            found |= latest
        return found - {pid}


def tree(server: Server) -> list[Row]:
    """The sessions of this database that wait or are waited for, each below who it waits for.

    One that waits for several stands below the last of them in the queue. One statement.
    """
    found = {row["pid"]: row for row in server.rows(_STATEMENT)}
    waits = Waits(
        found,
        {pid: sorted({*row["blockers"]} - {pid}) for pid, row in found.items() if row["blockers"]},
    )
    rows = _rows(waits)
    ours = {row["root_pid"] for row in rows if found[_pid(row)]["database"] == server.database}
    return [row for row in rows if row["root_pid"] in ours]


def _pid(row: Row) -> int:
    return int(str(row["pid"]))


def _rows(waits: Waits) -> list[Row]:
    depths = _depths(waits.blockers, waits.sessions)
    parents = {
        pid: max(blockers, key=lambda each: (depths[each], -each))
        for pid, blockers in waits.blockers.items()
        if depths[pid] > 0
    }
    roots = [pid for pid in waits.sessions if depths[pid] == 0]
    roots.sort(key=lambda pid: -len(waits.victims(pid)))
    return [row for root in roots for row in _below(root, root, 0, waits, parents)]


def _depths(blockers: Mapping[int, list[int]], pids: Mapping[int, Any]) -> dict[int, int]:
    """How far from who waits for nobody. In a ring, which a deadlock is, the first one is there."""
    depths = {pid: 0 for pid in pids if not blockers.get(pid)}
    left = [pid for pid in pids if pid not in depths]
    while left:
        ready = [pid for pid in left if all(each in depths for each in blockers[pid])]
        for pid in ready:
            depths[pid] = 1 + max(depths[each] for each in blockers[pid])
        if not ready:
            depths[left[0]] = 0
        left = [pid for pid in left if pid not in depths]
    return depths


def _below(
    pid: int, root: int, depth: int, waits: Waits, parents: Mapping[int, int]
) -> Iterator[Row]:
    yield _row(pid, root, depth, waits)
    for each in waits.sessions:
        if parents.get(each) == pid:
            yield from _below(each, root, depth + 1, waits, parents)


def _row(pid: int, root: int, depth: int, waits: Waits) -> Row:
    session, victims = waits.sessions[pid], waits.victims(pid)
    waited = [waits.sessions[each]["wait_s"] for each in victims]
    return {
        "depth": depth,
        "pid": pid,
        "root_pid": root,
        "blocked_by": [str(each) for each in waits.blockers.get(pid, [])],
        "victims": len(victims),
        "longest_wait_s": max((each for each in waited if each is not None), default=None),
        "wait_s": session["wait_s"],
        "lock": session["mode"],
        "lock_type": session["locktype"],
        "schema": session["schema"],
        "relation": session["relation"],
        "state": "prepared transaction" if pid == PREPARED else session["state"],
        "transaction_s": session["transaction_s"],
        "role": session["role"],
        "application": session["application"],
        "query": redacted(session["query"]) or None,
    }
