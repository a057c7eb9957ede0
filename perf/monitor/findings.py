"""What is told of a recording: slow statements, repeated ones, slow blocks, budgets overrun.

Each is a warning of the logger `perf.monitor`, with its members under `monitor` of the log record.
Values of statements are told by their kinds alone. The same finding is told once in LOG_S seconds;
all are counted in the totals.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from perf.monitor import identifiers, kept_plans
from perf.monitor.callsites import shown
from perf.monitor.explaining import explained, reads
from perf.monitor.options import options, tenant_of
from perf.monitor.recording import Group, Recording, Sample
from perf.monitor.shapes import redacted

logger: Final = logging.getLogger("perf.monitor")

REPEATED_TOLD: Final = 5  # of a recording, the most frequent ones
SQL_MAX: Final = 2_000  # characters of a shape in a log record
KEYS_MAX: Final = 2_000  # findings, and shapes' plans, that are remembered as told


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is slow_statement, repeated, slow_block, slow_request or over_budget; `where` a route
    or a function; `members` stand in the log record beside both."""

    kind: str
    where: str
    says: str
    members: dict[str, Any]
    key: tuple[Any, ...] = ()


class Times:
    """When something was done last, for what is done once in a while."""

    def __init__(self) -> None:
        self._times: dict[Any, float] = {}
        self._lock = threading.Lock()

    def is_due(self, key: Any, seconds: float) -> bool:
        """Whether it was not done within so many seconds; it counts as done now if so."""
        now = time.monotonic()
        with self._lock:
            last = self._times.get(key)
            if last is not None and now - last < seconds:
                return False
            if len(self._times) >= KEYS_MAX:
                self._times.clear()
            self._times[key] = now
        return True

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._times.clear()


told: Final = Times()
planned: Final = Times()


def tell(finding: Finding, request: Any = None) -> None:
    """Log a finding, unless the same was told within LOG_S seconds. Raises nothing."""
    try:
        key = finding.kind, finding.where, *finding.key
        if not logger.isEnabledFor(logging.WARNING) or not told.is_due(key, options().log_s):
            return
        tenant = tenant_of(request)
        members = {"kind": finding.kind, "where": finding.where, "tenant": tenant}
        extra = {"monitor": members | finding.members}
        suffix = "" if tenant is None else f" (tenant {tenant})"
        logger.warning("%s: %s%s", finding.where, finding.says, suffix, extra=extra)
    except Exception:
        logger.debug("A finding could not be told.", exc_info=True)


def repeated(where: str, recording: Recording) -> Iterator[Finding]:
    """A finding for each of the most repeated groups."""
    for group in recording.repeated[:REPEATED_TOLD]:
        yield Finding("repeated", where, _repeats(group), _of_group(group), _key(group))


def _repeats(group: Group) -> str:
    values = (
        f"with {group.distinct} different values" if group.distinct > 1 else "with the same values"
    )
    mend = f"; mended by {group.advice.says}" if group.advice and group.advice.says else ""
    return f"{group.shape.says} ran {group.calls} times {values} at {shown(group.place)}{mend}"


def _of_group(group: Group) -> dict[str, Any]:
    return {
        "statement": group.shape.says,
        "shape": group.shape.digest,
        "place": shown(group.place),
        "n": group.calls,
        "distinct": group.distinct,
        "ms": round(group.total_ms, 3),
        "rows": group.rows,
        "advice": group.advice.says if group.advice else "",
        "sql": group.shape.text[:SQL_MAX],
    }


def _key(group: Group) -> tuple[Any, ...]:
    return group.shape.digest, group.place


def tell_block(name: str, recording: Recording, took_ms: float, threshold_ms: float) -> None:
    """Tell of a block that took longer than it may, with all that it asked. Raises nothing."""
    outermost = recording.outer is None
    try:
        if took_ms > threshold_ms:
            tell(_slow_block(name, recording, took_ms, threshold_ms))
        for finding in repeated(name, recording):
            tell(finding)
        if outermost:  # else they are samples of the outer recording too
            look_at(recording.samples, name)
    except Exception:
        logger.debug("A block could not be told of.", exc_info=True)


def _slow_block(name: str, recording: Recording, took_ms: float, threshold_ms: float) -> Finding:
    costly = sorted(recording.groups.values(), key=lambda each: -each.total_ns)[:REPEATED_TOLD]
    says = (
        f"took {took_ms:.1f} ms (threshold {threshold_ms:g} ms), "
        f"{recording.statements} statements in {recording.total_ms:.1f} ms"
    )
    members = {
        "ms": round(took_ms, 3),
        "threshold_ms": threshold_ms,
        "n": recording.statements,
        "database_ms": round(recording.total_ms, 3),
        "rows": recording.rows,
        "groups": [_of_group(each) for each in costly],
    }
    return Finding("slow_block", name, says, members)


def look_at(samples: list[Sample], where: str, request: Any = None) -> None:
    """Ask for identifiers that are not known and for plans of what was slow, and tell of the slow.

    One EXPLAIN for each that is due, by the thread that ran them, once their work is done. Raises
    nothing.
    """
    found = options()
    for each in samples:
        digest = each.text.shape.digest
        wants_plan = (
            each.is_slow
            and found.plans
            and reads(each.text.shape)
            and planned.is_due(digest, found.plan_hours * 3600)
        )
        wants_identifier = found.identifiers and not each.text.is_identified
        asked = explained(each) if wants_plan or wants_identifier else None
        if wants_identifier:
            each.text.is_identified = True  # once, also where it can't be told
        if asked is not None and asked.identifier is not None:
            identifiers.note(each.text.shape, asked.identifier)
        if asked is not None:
            kept_plans.note(each.text.shape, asked.plan)
        if each.is_slow:
            plan = asked.plan if asked is not None and wants_plan else None
            tell(_slow_statement(each, where, plan), request)


def _slow_statement(sample: Sample, where: str, plan: Any) -> Finding:
    ran, shape = sample.ran, sample.text.shape
    says = f"{shape.says} took {ran.ms:.1f} ms at {shown(ran.place)}"
    members = {
        "statement": shape.says,
        "shape": shape.digest,
        "identifiers": list(identifiers.of(shape.digest)),
        "place": shown(ran.place),
        "n": 1,
        "ms": round(ran.ms, 3),
        "rows": ran.rows,
        "values": redacted(ran.params),
        "plan": str(plan) if plan is not None else None,
        "plan_fingerprint": plan.fingerprint if plan is not None else None,
        "sql": shape.text[:SQL_MAX],
    }
    if plan is not None:
        says += f"\n{plan}"
    return Finding("slow_statement", where, says, members, (shape.digest, ran.place))
