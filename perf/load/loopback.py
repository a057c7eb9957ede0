"""Whether a host is this machine, and nobody else's: the one place that decides it."""

from __future__ import annotations

import ipaddress
import socket


def is_loopback(host: str) -> bool:
    """Whether it is the loopback as it is written: no name is looked up but localhost, which
    stands for it by RFC 6761.

    >>> is_loopback("127.9.9.9"), is_loopback("::1"), is_loopback("localhost")
    (True, True, True)
    >>> is_loopback("10.0.0.1"), is_loopback("db.example.org"), is_loopback("")
    (False, False, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def leads_to_loopback(host: str) -> bool:
    """Whether every address of it is of the loopback. A name that is not known is not of it."""
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(host and found) and all(map(is_loopback, found))
