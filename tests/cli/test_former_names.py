"""Settings, options and arguments under their former names: accepted for one version, with a notice."""

from __future__ import annotations

import pytest
from running import in_process

import rewardsmith
from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.spec import read_spec

TASK = "MiniGrid-DoorKey-5x5-v0"


def test_former_settings_and_options_are_accepted_with_a_notice(tmp_path):
    ran = in_process(
        tmp_path, "run", "--task", TASK, "--method", "free", "--with", "rnd,noveld,count", "--option", "rnd.rate=0.001",
        "--option", "noveld.sight=state", "--option", "count.sight=state", "--episode-budget", "2.5",
        "--set", "favourite_first=false", "--dry-run",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    shown = " ".join((ran.stdout + ran.stderr).split())
    for words in (
        "--episode-budget is now --episode-cap", "favourite_first is now order", "rate is now learning_rate",
        "Option of noveld: sight is now count_key", "Option of count: sight is now count_key",
    ):  # fmt: skip
        assert words in shown, words


def test_former_names_mean_what_the_new_ones_mean():
    options = {"rnd": {"rate": 0.1, "share": 0.5}}
    old = read_spec({"task": TASK, "episode_budget": 2.0, "favourite_first": False, "combine": ["rnd"],
                     "options": options})  # fmt: skip
    now = read_spec({"task": TASK, "episode_cap": 2.0, "order": "halving", "combine": ["rnd"],
                     "options": {"rnd": {"learning_rate": 0.1, "update_proportion": 0.5}}})  # fmt: skip
    assert old.renamed == ("episode_budget is now episode_cap", "favourite_first is now order") and not now.renamed
    assert old.model_dump(exclude={"options"}) == now.model_dump(exclude={"options"})
    assert recipe_of(old).options == recipe_of(now).options
    assert old.fingerprint(former_names=True) != old.fingerprint()


def test_both_names_of_a_setting_are_refused():
    with pytest.raises(UsageError, match="episode_budget"):
        read_spec({"task": TASK, "episode_budget": 2.0, "episode_cap": 2.0})


def test_a_former_argument_of_the_api_warns():
    with pytest.warns(DeprecationWarning, match="episode_budget is now episode_cap"), pytest.raises(UsageError):
        rewardsmith.check(TASK, "def reward(prev, action, state, memory):\n    return 0.0\n", gamma=7,
                          episode_budget=2.0)  # type: ignore[call-arg]  # fmt: skip
