from __future__ import annotations

from django.apps import AppConfig


class PerfConfig(AppConfig):
    """The lab."""

    name = "perf"
    verbose_name = "Benchmarks"
