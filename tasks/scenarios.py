"""What users of the service do, for load tests: `manage.py loadtest run tasks.mixed --serve`.

A caller's base is the address of its tenant. Nothing here needs Django's settings.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from perf import Answer, Caller, Pause, Scenario, Steps, scenario

FIELDS: Final = "fields=key,title,status,priority,assignee"
BATCH: Final = 100  # tasks
DEEP_PAGES: Final = 10
POLLS: Final = 5
COLUMNS: Final = ("pending", "active", "blocked")
THERE_OR_GONE: Final = frozenset({200, 404})  # somebody else may have deleted it meanwhile
SHOUTS: Final = 10  # what the noisy tenant asks in the time of one session of another's


def _has_rows(answer: Answer) -> str | None:
    return None if answer.json["results"] else "a page without a task"


def _has_list(answer: Answer) -> str | None:
    return None if "results" in answer.json else "no list"


def _local(url: str) -> str:
    """The path of an address of the service, with its query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _project(caller: Caller, answer: Answer) -> str | None:
    """The key of a project that takes new tasks, if there is one."""
    keys = [each["key"] for each in answer.json["results"] if each["archived_at"] is None]
    return caller.rng.choice(keys) if keys else None


@scenario("tasks.browse", title="Somebody looks through the newest tasks", weight=40)
def browse(caller: Caller) -> Steps:
    """Reads the first page, opens two tasks of it with their labels and comments, goes on to the
    next page."""
    page = yield caller.get("tasks/", name="list", check=_has_rows)
    for _ in range(2):
        task = caller.rng.choice(page.json["results"])["id"]
        yield Pause()
        for rest, name in (("?include=labels", "task"), ("comments/", "comments")):
            yield caller.get(f"tasks/{task}/{rest}", name=name, expects=THERE_OR_GONE)
    if page.json["next"]:
        yield Pause()
        yield caller.get(_local(page.json["next"]), name="next-page", check=_has_list)


@scenario("tasks.board", title="Somebody looks at the board of a project", weight=20)
def board(caller: Caller) -> Steps:
    """Asks for the projects and the summary, then for three columns of one project's board."""
    projects = yield caller.get("projects/", name="projects", check=_has_rows)
    yield caller.get("tasks/summary/", name="summary")
    key = caller.rng.choice(projects.json["results"])["key"]
    yield Pause()
    for status in COLUMNS:
        path = f"projects/{key}/tasks/?status={status}&{FIELDS}"
        yield caller.get(path, name="column", check=_has_list)


@scenario("tasks.deep_paging", title="A program walks through the tasks, page by page", weight=5)
def deep_paging(caller: Caller) -> Steps:
    """Follows `next` from the first page on, ten pages of 200 at most, without a pause."""
    page = yield caller.get("tasks/?limit=200", name="first-of-200", check=_has_rows)
    for _ in range(DEEP_PAGES - 1):
        if not page.json["next"]:
            return
        page = yield caller.get(_local(page.json["next"]), name="next-of-200", check=_has_list)


@scenario("tasks.polling", title="A page that asks again and again what is new", weight=25)
def polling(caller: Caller) -> Steps:
    """Asks for the first page, then five times whether it has changed, by its entity tag."""
    page = yield caller.get("tasks/", name="list", check=_has_rows)
    tag = page.headers["etag"]
    for _ in range(POLLS):
        yield Pause()
        again = yield caller.get(
            "tasks/", name="poll", headers={"if-none-match": tag}, check=_new_or_unchanged(tag)
        )
        tag = again.headers["etag"]


def _new_or_unchanged(tag: str) -> Any:
    def check(answer: Answer) -> str | None:
        same = answer.headers.get("etag") == tag
        return "sent again, though it is unchanged" if same and answer.status != 304 else None

    return check


@scenario("tasks.write_burst", title="Somebody makes a task and works on it", weight=9, writes=True)
def write_burst(caller: Caller) -> Steps:
    """Makes a task, changes it where nobody else has, comments on it, and deletes it."""
    projects = yield caller.get("projects/", name="projects", check=_has_rows)
    key = _project(caller, projects)
    if key is None:
        return
    title = f"Answer letter {caller.rng.randrange(1_000_000)}"
    made = yield caller.post("tasks/", name="create", sends={"project": key, "title": title})
    task, tag = made.json["id"], made.headers["etag"]
    yield Pause()
    yield caller.patch(
        f"tasks/{task}/", name="change", sends={"status": "active"}, headers={"if-match": tag}
    )
    yield caller.post(f"tasks/{task}/comments/", name="comment", sends={"body": "I am at it."})
    yield Pause()
    yield caller.delete(f"tasks/{task}/", name="delete")


@scenario("tasks.bulk", title="A program brings a hundred tasks at once", weight=1, writes=True)
def bulk(caller: Caller) -> Steps:
    """Makes a hundred tasks in one request, finishes them in another, deletes them in a third."""
    projects = yield caller.get("projects/", name="projects", check=_has_rows)
    key = _project(caller, projects)
    if key is None:
        return
    items = [{"project": key, "title": f"Line {number + 1} of a list"} for number in range(BATCH)]
    made = yield caller.post("tasks/bulk/create/", name="bulk-create", sends={"items": items})
    ids = [each["id"] for each in made.json["results"]]
    finished = {"ids": ids, "set": {"status": "done"}}
    yield caller.post("tasks/bulk/update/", name="bulk-update", sends=finished)
    yield caller.post("tasks/bulk/delete/", name="bulk-delete", sends={"ids": ids})


_PARTS: Final[tuple[Scenario, ...]] = (browse, board, deep_paging, polling, write_burst, bulk)


@scenario("tasks.mixed", title="All of it, as often as each weighs", writes=True)
def mixed(caller: Caller) -> Steps:
    """One of the others: of a hundred sessions 40 browse, 25 poll, 20 look at a board, 9 write, 5
    walk through pages and 1 brings a hundred tasks."""
    (part,) = caller.rng.choices(_PARTS, [each.weight for each in _PARTS])
    yield from part.session(caller)


@scenario("tasks.reading", title="All of it that changes nothing, as often as each weighs")
def reading(caller: Caller) -> Steps:
    """One of those that only read: for a service that people use."""
    parts = [each for each in _PARTS if not each.writes]
    (part,) = caller.rng.choices(parts, [each.weight for each in parts])
    yield from part.session(caller)


@scenario("tasks.noisy", title="One tenant asks ten times as much as each of the others")
def noisy(caller: Caller) -> Steps:
    """The first caller's tenant reads ten pages of 200 tasks without a pause, where each other
    reads one of 50: whether the others wait for it is what the report says of tenants."""
    if caller.number == 0:
        for _ in range(SHOUTS):
            fresh = {"cache-control": "no-cache"}
            yield caller.get("tasks/?limit=200", name="noise", headers=fresh, check=_has_rows)
    else:
        yield caller.get("tasks/", name="list", check=_has_rows)
