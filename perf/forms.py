"""What the admin asks before it cancels a statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django import forms

from perf.pgstat.cancelling import REASON_LENGTH, Started, Target

_LARGEST_PID: Final = 2**31 - 1


class MomentField(forms.Field):
    """A time to the microsecond, which Django's own field for times cuts off."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> datetime:
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise forms.ValidationError("This is no time.") from error
        if found.tzinfo is None:
            raise forms.ValidationError("This time has no time zone.")
        return found


class SessionForm(forms.Form):
    """Which session."""

    pid = forms.IntegerField(
        label="Process id",
        min_value=1,
        max_value=_LARGEST_PID,
        help_text="Of the session: live activity has it, and pgstat locks.",
    )


class CancelForm(forms.Form):
    """Which statement of a session somebody has seen, and why it is to be cancelled."""

    pid = forms.IntegerField(min_value=1, max_value=_LARGEST_PID, widget=forms.HiddenInput)
    backend_start = MomentField()
    query_start = MomentField()
    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Is kept with the record of what was done.",
    )

    @classmethod
    def of(cls, target: Target) -> CancelForm:
        """The form for a statement that is shown beside it."""
        started = target.started
        return cls(
            initial={
                "pid": target.pid,
                "backend_start": started.backend_start.isoformat(),
                "query_start": started.query_start.isoformat(),
            }
        )

    @property
    def agreed(self) -> Started:
        """The statement that was shown; of a valid form."""
        return Started(self.cleaned_data["backend_start"], self.cleaned_data["query_start"])
