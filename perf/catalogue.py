"""The catalogue: pairs of ways to do one thing, declared in the `benchmarks` module of each app.

    @pair("books.deep_page", title="A page at half depth", dataset=BOOKS, page="pagination",
          caveat="On the first page both are the same.")
    class DeepPage(Pair):
        claims = (claim.faster("keyset", than="offset", by=5, at=100_000), claim.flat("keyset"))

        def arguments(self, rng):
            return (self.size // 2 + rng.randrange(100),)

        @variant(efficient=True)
        def keyset(self, place):
            "Goes on after the last row seen."
            return list(Book.objects.filter(pk__gt=place).order_by("pk")[:50])

        @variant()
        def offset(self, place):
            "Counts off what was seen."
            return list(Book.objects.order_by("pk")[place : place + 50])

`discover()` imports the modules as Django's admin imports `admin`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Final

from django.db import connection
from django.utils.module_loading import autodiscover_modules

from perf.claims import Claim

DEFAULT_SIZES: Final = (1_000, 10_000, 100_000)
LARGE_SIZES: Final = (1_000_000,)
LARGE: Final = "large"  # the tag of pairs whose calls are long
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
# With the size, a digest and the id of a process it must fit into the 63 bytes of a name.
_DATASET: Final = re.compile(r"[a-z][a-z0-9_]{0,23}")
_MARK: Final = "_perf_variant"


class CatalogueError(Exception):
    """A pair, a variant or a claim is declared wrongly. The message says how to do it."""


class NotHere(Exception):
    """The pair can't be measured here. The message says why, and stands in the report."""


class Dataset:
    """Data to measure on, made once for each size and kept as a database of its own.

    `name` stands in the name of the database. Another `version` makes other databases: change it
    when `fill` would write other rows.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"

    def fill(self, size: int) -> None:
        """Fill the database that Django's default connection is on, which has been migrated."""
        raise NotImplementedError

    def open(self, size: int) -> Any:
        """What pairs draw their arguments from, found as `Pair.data`. Once a process and size."""

    def as_owner(self) -> AbstractContextManager[object]:
        """What to be in to change tables and to vacuum them: by default the `as_owner` of the
        connection, where its backend has one, as one with a role of its own for the web may."""
        owning: AbstractContextManager[object] = getattr(connection, "as_owner", nullcontext)()
        return owning


class Pair:
    """Base of a pair: what its ways have in common. One instance for each size and process."""

    claims: ClassVar[Sequence[Claim]] = ()

    def __init__(self, size: int, data: Any) -> None:
        self.size = size
        self.data = data

    def set_up(self) -> None:
        """Whatever is needed before the first call. Not timed. Raises `NotHere` where the pair
        can't be measured, such as without a server that it needs."""

    def tear_down(self) -> None:
        """Undo `set_up`."""

    def arguments(self, rng: random.Random) -> tuple[Any, ...]:
        """Draw what all ways are called with. Equal states of `rng` must give equal arguments."""
        return ()

    def canonical(self, result: Any) -> Any:
        """What must be equal between ways, of values that JSON can hold.

        By default model instances are their primary keys, in their order; all else is itself.
        """
        return result

    def state(self) -> Any:
        """What must be equal in the database after a call of a pair that writes; read before the
        call is rolled back, or cleared."""
        raise NotImplementedError(f"{type(self).__name__} writes: say what must be equal, by state")

    def clear(self) -> None:
        """Clear away what a call of a pair that writes has left, after it was rolled back; for a
        pair that commits, make the database what it was before. Not timed."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of a pair: `says` is its sentence in reports."""

    name: str
    is_efficient: bool
    says: str


@dataclass(frozen=True, slots=True)
class PairSpec:
    """A pair as it is declared."""

    name: str
    title: str
    cls: type[Pair]
    dataset: Dataset
    page: str
    caveat: str
    variants: tuple[Variant, ...]
    sizes: tuple[int, ...]
    large_sizes: tuple[int, ...]
    tags: tuple[str, ...]
    writes: bool
    commits: bool
    claims: tuple[Claim, ...]

    @property
    def is_large(self) -> bool:
        """Whether its calls are long: it is measured when asked for, and a sample is one call."""
        return LARGE in self.tags

    @property
    def efficient(self) -> Variant:
        return next(each for each in self.variants if each.is_efficient)

    @property
    def naive(self) -> tuple[Variant, ...]:
        return tuple(each for each in self.variants if not each.is_efficient)


def variant[F: Callable[..., Any]](*, efficient: bool = False) -> Callable[[F], F]:
    """Mark a method of a pair as one of its ways; the first line of its docstring is its sentence.

    It is called with what `arguments` drew and returns its rows, fetched. Exactly one way of a pair
    is `efficient`; the others are compared with it.
    """

    def mark(method: F) -> F:
        says = (method.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        name = method.__name__
        if not says:
            raise CatalogueError(f"Say in a docstring of {name} what the way does.")
        setattr(method, _MARK, Variant(name=name, is_efficient=efficient, says=says))
        return method

    return mark


def pair(
    name: str,
    *,
    title: str,
    dataset: Dataset,
    page: str,
    caveat: str,
    sizes: Iterable[int] = DEFAULT_SIZES,
    large_sizes: Iterable[int] = LARGE_SIZES,
    tags: Iterable[str] = (),
    writes: bool = False,
    commits: bool = False,
) -> Callable[[type[Pair]], type[Pair]]:
    """Put a class into the catalogue.

    `name` is "app.pattern"; `page` the page of docs/patterns that explains it, without ".md";
    `caveat` a sentence that says when it does not pay. `large_sizes` are measured when asked for.
    With `writes` each call runs in a transaction that is rolled back, outside of the time; with
    `commits` it ends its own, and `clear` undoes it. The tag "large" is for pairs whose calls are
    long. Raises `CatalogueError` for a declaration that can't be measured, at import.
    """

    def register(cls: type[Pair]) -> type[Pair]:
        spec = PairSpec(
            name=name,
            title=title,
            cls=cls,
            dataset=dataset,
            page=page,
            caveat=caveat,
            variants=tuple(_variants(cls)),
            sizes=tuple(sorted(sizes)),
            large_sizes=tuple(sorted(large_sizes)),
            tags=tuple(tags),
            writes=writes or commits,
            commits=commits,
            claims=tuple(cls.claims),
        )
        _check(spec)
        if name in _pairs and _pairs[name].cls.__qualname__ != cls.__qualname__:
            raise CatalogueError(f"Two pairs are named {name}.")
        if any(
            each.dataset.name == dataset.name and type(each.dataset) is not type(dataset)
            for each in _pairs.values()
        ):
            raise CatalogueError(f"Two datasets are named {dataset.name}.")
        _pairs[name] = spec
        return cls

    return register


def _variants(cls: type[Pair]) -> Iterator[Variant]:
    # In the order of their declaration, those of a base class first.
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    for name in names:
        found = getattr(getattr(cls, name), _MARK, None)
        if found is not None:
            yield found


def _check(spec: PairSpec) -> None:
    names = [each.name for each in spec.variants]
    if not _NAME.fullmatch(spec.name):
        raise CatalogueError(f"{spec.name!r} must be like app.pattern, in small letters.")
    if len(names) < 2 or sum(each.is_efficient for each in spec.variants) != 1:
        raise CatalogueError(f"{spec.name} needs two ways or more, exactly one of them efficient.")
    if not spec.sizes or spec.sizes[0] < 1:
        raise CatalogueError(f"{spec.name} needs a size, of 1 row or more.")
    if not _DATASET.fullmatch(spec.dataset.name):
        raise CatalogueError(
            f"Dataset {spec.dataset.name!r} must have a name of small letters, digits and _, of 24 "
            "characters at most."
        )
    if not spec.caveat.strip():
        raise CatalogueError(f"{spec.name} must say when it does not pay.")
    if spec.commits and spec.cls.clear is Pair.clear:
        raise CatalogueError(f"{spec.name} commits: it must undo that, by clear.")
    for each in spec.claims:
        unknown = set(each.variants) - set(names)
        if unknown:
            raise CatalogueError(f"{spec.name} claims something of {', '.join(sorted(unknown))}.")
        if hindrance := each.hindrance(spec.efficient.name, {*spec.sizes, *spec.large_sizes}):
            raise CatalogueError(
                f"{spec.name} claims what no run can judge, {each.text}: {hindrance}."
            )


_pairs: dict[str, PairSpec] = {}


def discover(modules: Iterable[str] = ()) -> tuple[PairSpec, ...]:
    """All pairs of all installed apps, by name, and those of other modules.

    Raises `ImportError` for a module that is not there.
    """
    autodiscover_modules("benchmarks")
    for each in modules:
        import_module(each)
    return tuple(_pairs[name] for name in sorted(_pairs))
