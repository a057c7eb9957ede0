"""This app's models in the web admin. Nothing is imported here but the modules that register
pages, which is how Django finds them."""

from __future__ import annotations

from taskproject.tenancy.admin import people, platform  # noqa: F401
