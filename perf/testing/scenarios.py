"""A scenario of a load test, driven through Django's test client: what is measured can't rot."""

from __future__ import annotations

from typing import Any, Final

from django.test import Client

from perf.load.scenario import Answer, Call, Caller, Pause, Scenario

MOST_CALLS: Final = 1_000  # a session that makes more has no end


def play(scenario: Scenario, client: Client, caller: Caller) -> list[tuple[Call, Answer]]:
    """Go through a session of that caller; its calls with their answers, in order. Nobody waits in
    its pauses.

    Raises `AssertionError` for a status that a call doesn't expect, a check that finds something,
    an error of the scenario itself, and for more than 1,000 calls.
    """
    played: list[tuple[Call, Answer]] = []
    steps = scenario.session(caller)
    answer: Any = None
    while (step := _next(scenario, steps, answer, played)) is not None:
        answer = None
        if isinstance(step, Call):
            assert len(played) < MOST_CALLS, f"{scenario.name} makes more than {MOST_CALLS} calls."
            answer = _answered(client, step)
            played.append((step, answer))
            complaint = found_wrong(step, answer)
            assert not complaint, _told(scenario, step, answer, complaint)
    return played


def found_wrong(call: Call, answer: Answer) -> str:
    """What a call expects otherwise of its answer; empty if nothing."""
    if answer.status not in call.expects:
        return f"status {answer.status} is none that it expects"
    return (call.check(answer) if call.check else None) or ""


def _next(
    scenario: Scenario, steps: Any, answer: Answer | None, played: list[tuple[Call, Answer]]
) -> Call | Pause | None:
    try:
        step: Call | Pause = steps.send(answer)
    except StopIteration:
        return None
    except Exception as error:
        after = _told(scenario, *played[-1]) if played else f"{scenario.name}, at its begin"
        raise AssertionError(f"{type(error).__name__}: {error}, after {after}") from error
    return step


def _answered(client: Client, call: Call) -> Answer:
    headers = {name: value for name, value in call.headers.items() if name != "content-type"}
    kind = call.headers.get("content-type", "")
    response: Any = client.generic(call.method, call.path, call.body, kind, headers=headers)
    body = b"".join(response) if response.streaming else response.content
    response.close()
    return Answer(
        response.status_code, {name.lower(): value for name, value in response.items()}, body
    )


def _told(scenario: Scenario, call: Call, answer: Answer, complaint: str = "") -> str:
    begins = answer.body[:300].decode(errors="replace")
    why = f": {complaint}" if complaint else ""
    return f"{scenario.name}, {call.name}, {call.method} {call.path}{why}; it was told: {begins}"
