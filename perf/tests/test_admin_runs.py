"""Runs in the admin: for superusers, each with its page."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory

from perf import history, listed
from perf.engine.results import ClaimResult, Finding
from perf.models import BenchmarkRun
from perf.tests.built import pair, run, size
from perf.tests.sample_run import sample_run

pytestmark = pytest.mark.django_db
RUN = "20261126-140531-0a1b"
CLAIMS = (
    ClaimResult("one", Finding.HOLDS, "1", True),
    ClaimResult("two", Finding.REFUTED, "2", True),
    ClaimResult("three", Finding.REFUTED, "3", False),
)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.PERF_DIR = tmp_path / "perf"
    return settings.PERF_DIR


@pytest.fixture
def site():
    return admin.site._registry[BenchmarkRun]


class Person:
    """Whoever asks. Django asks a user of an admin for no more."""

    is_active = is_staff = is_authenticated = True
    pk = 1

    def __init__(self, *, is_superuser: bool) -> None:
        self.is_superuser = is_superuser

    def get_username(self) -> str:
        return "ada"

    def has_perm(self, *_: object) -> bool:
        return True

    has_module_perms = has_perm


def asked(*, is_superuser: bool = True):
    request = RequestFactory().get("/")
    request.user = Person(is_superuser=is_superuser)  # type: ignore[assignment]
    return request


def test_a_run_is_enlisted_with_what_a_list_shows():
    kept = run(
        pair(size(), size(10_000, refusal="no"), claims=CLAIMS), pair(name="app.other"), id=RUN
    )

    assert listed.enlist(kept)

    row = BenchmarkRun.objects.get()
    assert (row.id, row.commit, row.postgresql) == (RUN, "abc", "18.6")
    assert (row.pairs, row.refused, row.claims_held, row.claims_refuted) == (2, 1, 1, 2)
    assert (str(row.ended_at), row.noise_floor) == ("2026-11-26 14:21:07+00:00", None)


def test_a_run_that_is_read_again_replaces_its_row():
    listed.enlist(run(id=RUN, ended_at=None))
    listed.enlist(run(id=RUN))

    assert BenchmarkRun.objects.get().ended_at is not None


def test_files_of_another_machine_are_enlisted_once():
    history.save(run(id=RUN))
    history.save(run(id="20261127-140531-0a1b"))

    assert (listed.enlist_missing(), listed.enlist_missing()) == (2, 0)
    assert BenchmarkRun.objects.count() == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"started_at": "yesterday"},
        {"environment": {"commit": "c" * 41}},
        {"command": "a\0b"},
        {"id": "i" * 41},
    ],
)
def test_a_run_that_fits_into_no_row_is_passed_over(folder, changes):
    history.save(run(**{"id": RUN} | changes))
    (made,) = folder.iterdir()
    made.rename(folder / f"{RUN}.json")

    assert listed.enlist_missing() == 0
    assert BenchmarkRun.objects.count() == 0  # and the transaction still works


def test_a_file_that_is_no_run_is_passed_over(folder):
    history.save(run(id=RUN))
    (folder / "20261126-000000-0000.json").write_text("{")

    assert listed.enlist_missing() == 1


def test_the_list_shows_the_newest_first(site):
    history.save(run(id=RUN))
    history.save(run(id="20261127-140531-0a1b"))

    page = site.changelist_view(asked()).render().content.decode()

    assert page.index("20261127-140531-0a1b") < page.index(RUN)
    assert "–" in page  # a run without controls knows no noise floor


def test_a_run_has_a_page_in_a_frame_and_nothing_to_save(site):
    listed.enlist(run(id=RUN))

    page = site.change_view(asked(), RUN).render().content.decode()

    assert f'<iframe class="perf-page" title="Run {RUN}"' in page
    assert 'name="_save"' not in page


def test_the_page_of_a_run_is_its_report(site):
    kept = sample_run()
    object.__setattr__(kept, "id", RUN)
    history.save(kept)

    response = site.page(asked(), RUN)

    assert response.status_code == 200
    assert RUN in response.content.decode()
    assert "tasks.deep_page" in response.content.decode()


def test_the_page_may_stand_in_a_frame_of_the_admin_and_load_nothing(site):
    history.save(run(id=RUN))

    response = site.page(asked(), RUN)

    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert response._csp_config["default-src"] == ["'none'"]
    assert response._csp_config["frame-ancestors"] == ["'self'"]
    assert "script-src" not in response._csp_config


@pytest.mark.parametrize("name", [RUN, "last", "2", "..", f"../perf/{RUN}.json", "main.json"])
def test_only_a_run_that_is_there_has_a_page(site, name):
    history.save(run(id="20261127-140531-0a1b"))

    with pytest.raises(Http404):
        site.page(asked(), name)


def test_a_broken_file_has_no_page(site, folder):
    history.save(run(id=RUN))
    (folder / f"{RUN}.json").write_text("{")

    with pytest.raises(Http404, match=f"There is no run {RUN}"):
        site.page(asked(), RUN)


def test_a_file_that_cannot_be_read_has_no_page(site, folder):
    (folder / f"{RUN}.json").mkdir(parents=True)

    with pytest.raises(Http404):
        site.page(asked(), RUN)


def test_others_see_nothing(site):
    history.save(run(id=RUN))

    with pytest.raises(Http404):
        site.page(asked(is_superuser=False), RUN)
    with pytest.raises(PermissionDenied):
        site.changelist_view(asked(is_superuser=False))
    assert not site.has_module_permission(asked(is_superuser=False))


def test_nobody_changes_anything(site):
    may = site.has_add_permission, site.has_change_permission, site.has_delete_permission

    assert [each(asked()) for each in may] == [False, False, False]


def test_a_list_without_a_folder_is_empty(site, folder):
    assert site.changelist_view(asked()).status_code == 200
    assert not folder.exists()


def test_over_http_a_stranger_is_sent_to_the_login(client):
    response = client.get(f"/admin/perf/benchmarkrun/{RUN}/page/")

    assert (response.status_code, "/login/" in response.headers["Location"]) == (302, True)


def test_over_http_a_superuser_reads_the_page(client):
    history.save(run(id=RUN))
    user = get_user_model()(is_superuser=True, is_staff=True, is_active=True)
    user.set_unusable_password()
    user.save()
    client.force_login(user)

    page = client.get(f"/admin/perf/benchmarkrun/{RUN}/page/")

    assert (page.status_code, page.headers["X-Frame-Options"]) == (200, "SAMEORIGIN")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert client.get("/admin/perf/benchmarkrun/").status_code == 200
    assert client.get("/admin/perf/benchmarkrun/20260101-000000-0000/page/").status_code == 404
