"""`synth` reads the prompt's machine-readable part and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from listening import Listening

from rewardsmith.agents import roles
from rewardsmith.agents.models import ModelFailed, ReplayKey, Request
from rewardsmith.agents.prompting import ParentProgram
from rewardsmith.agents.registry import open_model
from rewardsmith.agents.synth_variables import compose_for_variables
from rewardsmith.methods import get_method
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.dependence import uses_memory
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.task import DescribedTask, Description
from rewardsmith.tasks.subgoals import subgoal_order
from rewardsmith.verification.checks import Proof, run_checks

TASKS = ["MiniGrid-DoorKey-8x8-v0", "MiniGrid-UnlockPickup-v0", "MiniGrid-KeyCorridorS3R3-v0", "MiniGrid-LavaGapS5-v0"]
RENAMED = {"key": "zib", "door": "gralp", "ball": "wob", "box": "fnord", "goal": "quux", "yellow": "mauve"}


def contract_of(method: str) -> Contract:
    contract = get_method(method).contract(None)
    assert contract is not None
    return contract


def ask(interface, method="auto-mc-reward", order=None, sample=0, move="new", parents=()):
    asked = roles.DesignRequest(
        contract=contract_of(method),
        interface=interface,
        iteration=1,
        sample=sample,
        samples=3,
        move=move,
        depth=0,
        parents=list(parents),
        tried=[],
        subgoal_order=order,
    )
    outcome = roles.design(open_model("synth"), asked)
    assert outcome.reason is None
    return outcome.result.source


def renamed(text: str) -> str:
    return re.sub(r"\b(" + "|".join(RENAMED) + r")\b", lambda m: RENAMED[m.group(1)], text)


@pytest.mark.parametrize("task_id", TASKS)
@pytest.mark.parametrize("planner", [True, False])
def test_synth_knows_no_task_kind_or_colour_by_name(task_id, planner):
    task = get_task(task_id)
    order = list(subgoal_order(task)) if planner else None
    plain = task.interface()
    other = type(plain)("Zork-v0", "", "", rename_facts(plain.facts), {})
    for sample in range(3):
        source = ask(plain, order=order, sample=sample)
        assert ask(other, order=rename_values(order), sample=sample) == renamed_literals(source)


def rename_values(value):
    """Rename every string that is a kind or a colour; the schema's own words stay."""
    if isinstance(value, dict):
        return {k: rename_values(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rename_values(v) for v in value]
    return RENAMED.get(value, value) if isinstance(value, str) else value


def rename_facts(facts):
    made = rename_values(facts)
    for by_kind in ("kinds", "object_counts"):
        made[by_kind] = {RENAMED.get(kind, kind): about for kind, about in made[by_kind].items()}
    return made


def renamed_literals(source: str) -> str:
    source = re.sub(r"'(\w+)'", lambda m: f"'{RENAMED.get(m.group(1), m.group(1))}'", source)
    return re.sub(r"# .*", lambda m: renamed(m.group(0)), source)


def variants() -> list[Any]:
    """(method, task) of each program that is checked; every second one of Auto MC-Reward is slow."""
    tasks = [*TASKS, "MiniGrid-Fetch-5x5-N2-v0", "MiniGrid-MultiRoom-N2-S4-v0"]
    found = [
        pytest.param("auto-mc-reward", task, marks=[pytest.mark.slow] if index % 2 else [])
        for index, task in enumerate(tasks)
    ]
    return [*found, *(pytest.param("free", task) for task in TASKS[1::4])]


@pytest.mark.parametrize(("method", "task_id"), variants())
def test_programs_of_synth_pass_the_gate_and_run(task_id, method):
    task = get_task(task_id)
    for sample in range(3):
        reward = get_method(method).reward(ask(task.interface(), method, sample=sample))
        # Only that it runs; battery and certificate, which judge it, are far slower.
        checked = run_checks(Problem(task, reward, 0.99), proof=Proof(wanted=False))
        assert [v for v in checked.verdicts if not v.passed and v.kind != "cost"] == []


@pytest.mark.parametrize(
    ("method", "task_id"),
    [
        ("auto-mc-reward", "MountainCar-v0"),
        ("free", "CartPole-v1"),
        pytest.param("free", "MountainCar-v0", marks=pytest.mark.slow),
        pytest.param("auto-mc-reward", "CartPole-v1", marks=pytest.mark.slow),
    ],
)
def test_synth_composes_from_named_variables_too(task_id, method):
    task = get_task(task_id)
    sources = {ask(task.interface(), method, sample=sample) for sample in range(3)}
    assert len(sources) >= 2
    for source in sources:
        assert run_checks(Problem(task, get_method(method).reward(source), 0.99)).passed


OWN = Path(__file__).parents[1] / "cases" / "user_environments"


@pytest.mark.parametrize(
    ("file", "reads"),
    [
        ("warehouse_robot.py", "state.offset[0]"),  # a function decides on success
        ("point_mass.yaml", "state.achieved_goal[k]"),
        ("elevator.yaml", "state.floor"),
        ("board_game.yaml", "state.board[0]"),
    ],
)
def test_synth_reads_vectors_and_integers_too(file, reads):
    task = get_task(str(OWN / file))
    source = ask(task.interface(), "free")
    assert reads in source
    checked = run_checks(Problem(task, get_method("free").reward(source), 0.99), proof=Proof(wanted=False))
    assert [v for v in checked.verdicts if not v.passed and v.kind != "cost"] == []


def test_an_entry_of_a_vector_in_the_success_condition_is_approached():
    facts = {
        "fields": [{"name": "cube", "kind": "vector", "length": 3, "entries": ["x", "y", "z"], "low": -1, "high": 1}],
        "success": "cube.z > 0.5 and cube[0] < 0",
    }
    machine = {"interface": facts, "sample": 0, "samples": 1, "iteration": 1, "move": "new", "functions": ["reward"]}
    source, thoughts = compose_for_variables(machine)
    assert "10 * (state.cube[2] - prev.cube[2])" in source and "-10 * (state.cube[0] - prev.cube[0])" in source
    assert "cube[2] up to 0.5, cube[0] down to 0" in thoughts


@pytest.mark.parametrize("functions", [["reward"], ["sparse", "dense"]])
@pytest.mark.parametrize("sample", [0, 1, 2])
def test_a_goal_is_approached_without_memory(functions, sample):
    goals = [{"name": name, "kind": "vector", "length": 2} for name in ("achieved_goal", "desired_goal")]
    facts = {"fields": goals, "success": "info.is_success"}
    machine = {
        "interface": facts, "sample": sample, "samples": 3, "iteration": 1, "move": "new", "functions": functions
    }  # fmt: skip
    source, _ = compose_for_variables(machine)
    assert not uses_memory(TrainingReward(source, tuple(functions), ()))
    near, far = ({"achieved_goal": (x, 0.0), "desired_goal": (1.0, 0.0)} for x in (0.9, 0.1))
    names: dict = {}
    exec(source, names)
    state = {name: SimpleNamespace(**row, solved=False) for name, row in (("near", near), ("far", far))}
    guide = names["guidance"]
    assert guide(state["far"], state["near"]) > guide(state["near"], state["far"])


@pytest.mark.parametrize("label", ["shaping dominates", "weak shaping", "exploited", "unstable", "never fires"])
def test_a_diagnosis_changes_the_program(label):
    task = get_task(TASKS[0])
    first = ask(task.interface(), "free")
    parent = ParentProgram("1a", first, 0.1, labels={label: "evidence"})
    assert ask(task.interface(), "free", move="revise", parents=[parent]) != first


def test_the_same_prompt_gives_the_same_answer():
    task = get_task(TASKS[0])
    assert ask(task.interface()) == ask(task.interface())


def test_a_prompt_without_facts_is_refused_in_words():
    request = Request("designer", "Write a reward.", "", ReplayKey("designer", 1, 0, 0))
    with pytest.raises(ModelFailed, match="machine-readable"):
        open_model("synth").complete(request)


def test_critic_and_analyzer_answer_in_the_asked_form():
    model, task, method = open_model("synth"), get_task(TASKS[0]), contract_of("free")
    components = {"x": {"mean": 0.0, "min": 0.0, "max": 0.0, "fires": 0.0}}
    played = {"transitions": 10, "episodes": 1}
    key = ReplayKey("critic", 1, 0, 0)
    review = roles.review(model, roles.ReviewRequest(method, task.interface(), "s", components, played, key))
    assert review.result.verdict == "revise" and review.result.issues
    asked = roles.AnalysisRequest(
        method, task.interface(), "1a", "s", 0.0, 100, {"shaping dominates": "x sums to 9"}, components, ["steps"],
        ReplayKey("analyzer", 1, 0, 0),
    )  # fmt: skip
    reading = roles.analyze(model, asked)
    assert "shaping dominates" in reading.result.causes[0] and reading.result.suggestion


def test_prompts_carry_vocabulary_contract_evidence_and_facts():
    task = get_task(TASKS[0])
    parent = ParentProgram(
        "1a", "def reward(): ...", 0.25, {"shaping dominates": "reward sums to 40"}, {}, [], "pay once"
    )
    asked = roles.DesignRequest(
        contract_of("free"),
        task.interface(),
        2,
        0,
        3,
        "revise",
        0,
        [parent],
        [{"id": "1b", "move": "new", "reason": "x"}],
    )
    model = Listening(open_model("synth"))
    roles.design(model, asked)
    prompt = model.prompts[0]
    for words in (
        "shaping dominates",
        "reward sums to 40",
        "pay once",
        "ANOTHER task",
        "at most 16",
        "1b (new): x",
    ):
        assert words in prompt, words
    assert json.loads(prompt[prompt.rindex("```json\n") + 8 : prompt.rindex("\n```")])["role"] == "designer"


CASES = Path(__file__).parents[1] / "cases" / "success_terminated"


def described(success: str, name: str = "acrobot.yaml") -> Any:
    text = (CASES / name).read_text(encoding="utf-8").replace("success: terminated", f"success: {success}")
    return DescribedTask(Description.model_validate(yaml.safe_load(text)))


def components_of(task: Any, method: str, source: str) -> dict[str, dict[str, float]]:
    return run_checks(Problem(task, get_method(method).reward(source), 0.99), proof=Proof(wanted=False)).components


def reviewed(task: Any, method: str, source: str, components: dict[str, dict[str, float]]) -> roles.Review:
    asked = roles.ReviewRequest(
        contract_of(method), task.interface(), source, components, {}, ReplayKey("critic", 1, 0, 0)
    )
    return roles.review(open_model("synth"), asked).result


@pytest.mark.parametrize("method", ["auto-mc-reward", pytest.param("free", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "success", ["terminated", "terminated and not truncated", "not truncated", "terminated and step < 400"]
)
def test_lasting_is_not_rewarded_if_success_means_finishing(method: str, success: str) -> None:
    task = described(success)
    sources = {ask(task.interface(), method, sample=sample) for sample in range(3)}
    assert len(sources) == 2
    for source in sources:
        assert "if state.solved" in source
        components = components_of(task, method, source)
        paid = components["sparse" if method == "auto-mc-reward" else "success"]
        assert paid["fires"] < 0.5 or success == "not truncated"
        guidance = components["dense" if method == "auto-mc-reward" else "guidance"]
        assert 0 < guidance["fires"] < 0.5  # it fires, but not on every step
        if success != "not truncated":
            assert reviewed(task, method, source, components).verdict == "accept"


@pytest.mark.parametrize("condition", ["cos1 < -0.5", "-0.5 > cos1", "not cos1 >= -0.5"])
def test_a_task_whose_success_is_a_threshold_at_the_end_is_guided_there(condition: str) -> None:
    source = ask(described(f"terminated and {condition}").interface(), "auto-mc-reward")
    assert "-10 * (state.cos1 - prev.cos1)" in source and "return 1.0 if state.solved else 0.0" in source


@pytest.mark.parametrize("success", ["truncated", "step >= 200", "truncated and abs(cos1) < 0.5"])
def test_each_survived_step_is_rewarded_if_success_means_lasting(success: str) -> None:
    task = described(success)
    source = ask(task.interface(), "auto-mc-reward")
    assert "    return 1.0\n" in source
    paid = {"sparse": {"mean": 0.9, "min": -1.0, "max": 1.0, "fires": 1.0}}
    assert reviewed(task, "auto-mc-reward", source, paid).verdict == "accept"


@pytest.mark.parametrize(
    ("method", "name", "smallest", "objects"),
    [
        ("auto-mc-reward", "sparse", -1.0, True),
        ("auto-mc-reward", "sparse.alive", 0.0, True),
        ("auto-mc-reward", "dense", 0.0, False),
        ("free", "alive", 0.0, True),
        ("free", "progress", -1.0, False),  # gives and takes
    ],
)
def test_the_critic_objects_to_a_milestone_paid_on_most_steps(
    method: str, name: str, smallest: float, objects: bool
) -> None:
    components = {name: {"mean": 0.9, "min": smallest, "max": 1.0, "fires": 0.97}}
    review = reviewed(described("terminated"), method, "s", components)
    assert (review.verdict == "revise") == objects
    assert not objects or (name in review.issues[0].problem and "97%" in review.issues[0].problem)
    half = {name: {**components[name], "mean": 0.5, "fires": 0.5}}
    assert reviewed(described("terminated"), method, "s", half).verdict == "accept"


def test_success_may_be_paid_on_most_steps_where_a_goal_is_to_be_kept() -> None:
    task = described("terminated")
    interface = task.interface()
    task.interface = lambda: replace(interface, facts={**interface.facts, "goal_conditioned": True})
    components = {"sparse": {"mean": 0.9, "min": 0.0, "max": 1.0, "fires": 0.97}}
    assert reviewed(task, "auto-mc-reward", "s", components).verdict == "accept"


@pytest.mark.parametrize(
    ("successes", "source", "objects"),
    [
        (0, "... if state.solved", False),
        (3, "... if state.solved", True),
        (0, "return 0", True),
        (None, "solved", True),
    ],
)
def test_critic_accepts_missing_success_pay_without_success(successes: int | None, source: str, objects: bool) -> None:
    never = {"sparse": {"mean": -0.1, "min": -1.0, "max": 0.0, "fires": 0.1}}
    played = {"transitions": 512, "episodes": 20} | ({} if successes is None else {"successes": successes})
    asked = roles.ReviewRequest(
        contract_of("free"), described("terminated").interface(), source, never, played, ReplayKey("critic", 1, 0, 0)
    )
    review = roles.review(open_model("synth"), asked).result
    assert (review.verdict == "revise") == objects
    sentence = "20 played episodes, of which none succeeded:"
    assert (sentence in roles.review_draft(asked).build(0)) == (successes == 0)


def test_critics_prompt_asks_about_milestones_rewarded_on_most_steps() -> None:
    task = described("terminated")
    asked = roles.ReviewRequest(contract_of("free"), task.interface(), "s", {}, {}, ReplayKey("critic", 1, 0, 0))
    assert "rewarded on more than half of the played steps" in roles.review_draft(asked).build(0)
