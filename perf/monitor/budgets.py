"""What a view may ask the database: declared at the view, or beside it in a module of plain values.

    @query_budget(statements=3, rows=60)
    def basket(request): ...

An app whose views should not import this library has a module `budgets`, found as Django's admin
finds `admin`:

    BUDGETS = {"GET basket": {"statements": 3, "rows": 60}}

What is over its budget is logged and counted, never refused. In tests
`perf.testing.assert_within_budgets` raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import autodiscover_modules, module_has_submodule

from perf.monitor.recording import Recording

MODULE: Final = "budgets"
_MARK: Final = "query_budget"
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many statements, milliseconds in the database, and rows; None is any number."""

    statements: int | None = None
    total_ms: float | None = None
    rows: int | None = None

    def overruns(self, recording: Recording) -> Iterator[str]:
        """What a recording has more of than it may, in words."""
        if self.statements is not None and recording.statements > self.statements:
            yield f"{recording.statements} statements ({self.statements} allowed)"
        if self.total_ms is not None and recording.total_ms > self.total_ms:
            yield f"{recording.total_ms:.1f} ms ({self.total_ms:g} allowed)"
        if self.rows is not None and (rows := recording.rows) is not None and rows > self.rows:
            yield f"{rows} rows ({self.rows} allowed)"


def query_budget[F: Callable[..., Any]](
    statements: int | None = None, *, total_ms: float | None = None, rows: int | None = None
) -> Callable[[F], F]:
    """Give a view, a method of a view class or an action of a view set a budget.

    It marks the function and does not wrap it: the middleware looks for the mark.
    """

    def mark(function: F) -> F:
        setattr(function, _MARK, Budget(statements, total_ms, rows))
        return function

    return mark


def route_of(request: Any) -> str:
    """A request's method and the name of its route, or that of its view where it has none: "GET
    task-list". There are as many as the URL configuration has."""
    match = getattr(request, "resolver_match", None)
    name = "(no route)" if match is None else match.view_name
    return f"{_method(request)} {name}"


def _method(request: Any) -> str:
    method = "GET" if request.method == "HEAD" else request.method
    return method if method in _METHODS else "OTHER"


def budget_of(request: Any, route: str) -> Budget | None:
    """The budget of the view that has answered: what the apps declare for its route, else its
    mark."""
    found = declared().get(route)
    match = getattr(request, "resolver_match", None)
    if found is None and match is not None:
        found = getattr(_answering(match.func, _method(request).lower()), _MARK, None)
    return found


def _answering(view: Any, method: str) -> Any:
    """The function that answers a method: a view set's action, a class's method, or the view."""
    actions = getattr(view, "actions", None)
    cls = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if cls is None:
        return view
    return getattr(cls, actions.get(method, "") if actions else method, view)


@cache
def declared() -> Mapping[str, Budget]:
    """The budgets of all apps' modules, by route.

    Raises `ImproperlyConfigured` for one that is declared twice, or with what no budget has.
    """
    autodiscover_modules(MODULE)
    found: dict[str, Budget] = {}
    for config in apps.get_app_configs():
        if config.module is None or not module_has_submodule(config.module, MODULE):
            continue
        name = f"{config.name}.{MODULE}"
        for route, limits in getattr(import_module(name), "BUDGETS", {}).items():
            if route in found:
                raise ImproperlyConfigured(f"{name}: {route} has a budget already.")
            found[route] = _budget(f"{name}: {route}", limits)
    return found


def _budget(where: str, limits: Any) -> Budget:
    try:
        return Budget(**limits)
    except TypeError as error:
        raise ImproperlyConfigured(
            f"{where} must be a dict of statements, total_ms and rows: {error}"
        ) from error
