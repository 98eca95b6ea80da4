"""Jobs on a task with a score instead of a success, with simulated scores in place of training; less is better."""

from __future__ import annotations

import random

import pytest
from made_up_jobs import NeverAgain, complete, fresh
from running import FEW_EPISODES, in_process, rewardsmith

from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.spec import read_spec
from rewardsmith.storage import queue, records
from rewardsmith.tasks.described.description import parse_description

MODULE = """
import gymnasium as gym
import numpy as np

class Cost(gym.Env):
    observation_space = gym.spaces.Box(-10, 10, (1,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = 4.0
        return np.array([self.x], np.float32), {}

    def step(self, action):
        self.x = float(np.clip(self.x + action - 1, -10, 10))
        return np.array([self.x], np.float32), self.x**2, False, False, {}

gym.register("Cost-v0", entry_point=Cost, max_episode_steps=10)
"""
TASK = """
id: Cost-v0
env_id: costs_of_x:Cost-v0
goal: Keep x near 0.
state: [{name: x, low: -10, high: 10}]
score: {of: return, reference: 30}
direction: minimize
max_steps: 10
"""


class Scores(NeverAgain):
    """Draws scores between the reference and random play."""

    def score(self, item) -> float:
        return 150.0 - 100 * self.draw(item)


def complete_scored(context, item, world: Scores) -> None:
    """Complete an item of training with a simulated score, any other as for a success."""
    if item.key.kind not in ("train", "baseline", "confirm"):
        complete(context, item, world)
        return
    mean = world.score(item) + (100 if item.key.candidate.endswith("-sparse") else 0)
    told = {"mean": mean, "low": mean - 3, "high": mean + 3, "episodes": 50, "greedy": mean - 1}
    purpose = {"train": "search", "baseline": "search"}.get(item.key.kind, "confirm")
    with context.database.begin() as connection:
        records.put_trial(
            connection, item.key.job_id, item.key.candidate, purpose, item.key.seed, state="done", steps=1000,
            episodes=50, unseen=False, telemetry={"score": told, "starts": "one start"},
        )  # fmt: skip
        result = {"score": mean, "score_low": mean - 3, "score_high": mean + 3, "late": mean, "area": mean}
        queue.finish(connection, item, "done", result)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A finished job: (folder, context, job id)."""
    folder = tmp_path_factory.mktemp("scored")
    (folder / "costs_of_x.py").write_text(MODULE)
    (folder / "cost.yaml").write_text(TASK)
    context = fresh(folder / ".rewardsmith")
    values = {"task": str(folder / "cost.yaml"), "confirm": 4, "steps": 1000, "iterations": 2, "samples": 3}
    job_id = lifecycle.create_job(context, read_spec({**values, "target": 0.99}))
    advance(context, job_id)
    order = random.Random(0)
    for _ in range(200):
        with context.database.connect() as connection:
            items = [i for i in records.items_of(connection, job_id) if i.state == "queued"]
        if not items:
            break
        claimed = queue.claim(context.database, "me", 60, job_id, [order.choice(items).key.kind])
        complete_scored(context, claimed, Scores(3))
        advance(context, job_id)
    return folder, context, job_id


def read(job, what):
    with job[1].database.connect() as connection:
        return what(connection, job[2])


def test_random_play_is_measured_and_stored_and_the_env_reward_is_a_cost(job):
    spec = read(job, records.get_job).spec
    assert spec["score"]["reference"] == 30 and spec["score"]["direction"] == "minimize"
    assert spec["score"]["random"] > 100 and spec["score"]["episodes"] == 100
    assert spec["method"] == "free"  # with the default method the environment's reward would be left out
    baseline = next(c for c in read(job, records.candidates_of) if c.kind == "baseline")
    recipe = recipe_of(read_spec(spec))
    assert [c["weight"] for c in baseline.reward["channels"]] == [-1.0]
    designed = recipe.reward("def reward(prev, action, state, memory):\n    return 1.0\n")
    assert {c.kind: c.weight for c in designed.channels} == {"env": -1.0, "program": 1.0}


def test_the_lowest_score_is_ranked_first_and_compared(job):
    done = read(job, records.get_job)
    assert done.state == "done", done.note
    scored = {c.id: c.score for c in read(job, records.candidates_of) if c.state == "trained" and c.score is not None}
    assert len(scored) > 1 and min(scored, key=lambda c: scored[c]) == done.best_candidate
    assert done.claim is not None
    designed, sparse = (list(done.claim[arm]["scores"].values()) for arm in ("designed", "sparse"))
    assert done.claim["verdict"] == "better" and max(designed) < max(sparse)


def test_no_command_speaks_of_success(job):
    folder, _, job_id = job
    for command in ("show", "show best", "tree", "why", f"compare best {job_id}-sparse"):
        said = in_process(folder, *command.split())
        assert said.returncode == 0, said.stderr
        assert "success" not in said.stdout.replace("nothing counts as a success", "").replace("success pay", "")
        assert "0.0 %" not in said.stdout
    shown = " ".join(in_process(folder, "show", job_id).stdout.split())
    assert "score [95 %]" in shown and "one start" in shown and "unseen" not in shown and "less is better" in shown
    assert "(normalised" in shown and "steps to 0.9" in shown
    alone = " ".join(in_process(folder, "show", "best").stdout.split())
    assert "not run: battery, certificate, success pay: nothing counts as a success" in alone


def test_the_public_result_has_scores_and_their_scale(job):
    from rewardsmith.results import read_job

    found = read(job, read_job)
    assert found.scale is not None and found.claim is not None
    assert found.scale.direction == "minimize" and found.claim.best.where == "one start"
    assert all(c.success is None for c in found.candidates) and found.candidates[0].score is not None
    row = found.to_records("claim")[0]
    assert row["normalised"] == pytest.approx(found.scale.merit(row["score"])) and "success" not in row
    assert "score (4 fresh seeds, preliminary)" in found._repr_html_()


def test_a_job_without_a_reference_has_no_target(tmp_path):
    from rewardsmith.engine.search.snapshot import target_of

    (tmp_path / "costs_of_x.py").write_text(MODULE)
    (tmp_path / "cost.yaml").write_text(TASK.replace("{of: return, reference: 30}", "return"))
    context = fresh(tmp_path)
    job_id = lifecycle.create_job(context, read_spec({"task": str(tmp_path / "cost.yaml"), "steps": 1000}))
    with context.database.connect() as connection:
        spec = read_spec(records.get_job(connection, job_id).spec)
    assert spec.target == 0.95 and target_of(spec) is None


@pytest.mark.slow
def test_a_cost_is_trained_on_as_its_negative_and_exported(tmp_path):
    (tmp_path / "costs_of_x.py").write_text(MODULE)
    (tmp_path / "cost.yaml").write_text(TASK)
    asked = ("--steps", "6000", "--iterations", "1", "--samples", "1", "--confirm", "1", *FEW_EPISODES)
    ran = rewardsmith(tmp_path, "run", "--task", "cost.yaml", *asked)
    assert ran.returncode == 0, ran.stderr
    assert "score [95 %]" in ran.stdout and "success" not in ran.stdout
    assert rewardsmith(tmp_path, "export", "latest", "--best", "--out", "out").returncode == 0
    card = (tmp_path / "out" / "card.md").read_text()
    assert "from the one start of the task" in card and "less is better" in card and "env -1" in card
    assert rewardsmith(tmp_path, "verify", "out").returncode == 0
    assert rewardsmith(tmp_path, "extend", "latest").returncode == 0


@pytest.mark.parametrize(
    "given, told",
    [
        ("score: {of: return, reference: 9}\nthreshold: 3", "with a threshold success counts"),
        ("success: x > 1\ndirection: minimize", "a success has no direction"),
        ("score: {of: length}", "return"),
        ("score: {of: return, reference: .nan}", "finite"),
        ("success: x > 1\nscore: return", "not both"),
    ],
)
def test_contradictory_aims_are_refused(given, told):
    with pytest.raises(UsageError) as caught:
        parse_description(f"id: T\ngoal: g\nmax_steps: 5\n{given}\n", "t.yaml")
    assert told in caught.value.cause
