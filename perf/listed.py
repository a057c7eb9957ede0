"""Runs in the database, made from their files: a row is replaced whenever its file is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import DatabaseError, models, transaction

from perf import history, load_history
from perf.engine.results import Finding, Run
from perf.kept import Named, Shelf
from perf.load.results import LoadRun
from perf.models import BenchmarkRun, LoadTestRun
from perf.report.formats import DocumentError
from perf.report.load import summary


@dataclass(frozen=True, slots=True)
class Listed[R: Named, M: models.Model]:
    """The rows of one kind: from which files they are made, and how."""

    model: type[M]
    shelf: Shelf[R]
    row: Callable[[R], M]

    def enlist(self, run: R) -> bool:
        """Write the row of a run; whether that went well. One statement.

        The database may be away, or not be migrated: the file is kept all the same.
        """
        fields = [each.name for each in self.model._meta.fields if not each.primary_key]
        try:
            with transaction.atomic():
                self.model._default_manager.bulk_create(
                    [self.row(run)],
                    update_conflicts=True,
                    unique_fields=["id"],
                    update_fields=fields,
                )
        except (DatabaseError, ValueError):
            return False  # ValueError: a file may hold any text where a time should stand
        return True

    def enlist_missing(self) -> int:
        """Write the rows of files that have none, such as those of another machine; how many."""
        known = set(self.model._default_manager.values_list("pk", flat=True))
        written = 0
        for name in self.shelf.ids():
            if name in known:
                continue
            try:
                run = self.shelf.load(name)
                written += run.id == name and self.enlist(run)
            except (DocumentError, OSError):
                continue  # of another version, or no run at all: its page would not open
        return written


def _of_benchmark(run: Run) -> BenchmarkRun:
    findings = [claim.finding for pair in run.pairs for claim in pair.claims]
    return BenchmarkRun(
        id=run.id,
        started_at=datetime.fromisoformat(run.started_at),
        ended_at=_moment(run.ended_at),
        command=run.command,
        commit=run.environment.get("commit", "unknown"),
        postgresql=run.environment.get("PostgreSQL", "unknown"),
        pairs=len(run.pairs),
        refused=sum(bool(size.refusal) for pair in run.pairs for size in pair.sizes),
        claims_held=findings.count(Finding.HOLDS),
        claims_refuted=findings.count(Finding.REFUTED),
        noise_floor=run.controls.noise_floor if run.controls else None,
    )


def _of_load(run: LoadRun) -> LoadTestRun:
    is_sound = summary.is_sound(run)
    return LoadTestRun(
        id=run.id,
        started_at=datetime.fromisoformat(run.started_at),
        ended_at=_moment(run.ended_at),
        command=run.command,
        commit=run.environment.get("commit", "unknown"),
        target=run.target,
        scenarios=summary.scenarios(run),
        load=f"{summary.model_name(run.method)}: {summary.load(run.method)}",
        standing=summary.standing(run).value,
        requests=run.total.requests,
        failure_rate=run.total.failure_rate if is_sound else None,
        rate=run.rate if is_sound else None,
        p50_ms=_quantile_ms(run, 0.5) if is_sound else None,
        p99_ms=_quantile_ms(run, 0.99) if is_sound else None,
    )


def _quantile_ms(run: LoadRun, q: float) -> float | None:
    found = run.total.latency.at(q)
    return found.value_ms if found else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


RUNS: Final = Listed(BenchmarkRun, history.RUNS, _of_benchmark)
LOADS: Final = Listed(LoadTestRun, load_history.LOADS, _of_load)

enlist: Final = RUNS.enlist
enlist_missing: Final = RUNS.enlist_missing
