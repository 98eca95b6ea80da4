"""Recorded episodes: what is recorded of real trials, in every form of picture, and how the artifact is read."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rewardsmith.engine.items.counter_examples import with_recording
from rewardsmith.methods import get_method
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.recording import Recorder, uses_memory
from rewardsmith.programs.reward import SPARSE
from rewardsmith.programs.rollout import record
from rewardsmith.recorded import FIRST, LAST, RecordedEpisode, read_episodes, shown_steps, write_episodes
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.filming import _in_child, film
from rewardsmith.training.trial import TrialPlan, run_trial
from rewardsmith.verification.checks import run_checks

GRID = "MiniGrid-Empty-5x5-v0"
FREE = """
def reward(prev, action, state, memory):
    if state.event == "moved":
        memory["moves"] = memory.get("moves", 0) + 1
    return {"moves": 0.5 if state.event == "moved" else 0.0, "turns": -0.25 if state.event == "turned" else 0.0}
"""


def played(task_id: str, reward, actions, envs: int = 1) -> Recorder:
    """The first episodes of a task, played by given actions on the layouts 0, 1, ..."""
    task = get_task(task_id)
    batch = task.batch(envs, "train")
    batch.reset(0)
    layouts = batch.layout.copy()
    rollout = record(batch, task, lambda t, starts: np.full(envs, actions[t % len(actions)]), len(actions), once=True)
    batch.close()
    return Recorder(Problem(task, reward, 0.99), rollout, layouts, "train")


@pytest.fixture(scope="module")
def walked() -> RecordedEpisode:
    """Left, right, forward, forward into the wall at the far end or beyond: four steps of an empty grid."""
    recorder = played(GRID, get_method("free").reward(FREE), [0, 1, 2, 0])
    return recorder.episode(0, "failure")


def test_every_step_has_its_action_caption_and_components(walked):
    assert walked.actions == ["TURN_LEFT", "TURN_RIGHT", "FORWARD", "TURN_LEFT"] and not walked.success
    assert walked.components == {"moves": [0.0, 0.0, 0.5, 0.0], "turns": [-0.25, -0.25, 0.0, -0.25]}
    assert len(walked.captions) == 5 and "stepped ahead" in walked.captions[3]
    assert walked.paid == pytest.approx(-0.25)


def test_memory_is_marked_where_it_changed_and_never_stored(walked):
    assert walked.memory == [2]
    assert "memory" not in json.dumps({k: v for k, v in walked.as_json().items() if k != "memory"})
    assert not uses_memory("def reward(prev, action, state, memory):\n    return 0.0\n")


def test_a_grid_is_drawn_from_its_states(walked):
    picture = walked.picture
    assert (picture["width"], picture["height"], len(picture["states"])) == (5, 5, 5)
    assert [0, 0] in picture["walls"] and [1, 1] not in picture["walls"]
    start, turned, _, moved, _ = picture["states"]
    assert start[2] == (turned[2] + 1) % 4 and moved[:2] != start[:2]
    assert start[4][0][:2] == ["goal", "green"] and turned[4] is None


def test_a_long_episode_shows_its_ends_and_keeps_all_rewards():
    assert shown_steps(5) == [0, 1, 2, 3, 4]
    shown = shown_steps(1000)
    assert len(shown) == FIRST + LAST and shown[:2] == [0, 1] and shown[-1] == 999
    recorder = played("MiniGrid-DoorKey-8x8-v0", SPARSE, [0] * 400)
    episode = recorder.episode(0, "failure")
    assert episode.length == 400 and len(episode.env) == 400 and len(episode.picture["states"]) == FIRST + LAST + 1


def test_the_typical_failure_is_the_one_with_the_median_reward():
    """Environments step ahead 0 to 2 times before they turn: the middle one is typical."""
    recorder = played(GRID, get_method("free").reward(FREE), [0, 1, 0, 1], envs=5)
    assert recorder.paid().tolist() == [-1.0] * 5
    chosen = recorder.chosen(shared=1)
    assert [e.kind for e in chosen] == ["failure", "failure", "layout"]


@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1"])
def test_an_environment_that_renders_itself_is_filmed(name):
    pytest.importorskip("pygame")
    episode = played(name, SPARSE, [0, 1, 0]).episode(0, "layout")
    assert episode.picture["at"][0] == 0 and episode.picture["at"][-1] == episode.length
    for image in episode.picture["images"]:
        assert max(Image.open(io.BytesIO(base64.b64decode(image))).size) <= 200


def test_filming_gives_up_on_another_episode_and_on_a_hang():
    setup = get_task("CartPole-v1").setup
    assert film(setup, "train", 0, [1] * 200, [0, 200]) is None  # the pole falls before
    assert _in_child(lambda: [math.inf] and __import__("time").sleep(30), 0.2) is None
    assert _in_child(lambda: 1 / 0, 5.0) is None and _in_child(lambda: {"a": 1}, 5.0) == {"a": 1}


def test_a_trial_records_episodes_of_its_final_policy(tmp_path):
    training = TrainingSpec(num_envs=8, rollout_steps=64, batch_size=128, epochs=1, eval_episodes=16, final_episodes=16)
    for pool, reward in (("select", get_method("free").reward(FREE)), ("claim", SPARSE)):
        plan = TrialPlan(get_task(GRID), reward, training, 3, 1024, 1.0, tmp_path / pool, pool)
        report = run_trial(plan, lambda point: None, lambda steps: None)
        episodes = read_episodes(report.recorded)
        assert 2 <= len(episodes) <= 5 and {e.pool for e in episodes} == {pool}
        assert all(e.picture["kind"] == "grid" for e in episodes)
        assert report.telemetry["played"]["watching"] > 0


def test_the_artifact_is_the_same_bytes_and_holds_the_same_episode(walked):
    assert write_episodes([walked]) == write_episodes([walked])
    (back,) = read_episodes(write_episodes([walked]))
    assert back == replace(walked, captions=back.captions) and back.as_json() == json.loads(
        json.dumps(walked.as_json())
    )


@given(st.one_of(st.binary(max_size=60), st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["format", "episodes", "kind", "at", "length", "env", "channels", "captions", "actions"]), inner, max_size=9),
).map(lambda told: gzip.compress(json.dumps(told).encode()))))  # fmt: skip
def test_a_damaged_artifact_is_a_value_error(content):
    with contextlib.suppress(ValueError):
        assert isinstance(read_episodes(content), list)


def test_an_episode_whose_parts_do_not_fit_is_refused(walked):
    told = walked.as_json()
    for change in ({"length": 3}, {"at": [0, 1, 1, 2]}, {"captions": []}, {"env": [1.0]}, {"at": [0, 1, 2, 9]}):
        with pytest.raises(ValueError, match=r"recorded episode"):
            RecordedEpisode.from_json({**told, **change})


def test_the_counterexample_of_a_failed_check_is_recorded():
    task = get_task("MiniGrid-DoorKey-5x5-v0")
    body = "def reward(prev, action, state, memory):\n    return 1.0 if state.event == 'turned' else 0.0\n"
    problem = Problem(task, get_method("free").reward(body), 0.99)
    failed = next(v for v in run_checks(problem).verdicts if v.kind == "battery")
    assert not failed.passed
    episode = RecordedEpisode.from_json(json.loads(json.dumps(with_recording(problem, failed).details["episode"])))
    assert episode.kind == "counter-example" and not episode.success and episode.length == task.max_steps
    assert sum(episode.components["reward"]) > 50 and len(episode.at) == 56
    passed = replace(failed, details={})
    assert with_recording(problem, passed) is passed
