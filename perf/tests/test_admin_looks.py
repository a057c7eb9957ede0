"""Pages of the newest look in the admin: for superusers, and made of what was kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.http import Http404
from django.test.utils import CaptureQueriesContext

from perf import looks
from perf.looks import PAGES
from perf.models import StatisticsSnapshot
from perf.pgstat import store
from perf.pgstat.results import Point, Series
from perf.pgstat.sections import SECTIONS
from perf.pgstat.series import Figures, series
from perf.report.database import documents
from perf.report.database.plots import plot, plots
from perf.tests.test_admin_runs import asked

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def site() -> Any:
    return admin.site._registry[StatisticsSnapshot]


@pytest.fixture
def kept() -> None:
    for _ in range(3):
        call_command("pgstat", "snapshot")


@pytest.mark.parametrize("name", PAGES)
def test_others_than_superusers_find_no_page(site, name):
    for view in (site.look, site.page):
        with pytest.raises(Http404):
            view(asked(is_superuser=False), name)


def test_there_is_no_other_page(site):
    for view in (site.look, site.page):
        with pytest.raises(Http404):
            view(asked(), "anything")


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if not page.is_live])
def test_a_page_is_made_of_what_was_kept(kept, site, name):
    with CaptureQueriesContext(connection) as queries:
        told = site.page(asked(), name).text

    statements = [each["sql"] for each in queries.captured_queries]
    assert len(statements) <= 2
    assert all('FROM "perf_' in each and "pg_" not in each for each in statements)
    assert "What PostgreSQL says of" in told


def test_the_page_of_health_has_findings_checks_and_plots(kept):
    told = looks.page(PAGES["health"])

    assert 'id="checks"' in told
    assert told.count("<svg") >= 5


def test_the_first_snapshot_makes_no_window_and_later_ones_make_one_to_their_own_time():
    windows = []
    for _ in range(2):
        call_command("pgstat", "snapshot")
        kept = store.kept_look(connection.settings_dict["NAME"])
        windows.append(documents.decode(kept or b"").window)

    first, second = StatisticsSnapshot.objects.order_by("taken_at")
    assert [each.source for each in windows] == ["lifetime", "snapshots"]
    assert windows[1].seconds == (second.taken_at - first.taken_at).total_seconds()


def test_the_live_page_looks_anew():
    assert "What PostgreSQL says of" in looks.page(PAGES["live"])


def test_without_a_look_the_page_says_what_makes_one():
    assert "manage.py pgstat snapshot" in looks.page(PAGES["health"])


def test_a_look_of_another_version_is_told(kept):
    store.keep_look(connection.settings_dict["NAME"], b'{"schema": 1}', START)

    assert "another version" in looks.page(PAGES["health"])


def test_a_newer_look_stands_in_the_place_of_the_older():
    store.keep_look("d", b"1", START)
    store.keep_look("d", b"2", START)

    assert store.kept_look("d") == b"2"


def test_each_section_stands_on_a_page():
    told = {name for page in PAGES.values() for name in page.sections}

    assert {each.name for each in SECTIONS} <= told


def test_a_counter_is_drawn_as_what_it_gained_a_second_and_a_reset_is_a_gap():
    taken: list[tuple[datetime, Figures]] = [
        (START + timedelta(minutes=n), {"calls": calls, "sessions": 3})
        for n, calls in enumerate((60, 180, 10, 70))
    ]

    found = {each.title: [point.value for point in each.points] for each in series(taken)}

    assert found["Statements"] == [2.0, None, 1.0]
    assert found["Sessions"] == [3, 3, 3, 3]
    assert found["WAL"] == [None, None, None]


def test_a_gap_parts_the_line():
    values = (1.0, 2.0, None, 4.0, 3.0, None, 5.0)
    points = tuple(Point(f"2026-11-26T12:0{n}:00+00:00", v) for n, v in enumerate(values))

    drawn = plot(Series("Calls", "calls/s", points))

    assert drawn.count("<path") == 3
    assert drawn.count("<circle") == 1
    assert "Calls: 5/s at last" in drawn


def test_what_is_known_once_is_not_drawn():
    assert plots([Series("Calls", "calls/s", (Point("2026-11-26T12:00:00+00:00", 1.0),))]) is None
