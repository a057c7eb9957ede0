"""A load test as one HTML page: styles and drawings are in it, nothing is fetched, no script
runs."""

from __future__ import annotations

from perf.load.results import LoadRun
from perf.report import figures
from perf.report.load import summary
from perf.report.markup import element
from perf.report.page import page


def render(run: LoadRun) -> str:
    """The whole page."""
    body = element("body", element("header", element("h1", summary.headline(run))))
    return page(f"Load test of {figures.moment(run.started_at)}", body)
