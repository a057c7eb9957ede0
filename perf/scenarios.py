"""The scenarios of all installed apps, each declared in the `scenarios` module of its app.

A load test calls them from processes of its own, by module and name: such a module imports nothing
that needs Django's settings.
"""

from __future__ import annotations

import fnmatch
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Final

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from perf.load.scenario import Scenario

MODULE: Final = "scenarios"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


class ScenarioError(Exception):
    """A scenario is declared wrongly. The message says how to do it."""


class NoSuchScenario(LookupError):
    """No scenario has that name. The message says which there are."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A scenario and the module in which a worker finds it."""

    scenario: Scenario
    module: str

    @property
    def name(self) -> str:
        return self.scenario.name

    @property
    def says(self) -> str:
        """The first paragraph of its docstring, in one line."""
        found = inspect.getdoc(self.scenario.session) or ""
        return " ".join(found.partition("\n\n")[0].split())


def discover(modules: Iterable[str] = ()) -> tuple[Declared, ...]:
    """All scenarios of all installed apps, by name, and those of other modules.

    Raises `ScenarioError` for one that can't be run, and `ImportError` for a module that is not
    there.
    """
    found: dict[str, Declared] = {}
    for module in (*_of_apps(), *map(import_module, modules)):
        for each in vars(module).values():
            if isinstance(each, Scenario):
                _check(each)
                known = found.setdefault(each.name, Declared(each, module.__name__))
                if known.scenario is not each:
                    raise ScenarioError(f"Two scenarios are named {each.name}.")
    return tuple(found[name] for name in sorted(found))


def chosen(names: Sequence[str], modules: Iterable[str] = ()) -> tuple[Declared, ...]:
    """The scenarios of those names, in which * stands for anything. Raises `NoSuchScenario` for a
    name that none has, and what `discover` raises."""
    known = discover(modules)
    for name in names:
        if not any(fnmatch.fnmatchcase(each.name, name) for each in known):
            there = ", ".join(each.name for each in known) or "none"
            raise NoSuchScenario(f"No scenario is named {name!r}. There are: {there}.")
    return tuple(
        each for each in known if any(fnmatch.fnmatchcase(each.name, name) for name in names)
    )


def _of_apps() -> Iterator[ModuleType]:
    for each in apps.get_app_configs():
        if each.module is not None and module_has_submodule(each.module, MODULE):
            yield import_module(f"{each.name}.{MODULE}")


def _check(each: Scenario) -> None:
    if not _NAME.fullmatch(each.name):
        raise ScenarioError(f"{each.name!r} must be like app.what, in small letters.")
    if not inspect.isgeneratorfunction(each.session):
        raise ScenarioError(f"{each.name} yields no call: it must be a generator function.")
    if not inspect.getdoc(each.session):
        raise ScenarioError(f"Say in a docstring of {each.name} what the user does.")
    if not each.weight > 0:
        raise ScenarioError(f"{each.name} weighs {each.weight}: it must be above 0.")
