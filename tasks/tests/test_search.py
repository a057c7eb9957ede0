"""The search for words: what finds what, whatever is typed, and nothing of another tenant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from projects.models import Project
from taskproject.db.context import TenantNotSet, no_tenant, tenant_context
from taskproject.tenancy.tests.catalogue import complaints
from taskproject.tenancy.tests.sql import committed, fetch, refusal_of, session
from taskproject.tests.cast import Cast, make_cast, make_project, make_task
from taskproject.tests.rows import add_tasks
from tasks import selectors
from tasks.models import Task
from tasks.search import Search, search_of
from tasks.services.tasks import task_delete, task_restore, task_update

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(cast: Cast) -> Iterator[Project]:
    """Alpha's project WEB, with alpha active."""
    with tenant_context(cast.alpha):
        yield make_project(cast.alpha, cast.alice)


def code_of(words: str) -> str:
    """The code of the error with which a search is refused."""
    with pytest.raises(ValidationError) as refusal:
        selectors.task_matches(words=words)
    return str(refusal.value.code)


class TestTerms:
    @pytest.mark.parametrize(
        ("text", "search"),
        [
            ("login", Search("login", "", "")),
            ("  login\tfails ", Search("  login\tfails ", "", "")),
            ("log*", Search(" ", "'log':*", "")),
            ("log* fai*", Search("   ", "'log':* & 'fai':*", "")),
            ('"log in"', Search("  log in", "", "'log in'")),
            (
                'page "log in" "too late"',
                Search("page     log in too late", "", "'log in' & 'too late'"),
            ),
            ('page "log in', Search("page   log in", "", "'log in'")),
            ('"" page "!"', Search("  page  ", "", "")),
            ('"log*"', Search("  log*", "", "'log*'")),
            ("lo*gin", Search("lo*gin", "", "")),
            ("web-app*", Search("web- ", "'app':*", "")),
            ('"it\'s \\ here"', Search("  it's \\ here", "", "'it''s \\\\ here'")),
            ("größ*", Search(" ", "'größ':*", "")),
        ],
    )
    def test_a_text_is_words_beginnings_and_phrases(self, text: str, search: Search) -> None:
        assert search_of(text) == search

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("", "no-words"),
            ("  \t\n", "no-words"),
            ('!?* "" \'&|:()<->\\', "no-words"),
            ("a" * 201, "too-long"),
            ("a " * 21, "too-many-words"),
            (f'"{"a " * 21}"', "too-many-words"),
            ("lo*", "short-prefix"),
            ("login a*", "short-prefix"),
            ("abc* abd* abe* abf*", "too-many-prefixes"),
            ("log\0in", "not-storable"),
            ("log\ud800in", "not-storable"),
        ],
    )
    def test_what_can_not_be_looked_for_is_refused(
        self, project: Project, text: str, code: str
    ) -> None:
        with CaptureQueriesContext(connection) as queries:
            assert code_of(text) == code
        assert len(queries) == 0

    def test_what_postgresql_takes_for_no_word_is_refused(self, project: Project) -> None:
        assert code_of("→ ⇒") == "no-words"

    @pytest.mark.parametrize("text", ["a" * 200, "a " * 20, "abc* abd* abe*"])
    def test_the_limits_themselves_are_allowed(self, project: Project, text: str) -> None:
        assert selectors.task_matches(words=text.strip()) == []


class TestMatches:
    @pytest.fixture(autouse=True)
    def tasks(self, project: Project, cast: Cast) -> dict[str, Task]:
        """Tasks by their titles."""
        made = {
            title: make_task(project, cast.alice, title, description=description)
            for title, description in {
                "Login fails": "The page says: too late. Log in again.",
                "Logging of failures": "In the log it is late, not too much.",
                "Größere Schrift": "",
                "Rename web-app to webapp": "see docs/login.md",
                "It's \\here\\": "100% of o'clock",
            }.items()
        }
        task_delete(
            task_id=make_task(project, cast.alice, "Login deleted").pk, actor_id=cast.alice.pk
        )
        return made

    @pytest.mark.parametrize(
        ("words", "titles"),
        [
            ("login", {"Login fails"}),
            ("LOGIN", {"Login fails"}),
            ("late", {"Login fails", "Logging of failures"}),
            ("late login", {"Login fails"}),
            ("login logging", set()),
            ("log*", {"Login fails", "Logging of failures"}),
            ("LOG*", {"Login fails", "Logging of failures"}),
            ("log* fai* page", {"Login fails"}),
            ('"log in"', {"Login fails"}),
            ('"too late"', {"Login fails"}),
            ('"late too"', set()),
            ('"login fails" "log in again"', {"Login fails"}),
            ('logg* "the log"', {"Logging of failures"}),
            ("größ*", {"Größere Schrift"}),
            ("GRÖSSERE", set()),
            ("web-app", {"Rename web-app to webapp"}),
            ("web", {"Rename web-app to webapp"}),
            ('"web-app to"', {"Rename web-app to webapp"}),
            ("it's", {"It's \\here\\"}),
            ('"it\'s \\here"', {"It's \\here\\"}),
            ('"o\'clock"', {"It's \\here\\"}),
            ("deleted", set()),
            ('login "→"', {"Login fails"}),
            ("login ! & | fails", {"Login fails"}),
        ],
    )
    def test_all_terms_have_to_be_there(
        self, tasks: dict[str, Task], words: str, titles: set[str]
    ) -> None:
        found = Task.objects.filter(pk__in=selectors.task_matches(words=words))

        assert {task.title for task in found} == titles

    def test_a_change_a_deletion_and_a_return_are_found_at_once(
        self, tasks: dict[str, Task], cast: Cast
    ) -> None:
        task = tasks["Größere Schrift"]
        found = []
        task_update(task_id=task.pk, actor_id=cast.alice.pk, description="a needle")
        found.append(selectors.task_matches(words="needle"))
        task_delete(task_id=task.pk, actor_id=cast.alice.pk)
        found.append(selectors.task_matches(words="needle"))
        task_restore(task_id=task.pk, actor_id=cast.alice.pk)
        found.append(selectors.task_matches(words="needle"))

        assert found == [[task.pk], [], [task.pk]]

    def test_a_search_is_one_statement(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            selectors.task_matches(words='log* fails "too late"')

        assert ["task_matches(" in each["sql"] for each in queries.captured_queries] == [True]

    @settings(
        max_examples=300,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.one_of(
            st.text(max_size=200),
            st.text("\"'*\\:&|!<->() \tab1%_é😀\u0301\u200b\u3000\ud800\0", max_size=60),
            st.lists(st.sampled_from(["log*", '"log in"', "'", "\\", ":*", "a", "😀"])).map(
                " ".join
            ),
        )
    )
    @example('"' * 200)
    @example("'" * 200)
    @example("\\" * 200)
    @example("'\\'':*&|!(<->)" * 14)
    @example("abc😀*")
    @example("abc\u200b*")
    @example("abc\u180e* def\x85*")
    @example("a:b* 'abc':* abc':*")
    @example("😀" * 200)
    @example("%s %(a)s %% {} $1")
    def test_no_text_at_all_is_an_error_of_the_database(self, text: str) -> None:
        try:
            found = selectors.task_matches(words=text)
        except ValidationError as error:
            assert error.code in {  # noqa: PT017
                "no-words",
                "not-storable",
                "short-prefix",
                "too-long",
                "too-many-prefixes",
                "too-many-words",
            }
        else:
            assert len(found) <= 5


class TestCap:
    @pytest.fixture
    def cap(self, monkeypatch: pytest.MonkeyPatch) -> int:
        monkeypatch.setattr(selectors, "MATCHES_CAP", 3)
        return 3

    def test_as_many_as_the_cap_are_found_and_no_more(
        self, project: Project, cast: Cast, cap: int
    ) -> None:
        tasks = add_tasks(project, cast.alice, [0] * cap, description="needle")
        assert sorted(selectors.task_matches(words="needle")) == [task.pk for task in tasks]

        add_tasks(project, cast.alice, [0], description="a needle")
        with pytest.raises(selectors.TooManyMatches, match="More than 3 tasks match") as refusal:
            selectors.task_matches(words="needle")
        assert refusal.value.code == "too-many-matches"

    def test_deleted_tasks_do_not_count(self, project: Project, cast: Cast, cap: int) -> None:
        tasks = add_tasks(project, cast.alice, [0] * (cap + 1), description="needle")
        task_delete(task_id=tasks[0].pk, actor_id=cast.alice.pk)

        assert len(selectors.task_matches(words="needle")) == cap

    def test_the_words_of_a_phrase_count_wherever_they_stand(
        self, project: Project, cast: Cast, cap: int
    ) -> None:
        add_tasks(project, cast.alice, [0] * cap, description="in the log")
        (wanted,) = add_tasks(project, cast.alice, [0], description="log in")

        assert code_of('"log in"') == "too-many-matches"
        Task.objects.filter(description="in the log")[0].delete()
        assert selectors.task_matches(words='"log in"') == [wanted.pk]


class TestWalls:
    @pytest.fixture
    def tenants(self, project: Project, cast: Cast) -> Cast:
        """Both tenants have a task with the word, and so does nobody else."""
        make_task(project, cast.alice, "Alpha's needle")
        make_task(make_project(cast.beta, cast.carol), cast.carol, "Beta's needle")
        return cast

    def test_each_tenant_finds_its_own(self, tenants: Cast) -> None:
        for tenant, title in [(tenants.alpha, "Alpha's needle"), (tenants.beta, "Beta's needle")]:
            with tenant_context(tenant):
                for words in ("needle", "nee*", '"s needle"'):
                    (pk,) = selectors.task_matches(words=words)
                    assert Task.objects.get(pk=pk).title == title

    def test_other_tenants_matches_do_not_count(
        self, tenants: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selectors, "MATCHES_CAP", 1)

        assert len(selectors.task_matches(words="needle")) == 1

    def test_without_a_tenant_there_is_an_error_and_behind_it_nothing(self, tenants: Cast) -> None:
        with no_tenant():
            with pytest.raises(TenantNotSet):
                selectors.task_matches(words="needle")
            assert fetch("SELECT id FROM task_matches('needle', '', 10)") == []

    def test_who_calls_the_function_itself_gets_no_more(self, tenants: Cast) -> None:
        ids = fetch("SELECT id FROM task_matches('needle', '', NULL)")

        assert ids == list(Task.objects.values_list("pk", flat=True))
        assert fetch("SELECT id FROM task_matches(NULL, NULL, 10)") == []

    def test_the_functions_text_is_the_owners(self) -> None:
        name = "task_matches(tsquery, tsquery, integer)"
        assert refusal_of(f"ALTER FUNCTION {name} RESET search_path") == "42501"
        assert refusal_of(f"DROP FUNCTION {name}") == "42501"


BODY = """
    SELECT task.id, true FROM public.task WHERE task.search @@ words AND {condition} LIMIT cap
"""
BROKEN = """
    CREATE OR REPLACE FUNCTION task_matches(words tsquery, phrases tsquery, cap integer)
    RETURNS TABLE (id bigint, has_phrases boolean) LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$ {body} $$
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "condition",
    ["true", "task.tenant_id >= NULLIF(current_setting('app.tenant_id', true), '')::bigint"],
)
def test_without_its_comparison_the_function_leaks_and_is_reported(condition: str) -> None:
    cast = make_cast()
    make_task(make_project(cast.alpha, cast.alice), cast.alice, "Alpha's needle")
    make_task(make_project(cast.beta, cast.carol), cast.carol, "Beta's needle")
    with session("owner") as owner:
        (whole,) = owner.execute(
            "SELECT pg_get_functiondef('task_matches'::regproc)"
        ).fetchone() or ("",)
    broken = BROKEN.format(body=BODY.format(condition=condition))

    def found() -> int:
        with tenant_context(cast.alpha):
            return len(selectors.task_matches(words="needle"))

    assert found() == 1
    with committed("owner", broken, whole):
        assert found() == 2
        with session("app") as app:
            assert any("does not keep to the tenant" in each for each in catalogue(app))
    assert found() == 1


def catalogue(app: object) -> list[str]:
    role: str = connection.app_role  # type: ignore[attr-defined]
    return complaints(app, app_role=role)  # type: ignore[arg-type]
