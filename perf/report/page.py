"""What all pages of the lab have in common: one file with its styles, that fetches nothing and
runs no script.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from perf.report.markup import Markup, element

STYLES: Final = Path(__file__).with_name("page.css")
# Even if something slipped through: the page may fetch and run nothing.
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(title: str, body: Markup) -> str:
    """The whole document."""
    return f"<!doctype html>\n{element('html', _head(title), body, lang='en')}\n"


def _head(title: str) -> Markup:
    # A style sheet is no text: what HTML escapes would be read as it stands.
    style = Markup(STYLES.read_text(encoding="utf-8"))
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", style),
    )
