"""What the sessions of the database were at whenever somebody looked."""

from __future__ import annotations

from collections import Counter
from typing import Final

from perf.load.results import ServerSide, Share
from perf.pgstat.server import Server

CPU: Final = "CPU"
_HIDDEN: Final = "hidden"
# An active session that waits for nothing is on a processor, or in line for one.
_STATEMENT: Final = """
    SELECT CASE WHEN backend_type IS NULL THEN 'hidden'
                WHEN state LIKE 'idle in transaction%' THEN 'idle in transaction'
                WHEN wait_event IS NULL THEN 'CPU'
                ELSE wait_event_type || ': ' || wait_event END AS event,
           count(*)::int AS sessions
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND (backend_type IN ('client backend', 'parallel worker') AND state <> 'idle'
            OR backend_type IS NULL)
     GROUP BY 1
"""


class Waits:
    """Wait events of the sessions that run a statement or hold a transaction open, sampled.

    One statement a look. Shares are of the sessions that were seen so; `count` says how often.
    """

    def __init__(self, server: Server) -> None:
        self._server, self._seen = server, Counter[str]()

    def begin(self) -> None:
        self._seen.clear()

    def sample(self) -> None:
        for row in self._server.rows(_STATEMENT):
            self._seen[row["event"]] += row["sessions"]

    def end(self) -> ServerSide:
        hidden = self._seen.pop(_HIDDEN, 0)
        whole = self._seen.total()
        waits = [Share(name, n / whole, n) for name, n in self._seen.most_common()]
        note = "waits: of other roles' sessions nothing is seen: it takes pg_read_all_stats."
        return ServerSide(waits=tuple(waits), skipped=(note,) if hidden else ())
