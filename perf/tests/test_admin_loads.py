"""Load tests in the admin: rows made from files, and each with its page."""

from __future__ import annotations

import dataclasses

import pytest
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.urls import reverse

from perf import listed, load_history
from perf.models import BenchmarkRun, LoadTestRun
from perf.tests import sample_load
from perf.tests.sample_load import ID
from perf.tests.test_admin_runs import asked

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.PERF_DIR = tmp_path / "perf"
    return settings.PERF_DIR


@pytest.fixture
def site():
    return admin.site._registry[LoadTestRun]


def test_a_load_test_is_enlisted_with_what_a_list_shows():
    assert listed.LOADS.enlist(sample_load.sample_load())

    row = LoadTestRun.objects.get()
    assert (row.id, row.commit, row.standing) == (ID, "0123456789ab", "pass")
    assert (row.scenarios, row.target) == ("tasks.browse 75%, tasks.board 25%", sample_load.TARGET)
    assert row.load == "Open model: 50 arrivals a second for 1 min, as a Poisson process"
    assert (row.requests, row.failure_rate) == (7_145, 3 / 7_145)
    assert (round(row.rate or 0, 1), row.p50_ms, row.p99_ms) == (118.9, 9.969, 145.658)


@pytest.mark.parametrize(
    ("make", "standing"),
    [
        (sample_load.limited_load, "rig-limited"),
        (sample_load.invalid_load, "invalid"),
    ],
)
def test_a_run_that_is_not_sound_has_no_figures_in_the_list(make, standing):
    listed.LOADS.enlist(make())

    row = LoadTestRun.objects.get()
    assert (row.standing, row.requests) == (standing, 7_145)
    assert {row.failure_rate, row.rate, row.p50_ms, row.p99_ms} == {None}


def test_a_percentile_of_too_few_samples_is_not_known():
    listed.LOADS.enlist(sample_load.closed_load())

    row = LoadTestRun.objects.get()
    assert (row.p50_ms, row.p99_ms, row.scenarios) == (10.095, None, "")


def test_the_list_is_made_of_the_files_and_shows_the_newest_first(site):
    for each in (ID, "20261128-091500-0a1b"):
        load_history.save(dataclasses.replace(sample_load.sample_load(), id=each))

    page = site.changelist_view(asked()).render().content.decode()

    assert page.index("20261128-091500-0a1b") < page.index(ID)
    for shown in ("146 ms", "9.97 ms", "0.042%", "119", "pass"):
        assert shown in page
    assert BenchmarkRun.objects.count() == 0


def test_a_load_test_has_its_own_page_in_a_frame(site):
    load_history.save(sample_load.sample_load())
    listed.LOADS.enlist_missing()

    form = site.change_view(asked(), ID).render().content.decode()
    address = reverse("admin:perf_loadtestrun_page", args=[ID])

    assert f'<iframe class="perf-page" title="Run {ID}" src="{address}">' in form
    page = site.page(asked(), ID)
    assert "Passed: all 3 objectives held." in page.content.decode()
    assert page._csp_config["default-src"] == ["'none'"]


@pytest.mark.parametrize("name", ["last", "2", "..", "20261126-140531-0a1b"])
def test_only_a_load_test_that_is_there_has_a_page(site, name):
    load_history.save(sample_load.sample_load())

    with pytest.raises(Http404, match=r"There is no run .* in .*/load\."):
        site.page(asked(), name)


def test_others_see_nothing(site):
    load_history.save(sample_load.sample_load())

    with pytest.raises(Http404):
        site.page(asked(is_superuser=False), ID)
    with pytest.raises(PermissionDenied):
        site.changelist_view(asked(is_superuser=False))
    assert LoadTestRun.objects.count() == 0
