"""The list of tasks: filters, pages and the search."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from django.db import transaction
from selenium.webdriver.common.keys import Keys

from projects.models import Project
from taskproject.tests.browser.browsing import OFFERED, SEARCH
from taskproject.tests.cast import make_project, make_task
from tasks.models import Status

LIST = "/admin/tenants/alpha/tasks/task/"
FILTERS = "#changelist-filter"


@pytest.fixture
def projects(browser: Any, people: Any) -> tuple[Project, Project]:
    """WEB with a pending and two done tasks, one of them Alice's; OPS with a done one."""
    web, ops = (make_project(people.alpha, people.alice, key) for key in ("WEB", "OPS"))
    make_task(web, people.alice, "Paint the door")
    make_task(web, people.alice, "Mend the roof", status=Status.DONE)
    make_task(web, people.alice, "Oil the gate", status=Status.DONE, assignee_id=people.alice.pk)
    make_task(ops, people.alice, "Sweep the yard", status=Status.DONE)
    browser.enter(people.alice)
    browser.visit(LIST)
    return web, ops


def test_a_click_on_a_status_narrows_the_list(browser, projects):
    browser.follow("done", FILTERS)

    assert browser.column("title") == ["Sweep the yard", "Oil the gate", "Mend the roof"]
    assert set(browser.column("status")) == {"done"}
    assert browser.text(".paginator .count") == "3 tasks"


def test_saving_leads_back_to_the_list_as_it_was_narrowed(browser, projects):
    browser.follow("done", FILTERS)
    browser.follow("Oil the gate")
    browser.press("Save")

    assert browser.path == f"{LIST}?status=3"


def test_a_project_is_found_by_typing(browser, projects):
    browser.choose("project", "op", "OPS · Ops")
    browser.press("Filter", "[data-filter-title=project]")

    assert browser.path == f"{LIST}?project={projects[1].pk}"
    assert browser.column("key") == ["OPS-1"]
    browser.follow("Clear", "[data-filter-title=project]")
    assert len(browser.column("key")) == 4


def test_the_filters_can_be_used_without_a_mouse(browser, projects):
    browser.tab_to("select[name=project] + .select2 .select2-selection")
    browser.type(Keys.ENTER)
    browser.await_focus(SEARCH)
    browser.type("web")
    browser.wait(lambda: browser.texts(OFFERED) == ["WEB · Web"], "the project")
    browser.type(Keys.ENTER)
    browser.tab_to("[data-filter-title=project] button")
    with browser.leaving():
        browser.type(Keys.ENTER)

    assert browser.path == f"{LIST}?project={projects[0].pk}"
    assert browser.column("key") == ["WEB-3", "WEB-2", "WEB-1"]


def test_filters_stand_together_only_where_an_index_serves_them(browser, people, projects):
    browser.follow("done", FILTERS)
    browser.choose("project", "web", "WEB · Web")
    browser.press("Filter", "[data-filter-title=project]")
    assert browser.column("title") == ["Oil the gate", "Mend the roof"]

    browser.follow("Mine", FILTERS)
    assert browser.path == f"{LIST}?assignee={people.alice.pk}"
    assert browser.column("title") == ["Oil the gate"]

    browser.follow("By due date", FILTERS)
    assert browser.path == f"{LIST}?show=due"
    browser.follow("pending", FILTERS)
    assert browser.path == f"{LIST}?status=0"


def test_a_task_is_found_by_its_key(browser, projects):
    browser.fill("q", "web-2")
    browser.press("Search")

    assert browser.column("title") == ["Mend the roof"]


def test_what_is_not_found_is_said_in_words(browser, projects):
    browser.follow("blocked", FILTERS)

    assert browser.text(".empty-list") == "No tasks match these filters. Show all."
    browser.follow("Show all.")
    assert len(browser.column("title")) == 4


def test_pages_go_forward_and_back(browser, people):
    web = make_project(people.alpha, people.alice)
    with transaction.atomic():
        for number in range(1, 121):
            make_task(web, people.alice, f"Step {number}")
    browser.enter(people.alice)
    browser.visit(LIST)
    pages = [browser.column("key")]
    for _ in range(2):
        browser.follow("Next ›")
        pages.append(browser.column("key"))

    assert [*chain(*pages)] == [f"WEB-{number}" for number in range(120, 0, -1)]
    assert not browser.all("a[rel=next]")
    assert browser.text(".paginator .count") == "120 tasks"
    browser.follow("‹ Previous")
    assert browser.column("key") == pages[1]
    browser.follow("First page")
    assert browser.path == LIST
