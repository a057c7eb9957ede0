from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.test.utils import isolate_apps

from perf.monitor.recording import Group as Repeated
from perf.monitor.recording import recorded

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def cold() -> None:
    ContentType.objects.clear_cache()


def repeated(work: Callable[[], object], **options: Any) -> Repeated:
    with recorded(**options) as found:
        work()
    (group,) = found.repeated
    return group


def groups() -> list[Group]:
    return [Group(pk=number, name=str(number)) for number in (1, 2, 3)]


def test_a_foreign_key_in_a_loop_is_mended_by_select_related() -> None:
    rows = list(Permission.objects.order_by("id")[:30])

    found = repeated(lambda: [of_type(each) for each in rows])

    assert found.advice is not None
    assert found.advice.model == "Permission"
    assert found.advice.call == 'select_related("content_type")'
    assert found.distinct >= 3


def of_type(permission: Permission) -> str:
    # A cache of Django's keeps content types themselves, so that they are asked for past it.
    found: Any = permission.content_type
    del permission._state.fields_cache["content_type"]
    return str(found.model)


def test_rows_that_point_here_are_mended_by_prefetch_related() -> None:
    rows = list(ContentType.objects.order_by("id")[:4])

    found = repeated(lambda: [list(each.permission_set.all()) for each in rows])

    assert found.advice is not None
    assert found.advice.call == 'prefetch_related("permission_set")'
    assert found.advice.says == (
        'prefetch_related("permission_set") where rows of ContentType are fetched'
    )


def test_a_filtered_relation_is_known_by_its_name_too() -> None:
    rows = list(ContentType.objects.order_by("id")[:4])

    found = repeated(lambda: [each.permission_set.filter(name="x").first() for each in rows])

    assert found.advice is not None
    assert found.advice.call == 'prefetch_related("permission_set")'


@pytest.mark.parametrize(
    ("work", "call"),
    [
        (lambda: [list(each.permissions.all()) for each in groups()], "permissions"),
        (
            lambda: [list(Permission(pk=n).group_set.all()) for n in (1, 2, 3)],
            "group_set",
        ),
    ],
)
def test_many_to_many_is_mended_by_prefetch_related_from_both_sides(
    work: Callable[[], object], call: str
) -> None:
    found = repeated(work)

    assert found.advice is not None
    assert found.advice.call == f'prefetch_related("{call}")'


def test_a_count_or_a_question_for_each_row_is_mended_by_an_annotation() -> None:
    counted = repeated(lambda: [each.permissions.count() for each in groups()])
    asked = repeated(lambda: [each.permissions.exists() for each in groups()])

    assert counted.advice is not None
    assert asked.advice is not None
    assert counted.advice.call == 'annotate(Count("permissions"))'
    assert asked.advice.call == 'annotate(Exists(…)) over "permissions"'


def test_a_deferred_field_is_named() -> None:
    rows = list(Permission.objects.defer("name").order_by("id")[:3])

    found = repeated(lambda: [each.name for each in rows])

    assert found.advice is not None
    assert found.advice.says.startswith("Permission.name is deferred and then read")


def test_get_in_a_loop_is_mended_by_one_fetch() -> None:
    ids = list(Permission.objects.order_by("id").values_list("id", flat=True)[:3])

    found = repeated(lambda: [Permission.objects.get(pk=each) for each in ids])

    assert found.advice is not None
    assert "in_bulk()" in found.advice.says


def test_one_to_one_from_its_far_side_and_generic_keys_are_known() -> None:
    with isolate_apps("perf"), connection.cursor() as cursor:

        class Book(models.Model):  # noqa: DJ008
            content_type = models.ForeignKey(ContentType, models.CASCADE)
            object_id = models.IntegerField()
            about = GenericForeignKey()

            class Meta:
                app_label = "perf"
                db_table = "planted_book"

        class Cover(models.Model):  # noqa: DJ008
            book = models.OneToOneField(Book, models.CASCADE)

            class Meta:
                app_label = "perf"
                db_table = "planted_cover"

        cursor.execute("CREATE TEMPORARY TABLE planted_book (id int, content_type_id int)")
        cursor.execute("CREATE TEMPORARY TABLE planted_cover (id int, book_id int)")
        cursor.execute("INSERT INTO planted_cover SELECT n, n FROM generate_series(1, 3) AS n")
        of_permission = ContentType.objects.get_for_model(Permission)
        ids = list(Permission.objects.values_list("id", flat=True)[:3])
        books: Any = [
            Book(pk=n, content_type=of_permission, object_id=ids[n - 1]) for n in (1, 2, 3)
        ]

        covers = repeated(lambda: [each.cover for each in books])
        about = repeated(lambda: [each.about for each in books])

    assert covers.advice is not None
    assert about.advice is not None
    assert covers.advice.call == 'select_related("cover")'
    assert about.advice.call == 'prefetch_related("about")'


def test_what_the_orm_did_not_send_has_no_advice_of_it() -> None:
    def work() -> None:
        with connection.cursor() as cursor:
            for number in range(4):
                cursor.execute("SELECT %s::int", [number])

    found = repeated(work)

    assert (found.calls, found.distinct) == (4, 4)
    assert found.advice is not None
    assert found.advice.says == ""


def test_the_same_values_again_are_no_relation_in_a_loop() -> None:
    permission = Permission.objects.order_by("id").first()
    assert permission is not None

    def work() -> None:
        for _ in range(3):
            permission.refresh_from_db()

    found = repeated(work)

    assert (found.calls, found.distinct, found.advice) == (3, 1, None)


def test_how_often_is_often_can_be_told() -> None:
    ids = list(Permission.objects.order_by("id").values_list("id", flat=True)[:2])

    with recorded() as usual:
        [Permission.objects.get(pk=each) for each in ids]
    found = repeated(lambda: [Permission.objects.get(pk=each) for each in ids], repeats=2)

    assert usual.repeated == []
    assert found.advice is not None


def test_the_same_shape_from_other_places_is_not_repeated() -> None:
    with recorded() as found:
        Permission.objects.filter(pk=1).first()
        Permission.objects.filter(pk=2).first()
        Permission.objects.filter(pk=3).first()

    assert found.repeated == []
    assert len({each.shape.digest for each in found.groups.values()}) == 1
