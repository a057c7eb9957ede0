"""Runs in the database, made from their files: a row is replaced whenever its file is read."""

from __future__ import annotations

from datetime import datetime

from django.db import DatabaseError, transaction

from perf import history
from perf.engine.results import Finding, Run
from perf.models import BenchmarkRun
from perf.report.documents import DocumentError


def enlist(run: Run) -> bool:
    """Write the row of a run; whether that went well. One statement.

    The database may be away, or not be migrated: the file is kept all the same.
    """
    fields = [each.name for each in BenchmarkRun._meta.fields if not each.primary_key]
    try:
        with transaction.atomic():
            BenchmarkRun.objects.bulk_create(
                [_row(run)], update_conflicts=True, unique_fields=["id"], update_fields=fields
            )
    except (DatabaseError, ValueError):
        return False  # ValueError: a file may hold any text where a time should stand
    return True


def enlist_missing() -> int:
    """Write the rows of files that have none, such as those of another machine; how many."""
    known = set(BenchmarkRun.objects.values_list("id", flat=True))
    written = 0
    for name in history.ids():
        if name in known:
            continue
        try:
            run = history.load(name)
            written += run.id == name and enlist(run)
        except (DocumentError, OSError):
            continue  # of another version, or no run at all: its page would not open
    return written


def _row(run: Run) -> BenchmarkRun:
    findings = [claim.finding for pair in run.pairs for claim in pair.claims]
    return BenchmarkRun(
        id=run.id,
        started_at=datetime.fromisoformat(run.started_at),
        ended_at=datetime.fromisoformat(run.ended_at) if run.ended_at else None,
        command=run.command,
        commit=run.environment.get("commit", "unknown"),
        postgresql=run.environment.get("PostgreSQL", "unknown"),
        pairs=len(run.pairs),
        refused=sum(bool(size.refusal) for pair in run.pairs for size in pair.sizes),
        claims_held=findings.count(Finding.HOLDS),
        claims_refuted=findings.count(Finding.REFUTED),
        noise_floor=run.controls.noise_floor if run.controls else None,
    )
