"""How many statements the addresses of projects may take, for the query monitor."""

from __future__ import annotations

from typing import Final

from taskproject.tenancy.budgets import budgets

BUDGETS: Final = budgets(
    {
        "GET project-list": 1,
        "POST project-list": 5,
        "GET project-detail": 1,
        "PATCH project-detail": 4,
        "POST project-unarchive": 4,
    }
)
