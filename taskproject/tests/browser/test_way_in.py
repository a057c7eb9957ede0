"""Logging in and out, choosing a tenant, and the wall around it."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from taskproject.tests.browser.browsing import PASSWORD
from taskproject.tests.cast import make_project, make_task

ALPHA = "/admin/tenants/alpha/"


def test_logging_in_leads_to_the_tenants_one_belongs_to(browser, people):
    browser.log_in("alice")

    assert browser.path == "/admin/"
    assert browser.texts(".tenant-list strong") == ["Alpha"]
    assert browser.texts(".tenant-list span") == ["alpha · owner"]


def test_a_chosen_tenant_stands_on_each_of_its_pages(browser, people):
    task = make_task(make_project(people.alpha, people.alice), people.alice)
    browser.enter(people.alice)
    browser.visit("/admin/")
    with browser.leaving():
        browser.one(".tenant-list a").click()
    assert browser.path == ALPHA

    of_task = f"{ALPHA}tasks/task/{task.pk}/"
    overview = set(browser.links("#content-main th a"))
    assert all(each.startswith(ALPHA) for each in overview)
    for page in (*sorted(overview), f"{of_task}change/", f"{of_task}history/"):
        browser.visit(page)
        assert browser.text("#site-name") == "Alpha", page
        assert browser.text("#tenant-slug") == "alpha · owner", page


def test_one_logs_in_without_a_mouse(browser, people):
    browser.visit("/admin/")

    browser.type("alice", Keys.TAB, PASSWORD)
    with browser.leaving():
        browser.type(Keys.ENTER)
    browser.tab_to(".tenant-list a")
    with browser.leaving():
        browser.type(Keys.ENTER)

    assert browser.path == ALPHA


def test_a_wrong_password_is_refused_on_the_form(browser, people):
    browser.visit("/admin/login/")
    browser.fill("username", "alice")
    browser.fill("password", "wrong")
    browser.press("Log in")

    assert "Please enter a correct username and password" in browser.text(".errornote")
    assert browser.value("username") == "alice"


def test_one_comes_to_the_page_that_was_asked_for_before_logging_in(browser, people):
    browser.visit(f"{ALPHA}tasks/task/?status=3")
    assert browser.path.startswith("/admin/login/?next=")

    browser.fill("username", "alice")
    browser.fill("password", PASSWORD)
    browser.press("Log in")

    assert browser.path == f"{ALPHA}tasks/task/?status=3"


@pytest.mark.parametrize("page", [ALPHA, "/admin/"])
def test_after_logging_out_the_pages_are_closed(browser, people, page):
    browser.enter(people.alice)
    browser.visit(page)
    browser.press("Log out")
    assert "Log out" not in browser.text("body")

    browser.visit(ALPHA)

    assert browser.path.startswith("/admin/login/?next=")


def test_a_script_in_a_page_does_not_run(browser, people):
    browser.visit("/admin/login/")
    browser.driver.execute_script(
        "const script = document.createElement('script'); script.text = 'window.ran = true';"
        "document.body.append(script)"
    )

    assert browser.driver.execute_script("return window.ran") is None
    assert "Content Security Policy" in browser.complaints()[0]


def test_a_stranger_sees_of_a_tenant_what_one_sees_of_none(browser, people):
    browser.forgive("404 (Not Found)")
    browser.log_in("carol")

    browser.visit("/admin/tenants/nowhere/tasks/task/")
    absent = browser.driver.page_source
    browser.visit(f"{ALPHA}tasks/task/")

    assert browser.text("h1") == "There is no such page"
    assert "Alpha" not in browser.driver.page_source
    assert browser.driver.page_source == absent
    browser.follow("To your tenants")
    assert browser.texts(".tenant-list strong") == ["Beta"]
