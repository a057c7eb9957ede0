"""Snapshots in the application's database: taken, found for a window, and thinned out.

Counters only grow, so that a snapshot that is left out costs nothing but the shorter windows: those
of 48 hours are all kept, then one an hour for 14 days, then one a day for 400.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from psycopg import sql

from perf.models import StatementText, StatisticsLook, StatisticsSnapshot
from perf.pgstat.capabilities import Capabilities
from perf.pgstat.packing import pack, unpack
from perf.pgstat.samples import take
from perf.pgstat.series import Figures, figures
from perf.pgstat.server import Server
from perf.pgstat.texts import kept_text
from perf.pgstat.views import STATEMENT_COUNTS, TABLES, Sample

ALL_FOR: Final = timedelta(hours=48)
HOURLY_FOR: Final = timedelta(days=14)
DAILY_FOR: Final = timedelta(days=400)
MOST: Final = 3_000  # snapshots, whatever their age
_SEEN_EVERY: Final = timedelta(days=1)
_COLLECTOR: Final = 7_306_084_551_932_411  # any number that nobody else takes


class NoSnapshot(LookupError):
    """There is no snapshot to tell that window from. The message says what there is."""


class Collecting(RuntimeError):
    """Another process takes a snapshot of this database at this moment."""


def snapshot(server: Server, can: Capabilities) -> StatisticsSnapshot:
    """Take one and keep it, with texts of statements that are new.

    Costs a statement for each view, and three to eight that write. Raises `Collecting`,
    `psycopg.Error` and Django's `DatabaseError`, as on a standby, which can't write.
    """
    lock = {"key": _COLLECTOR}
    if not server.value("SELECT pg_try_advisory_lock(%(key)s)", lock):
        raise Collecting("Another process takes a snapshot of this database just now.")
    try:
        return _kept(server, can, take(server, can))
    finally:
        server.value("SELECT pg_advisory_unlock(%(key)s)", lock)


def _kept(server: Server, can: Capabilities, sample: Sample) -> StatisticsSnapshot:
    packed = pack(sample)
    queryids = _queryids(sample)
    with transaction.atomic():
        made: StatisticsSnapshot = StatisticsSnapshot.objects.create(
            taken_at=sample.taken_at,
            system_id=can.system_id or "unknown",
            database=server.database,
            version_num=can.version_num,
            statements=_length(sample, STATEMENT_COUNTS.name),
            tables=_length(sample, TABLES.name),
            size_bytes=len(packed),
            figures=figures(sample),
            sample=packed,
        )
        _keep_texts(server, queryids, sample.taken_at)
    return made


def _length(sample: Sample, view: str) -> int:
    found = sample.views.get(view)
    return len(next(iter(found.columns.values()), ())) if found else 0


def _queryids(sample: Sample) -> set[int]:
    found = sample.views.get(STATEMENT_COUNTS.name)
    # None: a statement of a role that this one may not see.
    return {int(each) for each in found.columns["queryid"] if each is not None} if found else set()


def _keep_texts(server: Server, queryids: set[int], seen_at: datetime) -> None:
    known = dict(
        StatementText.objects.filter(queryid__in=queryids).values_list("queryid", "last_seen_at")
    )
    if new := queryids - known.keys():
        rows = (
            StatementText(queryid=each, text=text, last_seen_at=seen_at)
            for each, text in texts(server, new).items()
        )
        StatementText.objects.bulk_create(rows, batch_size=1_000, ignore_conflicts=True)
    old = [each for each, last in known.items() if last < seen_at - _SEEN_EVERY]
    StatementText.objects.filter(queryid__in=old).update(last_seen_at=seen_at)


def texts(server: Server, queryids: Iterable[int]) -> dict[int, str]:
    """The texts of statements as PostgreSQL has them now, without values. One statement."""
    statement = sql.SQL(
        "SELECT DISTINCT ON (queryid) queryid, query FROM {} WHERE queryid = ANY(%(ids)s)"
        " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ).format(server.statements())
    rows = server.rows(statement, {"ids": list(queryids)})
    return {row["queryid"]: kept_text(row["query"]) for row in rows if row["query"] is not None}


def kept_texts(queryids: set[int]) -> dict[int, str]:
    """The texts of statements that snapshots have met, also of those that PostgreSQL has forgotten.

    One statement, none without queryids.
    """
    found = StatementText.objects.filter(queryid__in=queryids)
    return dict(found.values_list("queryid", "text"))


# Found


def latest(count: int = 1) -> list[StatisticsSnapshot]:
    """The newest ones, the newest first, without their samples. One statement."""
    return list(_listed().order_by("-taken_at")[:count])


def at(moment: datetime, *, server: Server, can: Capabilities) -> Sample:
    """The newest sample that is as old as that moment or older. One statement, or two.

    Raises `NoSnapshot`, and `NoSample` for one of another version.
    """
    ours = _of(server, can)
    found = ours.filter(taken_at__lte=moment).order_by("-taken_at").first()
    if found is None:
        oldest = ours.order_by("taken_at").values_list("taken_at", flat=True).first()
        there = f"the oldest is of {oldest:%Y-%m-%d %H:%M} UTC" if oldest else "there is none yet"
        raise NoSnapshot(
            f"No snapshot is as old as {moment:%Y-%m-%d %H:%M} UTC: {there}."
            " `manage.py pgstat snapshot` takes one."
        )
    return unpack(bytes(found.sample))


def oldest(within: timedelta, *, server: Server, can: Capabilities) -> Sample | None:
    """The oldest sample of this server that is no older than that, None without one."""
    since = datetime.now(UTC) - within
    found = _of(server, can).filter(taken_at__gte=since).order_by("taken_at").first()
    return unpack(bytes(found.sample)) if found else None


def _of(server: Server, can: Capabilities) -> Any:
    """Those of this very database: another server's counters can't be compared."""
    return StatisticsSnapshot.objects.filter(
        database=server.database, system_id=can.system_id or "unknown"
    )


def drawn(database: str, *, since: datetime, most: int = 500) -> list[tuple[datetime, Figures]]:
    """Figures of the snapshots of a database, in their order, the newest `most`. One statement."""
    found = (
        StatisticsSnapshot.objects.filter(database=database, taken_at__gte=since)
        .order_by("-taken_at")
        .values_list("taken_at", "figures")[:most]
    )
    return list(reversed(found))


def _listed() -> Any:
    return StatisticsSnapshot.objects.defer("sample")


# The newest look


def keep_look(database: str, document: bytes, made_at: datetime) -> None:
    """Keep a look, as JSON, in the place of the one before. One statement."""
    StatisticsLook.objects.bulk_create(
        [StatisticsLook(database=database, made_at=made_at, document=zlib.compress(document))],
        update_conflicts=True,
        unique_fields=["database"],
        update_fields=["made_at", "document"],
    )


def kept_look(database: str) -> bytes | None:
    """The newest look at a database as JSON, None without one. One statement."""
    found = StatisticsLook.objects.filter(database=database).first()
    return zlib.decompress(bytes(found.document)) if found else None


# Retention


def prune(now: datetime | None = None) -> int:
    """Delete what is not to be kept, and texts that nothing kept can name; how many snapshots.

    Two statements, three where any goes.
    """
    now = now or datetime.now(UTC)
    found = list(
        StatisticsSnapshot.objects.order_by("-taken_at").values_list("id", "taken_at", named=False)
    )
    going = list(surplus(found, now))
    if going:
        StatisticsSnapshot.objects.filter(id__in=going).delete()
    StatementText.objects.filter(last_seen_at__lt=now - DAILY_FOR).delete()
    return len(going)


def surplus(found: Sequence[tuple[int, datetime]], now: datetime) -> Iterator[int]:
    """Which of these snapshots, the newest first, are not to be kept.

    Of those in an hour, or a day, the oldest stays: it is what a window begins with.
    """
    kept: dict[str, int] = {}
    for number, taken_at in reversed(found):
        period = _period(taken_at, now - taken_at)
        if period is None or period in kept:
            yield number
        else:
            kept[period] = number
    yield from list(kept.values())[: max(0, len(kept) - MOST)]


def _period(taken_at: datetime, age: timedelta) -> str | None:
    if age <= ALL_FOR:
        return taken_at.isoformat()
    if age <= HOURLY_FOR:
        return f"{taken_at:%Y-%m-%d %H}"
    return f"{taken_at:%Y-%m-%d}" if age <= DAILY_FOR else None
