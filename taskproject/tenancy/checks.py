"""System checks of the walls between tenants. Ids tenancy.E001 to tenancy.E006."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import models

from taskproject.db.keys import TenantForeignKey, TenantReference, has_tenant_key
from taskproject.tenancy.scoping import TenantKey, TenantModel, tenant_models

_HINT = "See docs/tenancy.md, 'A new table'."


@register(Tags.models)
def check_tenant_models(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Each tenant model has its keys, tenant-first uniques and indexes, and tenant foreign keys."""
    found: list[CheckMessage] = []
    for model in tenant_models():
        for number, message in _problems(model):
            found.append(Error(message, hint=_HINT, obj=model, id=f"tenancy.E{number:03}"))
    return found


def _problems(model: type[TenantModel]) -> Iterator[tuple[int, str]]:
    if not has_tenant_key(model):
        yield 1, "has no TenantPrimaryKey among its Meta.constraints."
    if model._meta.base_manager_name != "objects":
        yield 2, "has another base manager than `objects`: let its Meta extend TenantModel.Meta."
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint) and not _begins_with_tenant(
            constraint.fields, constraint.expressions
        ):
            yield 3, f"{constraint.name} does not begin with the tenant."
    for index in model._meta.indexes:
        if not _begins_with_tenant(index.fields, index.expressions):
            yield 4, f"{index.name} does not begin with the tenant."
    yield from _foreign_key_problems(model)
    for field in model._meta.local_many_to_many:
        through: Any = field.remote_field.through
        if through._meta.auto_created:
            yield 6, f"{field.name} needs a through model that has a tenant."


def _foreign_key_problems(model: type[TenantModel]) -> Iterator[tuple[int, str]]:
    referenced = {
        each.field for each in model._meta.constraints if isinstance(each, TenantReference)
    }
    for field in model._meta.local_fields:
        if not isinstance(field, models.ForeignKey) or isinstance(field, TenantKey):
            continue
        target: Any = field.remote_field.model
        if issubclass(target, TenantModel) and not isinstance(field, TenantForeignKey):
            yield 5, f"{field.name} must be a TenantForeignKey."
        if field.name not in referenced:
            yield 5, f"{field.name} has no TenantReference among the Meta.constraints."


def _begins_with_tenant(fields: Sequence[str], expressions: Sequence[Any]) -> bool:
    if fields:
        return fields[0].lstrip("-") == "tenant"
    first: Any = expressions[0] if expressions else None
    return isinstance(first, models.F) and str(first) in ("F(tenant)", "F(tenant_id)")


def shared_models() -> list[type[models.Model]]:
    """Concrete models outside the walls, each of which must stand in `grants.SHARED_TABLES`."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if not issubclass(model, TenantModel) and model._meta.managed
    ]
