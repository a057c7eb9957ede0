"""Elements of HTML and SVG as text in which everything is escaped that was not made here."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

from perf.report.texts import printable

type Child = str | Iterable[Child] | None

_VOID: Final = frozenset({"meta", "br", "hr", "col"})


class Markup(str):
    """Text that was escaped, or made by `element`."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Any text as itself.

    >>> escape('<script> & "')
    '&lt;script&gt; &amp; &quot;'
    """
    return text if isinstance(text, Markup) else Markup(html.escape(printable(text)))


def element(tag: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """An element. Attributes that are None or False are left out; `class_` is class, and "_" in
    other names is "-".

    >>> element("td", "a<b", class_="number", data_x=1.50)
    '<td class="number" data-x="1.5">a&lt;b</td>'
    """
    told = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{told}>")
    return Markup(f"<{tag}{told}>{join(children)}</{tag}>")


def join(children: Iterable[Child], separator: str = "") -> Markup:
    """Children one after the other, those that are no markup escaped."""
    return Markup(separator.join(_flat(children)))


def prose(text: str) -> Markup:
    """A sentence in which code stands between backticks, as in a docstring.

    >>> prose("`save()` is <slow>")
    '<code>save()</code> is &lt;slow&gt;'
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return join(element("code", each) if at % 2 else each for at, each in enumerate(parts))


def pixels(value: float) -> str:
    """A length or place, to the tenth.

    >>> pixels(12.0), pixels(3.14159)
    ('12', '3.1')
    """
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for each in children:
        if isinstance(each, str):
            yield escape(each)
        elif each is not None:
            yield from _flat(each)


def _attribute(key: str, value: str | float | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-") if key != "viewBox" else key
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = value if isinstance(value, str) else pixels(value)
    return f' {name}="{escape(text)}"'
