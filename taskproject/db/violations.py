"""What a violated constraint means, for the person whose values broke it.

Services check what they can before they write. What stays are races: two requests that make the
same label at once, or refer to what a third one is deleting. PostgreSQL refuses one of them.
"""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError
from django.db.models import F, Model, UniqueConstraint

from taskproject.db.keys import TenantReference


class StateConflict(ValidationError):
    """What was asked for is well-formed, and the state of other rows forbids it."""


_TENANT: Final = "tenant"
_PERSON: Final = "user_id"  # what a reference to a membership ends in


def constraint_of(error: IntegrityError) -> str | None:
    """The name of the violated constraint; None if PostgreSQL named none."""
    name: str | None = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    return name


def require_unique(row: Model) -> None:
    """Raise `ValidationError`, on the right field, if a unique value of a row is taken already.

    One statement for each unique constraint. Two requests at once both pass: PostgreSQL refuses the
    later one, which `as_validation_error` tells.
    """
    model = type(row)
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint):
            try:
                constraint.validate(model, row)
            except ValidationError as error:
                raise _taken(model, constraint) from error


def as_validation_error(error: IntegrityError, model: type[Model]) -> ValidationError | None:
    """What to tell a person about a row of `model` that PostgreSQL refused, on the right field.

    Told are unique constraints and tenant references of the model's `Meta`. None for any other
    violation, and for one of another table: the caller raises `error` again then.
    """
    name = constraint_of(error)
    violated = next((each for each in model._meta.constraints if each.name == name), None)
    if isinstance(violated, UniqueConstraint):
        return _taken(model, violated)
    if isinstance(violated, TenantReference):
        return _absent(model, violated)
    return None


def violated_rule(error: IntegrityError) -> ValidationError | None:
    """The same for a row of whichever model declares the violated constraint; None if none does."""
    name = constraint_of(error)
    for model in apps.get_models():
        if any(each.name == name for each in model._meta.constraints):
            return as_validation_error(error, model)
    return None


def _taken(model: type[Model], constraint: UniqueConstraint) -> ValidationError:
    columns = [*constraint.fields, *_sources(constraint.expressions)]
    fields = [name for name in columns if name != _TENANT]
    message = f"This {model._meta.verbose_name} exists already."
    if len(fields) == 1 and not model._meta.get_field(fields[0]).is_relation:
        message = f"This {_verbose(model, fields[0])} is taken already."
    place = fields[0] if len(fields) == 1 else NON_FIELD_ERRORS
    return ValidationError({place: ValidationError(message, code="unique")})


def _absent(model: type[Model], constraint: TenantReference) -> ValidationError:
    message = f"This {_verbose(model, constraint.field)} does not exist."
    if constraint.to_column == _PERSON:
        message = "This person is no member of the tenant."
    return ValidationError({constraint.field: ValidationError(message, code="reference")})


def _sources(expressions: Any) -> list[str]:
    """The columns that expressions such as `Lower("name")` are made of."""
    found: list[str] = []
    for each in expressions:
        name: str | None = getattr(each, "name", None) if isinstance(each, F) else None
        found += [name] if name else _sources(each.get_source_expressions())
    return found


def _verbose(model: type[Model], field: str) -> str:
    return str(getattr(model._meta.get_field(field), "verbose_name", field))
