"""The import contracts of pyproject.toml hold, and would report a violation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

PACKAGES = ("taskproject", "projects", "tasks", "perf")
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
PLANTED = {
    "taskproject/tenancy/services.py": "from tasks import selectors",
    "projects/selectors.py": "from projects import services",
    "perf/pg/__init__.py": "import taskproject.caching",
    "perf/engine/__init__.py": "import django.db",
    "tasks/selectors.py": "import django_redis",
    "perf/claims.py": "import perf.runner",
    "perf/report/figures.py": "import django.db",
    "projects/services.py": "import perf.claims",
    "perf/monitor/shapes.py": "import numpy",
    "perf/load/bins.py": "from perf.load import slo",
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(settings.BASE_DIR / package, folder / package, ignore=ignored)
    shutil.copy(settings.BASE_DIR / "pyproject.toml", folder)
    return folder


def test_the_house_keeps_its_import_contracts() -> None:
    result = lint(settings.BASE_DIR)

    assert result.returncode == 0, result.stdout
    assert "10 kept, 0 broken" in result.stdout


def test_a_planted_violation_of_each_contract_is_reported(copy: Path) -> None:
    for name, line in PLANTED.items():
        with (copy / name).open("a") as file:
            file.write(f"\n{line}\n")

    result = lint(copy)

    assert result.returncode == 1
    assert "0 kept, 10 broken" in result.stdout
    for importer, imported in (
        ("taskproject.tenancy.services", "tasks.selectors"),
        ("projects.selectors", "projects.services"),
        ("perf.pg", "taskproject.caching"),
        ("perf.engine", "django"),
        ("tasks.selectors", "django_redis"),
        ("perf.claims", "perf.runner"),
        ("perf.report.figures", "django"),
        ("projects.services", "perf.claims"),
        ("perf.monitor.shapes", "numpy"),
        ("perf.load.bins", "perf.load.slo"),
    ):
        assert f" {importer} -> {imported}" in result.stdout
