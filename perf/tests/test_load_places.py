"""Where a load test goes, for whom, and what is watched there."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection

from perf.load_places import LONGER_S, Crowd, redis_url, there
from perf.service import service
from perf.tests.planted_service import SERVICE, PlantedService

pytestmark = pytest.mark.django_db

CROWD = Crowd(tenants=2, lasting_s=60, writes=False)
URL = "http://127.0.0.1:8000"


class Recorded(PlantedService):
    """It keeps for whom and how long callers are wanted, and who of them were dismissed."""

    def callers(self, tenants, lasting_s, *, writes):
        self.lasting_s, self.writes = lasting_s, writes
        self.called = super().callers(tenants, lasting_s, writes=writes)
        self.dismissed = []
        return self.called

    def dismiss(self, callers):
        self.dismissed += callers


class Stuck(PlantedService):
    """Its database is gone when callers are to be dismissed."""

    def dismiss(self, callers):
        raise OperationalError("the server closed the connection")


def place(service=None, crowd=CROWD, url=URL, tell=print, headers=None, local=True):
    return there(url, service, crowd, headers or {}, tell, local=local)


def test_callers_are_those_of_the_service_on_the_database_of_the_settings():
    with place(SERVICE) as found:
        identities = found.identities

    assert [(each.tenant, each.base) for each in identities] == [
        ("tenant-0", "/"),
        ("tenant-1", "/"),
    ]
    database = connection.settings_dict["NAME"]
    assert {each.headers["x-database"] for each in identities} == {database}


def test_callers_are_known_longer_than_the_load_goes_on():
    with place(recorded := Recorded()):
        assert recorded.lasting_s == 60 + LONGER_S


@pytest.mark.parametrize("writes", [True, False])
def test_callers_may_write_where_a_scenario_does(writes):
    with place(recorded := Recorded(), Crowd(tenants=2, lasting_s=60, writes=writes)):
        assert recorded.writes is writes


@pytest.mark.parametrize("how", [ValueError, KeyboardInterrupt])
def test_callers_are_dismissed_however_the_load_ends(how):
    recorded = Recorded()
    with pytest.raises(how), place(recorded):
        raise how

    assert recorded.dismissed == recorded.called != []


def test_callers_who_can_not_be_dismissed_are_told_and_cost_nothing():
    told: list[str] = []
    with place(Stuck(), tell=told.append):
        pass

    assert told == [
        "What callers were given could not be taken back, and will expire: "
        "the server closed the connection"
    ]


def test_addresses_are_asked_for_by_nobody_with_the_headers_that_were_given():
    with place(headers={"accept": "text/html"}) as found:
        (nobody,) = found.identities

    assert (nobody.tenant, nobody.headers) == ("", {"accept": "text/html"})


def test_of_another_machine_nothing_is_watched():
    with place(url="http://192.0.2.1", local=False) as found:
        watched = found.watched

    assert (watched.target, watched.database_url, watched.redis_url) == ("", "", "")


def test_of_this_machine_the_database_of_the_settings_is_watched():
    with place() as found:
        watched = found.watched

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
