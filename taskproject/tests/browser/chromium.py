"""A Chromium without a window, and the driver that Selenium steers it by."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
MISSING: Final = (
    "No Chromium with chromedriver on the PATH. On Debian: "
    "apt-get install --no-install-recommends chromium chromium-driver"
)
WIDTH, HEIGHT = 1280, 800
_SWITCHES: Final = (
    "--headless=new",
    "--disable-dev-shm-usage",  # containers have a small one
    "--disable-component-update",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--lang=en",
)


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the browser and its driver stand."""

    browser: str
    driver: str


def find_programs() -> Programs | None:
    """The first browser on the PATH and its driver; None if one of the two is missing."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return Programs(browser, driver) if browser and driver else None


@contextmanager
def running(programs: Programs) -> Iterator[Chrome]:
    """A new browser with an empty profile. Selenium is told where all is, and fetches nothing; it
    talks to the driver, which is on this machine, through no proxy."""
    os.environ |= {"SE_OFFLINE": "true", "SE_AVOID_STATS": "true", "no_proxy": "localhost"}
    driver = Chrome(options=_options(programs.browser), service=Service(programs.driver))
    set_size(driver, WIDTH, HEIGHT)
    try:
        yield driver
    finally:
        driver.quit()


def _options(browser: str) -> ChromeOptions:
    options = ChromeOptions()
    options.binary_location = browser
    for switch in _SWITCHES:
        options.add_argument(switch)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to run as root with one
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return options


def reset(driver: Chrome) -> None:
    """As a new browser: one empty window of the usual size, no cookies, nothing stored."""
    first, *others = driver.window_handles
    for each in others:
        driver.switch_to.window(each)
        driver.close()
    driver.switch_to.window(first)
    forget_site(driver)
    driver.get("about:blank")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    set_size(driver, WIDTH, HEIGHT)


def forget_site(driver: Chrome) -> None:
    """Drop the cookies of all sites, and what the site of the open page keeps in the browser."""
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    if driver.current_url.startswith("http"):
        driver.execute_script("localStorage.clear(); sessionStorage.clear()")


def set_size(driver: Chrome, width: int, height: int, *, mobile: bool = False) -> None:
    """Give the page that many CSS pixels; `mobile` obeys the page's viewport tag, as phones do."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def prefer(driver: Chrome, scheme: str) -> None:
    """Say that the person likes pages `dark` or `light`."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
