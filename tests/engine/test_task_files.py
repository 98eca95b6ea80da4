"""A job stores its task's description; later edits of the file never change it silently."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from itertools import count
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from running import FEW_EPISODES, in_process, rewardsmith

from rewardsmith import starting
from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items.dispatch import run_item
from rewardsmith.engine.jobs import lifecycle, service
from rewardsmith.engine.jobs.task_files import accept_task_change, read_key, task_key, with_description
from rewardsmith.errors import UsageError
from rewardsmith.spec import JobSpec, TaskDescription, read_spec, with_defaults
from rewardsmith.spec.training import ADDED
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.events import latest_events
from rewardsmith.storage.schema import jobs as job_table
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.modules import TaskChanged

CASES = Path(__file__).parents[1] / "cases"
_NUMBER = count()
REWARD = "def reward(prev, action, state, memory):\n    return 0.1 * (state.x - prev.x)\n"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return open_context(Settings(home=tmp_path / "home"))


@pytest.fixture
def line_description(tmp_path: Path) -> Path:
    """The case's description and module, under a name that this process has not imported yet."""
    name = f"stored_line_{next(_NUMBER)}"
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / f"{name}.py").write_text((CASES / "edited_yaml" / "line_env.py").read_text())
    described = (CASES / "edited_yaml" / "line.yaml").read_text().replace("line_env:", f"{name}:")
    (folder / "line.yaml").write_text(described)
    return folder / "line.yaml"


def module_of(line_description: Path) -> Path:
    return next(line_description.parent.glob("stored_line_*.py"))


def spec_of(task: Path | str, **values) -> JobSpec:
    return read_spec({"task": str(task), "confirm": 0, "steps": 1000, "method": "free", **values})


def stored(context: Context, job_id: str) -> JobSpec:
    with read(context.database) as connection:
        return JobSpec.model_validate(records.get_job(connection, job_id).spec)


def edit(line_description: Path) -> None:
    line_description.write_text(line_description.read_text().replace("x >= 9", "x >= 3"))


def test_a_job_stores_the_text_the_folder_and_the_hashes(context, line_description):
    text = line_description.read_text()
    spec = stored(context, lifecycle.create_job(context, spec_of(line_description)))
    assert spec.description is not None
    assert spec.description.text == text and spec.description.folder == str(line_description.parent)
    assert list(spec.description.files) == [module_of(line_description).name]


def test_a_task_by_its_id_stores_no_description(context):
    assert stored(context, lifecycle.create_job(context, spec_of("MountainCar-v0"))).description is None


def test_an_edited_file_does_not_change_what_a_stored_job_means(context, line_description, monkeypatch, tmp_path):
    job = lifecycle.create_job(context, spec_of(line_description))
    edit(line_description)
    monkeypatch.chdir(tmp_path)
    spec = stored(context, job)
    assert get_task(spec.task, spec.description).success_rule.endswith("x >= 9.")
    line_description.unlink()
    assert get_task(spec.task, spec.description).success_rule.endswith("x >= 9.")
    lifecycle.extend_job(context, job, 1)
    assert stored(context, job).description == spec.description


def test_the_same_command_with_an_edited_file_or_module_is_another_job(context, line_description):
    first, _ = starting.start(context, spec_of(line_description))
    assert starting.start(context, spec_of(line_description)) == (first, True)
    edit(line_description)
    second, resumed = starting.start(context, spec_of(line_description))
    assert second != first and not resumed
    module_of(line_description).write_text(module_of(line_description).read_text() + "# edited\n")
    third, resumed = starting.start(context, spec_of(line_description))
    assert third not in (first, second) and not resumed


def test_the_same_task_in_another_folder_is_the_same_command(line_description, tmp_path):
    one = with_description(spec_of("line.yaml", description=None).model_copy(update={"task": str(line_description)}))
    assert one.description is not None
    moved = one.description.model_copy(update={"folder": "/elsewhere", "changes": ("yesterday",)})
    assert one.fingerprint() == one.model_copy(update={"description": moved}).fingerprint()


def test_the_fingerprint_is_that_of_earlier_versions():
    spec = spec_of("MountainCar-v0")
    asked = spec.model_dump(mode="json")
    later = ("transforms", "prompts", "prompts_dir")
    for name in ("description", "score", "training_defaults", "baseline_training", "claim_layouts", *later):
        del asked[name]
    asked["planner"] = True  # as `planner: auto` resolves for synth
    for name in ADDED:
        del asked["training"][name]
    import hashlib

    wanted = hashlib.sha256(json.dumps([asked, None], sort_keys=True).encode()).hexdigest()
    assert spec.fingerprint() == wanted


@pytest.mark.parametrize("command", ["extend", "resume"])
def test_a_changed_module_stops_the_job_and_is_named(command, context, line_description):
    job = lifecycle.create_job(context, spec_of(line_description))
    lifecycle.pause_job(context, job, "for a while")
    module_of(line_description).write_text(module_of(line_description).read_text().replace("40", "41"))
    with pytest.raises(TaskChanged) as caught:
        lifecycle.extend_job(context, job, 1) if command == "extend" else lifecycle.resume_job(context, job)
    assert module_of(line_description).name in caught.value.cause and "--accept-task-change" in caught.value.remedy
    with read(context.database) as connection:
        assert records.get_job(connection, job).state == "paused"


def test_a_job_with_an_accepted_change_continues_and_is_marked(context, line_description):
    job = lifecycle.create_job(context, spec_of(line_description))
    lifecycle.pause_job(context, job, "for a while")
    assert accept_task_change(context, job) == []
    module_of(line_description).write_text(module_of(line_description).read_text() + "# edited\n")
    assert accept_task_change(context, job) == [f"{module_of(line_description).name} in {line_description.parent}"]
    described = stored(context, job).description
    assert (
        described is not None
        and len(described.changes) == 1
        and module_of(line_description).name in described.changes[0]
    )
    lifecycle.resume_job(context, job)
    with read(context.database) as connection:
        assert [e["kind"] for e in latest_events(connection, 2, job)] == ["resumed", "task changed"]
    home = {"REWARDSMITH_HOME": str(context.settings.home), "REWARDSMITH_DATABASE_URL": context.settings.url}
    shown = in_process(line_description.parent, "show", job, env=home)
    assert (
        f"the task changed during the job; results before and after are not comparable: {described.changes[0]}"
        in " ".join(shown.stdout.split())
    )


def test_a_missing_module_cannot_be_accepted(context, line_description):
    job = lifecycle.create_job(context, spec_of(line_description))
    sys.modules.pop(module_of(line_description).stem, None)
    module_of(line_description).unlink()
    with pytest.raises(UsageError, match="cannot be opened"):
        accept_task_change(context, job)


def test_a_module_that_changes_while_the_job_runs_pauses_it(context, line_description):
    job = lifecycle.create_job(context, spec_of(line_description))
    module_of(line_description).write_text(module_of(line_description).read_text() + "# edited\n")
    item = queue.claim(context.database, "me", 60, job)
    assert item is not None
    run_item(context, item.id, "me")
    with read(context.database) as connection:
        found = records.get_job(connection, job)
    assert found.state == "paused" and module_of(line_description).name in (found.note or "")


def test_a_process_that_loads_tasks_gets_the_stored_description(context, line_description):
    spec = stored(context, lifecycle.create_job(context, spec_of(line_description)))
    edit(line_description)
    name, described = read_key(task_key(spec))
    assert get_task(name, described).success_rule.endswith("x >= 9.")
    assert read_key(task_key(spec_of("MountainCar-v0"))) == ("MountainCar-v0", None)


def test_an_environment_unlike_its_description_makes_no_job(context, line_description):
    line_description.write_text(line_description.read_text().replace("high: 9", "high: 5"))
    with pytest.raises(UsageError, match="allows 9 for x"):
        lifecycle.create_job(context, spec_of(line_description))
    with read(context.database) as connection:
        assert connection.execute(job_table.select()).all() == []


# Exports


def exported(context: Context, job: str, out: Path, folder: Path, *options: str):
    home = {"REWARDSMITH_HOME": str(context.settings.home), "REWARDSMITH_DATABASE_URL": context.settings.url}
    return in_process(folder, "export", f"{job}-1seed", "--out", str(out), *options, env=home)


def test_export_uses_the_stored_text_from_any_folder(context, line_description, tmp_path):
    job = lifecycle.create_job(context, spec_of(line_description), REWARD)
    text = line_description.read_text()
    edit(line_description)
    ran = exported(context, job, tmp_path / "out", tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "out" / "task.yaml").read_text() == text
    reward = (tmp_path / "out" / "reward.py").read_text()
    assert "v['x'] >= 9" in reward and f"gymnasium.make('{module_of(line_description).stem}:Line-v0'" in reward
    assert in_process(tmp_path, "verify", "out").returncode == 0


def test_export_stops_at_a_changed_module_unless_accepted(context, line_description, tmp_path):
    job = lifecycle.create_job(context, spec_of(line_description), REWARD)
    module_of(line_description).write_text(module_of(line_description).read_text() + "# edited\n")
    ran = exported(context, job, tmp_path / "out", tmp_path)
    assert ran.returncode == 2 and module_of(line_description).name in ran.stderr and not (tmp_path / "out").exists()
    ran = exported(context, job, tmp_path / "out", tmp_path, "--accept-task-change")
    assert ran.returncode == 0, ran.stderr
    assert "The task's module changed while the job ran" in (tmp_path / "out" / "card.md").read_text()


def test_an_exported_reward_takes_the_environment_s_own_actions(context, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(CASES / "discrete_start_minus_one", folder)
    source = (
        "def reward(prev, action, state, memory):\n"
        "    return {'left': float(action == LEFT), 'right': float(action == RIGHT), 'flag': float(state.solved)}\n"
    )
    job = lifecycle.create_job(context, spec_of(folder / "task.yaml"), source)
    assert exported(context, job, tmp_path / "out", tmp_path).returncode == 0
    assert in_process(tmp_path, "verify", "out").returncode == 0
    found = importlib.util.spec_from_file_location("exported_signed_reward", tmp_path / "out" / "reward.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    env = module.wrap(gym.make("SignedLine-v0"))
    env.reset(seed=0)
    for action, component in ((-1, "left"), (1, "right")):
        components = env.step(action)[4]["reward_components"]
        assert [name for name in ("left", "right") if components[name]] == [component]
    for _ in range(10):
        _, _, done, _, info = env.step(np.int64(-1))
        if done:
            break
    assert done and info["reward_components"]["flag"] == 1.0


# The service


FORGED = TaskDescription(text=(CASES / "edited_yaml" / "line.yaml").read_text(), folder=str(CASES / "edited_yaml"))


@pytest.mark.parametrize("task", ["line.yaml", "CartPole-v1", "MiniGrid-Empty-5x5-v0"])
def test_a_submitted_job_never_carries_a_description(task, context):
    with pytest.raises(service.NotServed):
        service.submit_job(context, spec_of(task, description=FORGED.model_dump()))


def test_worker_refuses_a_description_in_a_submitted_job(context):
    job = service.submit_job(context, spec_of("CartPole-v1"))
    forged = {**stored(context, job).model_dump(mode="json"), "description": FORGED.model_dump(mode="json")}
    with context.database.begin() as connection:
        connection.execute(job_table.update().values(spec=forged))
    item = queue.claim(context.database, "me", 60, service=True)
    assert item is not None
    sys.modules.pop("line_env", None)
    run_item(context, item.id, "me")
    with read(context.database) as connection:
        found = records.get_job(connection, job)
    assert found.state == "paused" and "may not contain a description" in (found.note or "")
    assert "line_env" not in sys.modules


def test_a_worker_s_process_opens_no_task_file_whatever_the_job_says(line_description, monkeypatch):
    monkeypatch.setenv("REWARDSMITH_NO_TASK_FILES", "1")
    for opened in (lambda: get_task(str(line_description)), lambda: get_task("CartPole-v1", FORGED)):
        with pytest.raises(UsageError, match="workers of the service take installed tasks only"):
            opened()
    get_task("CartPole-v1").batch(1, "train").close()


def test_a_worker_begins_by_refusing_task_files(monkeypatch):
    monkeypatch.setenv("REWARDSMITH_NO_TASK_FILES", "")
    service.warm_up()
    from rewardsmith.engine.items.supervise import trial_environment

    assert trial_environment(Settings())["REWARDSMITH_NO_TASK_FILES"] == "1"


# A recording contains its task


def test_replay_uses_the_recorded_description(line_description, tmp_path):
    from rewardsmith.cli.asked_job import AskedJob, read_job

    recorded = with_description(spec_of(line_description)).model_dump(mode="json")
    cassette = tmp_path / "calls.jsonl"
    cassette.write_text(json.dumps({"version": 1, "job": recorded, "seed_reward": None}) + "\n")
    edit(line_description)
    spec, _ = read_job(AskedJob({"replay": cassette}), None)
    assert spec.description is not None and "x >= 9" in spec.description.text
    named, _ = read_job(AskedJob({"replay": cassette, "task": str(line_description)}), None)
    assert named.description is None and "x >= 3" in with_description(named).description.text
    module_of(line_description).write_text(module_of(line_description).read_text() + "# edited\n")
    with pytest.raises(UsageError, match="stored_line") as caught:
        with_description(spec)
    assert f"--task {line_description}" in caught.value.remedy


@pytest.mark.slow
def test_an_extended_job_keeps_its_stored_description(tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(CASES / "edited_yaml", mine)
    home = {"REWARDSMITH_HOME": str(tmp_path / "home")}
    few = ("--iterations", "1", "--samples", "1", "--steps", "2048", "--confirm", "0", *FEW_EPISODES)
    ran = rewardsmith(mine, "run", "--task", "line.yaml", *few, env=home)
    assert ran.returncode == 0, ran.stderr
    edit(mine / "line.yaml")
    extended = rewardsmith(tmp_path, "extend", "latest", "--iterations", "1", env=home)
    assert extended.returncode == 0, extended.stderr
    export = rewardsmith(mine, "export", "latest", "--out", "out", env=home)
    assert export.returncode == 0 and "has changed since the job was created" in export.stderr
    assert "x >= 9" in (mine / "out" / "task.yaml").read_text()


@pytest.mark.parametrize(
    ("task", "hashed"),
    [
        ("MiniGrid-DoorKey-5x5-v0", "79ac683aa238900558f1986cc145ab213db9a19a1a06b71e3d1bb01bf27e39be"),
        ("MiniGrid-MemoryS7-v0", "4bbf21f841a95e192b6e21aa1dd85453175d4ea96516edef3f391946d9dc2319"),
    ],
)
def test_new_settings_do_not_change_the_fingerprint_of_a_job_on_a_grid(task: str, hashed: str) -> None:
    assert read_spec(with_defaults({"task": task})).fingerprint() == hashed, "a new setting belongs in ADDED"
