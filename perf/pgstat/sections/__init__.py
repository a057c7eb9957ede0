"""The sections of a report, each a module that says what it reads, and what its checks find."""

from __future__ import annotations

from typing import Final

from perf.pgstat.section import Section
from perf.pgstat.sections import (
    activity,
    bloat,
    cache,
    capabilities,
    checkpoints,
    connections,
    hot,
    ids,
    index_usage,
    indexes,
    io,
    locks,
    queries,
    replication,
    tables,
    vacuum,
    wraparound,
)

# In the order of a report.
SECTIONS: Final[tuple[Section, ...]] = (
    capabilities.SECTION,
    queries.SECTION,
    activity.SECTION,
    locks.SECTION,
    connections.SECTION,
    cache.SECTION,
    index_usage.SECTION,
    indexes.SECTION,
    tables.SECTION,
    vacuum.SECTION,
    wraparound.SECTION,
    bloat.SECTION,
    ids.SECTION,
    hot.SECTION,
    checkpoints.SECTION,
    io.SECTION,
    replication.SECTION,
)
