"""Notes what became of each call, in a form that merges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from perf.load.recording import (
    HIGHEST_US,
    LONGEST_REASON,
    Cell,
    Recording,
    TenantCell,
    note_reason,
)
from perf.load.results import Failure

_US: Final = 1_000_000
_MOST_MS: Final = HIGHEST_US / 1000
_MOST_TIMINGS: Final = 50  # names in a Server-Timing: one with an id in it is another each time
_NEVER_CAME: Final = frozenset({Failure.TIMEOUT, Failure.TRANSPORT, Failure.DROPPED})


@dataclass(slots=True)
class Made:
    """A call that was due: its moments are seconds from the measured begin. `sent` is None for one
    that was dropped."""

    step: str
    tenant: str
    due: float
    sent: float | None
    done: float
    failure: Failure | None = None
    reason: str = ""


class Recorder:
    """Records into a `Recording` of its own, which can be taken at any time; then it begins anew.

    What never came back enters the latency at the timeout, or later if it was given up later.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._found = Recording()

    def take(self) -> Recording:
        """All since it was last taken."""
        found, self._found = self._found, Recording()
        return found

    def record(self, made: Made) -> None:
        """Note a call in the second in which it was due."""
        second = math.floor(made.due)
        latency_us = self._latency_us(made)
        cells = self._found.steps.setdefault(made.step, {})
        cell = cells.get(second) or cells.setdefault(second, Cell())
        if made.sent is not None:
            cell.lag.record_value(max(0, int((made.sent - made.due) * _US)))
            cell.service.record_value(max(0, int((made.done - made.sent) * _US)))
        self._count(cell, latency_us, made.failure)
        if made.tenant:
            tenants = self._found.tenants.setdefault(made.tenant, {})
            tenant = tenants.get(second) or tenants.setdefault(second, TenantCell())
            self._count(tenant, latency_us, made.failure)
        if made.due >= 0 and made.failure not in (None, Failure.THROTTLED):
            self._reason(made)
        if made.failure not in _NEVER_CAME:
            self._found.done[math.floor(made.done)] += 1

    def _count(self, cell: Cell | TenantCell, latency_us: int, failure: Failure | None) -> None:
        cell.due += 1
        cell.latency.record_value(latency_us)
        if failure is not None:
            cell.failures[failure] += 1

    def tick(self, late_s: float) -> None:
        """Note how late the worker's clock ticked."""
        self._found.ticks.record_value(max(0, int(late_s * _US)))

    def timing(self, header: str) -> None:
        """Add up a `Server-Timing`: names with `dur`, in ms; what is no time counts as 0."""
        self._found.timed += 1
        for entry in _text(header).split(","):
            name, *parameters = entry.split(";")
            for each in parameters:
                key, _, value = each.strip().partition("=")
                known = self._found.timing_ms
                if key == "dur" and (name.strip() in known or len(known) < _MOST_TIMINGS):
                    known[name.strip()] += _ms(value)

    def _latency_us(self, made: Made) -> int:
        latency_s = made.done - made.due
        if made.failure in _NEVER_CAME:
            latency_s = max(latency_s, self._timeout_s)
        return max(0, int(latency_s * _US))

    def _reason(self, made: Made) -> None:
        text = f"{made.step}: {made.reason}"
        note_reason(self._found.reasons, _text(text[:LONGEST_REASON]))


def _ms(value: str) -> float:
    try:
        found = float(value.strip('"'))
    except ValueError:
        return 0.0
    return found if 0 <= found <= _MOST_MS else 0.0  # nor does the sum of any become infinite


def _text(from_outside: str) -> str:
    """As UTF-8 can have it: a server may send any bytes, and JSON may escape half a character."""
    return from_outside.encode(errors="replace").decode()
