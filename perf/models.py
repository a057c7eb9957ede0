"""Runs of the lab as rows, to be listed in the admin. The files are the truth; see `history`."""

from __future__ import annotations

from django.db import models


class BenchmarkRun(models.Model):
    """What a list shows of a run; the run itself is the file of that id."""

    id = models.CharField(primary_key=True, max_length=40)  # begins with its time
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)  # none: it was broken off
    command = models.TextField()
    commit = models.CharField(max_length=40)
    postgresql = models.CharField("PostgreSQL", max_length=40)
    pairs = models.PositiveIntegerField()
    refused = models.PositiveIntegerField()
    claims_held = models.PositiveIntegerField()
    claims_refuted = models.PositiveIntegerField()
    noise_floor = models.FloatField(null=True, blank=True)  # a ratio, above 1

    class Meta:
        db_table = "perf_run"
        verbose_name = "benchmark run"

    def __str__(self) -> str:
        return self.id
