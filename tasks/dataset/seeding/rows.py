"""All rows of a seed, in one pass."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Final

from taskproject.tenancy.models import Role
from tasks.dataset.seeding.eras import ERAS, Person, SeededTenant
from tasks.dataset.seeding.founding import World, found_tenant
from tasks.dataset.seeding.options import SeedOptions
from tasks.dataset.seeding.sizes import tenant_sizes
from tasks.dataset.seeding.tables import Block, Rows
from tasks.dataset.seeding.tasks import TaskWriter
from tasks.dataset.seeding.texts import Texts
from tasks.dataset.seeding.worktime import WorkCalendar

BLOCK_TASKS: Final = 4_000
ROUND_TASKS: Final = 10_000
_FOUNDED_TOGETHER: Final = 500


def seed_blocks(
    options: SeedOptions, first_ids: Mapping[str, int] | None = None
) -> Generator[Block, None, None]:
    """The rows of a seed in blocks of one table each; loaded in this order, each row finds what it
    refers to. Equal arguments give equal bytes.

    First come all tenants with what they stand on, then the tasks in rounds: each round takes every
    tenant on by the same part of its history, so that the rows of the tenants lie between each
    other in the tables, as they would if they had come with time.

    `first_ids` has the id that each table begins with, 1 where it says nothing. Memory holds a
    block of 4,000 tasks and about 5 kB for each tenant, whatever the number of tasks. Cost: some
    45 µs a task.
    """
    rows = Rows(first_ids or {})
    world = World(options, rows, WorkCalendar(options.until), Texts())
    writers = []
    for tenant in _tenants(world):
        writers.append((tenant.tasks, TaskWriter(world, tenant)))
        if len(rows.tenant.lines) >= _FOUNDED_TOGETHER:
            yield from rows.blocks()
    for first, end, writer in _runs(writers, max(1, options.tasks // ROUND_TASKS)):
        writer.write(first, end)
        if len(rows.task.lines) >= BLOCK_TASKS:
            yield from rows.blocks()
    yield from rows.blocks()


def _tenants(world: World) -> Iterator[SeededTenant]:
    """Found the tenants, the largest first. One in four takes in a member of the one before."""
    options, colleague = world.options, None
    for rank, tasks in enumerate(tenant_sizes(options.tasks, options.tenants, options.zipf)):
        guest = colleague if rank % 4 == 1 else None
        tenant = found_tenant(world, rank=rank, tasks=tasks, guest=guest)
        colleague = _colleague(tenant)
        yield tenant


def _colleague(tenant: SeededTenant) -> Person | None:
    regular = (p for p in tenant.people if p.role == Role.MEMBER and p.left == ERAS)
    return next(regular, None)


def _runs(
    writers: list[tuple[int, TaskWriter]], rounds: int
) -> Iterator[tuple[int, int, TaskWriter]]:
    """The runs of all tenants in all rounds, each of BLOCK_TASKS at most.

    A tenant without tasks has one empty run, in which the events of its founding are written.
    """
    for turn in range(rounds):
        for tasks, writer in writers:
            first, end = tasks * turn // rounds, tasks * (turn + 1) // rounds
            if not tasks and turn == 0:
                yield 0, 0, writer
            for start in range(first, end, BLOCK_TASKS):
                yield start, min(start + BLOCK_TASKS, end), writer
