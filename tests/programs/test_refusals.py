"""Refusals of answers that are no program: every reason that applies, and a remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reading import UnreadableAnswer, read_program

CASES = Path(__file__).parents[1] / "cases"
FREE = Contract("free", ("reward",))
CODE = """\
def reward(prev, action, state, memory):
    return 1.0 if state.solved else 0.0
"""


def fenced(code: str, language: str = "python") -> str:
    return f"Here it is:\n```{language}\n{code}\n```\n"


def given(case: str, name: str) -> str:
    return (CASES / case / name).read_text(encoding="utf-8")


WRAPPER = given("class_and_wrapper_answers", "completion_gym_wrapper.txt")
METHOD = given("class_and_wrapper_answers", "completion_solution_class.txt")
OTHER_NAME = given("class_and_wrapper_answers", "completion_other_name.txt")
EDIT = given("search_replace_answer", "completion.txt")
DIFF = given("search_replace_answer", "completion_unified.txt")
WHOLE_IN_REPLACE = given("search_replace_answer", "completion_whole_in_replace.txt")

PATCH = """\
*** Begin Patch
*** Update File: reward.py
@@
-    return 0.0
+    return 1.0 if state.solved else 0.0
*** End Patch
"""
CALLBACK = """\
from stable_baselines3.common.callbacks import BaseCallback


class RewardCallback(BaseCallback):
    def _on_step(self):
        return True
"""
CALLABLE = """\
class Reward:
    def __init__(self):
        self.paid = False

    def __call__(self, prev, action, state, memory):
        return 1.0 if state.solved else 0.0


reward = Reward()
"""
PARTIAL = """\
def reward(prev, action, state, memory):
    # ... existing code ...
    return total + 0.5 * float(state.solved)
"""
TWO_STRINGS = json.dumps({"code": CODE, "test_code": "def test_reward():\n    assert True\n"})

# (answer, parts of the refusal's message)
SAID = {
    "a gym wrapper": (
        WRAPPER,
        ["`DoorKeyReward` is an environment wrapper", "as a function of the state before", "`memory`"],
    ),
    "a reward wrapper": (
        fenced("import gymnasium as gym\n\n\nclass R(gym.RewardWrapper):\n    def reward(self, r):\n        return r"),
        ["`reward` is a method of a class (`R`)", "`R` is an environment wrapper"],
    ),
    "a method": (METHOD, ["`reward` is a method of a class (`Solution`)", "plain function at the top level"]),
    "another name": (OTHER_NAME, ["does not define `reward`; it defines `reward_function`", "Call it `reward`."]),
    "an edit": (EDIT, ["SEARCH and REPLACE", "no file to change", "Write the whole program"]),
    "an edit of other marks": (
        EDIT.replace("SEARCH", "ORIGINAL").replace("REPLACE", "UPDATED"),
        ["is an edit", "Write the whole program"],
    ),
    "a diff": (DIFF, ["The answer is a diff", "Write the whole program"]),
    "a patch": (PATCH, ["*** Begin Patch", "Write the whole program"]),
    "a patch in a fence": (fenced(PATCH, "diff"), ["*** Begin Patch", "Write the whole program"]),
    "a callback": (fenced(CALLBACK), ["`RewardCallback` is a training callback", "as a function of the state before"]),
    "a callable object": (
        fenced(CALLABLE),
        ["`reward` is assigned `Reward()`", "`Reward` is called through `__call__`", "`memory`"],
    ),
    "another function under the name": (
        fenced(CODE.replace("reward(", "pay(") + "\n\nreward = pay"),
        ["`reward` is assigned `pay`", "`def reward(...)`"],
    ),
    "a part of a program": (
        fenced(PARTIAL),
        ["a comment stands for code (`# ... existing code ...`)", "Write all of it"],
    ),
    "a part of a program in other words": (
        fenced(PARTIAL.replace("... existing code ...", "(rest of the function unchanged)")),
        ["a comment stands for code"],
    ),
    "a coroutine": (fenced("async " + CODE), ["`reward` is `async`", "plain function"]),
    "an async method": (
        fenced("class A:\n    async def reward(self, prev, action, state, memory):\n        return 0.0"),
        ["`reward` is a method of a class (`A`)"],
    ),
    "a tool call without a program": (
        '<tool_call>{"name": "read_file", "arguments": {"path": "reward.py"}}</tool_call>',
        ["calls a tool, but no tools are available", "Write the whole program"],
    ),
    "several programs in JSON": (TWO_STRINGS, ["contains 2 programs", "Write the whole program"]),
    "another language": (
        fenced("float reward() { return 0; }", "cpp"),
        ["marked as `cpp`, but only Python", "Write the whole"],
    ),
    "Python that defines nothing": (
        fenced("import math\nx = math.pi"),
        ["Python in the answer does not define `reward`"],
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_refused_answer_gets_every_reason_and_a_remedy(name: str) -> None:
    answer, reasons = SAID[name]
    with pytest.raises(UnreadableAnswer) as caught:
        FREE.read(answer)
    for words in reasons:
        assert words in caught.value.reason
    assert "There is no Python program" not in caught.value.reason
    assert any(way in caught.value.reason for way in ("Write", "Call it", "Define"))


def test_an_edit_is_read_as_its_new_text_only() -> None:
    assert "1.0 if state.solved" in FREE.read(WHOLE_IN_REPLACE).source
    edit = WHOLE_IN_REPLACE.replace("return 0.0\n# EVOLVE-BLOCK-END\n=======", "return 0.25\n=======")
    assert "0.25" not in FREE.read(edit).source
    with pytest.raises(UnreadableAnswer, match="is an edit"):
        FREE.read(f"<<<<<<< SEARCH\n{CODE}=======\n    return 2.0\n>>>>>>> REPLACE\n")


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({"code": CODE}),
        fenced(json.dumps({"thoughts": "Pay once.", "code": fenced(CODE)}), "json"),
        json.dumps({"name": "write_file", "arguments": json.dumps({"path": "reward.py", "content": CODE})}),
        f'<tool_call>{json.dumps({"name": "submit", "arguments": {"code": CODE}})}</tool_call>',
        json.dumps({"cells": [{"cell_type": "code", "source": CODE.splitlines(keepends=True)}]}),
        "*** Begin Patch\n*** Add File: reward.py\n" + "".join(f"+{line}\n" for line in CODE.splitlines())
        + "*** End Patch",
        fenced("reward = lambda prev, action, state, memory: 1.0 if state.solved else 0.0"),
        fenced("reward = lambda prev, action, state, memory: (\n    1.0 if state.solved\n    else 0.0\n)  # once"),
    ],
    ids=["code", "fenced code", "JSON in JSON", "tool call", "notebook", "new file", "lambda", "lines of a lambda"],
)  # fmt: skip
def test_one_program_wrapped_in_a_class_is_read_as_a_function(answer: str) -> None:
    source = FREE.read(answer).source
    scope: dict = {}
    exec(source, scope)
    assert "def reward(prev, action, state, memory):" in source
    assert scope["reward"](None, 0, type("State", (), {"solved": True}), {}) == 1.0


def test_a_lambda_that_shares_its_line_is_left_as_it_is() -> None:
    code = "reward = lambda p, a, s, m: 1.0; x = 2"
    assert read_program(fenced(code), ("reward",)).source.strip() == code


def test_a_method_is_not_taken_out_of_a_class_that_stands_without_a_fence() -> None:
    answer = "class Bonus(gym.RewardWrapper):\n    def reward(self, r):\n        return r + 1\n"
    with pytest.raises(UnreadableAnswer, match=r"`reward` is a method of a class \(`Bonus`\)"):
        FREE.read(answer)
