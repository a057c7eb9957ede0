"""Plans of statements: those that the monitor has captured, or PostgreSQL's for any values."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from perf.monitor.explaining import redacted
from perf.monitor.options import options
from perf.monitor.totals import gathered
from perf.pg.plans import parse_plan
from perf.pg.redaction import without_values
from perf.pgstat.origins import origins
from perf.pgstat.server import Server

_GENERIC_FROM: Final = 160_000  # version_num
_IDENTIFIER: Final = re.compile(r"-?[0-9]{1,20}")


class NotCaptured(LookupError):
    """There is no plan of that statement. The message says what helps."""


@dataclass(frozen=True, slots=True)
class Version:
    """A plan, and when it was first and last seen."""

    plan: str
    fingerprint: str
    first: str | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """A statement with its plans, the newest first."""

    statement: str
    sql: str
    origins: tuple[str, ...]
    plans: tuple[Version, ...]
    note: str

    def values(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def captured(statement: str) -> Captured:
    """The plans of a statement, by its query identifier or the digest of its shape. No statement.

    Raises `NotCaptured`.
    """
    folder = options().folder
    shapes = gathered(folder)["shapes"] if folder else {}
    for digest, shape in shapes.items():
        ids = [int(each) for each in shape["identifiers"]]
        if statement == digest or statement in map(str, ids):
            return _of_shape(statement, shape, ids)
    raise NotCaptured(
        f"No monitored request has sent {statement}: `pgstat queries` shows the ids of statements, "
        "and --generic the plan of one that something else has sent."
    )


def _of_shape(statement: str, shape: dict[str, Any], ids: list[int]) -> Captured:
    if not shape["plans"]:
        raise NotCaptured(f"The plan of {statement} could not be asked for: see PERF_MONITOR.")
    plans = tuple(
        Version(each["plan"], each["fingerprint"], each["first"], each["last"])
        for each in reversed(shape["plans"])
    )
    told = tuple(str(each) for each in origins().of(ids))
    changed = "" if len(plans) == 1 else f" It has had {len(plans)} different ones."
    note = f"As planned with the values of a request, in its tenant and role.{changed}"
    return Captured(statement, shape["text"], told, plans, note)


def generic(server: Server, statement: str) -> Captured:
    """PostgreSQL's plan for any values of a statement that it has the text of. Three statements.

    Raises `NotCaptured`, also for what can't be planned so, and before PostgreSQL 16.
    """
    if server.session.info.server_version < _GENERIC_FROM:
        raise NotCaptured("PostgreSQL makes plans for any values from version 16 on.")
    if server.statements_schema is None:
        raise NotCaptured("The extension pg_stat_statements was not made in this database.")
    if not _IDENTIFIER.fullmatch(statement):
        raise NotCaptured(f"{statement} is no query identifier: `pgstat queries` shows them.")
    query = sql.SQL("SELECT query FROM {} WHERE queryid = %(id)s LIMIT 1")
    found = server.value(query.format(server.statements()), {"id": int(statement)})
    if found is None:
        raise NotCaptured(f"PostgreSQL knows no statement {statement}, or not any more.")
    server.session.execute("RESET search_path")  # it names its tables as the application does
    try:
        explained = server.value("EXPLAIN (GENERIC_PLAN, FORMAT JSON) " + found)
    except psycopg.Error as error:
        told = str(error).strip().splitlines()[0]
        raise NotCaptured(f"PostgreSQL can't plan {statement} without values: {told}") from error
    plan = redacted(parse_plan(explained))
    note = f"PostgreSQL's plan for any values, as {server.session.info.user}."
    return Captured(
        statement, without_values(found), (), (Version(str(plan), plan.fingerprint),), note
    )
