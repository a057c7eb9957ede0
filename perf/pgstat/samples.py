"""Taking a sample of all views."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg

from perf.pgstat.capabilities import Capabilities
from perf.pgstat.server import Server
from perf.pgstat.sizes import capture_sizes
from perf.pgstat.views import SIZES, VIEWS, Sample, capture


def take(server: Server, can: Capabilities) -> Sample:
    """Read all views and sizes. One statement for each, and one more at the first of a session.

    What can't be read is left out, with the reason.
    """
    views, missing = {}, {}
    for view in (*VIEWS, SIZES):
        try:
            found = capture_sizes(server) if view is SIZES else capture(server, view, can)
        except psycopg.Error as error:
            missing[view.name] = str(error).strip().splitlines()[0]
            continue
        if found is not None:
            views[view.name] = found
    return Sample(datetime.now(UTC), can.started_at, views, missing)
