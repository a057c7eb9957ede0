"""Where a load test goes, for whom, and what is watched there."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from perf.load_places import LONGER_S, Crowd, redis_url, there
from perf.service import service
from perf.tests.planted_service import SERVICE, PlantedService

pytestmark = pytest.mark.django_db

CROWD = Crowd(tenants=2, lasting_s=60)
URL = "http://127.0.0.1:8000"


class Recorded(PlantedService):
    """It keeps for how long callers are wanted."""

    def callers(self, tenants, lasting_s):
        self.lasting_s = lasting_s
        return super().callers(tenants, lasting_s)


def test_callers_are_those_of_the_service_on_the_database_of_the_settings():
    place = there(URL, SERVICE, CROWD, {}, local=True)

    assert [(each.tenant, each.base) for each in place.identities] == [
        ("tenant-0", "/"),
        ("tenant-1", "/"),
    ]
    database = connection.settings_dict["NAME"]
    assert {each.headers["x-database"] for each in place.identities} == {database}


def test_callers_are_known_longer_than_the_load_goes_on():
    recorded = Recorded()
    there(URL, recorded, CROWD, {}, local=True)

    assert recorded.lasting_s == 60 + LONGER_S


def test_addresses_are_asked_for_by_nobody_with_the_headers_that_were_given():
    (nobody,) = there(URL, None, CROWD, {"accept": "text/html"}, local=True).identities

    assert (nobody.tenant, nobody.headers) == ("", {"accept": "text/html"})


def test_of_another_machine_nothing_is_watched():
    place = there("http://192.0.2.1", None, CROWD, {}, local=False)

    watched = place.watched
    assert (watched.target, watched.database_url, watched.redis_url) == ("", "", "")


def test_of_this_machine_the_database_of_the_settings_is_watched():
    watched = there(URL, None, CROWD, {}, local=True).watched

    assert watched.target == URL
    assert connection.settings_dict["NAME"] in watched.database_url


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("redis://127.0.0.1/0", "redis://127.0.0.1/0"),
        (["unix:///run/redis.sock", "redis://other/0"], "unix:///run/redis.sock"),
        ("/var/cache", ""),
        ("", ""),
    ],
)
def test_redis_is_where_the_default_cache_is(settings, location, found):
    settings.CACHES = {"default": {"LOCATION": location}}

    assert redis_url() == found


def test_a_setting_that_names_nothing_is_told(settings):
    settings.PERF_LOAD_SERVICE = "perf.tests.planted_service.ABSENT"

    with pytest.raises(ImproperlyConfigured, match=r"PERF_LOAD_SERVICE is 'perf.tests.planted"):
        service()


def test_without_the_setting_there_is_no_service(settings):
    settings.PERF_LOAD_SERVICE = ""

    assert service() is None
