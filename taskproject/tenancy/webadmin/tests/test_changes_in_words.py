"""What an event changed, as a person reads it."""

from __future__ import annotations

from taskproject.tenancy.models import Event, EventKind
from taskproject.tenancy.webadmin.history import Change, changes_of
from taskproject.tenancy.webadmin.sites import tenant_site


def said(kind: EventKind, **changes: object) -> list[Change]:
    return changes_of(Event(kind=kind, changes=changes), tenant_site.words)


def test_an_update_tells_what_was_and_what_is() -> None:
    changes = said(EventKind.TASK_UPDATED, status=[0, 1], priority=[3, 0], title=["Old", "New"])

    assert [(each.name, each.old, each.new) for each in changes] == [
        ("status", "pending", "active"),
        ("priority", "urgent", "low"),
        ("title", "Old", "New"),
    ]


def test_two_scopes_of_a_token_are_no_change_from_one_to_the_other() -> None:
    assert said(EventKind.TOKEN_ISSUED, scopes=["read", "write"]) == [
        Change("scopes", None, "read, write")
    ]


def test_nothing_is_a_dash_and_a_time_is_short() -> None:
    changes = said(EventKind.TASK_UPDATED, due_at=[None, "2026-05-01T16:00:00+00:00"])

    assert changes == [Change("due at", "–", "2026-05-01 16:00 UTC")]


def test_the_id_of_a_comment_is_left_out() -> None:
    assert said(EventKind.COMMENT_ADDED, comment=7) == []
