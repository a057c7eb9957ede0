"""`benchmark list`: what the catalogue has."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any, Final

from perf.catalogue import PairSpec
from perf.management.arguments import add_module
from perf.management.planning import chosen
from perf.report import figures

SAYS: Final = "the pairs, their ways and what they claim"
DESCRIPTION: Final = """\
Lists the pairs of the catalogue: + is the efficient way, - are the naive ones,
= is a claim, and the last line says when it does not pay."""
EXAMPLES: Final = """\
  manage.py benchmark list
  manage.py benchmark list 'tasks.batch_*' --claims
  manage.py benchmark list --tag pagination --json"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which pairs, and how much of them."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="pairs; * stands for anything")
    add_module(parser)
    parser.add_argument("--tag", action="append", default=[], help="pairs with this tag")
    parser.add_argument("--claims", action="store_true", help="what each pair claims too")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: dict[str, Any], stdout: Any) -> int:
    """Write the pairs; 0."""
    specs = chosen(options["names"], options["tag"], options["module"], large=True)
    if options["json"]:
        stdout.write(json.dumps([_document(each) for each in specs], indent=1))
        return 0
    for spec in specs:
        for line in _lines(spec, claims=options["claims"]):
            stdout.write(line)
    stdout.write(f"{len(specs)} pairs, {sum(len(each.claims) for each in specs)} claims")
    return 0


def _lines(spec: PairSpec, *, claims: bool) -> list[str]:
    sizes = ", ".join(figures.size(each) for each in spec.sizes)
    large = ", ".join(figures.size(each) for each in spec.large_sizes)
    found = [f"{spec.name}: {spec.title} ({sizes}{f'; {large}' if large else ''})"]
    for each in spec.variants:
        found.append(f"  {'+' if each.is_efficient else '-'} {each.name}: {each.says}")
    if claims:
        found += [f"  = {each.text}" for each in spec.claims]
    return [*found, f"  {spec.caveat}", ""]


def _document(spec: PairSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "title": spec.title,
        "page": spec.page,
        "caveat": spec.caveat,
        "tags": list(spec.tags),
        "sizes": list(spec.sizes),
        "large_sizes": list(spec.large_sizes),
        "variants": [
            {"name": each.name, "efficient": each.is_efficient, "says": each.says}
            for each in spec.variants
        ],
        "claims": [each.text for each in spec.claims],
    }
