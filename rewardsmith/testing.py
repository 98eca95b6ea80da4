"""`assert_sound` for tests with pytest, which finds this module as its plugin `rewardsmith`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewardsmith.results import CheckResult

_LONGEST = 2_000  # characters of one check's message


class Unsound(AssertionError):
    """The reward failed a check, or its verdict is weaker than the test demands.

    Attributes:
        result: The result of the check.
    """

    def __init__(self, text: str, result: CheckResult) -> None:
        super().__init__(text)
        self.result = result


def assert_sound(reward: Any, task: Any, *, undecided: bool = False, **settings: Any) -> CheckResult:
    """Check a reward, and fail unless every optimal policy under it solves the task on the layouts checked.

    Args:
        reward: A reward file, the text of a program, a function or a wrapper, as `rewardsmith.check` takes them.
        task: Task id, description, or an environment of your own.
        undecided: Accept a verdict that leaves layouts undecided, or a task on which no certificate exists.
        settings: Further arguments of `rewardsmith.check`, such as `quick=True` or `layouts=3`.

    Returns:
        The result, for further assertions.

    Raises:
        Unsound: With the verdict of each failed check, and the counter-examples.
        UsageError: The task is unknown, or the reward is none.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    from rewardsmith.api import check

    result = check(task, reward, **settings)
    failed = [verdict for verdict in result.verdicts if not verdict.passed]
    if failed:
        lines = [f"{v.check}: {v.message[:_LONGEST]}" for v in failed]
        raise Unsound(_told("the reward fails", result, [*lines, *_shown(result)]), result)
    missing = _missing(result)
    if missing and not undecided:
        remedy = "Pass undecided=True to accept this."
        raise Unsound(_told("the reward is not known to be sound", result, [*missing, remedy]), result)
    return result


def _missing(result: CheckResult) -> list[str]:
    """What a verdict without a failure leaves open."""
    found = result.soundness
    told = [f"{check} did not run: {reason}" for check, reason in result.not_run.items()]
    if found is None:
        return [*told, "no certificate was made"]
    if found["unsound_or_undecided"]:
        count, asked = found["unsound_or_undecided"], found["layouts_asked"]
        certificate = result.verdict("certificate")
        told.append(f"{count} of {asked} layouts are undecided: {certificate.message if certificate else ''}")
    return told


def _told(what: str, result: CheckResult, lines: list[str]) -> str:
    headline = "no certificate" if result.soundness is None else result.soundness["headline"]
    place = f" ({result.origin['file']}:{result.origin['line']})" if result.origin.get("file") else ""
    return "\n".join([f"{what} on {result.task}{place}: {headline}", *(f"  {line}" for line in lines)])


def _shown(result: CheckResult) -> list[str]:
    """The counter-examples in words, three at most."""
    return [
        f"counter-example on layout {each.get('layout')}: {str(each.get('text') or each.get('prefix'))[:_LONGEST]}"
        for each in result.counterexamples[:3]
    ]


def pytest_configure(config: Any) -> None:
    """Register the marker `rewardsmith`, for tests that check rewards."""
    config.addinivalue_line("markers", "rewardsmith: checks a reward, and may take minutes")


def _fixture() -> Callable[..., Any] | None:
    try:
        import pytest
    except ImportError:  # assert_sound needs no pytest
        return None
    return pytest.fixture(name="assert_sound", scope="session")(lambda: assert_sound)


assert_sound_fixture = _fixture()
"""The fixture `assert_sound`, for tests that import nothing."""
