"""Faults that language models make: values that cannot occur, dead components, wrong signs, guilty components."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from verification.rewards import free

from rewardsmith.programs.impossible import static_faults
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import get_task
from rewardsmith.verification.checks import Proof, run_checks
from rewardsmith.verification.difficulty import Difficulty
from rewardsmith.verification.direction import Direction, Guidance
from rewardsmith.verification.guidance import directions_told
from rewardsmith.verification.learnability import learnability_told

TASK = "MiniGrid-DoorKey-5x5-v0"
ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")


def found(body: str, head: str = ""):
    """The static faults of a program of these lines."""
    reward = free(body, head=head)
    schema = get_task(TASK).schema
    return static_faults(reward.source, schema, reward.functions, {"reached": "the agent stepped onto the goal"})


@pytest.mark.parametrize(
    ("condition", "nearest"),
    [
        ("state.event == 'pickup'", "'picked_up'"),
        ("state.event == 'goal'", "'reached'"),
        ("state.carrying == 'key'", "`state.carrying.kind == 'key'`"),
        ("any(o.state is True for o in state.objects)", None),
        ("next(o for o in state.objects).kind == 'Key'", "'key'"),
        ("state.carrying == 3", "`state.carrying.id`"),
        ("state.event in ('grab', 'take')", None),
        ("not (state.event != 'unlock')", "'unlocked'"),
        ("[o.id for o in state.objects][0] == state.objects[0].kind", None),
    ],
)
def test_a_condition_that_no_state_meets_is_named_with_the_nearest_value(condition, nearest):
    faults = found(f"return 1.0 if {condition} else 0.0")
    assert [each.nearest for each in faults.deciding] == [nearest]
    assert faults.deciding[0].line == 2


@pytest.mark.parametrize(
    "body",
    [
        "return 1.0 if state.event == 'picked_up' else 0.0",
        "return 1.0 if state.carrying is None or state.carrying == prev.front else 0.0",
        "best = memory.get('best', 999)\nreturn 1.0 if best == 'pickup' else 0.0",
        "d = min((o.x for o in state.objects), default=999)\nreturn 1.0 if d == 999 else 0.0",
        "word = memory.get('word', 'key')\nreturn 1.0 if word in state.mission.split() else 0.0",
        "kinds = []\nfor o in state.objects:\n    kinds.append(o.kind)\nreturn 1.0 if 'Key' in kinds else 0.0",
        "o = state.front\nif o is None:\n    o = 'nothing'\nreturn 1.0 if o == 'nothing' else 0.0",
        "return {'picked_up': 1.0, 'unlocked': 2.0}.get(state.event, 0.0)",
        "return 1.0 if getattr(state.front, 'locked', False) else 0.0",
        "pick = lambda o, word: o == word\nreturn 1.0 if pick('a', 'b') else 0.0",
    ],
)
def test_honest_code_is_not_accused(body):
    faults = found(body)
    assert not faults.impossible
    assert not faults.missing


def test_one_of_two_names_for_an_event_is_only_noted():
    faults = found("return 1.0 if state.event == 'picked_up' or state.event == 'pickup' else 0.0")
    assert [each.nearest for each in faults.impossible] == ["'picked_up'"]
    assert not faults.deciding


def test_a_missing_field_is_found_through_helpers_unless_it_is_never_read():
    head = "def door(s):\n    return next((o for o in s.objects if o.kind == 'door'), None)\n"
    faults = found("d = door(state)\nreturn 1.0 if d is not None and d.locked else 0.0", head)
    assert [(m.node.attr, m.where) for m in faults.missing] == [("locked", "an entry of `objects`")]
    dead = found("if state.event == 'boom':\n    return state.front.locked\nreturn 0.0")
    assert not dead.missing


def test_keys_that_no_field_has_are_noted():
    faults = found("return {'pickup': 1.0, 'unlocked': 2.0}.get(state.event, 0.0)")
    assert [each.nearest for each in faults.impossible] == ["'picked_up'"]


def test_the_program_with_its_conditions_met_is_still_a_program():
    faults = found("é = 'é'; return 1.0 if (state.event ==\n    'pickup') else 0.0")
    assert ast.parse(faults.with_conditions_met() or "")
    assert "True" in (faults.with_conditions_met() or "")


def verdicts(task, body: str, layouts: int = 2):
    checked = run_checks(Problem(task, free(body), 0.99), Proof(layouts))
    return {v.kind: v for v in checked.verdicts}


DEAD = """
got = state.event == 'pickup' and 'got' not in memory
if got:
    memory['got'] = True
return {'key': 0.2 if got else 0.0, 'hurt': -0.5 if state.event == 'lava' else 0.0, 'done': 1.0 * state.solved}
"""
AWAY = """
goal = next(o for o in state.objects if o.target)
was = abs(goal.x - prev.agent.x) + abs(goal.y - prev.agent.y)
now = abs(goal.x - state.agent.x) + abs(goal.y - state.agent.y)
return {'near': SIGN * 0.001 * (was - now), 'open': 1.0 if state.event == 'closed' else 0.0}
"""


def test_a_milestone_that_can_never_pay_goes_back_unlike_a_dead_penalty(small_task):
    found = verdicts(small_task("MiniGrid-Empty-5x5-v0"), DEAD.strip(), 1)
    assert not found["fields"].passed
    assert "'picked_up'" in found["fields"].message
    assert found["fields"].details["milestones"] == ["key"]
    assert any("lava" in text for text in found["fields"].details["noted"])
    assert found["components"].passed
    assert found["components"].details["dead"] == ["hurt", "key"]


def test_a_distance_with_the_wrong_sign_is_told_as_such_on_every_layout(small_task):
    task = small_task("MiniGrid-Empty-Random-6x6-v0")
    found = verdicts(task, AWAY.strip().replace("SIGN", "-1"))
    wrong, learned = found["direction"], found["learnability"]
    right = verdicts(task, AWAY.strip().replace("SIGN", "1"))["direction"]
    assert right.passed and learned.passed and 0 <= learned.details["success"] <= 1
    assert not wrong.passed
    assert list(wrong.details["wrong"]) == ["near"]
    assert right.details["correlation"] > 0.2 > -0.2 > wrong.details["correlation"]


def test_a_wrong_sign_on_some_of_the_layouts_is_noted():
    away = Direction("near", 2, 5, -0.8, 1.0, 0.05, True)
    said = [Guidance({"near": 9}, 9, True, 0.5, 0.0, 0.1, stages) for stages in ((away,), ())]
    told = directions_told(list(enumerate(said)))
    assert told is not None and told.passed and not told.details["wrong"]
    assert "on 1 of 2 layouts" in told.details["noted"][0] and "noted: the component near" in told.message
    every = directions_told([(0, said[0]), (1, said[0])])
    assert every is not None and not every.passed and not every.details["noted"]


HOPELESS = Difficulty(0.1, 0.0, 0.002, 9, 12.0, 0.0, ((3, 0.001),))
COSTS = {"near": {"max": 0.1, "min": -0.1, "mean": 0.0}, "useless": {"max": 0.0, "min": -0.1, "mean": -0.05}}


def test_a_reward_that_is_hardly_learned_from_is_told_with_the_reasons():
    vague = Direction("near", 1, 5, 0.02, 0.9, 0.5, True)
    told = learnability_told([(HOPELESS, Guidance({}, 9, True, 0.3, 0.4, 0.1, (vague,)))], COSTS, ACTIONS)
    assert told is not None and told.passed and told.details["hardly"]
    for words in ("0 % of its episodes", "40 % of the steps", "component near pays for closeness", "pickup (0.1 %)",
                  "only take: useless", "0.2 % of random steps"):  # fmt: skip
        assert words in told.details["noted"][0]
    learned = replace(HOPELESS, success=0.6)
    assert not learnability_told([(learned, Guidance({}, 9, True, 0.3, 0.4, 0.1, ()))], COSTS, ACTIONS).details["noted"]
    assert learnability_told([], COSTS, ACTIONS) is None


def test_a_wrong_sign_is_a_reason_why_a_reward_is_hardly_learned_from():
    away = Direction("near", 2, 5, -0.8, 1.0, 0.05, True)
    told = learnability_told([(HOPELESS, Guidance({}, 9, True, 0.3, 0.0, 0.1, (away,)))], COSTS, ACTIONS)
    assert told is not None and "component near pays for moving away" in told.message


def test_an_unsound_verdict_names_the_guilty_component(small_task):
    body = "return {'loop': 0.5 * (state.event == 'turned'), 'done': 0.1 * state.solved}"
    found = verdicts(small_task("MiniGrid-Empty-5x5-v0"), body, 1)
    assert found["certificate"].details["without"] == {"loop": True, "done": False}
    assert "Guilty is the component loop" in found["certificate"].message
    assert "Guilty is the component loop" in found["battery"].message
