"""Putting a label on many tasks, and taking one off."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from msgspec import json

from taskproject.db.statements import run
from tasks.models import Label
from tasks.services.batches.checks import id_array
from tasks.services.batches.statements import LABEL, UNLABEL
from tasks.services.relations import LABELS_PER_TASK


class Labelled(NamedTuple):
    """The tasks that have the label since, and those that have no room for it: if there are any of
    these, none got it."""

    tasks: frozenset[int]
    full: frozenset[int]


def label_tasks(ids: Collection[int], *, label_id: int, actor_id: int) -> Labelled:
    """Put a label on tasks that are locked, with an event for each that did not have it. One
    statement. Raises `Label.DoesNotExist`."""
    values = {
        "ids": id_array(ids),
        "label": label_id,
        "actor": actor_id,
        "most": LABELS_PER_TASK,
    }
    ((found,),) = run(LABEL, values)
    known, full, labelled = json.decode(
        found or b"", type=tuple[bool, frozenset[int], frozenset[int]]
    )
    if not known:
        raise Label.DoesNotExist("The label does not exist.")
    return Labelled(labelled, full)


def unlabel_tasks(ids: Collection[int], *, label_id: int, actor_id: int) -> frozenset[int]:
    """Take a label off tasks that are locked, with an event for each that had it: the ids of
    these. One statement; a label that is not there was on none."""
    values = {"ids": id_array(ids), "label": label_id, "actor": actor_id}
    ((found,),) = run(UNLABEL, values)
    return json.decode(found or b"[]", type=frozenset[int])
