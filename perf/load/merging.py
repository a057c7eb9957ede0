"""Recordings as they go from a worker to who started it, and several made one."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from perf.load.recording import Cell, Histogram, Recording, TenantCell, note_reason

type Counts = dict[int, int]  # by the place of a bin


class PackedCell(msgspec.Struct, frozen=True, array_like=True):
    latency: Counts
    due: int
    failures: dict[str, int]
    service: Counts = {}
    lag: Counts = {}


class Packed(msgspec.Struct, frozen=True):
    """A `Recording` as JSON: what is exact in it stays so."""

    steps: dict[str, dict[int, PackedCell]]
    tenants: dict[str, dict[int, PackedCell]]
    in_flight: dict[int, int]
    done: dict[int, int]
    timing_ms: dict[str, float]
    timed: int
    workers: set[int]
    cpu_share: dict[int, float]
    ticks: Counts
    reasons: dict[str, int]
    lost: dict[int, str]
    broken_off: str


def packed(found: Recording) -> Packed:
    return Packed(
        steps={
            step: {second: _packed_cell(cell) for second, cell in cells.items()}
            for step, cells in found.steps.items()
        },
        tenants={
            tenant: {
                second: PackedCell(cell.latency.used, cell.due, cell.failures)
                for second, cell in cells.items()
            }
            for tenant, cells in found.tenants.items()
        },
        in_flight=found.in_flight,
        done=found.done,
        timing_ms=found.timing_ms,
        timed=found.timed,
        workers=found.workers,
        cpu_share=found.cpu_share,
        ticks=found.ticks.used,
        reasons=found.reasons,
        lost=found.lost,
        broken_off=found.broken_off,
    )


def unpacked(found: Packed) -> Recording:
    return Recording(
        steps={
            step: {second: _cell(each) for second, each in cells.items()}
            for step, cells in found.steps.items()
        },
        tenants={
            tenant: {second: _tenant_cell(each) for second, each in cells.items()}
            for tenant, cells in found.tenants.items()
        },
        in_flight=Counter(found.in_flight),
        done=Counter(found.done),
        timing_ms=defaultdict(float, found.timing_ms),
        timed=found.timed,
        workers=found.workers,
        cpu_share=found.cpu_share,
        ticks=Histogram.of(found.ticks),
        reasons=Counter(found.reasons),
        lost=found.lost,
        broken_off=found.broken_off,
    )


def merge(into: Recording, other: Recording) -> None:
    """Add what another recorded. Nothing is lost by it: histograms have the same bins."""
    for step, cells in other.steps.items():
        ours = into.steps.setdefault(step, {})
        for second, cell in cells.items():
            _add(ours.setdefault(second, Cell()), cell)
    for tenant, found in other.tenants.items():
        known = into.tenants.setdefault(tenant, {})
        for second, each in found.items():
            _add(known.setdefault(second, TenantCell()), each)
    into.in_flight.update(other.in_flight)
    into.done.update(other.done)
    for text, count in other.reasons.items():
        note_reason(into.reasons, text, count)
    for name, ms in other.timing_ms.items():
        into.timing_ms[name] += ms
    into.timed += other.timed
    into.workers |= other.workers
    into.cpu_share |= other.cpu_share
    into.ticks.add(other.ticks)
    into.lost |= other.lost
    into.broken_off = into.broken_off or other.broken_off


def _add[C: (Cell, TenantCell)](into: C, other: C) -> None:
    into.latency.add(other.latency)
    into.due += other.due
    into.failures.update(other.failures)
    if isinstance(into, Cell) and isinstance(other, Cell):
        into.service.add(other.service)
        into.lag.add(other.lag)


def _packed_cell(cell: Cell) -> PackedCell:
    return PackedCell(cell.latency.used, cell.due, cell.failures, cell.service.used, cell.lag.used)


def _cell(found: PackedCell) -> Cell:
    return Cell(
        latency=Histogram.of(found.latency),
        service=Histogram.of(found.service),
        lag=Histogram.of(found.lag),
        due=found.due,
        failures=Counter(found.failures),
    )


def _tenant_cell(found: PackedCell) -> TenantCell:
    return TenantCell(Histogram.of(found.latency), found.due, Counter(found.failures))
