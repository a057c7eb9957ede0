"""The project's own schema, seen by the lab's checks: nothing is amiss that is not meant."""

from __future__ import annotations

import pytest

from perf.pgstat.connecting import connected
from perf.pgstat.reading import look
from perf.pgstat.results import Severity, Status

pytestmark = pytest.mark.django_db

STRUCTURE = ("indexes", "ids", "wraparound")
COUNTED = {"IX1", "IX6"}  # they judge what was read and written, of which there is nothing here


def test_indexes_keys_and_constraints_are_as_they_should_be():
    with connected() as server:
        found = look(server, names=STRUCTURE)

    statuses = {check.id: check.status for check in found.checks if check.id not in COUNTED}
    worse = [each for each in found.findings if each.severity is not Severity.INFO]
    assert worse == []
    assert set(statuses.values()) <= {Status.OK, Status.FINDING}, statuses
    assert {"IX2", "IX3", "IX4", "IX5"} <= statuses.keys()


def test_each_finding_that_is_ignored_is_one_that_there_is(settings):
    with connected() as server:
        found = look(server)

    assert [each for each in found.findings if each.check == "IG1"] == []
    assert next(each for each in found.checks if each.id == "IX4").ignored == len(
        settings.PERF_IGNORE
    )
