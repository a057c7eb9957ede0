"""The base of every tenant table: its key to the tenant and the manager that keeps to it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from taskproject.db.context import TenantNotSet, current_tenant_id, in_all_tenants
from taskproject.db.filters import InTenant
from taskproject.db.keys import TenantReference


class TenantKey(models.ForeignKey):  # type: ignore[type-arg]
    """`tenant_id`: filled from the active tenant when a row is made, and never changed after.

    No index of its own: the primary key and every index of the table begin with it.
    """

    def __init__(self, to: Any = "tenancy.Tenant", on_delete: Any = models.DB_CASCADE, **kw: Any):
        kw |= {"db_index": False, "editable": False, "related_name": "+"}
        kw.setdefault("default", current_tenant_id)
        super().__init__(to, on_delete, **kw)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if value is None:
            raise TenantNotSet(
                f"A {model_instance._meta.verbose_name} was about to be saved and no tenant is "
                "active. Save it inside `with tenant_context(tenant):`."
            )
        return value


class MemberKey(models.ForeignKey):  # type: ignore[type-arg]
    """A person in a tenant's row: a user to Django, a membership of the tenant to the database.

    It makes neither constraint nor index: `member_reference` is the constraint.
    """

    def __init__(self, to: Any = settings.AUTH_USER_MODEL, on_delete: Any = None, **kw: Any):
        kw |= {"db_constraint": False, "db_index": False, "related_name": "+"}
        # Memberships are never deleted, and a tenant's deletion cascades through its own key.
        super().__init__(to, on_delete or models.DO_NOTHING, **kw)


def member_reference(name: str, field: str) -> TenantReference:
    """The constraint of a `MemberKey`: (tenant_id, field) REFERENCES membership."""
    return TenantReference(
        name=name, field=field, references="tenancy.membership", to_column="user_id"
    )


class TenantQuerySet[M: models.Model](models.QuerySet[M]):
    """A queryset whose fetched rows count only for the tenant that they were fetched for.

    Evaluated in one tenant and used in another, it asks again, as if it were new.
    """

    _fetched_for: tuple[int | None, bool] | None = None

    @property
    def _result_cache(self) -> list[M] | None:
        return self.__dict__.get("_result_cache") if self._fetched_for == _whose() else None

    @_result_cache.setter
    def _result_cache(self, rows: list[M] | None) -> None:
        self.__dict__["_result_cache"] = rows
        self._fetched_for = _whose()
        self._prefetch_done = False


def _whose() -> tuple[int | None, bool]:
    return current_tenant_id(), in_all_tenants()


class TenantManager[M: models.Model](models.Manager[M]):
    """Rows of the active tenant only. Running a query outside a tenant raises `TenantNotSet`."""

    def get_queryset(self) -> models.QuerySet[M]:
        return TenantQuerySet(self.model, using=self._db).filter(InTenant())


class TenantModel(models.Model):
    """A row that belongs to one tenant for ever.

    `objects` is also the base manager, so that relations, refreshes and updates keep to the active
    tenant; `unscoped` is the way round it, and row-level security still stands behind it.
    """

    tenant = TenantKey()

    objects: ClassVar[TenantManager[Self]] = TenantManager()
    unscoped: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
        default_manager_name = "objects"

    @classmethod
    def from_db(cls, db: str | None, field_names: Any, values: Any, **options: Any) -> Self:
        instance = super().from_db(db, field_names, values, **options)
        instance._remember_tenant()
        return instance

    def save_base(self, *args: Any, **kwargs: Any) -> None:
        """Refuse a changed tenant: the UPDATE would match no row, and Django would then INSERT a
        copy of the row into the other tenant."""
        loaded = self.__dict__.get("_loaded_tenant_id")
        if loaded is not None and self.tenant_id != loaded:
            raise ValidationError({"tenant": "A row can't move to another tenant."})
        super().save_base(*args, **kwargs)
        self._remember_tenant()

    def delete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        """Delete by tenant and id, as the key is, in one statement; the database cascades."""
        rows: Any = type(self)._base_manager.using(using or self._state.db)
        count: int = rows.filter(tenant_id=self.tenant_id, pk=self.pk)._raw_delete(rows.db)
        return count, {self._meta.label: count}

    def validate_constraints(self, exclude: Any = None) -> None:
        # The tenant is no field of any form, yet every unique constraint begins with it.
        super().validate_constraints(exclude=set(exclude or ()) - {"tenant"})

    def _do_update(self, base_qs: Any, using: Any, pk_val: Any, *args: Any, **kwargs: Any) -> Any:
        # By tenant as well: inside all_tenants() the manager adds no filter.
        scoped = base_qs.filter(tenant_id=self.tenant_id)
        return super()._do_update(scoped, using, pk_val, *args, **kwargs)

    def _remember_tenant(self) -> None:
        # From __dict__, because reading a deferred field would be a query.
        if (tenant_id := self.__dict__.get("tenant_id")) is not None:
            self.__dict__["_loaded_tenant_id"] = tenant_id


def tenant_models() -> list[type[TenantModel]]:
    """Every concrete tenant model of the project, in the order of installation."""
    from django.apps import apps

    return [model for model in apps.get_models() if issubclass(model, TenantModel)]
