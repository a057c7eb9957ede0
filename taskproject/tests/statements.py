"""What the statements of a block do, in few words: for tests of what a service costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from perf.testing import statements


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The block's statements as "SELECT task": their verb and the first table they name.

    What begins and ends transactions is left out: a test runs inside one of its own.
    """
    found: list[str] = []
    with statements() as ran:
        yield found
    found += [each.shape.says for each in ran]
