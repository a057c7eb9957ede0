"""What a person does in a browser, and what then stands on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.test import Client
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from taskproject.tenancy.models import User
from taskproject.tests.browser import chromium

PASSWORD: Final = "a-Password-for-tests-7"
PATIENCE: Final = 10  # seconds
# The rows that an open field offers, without the note that it is still searching.
SEARCH: Final = ".select2-container--open .select2-search__field"
OFFERED: Final = ".select2-results__option[role=option]:not([aria-disabled])"
_TEXTS: Final = (
    "return [...document.querySelectorAll(arguments[0])].map(each => each.innerText.trim())"
)
_BUTTON: Final = ".//*[@type='submit'][@value='{0}' or normalize-space()='{0}']"


class Browser:
    """One browser with the service's address. Each step waits until its effect is there."""

    def __init__(self, driver: Chrome, address: str) -> None:
        self.driver = driver
        self.address = address
        self._forgiven: list[str] = []

    # --- Going places ---------------------------------------------------------------------------

    def visit(self, path: str) -> None:
        """Open an address of the service."""
        self.driver.get(self.address + path)

    def follow(self, text: str, within: str = "body") -> None:
        """Click on a link of that text, within what a CSS selector finds."""
        link = self.one(within).find_element(By.XPATH, f".//a[normalize-space()='{text}']")
        with self.leaving():
            self.click(link)

    def press(self, label: str, within: str = "body") -> None:
        """Click on a button that sends a form."""
        button = self.one(within).find_element(By.XPATH, _BUTTON.format(label))
        with self.leaving():
            self.click(button)

    def click(self, element: WebElement) -> None:
        """Click where it stands, after it was brought into view and not under a sticky bar."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """What is done inside leads to another page, and that page is there afterwards."""
        old = self.one("html")
        yield
        self.wait(lambda: staleness_of(old)(self.driver), "another page")
        self.wait(self._is_loaded, "the whole page")

    def _is_loaded(self) -> bool:
        return bool(self.driver.execute_script("return document.readyState === 'complete'"))

    def log_in(self, name: str) -> None:
        """Log in by the form, and be where it leads to."""
        self.visit("/admin/login/")
        self.fill("username", name)
        self.fill("password", PASSWORD)
        self.press("Log in")

    def enter(self, user: User) -> None:
        """Be logged in without the form, which has tests of its own."""
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": client.cookies[name].value, "url": self.address}
        self.driver.execute_cdp_cmd("Network.setCookie", cookie)

    def new_tab(self) -> str:
        """Open another tab and go there; its handle, which `switch` takes."""
        self.driver.switch_to.new_window("tab")
        chromium.set_size(self.driver, chromium.WIDTH, chromium.HEIGHT)
        self.switch(self.here)
        return self.here

    def switch(self, handle: str) -> None:
        """Go to the tab with that handle. It gets the focus too: without, clicks go astray."""
        self.driver.switch_to.window(handle)
        self.driver.execute_cdp_cmd("Page.bringToFront", {})

    @property
    def here(self) -> str:
        """The handle of the tab that is looked at."""
        return self.driver.current_window_handle

    def others(self, handle: str) -> list[str]:
        """The handles of all tabs and windows but one."""
        return [each for each in self.driver.window_handles if each != handle]

    # --- What stands there ----------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The address of the page, without the service's own."""
        parts = urlsplit(self.driver.current_url)
        return unquote(f"{parts.path}?{parts.query}" if parts.query else parts.path)

    def one(self, css: str) -> WebElement:
        """The first element that a CSS selector finds."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        """All elements that a CSS selector finds."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self, css: str) -> str:
        """The text that is seen of the first element."""
        return self.one(css).text

    def texts(self, css: str) -> list[str]:
        """The text that is seen of each element, at one request for all."""
        return [str(each) for each in self.driver.execute_script(_TEXTS, css)]

    def column(self, name: str) -> list[str]:
        """What a list shows in one of its columns."""
        return self.texts(f"#result_list tbody .field-{name}")

    def links(self, css: str) -> list[str]:
        """The addresses of links."""
        return [
            str(each.get_attribute("href")).removeprefix(self.address) for each in self.all(css)
        ]

    @property
    def messages(self) -> list[str]:
        """What the page says about what was done before."""
        return self.texts(".messagelist li")

    def value(self, name: str) -> str:
        """What a field holds: the label of a choice, the text of any other."""
        field = self.one(f"[name={name}]")
        if field.tag_name == "select":
            return ", ".join(each.text for each in Select(field).all_selected_options)
        return str(field.get_attribute("value"))

    # --- Filling in -----------------------------------------------------------------------------

    def fill(self, name: str, text: str) -> None:
        """Put a text into a field in the place of what it holds."""
        field = self.one(f"[name={name}]")
        field.clear()
        field.send_keys(text)

    def pick(self, name: str, label: str) -> None:
        """Pick one of the values of a select."""
        Select(self.one(f"select[name={name}]")).select_by_visible_text(label)

    def choose(self, name: str, typed: str, label: str) -> None:
        """Open a field that offers rows while one types, type, and click on a row."""
        field = self.one(f"select[name={name}] + .select2 .select2-selection")
        self.click(field)
        self.one(SEARCH).send_keys(typed)
        self.wait(lambda: self._take_first(label), f"{label!r} to be offered first")
        self.wait(lambda: label in field.text, f"{label!r} to be chosen")

    def _take_first(self, label: str) -> bool:
        # Each letter asks again: the row may be replaced before it is clicked on, and `wait` knows.
        found = self.texts(OFFERED)[:1] == [label]
        if found:
            self.one(OFFERED).click()
        return found

    def type(self, *keys: str) -> None:
        """Type into whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def await_focus(self, css: str) -> None:
        """Wait until an element that a script gives the focus to has it."""
        self.wait(lambda: self.driver.switch_to.active_element == self.one(css), f"{css} to focus")

    def tab_to(self, css: str, limit: int = 60) -> None:
        """Press the tabulator until that element has the focus."""
        wanted = self.one(css)
        for _ in range(limit):
            if self.driver.switch_to.active_element == wanted:
                return
            self.type(Keys.TAB)
        raise AssertionError(f"{limit} tabulators do not reach {css}.")

    # --- The browser itself ---------------------------------------------------------------------

    def wait[T](self, condition: Callable[[], T], what: str) -> T:
        """Ask again until there is an answer, and return it."""
        waiting = WebDriverWait(
            self.driver,
            PATIENCE,
            poll_frequency=0.05,
            ignored_exceptions=[NoSuchElementException, StaleElementReferenceException],
        )
        return waiting.until(lambda _: condition(), f"Waited {PATIENCE} s for {what}.")

    def forgive(self, text: str) -> None:
        """Let the console complain of something with that text: a page that is not there."""
        self._forgiven.append(text)

    def complaints(self) -> list[str]:
        """What the console said that nobody expected: policies, missing files, broken scripts."""
        severe = [
            str(entry["message"])
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE"
        ]
        return [each for each in severe if not any(text in each for text in self._forgiven)]

    def take_picture(self, path: Path) -> Path:
        """Save what is seen."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))
        return path
