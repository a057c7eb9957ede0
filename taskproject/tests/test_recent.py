"""The small memory of a process: bounded in size and time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskproject.recent import Recent
from taskproject.tests.cached import Clock


def memory(clock: Clock, *, max_bytes: int = 160) -> Recent[str]:
    return Recent(max_bytes=max_bytes, lifetime_s=10, clock=clock)


def test_a_value_is_held_for_its_time() -> None:
    clock = Clock()
    held = memory(clock)
    held.put("a", "one", size_bytes=3)

    clock.now_s += 9.9
    assert held.get("a") == "one"
    clock.now_s += 0.1
    assert (held.get("a"), len(held), held.size_bytes) == (None, 0, 0)


def test_what_was_used_last_stays() -> None:
    held = memory(Clock())
    for n in range(16):
        held.put(f"{n}", "x", size_bytes=10)
    held.get("0")

    held.put("new", "x", size_bytes=10)

    assert [key for key in ("0", "1", "2", "new") if held.get(key)] == ["0", "2", "new"]
    assert held.size_bytes == 160


def test_what_is_too_large_for_it_is_not_held_and_takes_no_others_place() -> None:
    held = memory(Clock())
    held.put("a", "one", size_bytes=10)

    held.put("b", "large", size_bytes=11)
    held.put("a", "larger now", size_bytes=11)

    assert (held.get("a"), held.get("b"), held.size_bytes) == (None, None, 0)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12), st.booleans())))
def test_its_size_is_that_of_what_it_holds_and_never_more_than_allowed(
    steps: list[tuple[str, int, bool]],
) -> None:
    held, sizes = memory(Clock(), max_bytes=48), dict[str, int]()
    for key, size, reads in steps:
        if reads:
            held.get(key)
            continue
        held.put(key, key, size_bytes=size)
        sizes[key] = size
        there = {each for each in sizes if held.get(each) is not None}
        assert held.size_bytes == sum(sizes[each] for each in there) <= 48
