from __future__ import annotations

import socket

import pytest

from perf.load.loopback import is_loopback, leads_to_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_the_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)
    assert leads_to_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "192.0.2.1", "0.0.0.0", "no-such-name.invalid", "", "\ud800", "a" * 99],  # noqa: S104
)
def test_all_else_is_another(host: str) -> None:
    assert not is_loopback(host)
    assert not leads_to_loopback(host)


@pytest.mark.parametrize(
    ("addresses", "leads"), [(["127.0.1.1"], True), (["127.0.0.1", "192.0.2.1"], False)]
)
def test_a_name_is_this_machine_by_all_of_its_addresses(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str], leads: bool
) -> None:
    answer = [(0, 0, 0, "", (each, 0)) for each in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port: answer)

    assert not is_loopback("build-host")
    assert leads_to_loopback("build-host") == leads
