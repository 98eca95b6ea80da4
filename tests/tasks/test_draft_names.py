"""`tasks new`: names and meanings out of documentation, code and play; shipped names as they are; Python files."""

from __future__ import annotations

import enum
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from running import in_process

from rewardsmith.tasks import get_task
from rewardsmith.tasks.described import documentation
from rewardsmith.tasks.described.description import parse_description
from rewardsmith.tasks.described.drafts import draft
from rewardsmith.tasks.described.python_tasks import describe_file
from rewardsmith.tasks.described.task import known_description


class Move(enum.IntEnum):
    """Actions, counted from -1."""

    BACK = -1
    STAY = 0
    AHEAD = 1


class Robot(gym.Env):
    """A robot drives along a corridor. It has a battery, e.g. of 3.5 Ah.

    Its goal is to reach the charger before the battery is empty. Nothing else counts.

    ## Observation Space

    | Num | Observation        | Min |
    |-----|--------------------|-----|
    | 0   | Distance to charger (m) | 0 |
    | 1   | Battery `charge`   | 0   |
    | 2   | Battery `charge`   | 0   |

    ## Episode End
    The episode ends if either of these happens:
    - the battery is empty;
    - the robot arrives.
    """

    observation_space = spaces.Box(0, 50, (3,), np.float32)
    action_space = spaces.Discrete(3, start=-1)
    max_steps = 70

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self._charge = int(self.np_random.integers(1, 4)), 30
        return self._observed(), {}

    def _observed(self):
        return np.array([self.place, self._charge, self._charge], np.float32)

    def step(self, action):
        self.place, self._charge = min(max(self.place + int(action), 0), 50), self._charge - 1
        info = {"arrived": self.place == 0, "goal_reached_now": self.place == 0, "mode": "drive", "crashed": False}
        return self._observed(), -1.0, self.place == 0 or self._charge == 0, False, info


class Bare(Robot):
    """No table here."""


gym.register("Robot-named-v0", Robot)
gym.register("Bare-named-v0", Bare)


def test_names_come_from_documentation_and_enumerations(tmp_path):
    found = draft("Robot-named-v0", tmp_path).description
    assert [v.name for v in found.state] == ["distance_charger", "battery_charge", "battery_charge_2"]
    assert found.state[0].doc == "Distance to charger (m)" and found.action_names == ["back", "stay", "ahead"]
    assert found.goal == "Its goal is to reach the charger before the battery is empty."
    assert found.mechanics == ["The episode ends if either of these happens: the battery is empty; the robot arrives."]
    assert found.success == "info.goal_reached_now" and found.max_steps == 70


def test_without_documentation_names_come_from_attributes_and_infos(tmp_path):
    made = draft("Bare-named-v0", tmp_path)
    assert [v.name for v in made.description.state] == ["place", "charge", "charge_2"]
    assert "  # seen: " in made.text and "info.mode (text, 'drive')" in made.text
    assert "info.crashed (bool, true on 0%" in made.text


def test_a_table_counts_only_if_it_names_every_number():
    text = documentation.documentation_of(Robot)
    assert len(documentation.meanings(text, "observation", 3)) == 3
    assert documentation.meanings(text, "observation", 2) == documentation.meanings(text, "action", 3) == []
    assert documentation.goal_of("") == "" and documentation.goal_of("# Title only") == ""


@pytest.mark.parametrize("name", ["MountainCarContinuous-v0", "FrozenLake-v1"])
def test_a_shipped_description_is_written_as_it_is(name, tmp_path):
    made = draft(name, tmp_path)
    assert parse_description(made.text, name) == known_description(name) == made.description
    assert "# seen: " in made.text and "# Random play:" in made.text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LunarLander-v3", "Hopper-v5", "FetchReach-v4", "PointMaze_UMaze-v3", "Taxi-v4"])
def test_more_shipped_descriptions_are_written_as_they_are(name, tmp_path):
    assert parse_description(draft(name, tmp_path).text, name) == known_description(name)


OWN = '''
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Ramp(gym.Env):
    """Roll up the ramp."""

    observation_space = spaces.Box(-1, 9, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, steep=1.0):
        self.steep = steep

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.height = float(self.np_random.uniform(0, 1))
        return np.array([self.height], np.float32), {}

    def step(self, action):
        self.height = min(max(self.height + self.steep * float(action[0]), -1.0), 9.0)
        up = self.height > 8
        return np.array([self.height], np.float32), float(up), up, False, {"success": up}
'''


def test_a_class_without_an_id_is_described_in_yaml_and_python(tmp_path):
    (tmp_path / "ramps.py").write_text(OWN)
    for asked, written in (("ramps.py", "ramps.yaml"), ("ramps:Ramp", "ramp.yaml")):
        made = in_process(tmp_path, "tasks", "new", asked)
        assert made.returncode == 0 and made.stdout == f"{written}\n", made.stderr
    made = in_process(tmp_path, "tasks", "new", "ramps.py", "--python")
    assert made.stdout == "ramps_task.py\n" and (tmp_path / "ramps_task.py").exists(), made.stderr
    text = (tmp_path / "ramp.yaml").read_text()
    assert "env_id: ramps:Ramp" in text and "name: height" in text and "success: info.success" in text
    described = describe_file(tmp_path / "ramps_task.py")
    assert described.model_copy(update={"python": None}) == parse_description(text, "ramp.yaml")
    shown = in_process(tmp_path, "tasks", "try", "ramp.yaml")
    assert shown.returncode == 0 and "random" in shown.stdout, shown.stderr


def test_a_file_with_several_environments_or_none_asks_for_a_name(tmp_path):
    (tmp_path / "two_ramps.py").write_text(OWN + "\n\nclass Other(Ramp):\n    pass\n")
    (tmp_path / "no_ramp.py").write_text("x = 1\n")
    assert "Name one, as two_ramps.py:CLASS" in in_process(tmp_path, "tasks", "new", "two_ramps.py").stderr
    assert "no class derived from gymnasium.Env" in in_process(tmp_path, "tasks", "new", "no_ramp.py").stderr
    assert "There is no file absent.py" in in_process(tmp_path, "tasks", "new", "absent.py").stderr
    made = in_process(tmp_path, "tasks", "new", "two_ramps.py:Other")
    assert made.stdout == "other.yaml\n", made.stderr


def test_a_class_is_a_task_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "named_ramps.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    task = get_task("named_ramps:Ramp")
    assert task.success_rule == "An episode succeeds on a step where: info.success."
    assert Path(tmp_path / "named_ramps.py").exists() and "height: float" in task.interface().text


LISTED = """A lift.

State:
    0: floor
    1: load

Actions
- 0: up
- 1: down

## Rewards
0: none
1: a coin
2: a prize
"""


def test_a_list_belongs_to_the_subject_above_it():
    assert documentation.meanings(LISTED, "observation", 2) == ["floor", "load"]
    assert documentation.meanings(LISTED, "action", 2) == ["up", "down"]
    assert documentation.meanings(LISTED, "action", 3) == documentation.meanings(LISTED, "observation", 3) == []
    only_actions = LISTED.replace("State:\n    0: floor\n    1: load\n", "")
    assert documentation.meanings(only_actions, "observation", 2) == []


class Talkative(Robot):
    """Returns infos that are large, many, and of keys that no description can name."""

    def step(self, action):
        *rest, info = super().step(action)
        text = "\n".join(["the goal is reached"] * 10_000)
        many = {f"k{n}": n for n in range(100)}
        return *rest, {"picture": np.zeros((64, 64)), "log": text, "row": [0] * 5_000, 3: "goal", **info, **many}


gym.register("Talkative-v0", Talkative)


def test_infos_that_are_large_are_not_kept_and_no_success(tmp_path):
    made = draft("Talkative-v0", tmp_path)
    assert made.description.success == "info.goal_reached_now" and len(made.text) < 4_000
    assert "info.picture (array of shape (64, 64))" in made.text and "\n#   and 67 more\n" in made.text
    assert 'info["3"]' not in made.text and "info.log ==" not in made.text
