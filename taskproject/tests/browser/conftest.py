"""A browser, the service behind it, and people with passwords. See CONTRIBUTING.md."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project_settings
from pytest_django.live_server_helper import LiveServer
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome

from taskproject.tests.browser import chromium
from taskproject.tests.browser.browsing import PASSWORD, Browser
from taskproject.tests.cast import Cast


@pytest.fixture(scope="session")
def live_server() -> Iterator[LiveServer]:
    """The service on a port of its own. Static files come from WhiteNoise, as in production, and
    not from Django's handler for tests, which stands before all middleware."""
    server = LiveServer("localhost", start=False)
    thread: Any = server.thread
    thread.static_handler = lambda application: application
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    """One browser for all tests of a module."""
    programs = chromium.find_programs()
    if programs is None and os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(chromium.MISSING)
    if programs is None:
        pytest.skip(chromium.MISSING)
    with chromium.running(programs) as driver:
        yield driver


@pytest.fixture
def browser(
    driver: Chrome, live_server: LiveServer, transactional_db: None, settings: Any
) -> Iterator[Browser]:
    """An empty browser. The test fails if its console complains: see `pytest_runtest_call`."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with _empty(Browser(driver, live_server.url)) as browser:
        yield browser  # reset before the tables are emptied beneath an open page


@pytest.fixture
def reading(driver: Chrome) -> Iterator[Browser]:
    """The same for pages that are files: there is no service, and nothing to empty."""
    with _empty(Browser(driver, "")) as browser:
        yield browser


@contextmanager
def _empty(browser: Browser) -> Iterator[Browser]:
    browser.complaints()  # those of another test
    yield browser
    chromium.reset(browser.driver)


@pytest.fixture
def people(browser: Browser, cast: Cast) -> Cast:
    """The cast, and each of them has a password."""
    for user in (cast.alice, cast.bob, cast.vera, cast.carol):
        user.set_password(PASSWORD)
        user.save()
    return cast


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail for complaints of the console, and keep a picture of what a failed test saw."""
    arguments = getattr(item, "funcargs", {})
    browser: Browser | None = arguments.get("browser") or arguments.get("reading")
    if browser is None:
        return (yield)
    try:
        yield
        assert browser.complaints() == [], "The browser's console complains."
    except Exception as error:
        with suppress(WebDriverException):  # the browser itself may be what failed
            error.add_note(f"{browser.driver.current_url}, seen in {_picture(browser, item.name)}")
        raise


def _picture(browser: Browser, name: str) -> Path:
    folder = Path(project_settings.LOCAL_DIR) / "screenshots"
    return browser.take_picture(folder / f"{name}.png")
