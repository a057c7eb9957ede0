"""Form fields and widgets that take what browsers and tinkerers send."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple


def is_id(text: str) -> bool:
    """Whether a text is a whole number that can be an id."""
    return text.isascii() and text.isdigit() and len(text) < 19


class _IdsOnly:
    """Django asks the database for the chosen rows before it looks whether these are ids at all."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        ids = [each for each in value if is_id(str(each))]
        return super().optgroups(name, ids, attrs)  # type: ignore[misc]


class RowSelect(_IdsOnly, AutocompleteSelect):
    """A row to be chosen by typing."""


class RowSelectMultiple(_IdsOnly, AutocompleteSelectMultiple):
    """Rows to be chosen by typing."""


class LinesField(forms.CharField):
    """A text of several lines. Browsers end them with CR LF, and what is stored has LF: a text that
    was not touched must not count as changed."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if text else text
