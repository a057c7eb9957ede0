"""The page of one task: changing it, adding one, refusals, comments, its history."""

from __future__ import annotations

from typing import Any

import pytest

from taskproject.tests.cast import make_project, make_task
from tasks.models import Task

ALPHA = "/admin/tenants/alpha/"
LIST = f"{ALPHA}tasks/task/"


@pytest.fixture
def task(browser: Any, people: Any) -> Task:
    """WEB-1 of alpha; Alice is logged in."""
    task = make_task(make_project(people.alpha, people.alice), people.alice, "Paint the door")
    browser.enter(people.alice)
    return task


def page(task: Task) -> str:
    return f"{LIST}{task.pk}/change/"


def test_a_change_is_saved_and_told(browser, task):
    browser.visit(LIST)
    browser.follow("Paint the door")
    browser.fill("title", "Paint both doors")
    browser.pick("status", "active")
    browser.choose("assignee", "bo", "bob")
    browser.press("Save")

    assert browser.path == LIST
    assert browser.messages == ["The task “Paint both doors” was changed successfully."]
    assert browser.texts("#result_list tbody td:not(.action-checkbox)")[:4] == [
        "Paint both doors",
        "active",
        "normal",
        "bob",
    ]
    browser.follow("Paint both doors")
    shown = [browser.value(name) for name in ("title", "status", "assignee")]
    assert shown == ["Paint both doors", "active", "bob"]


def test_a_task_is_added(browser, task):
    browser.visit(LIST)
    browser.follow("Add task")
    browser.choose("project", "we", "WEB · Web")
    browser.fill("title", "Order the paint")
    browser.choose("parent", "WEB-1", "WEB-1 Paint the door")
    browser.press("Save")

    assert browser.messages == ["The task “Order the paint” was added successfully."]
    assert browser.column("key") == ["WEB-2", "WEB-1"]
    browser.follow("Paint the door")
    assert "WEB-2 Order the paint" in browser.text("#around")


def test_a_refused_value_is_told_beside_its_field_and_nothing_typed_is_lost(browser, task):
    browser.visit(page(task))
    browser.fill("title", "   ")
    browser.fill("description", "Green, as the shutters.")
    browser.pick("priority", "urgent")
    browser.choose("assignee", "ver", "vera")
    browser.press("Save")

    assert browser.path == page(task)
    assert browser.text(".field-title .errorlist") == "This field is required."
    shown = [browser.value(name) for name in ("description", "priority", "assignee")]
    assert shown == ["Green, as the shutters.", "urgent", "vera"]


def test_what_another_tab_has_saved_before_is_not_overwritten(browser, task):
    browser.visit(page(task))
    browser.fill("title", "Paint it red")
    first = browser.here
    browser.new_tab()
    browser.visit(page(task))
    browser.fill("title", "Paint it blue")
    browser.press("Save")
    browser.switch(first)
    browser.press("Save and continue editing")

    assert browser.text(".errorlist.nonfield").startswith("Somebody else has changed this")
    assert browser.value("title") == "Paint it red"
    browser.visit(page(task))
    assert browser.value("title") == "Paint it blue"


def test_a_comment_is_added_on_the_page_of_the_task(browser, task):
    browser.visit(page(task))
    browser.fill("comment", "Which green?\n\nAsk Bob.")
    browser.press("Save and continue editing")

    assert browser.text(".comment div") == "Which green?\nAsk Bob."
    assert browser.text(".comment .mini").startswith("alice, ")
    assert browser.value("comment") == ""


def test_the_history_says_who_changed_what_from_which_value_to_which(browser, task):
    browser.visit(page(task))
    browser.pick("status", "blocked")
    browser.choose("assignee", "bo", "bob")
    browser.press("Save and continue editing")
    browser.follow("History")

    newest, oldest = browser.all("#change-history tbody tr")
    assert "alice" in newest.text
    assert newest.text.splitlines()[1:] == ["status: pending → blocked", "assignee: – → bob"]
    assert "Task created" in oldest.text


def test_a_project_is_made_in_a_window_beside_the_form(browser, task):
    browser.visit(f"{LIST}add/")
    browser.fill("title", "Count the screws")
    form = browser.here
    browser.click(browser.one("#add_id_project"))
    browser.switch(browser.wait(lambda: browser.others(form), "the other window")[0])
    browser.fill("key", "OPS")
    browser.fill("name", "Operations")
    browser.click(browser.one("[name=_save]"))
    browser.wait(lambda: not browser.others(form), "the other window to close")
    browser.switch(form)
    browser.press("Save")

    assert browser.column("key") == ["OPS-1", "WEB-1"]


def test_a_new_label_is_put_on_a_task(browser, task):
    browser.visit(f"{ALPHA}tasks/label/add/")
    browser.fill("name", "urgent paint")
    browser.press("Save")
    browser.visit(page(task))
    browser.choose("labels", "urg", "urgent paint")
    browser.press("Save and continue editing")

    assert browser.texts("#around .label") == ["urgent paint"]
