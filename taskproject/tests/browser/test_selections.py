"""Actions on selected tasks, and what somebody sees who may only look."""

from __future__ import annotations

from typing import Any

import pytest

from taskproject.db.context import tenant_context
from taskproject.tests.cast import make_project, make_task
from tasks.models import Task
from tasks.services.relations import label_create

ALPHA = "/admin/tenants/alpha/"
LIST = f"{ALPHA}tasks/task/"
ALL = [f"WEB-{number}" for number in range(5, 0, -1)]


@pytest.fixture
def tasks(people: Any) -> list[Task]:
    """WEB-1 to WEB-5 of alpha, which has a label."""
    with tenant_context(people.alpha):
        label_create(name="spring", actor_id=people.alice.pk)
    web = make_project(people.alpha, people.alice)
    return [make_task(web, people.alice, f"Step {number}") for number in range(1, 6)]


def select(browser: Any, keys: set[str]) -> None:
    boxes = browser.all("#result_list .action-select")
    for key, box in zip(browser.column("key"), boxes, strict=True):
        if key in keys:
            browser.click(box)


def run(browser: Any, action: str) -> None:
    browser.pick("action", action)
    browser.press("Run")


def test_three_tasks_are_changed_at_once(browser, people, tasks):
    browser.enter(people.alice)
    browser.visit(LIST)
    select(browser, {"WEB-1", "WEB-2", "WEB-4"})
    assert "3 of 5 selected" in browser.text(".actions")
    run(browser, "Change…")
    assert browser.text("h1") == "Change 3 tasks"
    browser.pick("status", "done")
    browser.choose("add_label", "spr", "spring")
    browser.press("Change them")

    assert browser.messages == ["3 tasks changed."]
    assert browser.path == LIST
    assert browser.column("status") == ["pending", "done", "pending", "done", "done"]
    browser.choose("label", "spr", "spring")
    browser.press("Filter", "[data-filter-title=label]")
    assert browser.column("key") == ["WEB-4", "WEB-2", "WEB-1"]


def test_a_change_of_nothing_is_refused_on_its_page(browser, people, tasks):
    browser.enter(people.alice)
    browser.visit(LIST)
    select(browser, {"WEB-3"})
    run(browser, "Change…")
    browser.press("Change them")

    assert browser.text("h1") == "Change 1 task"
    assert browser.text(".errorlist") == "Choose at least one thing to change."


def test_deleted_tasks_stand_in_a_list_of_their_own_and_come_back(browser, people, tasks):
    browser.enter(people.bob)
    browser.visit(LIST)
    select(browser, {"WEB-2", "WEB-3"})
    run(browser, "Delete (can be undone)")
    assert browser.messages == ["2 tasks deleted. The list “Deleted” has them."]
    assert browser.column("key") == ["WEB-5", "WEB-4", "WEB-1"]

    browser.follow("Deleted", "#changelist-filter")
    assert set(browser.column("key")) == {"WEB-2", "WEB-3"}
    browser.follow("Step 2")
    assert "This task was deleted on" in browser.text(".deleted-note")
    assert not browser.all(".submit-row [type=submit]")
    browser.driver.back()
    select(browser, {"WEB-2", "WEB-3"})
    run(browser, "Restore")

    assert browser.messages == ["2 tasks restored."]
    browser.visit(LIST)
    assert browser.column("key") == ALL


def test_a_viewer_is_offered_nothing_to_change(browser, people, tasks):
    browser.log_in("vera")
    browser.visit(ALPHA)
    assert not browser.all(".addlink, .changelink")
    browser.visit(LIST)
    assert browser.column("key") == ALL
    assert not browser.all(".actions, .action-select, .addlink")
    browser.follow("Step 1")

    assert not browser.all("#content [type=submit], #content textarea, .submit-row .deletelink")
    assert browser.text(".field-title .readonly") == "Step 1"
    assert not browser.all("#around a")
