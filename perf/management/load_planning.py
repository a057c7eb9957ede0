"""What is to be loaded, and whether it may be: from the arguments of `loadtest` to a plan."""

from __future__ import annotations

import shlex
import socket
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.management.base import CommandError
from django.db import OperationalError, connection

from perf.load.intervals import LEAST_SECONDS
from perf.load.loopback import leads_to_loopback
from perf.load.plan import PlanError, may_be_sent, origin_and_paths, port_of
from perf.load.results import LoadMethod
from perf.load.schedule import measured_s
from perf.load.slo import SloError, parse
from perf.load_places import KNOCKS_S, Crowd, Place, Tell, served, there
from perf.load_runner import Load
from perf.management.load_arguments import usage
from perf.management.load_method import method_of
from perf.management.subcommands import REFUSED, USAGE
from perf.scenarios import Declared, NoSuchScenario, ScenarioError, chosen
from perf.service import SETTING, service

SIZE: Final = 100_000  # rows
BETWEEN_S: Final = 90.0  # runs of a search: the service rests


@dataclass(frozen=True, slots=True)
class Asked:
    """What the arguments ask for. `target` is empty where the service is to be started."""

    load: Load
    target: str
    headers: Mapping[str, str]
    size: int
    tenants: int
    runs: int = 1  # at most: callers are known for all of them

    @contextmanager
    def place(self, tell: Tell) -> Iterator[Place]:
        """Where it goes, as long as the block. Raises what starting it raises."""
        each_s = lasting_s(self.load.method) + BETWEEN_S
        crowd = Crowd(self.tenants, self.runs * each_s, self.load.writes)
        known = service() if self.load.scenarios or not self.target else None
        if self.target:
            local = leads_to_loopback(_host(self.target))
            with there(self.target, known, crowd, self.headers, tell, local=local) as found:
                yield found
            return
        if known is None:
            raise CommandError(
                f"--serve needs {SETTING} in the settings: see docs/load-testing.md.",
                returncode=USAGE,
            )
        _require_database()
        with served(known, crowd, self.size, tell) as found:
            yield found


def asked(options: Mapping[str, Any]) -> Asked:
    """What the arguments ask for. Raises `CommandError` where they contradict each other, where
    nothing is named so, and for a target that may not be loaded or does not answer."""
    try:
        target, gets = _where(options)
        load = Load(
            method=method_of(options),
            command=command(),
            scenarios=declared(options["names"], options["module"]),
            gets=gets,
            slos=parse(options["slo"] or ""),
            aborts=options["abort_on_fail"],
        )
    except (PlanError, SloError, NoSuchScenario) as error:
        raise usage(str(error)) from error
    if load.slos and measured_s(load.method) < LEAST_SECONDS:
        raise usage(f"Objectives need {LEAST_SECONDS} s or more: make the --duration longer.")
    if load.aborts and not load.slos:
        raise usage("--abort-on-fail needs an --slo that can fail.")
    if target:
        _require_permitted(target, permitted=options["yes_load_remote"])
        _require_answer(target)
    headers = dict(options["header"])
    return Asked(load, target, headers, options["size"] or SIZE, options["tenants"])


def lasting_s(method: LoadMethod) -> float:
    """How long the load goes on, with its warm-up."""
    return method.warmup_s + measured_s(method)


def command() -> str:
    """The command as it is kept with its run, without what headers may say of somebody."""
    found: list[str] = []
    for each in sys.argv[1:]:
        option, is_whole, header = each.partition("=")
        if is_whole and _is_header(option):
            found.append(f"{option}={_named(header)}")
        else:
            found.append(_named(each) if found and _is_header(found[-1]) else each)
    # The name of a file need not be UTF-8, as what is kept has to be.
    return shlex.join(["manage.py", *found]).encode(errors="replace").decode()


def _named(header: str) -> str:
    return f"{header.partition(':')[0]}: …"


def _is_header(option: str) -> bool:
    """Whether it stands for --header, which may be cut as long as no other option begins so."""
    return option.startswith("--hea") and "--header".startswith(option)


def _where(options: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The server's address, and the paths of the addresses to get."""
    if addresses := [each for each in options["names"] if "://" in each]:
        origin_and_paths(addresses[:1])  # may have a password, which is not to be told
        raise usage(f"An address goes with --get: --get {addresses[0]}")
    if bool(options["get"]) == bool(options["names"]):
        raise usage("Name scenarios, or addresses with --get: see `loadtest list`.")
    if options["header"] and not options["get"]:
        raise usage("--header goes with --get: scenarios know who calls.")
    if options["size"] and not options["serve"]:
        raise usage("--size goes with --serve: it is how large the served data is.")
    if not options["get"]:
        if not options["target"] and not options["serve"]:
            raise usage(
                "Say where: --serve starts the service, --target URL is one that is running."
            )
        return _origin(options["target"]), ()
    if options["target"]:
        raise usage("--get has the whole address: leave --target out.")
    if not options["serve"]:
        return origin_and_paths(options["get"])
    return "", tuple(_path(each) for each in options["get"])


def _origin(target: str | None) -> str:
    if not target:
        return ""
    origin, paths = origin_and_paths([target])
    if paths != ("/",):
        raise usage(f"{target!r} must be a server, such as http://127.0.0.1:8000, without a path.")
    return origin


def _path(text: str) -> str:
    if not text.startswith("/") or not may_be_sent(text):
        raise usage(f"With --serve, --get {text!r} must be a path such as /livez.")
    return text


def declared(names: Sequence[str], modules: Iterable[str]) -> tuple[Declared, ...]:
    """The scenarios of those names. Raises `NoSuchScenario`, and `CommandError` for a module that
    can't be imported or declares one wrongly."""
    try:
        return chosen(names, modules)
    except NoSuchScenario:
        raise
    except ScenarioError as error:
        raise usage(str(error)) from error
    except Exception as error:
        told = traceback.format_exception_only(error)[-1].strip()
        raise usage(told) from error


def _require_permitted(target: str, *, permitted: bool) -> None:
    if permitted or leads_to_loopback(_host(target)):
        return
    raise CommandError(
        f"{target} is not this machine. To load what others run, without their consent, is an "
        "attack: with it, add --yes-load-remote.",
        returncode=REFUSED,
    )


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _require_database() -> None:
    """Raise `CommandError` where the server on which the service is to run is not there."""
    try:
        connection.ensure_connection()
    except OperationalError as error:
        told = str(error).strip().splitlines()[0]
        raise CommandError(
            f"The database of the settings does not answer ({told}): start it first.",
            returncode=REFUSED,
        ) from error


def _require_answer(target: str) -> None:
    """Raise `CommandError` where nobody listens: a run of refusals would say no more."""
    parts = urlsplit(target)
    try:
        socket.create_connection((parts.hostname or "", port_of(parts)), KNOCKS_S).close()
    except OSError as error:
        raise CommandError(f"Nobody answers at {target}: {error}.", returncode=REFUSED) from error
