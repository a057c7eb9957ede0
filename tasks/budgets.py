"""How many statements the addresses of tasks may take, for the query monitor."""

from __future__ import annotations

from typing import Final

from taskproject.tenancy.budgets import budgets

BUDGETS: Final = budgets(
    {
        "GET project-task-list": 1,
        "POST project-task-list": 1,
        "POST project-archive": 8,
        "GET task-list": 2,
        "POST task-list": 1,
        "GET task-count": 2,
        "GET task-summary": 1,
        "GET task-export-ndjson": 4,
        "GET task-export-csv": 4,
        "POST task-batch-create": 3,
        "POST task-batch-update": 4,
        "POST task-batch-upsert": 4,
        "POST task-batch-delete": 2,
        "GET task-detail": 1,
        "PATCH task-detail": 7,
        "DELETE task-detail": 4,
        "POST task-restore": 3,
        "GET task-label-list": 2,
        "PUT task-label-detail": 9,
        "DELETE task-label-detail": 5,
        "GET comment-list": 2,
        "POST comment-list": 4,
        "GET comment-detail": 2,
        "PATCH comment-detail": 5,
        "DELETE comment-detail": 5,
        "GET dependency-list": 2,
        "POST dependency-list": 10,
        "DELETE dependency-detail": 4,
        "GET task-event-list": 3,
        "GET label-list": 1,
        "POST label-list": 4,
        "GET label-detail": 1,
        "PATCH label-detail": 4,
        "DELETE label-detail": 3,
    }
)
