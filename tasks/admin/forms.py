"""The forms for one task and for a selection of tasks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget

from taskproject.tenancy.webadmin.fields import LinesField, RowSelect, RowSelectMultiple, is_id
from taskproject.tenancy.webadmin.forms import VersionedForm
from taskproject.tenancy.webadmin.options import members
from taskproject.tenancy.webadmin.sites import tenant_site
from tasks import selectors
from tasks.models import Label, Priority, Status, Task, TaskLabel

_LABEL: Any = TaskLabel._meta.get_field("label")
_ASSIGNEE: Any = Task._meta.get_field("assignee")


class TaskForm(VersionedForm):
    """One task with its labels, and a place to say something about the change."""

    labels = forms.ModelMultipleChoiceField(
        Label.objects.all(), required=False, widget=RowSelectMultiple(_LABEL, tenant_site)
    )
    # The labels that the page showed: what others change meanwhile is not undone.
    seen_labels = forms.CharField(required=False, widget=forms.HiddenInput)
    comment = LinesField(
        required=False, label="Add a comment", widget=AdminTextareaWidget(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            labels = list(selectors.task_labels(task_id=self.instance.pk))
            self.initial["labels"] = labels
            self.initial["seen_labels"] = ",".join(str(label.pk) for label in labels)

    def clean_seen_labels(self) -> list[int]:
        """The ids that the page showed; anything else that was sent in their place is left out."""
        return [int(each) for each in self.cleaned_data["seen_labels"].split(",") if is_id(each)]


class SelectionForm(forms.Form):
    """What to change on every selected task; what is left alone stays as it is on each."""

    status = forms.TypedChoiceField(
        choices=[("", "– as it is –"), *Status.choices],
        coerce=int,
        required=False,
        empty_value=None,
    )
    priority = forms.TypedChoiceField(
        choices=[("", "– as it is –"), *Priority.choices],
        coerce=int,
        required=False,
        empty_value=None,
    )
    assignee: Any = forms.ModelChoiceField(
        None, required=False, widget=RowSelect(_ASSIGNEE, tenant_site)
    )
    nobody = forms.BooleanField(required=False, label="Take the assignee away")
    add_label = forms.ModelChoiceField(
        Label.objects.all(), required=False, widget=RowSelect(_LABEL, tenant_site)
    )
    remove_label = forms.ModelChoiceField(
        Label.objects.all(), required=False, widget=RowSelect(_LABEL, tenant_site)
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        assignee: Any = self.fields["assignee"]
        assignee.queryset = members()

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        if values.get("assignee") and values.get("nobody"):
            raise forms.ValidationError("Choose an assignee or take the assignee away, not both.")
        if not self.errors and not self.changes():
            raise forms.ValidationError("Choose at least one thing to change.")
        return values

    def changes(self) -> dict[str, Any]:
        """The arguments of `tasks_change`."""
        values = self.cleaned_data
        found = {name: values[name] for name in ("status", "priority") if values[name] is not None}
        if values["assignee"] or values["nobody"]:
            found["assignee_id"] = values["assignee"].pk if values["assignee"] else None
        for name in ("add_label", "remove_label"):
            if values[name]:
                found[f"{name}_id"] = values[name].pk
        return found
