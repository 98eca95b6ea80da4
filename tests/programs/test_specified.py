"""Goals and reward machines in JSON: what they become, how faults are told, and that every one keeps its promise."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from rewardsmith.agents import roles
from rewardsmith.agents.registry import open_model
from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.answer_text import UnreadableAnswer
from rewardsmith.programs.reward import free_channels
from rewardsmith.programs.reward_file import read_reward_file
from rewardsmith.programs.specified.goal import GoalForm, read_goal
from rewardsmith.programs.specified.machine import read_machine
from rewardsmith.spec import read_spec, with_defaults
from rewardsmith.tasks import get_task

DOORKEY = "MiniGrid-DoorKey-5x5-v0"
KEY = {"object": {"kind": "key"}, "attribute": "carried", "distance": True}
OPEN = {"object": {"kind": "door"}, "attribute": "state", "value": "open", "distance": True}
POSITION = {"variable": "position", "relation": ">=", "value": 0.4, "distance": True}
EDGES = [
    {"from": "begin", "on": "picked_up key", "to": "armed"},
    {"from": "armed", "on": "dropped_key", "to": "begin"},
    {"from": "armed", "on": "unlocked door", "to": "won"},
]
STATES = ["begin", "armed", "won"]
MACHINE = {"start": "begin", "goal": "won", "transitions": EDGES}


@pytest.fixture(scope="module")
def doors() -> dict:
    return get_task(DOORKEY).interface().facts


@pytest.fixture(scope="module")
def cars() -> dict:
    return get_task("MountainCar-v0").interface().facts


def functions_of(source: str) -> dict:
    scope: dict = {}
    exec(source, scope)
    return scope


def world(carried: bool, door: str, far: int, event: str = "moved", kind: str = "key") -> SimpleNamespace:
    key = SimpleNamespace(id=0, kind="key", carried=carried, state=None, walk_distance=far, target=False)
    gate = SimpleNamespace(id=1, kind="door", carried=False, state=door, walk_distance=far, target=False)
    acted = {"key": key, "door": gate}[kind]
    return SimpleNamespace(objects=[key, gate], solved=False, event=event, event_object=acted)


def test_the_potential_of_a_goal_is_the_one_computed_by_hand(doors):
    scope = functions_of(read_goal(json.dumps({"stages": [KEY, OPEN], "shaping": "potential"}), doors).source)
    phi = scope["potential"]
    # Reachable in 3 steps: nearness 1/2 + 1/2 * 1/(1 + 3) = 0.625 of the first of two stages.
    assert phi(world(False, "locked", 3), {}) == pytest.approx(0.625 / 2)
    assert phi(world(True, "locked", 3), {}) == pytest.approx((1 + 0.625) / 2)
    assert phi(world(False, "open", 3), {}) == 1.0, "the last stage that holds counts, whatever became of the key"
    first = functions_of(read_goal(json.dumps({"stages": [KEY, OPEN], "done": "first"}), doors).source)["phi"]
    assert first(world(False, "open", 3)) == pytest.approx(0.625 / 2)
    latched, memory = functions_of(read_goal(json.dumps([KEY, OPEN]), doors, GoalForm("latched")).source)["phi"], {}
    assert [latched(world(*s), memory) for s in ((True, "locked", 0), (False, "locked", 0))] == [1.0, 1.0]
    assert memory == {"done": 1}


def test_progress_pays_differences_of_the_potential_and_success_all_of_it(doors):
    reward = functions_of(read_goal(json.dumps({"stages": [KEY, OPEN], "scale": 2.0}), doors).source)["reward"]
    there, back = (world(True, "locked", 1), world(False, "locked", 1))
    assert reward(back, 3, there, {})["progress"] == pytest.approx(2 * (1 + 0.75 - 0.75) / 2)
    assert reward(back, 3, there, {})["progress"] + reward(there, 4, back, {})["progress"] == 0.0
    there.solved = True
    assert reward(back, 3, there, {})["success"] == 2.0


def test_variables_are_measured_against_their_bounds(cars):
    phi = functions_of(read_goal(json.dumps({"stages": [POSITION], "scale": 2}), cars).source)["phi"]
    # From -1.2 to 0.4 the gap is 1.6; at 0.0 a quarter of it is left.
    assert phi(SimpleNamespace(position=0.0)) == pytest.approx(2 * 0.75)
    assert phi(SimpleNamespace(position=0.5)) == 2.0


def test_a_machine_pays_by_the_values_of_its_states(doors):
    read = read_machine(json.dumps(MACHINE), doors)
    scope = functions_of(read.source)
    # v(won) = 1, v(armed) = 0.9 * 1, v(begin) = 0.9 * 0.9.
    assert scope["VALUES"] == (0.81, 0.9, 1.0)
    memory: dict = {}
    steps = [("moved", "key"), ("picked_up", "key"), ("dropped", "key"), ("picked_up", "key"), ("unlocked", "door")]
    phis = [scope["phi"](world(False, "locked", 1, *step), memory) for step in steps]
    assert phis == [0.81, 0.9, 0.81, 0.9, 1.0]
    paying = [{**EDGES[0], "reward": 0.25}, {**EDGES[1], "reward": -0.25}, EDGES[2]]
    scope, memory = functions_of(read_machine(json.dumps({**MACHINE, "transitions": paying}), doors).source), {}
    quiet = world(False, "locked", 1)
    paid = [scope["reward"](quiet, 0, world(False, "locked", 1, *step), memory) for step in steps]
    assert [each["transitions"] for each in paid] == [0.0, 0.25, -0.25, 0.25, 0.0]
    assert paid[1]["progress"] == -paid[2]["progress"] == scope["VALUES"][1] - scope["VALUES"][0]


def test_every_fault_is_told_at_once_with_its_path_and_the_nearest_name(doors):
    wrong = {"stages": [{"object": {"kind": "keyy", "colr": "red"}, "attribute": "carryed"}, {"variable": "step"}, 7]}
    with pytest.raises(UnreadableAnswer) as caught:
        read_goal(json.dumps({**wrong, "done": "lst"}), doors)
    for words in (
        "6 faults", "`done`", "`stages[0].object.kind`: there is no value \"keyy\"; the nearest is 'key'",
        "`stages[0].object.colr`", "the nearest is 'color'", "`stages[0].attribute`", "nearest is 'carried'",
        "`stages[1].variable`: \"step\" counts time", "`stages[2]`: a condition is a JSON object, not 7",
    ):  # fmt: skip
        assert words in caught.value.reason, words


@pytest.mark.parametrize(
    "change, words",
    [
        ({"transitions": [{**EDGES[0], "reward": 0.2}, *EDGES[1:]]}, "the cycle begin -> armed -> begin pays 0.2"),
        ({"transitions": EDGES[:2], "states": STATES}, "no transitions lead from 'begin' to the goal"),
        ({"transitions": [{**EDGES[0], "on": "pickd_up key"}, *EDGES[1:]]}, "the nearest is 'picked_up key'"),
        ({"transitions": [{**EDGES[0], "to": "armd"}, *EDGES[1:]], "states": STATES}, "nearest is 'armed'"),
        ({"states": [f"s{k}" for k in range(17)]}, "2 to 16 states, not 17"),
        ({"goal": []}, "`goal`: give the state that success leads to"),
        ({"propositions": {"near": {"variable": "agent.z", "value": 1}}}, "`propositions.near.variable`"),
    ],
)  # fmt: skip
def test_a_machine_that_cannot_work_is_refused_with_its_place(doors, change, words):
    with pytest.raises(UnreadableAnswer) as caught:
        read_machine(json.dumps({**MACHINE, **change}), doors)
    assert words in caught.value.reason


@pytest.mark.parametrize(
    "text, words",
    [
        ("no JSON here", 'There is no JSON object with "stages"'),
        ('{"stages": [}', "line 1, Expecting value"),
        ('{"stages": [], "stages": []}', "the key 'stages' twice"),
        ('{"stages": ' + "[" * 5000 + "]" * 5000 + "}", ""),
        ('{"stages": [{"variable": "position", "value": NaN}]}', ""),
        ('{"stages": [{"variable": "position", "value": 1e400}]}', "give a number"),
    ],
)
def test_text_that_is_no_specification_is_refused(cars, text, words):
    with pytest.raises(UnreadableAnswer) as caught:
        read_goal(text, cars)
    assert words in caught.value.reason


def test_names_of_a_specification_never_become_code(cars):
    sly = {"name": '"""\nimport os\r__import__("os")', **POSITION}
    source = read_goal(json.dumps({"stages": [sly]}), cars).source
    assert all(line.lstrip().startswith("#") for line in source.splitlines() if "import" in line)
    machine = {
        "start": "a\nimport os",
        "goal": "b",
        "transitions": [{"from": "a\nimport os", "on": POSITION, "to": "b"}],
    }
    assert "\nimport" not in read_machine(json.dumps(machine), cars).source


def test_comments_and_trailing_commas_are_read_and_programs_read_again(cars):
    answer = (
        'I think {this}.\n```json\n{"stages": [\n  {"variable": "position", "value": 0.4}, // the flag "//"\n]}\n```'
    )
    read = read_goal(answer, cars)
    assert "I think" in read.thoughts and read_goal(read.source, cars).source == read.source
    with pytest.raises(UnreadableAnswer, match="would be lost"):
        read_goal(read.source.replace("== 0.4", "== 0.3"), cars)
    changed = read_goal(json.dumps({"stages": [POSITION]}), cars).source
    assert read_goal(changed.split("\n\n")[0], cars).source == changed, "the JSON at the top is enough"


@pytest.mark.parametrize("task_id", [DOORKEY, "MiniGrid-RedBlueDoors-6x6-v0", "MountainCar-v0", "CartPole-v1"])
@pytest.mark.parametrize("method", ["goal", "machine"])
def test_synth_writes_specifications_whose_programs_run(task_id, method):
    spec = read_spec(with_defaults({"task": task_id, "method": method}))
    task, recipe = get_task(task_id), recipe_of(spec)
    assert recipe.contract is not None
    sources = set()
    for sample in range(2):
        asked = roles.DesignRequest(
            recipe.contract, task.interface(), 1, sample, 3, "new", 0, [], [], given=recipe.given(task)
        )
        outcome = roles.design(open_model("synth"), asked)
        assert outcome.result is not None, outcome.reason
        sources.add(outcome.result.source)
    reward = recipe.reward(min(sources))
    assert reward.functions == ("reward",) and reward.channels == free_channels(reward.source)
    assert np.isfinite(sum(c.weight for c in reward.channels))


def test_a_json_file_is_a_reward_file_of_its_task(tmp_path, cars):
    path = tmp_path / "flag.json"
    path.write_text(json.dumps({"stages": [POSITION]}))
    assert read_reward_file(path, "MountainCar-v0") == read_goal(path.read_text(), cars).source
    with pytest.raises(UsageError, match="Pass --task"):
        read_reward_file(path)
    path.write_text(json.dumps({"stages": [{**POSITION, "variable": "place"}]}))
    with pytest.raises(UsageError, match=r"no variable .place.*\n.*tasks describe MountainCar-v0"):
        read_reward_file(path, "MountainCar-v0")
