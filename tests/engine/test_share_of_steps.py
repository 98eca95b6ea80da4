"""A job on an environment that counts its own steps: what it plays without training stays within the share."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
from gymnasium import spaces

import rewardsmith
from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.items import dispatch
from rewardsmith.engine.items.train import train_item
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.reporting.overview import read_overview
from rewardsmith.reporting.queries import has_full_points
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records

PROGRAM = "def reward(prev, action, state, memory):\n    return state.x - prev.x\n"


class Counted(gymnasium.Env):
    """Walks on a line of ten cells, and counts the steps of all its instances."""

    observation_space, action_space = spaces.Box(0, 9, (1,), np.float32), spaces.Discrete(2)
    steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = int(self.np_random.integers(0, 4))
        return np.array([self.x], np.float32), {}

    def step(self, action):
        Counted.steps += 1
        self.x = min(max(self.x + (1 if action else -1), 0), 9)
        return np.array([self.x], np.float32), float(self.x == 9), self.x == 9, False, {}


gymnasium.register("Counted-v0", Counted, disable_env_checker=True)


def test_the_steps_that_an_environment_counts_stay_within_the_share(tmp_path):
    path = tmp_path / "counted.yaml"
    state = [{"name": "x", "low": 0, "high": 9}]
    described = {"id": "Counted", "env_id": "Counted-v0", "goal": "Walk right to cell 9.", "state": state}
    path.write_text(json.dumps({**described, "actions": ["left", "right"], "success": "x >= 9", "max_steps": 12}))
    context = open_context(Settings(home=tmp_path / "home", allow_weak_sandbox=True))
    training = {"num_envs": 4, "rollout_steps": 16, "batch_size": 64, "epochs": 1, "final_episodes": 200}
    asked = {"method": "free", "iterations": 1, "samples": 1, "steps": 6_400, "confirm": 0, "rungs": [0.5, 1.0]}
    spec = JobSpec.model_validate({"task": str(path), "training": training, **asked})
    job = lifecycle.create_job(context, spec, PROGRAM)
    before = Counted.steps
    advance(context, job)
    while (item := queue.claim(context.database, queue.make_owner(), 60, job)) is not None:
        if item.key.kind in queue.TRAINING_KINDS:
            train_item(context, item)
            advance(context, job)
        else:
            dispatch.run_item(context, item.id, str(item.owner))
    with context.database.connect() as connection:
        shown, trials = read_overview(connection, job), records.trials_of(connection, job_id=job)
    search, _ = shown.steps
    counted = Counted.steps - before - search.trained
    assert search.trained == sum(t.steps for t in trials) >= 2 * 6_000
    assert 0 < counted <= sum(search.played.values()) <= spec.training.evaluation_share * search.trained
    assert {"check", "curve", "success", "greedy"} <= search.played.keys() and not search.least
    told = rewardsmith.load(job, home=tmp_path / "home").steps
    assert told["search"] == {"trained": search.trained, **search.played} and told["claim"] == {"trained": 0}
    for row in shown.rows:
        assert sum(row.played_for.values()) <= spec.training.evaluation_share * row.steps
    assert not any(has_full_points(t, shown.job.spec) for t in trials)
