"""Making tasks until they are on the disk: what a COMMIT costs, once or for each row.

What is committed is taken away again by the schema's owner, outside of the time: the application
may delete no event.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import transaction

from perf import claim, pair, variant
from tasks.benchmarks.batches import InsertFewPair, save_one
from tasks.benchmarks.datasets import TASKS
from tasks.benchmarks.material import Batch
from tasks.benchmarks.traces import ClearedPair
from tasks.services.batches.create import bulk_create

_FORGET: Final = "DELETE FROM event WHERE tenant_id = %(tenant)s AND id > %(event)s"
_UNMAKE: Final = """
    WITH gone AS (
        DELETE FROM task WHERE tenant_id = %(tenant)s AND id > %(task)s RETURNING project_id
    ), counted AS (
        SELECT project_id, count(*) AS number FROM gone GROUP BY project_id
    )
    UPDATE project SET next_number = next_number - counted.number FROM counted
     WHERE project.tenant_id = %(tenant)s AND project.id = counted.project_id
"""


@pair(
    "tasks.batch_insert_committed",
    title="Making 100 tasks, with COMMIT",
    dataset=TASKS,
    page="large-batches",
    caveat=(
        "A COMMIT costs what the disk makes of it: with fsync or synchronous_commit off it waits"
        " for nothing, and what is left is the loop's round trips."
    ),
    sizes=(100_000,),
    tags=("batches", "writes", "large"),
    commits=True,
)
class InsertCommitted(ClearedPair, InsertFewPair):
    """What a COMMIT takes is the disk's: the report has the server's `fsync`."""

    claims = (
        claim.queries("commit_each", 500),  # 200 of them stand for BEGIN and COMMIT
        claim.faster("service", than="commit_each", by=8, at=100_000),
        claim.faster("service", than="save_each", by=6, at=100_000),
    )
    number = 100

    @variant(efficient=True)
    def service(self, new: Batch) -> None:
        """The service's bulk_create: one transaction, one COMMIT."""
        with super()._for(new):
            bulk_create(new.items, actor_id=new.actor_id)

    @variant()
    def commit_each(self, new: Batch) -> None:
        """A transaction for each task: a number, save(), an event, COMMIT."""
        with super()._for(new):
            for item in new.items:
                with transaction.atomic():
                    save_one(item, new.actor_id)

    def clear(self) -> None:
        mark = self._done.mark
        stood = {"tenant": self._done.tenant.id, "task": mark.task_id, "event": mark.event_id}
        self.owner.execute(_FORGET, stood)
        self.owner.execute(_UNMAKE, stood)
        super().clear()

    @contextmanager
    def _for(self, batch: Batch) -> Iterator[None]:
        """One transaction for all, with its COMMIT."""
        with super()._for(batch), transaction.atomic():
            yield
