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


class LoadTestRun(models.Model):
    """What a list shows of a load test; the run itself is the file of that id."""

    id = models.CharField(primary_key=True, max_length=40)  # begins with its time
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)  # none: it was broken off
    command = models.TextField()
    commit = models.CharField(max_length=40)
    target = models.TextField()
    scenarios = models.TextField(blank=True)
    load = models.TextField()  # the model and its stages, in words
    standing = models.CharField(max_length=20)  # see report.load.summary
    requests = models.PositiveBigIntegerField()
    # Null of a run that is not sound, and where it is not known.
    failure_rate = models.FloatField(null=True, blank=True)  # 0 to 1
    rate = models.FloatField(null=True, blank=True)  # answers without failure a second
    p50_ms = models.FloatField(null=True, blank=True)
    p99_ms = models.FloatField(null=True, blank=True)

    class Meta:
        db_table = "perf_load"
        verbose_name = "load test"

    def __str__(self) -> str:
        return self.id


class StatisticsSnapshot(models.Model):
    """PostgreSQL's counters as they stood once: two of them make a window."""

    taken_at = models.DateTimeField(unique=True)
    system_id = models.CharField(max_length=40)  # of the server; another one's are not compared
    database = models.CharField(max_length=63)
    version_num = models.PositiveIntegerField()
    statements = models.PositiveIntegerField()
    tables = models.PositiveIntegerField()
    size_bytes = models.PositiveIntegerField()
    figures = models.JSONField()  # what is drawn; see pgstat.series
    sample = models.BinaryField()  # see pgstat.packing

    class Meta:
        db_table = "perf_snapshot"
        verbose_name = "snapshot of statistics"
        verbose_name_plural = "snapshots of statistics"

    def __str__(self) -> str:
        return f"{self.taken_at:%Y-%m-%d %H:%M:%S}"


class StatementText(models.Model):
    """What a query identifier stands for: PostgreSQL may forget it before a window ends."""

    queryid = models.BigIntegerField(primary_key=True)
    text = models.TextField()
    last_seen_at = models.DateTimeField(db_index=True)  # for retention

    class Meta:
        db_table = "perf_statement"

    def __str__(self) -> str:
        return str(self.queryid)


class StatisticsLook(models.Model):
    """The whole look at a database that came with its newest snapshot: pages show it, and so ask
    PostgreSQL nothing."""

    database = models.CharField(primary_key=True, max_length=63)
    made_at = models.DateTimeField()
    document = models.BinaryField()  # compressed JSON

    class Meta:
        db_table = "perf_look"

    def __str__(self) -> str:
        return self.database


class PgstatAction(models.Model):
    """What somebody did to a session of the database, and why. Only ever added to."""

    class Outcome(models.TextChoices):
        CANCELLED = "cancelled"  # PostgreSQL has sent the signal
        REFUSED = "refused"

    at = models.DateTimeField(auto_now_add=True)
    who = models.CharField(max_length=150)  # a user of the admin, or of the operating system
    database = models.CharField(max_length=63)
    pid = models.PositiveIntegerField()
    role = models.CharField(max_length=63, blank=True)  # unknown of a session that was not there
    application = models.CharField(max_length=64, blank=True)
    query = models.TextField(blank=True)  # cut, and without values
    reason = models.CharField(max_length=500)
    outcome = models.CharField(max_length=9, choices=Outcome)
    refusal = models.TextField(blank=True)

    class Meta:
        db_table = "perf_action"
        verbose_name = "action on a session"
        verbose_name_plural = "actions on sessions"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.pid} {self.outcome}"
