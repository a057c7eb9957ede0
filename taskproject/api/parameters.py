"""Query parameters: a closed list, each given at most once."""

from __future__ import annotations

from collections.abc import Collection

from django.http import QueryDict

from taskproject.api.problems import InvalidParameter


def refuse_unknown(query: QueryDict, *, allowed: Collection[str]) -> None:
    """Raise `InvalidParameter` for a parameter outside `allowed`, a repeated one, or a NUL in one.

    A mistyped filter would otherwise be ignored, and the client would take the whole list for the
    filtered one.
    """
    for name, values in query.lists():
        if name not in allowed:
            known = ", ".join(sorted(allowed))
            raise InvalidParameter(f"Unknown parameter {name!r}. Known are: {known}.")
        if len(values) > 1:
            raise InvalidParameter(f"The parameter {name} is given more than once.")
        if "\0" in values[0]:
            raise InvalidParameter(f"The parameter {name} contains a NUL.")
