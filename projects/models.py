"""The project."""

from __future__ import annotations

from typing import Final

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from taskproject.db.keys import TenantPrimaryKey
from taskproject.tenancy.scoping import MemberKey, TenantModel, member_reference

DESCRIPTION_BYTES: Final = 64 * 1024
KEY_PATTERN: Final = r"^[A-Z][A-Z0-9]{0,9}$"


class Project(TenantModel):
    """A gathering of tasks, named in their keys: `WEB` in `WEB-42`."""

    key = models.CharField(
        max_length=10,
        validators=[
            RegexValidator(KEY_PATTERN, "A capital letter, then up to 9 capitals or digits.")
        ],
    )
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    lead = MemberKey(null=True, blank=True)
    # The number that the next task gets. Taken by services, in the transaction that uses it.
    next_number = models.IntegerField(default=1, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.IntegerField(default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta(TenantModel.Meta):
        abstract = False
        db_table = "project"
        constraints = [
            TenantPrimaryKey(name="project_tpk"),
            # serves: project_by_key, project_list
            models.UniqueConstraint(fields=["tenant", "key"], name="project_key_uniq"),
            member_reference("project_lead_fk", "lead"),
            models.CheckConstraint(condition=Q(key__regex=KEY_PATTERN), name="project_key_chk"),
            models.CheckConstraint(condition=~Q(name=""), name="project_name_chk"),
            models.CheckConstraint(
                condition=Q(description__bytes__lte=DESCRIPTION_BYTES),
                name="project_description_chk",
            ),
            models.CheckConstraint(condition=Q(next_number__gt=0), name="project_next_number_chk"),
        ]

    def __str__(self) -> str:
        return self.key
