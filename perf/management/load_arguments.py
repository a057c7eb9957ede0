"""What `loadtest` reads from its arguments, and the method that they ask for."""

from __future__ import annotations

import os
import re
from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from django.core.management.base import CommandError

from perf.load.results import Arrivals, Model, Stage
from perf.management.arguments import between, size
from perf.management.subcommands import USAGE

RATE: Final = 20.0  # with the usual duration more samples than a p99 needs
DURATION_S: Final = 60.0
WARMUP_S: Final = 5.0
_MOST: Final = 1_000_000.0
_PERIOD: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600}
_NUMBER: Final = re.compile(r"\d{1,7}(?:\.\d{1,3})?")
_PER: Final = {"": 1, "/s": 1, "/m": 60, "/h": 3_600}


def period_s(text: str) -> float:
    """A time such as 0s, 500ms, 1.5s, 10m or 1h, in seconds."""
    found = _PERIOD.fullmatch(text.strip())
    if not found:
        raise ArgumentTypeError(f"{text!r} must be a time such as 500ms, 30s, 10m or 1h")
    return round(float(found[1]) * _SECONDS[found[2]], 6)


def some_s(text: str) -> float:
    """Such a time, above 0."""
    if (found := period_s(text)) <= 0:
        raise ArgumentTypeError(f"{text!r} must be a time above 0, such as 30s, 10m or 1h")
    return found


def seconds_s(text: str) -> float:
    """Such a time in whole seconds: what is measured is told second by second."""
    if not (found := some_s(text)).is_integer():
        raise ArgumentTypeError(f"{text!r} must be whole seconds, such as 90s or 1.5m")
    return found


def rate_per_s(text: str) -> float:
    """A rate such as 50/s, 50, 600/m, a second."""
    number, slash, per = text.strip().partition("/")
    found = float(number) if _NUMBER.fullmatch(number) else 0.0
    if slash + per not in _PER or not 0 < found <= _MOST:
        raise ArgumentTypeError(f"{text!r} must be a rate such as 50/s or 600/m")
    return found / _PER[slash + per]


def stages(text: str) -> tuple[Stage, ...]:
    """Stages such as 30s:10,2m:50,30s:0: each goes evenly from the level of the one before, 0 at
    first, to its own."""
    found: list[Stage] = []
    level = 0.0
    for each in text.split(","):
        time, colon, number = each.strip().partition(":")
        if not colon or not _NUMBER.fullmatch(number):
            raise ArgumentTypeError(f"{each!r} must be a time and a level, such as 30s:10")
        found.append(Stage(seconds_s(time), level, float(number)))
        level = float(number)
    if not any(each.ends for each in found):
        raise ArgumentTypeError(f"{text!r} must be above 0 at some time")
    return tuple(found)


def factor(text: str) -> float:
    """How many times as much, such as 5x."""
    number = text.strip().removesuffix("x")
    found = float(number) if _NUMBER.fullmatch(number) else 0.0
    if not 1 < found <= 1_000:
        raise ArgumentTypeError(f"{text!r} must be a factor above 1, such as 5x")
    return found


def header(text: str) -> tuple[str, str]:
    """A header such as "Accept: text/html": its name in lower case, and its value."""
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon:
        raise ArgumentTypeError("it must be like 'name: value'")  # all of it may be a secret
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ArgumentTypeError(f"{name!r} must be like 'name: value'")
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]", value):
        raise ArgumentTypeError(f"the value of {name!r} has what no header may have")
    return name.lower(), value


def objectives(text: str) -> str:
    """Objectives, which are read later; an empty text, as of a variable that is not set, has none,
    and would pass."""
    if not text.replace(",", "").strip():
        raise ArgumentTypeError("there must be one, such as 'p99<300ms,fail<0.1%'")
    return text


def file(text: str) -> Path:
    """A file to write a report to, refused before the run where it can't be."""
    found = Path(text)
    if found.is_dir() or not os.access(found if found.exists() else found.parent, os.W_OK):
        raise ArgumentTypeError(f"{text!r} can't be written")
    return found


def add_what(parser: ArgumentParser) -> None:
    """What is called, where, and by whom."""
    what = parser.add_argument_group("what")
    what.add_argument(
        "names",
        nargs="*",
        metavar="SCENARIO",
        help="what users do, such as tasks.mixed; * stands for anything: see `loadtest list`",
    )
    what.add_argument(
        "--get",
        action="append",
        default=[],
        metavar="URL",
        help="or an address; may be given again",
    )
    what.add_argument(
        "--header",
        action="append",
        default=[],
        type=header,
        metavar="'NAME: VALUE'",
        help="a header for each --get, such as 'Authorization: Bearer …'",
    )
    what.add_argument(
        "--module",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module that declares more scenarios, such as drafts.scenarios",
    )
    _add_where(parser.add_argument_group("where"))


def _add_where(where: Any) -> None:
    places = where.add_mutually_exclusive_group()
    places.add_argument(
        "--target", metavar="URL", help="a server that is running, such as http://127.0.0.1:8000"
    )
    places.add_argument(
        "--serve",
        action="store_true",
        help="start the service with production settings, on a copy of the lab's data",
    )
    where.add_argument(
        "--size",
        type=size,
        metavar="ROWS",
        help="how large that copy is, such as 10k (default: 100k)",
    )
    where.add_argument(
        "--tenants",
        type=between(1, 10_000),
        default=20,
        metavar="N",
        help="play scenarios for users of at most so many tenants (default: 20)",
    )
    where.add_argument(
        "--yes-load-remote",
        action="store_true",
        help="the target is another machine, and whoever runs it agrees",
    )


def add_how(parser: ArgumentParser) -> None:
    """How the load of a run is made."""
    how = parser.add_argument_group("how")
    _add_model(how)
    _add_shape(how)
    _add_length(how)
    _add_bounds(how, ", or as many as there are users")


def add_how_of_search(parser: ArgumentParser) -> None:
    """How the load of each run of a search is made. What a search decides by itself is no option
    of it: who gives it nevertheless reads why."""
    how = parser.add_argument_group("how")
    _add_rate(how, "sessions begun in a second at first, such as 50/s")
    _add_arrivals(how)
    _add_think(how, "0s")
    _add_length(how, " in each run")
    _add_bounds(how)
    how.add_argument("--model", action=_Decided, help=SUPPRESS)
    for option in ("--users", "--stages", "--spike"):
        how.add_argument(option, action=_Decided, help=SUPPRESS)
    how.add_argument("--soak", action=_Decided, nargs=0, help=SUPPRESS)


class _Decided(Action):
    """An option of a run that a search decides by itself."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Raise `CommandError`, but for the model that a search has anyway."""
        if self.dest == "model" and values == Model.OPEN:
            return
        raise usage(
            f"A search makes its own stages, in the open model: leave {option_string} out. --rate "
            "says where it begins, --duration how long each run is."
        )


def _add_rate(how: Any, says: str) -> None:
    how.add_argument(
        "--rate", type=rate_per_s, metavar="RATE", help=f"{says} (default: {RATE:.0f}/s)"
    )


def _add_arrivals(how: Any) -> None:
    how.add_argument(
        "--arrivals",
        choices=[each.value for each in Arrivals],
        default=Arrivals.POISSON.value,
        help="begin sessions by chance, as many users do, or evenly (default: poisson)",
    )


def _add_think(how: Any, usual: str) -> None:
    how.add_argument(
        "--think",
        type=period_s,
        metavar="TIME",
        help=f"how long a user pauses on average (default: {usual})",
    )


def _add_model(how: Any) -> None:
    how.add_argument(
        "--model",
        choices=[each.value for each in Model],
        help="open: sessions begin by a schedule; closed: users who wait for their answers "
        "(default: open, or closed with --users)",
    )
    _add_rate(how, "sessions begun in a second, such as 50/s; open model")
    _add_arrivals(how)
    how.add_argument(
        "--users",
        type=between(1, 100_000),
        metavar="N",
        help="users at the same time; closed model (default: 10)",
    )
    _add_think(how, "1s for scenarios in the closed model, else 0s")


def _add_shape(how: Any) -> None:
    shape = how.add_mutually_exclusive_group()
    shape.add_argument(
        "--stages",
        type=stages,
        metavar="STAGES",
        help="times, and the rate or users that each leads to, such as 30s:10,2m:50,30s:0",
    )
    shape.add_argument(
        "--soak", action="store_true", help="an hour, or what --duration says, to see what grows"
    )
    shape.add_argument(
        "--spike",
        type=factor,
        metavar="FACTOR",
        help="so many times the load for the middle fifth of the time, such as 5x",
    )


def _add_length(how: Any, of: str = "") -> None:
    how.add_argument(
        "--duration",
        type=seconds_s,
        metavar="TIME",
        help=f"how long to measure{of} (default: 60s)",
    )
    how.add_argument(
        "--warmup",
        type=period_s,
        default=WARMUP_S,
        metavar="TIME",
        help="load before that, not counted (default: 5s)",
    )


def _add_bounds(how: Any, more: str = "") -> None:
    how.add_argument(
        "--timeout",
        type=some_s,
        default=10.0,
        metavar="TIME",
        help="how long to wait for an answer (default: 10s)",
    )
    how.add_argument(
        "--max-in-flight",
        type=between(1, 100_000),
        default=500,
        metavar="N",
        help="requests in flight at most; more are dropped, and count as failed (default: "
        f"500{more})",
    )
    how.add_argument(
        "--workers",
        type=between(1, 64),
        default=1,
        metavar="N",
        help="processes that send the requests (default: 1)",
    )
    how.add_argument(
        "--seed",
        type=between(0, 2**31 - 1),
        metavar="N",
        help="draw the same schedule and choices as another run",
    )
    how.add_argument("--quiet", action="store_true", help="show no progress")


def add_outputs(parser: ArgumentParser, of: str = "the run") -> None:
    """Reports to write beside what is shown."""
    out = parser.add_argument_group("reports")
    for form, says in (("json", "as JSON"), ("markdown", "as Markdown"), ("html", "as a page")):
        out.add_argument(f"--{form}", type=file, metavar="FILE", help=f"write {of} {says}")


def write_as(found: Any, options: Mapping[str, Any], report: Any) -> None:
    """Write what is no run in the forms that were asked for; `report` is the module that knows."""
    if options["json"]:
        document = msgspec.json.format(msgspec.json.encode(found), indent=1)
        options["json"].write_bytes(document + b"\n")
    if options["markdown"]:
        options["markdown"].write_text(report.to_markdown(found), encoding="utf-8")
    if options["html"]:
        options["html"].write_text(report.to_html(found), encoding="utf-8")


def usage(text: str) -> CommandError:
    return CommandError(text, returncode=USAGE)
