"""The page of a load test as people see it: in the admin and alone, on a phone, in the dark, on
paper, and with the keyboard only."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from perf import load_history
from perf.report.load import comparison, html, knee
from perf.tests import sample_load
from taskproject.tenancy.models import User
from taskproject.tests.browser import chromium
from taskproject.tests.browser.colours import luminance, texts
from taskproject.tests.browser.test_looks import PHONE

LIST = "/admin/perf/loadtestrun/"
PAGE = f"{LIST}{sample_load.ID}/page/"
# What sticks out to the right, but for what scrolls inside of its own frame.
OVERFLOW = """
const page = document.documentElement;
return [...document.querySelectorAll('body *')].filter(each => each.checkVisibility()
  && each.getBoundingClientRect().right > page.clientWidth + 1
  && !each.closest(arguments[0])).map(each => each.outerHTML.slice(0, 200));
"""
PAGES = {
    "sound": lambda: html.render(sample_load.sample_load()),
    "failing": lambda: html.render(sample_load.failing_load()),
    "limited": lambda: html.render(sample_load.limited_load()),
    "empty": lambda: html.render(sample_load.empty_load()),
    "comparison": lambda: comparison.to_html(sample_load.comparison()),
    "capacity": lambda: knee.to_html(sample_load.capacity()),
}


@pytest.fixture
def reader(browser: Any, people: Any, settings: Any, tmp_path: Any) -> User:
    """A superuser who is logged in, of an installation with a sound load test."""
    settings.PERF_DIR = tmp_path / "perf"
    load_history.save(sample_load.sample_load())
    user = User.objects.create_superuser(email="reader@example.com", username="reader")
    browser.enter(user)
    return user


@pytest.fixture(params=PAGES)
def page(request: Any, reading: Any, tmp_path: Any) -> str:
    """A page, opened as a file."""
    path = tmp_path / "page.html"
    path.write_text(PAGES[request.param](), encoding="utf-8")
    reading.driver.get(path.as_uri())
    return str(request.param)


def test_a_superuser_comes_from_the_list_to_the_page(browser, reader):
    browser.visit(LIST)
    browser.follow(sample_load.ID, within="#result_list")
    assert "Passed" not in browser.one("#content").text

    browser.driver.switch_to.frame(browser.one("iframe.perf-page"))
    assert "Passed: all 3 objectives held." in browser.one(".lead").text
    browser.driver.switch_to.default_content()
    browser.follow("The page by itself")
    assert browser.path == PAGE
    drawn = browser.driver.find_elements(By.CSS_SELECTOR, "svg.plot")
    assert len(drawn) == 8
    assert all(each.size["height"] > 100 for each in drawn)


def test_no_page_is_wider_than_a_phone(reading, page):
    chromium.set_size(reading.driver, *PHONE, mobile=True)
    width, shown = reading.driver.execute_script(
        "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    )

    assert width <= shown == PHONE[0]
    assert reading.driver.execute_script(OVERFLOW, ".wide") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_as_bright_as_the_person_likes_it_and_can_be_read(reading, page, scheme):
    chromium.prefer(reading.driver, scheme)
    found = [each for each in texts(reading) if each.tag not in SVG]
    title = next(each for each in found if each.tag == "h1")
    ground, ink = luminance(title.ground), luminance(title.colour)

    assert ground < 0.1 < 0.5 < ink if scheme == "dark" else ink < 0.1 < 0.8 < ground
    assert {each.text: each.contrast for each in found if not each.is_readable} == {}


# Of a text in a drawing the colour is its fill, and of these none is a text that is seen.
SVG = ("text", "title", "desc")


def test_on_paper_nothing_is_cut_off_and_what_is_not_to_be_believed_is_left_out(reading, page):
    chromium.set_size(reading.driver, 690, 900)  # A4 between its margins
    reading.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    text = reading.one("main").text

    assert reading.driver.execute_script(OVERFLOW, "none") == []
    assert ("9.97 ms" in text) == (page in ("sound", "failing"))
    assert "What was recorded nevertheless" not in text


def test_the_keyboard_reaches_all_links_and_all_that_scrolls(reading, page):
    reached = []
    for _ in range(40):
        reading.driver.switch_to.active_element.send_keys(Keys.TAB)
        active = reading.driver.switch_to.active_element
        if active.tag_name == "body":
            break
        reached.append(active)
    wanted = reading.driver.find_elements(By.CSS_SELECTOR, "a, .wide, summary, pre")

    assert {each.id for each in wanted if each.is_displayed()} <= {each.id for each in reached}


def test_what_is_folded_opens_with_the_keyboard(reading, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(html.render(sample_load.limited_load()), encoding="utf-8")
    reading.driver.get(path.as_uri())
    assert "9.97 ms" not in reading.one("main").text

    reading.one("summary").send_keys(Keys.ENTER)

    assert "9.97 ms" in reading.one("main").text
