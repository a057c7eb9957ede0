"""The pages that show the OpenAPI document: for everybody, and from this host alone."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from taskproject.db.context import tenant_context
from taskproject.tenancy.services import token_issue

SWAGGER = "/api/v1/docs/"
REDOC = "/api/v1/redoc/"
_REQUESTED = "return performance.getEntriesByType('resource').map(each => each.name)"


def open_operation(browser, tag, operation_id):
    """Open an operation of Swagger UI, ready to be filled in."""
    browser.visit(SWAGGER)
    for css in (
        f"#operations-tag-{tag}",
        f"#operations-{tag}-{operation_id} .opblock-summary-control",
        ".try-out__btn",
    ):
        browser.click(browser.wait(lambda css=css: browser.one(css), css))
    browser.wait(lambda: browser.one(".opblock .execute"), "the form")


def execute(browser, *, tenant):
    """Send it for a tenant; the status and the body of the answer."""
    field = browser.one("tr[data-param-name=tenant] input")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(tenant)
    browser.click(browser.one(".execute"))
    answer = ".live-responses-table tbody .response-col_status"
    browser.wait(lambda: browser.one(answer), "the answer")
    return browser.text(answer).split()[0], browser.text(".live-responses-table .highlight-code")


def asked_elsewhere(browser):
    """What a page that shows the document has asked of other hosts than this one."""
    requested = browser.driver.execute_script(_REQUESTED)
    assert f"{browser.address}/api/v1/schema/" in requested
    return [each for each in requested if not each.startswith(browser.address)]


def test_swagger_lists_the_resources(browser):
    browser.visit(SWAGGER)
    browser.wait(lambda: browser.one(".opblock-tag"), "the resources")

    tags = browser.texts(".opblock-tag a")
    assert {"Task", "Project", "Member", "Token"} <= set(tags)
    assert asked_elsewhere(browser) == []


def test_swagger_sends_what_one_tries_out_with_a_token(browser, people):
    with tenant_context(people.alpha):
        token = token_issue(user_id=people.alice.pk, name="browser").text
    open_operation(browser, "Task", "task_list")
    browser.click(browser.one(".authorize"))
    field = browser.wait(lambda: browser.one("#auth-bearer-value"), "the dialog")
    field.send_keys(token, Keys.ENTER)
    browser.click(browser.wait(lambda: browser.one(".btn-done"), "the way out"))

    status, body = execute(browser, tenant="alpha")

    assert status == "200"
    assert '"results": []' in body


def test_swagger_writes_with_the_session_of_the_web_admin(browser, people):
    browser.enter(people.alice)
    browser.visit("/admin/")  # which gives the CSRF cookie
    open_operation(browser, "Label", "label_create")

    status, body = execute(browser, tenant="alpha")

    assert status == "201"
    assert '"name": "security"' in body


def test_redoc_shows_and_finds_operations(browser):
    browser.visit(REDOC)
    field = browser.wait(lambda: browser.one("[role=search] input"), "the search")
    field.send_keys("restore")

    found = "[data-role='search:results'] li"
    browser.wait(lambda: browser.texts(found), "what is found")
    assert any("Bring a deleted task back" in text for text in browser.texts(found))
    assert browser.all("img") == []  # its maker's logo would come from another host
    assert asked_elsewhere(browser) == []


@pytest.mark.parametrize("page", [SWAGGER, REDOC])
def test_a_script_in_a_page_does_not_run(browser, page):
    browser.visit(page)
    browser.driver.execute_script(
        "const script = document.createElement('script'); script.text = 'window.ran = true';"
        "document.body.append(script)"
    )

    assert browser.driver.execute_script("return window.ran") is None
    assert "Content Security Policy" in browser.complaints()[0]
