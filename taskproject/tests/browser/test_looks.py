"""What the pages look like on a phone, in the dark and in the light."""

from __future__ import annotations

from typing import Any

import pytest

from taskproject.db.context import tenant_context
from taskproject.tests.browser import chromium
from taskproject.tests.browser.colours import luminance, texts
from taskproject.tests.cast import make_project, make_task
from tasks.models import Status
from tasks.services.tasks import task_update

ALPHA = "/admin/tenants/alpha/"
PHONE = (390, 844)
OVERFLOW = """
const page = document.documentElement;
return [...document.querySelectorAll('body *')].filter(each => each.checkVisibility()
  && each.getBoundingClientRect().right > page.clientWidth + 1
  && !each.closest('.results')).map(each => each.outerHTML.slice(0, 200));
"""
# Values of the history, one word each, that stand on more than one line.
BROKEN = """
return [...document.querySelectorAll('.changes del, .changes ins')].filter(each =>
  !/\\s/.test(each.innerText) && each.getClientRects().length > 1).map(each => each.innerText);
"""


@pytest.fixture
def pages(browser: Any, people: Any) -> dict[str, str]:
    """The addresses of one page of each kind; Alice is logged in."""
    web = make_project(people.alpha, people.alice)
    make_task(web, people.alice, "A title long enough to need three lines or more on a phone " * 2)
    task = make_task(web, people.alice, "Paint the door")
    with tenant_context(people.alpha):
        task_update(task_id=task.pk, actor_id=people.alice.pk, status=Status.BLOCKED)
    browser.enter(people.alice)
    of_task = f"{ALPHA}tasks/task/{task.pk}/"
    return {
        "chooser": "/admin/",
        "overview": ALPHA,
        "list": f"{ALPHA}tasks/task/",
        "form": f"{of_task}change/",
        "history": f"{of_task}history/",
    }


def test_no_page_is_wider_than_a_phone(browser, pages):
    chromium.set_size(browser.driver, *PHONE, mobile=True)
    for name, address in pages.items():
        browser.visit(address)
        width, shown = browser.driver.execute_script(
            "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
        )
        assert width <= shown == PHONE[0], name
        assert browser.driver.execute_script(OVERFLOW) == [], name
        assert browser.driver.execute_script(BROKEN) == [], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_page_is_as_bright_as_the_person_likes_it_and_every_text_can_be_read(
    browser, pages, scheme
):
    chromium.prefer(browser.driver, scheme)
    for name, address in pages.items():
        browser.visit(address)
        found = texts(browser)
        title = next(each for each in found if each.tag == "h1")
        ground, ink = luminance(title.ground), luminance(title.colour)
        assert ground < 0.1 < 0.5 < ink if scheme == "dark" else ink < 0.1 < 0.8 < ground, name
        faint = {each.text: round(each.contrast, 2) for each in found if not each.is_readable}
        assert faint == {}, name
