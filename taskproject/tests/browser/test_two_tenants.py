"""Two tabs of one browser in two tenants: what is seen and said in one stays there."""

from __future__ import annotations

from typing import Any

import pytest

from taskproject.tenancy.models import Role
from taskproject.tenancy.services import member_add
from taskproject.tests.browser.browsing import OFFERED
from taskproject.tests.cast import make_project, make_task

# What "Save" sends, without following it to the page that shows the message.
SEND = """
const form = document.querySelector('#task_form'), done = arguments[0];
fetch(location.href, {method: 'POST', body: new FormData(form), redirect: 'manual'})
  .then(answer => done(answer.type));
"""


def site(slug: str) -> str:
    return f"/admin/tenants/{slug}/"


@pytest.fixture
def tabs(browser: Any, people: Any) -> dict[str, str]:
    """Alice owns both tenants, which have a task each, and each is open in a tab."""
    member_add(tenant=people.beta, user=people.alice, role=Role.OWNER)
    browser.enter(people.alice)
    tabs = {}
    for tenant in (people.alpha, people.beta):
        make_task(make_project(tenant, people.alice), people.alice, f"A task of {tenant.slug}")
        tabs[tenant.slug] = browser.new_tab()
        browser.visit(f"{site(tenant.slug)}tasks/task/")
    return tabs


def assert_is_in(browser: Any, slug: str, titles: list[str]) -> None:
    assert browser.path == f"{site(slug)}tasks/task/"
    assert browser.text("#site-name") == slug.title()
    assert browser.column("title") == titles


def test_changes_in_two_tabs_stay_in_their_tenants(browser, tabs):
    for slug, tab in tabs.items():
        browser.switch(tab)
        browser.follow(f"A task of {slug}")
        browser.fill("title", f"Changed in {slug}")
    for slug, tab in tabs.items():
        browser.switch(tab)
        browser.press("Save")
        assert browser.messages == [f"The task “Changed in {slug}” was changed successfully."]
        assert_is_in(browser, slug, [f"Changed in {slug}"])
    for slug, tab in tabs.items():
        browser.switch(tab)
        browser.driver.refresh()
        assert browser.messages == []
        assert_is_in(browser, slug, [f"Changed in {slug}"])


@pytest.mark.parametrize("other", [site("beta"), "/admin/"])
def test_a_message_waits_for_its_own_tenant_if_another_page_loads_first(browser, tabs, other):
    browser.switch(tabs["alpha"])
    browser.follow("A task of alpha")
    assert browser.driver.execute_async_script(SEND) == "opaqueredirect"

    browser.switch(tabs["beta"])
    browser.visit(other)
    assert browser.messages == []
    browser.switch(tabs["alpha"])
    browser.visit(f"{site('alpha')}tasks/task/")

    assert browser.messages == ["The task “A task of alpha” was changed successfully."]


def test_a_form_offers_only_what_its_tenant_has(browser, people, tabs):
    browser.switch(tabs["beta"])
    browser.visit(f"{site('beta')}tasks/task/add/")
    browser.click(browser.one("select[name=assignee] + .select2 .select2-selection"))
    browser.wait(lambda: browser.texts(OFFERED), "the members")
    assert browser.texts(OFFERED) == ["alice", "carol"]
    browser.type("bob")

    browser.wait(lambda: browser.texts("[role=alert]") == ["No results found"], "no member bob")


def test_a_row_of_the_other_tenant_has_no_page(browser, tabs):
    browser.forgive("404 (Not Found)")
    browser.switch(tabs["alpha"])
    address = browser.links("#result_list .field-title a")[0]
    browser.visit(address.replace("/alpha/", "/beta/"))

    assert browser.text("h1") == "There is no such page"
