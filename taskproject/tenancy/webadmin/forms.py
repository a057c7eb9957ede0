"""Forms whose data goes to a service, and the way its refusal comes back to the form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist, ValidationError
from django.db import IntegrityError
from django.db.models import Model

from taskproject.db.versions import VersionConflict
from taskproject.db.violations import as_validation_error


class Refused(Exception):
    """A service refused what a form asked for. `error` says why, field by field."""

    def __init__(self, error: ValidationError) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def refusals(*models: type[Model]) -> Iterator[None]:
    """Turn what services raise for bad input, races included, into `Refused`. `models` are those
    whose constraints two requests at once may break."""
    try:
        yield
    except VersionConflict as error:
        raise Refused(ValidationError(_CONFLICT)) from error
    except ValidationError as error:
        raise Refused(error) from error
    except ObjectDoesNotExist as error:
        raise Refused(ValidationError(f"It is gone: {error}")) from error
    except IntegrityError as error:
        told = (as_validation_error(error, model) for model in models)
        refusal = next((each for each in told if each is not None), None)
        if refusal is None:
            raise
        raise Refused(refusal) from error


_CONFLICT: Final = (
    "Somebody else has changed this since you opened it, so nothing was saved. Open it again, in "
    "another tab to keep what you typed, and make your change there."
)


class ServiceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that neither asks the database about uniqueness nor saves: a service does both.

    `refusal` is what the service said to the same data a moment before.
    """

    refusal: ValidationError | None = None

    def clean(self) -> dict[str, Any]:
        # Without the base class's, which would ask one question for each constraint.
        if self.refusal is not None:
            for field, errors in _by_field(self.refusal):
                self.add_error(field if field in self.fields else None, errors)
        return self.cleaned_data

    def changes(self) -> dict[str, Any]:
        """What was changed, by the columns' names: `assignee_id` for `assignee`."""
        return {
            self._column(name): self._value(name)
            for name in self.changed_data
            if name in self._model_fields()
        }

    def values(self) -> dict[str, Any]:
        """All values of the model's own fields, named in the same way."""
        names = [name for name in self.cleaned_data if name in self._model_fields()]
        return {self._column(name): self._value(name) for name in names}

    def _model_fields(self) -> set[str]:
        return {field.name for field in self._meta.model._meta.fields}

    def _column(self, name: str) -> str:
        return str(self._meta.model._meta.get_field(name).attname)

    def _value(self, name: str) -> Any:
        value = self.cleaned_data[name]
        return value.pk if isinstance(value, Model) else value


class VersionedForm(ServiceForm):
    """A form that carries the version which its page showed: a later change is not overwritten."""

    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_version"] = self.instance.version


def _by_field(error: ValidationError) -> Iterator[tuple[str, Any]]:
    if hasattr(error, "error_dict"):
        yield from error.error_dict.items()
    else:
        yield NON_FIELD_ERRORS, error
