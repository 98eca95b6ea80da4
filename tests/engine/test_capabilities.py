"""Workers state what they can run, and leave to others the jobs that need more."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardsmith.config import Settings
from rewardsmith.engine import capabilities
from rewardsmith.engine.capabilities import Capabilities, here, jobs_for_others, needs_of, unmet_jobs
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import service
from rewardsmith.engine.served import NotServed, check_served
from rewardsmith.spec import read_spec
from rewardsmith.storage import notifications, queue, workers
from rewardsmith.storage.database import read
from rewardsmith.tasks.extras import extra_of, installed_extras

TRAIN, CONTROL = ("baseline", "train", "confirm"), ("check", "recheck")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return open_context(Settings(home=tmp_path))


def submit(context: Context, **training) -> str:
    return service.submit_job(
        context, read_spec({"task": "CartPole-v1", "method": "free", "confirm": 0, "steps": 1000, "training": training})
    )


def register(context: Context, name: str, has: Capabilities | None, queues: str = "train") -> None:
    stated = None if has is None else has.as_json()
    workers.register(
        context.database, name, host=name, queues=queues, slots=1, version="0", devices="", sandbox_level="kernel",
        capabilities=stated,
    )  # fmt: skip


CPU = Capabilities(("ppo", "dqn"), ("mujoco",), (), ("cpu",))
GPU = Capabilities(("ppo", "dqn"), ("mujoco",), (), ("cpu", "cuda"))


@pytest.fixture
def on_cpu(monkeypatch):
    monkeypatch.setattr(capabilities, "here", lambda: CPU)


def waits(context: Context) -> list[tuple[str, list[str]]]:
    with read(context.database) as connection:
        return unmet_jobs(connection)


def test_capabilities_survive_the_database(context):
    register(context, "a", GPU)
    with read(context.database) as connection:
        assert Capabilities.from_json(workers.read_workers(connection)[0]["capabilities"]) == GPU
    assert Capabilities.from_json(None) is None


def test_this_machine_states_what_is_installed():
    found = here()
    assert {"ppo", "sac", "crossq"} <= set(found.algorithms)
    assert found.devices[0] == "cpu"
    assert found.extras == installed_extras() and {"box2d", "mujoco", "robotics"} <= set(found.extras)


@pytest.mark.parametrize(
    ("task", "extra"),
    [
        ("CartPole-v1", None), ("FrozenLake-v1", None), ("MiniGrid-Empty-5x5-v0", None), ("BabyAI-GoToObj-v0", None),
        ("LunarLander-v3", "box2d"), ("Hopper-v5", "mujoco"), ("FetchReach-v4", "robotics"), ("highway-v0", "highway"),
        ("MetaWorld/reach-v3", "metaworld"), ("Crafter/collect_wood", "crafter"), ("MiniHack-Room-5x5-v0", "minihack"),
        ("NetHackScore-v0", "minihack"), ("Nowhere-v0", None),
    ],
)  # fmt: skip
def test_the_extra_of_a_task_follows_from_its_id(task, extra):
    assert extra_of(task) == extra


def test_only_training_needs_the_algorithm_and_the_device():
    spec = {"task": "Hopper-v5", "training": {"algorithm": "sac", "device": "cuda"}}
    assert needs_of(spec) == Capabilities(("sac",), ("mujoco",), (), ("cuda",))
    assert needs_of({**spec, "baseline_training": {"algorithm": "tqc"}}).algorithms == ("sac", "tqc")
    assert needs_of(spec, CONTROL) == Capabilities(extras=("mujoco",))
    assert needs_of(spec, ("ask",)) == Capabilities()
    assert needs_of({"task": "lane"}, CONTROL).tasks == ("lane",)
    assert CPU.lacking(needs_of(spec)) == ["algorithm sac", "device cuda"]


def test_a_job_for_a_gpu_is_not_claimed_without_one(context, on_cpu):
    wants, plain = submit(context, device="cuda"), submit(context)
    assert jobs_for_others(context, TRAIN) == [wants]
    item = queue.claim(context.database, "me", 60, kinds=TRAIN, service=True, without=[wants])
    assert item is not None and item.key.job_id == plain
    assert queue.claim(context.database, "me", 60, kinds=TRAIN, service=True, without=[wants, plain]) is None


def test_an_algorithm_that_this_version_lacks_is_left_to_others(context, on_cpu):
    newer = submit(context, algorithm="qr-dqn")
    assert jobs_for_others(context, TRAIN) == [newer]
    assert jobs_for_others(context, CONTROL) == []


def test_a_job_waits_visibly_if_no_worker_can_train_it(context):
    job = submit(context, device="cuda")
    assert waits(context) == []  # nobody works yet, which is another message
    register(context, "old", None)
    register(context, "models", GPU, queues="llm,control")
    assert waits(context) == []
    register(context, "cpu", CPU)
    assert waits(context) == [(job, ["device cuda"])]
    register(context, "gpu", GPU)
    assert waits(context) == []


def test_what_another_worker_can_do_is_notified_again_soon(context, on_cpu):
    job = submit(context, device="cuda")
    notifications.take_due(context.database, 30.0)
    assert jobs_for_others(context, TRAIN) == [job]
    assert notifications.take_due(context.database, 29.0) == []
    register(context, "gpu", GPU)
    assert jobs_for_others(context, TRAIN) == [job]
    assert notifications.take_due(context.database, 30.0) == []
    assert [kind for _, kind in notifications.take_due(context.database, 29.0)] == ["baseline"]


def test_an_unknown_task_is_left_only_to_a_worker_that_has_it(context, on_cpu, monkeypatch):
    job = submit(context)
    monkeypatch.setattr(capabilities, "is_shipped", lambda task: False)
    monkeypatch.setattr(capabilities, "_NEEDS", {})
    assert jobs_for_others(context, TRAIN) == []
    register(context, "other", Capabilities(("ppo",), (), ("CartPole-v1",), ("cpu",)))
    assert jobs_for_others(context, TRAIN) == [job]


@pytest.mark.parametrize("task", ["FetchReach-v4", "Hopper-v5", "FrozenLake-v1", "MiniHack-Room-5x5-v0", "highway-v0"])
def test_a_task_of_an_extra_can_be_submitted(task):
    check_served(read_spec({"task": task}))


@pytest.mark.parametrize("task", ["Nowhere-v0", "os:system", "./own.yaml", "gymnasium.envs:FetchReach-v4"])
def test_a_task_that_nobody_ships_is_refused(task):
    with pytest.raises(NotServed):
        check_served(read_spec({"task": task}))
