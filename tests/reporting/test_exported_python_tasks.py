"""Exports of tasks of a user's own code, which is copied beside the reward and imported from there."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from running import in_process

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import record, score_rollout
from rewardsmith.reporting.export import _composed_alone
from rewardsmith.reporting.standalone_reward import reader_of
from rewardsmith.spec import JobSpec, read_spec
from rewardsmith.storage import records
from rewardsmith.storage.database import read
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described import data_files
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.task import DescribedTask
from sandbox.client import Isolation

_NUMBER = count()
SEED = 1_000_000  # of layout 0 for training
SIZES = "def halved(x):\n    return x / 2\n"
ENVIRONMENT = """
import gymnasium as gym
import numpy as np
from gymnasium import spaces
from sizes{n} import halved


class Line(gym.Env):
    observation_space, action_space = spaces.Box(-99, 99, (1,), np.float32), spaces.Discrete(2)

    def __init__(self, step=1.0):
        self.by = step

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = float(self.np_random.integers(0, 3))
        return np.array([self.x], np.float32), {}

    def step(self, action):
        self.x += self.by if action else -self.by
        return np.array([self.x], np.float32), self.x, False, False, {"far": self.x > 3}


class Twice(gym.Wrapper):
    def __init__(self, env, times=1):
        super().__init__(env)
        self.times = times

    def step(self, action):
        for _ in range(self.times):
            outcome = self.env.step(action)
        return outcome


"""
AS_CLASS = """
class WalkFar:
    goal, env, env_kwargs, max_episode_steps, actions = "Walk.", Line, {"step": 0.5}, 9, ["left", "right"]
    wrappers = [{"wrapper": "line{n}:Twice", "kwargs": {"times": 3}}]

    def __init__(self):
        self.least = 4.0

    def state(self, env, observation, info):
        return {"x": env.x, "halves": [halved(env.x), -halved(env.x)]}

    def success(self, state, length, env):
        return state.x >= self.least and length >= 2 and env.by == 0.5
"""
AS_DICT = """
gym.register("Line{n}-v0", Line)
TASK = {"env_id": "line{n}:Line{n}-v0", "id": "own", "goal": "Walk.", "max_steps": 9, "actions": ["left", "right"],
        "state": lambda env, observation, info: {"x": env.x, "halves": [halved(env.x), 0.0]},
        "success": lambda info, **others: info["far"]}
"""
AS_YAML = """
def state(env, observation, info):
    return {"x": env.x, "halves": [halved(env.x), 0.0]}


class Judge:
    @staticmethod
    def far(env, episode_return):
        return env.x > 3 and episode_return > 5
"""
YAML = """
id: own
env_id: line{n}:Line
goal: Walk.
max_steps: 9
state_function: line{n}:state
success: line{n}:Judge.far
"""
REWARD = (
    "def reward(prev, action, state, memory):\n"
    "    return {'near': state.halves.x - prev.halves.x, 'there': 10.0 * state.solved, 'lost': -1.0 * state.failed}\n"
)
PLAY = """
import json, sys
sys.path.insert(0, sys.argv[1])
import gymnasium, reward
env = reward.wrap(MADE)
env.reset(seed=int(sys.argv[2]))
outcomes = [env.step(action) for action in json.loads(sys.argv[3])]
print(json.dumps([[outcome[1] for outcome in outcomes], outcomes[-1][3]]))
assert not any(name.startswith("rewardsmith") for name in sys.modules)
"""


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return open_context(Settings(home=tmp_path / "home"))


def written(folder: Path, text: str, yaml: str = "") -> Path:
    """The task's file: a module with the environment, or a YAML file beside it, and a module that it imports."""
    n = str(next(_NUMBER))
    folder.mkdir()
    (folder / f"sizes{n}.py").write_text(SIZES)
    (folder / f"line{n}.py").write_text((ENVIRONMENT + text).replace("{n}", n))
    if yaml:
        (folder / "own.yaml").write_text(yaml.replace("{n}", n))
        return folder / "own.yaml"
    return folder / f"line{n}.py"


def exported(context: Context, task: Path, out: Path, reward: str = REWARD) -> DescribedTask:
    """Export a reward of a new job to `out`, and return the task that the job has stored."""
    spec = read_spec({"task": str(task), "confirm": 0, "steps": 1000, "method": "free"})
    job = lifecycle.create_job(context, spec, reward)
    home = {"REWARDSMITH_HOME": str(context.settings.home), "REWARDSMITH_DATABASE_URL": context.settings.url}
    ran = in_process(out.parent, "export", f"{job}-1seed", "--out", str(out), env=home)
    if ran.returncode:
        raise UsageError(ran.stderr, "")
    with read(context.database) as connection:
        stored = JobSpec.model_validate(records.get_job(connection, job).spec)
    found = get_task(stored.task, stored.description)
    assert isinstance(found, DescribedTask)
    return found


def paid_in_training(task: DescribedTask) -> tuple[list[float], list[int]]:
    """The rewards and the actions of an episode of layout 0, mostly to the right."""
    batch, rng = task.batch(1, "train"), np.random.default_rng(3)
    batch.play(0)
    rollout = record(batch, task, lambda t, starts: (rng.random(1) < 0.8).astype(int), task.max_steps, once=True)
    batch.close()
    problem = Problem(task, get_method("free").reward(REWARD), 0.99, Isolation.NONE)
    with problem.host_of(rollout) as host:
        expected = _composed_alone(problem, rollout, score_rollout(host, rollout, task), 0)
    return expected.tolist(), rollout.actions[: len(expected), 0].tolist()


@pytest.mark.parametrize(
    "text, yaml",
    [
        (AS_CLASS, ""),
        pytest.param(AS_DICT, "", marks=pytest.mark.slow),
        pytest.param(AS_YAML, YAML, marks=pytest.mark.slow),
    ],
    ids=["class", "dict", "yaml"],
)
def test_an_exported_reward_brings_the_tasks_own_code(text, yaml, context, tmp_path):
    task_file = written(tmp_path / "mine", text, yaml)
    task = exported(context, task_file, tmp_path / "out")
    paid, actions = paid_in_training(task)
    assert max(paid) > 5, "no step succeeds, so the function of success is not tested"
    (tmp_path / "mine").rename(tmp_path / "elsewhere")
    assert in_process(tmp_path, "verify", "out").returncode == 0
    play = PLAY.replace("MADE", made_by(tmp_path / "out"))
    given = [str(tmp_path / "out"), str(SEED), json.dumps(actions)]
    ran = subprocess.run([sys.executable, "-c", play, *given], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    found, truncated = json.loads(ran.stdout.splitlines()[-1])
    assert found == paid
    assert truncated or len(paid) < task.max_steps
    own = next((tmp_path / "out").glob("line*.py"))
    assert own.name in (tmp_path / "out" / "card.md").read_text().replace("\\", "")
    own.write_text(own.read_text() + "# edited\n")
    assert in_process(tmp_path, "verify", "out").returncode == 1


def made_by(out: Path) -> str:
    """The expression that the exported file's docstring wraps."""
    text = (out / "reward.py").read_text()
    return text.partition("reward.wrap(")[2].partition("\n")[0][:-1]


def test_a_module_called_as_an_exported_file_is_refused(context, tmp_path):
    (tmp_path / "mine").mkdir()
    text = (ENVIRONMENT + AS_CLASS.replace("line{n}:", "reward:")).replace(
        "from sizes{n} import halved", "halved = abs"
    )
    (tmp_path / "mine" / "reward.py").write_text(text)
    with pytest.raises(UsageError, match=r"a source called reward\.py"):
        exported(context, tmp_path / "mine" / "reward.py", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "fields, made",
    [
        ({}, "gymnasium.make('CartPole-v1')"),
        ({"max_steps": 7}, "gymnasium.make('CartPole-v1', max_episode_steps=7)"),
        ({"env_kwargs": {"sutton_barto_reward": True}}, "gymnasium.make('CartPole-v1', sutton_barto_reward=True)"),
    ],
)
def test_the_call_that_makes_the_environment_has_its_arguments(fields, made):
    assert reader_of(cart_pole(**fields)).making == made


def cart_pole(**fields) -> DescribedTask:
    plain = {"id": "CartPole-v1", "goal": "Balance.", "max_steps": 500, "success": "truncated"}
    return DescribedTask(Description.model_validate(plain | fields))


def test_wrappers_are_in_the_function_that_makes_the_environment():
    wrappers = [{"wrapper": "gymnasium.wrappers:FrameStackObservation", "kwargs": {"stack_size": 2}}]
    reader = reader_of(cart_pole(wrappers=wrappers))
    assert reader.making == "reward.make_environment()"
    scope: dict = {"Any": object}
    exec(next(text for text in reader.code if "def make_environment" in text), scope)
    env = scope["make_environment"]()
    assert env.observation_space.shape == (2, 4) and env.spec.max_episode_steps == 500
    env.close()


def test_an_id_of_another_package_names_the_package():
    pytest.importorskip("gymnasium_robotics")
    assert reader_of(get_task("FetchReach-v4")).making == "gymnasium.make('gymnasium_robotics:FetchReach-v4')"  # type: ignore[arg-type]


BELT = """
import json
from pathlib import Path

import gymnasium as gym
import numpy as np

LENGTH = json.loads((Path(__file__).parent / "levels.json").read_text())["length"]


class Belt(gym.Env):
    observation_space, action_space = gym.spaces.Box(-99, 99, (1,), np.float32), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = 0.0
        return np.array([self.x], np.float32), {}

    def step(self, action):
        self.x += float(action)
        return np.array([self.x], np.float32), float(self.x >= LENGTH), self.x >= LENGTH, False, {}
"""
BELT_YAML = """
id: Belt-v0
env_id: factory{n}:Belt-v0
goal: Carry the part to the end.
state: [{name: x}]
max_steps: 9
success: reward > 0
"""
BELT_REWARD = "def reward(prev, action, state, memory):\n    return state.x - prev.x + state.solved\n"


def test_an_export_brings_the_data_of_a_package(context, tmp_path):
    n, folder = next(_NUMBER), tmp_path / "mine"
    package = folder / f"factory{n}"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        f'import gymnasium\n\ngymnasium.register("Belt-v0", "factory{n}.belt:Belt", max_episode_steps=9)\n'
    )
    (package / "belt.py").write_text(BELT)
    (package / "levels.json").write_text('{"length": 3}')
    (package / ".secret").write_text("a key")
    (package / "large.bin").write_bytes(bytes(data_files.LARGEST + 1))
    (folder / "beside.json").write_text("{}")
    (folder / "belt.yaml").write_text(BELT_YAML.replace("{n}", str(n)))
    exported(context, folder / "belt.yaml", tmp_path / "out", BELT_REWARD)
    folder.rename(tmp_path / "elsewhere")
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {name for name in files if name.startswith("factory")} == {
        f"factory{n}/{name}" for name in ("__init__.py", "belt.py", "levels.json")
    }
    assert "beside.json" not in files
    card = (tmp_path / "out" / "card.md").read_text().replace("\\", "")
    assert f"not copied, because too large or too many: factory{n}/large.bin" in card
    assert f"imported from factory{n}/, beside this file" in card
    play = PLAY.replace("MADE", made_by(tmp_path / "out"))
    given = [str(tmp_path / "out"), "0", "[1, 1, 1]"]
    ran = subprocess.run([sys.executable, "-c", play, *given], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1])[0] == [1.0, 1.0, 3.0]
