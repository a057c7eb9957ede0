"""How far replicas are behind, and what slots keep for those that are not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from psycopg import sql

from perf.pgstat.results import Column, Finding, Fix, Kind, Place, Row, Severity
from perf.pgstat.section import Check, Reading, Section

LAG_BYTES: Final = 16 * 1024**2
LAG_S: Final = 30
RETAINED_BYTES: Final = 1024**3

_NOW: Final = (
    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END"
)
_REPLICAS: Final = f"""
    SELECT application_name AS name, state, usename IS NOT NULL AND state IS NULL AS is_hidden,
           pg_wal_lsn_diff({_NOW}, replay_lsn)::bigint AS lag_bytes,
           extract(epoch FROM replay_lag)::float8 AS lag_s
      FROM pg_stat_replication ORDER BY lag_bytes DESC NULLS LAST, name
"""  # of constants
_STANDBY: Final = """
    SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint
               AS lag_bytes,
           CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
           END::float8 AS lag_s
"""
_SLOTS: Final = "pg_replication_slots"
# Some came with 16 and 17.
_OPTIONAL: Final = ("inactive_since", "invalidation_reason", "wal_status", "safe_wal_size")
_EMPTY: Final[Row] = dict.fromkeys(
    (
        *("kind", "name", "state", "lag_bytes", "lag_s", "active", "retained_bytes"),
        *_OPTIONAL,
    )
)


def _read(reading: Reading) -> list[Row]:
    replicas = reading.server.rows(_REPLICAS)
    rows = [_EMPTY | {"kind": "replica"} | _without(each, "is_hidden") for each in replicas]
    rows += [_EMPTY | {"kind": "slot"} | each for each in _slots(reading)]
    if reading.can.in_recovery:
        standby = reading.server.row(_STANDBY)
        rows.insert(0, _EMPTY | {"kind": "standby", "name": "this server"} | standby)
    if any(each["is_hidden"] for each in replicas):
        reading.notes.append(
            "Where replicas are can't be seen: "
            f"GRANT pg_read_all_stats TO {reading.can.role_in_sql};"
        )
    if not rows:
        reading.notes.append("There are no replicas and no slots here.")
    return rows


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}


def _slots(reading: Reading) -> Iterator[Row]:
    there = reading.server.columns(_SLOTS)
    columns = [name for name in _OPTIONAL if name in there]
    statement = sql.SQL(
        "SELECT slot_name AS name, slot_type AS state, active,"
        " pg_wal_lsn_diff({now}, restart_lsn)::bigint AS retained_bytes, {columns}"
        " FROM pg_replication_slots ORDER BY retained_bytes DESC NULLS LAST, name"
    ).format(now=sql.SQL(_NOW), columns=sql.SQL(", ").join(map(sql.Identifier, columns)))
    for row in reading.server.rows(statement):
        since = row.get("inactive_since")
        yield row | {"inactive_since": since.isoformat(timespec="seconds") if since else None}


def _find_lag(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        found: Any = row
        lag_bytes, lag_s = found["lag_bytes"] or 0, found["lag_s"] or 0
        if lag_bytes >= LAG_BYTES or lag_s >= LAG_S:
            yield LAG.finding(
                Severity.WARNING,
                f"The {row['kind']} {row['name']} is {lag_bytes / 1024**2:,.0f} MiB and "
                f"{lag_s:,.0f} s behind.",
                place=Place(name=str(row["name"])),
                evidence=row,
            )


def _find_slots(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        found: Any = row
        if row["kind"] != "slot":
            continue
        if found["wal_status"] == "lost" or found["invalidation_reason"]:
            yield _slot_finding(row, Severity.WARNING, "can't be used any more")
        elif not row["active"] and (found["retained_bytes"] or 0) > RETAINED_BYTES:
            kept = f"keeps {found['retained_bytes'] / 1024**3:,.1f} GiB for nobody"
            yield _slot_finding(row, Severity.CRITICAL, kept)


def _slot_finding(row: Row, severity: Severity, what: str) -> Finding:
    statement = f"SELECT pg_drop_replication_slot('{row['name']}');"
    return SLOTS.finding(
        severity,
        f"The slot {row['name']} {what}.",
        place=Place(name=str(row["name"])),
        evidence=row,
        fix=Fix(sql=statement, online=True),
        caveats=("Whoever reads from it must then begin anew: ask first whether it comes back.",),
    )


LAG: Final = Check(
    "RP1",
    "replication-lag",
    "Replicas that are behind",
    "16 MiB, one segment of the write-ahead log, as pgsteward has it; or 30 s, from when on people "
    "miss what they have just written.",
    _find_lag,
)
SLOTS: Final = Check(
    "RP2",
    "abandoned-slots",
    "Slots that nobody reads from",
    "Not active and more than 1 GiB kept: it grows until the disk is full, and holds back VACUUM. "
    "Or lost: it has been of no use since.",
    _find_slots,
)

SECTION: Final = Section(
    "replication",
    "Replication",
    "Replicas and slots of the server, and how far it is behind where it is a standby itself.",
    (
        Column("kind", "text", Kind.LABEL, "replica, slot or standby", "the view"),
        Column("name", "text", Kind.LABEL, "name", "application_name, slot_name"),
        Column("state", "text", Kind.LABEL, "state, or the slot's type", "state, slot_type"),
        Column(
            "lag_bytes", "bytes", Kind.GAUGE, "behind",
            "the log's end - pg_stat_replication.replay_lsn",
        ),
        Column("lag_s", "s", Kind.GAUGE, "behind", "pg_stat_replication.replay_lag"),
        Column("active", "text", Kind.LABEL, "in use", "pg_replication_slots.active"),
        Column(
            "retained_bytes", "bytes", Kind.GAUGE, "kept for it",
            "the log's end - pg_replication_slots.restart_lsn",
        ),
        Column("inactive_since", "time", Kind.GAUGE, "not in use since", "inactive_since"),
        Column("invalidation_reason", "text", Kind.LABEL, "lost because", "invalidation_reason"),
        Column("wal_status", "text", Kind.LABEL, "what is kept", "wal_status"),
        Column("safe_wal_size", "bytes", Kind.GAUGE, "left until it is lost", "safe_wal_size"),
    ),
    _read,
    (LAG, SLOTS),
)  # fmt: skip
