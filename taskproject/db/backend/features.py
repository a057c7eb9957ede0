"""What differs from PostgreSQL as Django knows it, because of tenant keys."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import features

from taskproject.db.keys import has_tenant_key


class DatabaseFeatures(features.DatabaseFeatures):
    """Foreign keys are checked at once, and `id` alone is not the key of a tenant table."""

    can_defer_constraint_checks = False
    supports_forward_references = False

    def allows_group_by_selected_pks_on_model(self, model: Any) -> bool:
        # GROUP BY id would be refused: the other columns depend on (tenant_id, id).
        return not has_tenant_key(model) and super().allows_group_by_selected_pks_on_model(model)
