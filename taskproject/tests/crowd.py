"""A crowd of tenants for the tests of plans: one giant, one middling, many tiny ones.

PostgreSQL chooses a plan by what the tables hold, so that on ten rows no test of a plan means
anything. The rows are made by the owner, inside the database, and stay beside the transactions of
the tests, until `leave` takes them away. Nothing is random: a number is
spread by its hash, so that each run makes the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from django.db import connection
from psycopg.rows import TupleRow


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many tasks a tenant has, and how many tiny tenants there are."""

    giant: int = 25_000
    middling: int = 5_000
    tiny: int = 200
    tiny_tenants: int = 50


@dataclass(frozen=True, slots=True)
class Crowd:
    """The ids of three of the tenants: the largest, the one in the middle, one of the tiny ones."""

    giant: int
    middling: int
    tiny: int


_VACUUMS: Final = 5
_BETWEEN_S: Final = 0.5

# One line a tenant: how much it has of everything. The silent ones have no task: they fill the
# small tables, which PostgreSQL would otherwise rather read whole than by an index.
_PLACES: Final = """
    CREATE TEMPORARY TABLE place ON COMMIT DROP AS
    SELECT row_number() OVER () AS n, wanted.* FROM (
        SELECT 'giant' AS slug, {giant} AS tasks, 40 AS projects, 60 AS members, 200 AS labels
        UNION ALL SELECT 'middling', {middling}, 5, 20, 20
        UNION ALL SELECT 'tiny-' || n, {tiny}, 2, 3, 5 FROM generate_series(1, {tiny_tenants}) AS n
        UNION ALL SELECT 'silent-' || n, 0, 1, 2, 2 FROM generate_series(1, 3000) AS n
    ) AS wanted;
    ANALYZE place;
"""
_PEOPLE: Final = """
    INSERT INTO tenant (slug, name) SELECT slug, slug FROM place ORDER BY n;
    INSERT INTO user_account (username, password, first_name, last_name, email, is_superuser,
                              is_staff, is_active, date_joined)
    SELECT 'person-' || n, '!', '', '', '', false, false, true, now()
      FROM generate_series(1, 2000) AS n;
    ALTER TABLE place ADD COLUMN id bigint, ADD COLUMN people bigint[];
    UPDATE place SET id = tenant.id, people = everybody[1 + n % 1900 : members + n % 1900]
      FROM tenant, (SELECT array_agg(id ORDER BY id) AS everybody FROM user_account) AS x
     WHERE tenant.slug = place.slug;
    INSERT INTO membership (tenant_id, user_id, role, active)
    SELECT id, unnest(people), 1, true FROM place;
    INSERT INTO api_token (tenant_id, user_id, name, prefix, digest, scopes)
    SELECT place.id, person, 'test', 'tp_' || person || '_' || k,
           sha256(convert_to(place.id || ' ' || person || ' ' || k, 'UTF8')), '{read}'
      FROM place, unnest(people) AS person, generate_series(1, 2) AS k;
"""
_PROJECTS: Final = """
    ALTER TABLE place ADD COLUMN projects_ids bigint[], ADD COLUMN labels_ids bigint[];
    INSERT INTO project (tenant_id, key, name, description, next_number, version)
    SELECT id, 'P' || k, 'Project ' || k, '', 1000000, 1
      FROM place, generate_series(1, projects) AS k;
    INSERT INTO label (tenant_id, name, colour)
    SELECT id, 'Label ' || k, '#8a8f98' FROM place, generate_series(1, labels) AS k;
    UPDATE place SET projects_ids = found.ids
      FROM (SELECT tenant_id, array_agg(id ORDER BY id) AS ids FROM project GROUP BY 1) AS found
     WHERE found.tenant_id = place.id;
    UPDATE place SET labels_ids = found.ids
      FROM (SELECT tenant_id, array_agg(id ORDER BY id) AS ids FROM label GROUP BY 1) AS found
     WHERE found.tenant_id = place.id;
"""


def _spread(seed: int, upper: int, number: str = "n") -> str:
    """SQL for a whole number below `upper` that depends on a row's number only."""
    return f"((hashint8extended({number}, {seed}) & 2147483647) % {upper})"


# Statuses: 20 % pending, 10 % active, 5 % blocked, 60 % done, 5 % cancelled. A fifth of the tasks
# belongs to nobody, half have a due date, one in fifty is deleted, one in three hundred has a
# "needle" in its title. Times stand close together, and one batch shares a single one.
# The rows of all tenants lie in the table as they came, by time, mixed.
_TASKS: Final = f"""
    INSERT INTO task (tenant_id, project_id, number, title, description, status, priority,
                      assignee_id, creator_id, due_at, completed_at, external_key, version,
                      created_at, deleted_at)
    SELECT id, project_id, row_number() OVER (PARTITION BY project_id ORDER BY n),
           'Task ' || n || CASE WHEN n % 300 = 7 THEN ' needle' ELSE '' END
               || ' of the ' || md5(n::text),
           repeat('some words of a description ', ({_spread(1, 8)})::int),
           status, {_spread(2, 4)},
           CASE WHEN {_spread(3, 5)} > 0
                THEN people[1 + {_spread(4, 1_000_000)} % cardinality(people)] END,
           people[1],
           CASE WHEN {_spread(5, 2)} = 0
                THEN created_at + {_spread(6, 200)} * interval '1 day' END,
           CASE WHEN status = 3 THEN created_at + interval '1 day' END,
           CASE WHEN {_spread(7, 2)} = 0 THEN 'JIRA-' || n END,
           1, created_at,
           CASE WHEN {_spread(8, 50)} = 0 THEN created_at + interval '2 days' END
      FROM (SELECT place.id, people, tasks, k AS n,
                   projects_ids[
                       1 + floor(projects * power({_spread(9, 1000, "k")} / 1000.0, 2))::int
                   ] AS project_id,
                   CASE WHEN r < 20 THEN 0 WHEN r < 30 THEN 1 WHEN r < 35 THEN 2
                        WHEN r < 95 THEN 3 ELSE 4 END AS status,
                   timestamptz '2025-01-01 00:00 UTC'
                       + (CASE WHEN k * 20 / tasks = 10 THEN tasks / 2 ELSE k END)
                       * (interval '300 days' / tasks) AS created_at
              FROM place, generate_series(1, tasks) AS k,
                   LATERAL (SELECT {_spread(10, 100, "k")}) AS x (r)
           ) AS wanted
     ORDER BY created_at, n
"""
# In the tenants of `Crowd` the first task blocks 99 others, and the 101st waits for them.
# Every second task carries the first label, one in three another one: of these, few carry the last.
# The oldest tenth carries the third, which stands on few others.
_AROUND_TASKS: Final = f"""
    CREATE TEMPORARY TABLE made ON COMMIT DROP AS
    SELECT tenant_id, id, created_at, row_number() OVER (PARTITION BY tenant_id ORDER BY id) AS n
      FROM task;
    ANALYZE made, task;
    UPDATE task SET parent_id = parent.id
      FROM made AS child JOIN made AS parent
        ON parent.tenant_id = child.tenant_id AND parent.n = child.n - child.n % 10 - 1
     WHERE task.tenant_id = child.tenant_id AND task.id = child.id
       AND child.n % 10 IN (1, 2) AND child.n > 100;
    INSERT INTO task_label (tenant_id, task_id, task_created_at, label_id)
    SELECT tenant_id, made.id, made.created_at,
           labels_ids[1 + floor(labels * power({_spread(11, 1000, "made.n")} / 1000.0, 2))::int]
      FROM made JOIN place ON place.id = tenant_id WHERE made.n % 3 = 0;
    INSERT INTO task_label (tenant_id, task_id, task_created_at, label_id)
    SELECT tenant_id, made.id, made.created_at, labels_ids[1]
      FROM made JOIN place ON place.id = tenant_id WHERE made.n % 2 = 0
        ON CONFLICT DO NOTHING;
    INSERT INTO task_label (tenant_id, task_id, task_created_at, label_id)
    SELECT tenant_id, made.id, made.created_at, labels_ids[3]
      FROM made JOIN place ON place.id = tenant_id WHERE made.n * 10 <= tasks
        ON CONFLICT DO NOTHING;
    INSERT INTO comment (tenant_id, task_id, author_id, body)
    SELECT tenant_id, made.id, people[1], 'A word about it'
      FROM made JOIN place ON place.id = tenant_id, generate_series(1, 5) WHERE made.n % 10 = 3;
    INSERT INTO dependency (tenant_id, blocker_id, blocked_id)
    SELECT later.tenant_id, earlier.id, later.id
      FROM made AS later JOIN made AS earlier
        ON earlier.tenant_id = later.tenant_id AND earlier.n = later.n - 1
     WHERE later.n % 5 = 0;
    CREATE TEMPORARY TABLE known ON COMMIT DROP AS
    SELECT id FROM place WHERE slug IN ('giant', 'middling', 'tiny-7');
    INSERT INTO dependency (tenant_id, blocker_id, blocked_id)
    SELECT one.tenant_id, one.id, many.id
      FROM known JOIN made AS one ON one.tenant_id = known.id
                 JOIN made AS many ON many.tenant_id = known.id
     WHERE one.n = 1 AND many.n BETWEEN 2 AND 100
     UNION ALL
    SELECT one.tenant_id, many.id, one.id
      FROM known JOIN made AS one ON one.tenant_id = known.id
                 JOIN made AS many ON many.tenant_id = known.id
     WHERE one.n = 101 AND many.n BETWEEN 2 AND 100;
"""
# Low transaction ids, a hundred events each: the feed shows none above the server's own count.
# One event in twenty is about no task, and every second one of those about a project.
_EVENTS: Final = """
    INSERT INTO event (tenant_id, xid, task_id, project_id, actor_id, kind, changes)
    SELECT id, (k / 100 + 3)::text::xid8, CASE WHEN k % 20 > 0 THEN k / 4 + 1 END,
           CASE WHEN k % 40 > 0 THEN k / 1000 + 1 END,
           people[1], 21, '{"status": ["pending", "active"]}'
      FROM place, generate_series(1, tasks) AS k ORDER BY k
"""


def come(sizes: Sizes | None = None, *, tasks: bool = True) -> Crowd:
    """Make the tenants with people, tokens and events; with `tasks`, also all that is about tasks.

    Leaves fresh statistics. Raises `RuntimeError` outside of a test database.
    """
    sizes = sizes or Sizes()
    counts = {name: str(getattr(sizes, name)) for name in Sizes.__slots__}
    about_tasks = [_PROJECTS, _TASKS, _AROUND_TASKS] if tasks else []
    with owner_session() as owner:
        with owner.transaction():
            for step in [_PLACES.format(**counts), _PEOPLE, *about_tasks, _EVENTS]:
                owner.execute(step.encode())
            found = owner.execute(
                "SELECT slug, id FROM place WHERE slug IN ('giant', 'middling', 'tiny-7')"
            ).fetchall()
        _vacuum(owner)
    return Crowd(**{slug.partition("-")[0]: tenant_id for slug, tenant_id in found})


def _vacuum(owner: psycopg.Connection[TupleRow]) -> None:
    """Leave fresh statistics, and all rows known as visible: a look-up reads a block more for each
    that is not. Where another session still sees the time before, it is waited for a while."""
    for _ in range(_VACUUMS):
        owner.execute("VACUUM (ANALYZE)")
        ((unknown,),) = owner.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'm') AND relallvisible < relpages"
        ).fetchall()
        if not unknown:
            return
        time.sleep(_BETWEEN_S)


def leave() -> None:
    """Remove the crowd, and with it every tenant and user of the test database."""
    with owner_session() as owner:
        owner.execute("TRUNCATE tenant, user_account RESTART IDENTITY CASCADE")


@contextmanager
def visiting(blocker: Any, *, tasks: bool = True) -> Iterator[Crowd]:
    """A crowd for the tests of one module. `blocker` is pytest-django's `django_db_blocker`."""
    with blocker.unblock():
        leave()
    try:
        with blocker.unblock():
            crowd = come(tasks=tasks)
        yield crowd
    finally:
        with blocker.unblock():
            leave()


@contextmanager
def owner_session() -> Iterator[psycopg.Connection[TupleRow]]:
    """A session of the owner in the test database, beside Django's; each statement commits.

    Raises `RuntimeError` outside of a test database: pytest-django makes one only when some
    collected test asks for the database, and Django would go on with the real one.
    """
    place = connection.settings_dict
    if not place["NAME"].startswith("test_"):
        raise RuntimeError(f"A crowd comes into a test database only; {place['NAME']!r} is none.")
    with psycopg.connect(
        host=place["HOST"],
        port=place["PORT"] or None,
        dbname=place["NAME"],
        user=place["OWNER"]["USER"],
        password=place["OWNER"]["PASSWORD"],
        autocommit=True,
        cursor_factory=psycopg.ClientCursor,
    ) as owner:
        yield owner
