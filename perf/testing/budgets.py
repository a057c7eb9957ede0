"""Requests of a test keep to the budgets of their views."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from perf.monitor.callsites import shown
from perf.monitor.middleware import request_monitored
from perf.monitor.recording import Recording


@contextmanager
def assert_within_budgets() -> Iterator[None]:
    """Fail if a request of the block asks for more than its view's budget.

    The monitor's middleware must be in MIDDLEWARE. A streamed response counts when it is closed.
    Raises `AssertionError` at the end of the block, with the statements of each such request.
    """
    found: list[str] = []

    def take(route: str, recording: Recording, overruns: list[str], **kwargs: Any) -> None:
        if overruns:
            found.append(f"{route}: {', '.join(overruns)}\n{listed(recording)}")

    request_monitored.connect(take)
    try:
        yield
    finally:
        request_monitored.disconnect(take)
    assert not found, "\n".join(found)


def listed(recording: Recording) -> str:
    """The statements of a recording by shape and place, for the message of a failed test."""
    groups = sorted(recording.groups.values(), key=lambda each: -each.calls)
    return "\n".join(
        f"  {each.calls} × {each.shape.text} at {shown(each.place)}" for each in groups
    )
