"""The plans that statements had when they were last looked at, by the digest of their shape.

A plan is that of a real statement with its real values, which are not in it. Where it changes, the
ones before stay beside it: a statement that has become slow often has another plan.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any, Final

from perf.monitor.shapes import Shape
from perf.pg.plans import Plan

SHAPES_MAX: Final = 500
EACH_MAX: Final = 3  # different ones of a shape, the newest last
LENGTH_MAX: Final = 8_000  # characters

type Kept = list[dict[str, Any]]

_known: Final[dict[str, Kept]] = {}
_lock: Final = threading.Lock()


def note(shape: Shape, plan: Plan) -> None:
    """Keep the plan of a statement of this shape. Of more than `SHAPES_MAX` shapes none is kept."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    with _lock:
        if shape.digest not in _known and len(_known) >= SHAPES_MAX:
            return
        found = _known.setdefault(shape.digest, [])
        if found and found[-1]["fingerprint"] == plan.fingerprint:
            found[-1]["last"] = at
            return
        drawn = str(plan)[:LENGTH_MAX]
        found.append({"fingerprint": plan.fingerprint, "first": at, "last": at, "plan": drawn})
        del found[:-EACH_MAX]


def of(digest: str) -> Kept:
    """The plans that are known of a shape, the newest last."""
    with _lock:
        return [dict(each) for each in _known.get(digest, ())]


def joined(plans: Kept) -> Kept:
    """Those of several processes as one, equal ones once, the newest last."""
    found: dict[str, dict[str, Any]] = {}
    for each in sorted(plans, key=lambda plan: str(plan["last"])):
        known = found.pop(each["fingerprint"], each)
        found[each["fingerprint"]] = {**each, "first": min(known["first"], each["first"])}
    return list(found.values())[-EACH_MAX:]


def forget() -> None:
    """Begin anew."""
    with _lock:
        _known.clear()
